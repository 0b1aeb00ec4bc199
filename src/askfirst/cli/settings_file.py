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
        values = tomllib.loads(Path(name).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Failure(f"{name} cannot be read: {error.strerror}") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are
        raise Failure(f"{name} is no TOML file: {error}") from error
    options = _options(context.command)
    defaults = {}
    for key, value in values.items():
        if key not in options:
            raise Failure(f"{name}: there is no option {key}; these are: {', '.join(options)}")
        option = options[key]
        assert option.name
        defaults[option.name] = _texts(name, key, value, option)
    context.default_map = defaults


def _options(command: click.Command) -> dict[str, click.Option]:
    return {
        parameter.opts[0].removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name != "config"
    }


def _texts(file: str, key: str, value: Any, option: click.Option) -> str | list[str]:
    """Return a value as the command line would have it, so that one place says what is valid."""
    if option.is_flag and isinstance(value, bool):
        return str(value).lower()
    rows = value if option.multiple and isinstance(value, list) else [value]
    # a bool is an int, and int(True) a port
    if not all(isinstance(row, (str, int, float)) and not isinstance(row, bool) for row in rows):
        wanted = "a text, or a list of texts" if option.multiple else "a text or a number"
        wanted = "true or false" if option.is_flag else wanted
        raise Failure(f"{file}: {key} is {wanted}, as on the command line")
    texts = [str(row) for row in rows]
    return texts if option.multiple else texts[0]
