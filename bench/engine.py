"""Runs the tests' ClickHouse engine on a folder that stays, until it is told to end.

    python bench/engine.py FOLDER [--port 18123]

What a bench filled once can so be asked again another day, at clickhouse://127.0.0.1:18123/….
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.stores.server import Server


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=18123)
    options = parser.parse_args()
    server = Server(options.folder.resolve(), port=options.port)
    server.start()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    print(f"{server.http} answers", flush=True)
    ended.wait()
    server.kill()


if __name__ == "__main__":
    main()
