"""Argparse programs of unusual kinds, by the first word; PLAIN=1 runs them without telemetry."""

import argparse
import os
import sys

from askfirst import Telemetry
from askfirst.integrations.argparse import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version=os.environ["TOOL_VERSION"])


class Slots:
    """A namespace that takes nothing but the program's own."""

    __slots__ = ("label", "verbosity")


def build(kind: str) -> argparse.ArgumentParser:
    prefixes = "+" if kind == "plus" else "-"
    parser = argparse.ArgumentParser("tin", prefix_chars=prefixes, conflict_handler="resolve")
    parser.add_argument(2 * prefixes + "version", action="version", version="1.0.0")
    place = parser
    if kind in ("commands", "slots"):
        place = parser.add_subparsers(required=True).add_parser("start")
    place.add_argument(2 * prefixes + "verbosity", type=int, default=0)
    place.add_argument("label", nargs="*" if kind == "mixed" else "?")
    return parser


def main() -> None:
    kind, *words = sys.argv[1:]
    parser = build(kind)
    if "PLAIN" not in os.environ:
        instrument(parser, telemetry)
    if kind == "late":
        parser.add_argument("--verbose", action="store_true")
        given, rest = parser.parse_known_args(words)
        sys.stdout.write(f"{rest} ")
    elif kind == "generator":
        given = parser.parse_args(word for word in words)
    elif kind == "mixed":
        given = parser.parse_intermixed_args(words)
    elif kind == "slots":
        given = parser.parse_args(words, Slots())
    else:
        given = parser.parse_args(words)
    names = Slots.__slots__ if kind == "slots" else sorted(vars(given))
    sys.stdout.write(f"{[(name, getattr(given, name)) for name in names]}\n")


if __name__ == "__main__":
    sys.exit(main())
