"""`askfirst serve`: run the collector until it is told to stop."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from askfirst.cli import settings_file
from askfirst.cli.main import Failure
from askfirst.collector import config as settings
from askfirst.collector import private
from askfirst.collector.access import login_link, read_token
from askfirst.collector.announcing import Announcement, announced
from askfirst.collector.app import build_app
from askfirst.collector.collector import log_count
from askfirst.collector.log import LogHeld
from askfirst.collector.naming import open_own
from askfirst.collector.renewal import Files
from askfirst.collector.server import ServerError, ended_by_signals, listen, run, url_of
from askfirst.collector.tls import TlsError, context_of
from askfirst.contract import loading
from askfirst.contract.loading import is_loopback
from askfirst.contract.model import Contract, ContractError
from askfirst.stores.base import Store, StoreError
from askfirst.stores.opening import identity, shown

PORT = 8600
LEAST_LOG_BYTES = 16 * 1024 * 1024  # the largest request has to fit, or its sender tries for ever
LIMITS = settings.Limits()
F = TypeVar("F", bound=Callable[..., Any])


class Bytes(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A number of bytes, as in 512MiB or 4GiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+)\s*([KMGT]i?B?|B)?", str(value).strip(), re.IGNORECASE)
        if not found:
            self.fail(f"{value!r} is no size; write it as in 512MiB or 4GiB", param, ctx)
        unit = (found[2] or "B")[0].upper()
        factor: int = 1024 ** "BKMGT".index(unit)
        return int(found[1]) * factor


def _network(
    _context: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    networks = []
    for value in values:
        try:
            networks.append(str(ipaddress.ip_network(value, strict=False)))
        except ValueError:
            raise click.BadParameter(
                f"{value!r} is no address or network; write it as in 10.0.0.5 or 10.0.0.0/8"
            ) from None
    return tuple(networks)


def _seconds(_context: click.Context, _param: click.Parameter, value: float) -> float:
    if not 0 < value < math.inf:
        raise click.BadParameter(f"{value} is no time to wait; give seconds above 0")
    return value


def _wait(name: str, default: float) -> Callable[[F], F]:
    return click.option(name, type=float, default=default, callback=_seconds, hidden=True)


@click.command(context_settings={"auto_envvar_prefix": "ASKFIRST_SERVE"})
@settings_file.option()
@click.option(
    "--contract",
    "contracts",
    metavar="FILE…",
    multiple=True,
    required=True,
    envvar="ASKFIRST_SERVE_CONTRACT",
    help="What may be collected: one telemetry.toml for each tool.",
)
@click.argument("more", metavar="", nargs=-1)
@click.option(
    "--store",
    metavar="PATH|URL",
    help="Where events are kept. [~/.local/share/askfirst/askfirst.duckdb]",
)
@click.option(
    "--ack",
    type=click.Choice(["log", "store"]),
    default="log",
    show_default=True,
    help="Where events are when they are acknowledged; with store nothing is kept here.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--tls-cert", metavar="FILE", help="Certificate chain, in PEM; read again when it changes."
)
@click.option("--tls-key", metavar="FILE", help="The certificate's private key, in PEM.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that take events; from 2 on they are apart from the one with the store.",
)
@click.option(
    "--log-quota",
    type=Bytes(),
    default="4GiB",
    show_default=True,
    help="Disk for events that the store does not have yet; beyond it, clients are told to wait.",
)
@click.option(
    "--trusted-proxy",
    metavar="NETWORK",
    multiple=True,
    callback=_network,
    help="A proxy whose Forwarded or X-Forwarded-For header is believed.",
)
@click.option(
    "--requests-per-minute",
    type=click.IntRange(0),
    default=LIMITS.requests_per_minute,
    show_default=True,
    help="Of one client; 0 for no limit.",
)
@click.option(
    "--burst",
    type=click.IntRange(1),
    default=LIMITS.burst,
    show_default=True,
    help="Requests of one client at once, before that limit begins.",
)
@click.option(
    "--events-per-day",
    type=click.IntRange(0),
    default=LIMITS.events_per_day,
    show_default=True,
    help="Of one installation; 0 for no limit.",
)
@click.option(
    "--header-seconds", type=float, default=LIMITS.header_seconds, callback=_seconds, hidden=True
)
@click.option(
    "--body-seconds", type=float, default=LIMITS.body_seconds, callback=_seconds, hidden=True
)
@click.option(
    "--idle-seconds", type=float, default=LIMITS.idle_seconds, callback=_seconds, hidden=True
)
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
    ack: str,
    host: str,
    port: int,
    tls_cert: str | None,
    tls_key: str | None,
    workers: int,
    log_quota: int,
    trusted_proxy: tuple[str, ...],
    no_token: bool,
    public: bool,
    public_threshold: int,
    **limits: Any,
) -> None:
    """Run the collector: receive events, keep them, answer questions.

    Several contracts may follow one --contract. SIGTERM and Ctrl-C end it when everything received
    is in the store; so does closing the terminal it was started on. Any other SIGHUP reads
    contracts and certificate again; so does a change of their files.

    Each option can be set in the environment (ASKFIRST_SERVE_PORT) or in a file (--config) too.
    """
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together; give both")
    if no_token and not is_loopback(host):
        raise click.UsageError(f"--no-token shows the answers to everybody who reaches {host}")
    if ack == "store" and "://" not in (store or ""):
        raise click.UsageError("--ack store needs a store on a server: --store clickhouse://…")
    if ack == "store" and workers > 1:
        raise click.UsageError("--ack store goes with --workers 1; start more collectors instead")
    least = LEAST_LOG_BYTES * log_count(workers)
    if log_quota < least:
        raise click.BadParameter(
            f"{log_quota} bytes are too few; with --workers {workers} give at least "
            f"{least // 1024**2}MiB",
            param_hint="--log-quota",
        )
    names = (*contracts, *more)
    read = partial(_contracts, names)
    agreed = _checked(read)
    place = _placed(store)
    os.umask(0o077)  # DuckDB leaves the mode of its write-ahead log to it
    with ended_by_signals(), ExitStack() as stack:
        try:
            if tls_cert is not None and tls_key is not None:
                context_of(tls_cert, tls_key)
            listener = stack.enter_context(listen(host, port))
            token = read_token(settings.state_folder(os.environ))
            private.make_folder(settings.beside(place, "", os.environ).parent)
            opened: Store = stack.enter_context(closing(open_own(place, os.environ, patient=True)))
            _say_what_is_left(place)
            app = build_app(
                settings.Config(
                    contracts=agreed,
                    log_folder=settings.beside(place, "-log", os.environ),
                    token=None if no_token else token,
                    store=None if "://" in place else Path(place),
                    ack=ack,
                    workers=workers,
                    quota_bytes=log_quota,
                    limits=settings.Limits(trusted_proxies=trusted_proxy, **limits),
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
            certificate = str(Path(tls_cert).absolute()) if tls_cert else None
            row = Announcement(url, os.getpid(), identity(place), certificate)
            file = settings.beside(place, "-server.json", os.environ)
            stack.enter_context(announced(file, row))
            greeting = _greeting(url, None if no_token else token, public=public)
            files = Files(names, read, tls_cert, tls_key)
            run(app, listener, lambda: _greet(greeting), files)
        except (ServerError, StoreError, TlsError, LogHeld) as error:
            raise Failure(str(error)) from error
        except OSError as error:
            name = error.filename or shown(place)
            raise Failure(f"{name} cannot be used: {error.strerror}; give another") from error


def _placed(store: str | None) -> str:
    try:
        return settings.place_of(store, os.environ)
    except StoreError as error:
        raise Failure(str(error)) from error


def _contracts(names: tuple[str, ...]) -> tuple[Contract, ...]:
    """Read contracts, of which no two may be of one tool. Raises ContractError."""
    agreed: dict[str, Contract] = {}
    for name in names:
        contract = loading.load(name)
        if contract.name in agreed:
            raise ContractError(
                name, [f"is a second contract of {contract.name}; give one of them"]
            )
        agreed[contract.name] = contract
    return tuple(agreed.values())


def _checked(read: Callable[[], tuple[Contract, ...]]) -> tuple[Contract, ...]:
    try:
        return read()
    except ContractError as error:
        raise Failure(str(error).replace("\n", "\naskfirst: ")) from error


def _say_what_is_left(place: str) -> None:
    """Say it if there are events of a time when all stores at URLs shared one log."""
    old = settings.data_folder(os.environ) / "collector-log"
    if "://" in place and any(old.glob("*/*.log")):
        new = settings.beside(place, "-log", os.environ)
        _say(
            f"{old} has events for a store that it does not name; if this is it, stop this, and "
            f"rename it to {new}"
        )


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
