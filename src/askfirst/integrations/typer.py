"""`instrument(app, telemetry)` for a typer app.

typer makes its commands anew for every call, from classes that an app may choose (`cls=`). These
are changed here, and observe themselves where they are the root of what runs.
"""

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from askfirst.integrations.click import Framework, observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from askfirst import Telemetry

_OF = "_askfirst_telemetry"


def instrument(app: typer.Typer, telemetry: "Telemetry") -> None:
    """Make a typer app ask first and record what its contract allows.

    `app` is the root: apps in apps are named `db migrate`, and an app of one command is named by
    its command. Commands may be added before or after.
    """

    def prepare() -> None:
        callback = app.registered_callback
        holder = callback if callback is not None and _chosen(callback) else app.info
        holder.cls = _root_class(_chosen(holder) or TyperGroup, telemetry)
        for command in app.registered_commands:
            command.cls = _root_class(_chosen(command) or TyperCommand, telemetry)

    prepare()
    app.command = _then(app.command, prepare)  # type: ignore[method-assign]
    app.callback = _then(app.callback, prepare)  # type: ignore[method-assign]


def _chosen(info: "Any") -> "Any":
    """Return the class that an app chose, or None; typer wraps what was not chosen."""
    return info.cls if isinstance(info.cls, type) else None


def _then(register: "Callable[..., Any]", prepare: "Callable[[], None]") -> "Any":
    """Return a registering method of an app that also prepares what it has registered."""

    def registering(*args: "Any", **kwargs: "Any") -> "Any":
        decorate = register(*args, **kwargs)

        def decorating(function: "Any") -> "Any":
            decorated = decorate(function)
            prepare()
            return decorated

        return decorating

    return registering


def _root_class(base: "Any", telemetry: "Telemetry") -> "Any":
    if getattr(base, _OF, None) is telemetry:
        return base

    def make_context(
        self: "Any", name: "str | None", args: "list[str]", parent: "Any" = None, **extra: "Any"
    ) -> "Any":
        if parent is None:
            observe(self, telemetry, _TYPER)
        return base.make_context(self, name, args, parent=parent, **extra)

    return type(base.__name__, (base,), {"make_context": make_context, _OF: telemetry})


def _flag(option: str, text: str, remember: "Callable[[Any], None] | None") -> "Any":
    """Make an option the way typer does; there is no other that all its releases share."""

    def callback(ctx: typer.Context, value: bool) -> bool:
        if value and remember is not None:
            remember(ctx)
        return value

    maker = typer.Typer(add_completion=False)
    declared = typer.Option(
        False, option, help=text, callback=callback, expose_value=remember is None
    )

    def command(flag: bool = declared) -> None: ...

    maker.command()(command)
    [made] = get_command(maker).params
    made.name = option.lstrip("-")
    return made


_TYPER = Framework(group=TyperGroup, command=TyperCommand, ended=typer.Exit, flag=_flag)
