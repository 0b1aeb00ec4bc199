"""`<tool> telemetry [status] | on | off | show | log | send | erase`."""

import os
import sys
import time

from askfirst.client import dotfile, folders, log, queue, recording, spawn
from askfirst.client.vocabulary import ALIASES, COMMANDS
from askfirst.contract.event import new_installation
from askfirst.contract.model import ContractError
from askfirst.contract.notice import always, describe
from askfirst.contract.sampling import percent
from askfirst.contract.version import is_released
from askfirst.usual import find_folder, find_home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from askfirst import Telemetry
    from askfirst.client import Places
    from askfirst.client.sender import Sender
    from askfirst.contract.model import Contract

PATIENCE_S = 20.0  # how long `send` and `erase` wait for a delivery that is under way
_UNRELEASED = "not a released version: its commands are never recorded"
TRIES = 3  # of `erase`, before it goes on in the background at later runs


def run(telemetry: "Telemetry", argv: "list[str]") -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage."""
    words = [ALIASES.get(word, word) for word in argv if word != "--verbose"] or ["status"]
    if "--help" in words or "-h" in words:
        words = ["--help"]
    elif len(words) > 1 or words[0] not in COMMANDS:
        _error(f"telemetry: {' '.join(words)!r} is no command; use {', '.join(COMMANDS)}")
        return 2
    telemetry.verbose |= "--verbose" in argv
    try:
        if words == ["--help"]:
            return _help(telemetry)
        if words[0] in _RUN:
            return _RUN[words[0]](telemetry)
        places = telemetry.places()
        if places is not None:
            return _AT_HOME[words[0]](telemetry, places)
        _error("telemetry: HOME is not a folder of yours, so no answer can be kept; set HOME")
    except ContractError as error:
        _error(f"telemetry: {error}")
    except BrokenPipeError:
        raise
    except OSError as error:
        _error(f"telemetry: {error.filename or 'a file'}: {error.strerror or error}")
    return 1


def refuse(telemetry: "Telemetry", places: "Places", *, revoked: bool = False) -> "dotfile.Dotfile":
    """Record a No, everywhere, and leave nothing of an earlier Yes. Raises OSError."""
    found = dotfile.refuse(places.dotfile, telemetry.version, today(), revoked=revoked)
    for folder in _folders(telemetry, places):
        queue.purge(folder)
    return found


def _folders(telemetry: "Telemetry", places: "Places") -> "set[str]":
    """Return where events wait, also those of a shell without XDG_STATE_HOME."""
    name, _ = telemetry.name_and_state()
    return {places.folder, find_folder(find_home(telemetry.env), name, {})}


def today() -> str:
    """Return the present day, UTC, as ISO text."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def _status(telemetry: "Telemetry") -> int:
    contract = telemetry.contract()
    decision = recording.decide(telemetry, terminal=False)
    places = telemetry.places()
    _print(f"Telemetry of {contract.title} {telemetry.version}")
    _print(f"  state    {'on' if decision.send else 'off'}: {decision.explain()}")
    if not is_released(telemetry.version):
        _print(f"  version  {telemetry.version} is {_UNRELEASED}")
    if contract.sample < 1:
        _print(f"  sample   {_in_sample(contract, places)}")
    if places is not None:
        exists = "" if os.path.lexists(places.dotfile) else " (does not exist)"
        _print(f"  answers  {places.dotfile}{exists}")
        waiting = queue.waiting(places.folder)
        size = sum(len(event) for _, event in waiting)
        lost = queue.lost(places.folder)
        given_up = f"; {lost} given up" * (lost > 0)
        _print(f"  waiting  {len(waiting)} events, {size} bytes{given_up}")
        if decision.send and not folders.can_write(places.folder):
            _print(f"  keeping  nothing can be written in {places.folder}; events are not kept")
        sent = log.read(places.folder).splitlines()
        last = " ".join(sent[-1].split(" ", 2)[:2]) if sent else "never"
        _print(f"  sent     {last}")
        next_at, failures = spawn.read_schedule(places.folder)
        if failures:
            from askfirst.client.sender import utc

            _print(f"  failing  {failures} times in a row; not before {utc(next_at)}")
    _print("What may be collected, after a Yes:")
    rows = [*always(contract), *((f.name, describe(f)) for f in contract.fields.values())]
    for name, how in rows:
        _print(f"  {name:<16} {how}")
    _print(f"Who asks: {contract.organisation}, {contract.contact}; {contract.details}")
    _print(f"Change it: {contract.name} telemetry on, {contract.name} telemetry off")
    return 0


