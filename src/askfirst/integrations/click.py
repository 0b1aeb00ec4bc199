"""`instrument(cli, telemetry)` for a click command or group.

`observe` is for typer too, which has a copy of click inside: `Framework` says what differs, and
`instrument` alone imports click. A second module would cost each run 0.1 ms.
"""

from askfirst import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import click

    from askfirst import Telemetry

_DONE = "_askfirst_instrumented"


def instrument(cli: "click.Command", telemetry: "Telemetry") -> None:
    """Make a click program ask first and record what its contract allows.

    `cli` is the root: a group, of which groups in groups are named `db migrate`, or one command,
    which is named by its own name.
    """
    import click

    def flag(
        option: str, text: str, remember: "Callable[[click.Context], None] | None"
    ) -> "click.Option":
        if remember is None:
            return click.Option([option], is_flag=True, help=text)

        def noted(ctx: "click.Context", _: "click.Parameter", given: bool) -> None:
            if given:
                remember(ctx)

        return click.Option([option], is_flag=True, expose_value=False, callback=noted, help=text)

    observe(
        cli,
        telemetry,
        Framework(group=click.Group, command=click.Command, ended=click.exceptions.Exit, flag=flag),
    )


class Framework:
    """The classes of a framework, and how it makes a flag.

    `ended` is the exception with an `exit_code` that ends a command early. `flag` makes an option
    by its name and help; with a third argument its value is not passed to the command, and that is
    called with the context when it was given.
    """

    __slots__ = ("command", "ended", "flag", "group")

    def __init__(
        self,
        *,
        group: "Callable[..., Any]",
        command: "Callable[..., Any]",
        ended: "Any",
        flag: "Callable[[str, str, Callable[[Any], None] | None], Any]",
    ) -> None:
        self.group = group
        self.command = command
        self.ended = ended
        self.flag = flag


def observe(root: "Any", telemetry: "Telemetry", framework: Framework) -> None:
    """Make a tree of commands ask first and record what the contract allows."""
    if getattr(root, _DONE, None) is telemetry:
        return
    if _is_group(root) and not getattr(root, "chain", False):  # which takes no groups
        root.add_command(_telemetry_group(root, telemetry, framework), "telemetry")
    else:
        _join_telemetry(root, telemetry)
    _wrap(root, telemetry, framework)


def _wrap(command: "Any", telemetry: "Telemetry", framework: Framework) -> None:
    """Observe one command, once; commands below a group as they are found."""
    if getattr(command, _DONE, None) is telemetry:
        return
    setattr(command, _DONE, telemetry)
    if _is_group(command):
        _wrap_group(command, telemetry, framework)
    else:
        _join_verbose(command, framework)
    _wrap_invoke(command, telemetry, framework)


def _is_group(command: "Any") -> bool:
    return hasattr(command, "resolve_command")


def _wrap_group(group: "Any", telemetry: "Telemetry", framework: Framework) -> None:
    resolve = group.resolve_command

    def resolve_command(ctx: "Any", args: "list[str]") -> "tuple[Any, Any, list[str]]":
        name, found, rest = resolve(ctx, args)
        if found is not None:
            _wrap(found, telemetry, framework)
        return name, found, rest

    group.resolve_command = resolve_command


def _wrap_invoke(command: "Any", telemetry: "Telemetry", framework: Framework) -> None:
    invoke = command.invoke

    def observed(ctx: "Any") -> "Any":
        is_run = not (_is_group(command) and _has_subcommand(ctx))
        verbose, well = telemetry.verbose, False
        if is_run:
            telemetry.ask()
            _look(telemetry, ctx)
        try:
            result = invoke(ctx)
        except (framework.ended, SystemExit) as end:
            code: Any = end.code if isinstance(end, SystemExit) else end.exit_code
            well = is_run and code in (None, 0)
            raise
        else:
            well = is_run
            return result
        finally:
            if well:
                _record(telemetry, ctx)
            telemetry.forget(verbose=verbose)  # a shell of the host's may run another

    command.invoke = observed


@guarded
def _look(telemetry: "Telemetry", ctx: "Any") -> None:
    telemetry.verbose = telemetry.verbose or _is_verbose(ctx)


@guarded
def _record(telemetry: "Telemetry", ctx: "Any") -> None:
    telemetry.record_if_declared(_path(ctx))


