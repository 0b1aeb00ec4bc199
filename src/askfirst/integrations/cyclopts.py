"""`instrument(app, telemetry)` for a cyclopts app.

What runs is what `app(...)`, `app.meta(...)` or `run_async` runs; of a program that calls
`parse_args` and its function itself, success cannot be seen, so nothing is asked or recorded.
"""

# ruff: noqa: SLF001 - cyclopts has no public way up, and lazy commands stay unloaded

import sys
from typing import Annotated, Literal  # cyclopts has imported it

from cyclopts import App, Parameter

from askfirst.client.vocabulary import COMMANDS, is_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from askfirst import Telemetry

_OF = "_askfirst_run"


def instrument(app: App, telemetry: "Telemetry") -> None:
    """Make a cyclopts app ask first and record what its contract allows.

    `app` is the root, or its meta app: apps in apps are named `db migrate`, and the default command
    of the root by the root's own name. Commands may be added before or after.
    """
    root = app
    while root._meta_parent is not None:
        root = root._meta_parent
    _Run(root, telemetry).watch()


class _Run:
    """What is known of the command that runs; a call within a call belongs to the outer one."""

    def __init__(self, root: App, telemetry: "Telemetry") -> None:
        self.root = root
        self.telemetry = telemetry
        self.manage = _manage(telemetry)
        self.depth = 0
        self.verbose = False  # before the command
        self.command: str | None = None

    def watch(self) -> None:
        """See the calls of the root and of its meta apps, also of one that is added later."""
        for app in _levels(self.root):
            if getattr(app, _OF, None) is not self:
                app.__class__ = _watched(type(app), self)

    def begin(self, app: App, tokens: "Any") -> "Any":
        """Return the words to parse: those given, but for a `--verbose` that is ours."""
        if self.depth:
            return tokens
        self.verbose, self.command = self.telemetry.verbose, None
        self.watch()
        names = {name for name in _levels(self.root)[-1] if not name.startswith("-")}
        if names:
            self.add_telemetry()
        if isinstance(tokens, str):
            return tokens  # written by a programmer
        words = sys.argv[1:] if tokens is None else list(tokens)
        if not names and words[:1] == ["telemetry"] and is_command(words[1:]):
            sys.exit(self.telemetry.run_command(words[1:]))
        if "--verbose" in _options(words):
            at = words.index("--verbose")
            without = words[:at] + words[at + 1 :]
            _, apps, _ = app.parse_commands(without)
            if not _hands_on(apps[-1]):
                self.telemetry.verbose = True
                return words if any(_takes(place, "--verbose") for place in apps) else without
        return tokens if tokens is None else words

    def add_telemetry(self) -> None:
        """Add `<tool> telemetry`, once; the question promises it, so one of the program's own gives
        way.
        """
        if "telemetry" in self.root:
            if self.root["telemetry"].default_command is self.manage:
                return
            del self.root["telemetry"]
        help_text = (
            "Whether usage data is shared, and what.\n\n"
            "With --verbose, every other command shows exactly what telemetry queues."
        )
        self.root.command(self.manage, name="telemetry", help=help_text)

    def parsed(self, app: App, tokens: "Any", command: "Any", given: "dict[str, Any]") -> None:
        """Ask, and note the command's name, once it is clear what runs."""
        if not self.depth or self.command is not None or command is self.manage:
            return
        if isinstance(getattr(command, "__self__", None), App):
            return  # cyclopts' own: help, version, shell completion
        self.telemetry.verbose = self.telemetry.verbose or bool(given.get("verbose"))
        names = _path(app, tokens)
        if any(name.startswith("-") for name in names):
            return  # --install-completion
        if not names and app is not self.root:
            return  # a meta app, on the way to the command
        self.command = " ".join(names) or app.name[0]
        self.telemetry.ask()

    def end(self, *, well: bool) -> None:
        if self.depth:
            return
        if well and self.command is not None:
            self.telemetry.record_if_declared(self.command)
        self.telemetry.forget(verbose=self.verbose)


class _Call:
    """One call of an app, for the length of a `with`."""

    def __init__(self, run: _Run, app: App, tokens: "Any") -> None:
        self.run = run
        self.tokens = run.begin(app, tokens)
        self.result: Any = None

    def __enter__(self) -> None:
        self.run.depth += 1

    def __exit__(self, _: object, error: "BaseException | None", __: object) -> None:
        self.run.depth -= 1
        if isinstance(error, SystemExit):
            self.run.end(well=error.code in (None, 0))
        else:
            self.run.end(well=error is None and _is_success(self.result))


