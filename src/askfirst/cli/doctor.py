"""`askfirst doctor`: checks an instrumented CLI from its contract to its collector and back."""

from __future__ import annotations

import json
import os
import shlex
import ssl
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from askfirst.cli import installed, notices, probing, terminal
from askfirst.cli.contract import read
from askfirst.cli.installed import Installed
from askfirst.cli.main import Failure
from askfirst.cli.probing import ProbeError, Reply
from askfirst.cli.project import read_project
from askfirst.collector.pipeline import DropReason, Rules, Terms, examine
from askfirst.contract import loading
from askfirst.contract.loading import collector_url
from askfirst.contract.model import Contract, ContractError

OK, WARN, FAIL = "ok", "warn", "fail"
STYLES = {OK: "green", WARN: "yellow", FAIL: "bold red"}
RENEW_DAYS = 14  # a certificate that lives shorter than that should have been renewed
SKEW_S, DROPPED_S = 300, 86_400  # said; from then on the collector drops events as from-future
NOTICE = "TELEMETRY.md"


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found; `more` is printed below it, as it is."""

    check: str
    level: str
    text: str
    remedy: str = ""
    more: str = ""

    def as_dict(self) -> dict[str, str]:
        row = {"check": self.check, "level": self.level, "text": self.text}
        row |= {"remedy": self.remedy} if self.remedy else {}
        return row | ({"event": self.more} if self.more else {})


@click.command()
@click.argument("target", metavar="[FILE|COMMAND]", required=False)
@click.option(
    "--contract",
    "file",
    metavar="FILE",
    help="The contract of COMMAND.  [telemetry.toml in its package]",
)
@click.option(
    "--notice", metavar="DOC", help="The notice.  [TELEMETRY.md beside the contract or above]"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(target: str | None, *, file: str | None, notice: str | None, as_json: bool) -> None:
    """Check an instrumented CLI end to end; exit 1 if anything fails.

    COMMAND is an installed program: is its contract good, does it come with the package, does the
    notice match, may anything be sent here and why, what would be sent, and would its collector
    take it? FILE is a contract: then all is checked but for what only a program can tell. Without
    either it is the command of the project in this folder.

    Nothing is stored anywhere: the collector is asked for its contract and given a batch of no
    events.
    """
    program = None
    target = target or _own_command()
    if not Path(target).is_file():
        program = installed.find(target)
        if program is None:
            raise Failure(f"{target} is neither a file nor a command on PATH; install it first")
        found = file or program.contract()
        if found is None:
            if not program.distribution:
                raise Failure(
                    f"which Python runs {program.path} cannot be told, so what came with it is "
                    "unknown; say with --contract where its telemetry.toml is"
                )
            raise Failure(
                f"{target} comes without a telemetry.toml: ship it as package data, beside the "
                "file that calls from_contract, or say with --contract where it is"
            )
    else:
        found = target
    path = os.path.relpath(found)
    contract = read(path)
    checks = []
    for check in _checks(contract, path, program, notice):
        checks.append(check)
        if not as_json:
            _say(check)
    failed = [check.check for check in checks if check.level == FAIL]
    if as_json:
        rows = [check.as_dict() for check in checks]
        answer = {"tool": contract.name, "healthy": not failed, "checks": rows}
        click.echo(json.dumps(answer, indent=2))
    if failed:
        raise Failure(
            f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}; "
            "each says above what to do"
        )


def _own_command() -> str:
    """Return the command of the project in this folder. Raises Failure."""
    scripts = list(read_project(Path()).scripts)
    if len(scripts) != 1:
        known = f", one of {', '.join(scripts)}" if scripts else ""
        raise click.UsageError(f"say which command, or name a contract{known}")
    return scripts[0]


def _checks(
    contract: Contract, path: str, program: Installed | None, notice: str | None
) -> Iterator[Check]:
    """Make all checks, in the order in which things depend on each other."""
    commands, fields = len(contract.commands), len(contract.fields)
    count = f"{commands} command{'s' * (commands != 1)}, {fields} field{'s' * (fields != 1)}"
    yield Check("contract", OK, f"{path} is good: {count}, {contract.digest[:19]}…")
    event: dict[str, Any] | None = None
    if program is None:
        text = "not looked at: a contract does not tell which program it belongs to"
        yield Check("program", WARN, text, "askfirst doctor COMMAND, for the program itself")
    else:
        yield _package(program, path)
        yield _state(program)
        shown, event = _event(program, contract)
        yield shown
    yield _notice(contract, path, notice)
    yield from _collector(contract, path, event)


def _package(program: Installed, path: str) -> Check:
    what = f"{program.distribution} {program.version}"
    if not program.distribution:
        text = f"{program.path} is no Python program of a package, so what came with it is unknown"
        return Check("package", WARN, text, "install it with pip, and look again")
    if Path(path).resolve() in {contract.resolve() for contract in program.contracts}:
        return Check("package", OK, f"the contract came with {what}")
    if program.editable:
        return Check(
            "package",
            WARN,
            f"{what} is installed editable: this tells nothing about the contract in its wheel",
            "pip install the wheel into a new environment, and run askfirst doctor on that command",
        )
    return Check(
        "package",
        FAIL,
        f"{path} is not one of the files that came with {what}",
        "ship it as package data, beside the file that calls from_contract",
    )


def _state(program: Installed) -> Check:
    """Ask the program itself whether anything may be sent here, and why."""
    said = installed.ask(program, "telemetry", "status")
    line = next((row for row in said.output.splitlines() if row.startswith("  state ")), "")
    if said.code == 0 and line:
        return Check("state", OK, f"here it is {line.removeprefix('  state ').strip()}")
    return Check(
        "state",
        FAIL,
        f"`{program.command} telemetry status` fails: {said.last or 'it says nothing of a state'}",
        f"add the one line, instrument(…, telemetry), where {program.command} is put together",
    )


def _event(program: Installed, contract: Contract) -> tuple[Check, dict[str, Any] | None]:
    """Ask the program for its next event, and hold that to the contract as a collector does."""
    said = installed.ask(program, "telemetry", "show")
    lines = said.output.splitlines()
    if said.code != 0:
        text = f"`{program.command} telemetry show` fails: {said.last}"
        return Check("event", FAIL, text, "run it yourself, with ASKFIRST_STRICT=1"), None
    if "is not a released version" in said.errors:
        remedy = "give from_contract a version such as 1.4.0; build metadata is cut off"
        return Check("event", WARN, said.last, remedy), None
    try:
        event = json.loads(lines[-1])
    except (ValueError, IndexError):
        text = f"`{program.command} telemetry show` prints no event"
        return Check("event", FAIL, text, "run it yourself, with ASKFIRST_STRICT=1"), None
    reason = _dropped(event, Rules(Terms(contract), _now()))
    if reason is not None:
        text = f"the next event would be dropped: {reason.value}"
        remedy = f"the program uses another contract than {contract.name}'s; install it again"
        return Check("event", FAIL, text, remedy, lines[-1]), None
    who = "after a Yes" if contract.sample == 1 else "after a Yes of an installation in the sample"
    return Check("event", OK, f"the next event, {who}, would be:", more=lines[-1]), event


def _dropped(event: dict[str, Any], rules: Rules) -> DropReason | None:
    """Tell why an event would be dropped; a sample, which chance decides, is no fault of a program.

    Before a Yes the installation is made up for each look. No step but admission, of which a
    collector alone knows, comes behind the sample's.
    """
    _, reason = examine(event, rules)
    return None if reason is DropReason.OUTSIDE_SAMPLE else reason


def _notice(contract: Contract, path: str, given: str | None) -> Check:
    """Compare the notice that is published with the contract."""
    place = Path(given) if given else _near(Path(path).resolve().parent)
    make = shlex.join(["askfirst", "contract", "notice", path, "-o", given or NOTICE])
    if place is None or not place.is_file():
        where = given or f"{NOTICE} beside the contract or above it"
        return Check("notice", FAIL if given else WARN, f"there is no {where}", make)
    shown = os.path.relpath(place)
    try:
        text = place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Check("notice", FAIL, f"{shown} cannot be read: {error}", make)
    trouble = notices.stale(text, contract)
    if trouble:
        remedy = shlex.join(["askfirst", "contract", "notice", path, "-o", shown])
        return Check("notice", FAIL, f"{shown} {trouble}", remedy)
    blanks = len(notices.BLANK.findall(text))
    if blanks:
        left = f"{shown} matches, but {blanks} blanks in it are not filled in"
        return Check("notice", WARN, left, "look for [fill in: …]")
    return Check("notice", OK, f"{shown} matches the contract")


def _near(folder: Path) -> Path | None:
    """Return the notice in a folder or above it, but not above the project."""
    for place in (folder, *folder.parents):
        if (place / NOTICE).is_file():
            return place / NOTICE
        if (place / "pyproject.toml").is_file() or (place / ".git").exists():
            return None
    return None


def _collector(contract: Contract, path: str, event: dict[str, Any] | None) -> Iterator[Check]:
    """Look at the collector as a client does."""
    url = collector_url(contract, os.environ)
    problem = loading.url_problem(url)
    if problem:
        yield Check("collector", FAIL, f"ASKFIRST_COLLECTOR: {problem}", "mend or unset it")
        return
    try:
        with terminal.waiting(f"asking {url}"):
            theirs = probing.fetch_contract(url, contract.name)
        yield _address(contract, url)
        yield _tls(url, theirs)
        yield _clock(theirs)
        agreed = _agreement(contract, path, theirs, event)
        yield agreed
        if agreed.level == FAIL and theirs.status != 200:
            return
        yield _round_trip(probing.deliver_nothing(url, contract.name, contract.digest))
    except ProbeError as error:
        yield Check(error.check, FAIL, str(error), error.remedy)


def _address(contract: Contract, url: str) -> Check:
    if url != contract.collector:
        text = f"{url} answers; ASKFIRST_COLLECTOR names it instead of {contract.collector}"
        remedy = "unset ASKFIRST_COLLECTOR to check the one that users' machines send to"
        return Check("collector", WARN, text, remedy)
    return Check("collector", OK, f"{url} answers")


def _tls(url: str, reply: Reply) -> Check:
    if not url.startswith("https:"):
        text = "no TLS: http reaches this machine only, so nothing comes from any other"
        return Check("tls", WARN, text, "give the contract an https collector before you release")
    ends = ssl.cert_time_to_seconds(reply.certificate["notAfter"])
    days = int((ends - time.time()) // 86_400)
    day = time.strftime("%Y-%m-%d", time.gmtime(ends))
    if days < RENEW_DAYS:
        remedy = "renew the certificate; askfirst serve reads a renewed file by itself"
        return Check("tls", WARN, f"the certificate ends on {day}, in {days} days", remedy)
    return Check("tls", OK, f"the certificate is for that name, trusted, and good until {day}")


def _clock(reply: Reply) -> Check:
    """Compare this machine's clock with the collector's, which is right to the second."""
    try:
        ahead = time.time() - parsedate_to_datetime(reply.date).timestamp()
    except (TypeError, ValueError):
        remedy = "let whatever is in front of the collector pass its Date header on"
        return Check("clock", WARN, "the collector does not say what time it is", remedy)
    seconds = round(abs(ahead))
    text = f"this machine's clock is {seconds} s {'ahead of' if ahead > 0 else 'behind'} the other"
    if seconds <= SKEW_S:
        return Check("clock", OK, "both clocks agree" if seconds <= 2 else text)
    remedy = "set the clock that is wrong; the day of an event is the day of the sender's clock"
    return Check("clock", FAIL if ahead > DROPPED_S else WARN, text, remedy)


def _agreement(contract: Contract, path: str, reply: Reply, event: dict[str, Any] | None) -> Check:
    """Compare the contract that the collector holds events against with ours."""
    give = f"give the collector {path} (askfirst serve --contract {path}), and start it again"
    name = "agreement"
    if reply.status == 404 and reply.body is not None:
        return Check(name, FAIL, f"the collector has no contract for {contract.name}", give)
    if reply.status != 200 or not isinstance((reply.body or {}).get("contract"), dict):
        text = f"what answers is no collector of askfirst ({reply.status})"
        return Check(name, FAIL, text, "look at the address in the contract, and what is there")
    try:
        theirs = loading.from_data((reply.body or {})["contract"], "its contract")
    except ContractError as error:
        text = f"the collector's contract cannot be read: {error.problems[0]}"
        return Check(name, FAIL, text, "use the same version of askfirst here and there")
    if theirs.digest == contract.digest:
        return Check(name, OK, "the collector has the same contract")
    more = contract.collects_more_than(theirs.agreement())
    if event is not None:
        reason = _dropped(event, Rules(Terms(theirs), _now(), lenient=True))
        more += [f"the next event, dropped as {reason.value}"] if reason else []
    if more:
        text = f"the collector's contract is older, and has not: {', '.join(more)}"
        return Check(name, FAIL, text, give)
    if theirs.collects_more_than(contract.agreement()):
        text = "the collector's contract is newer: it takes what this one sends, and more"
        return Check(
            name, WARN, text, "as it should be for an old release; else install the new one"
        )
    text = "the collector's contract differs, in nothing that is collected"
    return Check(name, WARN, text, give)


def _round_trip(reply: Reply) -> Check:
    if reply.status == 200 and reply.body == {"accepted": 0, "dropped": []}:
        text = "a batch of no events was taken; nothing is stored or counted of it"
        return Check("round trip", OK, text)
    if reply.status in (429, 503):
        remedy = "try again in a minute; clients keep what waits and do so too"
        return Check("round trip", WARN, f"not now: {reply.reason}", remedy)
    remedy = "look at what is between here and the collector: it must pass POST /v1/events on"
    return Check("round trip", FAIL, f"a batch of no events was refused: {reply.reason}", remedy)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _say(check: Check) -> None:
    """Print a check as it is made: its level, its name, what was found, and what to do."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, 18 + terminal.NARROWEST)
    width = min(console.width, terminal.WIDTH) - 18
    lines = textwrap.wrap(check.text, width, break_on_hyphens=False, break_long_words=False)
    if check.remedy:
        lines += textwrap.wrap(
            f"to do: {check.remedy}", width, break_on_hyphens=False, break_long_words=False
        )
    for number, line in enumerate(lines):
        first = number == 0
        level, name = (check.level, check.check) if first else ("", "")
        console.print(Text.assemble((f"{level:<6}", STYLES[check.level]), f"{name:<12}{line}"))
    if check.more:
        console.print(Text(check.more))
