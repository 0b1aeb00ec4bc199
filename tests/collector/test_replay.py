"""A million events that are sent twice are stored once."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import random
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from askfirst.contract.event import now_ms
from tests.collector.serving import make_event, servers

EVENTS = int(os.environ.get("ASKFIRST_REPLAY", "100000"))
BATCH = 1_000


def bodies(moment: int) -> Iterator[bytes]:
    """Yield the same batches each time, of the day before a moment (ms UTC)."""
    chance = random.Random(11)
    for number in range(0, EVENTS, BATCH):
        events = [
            make_event(
                id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
                installationId=f"{chance.randrange(20_000):064x}",
                timestamp=moment - chance.randrange(86_400_000),
            )
            for _ in range(number, min(number + BATCH, EVENTS))
        ]
        yield json.dumps({"tool": "stratus", "events": events}).encode()


@pytest.mark.slow
def test_what_is_sent_twice_is_stored_once_and_counted_as_duplicate(
    tmp_path: Path, contract_file: Path
) -> None:
    today, moment = dt.datetime.now(dt.timezone.utc).date(), now_ms()
    with servers(tmp_path / "home", "serve", "--contract", str(contract_file)) as begin:
        server = begin()
        connection = server.connect()
        for times in (1, 2):
            assert sum(accepted(connection, body) for body in bodies(moment)) == EVENTS
            quality = server.answer(f"quality?as_of={today + dt.timedelta(days=1)}")
            assert quality["stored"] == EVENTS
            assert quality["duplicate"] == EVENTS * (times - 1)
        connection.close()
        text = server.call("GET", "/metrics").body.decode()
        assert re.search(rf"^askfirst_events_stored_total {EVENTS}$", text, re.MULTILINE)
        assert re.search(rf"^askfirst_events_duplicate_total {EVENTS}$", text, re.MULTILINE)
        assert server.stop() == 0


def accepted(connection: http.client.HTTPConnection, body: bytes) -> int:
    connection.request("POST", "/v1/events", body, {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    assert answer["dropped"] == []
    return int(answer["accepted"])
