"""`instrument(parser, telemetry)` for an argparse program.

Success is seen where the process ends: a command failed after an unhandled exception or `sys.exit`
with anything but 0. Import this at the top of your module and end with `sys.exit(main())`: of a
bare `raise SystemExit(code)` the code cannot be seen, so nothing is recorded.
"""

# ruff: noqa: SLF001 - argparse has no public way to its parts

import argparse
import os
import sys

from askfirst import may_be_yes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from askfirst import Telemetry

_WORDS = "_askfirst_words"


def instrument(parser: argparse.ArgumentParser, telemetry: "Telemetry") -> None:
    """Make an argparse program ask first and record what its contract allows.

    Call it when the sub-commands are added and before `parse_args`. A program without sub-commands
    is recorded by its contract's only command.
    """
    _Instrumented(parser, telemetry)


class _Instrumented:
    """A parser that also asks, and notes what to record; not in the namespace, which may take no
    more.
    """

    def __init__(self, parser: "Any", telemetry: "Telemetry") -> None:
        self.telemetry = telemetry
        self.ending: _Ending = vars(telemetry).setdefault("ending", _Ending(telemetry))
        self.is_single = _subparsers(parser) is None
        self.joined: list[Any] = []
        self.verbose: set[str] = set()
        self.path, self.is_verbose = "", False
        for path, place in _parsers(parser, ""):
            if path:
                place.parse_known_args = self.noting(path, place.parse_known_args)
            own = place._option_string_actions.get("--verbose")
            if own is not None:
                self.verbose.add(own.dest)
            elif _subparsers(place) is None and "-" in place.prefix_chars:
                self.join_verbose(place)
        _add_telemetry(parser, telemetry)
        self._parse_known_args = parser.parse_known_args
        self._is_whole = False
        parser.parse_args = self.whole(parser.parse_args)
        parser.parse_intermixed_args = self.whole(parser.parse_intermixed_args)
        parser.parse_known_args = self.parse_known_args

    def whole(self, parse: "Callable[..., Any]") -> "Callable[..., Any]":
        def parse_args(args: "Any" = None, namespace: "Any" = None) -> "Any":
            words = self.prepare(args)
            self._is_whole = True
            try:
                parsed = parse(words, namespace)
            finally:
                self._is_whole = False
            self.begin(parsed)
            return parsed

        return parse_args

    def parse_known_args(self, args: "Any" = None, namespace: "Any" = None) -> "Any":
        if self._is_whole:
            return self._parse_known_args(args, namespace)
        words = self.prepare(args)
        # what such a program does not know it hands on, so `--verbose` must not be taken out
        # (of one that gave way to the host's own, no option string is left)
        ours = [(o.container._option_string_actions, o) for o in self.joined if o.option_strings]
        for known, _ in ours:
            del known["--verbose"]
        try:
            parsed, rest = self._parse_known_args(words, namespace)
        finally:
            for known, option in ours:
                known["--verbose"] = option
        self.begin(parsed)
        return parsed, rest

    def prepare(self, args: "Any") -> "list[str] | None":
        """Return the words given, if any; run `<tool> telemetry off` where no sub-commands are."""
        self.path, self.is_verbose = "", False
        given = None if args is None else list(args)
        words = sys.argv[1:] if given is None else given
        if self.is_single and words[:1] == ["telemetry"]:
            from askfirst.client.vocabulary import is_command

            if is_command(words[1:]):
                sys.exit(self.telemetry.run_command(words[1:]))
        return given

    def begin(self, parsed: "Any") -> None:
        own = any(getattr(parsed, name, False) for name in self.verbose)
        self.telemetry.verbose = own or self.is_verbose
        self.telemetry.ask()
        self.ending.expect(self, None if self.is_single else self.path)

    def noting(self, path: str, parse: "Callable[..., Any]") -> "Callable[..., Any]":
        """Return a sub-command's way of parsing; the deepest is called last."""

        def parse_known_args(args: "Any" = None, namespace: "Any" = None) -> "Any":
            self.path = path
            return parse(args, namespace)

        return parse_known_args

    def join_verbose(self, place: "Any") -> None:
        option = place.add_argument(
            "--verbose",
            action=_Verbose,
            nargs=0,
            const=self,
            dest=argparse.SUPPRESS,
            default=argparse.SUPPRESS,
            help="show exactly what telemetry queues",
        )
        self.joined.append(option)
        # abbreviations are the host's
        guess = place._get_option_tuples
        place._get_option_tuples = lambda word: [o for o in guess(word) if o[0] is not option]


class _Verbose(argparse.Action):
    def __call__(self, *_: object) -> None:
        self.const.is_verbose = True


def _add_telemetry(parser: "Any", telemetry: "Telemetry") -> None:
    group: Any = _subparsers(parser)
    if group is None:
        return
    added = group.add_parser("telemetry", help="whether usage data is shared, and what")
    parse = added.parse_known_args

    def run(args: "Any", _: "Any") -> "Any":
        if "--enable" not in added._option_string_actions:
            _fill(added)
        parsed, rest = parse(args)
        if rest:
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        sys.exit(telemetry.run_command(getattr(parsed, _WORDS)))

    added.parse_known_args = run


