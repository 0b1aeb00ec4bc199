"""`askfirst inspect`: see what a tool really sends."""

from __future__ import annotations

import sys

import click

from askfirst.cli.main import Failure
from askfirst.collector.inspection import build_inspector
from askfirst.collector.server import ServerError, ended_by_signals, listen, run_plain, url_of

PORT = 8601
GUIDE = """\
listening on {url}
In another terminal, for a tool called <tool>:
  export ASKFIRST_COLLECTOR={url}
  <tool> telemetry on      nothing is sent without a Yes
  <tool> …                 any command of its contract
  <tool> telemetry send    now, not within the hour
Ctrl-C ends this; nothing is stored."""


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

    Each event and each request to be forgotten is one line on stdout, exactly as it came; what it
    is, is said on stderr. Point a tool here with ASKFIRST_COLLECTOR=http://127.0.0.1:8601.
    """
    with ended_by_signals():
        try:
            with listen("127.0.0.1", port) as listener:
                url = url_of(listener, tls=False)
                run_plain(
                    build_inspector(_print),
                    listener,
                    lambda: click.echo(GUIDE.format(url=url), err=True),
                )
        except ServerError as error:
            raise Failure(str(error)) from error


def _print(text: bytes, what: str) -> None:
    click.echo(click.style(what, dim=True), err=True)
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.buffer.flush()