def _on(telemetry: "Telemetry", places: "Places") -> int:
    contract = telemetry.contract()
    found = dotfile.agree(places.dotfile, telemetry.version, contract, today(), overrule=True)
    _say_moved(places, found)
    _print(f"Telemetry of {contract.title} is on. Thank you.")
    decision = recording.decide(telemetry, terminal=False)
    if not decision.send:
        _print(f"Still, nothing is sent here: {decision.explain()}.")
    elif not recording.takes_part(contract, _installation(places)):
        _print("Still, nothing is sent here: this installation is not in the sample.")
    return 0


def _off(telemetry: "Telemetry", places: "Places") -> int:
    contract = telemetry.contract()
    before = dotfile.read(places.dotfile)
    found = refuse(telemetry, places, revoked=True)
    clean = _blank(dotfile.aside(places.dotfile))
    _say_moved(places, found)
    _print(f"Telemetry of {contract.title} is off. What was unsent is deleted.")
    if before.installation:
        _say_kept(contract)
    return 0 if clean else 1


def _say_kept(contract: "Contract") -> None:
    days = contract.retention_days
    _error(f"What was sent goes after {days} days; `erase`, instead of `off`, deletes it too.")


def _say_moved(places: "Places", found: "dotfile.Dotfile") -> None:
    """Say where a file is that was no dotfile; it may be the host's own."""
    if found.status == "unreadable":
        _error(f"{places.dotfile} could not be read; it is {dotfile.aside(places.dotfile)} now.")


def _blank(path: str) -> bool:
    """Take the UUID out of a broken dotfile, UTF-16 too; False, and said, if it may stay."""
    if not os.path.isfile(path):
        return True
    import re

    try:
        os.chmod(path, 0o600)
        with open(path, "rb+") as file:
            raw = file.read()
            if b"installationId" in raw.replace(b"\0", b""):
                uuid = rb"X{8}(-\0*X{4}){3}-\0*X{12}".replace(b"X", rb"([0-9a-fA-F]\0*)")
                file.seek(0)
                file.write(re.sub(uuid, lambda it: re.sub(rb"[^\0]", b"-", it[0]), raw))
    except OSError as error:
        _error(f"telemetry: {path}: {error.strerror}; delete it, your identifier may be in it")
        return False
    return True


def _show(telemetry: "Telemetry") -> int:
    contract = telemetry.contract()
    decision = recording.decide(telemetry, terminal=False)
    places = telemetry.places()
    if not decision.send:
        _error(f"Nothing is sent: {decision.explain()}. After a Yes, it would look like this.")
    waiting = queue.waiting(places.folder) if places is not None else []
    if waiting:
        collector = spawn.collector_url(contract, telemetry.env)
        _error(f"{len(waiting)} waiting to be sent to {collector}:")
        for _, event in waiting:
            _print(event.decode("ascii"))
    if not is_released(telemetry.version):
        _error(f"{telemetry.version} is {_UNRELEASED}.")
        return 0
    installation = _installation(places)
    if decision.send and not recording.takes_part(contract, installation):
        _error("Nothing is recorded: this installation is not in the sample. Else it would be:")
    else:
        _error("The next event would be:")
    installation = installation or new_installation()
    example = recording.form(telemetry, contract.commands[0], _examples(telemetry), installation)
    _print(example.encode().decode("ascii"))
    return 0