class _Alike(type):
    """The type of a class that has the instances of the class it is made from: cyclopts asks if one
    app is of another's class.
    """

    def __instancecheck__(cls, thing: object) -> bool:
        return isinstance(thing, cls.__mro__[1])


def _watched(base: "Any", run: _Run) -> "Any":
    """Return the class of an app whose calls are seen; an app has no room for own methods."""

    def call(self: App, tokens: "Any" = None, **how: "Any") -> "Any":
        this = _Call(run, self, tokens)
        with this:
            this.result = base.__call__(self, this.tokens, **how)
            return this.result

    async def run_async(self: App, tokens: "Any" = None, **how: "Any") -> "Any":
        this = _Call(run, self, tokens)
        with this:
            this.result = await base.run_async(self, this.tokens, **how)
            return this.result

    def parse_args(self: App, tokens: "Any" = None, **how: "Any") -> "Any":
        words = tokens if tokens is None or isinstance(tokens, str) else list(tokens)
        command, bound, ignored = base.parse_args(self, words, **how)
        run.parsed(self, words, command, bound.arguments)
        return command, bound, ignored

    methods = {"__call__": call, "run_async": run_async, "parse_args": parse_args}
    own = {"__slots__": (), "__module__": base.__module__, "__doc__": base.__doc__, _OF: run}
    return _Alike(base.__name__, (base,), {**methods, **own})


def _levels(app: App) -> "list[App]":
    """Return an app and its meta apps, innermost first."""
    levels = [app]
    while levels[-1]._meta is not None:
        levels.append(levels[-1]._meta)
    return levels


def _path(app: App, tokens: "Any") -> "list[str]":
    """Return the names of the commands on the way, as they are registered; never what was typed."""
    chain, apps, _ = app.parse_commands(tokens, include_parent_meta=False)
    flags = {*apps[-1].help_flags, *apps[-1].version_flags}
    return [
        _first_name(parent, name)
        for parent, name in zip(apps, chain, strict=False)
        if name not in flags
    ]


def _first_name(parent: App, alias: str) -> str:
    for place in (parent, *parent._flattened_subapps):
        commands = place._commands
        if alias in commands:
            return next(name for name, found in commands.items() if found is commands[alias])
    return alias


def _options(words: "list[str]") -> "list[str]":
    """Return the words before `--`; none for cyclopts' completion."""
    if words[:1] == ["__complete"]:
        return []
    return words[: words.index("--")] if "--" in words else words


def _hands_on(app: App) -> bool:
    """Tell whether a command takes options that it does not know, as for another program."""
    return any(
        argument.parameter.allow_leading_hyphen
        or argument.field_info.kind is argument.field_info.VAR_KEYWORD
        for argument in (app.assemble_argument_collection() if app.default_command else ())
    )


def _takes(app: App, option: str) -> bool:
    return any(
        option in argument.names
        for level in _levels(app)
        if level.default_command
        for argument in level.assemble_argument_collection()
    )


def _is_success(result: "Any") -> bool:
    """Read a result as cyclopts does by default: False and numbers but 0 are failures."""
    if isinstance(result, bool):
        return result
    if isinstance(result, int):
        return result == 0
    code = getattr(result, "__cyclopts_returncode__", None)
    return code() == 0 if callable(code) else True


def _manage(telemetry: "Telemetry") -> "Callable[..., None]":
    """Return the function behind `<tool> telemetry`."""

    def telemetry_command(
        action: "str | None" = None,
        /,
        *,
        enable: bool = False,
        disable: bool = False,
        verbose: bool = False,
    ) -> None:
        given = {"--enable": enable, "--disable": disable, "--verbose": verbose}
        words = [action] if action else []
        sys.exit(
            telemetry.run_command(words + [word for word, is_given in given.items() if is_given])
        )

    choices = Literal[tuple(COMMANDS)]  # type: ignore[valid-type]
    texts = [f"{name}: {text}" for name, text in COMMANDS.items()]
    telemetry_command.__annotations__ = {
        "action": Annotated[
            choices | None,  # the first if left out
            Parameter(help="\n\n".join(texts), show_choices=False, show_default=False),
        ],
        "enable": _flag("The same as on."),
        "disable": _flag("The same as off."),
        "verbose": _flag("Say more."),
    }
    return telemetry_command


def _flag(text: str) -> "Any":
    return Annotated[bool, Parameter(negative=(), show_default=False, help=text)]
