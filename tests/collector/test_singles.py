"""Single events that come at the same moment: one frame, and to each the answer it would have had
alone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askfirst.collector import singles
from askfirst.collector.config import Limits
from askfirst.collector.connection import Connection, Stage
from askfirst.collector.door import Door
from askfirst.collector.entrance import Entrance
from askfirst.collector.frames import EventsFrame, decode, pieces
from askfirst.collector.ingest import answer, take_by_steps
from askfirst.collector.log import Log
from askfirst.collector.metrics import Metrics
from askfirst.collector.request import Refusal
from askfirst.collector.tail import Tail
from askfirst.stores.base import Position
from tests.collector.bodies import CONTRACTS, NOW, TERMS, batch, full_event
from tests.collector.serving import DEADLINE

Answers = list[tuple[int, Any]]


class Client:
    """A connection whose other end is here."""

    def __init__(self, entrance: Entrance) -> None:
        self.said = b""
        self.is_closed = False
        self.connection = Connection(entrance)
        self.connection.connection_made(self)  # type: ignore[arg-type]

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        return "127.0.0.1", 1

    def write(self, data: bytes) -> None:
        self.said += data

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def answer(self) -> tuple[int, Any]:
        head, _, body = self.said.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), json.loads(body)


class Scene:
    """A door with a real log, and what is in it."""

    def __init__(self, folder: Path, limits: Limits, **sizes: int) -> None:
        self.tail = Tail(folder, lambda _: None, print)
        self.log = Log(folder, **sizes)
        self.door = Door(self.log, CONTRACTS, limits, Metrics(), lambda: NOW)

    async def send(self, bodies: Sequence[bytes], *, close: bool = False) -> list[Client]:
        """Send a body on a connection each, all of them before the loop turns."""
        entrance = Entrance(self.door, "", "http", 1_000)
        clients = [Client(entrance) for _ in bodies]
        for client, body in zip(clients, bodies, strict=True):
            client.connection.data_received(request(body, close=close))
        while not all(client.said for client in clients):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        await entrance.drain(0)
        assert entrance.bodies_bytes == 0
        return clients

    def frames(self) -> list[EventsFrame]:
        return [decode(row.payload) for row in self.tail.frames(Position(self.tail.name, 0, 0))]


Open = Callable[..., Scene]


@pytest.fixture
def scene(tmp_path: Path) -> Any:
    opened: list[Scene] = []

    def open_(limits: Limits | None = None, **sizes: int) -> Scene:
        folder = tmp_path / str(len(opened))
        opened.append(Scene(folder, limits or Limits(), **sizes))
        return opened[-1]

    yield open_
    for one in opened:
        one.log.close()


def request(body: bytes, *, close: bool = False) -> bytes:
    end = b"Connection: close\r\n" if close else b""
    return (
        b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%s"
        b"Content-Length: %d\r\n\r\n%s" % (end, len(body), body)
    )


def single(number: int, tool: str = "stratus", **changes: Any) -> bytes:
    return json.dumps(batch({**full_event(tool, number), **changes}, tool=tool)).encode()


def run(scene: Scene, bodies: Sequence[bytes], *, close: bool = False) -> list[Client]:
    return asyncio.run(asyncio.wait_for(scene.send(bodies, close=close), DEADLINE))


def alone(body: bytes) -> tuple[int, Any]:
    """Return what the steps say to a request by itself."""
    try:
        return 200, json.loads(answer(take_by_steps(body, TERMS, NOW)))
    except Refusal as refusal:
        return refusal.status, {"error": refusal.error}


def test_single_events_of_one_moment_share_a_frame(scene: Open) -> None:
    here = scene()
    clients = run(here, [single(n) for n in range(1, 6)])
    assert [client.answer() for client in clients] == [(200, {"accepted": 1, "dropped": []})] * 5
    assert [client.connection.stage for client in clients] == [Stage.OVER] * 5  # drained
    [frame] = here.frames()
    assert len(frame) == 5
    ids = {bytes.fromhex(full_event("stratus", n)["id"].replace("-", "")) for n in range(1, 6)}
    assert set(pieces(frame.id, 16)) == ids
    assert here.door.metrics.value("askfirst_events_accepted_total", tool="stratus") == 5
    taken = {"route": "/v1/events", "status": "200"}
    assert here.door.metrics.value("askfirst_requests_total", **taken) == 5


def test_each_tool_has_a_frame_of_its_own(scene: Open) -> None:
    here = scene()
    run(here, [single(n, tool) for n in (1, 2) for tool in ("stratus", "nimbus")])
    assert sorted((frame.tool, len(frame)) for frame in here.frames()) == [
        ("nimbus", 2),
        ("stratus", 2),
    ]


def test_one_that_is_not_fine_is_told_so_and_the_others_are_taken(scene: Open) -> None:
    here = scene()
    bodies = [
        single(1),
        single(2, timestamp=NOW - 400 * 86_400_000),  # too old: nothing that decoding would notice
        single(3, runtime="not released"),
        single(4, cli={"version": "1.0.0", "command": "unheard-of"}),
        b'{"tool":"stratus","events":[{"installationId"',
        single(5),
    ]
    clients = run(here, bodies)
    assert [client.answer() for client in clients] == [alone(body) for body in bodies]
    assert [status for status, _ in map(alone, bodies)] == [200, 200, 200, 200, 400, 200]
    assert sum(len(frame) for frame in here.frames()) == 2


def test_a_connection_that_ends_with_its_answer_is_told_so(scene: Open) -> None:
    [client, other] = run(scene(), [single(1), single(2)], close=True)
    assert client.is_closed
    assert other.is_closed
    assert b"\r\nconnection: close\r\n" in client.said
    assert client.answer() == (200, {"accepted": 1, "dropped": []})


def test_who_has_a_daily_share_is_looked_at_alone(scene: Open) -> None:
    here = scene(Limits(events_per_day=2))
    bodies = [single(n, installationId="9d" * 32) for n in (1, 2, 3)]
    answers = [client.answer()[1] for client in run(here, bodies)]
    assert [row["accepted"] for row in answers] == [1, 1, 0]
    assert [row["reason"] for row in answers[2]["dropped"]] == ["daily-cap"]


def test_a_sample_is_looked_at_alone(scene: Open) -> None:
    bodies = [single(n, "cirrus") for n in (1, 2)]  # the second is not in it
    answers = [client.answer() for client in run(scene(), bodies)]
    assert answers == [alone(body) for body in bodies]
    assert [row["accepted"] for _, row in answers] == [1, 0]


def test_a_log_that_is_full_refuses_each(scene: Open) -> None:
    clients = run(scene(quota_bytes=100), [single(1), single(2)])
    assert [client.answer()[0] for client in clients] == [503, 503]
    assert all(b"retry-after:" in client.said for client in clients)


def test_a_client_that_is_gone_does_not_hold_up_the_others(scene: Open) -> None:
    here = scene()

    async def scenario() -> bytes:
        entrance = Entrance(here.door, "", "http", 1_000)
        gone, stays = Client(entrance), Client(entrance)
        for number, client in enumerate((gone, stays), 1):
            client.connection.data_received(request(single(number)))
        gone.connection.connection_lost(None)
        while not stays.said:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        await entrance.drain(0)
        assert stays.answer()[0] == 200
        return gone.said

    assert asyncio.run(asyncio.wait_for(scenario(), DEADLINE)) == b""
    assert [len(frame) for frame in here.frames()] == [2]  # it was whole, and may be kept


def test_many_are_cut_into_frames_of_a_bearable_size(
    scene: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(singles, "MOST_EVENTS", 4)
    here = scene()
    run(here, [single(n) for n in range(1, 11)])
    assert [len(frame) for frame in here.frames()] == [4, 4, 2]


def test_a_fault_of_ours_is_written_down_and_everybody_is_answered(
    scene: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = scene()
    faults: list[Any] = []

    def fail(_frame: EventsFrame) -> bytes:
        raise RuntimeError("a fault")

    async def scenario() -> list[Client]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(str(context["exception"])))
        return await here.send([single(1), single(2), single(3, "nimbus")])

    monkeypatch.setattr(singles, "encode", fail)
    clients = asyncio.run(asyncio.wait_for(scenario(), DEADLINE))
    assert [client.answer()[0] for client in clients] == [200] * 3
    assert faults == ["a fault"] * 2  # one a tool
    assert [len(frame) for frame in here.frames()] == [1, 1, 1]


CHANGES: list[dict[str, Any]] = [
    {},
    {"runtime": None},
    {"runtime": "2.0.0-beta"},
    {"id": "00000000000000000000000000000000----"},
    {"installationId": "AB" * 32},
    {"timestamp": NOW + 2 * 86_400_000},
    {"timestamp": "now"},
    {"application": {}},
    {"application": {"name": "zz" * 32}},
    {"secret": 1},
    {"cli": {"version": "1.2.3", "command": "stop"}},
]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.sampled_from(CHANGES), st.sampled_from(("stratus", "nimbus", "cirrus"))),
        min_size=1,
        max_size=6,
    )
)
def test_whoever_comes_together_is_answered_as_if_alone(
    scene: Open, sent: list[tuple[dict[str, Any], str]]
) -> None:
    here = scene()
    bodies = [single(n, tool, **changes) for n, (changes, tool) in enumerate(sent, 1)]
    answers = [client.answer() for client in run(here, bodies)]
    assert answers == [alone(body) for body in bodies]
    accepted = sum(row.get("accepted", 0) for _, row in answers)
    assert sum(len(frame) for frame in here.frames()) == accepted
