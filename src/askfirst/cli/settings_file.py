"""Options from a TOML file: `port = 8600` is `--port 8600`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from askfirst.cli.main import Failure

try:
    import tomllib  # type: ignore[import-not-found, unused-ignore]
except ModuleNotFoundError:  # Python 3.10
    from askfirst._vendor import tomli as tomllib  # type: ignore[no-redef, unused-ignore]

F = Callable[..., Any]


def option() -> Callable[[F], F]:
    """Return the option `--config FILE`; what the command line or the environment says wins."""
    return click.option(
        "--config",
        type=click.Path(dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=_read,
        help='A TOML file with any of these options: log-quota = "8GiB".',
    )


def _read(context: click.Context, _parameter: click.Parameter, name: str | None) -> None:
    if name is None:
        return
    try:
        values = tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"{name} cannot be read: {error.strerror}") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are
        raise Failure(f"{name} is no TOML file: {error}") from error
    context.default_map = {_parameter_name(context, name, key): v for key, v in values.items()}


def _parameter_name(context: click.Context, file: str, key: str) -> str:
    known = {}
    for parameter in context.command.params:
        if isinstance(parameter, click.Option) and parameter.name and parameter.name != "config":
            known[parameter.opts[0].removeprefix("--")] = parameter.name
    if key not in known:
        raise Failure(f"{file}: there is no option {key}; these are: {', '.join(known)}")
    return known[key]
