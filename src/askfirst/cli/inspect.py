"""`askfirst inspect`: see what a tool really sends."""

from __future__ import annotations

import sys

import click

from askfirst.cli.main import Failure
from askfirst.collector.inspection import build_inspector
from askfirst.collector.server import ServerError, ended_by_signals, listen, run, url_of

PORT = 8601


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
def command(port: int) -> None:
    """Print whatever a tool sends to this machine; store nothing.

    Each event is one line on stdout, exactly as it came. Point a tool here with
    ASKFIRST_COLLECTOR=http://127.0.0.1:8601.
    """
    with ended_by_signals():
        try:
            with listen("127.0.0.1", port) as listener:
                url = url_of(listener, tls=False)
                run(
                    build_inspector(_print),
                    listener,
                    lambda: click.echo(f"listening on {url}", err=True),
                )
        except ServerError as error:
            raise Failure(str(error)) from error


def _print(text: bytes) -> None:
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.buffer.flush()