def _fill(added: "Any") -> None:
    from askfirst.client.vocabulary import COMMANDS

    added.set_defaults(**{_WORDS: []})
    choices = list(COMMANDS)
    text = f"one of {', '.join(choices)}; {choices[0]} if left out"
    added.add_argument(
        _WORDS, metavar="action", nargs="?", action=_Word, choices=choices, help=text
    )
    for option, text in (
        ("--enable", "the same as on"),
        ("--disable", "the same as off"),
        ("--verbose", "say more"),
    ):
        added.add_argument(option, dest=_WORDS, nargs=0, action=_Word, const=option, help=text)


class _Word(argparse.Action):
    """Collects the words for `run_command` in the order given."""

    def __call__(self, _: object, namespace: "Any", *values: "Any") -> None:
        word = self.const or values[0]
        if word:
            setattr(namespace, _WORDS, [*(getattr(namespace, _WORDS) or []), word])


def _subparsers(parser: argparse.ArgumentParser) -> "argparse._SubParsersAction[Any] | None":
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return action
    return None


def _parsers(parser: "Any", path: str) -> "Iterator[tuple[str, Any]]":
    """Yield every parser once, with its command as the contract names it: `db migrate`."""
    yield path, parser
    group = _subparsers(parser)
    seen: list[Any] = []
    for name, child in group.choices.items() if group is not None else ():
        if child not in seen:  # aliases come after the official name
            seen.append(child)
            yield from _parsers(child, f"{path} {name}".lstrip())


def _watch_exit() -> "list[tuple[object, int]]":
    """Return a list of every status that `sys.exit` will be given, and where.

    From the import of this module on: in `sys.exit(main())` it is taken before `main` runs.
    """
    exit_, statuses = sys.exit, []

    def watched(status: "Any" = None, /) -> "Any":
        statuses.append((status, _outermost_frame().f_lasti))
        exit_(status)

    sys.exit = watched
    return statuses


_STATUSES = _watch_exit()


class _Ending:
    """Records a command where the process ends well; one for all parsers of a telemetry."""

    def __init__(self, telemetry: "Telemetry") -> None:
        self.telemetry = telemetry
        self.command: str | None = ""
        self._by: object = None
        self._pid = self._begun = 0

    def expect(self, by: object, command: "str | None") -> None:
        """Begin a command, or name it anew; None is the contract's only one."""
        exits = len(_STATUSES) > self._begun
        if self._pid and (exits or by is not self._by):
            self._record(exits)  # the host went on after it
            self.telemetry.forget(verbose=self.telemetry.verbose)
        self._by, self.command = by, command
        if self._pid:
            return
        self._pid = os.getpid()
        self._crash = getattr(sys, "last_value", None)
        self._outermost = _outermost_frame()
        self._begun = len(_STATUSES)
        self.telemetry.at_exit(self._record)

    def _record(self, well: bool = True) -> None:
        crashed = getattr(sys, "last_value", None) is not self._crash  # an unhandled exception
        pid, self._pid = self._pid, 0
        exits = _STATUSES[self._begun :]
        failed = crashed or any(status not in (None, 0) for status, _ in exits)
        if not well or failed or os.getpid() != pid:  # or in a fork's child
            return
        # a status after which the outermost frame did more was caught
        at = self._outermost.f_lasti
        if _has_returned(self._outermost) or (exits and exits[-1][1] == at):
            command = _only(self.telemetry) if self.command is None else self.command
            self.telemetry.record_if_declared(command)
        elif self.telemetry.verbose:
            sys.stderr.write(
                "telemetry: nothing is recorded: the program ended with `raise SystemExit`, of "
                "which the code cannot be seen; `sys.exit` can.\n"
            )


def _outermost_frame() -> "Any":
    """Return the frame that everything runs in. It keeps nothing alive but a module's globals."""
    frame = sys._getframe()  # what inspect uses, without its cost
    while frame.f_back is not None:
        frame = frame.f_back
    return frame


def _has_returned(frame: "Any") -> bool:
    """Tell whether a frame has ended by its last statement, not by an exception."""
    if frame is _outermost_frame():
        return True  # it still runs: in a test, which goes on after its command has ended
    returns = [code.__code__.co_code[-2] for code in (lambda: None, lambda value: value)]
    return frame.f_code.co_code[frame.f_lasti] in returns


def _only(telemetry: "Telemetry") -> str:
    """Return the one command of a program that has no sub-commands; "" after a plain No."""
    try:
        answers = b"true" if telemetry.verbose else telemetry.answers()
        if answers is not None and not may_be_yes(answers):
            return ""
        commands = telemetry.contract().commands
    except ValueError:
        return ""
    return commands[0] if len(commands) == 1 else ""
