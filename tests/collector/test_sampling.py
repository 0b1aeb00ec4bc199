"""The door leaves out installations that the contract in force does, whoever sends them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from askfirst.collector.frames import decode
from askfirst.collector.ingest import take, take_by_steps
from askfirst.collector.pipeline import Terms
from askfirst.collector.wolkenkit import take_command
from askfirst.contract.loading import parse
from askfirst.contract.sampling import takes_part
from tests.collector.bodies import NOW, batch, command, full_event
from tests.collector.serving import CONTRACT

HALF = parse(CONTRACT.replace("[tool]", "[tool]\nsample = 0.5"))
TERMS = {"stratus": Terms(HALF)}
IDS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(12)]
INSIDE = [id_ for id_ in IDS if takes_part(0.5, id_)]
OUTSIDE = [id_ for id_ in IDS if not takes_part(0.5, id_)]


def sent(*installations: str, **more: Any) -> bytes:
    events = [
        full_event("stratus", number + 1) | {"installationId": id_}
        for number, id_ in enumerate(installations)
    ]
    return json.dumps(batch(*events, **more)).encode()


@pytest.mark.parametrize("more", [{}, {"contract": "sha256:" + "0" * 64}, {"note": "the slow way"}])
def test_events_from_outside_are_dropped_and_counted(more: dict[str, Any]) -> None:
    taken = take(sent(*IDS, **more), TERMS, NOW)
    frame = decode(taken.payload)
    assert frame.installation.hex() == "".join(INSIDE)
    assert taken.accepted == len(INSIDE)
    assert frame.counts == taken.counts == {"dropped:outside-sample": len(OUTSIDE)}
    assert [reason.value for _, reason in taken.dropped] == ["outside-sample"] * len(OUTSIDE)


def test_the_fast_way_and_the_steps_agree() -> None:
    asked: list[tuple[str, bytes, int]] = []

    def admit(*row: Any) -> bool:
        asked.append(row)
        return row[1].hex() != INSIDE[1]

    fast = take(sent(*IDS), TERMS, NOW, admit)
    assert [one.hex() for _, one, _ in asked] == INSIDE  # others cost nobody their share of a day
    slow = take_by_steps(sent(*IDS), TERMS, NOW, admit)
    assert fast == slow
    assert fast.counts == {"dropped:outside-sample": len(OUTSIDE), "dropped:daily-cap": 1}


def test_a_batch_from_outside_is_counted_though_nothing_of_it_is_kept() -> None:
    taken = take(sent(*OUTSIDE), TERMS, NOW)
    assert (taken.accepted, len(decode(taken.payload))) == (0, 0)
    assert decode(taken.payload).counts == {"dropped:outside-sample": len(OUTSIDE)}


def test_a_mistake_is_named_before_the_sample() -> None:
    body = json.loads(sent(OUTSIDE[0]))
    body["events"][0]["cli"]["command"] = "destroy"
    [(_, reason)] = take(json.dumps(body).encode(), TERMS, NOW).dropped
    assert reason.value == "unknown-command"


@pytest.mark.parametrize(("id_", "accepted"), [(INSIDE[0], 1), (OUTSIDE[0], 0)])
def test_a_wolkenkit_client_knows_no_contract_and_is_left_out_too(id_: str, accepted: int) -> None:
    taken = take_command(json.dumps(command(installationId=id_)).encode(), TERMS, NOW)
    assert taken.accepted == accepted
    assert len(taken.dropped) == 1 - accepted
