"""A small argparse CLI with telemetry; PLAIN=1 runs it without, for comparison."""

import argparse
import json
import os
import sys

from askfirst import Telemetry
from askfirst.integrations.argparse import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version=os.environ["TOOL_VERSION"])


def build() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("tin")
    parser.add_argument("--version", action="version", version=os.environ["TOOL_VERSION"])
    parser.add_argument("--config", default="")
    # as most programs do it: no dest, and a function behind every command
    commands = parser.add_subparsers()
    start = commands.add_parser("start", aliases=["go"])
    start.add_argument("label", nargs="?", default="")
    start.add_argument("--into", default="")
    start.set_defaults(run=run_start)
    database = commands.add_parser("db").add_subparsers(dest="command", required=True)
    migrate = database.add_parser("migrate")
    migrate.add_argument("to", nargs="?")
    migrate.set_defaults(run=lambda _: say("migrated"))
    status = commands.add_parser("status")
    status.set_defaults(run=lambda _: say("fine"))
    deep = status.add_subparsers(dest="command").add_parser("deep")
    deep.set_defaults(run=lambda _: say("deep"))
    commands.add_parser("read").set_defaults(run=run_read)
    speak = commands.add_parser("speak")
    speak.add_argument("--verbose", dest="loud", action="store_true")
    speak.set_defaults(run=lambda given: say("LOUD" if given.loud else "soft"))
    fail = commands.add_parser("fail")
    fail.add_argument("how")
    fail.set_defaults(run=lambda given: run_fail(parser, given.how))
    return parser


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def run_start(_: argparse.Namespace) -> None:
    if "VALUES" in os.environ:
        telemetry.set(json.loads(os.environ["VALUES"]))
    say("started")


def run_read(_: argparse.Namespace) -> None:
    say("ready")
    sys.stdout.flush()
    say(f"read {sys.stdin.readline()!r}")


def run_fail(parser: argparse.ArgumentParser, how: str) -> None:
    """End in one of the ways in which commands end."""
    say("half done")
    if how == "error":
        raise RuntimeError("broken")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "parser":
        parser.error("broken")
    if how == "hook":
        sys.excepthook = lambda *_: say("the host's own hook")
        raise RuntimeError("broken")
    if how == "text":
        sys.exit("broken")
    if how == "return":
        return
    if how == "fork":
        sys.stdout.flush()
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        return
    if how.startswith("raise"):
        raise SystemExit(int(how[5:]))
    sys.exit(int(how) if how else None)


def main() -> "int | None":
    root = build()
    if "PLAIN" not in os.environ:
        instrument(root, telemetry)
    if "TWICE" in os.environ:
        root.parse_known_args()
    given = root.parse_args()
    if "SHOW" in os.environ:
        say(str({name: value for name, value in sorted(vars(given).items()) if name != "run"}))
    if hasattr(given, "run"):
        given.run(given)
    else:
        say("nothing to do")
    return int(os.environ["CODE"]) if "CODE" in os.environ else None


if __name__ == "__main__":
    if "RAISE" in os.environ:
        raise SystemExit(main())
    if "CODE" in os.environ:
        sys.exit(main())
    main()
