"""`instrument(cli, telemetry)` for a click command or group.

`observe` is for typer too, which has a click of its own: `Framework` says what differs, and
`instrument` alone imports click. A second module would cost each run 0.1 ms.
"""

from askfirst import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import click

    from askfirst import Telemetry

_OF = "_askfirst_of"
_DONE = "_askfirst_wrapped"
_RAN = "_askfirst_ran"


def instrument(cli: "click.Command", telemetry: "Telemetry") -> None:
    """Make a click program ask first and record what its contract allows.

    `cli` is the root: a group, of which groups in groups are named `db migrate`, or one command,
    which is named by its own name.
    """
    import click

    def flag(option: str, text: str, remember: "Any") -> "click.Option":
        how: Any = {}
        if remember is not None:
            how = {"expose_value": False, "callback": lambda c, _, given: given and remember(c)}
        return click.Option([option], is_flag=True, help=text, **how)

    ended = click.exceptions.Exit
    framework = Framework(group=click.Group, command=click.Command, ended=ended, flag=flag)
    observe(cli, telemetry, framework)


class Framework:
    """The classes of a framework, and how it makes a flag.

    `ended` is the exception with an `exit_code` that ends a command early. `flag` makes an option
    by its name and help; with a third argument its value is not passed to the command, and that is
    called with the context when it was given.
    """

    def __init__(self, *, group: "Any", command: "Any", ended: "Any", flag: "Any") -> None:
        self.group, self.command, self.ended, self.flag = group, command, ended, flag


def observe(root: "Any", telemetry: "Telemetry", framework: Framework) -> None:
    """Make a tree of commands ask first and record what the contract allows."""
    if getattr(root, _OF, None) is telemetry:
        return
    setattr(root, _OF, telemetry)
    if _is_group(root) and not getattr(root, "chain", False):  # which takes no groups
        _add_telemetry(root, telemetry, framework)
    else:
        _join_telemetry(root, telemetry)
    _wrap(root, framework)


def _wrap(command: "Any", framework: Framework) -> None:
    """Observe one command, once; commands below a group as they are found."""
    if hasattr(command, _DONE):
        return
    setattr(command, _DONE, True)
    if _is_group(command):
        _wrap_group(command, framework)
    else:
        _join_verbose(command, framework)
    _wrap_invoke(command, framework)


def _is_group(command: "Any") -> bool:
    return hasattr(command, "resolve_command")


def _wrap_group(group: "Any", framework: Framework) -> None:
    resolve = group.resolve_command

    def resolve_command(ctx: "Any", args: "list[str]") -> "tuple[Any, Any, list[str]]":
        name, found, rest = resolve(ctx, args)
        if found is not None:
            _wrap(found, framework)
        return name, found, rest

    group.resolve_command = resolve_command


def _wrap_invoke(command: "Any", framework: Framework) -> None:
    invoke = command.invoke

    def observed(ctx: "Any") -> "Any":
        telemetry = getattr(ctx.find_root().command, _OF, None)
        if telemetry is None:
            return invoke(ctx)  # in a program that is not instrumented
        is_run = not (_is_group(command) and _has_subcommand(ctx))
        verbose, well = telemetry.verbose, False
        if is_run:
            telemetry.ask()
            _look(telemetry, ctx)
        try:
            result = invoke(ctx)
        except (framework.ended, SystemExit) as end:
            code: Any = end.code if isinstance(end, SystemExit) else end.exit_code
            well = code in (None, 0)
            raise
        else:
            well = True
            return result
        finally:
            if is_run:
                _note(telemetry, ctx, well)
            if ctx.parent is None:
                for ran in ctx.meta.get(_RAN, ()) if well else ():
                    telemetry.record_if_declared(*ran)
                telemetry.forget(verbose=verbose)  # a shell of the host's may run another

    command.invoke = observed


@guarded
def _look(telemetry: "Telemetry", ctx: "Any") -> None:
    telemetry.verbose = telemetry.verbose or _is_verbose(ctx)


@guarded
def _note(telemetry: "Telemetry", ctx: "Any", well: bool) -> None:
    """Keep what ended well until the run is over, which may still fail."""
    values = telemetry.forget(verbose=telemetry.verbose)
    if well:
        ctx.meta.setdefault(_RAN, []).append((_path(ctx), values))


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


def _add_telemetry(root: "Any", telemetry: "Telemetry", framework: Framework) -> None:
    """Add `<tool> telemetry`, which is filled when it is used: most runs never do."""
    # typer's help is drawn by a setting that commands hand down
    style = {k: getattr(root, k) for k in ("rich_markup_mode",) if hasattr(root, k)}
    text = "Whether usage data is shared, and what."
    group = framework.group(name="telemetry", help=text, invoke_without_command=True, **style)
    setattr(group, _DONE, True)
    make_context, invoke = group.make_context, group.invoke

    def filled(*args: "Any", **kwargs: "Any") -> "Any":
        if group.params:
            return make_context(*args, **kwargs)
        from askfirst.client.vocabulary import COMMANDS

        for option, name in (("--enable", "on"), ("--disable", "off")):
            group.params.append(framework.flag(option, f"The same as `{name}`.", None))
        group.params.append(framework.flag("--verbose", "Say more.", None))
        for name, text in COMMANDS.items():

            def run(verbose: bool, name: str = name) -> None:
                telemetry.verbose |= verbose
                raise framework.ended(telemetry.run_command([name]))

            given = group.params[2:]
            command = framework.command(name=name, help=text, params=given, callback=run, **style)
            setattr(command, _DONE, True)
            group.add_command(command)
        return make_context(*args, **kwargs)

    def alone(ctx: "Any") -> "Any":
        telemetry.verbose |= ctx.params["verbose"]
        if _has_subcommand(ctx):
            return invoke(ctx)
        name = "on" if ctx.params["enable"] else "off" if ctx.params["disable"] else "status"
        raise framework.ended(telemetry.run_command([name]))

    group.make_context, group.invoke = filled, alone
    if hasattr(root, "add_command"):
        root.add_command(group, "telemetry")
    # a lazy group finds and lists in its own way
    find, names = root.get_command, root.list_commands
    root.get_command = lambda ctx, name: group if name == "telemetry" else find(ctx, name)
    root.list_commands = lambda ctx: [*dict.fromkeys([*names(ctx), "telemetry"])]