def _has_subcommand(ctx: "Any") -> bool:
    """Tell whether a group is only on the way to one of its commands."""
    protected = "_protected_args" if hasattr(ctx, "_protected_args") else "protected_args"  # 8.1
    return bool(getattr(ctx, protected, None) or ctx.args)


def _path(ctx: "Any") -> str:
    """Return the command as the contract names it: `db migrate`, without the program's name."""
    names: list[str] = []
    place = ctx
    while place.parent is not None:
        names.append(_name(place))
        place = place.parent
    return " ".join(reversed(names)) or ctx.command.name or ""


def _name(ctx: "Any") -> str:
    """Return a command's name in its group, which can differ from its own; never what was typed."""
    own: str = ctx.command.name or ""
    commands: Any = getattr(ctx.parent.command, "commands", None)
    if not hasattr(commands, "items"):
        return own  # a host's class may keep anything by that name
    names: list[str] = [name for name, command in commands.items() if command is ctx.command]
    return own if own in names or not names else names[0]


def _is_verbose(ctx: "Any") -> bool:
    """Tell whether a `--verbose` of the host program's own, or ours, was given."""
    place = ctx
    while place is not None:
        names = [p.name for p in place.command.params if "--verbose" in p.opts]
        if any(place.params.get(name) for name in ("verbose", *names) if name):
            return True
        place = place.parent
    return bool(ctx.meta.get(_DONE))


def _join_verbose(command: "Any", framework: Framework) -> None:
    """Add `--verbose` to a command of a program that has none."""
    settings = command.context_settings
    for loose in ("ignore_unknown_options", "allow_extra_args"):
        if settings.get(loose, getattr(command, loose, False)):
            return  # it hands on what it does not know; `--verbose` may be meant for that
    if any("--verbose" in param.opts or param.name == "verbose" for param in command.params):
        return

    def remember(ctx: "Any") -> None:
        ctx.meta[_DONE] = True

    text = "Show exactly what telemetry queues."
    command.params.append(framework.flag("--verbose", text, remember))


def _join_telemetry(command: "Any", telemetry: "Telemetry") -> None:
    """Make `<tool> telemetry off` work for a program that is one command, or chains them.

    "telemetry" without a word of ours behind it may be an argument of the host program.
    """
    parse = command.parse_args

    def parse_args(ctx: "Any", args: "list[str]") -> "list[str]":
        if args[:1] == ["telemetry"] and ctx.parent is None and not ctx.resilient_parsing:
            from askfirst.client.vocabulary import is_command

            if is_command(args[1:]):
                ctx.exit(telemetry.run_command(args[1:]))
        rest: list[str] = parse(ctx, args)
        return rest

    command.parse_args = parse_args


def _telemetry_group(root: "Any", telemetry: "Telemetry", framework: Framework) -> "Any":
    """Return `<tool> telemetry`, which is filled when it is used: most runs never do."""
    # typer's help is drawn by a setting that commands hand down
    style = {k: getattr(root, k) for k in ("rich_markup_mode",) if hasattr(root, k)}
    text = "Whether usage data is shared, and what."
    group = framework.group(name="telemetry", help=text, invoke_without_command=True, **style)
    setattr(group, _DONE, telemetry)
    make_context, invoke = group.make_context, group.invoke

    def fill() -> None:
        if group.params:
            return
        from askfirst.client.vocabulary import COMMANDS

        for option, name in (("--enable", "on"), ("--disable", "off")):
            group.params.append(framework.flag(option, f"The same as `{name}`.", None))
        verbose = framework.flag("--verbose", "Say more.", None)
        for name, text in COMMANDS.items():
            run = _run(name, telemetry, framework)
            command = framework.command(
                name=name, help=text, params=[verbose], callback=run, **style
            )
            setattr(command, _DONE, telemetry)
            group.add_command(command)

    def filled(*args: "Any", **kwargs: "Any") -> "Any":
        fill()
        return make_context(*args, **kwargs)

    def alone(ctx: "Any") -> "Any":
        if _has_subcommand(ctx):
            return invoke(ctx)
        name = "on" if ctx.params["enable"] else "off" if ctx.params["disable"] else "status"
        raise framework.ended(telemetry.run_command([name]))

    group.make_context, group.invoke = filled, alone
    return group


def _run(name: str, telemetry: "Telemetry", framework: Framework) -> "Callable[[bool], None]":
    def run(verbose: bool) -> None:
        raise framework.ended(telemetry.run_command([name] + ["--verbose"] * bool(verbose)))

    return run
