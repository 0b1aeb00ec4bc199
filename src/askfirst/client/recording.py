"""Decide afresh, form, queue: a run that is not as usual, or one that somebody wants told."""

import sys

from askfirst import MOST_ANSWERS, read_file
from askfirst.client import dotfile
from askfirst.client.consent import decide as decide_purely
from askfirst.contract import event as events
from askfirst.contract.version import is_released

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from askfirst import Telemetry
    from askfirst.client.consent import Decision
    from askfirst.contract.model import Contract


def decide(
    telemetry: "Telemetry", *, terminal: bool, found: "dotfile.Dotfile | None" = None
) -> "Decision":
    """Decide afresh whether events may be sent and whether to ask, by `found` or the dotfile."""
    places = telemetry.places()
    if found is None and places is not None:
        found = dotfile.read(places.dotfile)

    def collects_more(answer: "dict[str, object]") -> "list[str]":
        return beyond(telemetry.contract(), answer)

    return decide_purely(
        found,
        tool=telemetry.name_and_state()[0],
        version=telemetry.version,
        collects_more=collects_more,
        env=telemetry.env,
        terminal=terminal,
    )


def beyond(contract: "Contract", answer: "dict[str, object]") -> "list[str]":
    """Say in words what a contract collects beyond an answer in a dotfile."""
    if answer.get("contract") == contract.digest:
        return []
    agreed = answer.get("agreed")
    return contract.collects_more_than(agreed if isinstance(agreed, dict) else None)


def record(telemetry: "Telemetry", command: str, values: "Mapping[str, object]") -> None:
    """Queue the event of a command if there is a Yes; start a delivery if one is due."""
    places = telemetry.places()
    if telemetry.strict:
        from askfirst.client import mistakes

        mistakes.check_program(telemetry.version, places.dotfile if places else "")
    answers = None if places is None else read_file(places.dotfile, MOST_ANSWERS)
    found = None if places is None else dotfile.understand(answers)
    decision = decide(telemetry, terminal=False, found=found)
    if not decision.send:
        _say_unsent(telemetry, decision, command, values)
        if decision.reason == "erasing" and places is not None:
            from askfirst.client import spawn

            spawn.deliver_if_due(telemetry, places)
        return
    contract = telemetry.contract()
    if places is None or found is None or answers is None or command not in contract.commands:
        return
    if not is_released(telemetry.version):
        if telemetry.verbose:
            _say(f"telemetry: nothing is recorded: {telemetry.version} is not a released version.")
        return
    if not takes_part(contract, found.installation):
        _stay_out(telemetry, answers, found.installation, places.folder)
        return
    from askfirst import client, usual
    from askfirst.client import queue, spawn

    line = form(telemetry, command, values, found.installation).encode()
    queue.append(places.folder, contract.digest, line)
    if usual.recall(telemetry, answers, places.folder) is None:
        client.remember(telemetry, answers, found.installation, contract, places.folder)
    if telemetry.verbose:
        collector = spawn.collector_url(contract, telemetry.env)
        _say(f"telemetry: queued for {collector}:\n{line.decode('ascii')}")
    spawn.deliver_if_due(telemetry, places)


def takes_part(contract: "Contract", installation: str) -> bool:
    """Tell whether an installation is in the contract's sample; `installation` is its UUID."""
    if contract.sample >= 1:
        return True
    from askfirst.contract import sampling
    from askfirst.usual import hash_text

    return sampling.takes_part(contract.sample, hash_text(installation, installation))


def _stay_out(telemetry: "Telemetry", answers: bytes, installation: str, folder: str) -> None:
    """Record nothing, send nothing of a larger sample, and remember to."""
    from askfirst import client, usual
    from askfirst.client import folders, queue

    if usual.recall(telemetry, answers, folder) is None:
        queue.empty(folder)
        folders.make_folder(folder)
        contract = telemetry.contract()
        client.remember(telemetry, answers, installation, contract, folder, takes_part=False)
    if telemetry.verbose:
        _say("telemetry: nothing is recorded: this installation is not in the sample.")


def form(
    telemetry: "Telemetry", command: str, values: "Mapping[str, object]", installation: str
) -> events.Event:
    """Form the event of a command. Raises as `contract.event.form` does, if strict."""
    contract = telemetry.contract()
    given = dict(values)
    if not telemetry.strict:
        # a field that its author got wrong costs that field, not the event
        given = {name: value for name, value in given.items() if _fits(contract, name, value)}
    timestamp = events.now_ms()
    return events.form(
        contract,
        command=command,
        version=telemetry.version,
        installation=installation,
        values=given,
        id=events.new_id(timestamp),
        timestamp=timestamp,
    )


def _fits(contract: "Contract", name: str, value: object) -> bool:
    field = contract.fields.get(name)
    if field is None or value is None:
        return False
    try:
        events.treat(field, value, "")
    except events.MalformedError:
        return False
    return True


def _say_unsent(
    telemetry: "Telemetry", decision: "Decision", command: str, values: "Mapping[str, object]"
) -> None:
    if not (decision.log or telemetry.verbose) or command not in telemetry.contract().commands:
        return
    if decision.log and is_released(telemetry.version):
        # made up for this one line: without a Yes there is no UUID on the machine
        installation = events.new_installation()
        _say(form(telemetry, command, values, installation).encode().decode("ascii"))
    elif telemetry.verbose:
        _say(f"telemetry: nothing is recorded: {decision.explain()}.")


def _say(text: str) -> None:
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - asked for with --verbose or =log
