"""What the client costs its host: CPU added to the process, medians of interleaved pairs.

Every round runs each case once, beside the same program without telemetry, so that other work on
the machine meets all alike. Prints a Markdown table. `python bench/client.py [--rounds N]`
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SRC = str(Path(__file__).parents[1] / "src")
CONTRACT = Path(__file__).parents[1] / "examples" / "stratus" / "stratus" / "telemetry.toml"

BARE = "import sys; sys.path.append({src!r})\n"
HOST = BARE + "import click\n"
OURS = """
from askfirst import Telemetry
telemetry = Telemetry.from_contract({contract!r}, version="1.4.0")
telemetry.ask()
telemetry.record("start", {{"application.name": "chat", "application.env": "default"}})
"""
# the least that could do the same: read the answer, hash three values, append one line under a lock
FLOOR = """
import os, fcntl, time
try:
    from _sha256 import sha256
except ImportError:
    from _sha2 import sha256
fd = os.open({dotfile!r}, os.O_RDONLY); raw = os.read(fd, 4096); os.close(fd)
hashes = [sha256(raw[:36] + value).hexdigest() for value in (raw[:36], b"chat", b"default")]
fd = os.open({queue!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
fcntl.flock(fd, fcntl.LOCK_EX)
os.write(fd, repr((hashes, time.time_ns(), os.urandom(10))).encode() + b"\\n")
os.close(fd)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        cases = make_cases(Path(name))
        print("| case | host | CPU added, ms |\n| --- | --- | --- |")
        for (label, host), added in measure(cases, rounds).items():
            print(f"| {label} | {host} | {added:.2f} |")


def make_cases(folder: Path) -> dict[tuple[str, str], tuple[str, str, dict[str, str]]]:
    """Return (label, host) -> (program, the same without telemetry, environment)."""
    cases: dict[tuple[str, str], tuple[str, str, dict[str, str]]] = {}
    for host, head in (("bare", BARE), ("click", HOST)):
        for state in ("undecided", "refused", "consenting", "consenting, spawning"):
            home = folder / f"{host}-{state}"
            home.mkdir()
            env = environment(home)
            if state != "undecided":
                answer(env, "off" if state == "refused" else "on")
            program = head + OURS
            if "spawning" in state:
                program = program.replace('version="1.4.0"', 'version="1.4.0", deliver_every=0')
            made = program.format(src=SRC, contract=str(CONTRACT))
            cases[state, host] = (made, head.format(src=SRC), env)
    home = folder / "floor"
    home.mkdir()
    (home / "dotfile").write_text("0cc1ac2b-3a1b-4d31-a1cb-ae5d5ed9e2a1" + " " * 300)
    floor = FLOOR.format(dotfile=str(home / "dotfile"), queue=str(home / "queue"))
    cases["floor: read, hash, append", "bare"] = (
        BARE.format(src=SRC) + floor,
        BARE.format(src=SRC),
        environment(home),
    )
    return cases


def environment(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "ASKFIRST_COLLECTOR": "http://127.0.0.1:9",
    }


def answer(env: dict[str, str], word: str) -> None:
    """Say on or off, and record once, so that the cache of the contract is there."""
    for code in (f"telemetry.run_command([{word!r}])", "telemetry.record('start')"):
        program = (BARE + OURS.partition("telemetry.ask()")[0] + code).format(
            src=SRC, contract=str(CONTRACT)
        )
        run(program, env)


def measure(
    cases: dict[tuple[str, str], tuple[str, str, dict[str, str]]], rounds: int
) -> dict[tuple[str, str], float]:
    """Return ms of CPU added, the median over rounds of (with - without)."""
    added: dict[tuple[str, str], list[float]] = {case: [] for case in cases}
    for _ in range(rounds):
        for case, (program, without, env) in cases.items():
            added[case].append(run(program, env) - run(without, env))
    return {case: statistics.median(values) for case, values in added.items()}


def run(program: str, env: dict[str, str]) -> float:
    """Run a program on a bare interpreter and return its own CPU time in ms."""
    site = ["-I", "-S"] if "import click" not in program else ["-I"]
    process = subprocess.Popen(
        [sys.executable, *site, "-c", program],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the program failed:\n{program}")
    return (usage.ru_utime + usage.ru_stime) * 1000


if __name__ == "__main__":
    main()