def _log(telemetry: "Telemetry") -> int:
    places = telemetry.places()
    text = log.read(places.folder) if places is not None else ""
    _print(text, end="")
    if not text:
        _error("Nothing was sent from here.")
    return 0


def _send(telemetry: "Telemetry", places: "Places") -> int:
    decision = recording.decide(telemetry, terminal=False)
    if not decision.send and decision.reason != "erasing":
        _error(f"Nothing is sent: {decision.explain()}.")
        return 1
    sender = _sender(telemetry, places)
    if not sender.run(PATIENCE_S):
        return 1
    others = (sender.dropped, "dropped"), (sender.refused, "refused"), (sender.given_up, "given up")
    rest = "".join(f"; {count} {what}" for count, what in others if count)
    told = f"{sender.sent} event{'s' * (sender.sent != 1)} sent{rest}."
    _print(told if sender.sent or rest else "Nothing was waiting.")
    return 1 if sender.refused else 0


def _erase(telemetry: "Telemetry", places: "Places") -> int:
    contract = telemetry.contract()
    found = dotfile.read(places.dotfile)
    if found.status == "unreadable":
        _error(f"telemetry: {places.dotfile} cannot be read, so what to erase is unknown; mend it")
        return 1
    if not found.installation and not found.erasing:
        _print("There is nothing to erase: this installation has no identifier.")
        _say_kept(contract)
        return 0
    dotfile.refuse(places.dotfile, telemetry.version, today(), revoked=True, erasing=True)
    for folder in _folders(telemetry, places) - {places.folder}:
        queue.purge(folder)
    queue.empty(places.folder)  # not the lock: a batch may be under way, and has to come first
    sender = _sender(telemetry, places)
    for attempt in range(TRIES):
        if attempt:
            time.sleep(2.0**attempt)  # the collector may be starting again
        if sender.run(PATIENCE_S):
            if dotfile.read(places.dotfile).erasing:
                break
            who = contract.collector
            _print(f"Everything that {who} collected from here is deleted, and telemetry is off.")
            return 0
    who = "The collector"
    if sender.collector != contract.collector:
        who = f"{contract.collector}, not asked while ASKFIRST_COLLECTOR is set,"
    _error(
        f"Telemetry is off. {who} has not confirmed the erasure yet; it is tried again whenever "
        f"{contract.name} runs."
    )
    return 1


def _sender(telemetry: "Telemetry", places: "Places") -> "Sender":
    from askfirst.client.sender import Sender

    return Sender(telemetry.contract(), spawn.job(telemetry, places), telemetry.env, say=_error)


def _examples(telemetry: "Telemetry") -> "dict[str, object]":
    made_up: dict[str, object] = {"hash": "example", "version": "1.0.0", "flag": True}
    return {
        name: (*field.values, *field.buckets, made_up.get(field.treatment))[0]
        for name, field in telemetry.contract().fields.items()
    }


def _installation(places: "Places | None") -> str:
    return dotfile.read(places.dotfile).installation if places is not None else ""


def _in_sample(contract: "Contract", places: "Places | None") -> str:
    share = f"{percent(contract.sample)} of those who say Yes"
    installation = _installation(places)
    if not installation:
        return share
    within = "" if recording.takes_part(contract, installation) else "not "
    return f"{share}; this installation is {within}in it"


def _help(telemetry: "Telemetry") -> int:
    name = telemetry.contract().name
    _print(f"Usage: {name} telemetry [{'|'.join(COMMANDS)}] [--verbose]\n")
    for command, text in COMMANDS.items():
        _print(f"  {command:<8} {text}")
    return 0


def _print(text: str, end: str = "\n") -> None:
    encoding = getattr(sys.stdout, "encoding", "") or "utf-8"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    print(shown, end=end)  # noqa: T201 - the result of a command


def _error(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - a command's remark


_RUN = {"status": _status, "show": _show, "log": _log}
_AT_HOME = {"on": _on, "off": _off, "send": _send, "erase": _erase}
