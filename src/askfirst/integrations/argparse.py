"""`instrument(parser, telemetry)` for an argparse program.

Adds the question at start, the recording of allow-listed commands that succeed, `--verbose`, and
the `telemetry` sub-commands. Only the names of sub-commands are looked at, never what was given to
them.

argparse does not run a program's commands, so success is seen where the process ends: a command
counts as failed after an unhandled exception or `sys.exit` with anything but 0. Import this at the
top of your module and end with `sys.exit(main())`: the code of a bare `raise SystemExit(code)`
cannot be seen, so nothing is recorded.
"""

import argparse
import os
import sys

from askfirst.client.vocabulary import COMMANDS, is_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from askfirst import Telemetry

_VERBOSE = "_askfirst_verbose"
_PATH = "_askfirst_path"
_WORDS = "_askfirst_words"


def instrument(parser: argparse.ArgumentParser, telemetry: "Telemetry") -> None:
    """Make an argparse program ask first and record what its contract allows.

    Call it when the sub-commands are added and before `parse_args`. A program without sub-commands
    is recorded by its contract's only command.
    """
    _Instrumented(parser, telemetry)


class _Instrumented:
    """A parser whose two ways of parsing also ask, and note the command to record."""

    def __init__(self, parser: argparse.ArgumentParser, telemetry: "Telemetry") -> None:
        self.telemetry = telemetry
        self.ending = _Ending(telemetry)
        self.is_single = _subparsers(parser) is None
        self.joined: list[argparse.ArgumentParser] = []
        self.verbose = {_VERBOSE}
        for path, place in _parsers(parser, ""):
            # the deepest default wins; unlike the host's `dest` it is always there and unique
            place.set_defaults(**{_PATH: path})
            own = place._option_string_actions.get("--verbose")  # noqa: SLF001 - as below
            if own is not None:
                self.verbose.add(own.dest)
            elif _subparsers(place) is None:
                _join_verbose(place)
                self.joined.append(place)
        _add_telemetry(parser)
        self._parse_args, self._parse_known_args = parser.parse_args, parser.parse_known_args
        self._is_whole = False
        parser.parse_args = self.parse_args  # type: ignore[method-assign]
        parser.parse_known_args = self.parse_known_args  # type: ignore[method-assign]

    def parse_args(self, args: "Any" = None, namespace: "Any" = None) -> "Any":
        self._telemetry_of_single(args)
        self._is_whole = True
        try:
            parsed = self._parse_args(args, namespace)
        finally:
            self._is_whole = False
        self._begin(parsed)
        return parsed

    def parse_known_args(self, args: "Any" = None, namespace: "Any" = None) -> "Any":
        if self._is_whole:
            return self._parse_known_args(args, namespace)
        self._telemetry_of_single(args)
        # what such a program does not know it hands on, so `--verbose` must not be taken out
        options = [place._option_string_actions for place in self.joined]  # noqa: SLF001
        ours = [known.pop("--verbose") for known in options]
        try:
            parsed, rest = self._parse_known_args(args, namespace)
        finally:
            for known, action in zip(options, ours, strict=True):
                known["--verbose"] = action
        self._begin(parsed)
        return parsed, rest

    def _telemetry_of_single(self, args: "Any") -> None:
        """Run `<tool> telemetry off` for a program that has no sub-commands."""
        words = list(sys.argv[1:] if args is None else args)
        if self.is_single and words[:1] == ["telemetry"] and is_command(words[1:]):
            sys.exit(self.telemetry.run_command(words[1:]))

    def _begin(self, parsed: "Any") -> None:
        """Act on what was parsed, and leave in it only what is the host program's."""
        verbose = any(getattr(parsed, name, False) for name in self.verbose)
        _take(parsed, _VERBOSE)
        path, words = _take(parsed, _PATH), _take(parsed, _WORDS)
        if words is not None:
            sys.exit(self.telemetry.run_command(words))
        self.telemetry.verbose = verbose
        self.telemetry.ask()
        self.ending.expect(_only(self.telemetry) if self.is_single else path or "")


