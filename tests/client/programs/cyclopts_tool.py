"""A small cyclopts CLI with telemetry; PLAIN=1 runs it without, EARLY=1 instruments it while it is
empty, META=1 runs its meta app, ACTION is its result_action, ASYNC=1 runs it in an event loop.
"""

import asyncio
import json
import os
import sys
from typing import Annotated

from cyclopts import App, Parameter

from askfirst import Telemetry
from askfirst.integrations.cyclopts import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version=os.environ["TOOL_VERSION"])

app = App(
    name="tin",
    help="Keep tins.",
    version=os.environ["TOOL_VERSION"],
    result_action=os.environ.get("ACTION"),
)
if "EARLY" in os.environ:
    instrument(app, telemetry)
database = App(name="db")
status = App(name="status")
app.command(database)
app.command(status)
app.register_install_completion_command(add_to_startup=False)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@app.meta.default
def launch(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)], config: str = ""
) -> object:
    """Run a command; with PARSE=1 as a launcher does that parses and calls itself."""
    if "PARSE" not in os.environ:
        return app(words)
    command, bound, _ = app.parse_args(words)
    return command(*bound.args, **bound.kwargs)


@app.command(alias="go")
def start(label: str = "", *, into: str = "") -> None:
    """Start, with the telemetry values of a JSON text in the environment."""
    if "VALUES" in os.environ:
        telemetry.set(json.loads(os.environ["VALUES"]))
    say("started")


@app.command
def read() -> None:
    """Read one line; not in the contract."""
    say("ready")
    say(f"read {sys.stdin.readline()!r}")


@database.command
async def migrate(to: str = "") -> None:
    await asyncio.sleep(0)
    say("migrated")


@status.default
def status_alone() -> str:
    """A group that is a command too."""
    return "fine"


@status.command
def deep() -> None:
    """Not in the contract."""
    say("deep")


@app.command
def pass_on(*words: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Hand every word to another program."""
    say(" ".join(words))


@app.command(name="say")
def speak(*, loud: Annotated[bool, Parameter("--verbose")] = False) -> None:
    """Has a --verbose of its own, under another name."""
    say("LOUD" if loud else "soft")


@app.command
def fail(how: str) -> object:
    """End in one of the ways in which commands end."""
    say("half done")
    if how == "error":
        raise RuntimeError("broken")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "text":
        sys.exit("broken")
    if how.startswith("exit"):
        sys.exit(int(how[4:]))
    return {"false": False, "true": True, "none": None}.get(how, how)


@app.command
def number(value: int) -> int:
    return value


if __name__ == "__main__":
    if "PLAIN" not in os.environ and "EARLY" not in os.environ:
        instrument(app, telemetry)
    entry = app.meta if "META" in os.environ else app
    code = asyncio.run(entry.run_async()) if "ASYNC" in os.environ else entry()
    say(f"returned {code}")
