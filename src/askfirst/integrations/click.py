"""`instrument(cli, telemetry)` for a click command or group.

Adds the question at start, the recording of allow-listed commands that succeed, `--verbose`, and
the `telemetry` sub-commands. Only the names of commands are looked at, never what was given to
them.
"""

import click

from askfirst.client.commands import COMMANDS, is_command
from askfirst.client.telemetry import Telemetry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DONE = "_askfirst_instrumented"


def instrument(cli: click.Command, telemetry: Telemetry) -> None:
    """Make a click program ask first and record what its contract allows.

    `cli` is the root: a group, of which groups in groups are named `db migrate`, or one command,
    which is named by its own name.
    """
    if isinstance(cli, click.Group):
        cli.add_command(_telemetry_group(telemetry), "telemetry")
    else:
        _join_telemetry(cli, telemetry)
    _wrap(cli, telemetry)


def _wrap(command: click.Command, telemetry: Telemetry) -> None:
    """Observe one command, once; commands below a group as they are found."""
    if getattr(command, _DONE, None) is telemetry:
        return
    setattr(command, _DONE, telemetry)
    if isinstance(command, click.Group):
        _wrap_group(command, telemetry)
    else:
        _join_verbose(command)
    _wrap_invoke(command, telemetry)


def _wrap_group(group: click.Group, telemetry: Telemetry) -> None:
    resolve = group.resolve_command

    def resolve_command(
        ctx: click.Context, args: "list[str]"
    ) -> "tuple[str | None, click.Command | None, list[str]]":
        name, found, rest = resolve(ctx, args)
        if found is not None and not isinstance(found, _TelemetryGroup):
            _wrap(found, telemetry)
        return name, found, rest

    group.resolve_command = resolve_command  # type: ignore[method-assign]


def _wrap_invoke(command: click.Command, telemetry: Telemetry) -> None:
    invoke = command.invoke

    def observed(ctx: click.Context) -> "Any":
        if isinstance(command, click.Group) and _has_subcommand(ctx):
            return invoke(ctx)
        telemetry.ask()
        telemetry.verbose = telemetry.verbose or _is_verbose(ctx)
        try:
            result = invoke(ctx)
        except click.exceptions.Exit as end:
            if end.exit_code == 0:
                telemetry.record(_path(ctx))
            raise
        except SystemExit as end:
            if end.code in (None, 0):
                telemetry.record(_path(ctx))
            raise
        telemetry.record(_path(ctx))
        return result

    command.invoke = observed  # type: ignore[method-assign]


def _has_subcommand(ctx: click.Context) -> bool:
    """Tell whether a group is only on the way to one of its commands."""
    protected = "_protected_args" if hasattr(ctx, "_protected_args") else "protected_args"  # 8.1
    return bool(getattr(ctx, protected, None) or ctx.args)


def _path(ctx: click.Context) -> str:
    """Return the command as the contract names it: `db migrate`, without the program's name."""
    names: list[str] = []
    place: click.Context | None = ctx
    while place is not None and place.parent is not None:
        names.append(_name(place))
        place = place.parent
    return " ".join(reversed(names)) or ctx.command.name or ""


def _name(ctx: click.Context) -> str:
    """Return a command's name in its group, which can differ from its own; never what was typed."""
    own = ctx.command.name or ""
    group = ctx.parent.command if ctx.parent is not None else None
    if not isinstance(group, click.Group):
        return own
    names = [name for name, command in group.commands.items() if command is ctx.command]
    return own if own in names or not names else names[0]


def _is_verbose(ctx: click.Context) -> bool:
    """Tell whether a `--verbose` of the host program's own, or ours, was given."""
    place: click.Context | None = ctx
    while place is not None:
        names = [p.name for p in place.command.params if "--verbose" in p.opts]
        if any(place.params.get(name) for name in ("verbose", *names) if name):
            return True
        place = place.parent
    return bool(ctx.meta.get(_DONE))


def _join_verbose(command: click.Command) -> None:
    """Add `--verbose` to a command of a program that has none."""
    settings = command.context_settings
    for loose in ("ignore_unknown_options", "allow_extra_args"):
        if settings.get(loose, getattr(command, loose)):
            return  # it hands on what it does not know; `--verbose` may be meant for that

    def remember(ctx: click.Context, _: click.Parameter, given: bool) -> None:
        if given:
            ctx.meta[_DONE] = True

    taken = any("--verbose" in param.opts or param.name == "verbose" for param in command.params)
    if not taken:
        command.params.append(
            click.Option(
                ["--verbose"],
                is_flag=True,
                expose_value=False,
                callback=remember,
                help="Show exactly what telemetry queues.",
            )
        )


def _join_telemetry(command: click.Command, telemetry: Telemetry) -> None:
    """Make `<tool> telemetry off` work for a program that is one command.

    "telemetry" alone may be an argument of the host program; with a word of ours behind it, it is
    not taken for one.
    """
    parse = command.parse_args

    def parse_args(ctx: click.Context, args: "list[str]") -> "list[str]":
        words = args[1:] if args[:1] == ["telemetry"] and ctx.parent is None else []
        if is_command(words) and not ctx.resilient_parsing:
            ctx.exit(telemetry.run_command(words))
        return parse(ctx, args)

    command.parse_args = parse_args  # type: ignore[method-assign]


class _TelemetryGroup(click.Group):
    """`<tool> telemetry`, with or without a sub-command."""


def _telemetry_group(telemetry: Telemetry) -> click.Group:
    group = _TelemetryGroup(
        "telemetry",
        help="Whether usage data is shared, and what.",
        invoke_without_command=True,
    )

    def run(name: str, verbose: bool) -> None:
        code = telemetry.run_command([name] + ["--verbose"] * verbose)
        click.get_current_context().exit(code)

    def alone(enable: bool, disable: bool) -> None:
        if click.get_current_context().invoked_subcommand is None:
            run("on" if enable else "off" if disable else "status", False)

    group.callback = alone
    for option, name in (("--enable", "on"), ("--disable", "off")):
        group.params.append(click.Option([option], is_flag=True, help=f"The same as `{name}`."))
    verbose = click.Option(["--verbose"], is_flag=True, help="Say more.")
    for name, text in COMMANDS.items():
        group.add_command(
            click.Command(
                name,
                help=text,
                params=[verbose],
                callback=lambda verbose, name=name: run(name, verbose),
            )
        )
    return group