def _add_telemetry(parser: argparse.ArgumentParser) -> None:
    group = _subparsers(parser)
    if group is None:
        return
    added = group.add_parser("telemetry", help="whether usage data is shared, and what")
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

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's own signature
        namespace: argparse.Namespace,
        values: "Any",
        option_string: "str | None" = None,  # noqa: ARG002 - as above
    ) -> None:
        word = self.const or values
        if word:
            setattr(namespace, _WORDS, [*(getattr(namespace, _WORDS) or []), word])


def _subparsers(parser: argparse.ArgumentParser) -> "argparse._SubParsersAction[Any] | None":
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return action
    return None


def _parsers(
    parser: argparse.ArgumentParser, path: str
) -> "Iterator[tuple[str, argparse.ArgumentParser]]":
    """Yield every parser once, with its command as the contract names it: `db migrate`."""
    yield path, parser
    group = _subparsers(parser)
    seen: list[argparse.ArgumentParser] = []
    for name, child in group.choices.items() if group is not None else ():
        if child not in seen:  # aliases come after the official name
            seen.append(child)
            yield from _parsers(child, f"{path} {name}".lstrip())


def _join_verbose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--verbose",
        action="store_true",
        dest=_VERBOSE,
        default=argparse.SUPPRESS,
        help="show exactly what telemetry queues",
    )


def _take(parsed: "Any", name: str) -> "Any":
    value = getattr(parsed, name, None)
    if hasattr(parsed, name):
        delattr(parsed, name)
    return value


def _watch_exit() -> "list[object]":
    """Return a list to which every status given to `sys.exit` will be added.

    From the import of this module on: in `sys.exit(main())` it is taken before `main` runs.
    """
    exit_, statuses = sys.exit, []

    def watched(status: "Any" = None, /) -> "Any":
        statuses.append(status)
        exit_(status)

    sys.exit = watched
    return statuses


_STATUSES = _watch_exit()


class _Ending:
    """Records a command where the process ends well; the last one, if it parses twice."""

    def __init__(self, telemetry: "Telemetry") -> None:
        self.telemetry = telemetry
        self.command = ""
        self._pid = 0
        self._crash: object = None
        self._outermost: Any = None

    def expect(self, command: str) -> None:
        self.command = command
        if self._pid:
            return
        self._pid = os.getpid()
        self._crash = getattr(sys, "last_value", None)
        self._outermost = _outermost_frame()
        _STATUSES.clear()
        self.telemetry.at_exit(self._record)

    def _record(self, well: bool = True) -> None:
        crashed = getattr(sys, "last_value", None) is not self._crash  # an unhandled exception
        pid, self._pid = self._pid, 0
        if not well or crashed or os.getpid() != pid:  # or in a fork's child
            return
        if _STATUSES[-1] in (None, 0) if _STATUSES else _has_returned(self._outermost):
            self.telemetry.record_if_declared(self.command)
        elif self.telemetry.verbose and not _STATUSES:
            sys.stderr.write(
                "telemetry: nothing is recorded: the program ended with `raise SystemExit`, of "
                "which the code cannot be seen; `sys.exit` can.\n"
            )


def _outermost_frame() -> "Any":
    """Return the frame that everything runs in. It keeps nothing alive but a module's globals."""
    frame = sys._getframe()  # noqa: SLF001 - what inspect uses, without its cost
    while frame.f_back is not None:
        frame = frame.f_back
    return frame


def _has_returned(frame: "Any") -> bool:
    """Tell whether a frame has ended by its last statement, not by an exception."""
    if frame is _outermost_frame():
        return True  # it still runs: in a test, which goes on after its command has ended
    returns = [code.co_code[-2] for code in (_constant.__code__, _variable.__code__)]
    return frame.f_code.co_code[frame.f_lasti] in returns


def _constant() -> None:
    return None


def _variable(value: object) -> object:
    return value


def _only(telemetry: "Telemetry") -> str:
    """Return the one command of a program that has no sub-commands."""
    try:
        commands = telemetry.contract().commands
    except ValueError:
        return ""
    return commands[0] if len(commands) == 1 else ""
