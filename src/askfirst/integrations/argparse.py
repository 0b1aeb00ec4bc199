"""`instrument(parser, telemetry)` for an argparse program.

Adds the question at start, the recording of allow-listed commands that succeed, `--verbose`, and
the `telemetry` sub-commands. Only the names of sub-commands are looked at, never what was given to
them.

argparse does not run a program's commands, so success is seen where the process ends: a command
counts as failed after an unhandled exception or `sys.exit` with anything but 0.
"""

import argparse
import atexit
import sys

from askfirst.client.commands import COMMANDS
from askfirst.client.telemetry import Telemetry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

_VERBOSE = "_askfirst_verbose"


def instrument(parser: argparse.ArgumentParser, telemetry: Telemetry) -> None:
    """Make an argparse program ask first and record what its contract allows.

    Call it when the sub-commands are added and before `parse_args`. A program without sub-commands
    is recorded by its contract's only command.
    """
    _add_telemetry(parser)
    for leaf in _leaves(parser):
        _join_verbose(leaf)
    parse = parser.parse_known_args

    def parse_known_args(args: "Any" = None, namespace: "Any" = None) -> "Any":
        parsed, rest = parse(args, namespace)
        words = list(sys.argv[1:] if args is None else args)
        path = _path(parser, parsed)
        if path[:1] == ["telemetry"]:
            sys.exit(telemetry.run_command(words[words.index("telemetry") + 1 :]))
        telemetry.verbose = bool(getattr(parsed, _VERBOSE, False) or getattr(parsed, "verbose", 0))
        if hasattr(parsed, _VERBOSE):
            delattr(parsed, _VERBOSE)
        telemetry.ask()
        _record_at_exit(telemetry, " ".join(path))
        return parsed, rest

    parser.parse_known_args = parse_known_args  # type: ignore[method-assign]


def _add_telemetry(parser: argparse.ArgumentParser) -> None:
    group = _subparsers(parser)
    if group is None:
        return
    added = group.add_parser("telemetry", help="whether usage data is shared, and what")
    added.add_argument("action", nargs="?", choices=list(COMMANDS), help="default: status")
    added.add_argument("--enable", action="store_true", help="the same as on")
    added.add_argument("--disable", action="store_true", help="the same as off")
    added.add_argument("--verbose", action="store_true", help="say more")


def _subparsers(parser: argparse.ArgumentParser) -> "argparse._SubParsersAction[Any] | None":
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return action
    return None


def _leaves(parser: argparse.ArgumentParser) -> "list[argparse.ArgumentParser]":
    group = _subparsers(parser)
    if group is None:
        return [parser]
    found: list[argparse.ArgumentParser] = []
    for name, child in group.choices.items():
        if name != "telemetry":
            found += [leaf for leaf in _leaves(child) if leaf not in found]
    return found


def _join_verbose(parser: argparse.ArgumentParser) -> None:
    """Add `--verbose` to a program that has none."""
    taken = [*parser._option_string_actions]  # noqa: SLF001 - as above
    if "--verbose" not in taken:
        parser.add_argument(
            "--verbose",
            action="store_true",
            dest=_VERBOSE,
            default=argparse.SUPPRESS,
            help="show exactly what telemetry queues",
        )


def _path(parser: argparse.ArgumentParser, parsed: argparse.Namespace) -> "list[str]":
    """Return the names of the sub-commands that were chosen, `["db", "migrate"]`."""
    group = _subparsers(parser)
    if group is None:
        return []
    name = getattr(parsed, group.dest, None)
    if not isinstance(name, str) or name not in group.choices:
        return []
    child = group.choices[name]
    official = next(n for n, c in group.choices.items() if c is child)  # aliases come after it
    return [official, *_path(child, parsed)]


class _Ending:
    """Notices whether the process ends well."""

    def __init__(self) -> None:
        self.failed = False
        self._hook = sys.excepthook
        self._exit: Callable[[Any], None] = sys.exit
        sys.excepthook = self._crashed
        sys.exit = self._exits  # type: ignore[assignment]

    def _crashed(
        self,
        kind: "type[BaseException]",
        error: BaseException,
        trace: "TracebackType | None",
    ) -> None:
        self.failed = True
        self._hook(kind, error, trace)

    def _exits(self, status: "Any" = None, /) -> None:
        self.failed = status not in (None, 0)
        self._exit(status)


def _record_at_exit(telemetry: Telemetry, command: str) -> None:
    ending = _Ending()

    def record() -> None:
        if not ending.failed:
            telemetry.record(command or _only(telemetry))

    atexit.register(record)


def _only(telemetry: Telemetry) -> str:
    """Return the one command of a program that has no sub-commands."""
    try:
        commands = telemetry.contract().commands
    except ValueError:
        return ""
    return commands[0] if len(commands) == 1 else ""
