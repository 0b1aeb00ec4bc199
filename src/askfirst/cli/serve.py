"""`askfirst serve`: run the collector until it is told to stop."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import click

from askfirst.cli.contract import read
from askfirst.cli.main import Failure
from askfirst.collector import config as settings
from askfirst.collector import private
from askfirst.collector.access import login_link, read_token
from askfirst.collector.app import build_app
from askfirst.collector.server import (
    ServerError,
    check_certificate,
    ended_by_signals,
    listen,
    run,
    url_of,
)
from askfirst.contract.loading import is_loopback
from askfirst.contract.model import Contract
from askfirst.stores.base import Store, StoreError
from askfirst.stores.opening import open_store

PORT = 8600


@click.command()
@click.option(
    "--contract",
    "contracts",
    metavar="FILE…",
    multiple=True,
    required=True,
    help="What may be collected: one telemetry.toml for each tool.",
)
@click.argument("more", metavar="", nargs=-1)
@click.option("--store", help="Path of the store. [~/.local/share/askfirst/askfirst.duckdb]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--tls-cert", metavar="FILE", help="Certificate chain, in PEM.")
@click.option("--tls-key", metavar="FILE", help="The certificate's private key, in PEM.")
@click.option(
    "--no-token", is_flag=True, help="Show the answers to everybody on this machine; loopback only."
)
@click.option("--public", is_flag=True, help="Show aggregates of large groups to everybody.")
@click.option(
    "--public-threshold",
    type=click.IntRange(5),
    default=10,
    show_default=True,
    help="Installations, below which a group does not show in public.",
)
def command(
    contracts: tuple[str, ...],
    more: tuple[str, ...],
    store: str | None,
    host: str,
    port: int,
    tls_cert: str | None,
    tls_key: str | None,
    *,
    no_token: bool,
    public: bool,
    public_threshold: int,
) -> None:
    """Run the collector: receive events, keep them, answer questions.

    Several contracts may follow one --contract. SIGTERM and Ctrl-C end it when everything received
    is in the store.
    """
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together; give both")
    if no_token and not is_loopback(host):
        raise click.UsageError(f"--no-token shows the answers to everybody who reaches {host}")
    agreed = _contracts((*contracts, *more))
    place = store or str(settings.default_store(os.environ))
    with ended_by_signals(), ExitStack() as stack:
        try:
            if tls_cert is not None and tls_key is not None:
                check_certificate(tls_cert, tls_key)
            listener = stack.enter_context(listen(host, port))
            token = read_token(settings.state_folder(os.environ))
            private.make_folder(settings.beside(place, "", os.environ).parent)
            opened: Store = stack.enter_context(closing(open_store(place)))
            app = build_app(
                settings.Config(
                    contracts=agreed,
                    log_folder=settings.beside(place, "-log", os.environ),
                    token=None if no_token else token,
                    public_file=settings.beside(place, "-public.json", os.environ)
                    if public
                    else None,
                    public_threshold=public_threshold,
                    public_secret=token.encode(),
                ),
                opened,
                say=_say,
            )
            url = url_of(listener, tls=tls_cert is not None)
            stack.enter_context(_announced(settings.beside(place, "-server.json", os.environ), url))
            greeting = _greeting(url, None if no_token else token, public=public)
            run(app, listener, lambda: _greet(greeting), certificate=tls_cert, key=tls_key)
        except (ServerError, StoreError) as error:
            raise Failure(str(error)) from error
        except OSError as error:
            name = error.filename or place
            raise Failure(f"{name} cannot be used: {error.strerror}; give another") from error


def _contracts(names: tuple[str, ...]) -> tuple[Contract, ...]:
    """Read contracts, of which no two may be of one tool."""
    agreed: dict[str, Contract] = {}
    for name in names:
        contract = read(name)
        if contract.name in agreed:
            raise Failure(f"{name}: is a second contract of {contract.name}; give one of them")
        agreed[contract.name] = contract
    return tuple(agreed.values())


@contextmanager
def _announced(path: Path, url: str) -> Iterator[None]:
    """Say in a file, while the collector runs, where it can be asked."""
    private.write(path, json.dumps({"url": url, "pid": os.getpid()}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _greeting(url: str, token: str | None, *, public: bool) -> list[str]:
    lines = [f"listening on {url}"]
    if token is None:
        lines.append(f"everybody on this machine may read the answers at {url}")
    else:
        lines.append(f"log in at {login_link(url, token)}")
    if public:
        lines.append(f"everybody may read {url}/public")
    return lines


def _greet(lines: list[str]) -> None:
    for line in lines:
        click.echo(line, err=True)


def _say(text: str) -> None:
    click.echo(f"askfirst: {text}", err=True)
