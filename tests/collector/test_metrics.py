"""What the collector counts, in the form that Prometheus reads, and nothing else in it."""

from __future__ import annotations

import asyncio
import math
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from askfirst.collector import collector as collecting
from askfirst.collector.metrics import BOUNDS, COMMIT, METRICS, Counts, Metrics, add_up, text
from askfirst.contract.model import Contract
from tests.collector.conftest import MemoryStore
from tests.collector.serving import (
    CONTRACT,
    DEADLINE,
    Answer,
    Server,
    make_event,
    servers,
    wait_until,
)

DOCS = (Path(__file__).parents[2] / "docs" / "collector.md").read_text()
GAUGES = {name: 0.0 for name, (kind, _) in METRICS.items() if kind == "gauge"}
ROW = re.compile(
    r'(?P<name>[a-z_]+)(?:\{(?P<labels>[a-z]+="(?:[^"\\\n]|\\.)*"'
    r'(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*)\})? (?P<value>[0-9.e+-]+)'
)
LABELS = {"route", "status", "tool", "reason", "le"}


def rows(page: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Read a page as Prometheus would; whatever it would refuse fails."""
    kind = ""
    for line in page.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            _, _, kind, of = line.split(" ")
            assert of in ("counter", "gauge", "histogram")
            continue
        found = ROW.fullmatch(line)
        assert found, line
        assert found["name"].startswith(kind)
        labels = dict(re.findall(r'([a-z]+)="((?:[^"\\]|\\.)*)"', found["labels"] or ""))
        yield found["name"], labels, float(found["value"])


def counted(counts: Counts, name: str) -> dict[tuple[str, ...], float]:
    return {tuple(v for _, v in labels): n for row, labels, n in counts if row == name}


def test_a_page_has_every_metric_with_its_type_and_no_row_twice() -> None:
    metrics = Metrics()
    metrics.add("askfirst_requests_total", route="/health", status="200")
    metrics.add("askfirst_events_accepted_total", 3, tool="stratus")
    metrics.add("askfirst_events_dropped_total", tool="stratus", reason="too-old")
    metrics.commit(0.003)
    page = text(metrics.counts(), GAUGES)
    found = list(rows(page))
    for name, (kind, about) in METRICS.items():
        assert f"# HELP {name} {about}\n# TYPE {name} {kind}\n" in page
        assert any(row.startswith(name) for row, _, _ in found)
    keys = Counter((name, tuple(labels.items())) for name, labels, _ in found)
    assert set(keys.values()) == {1}
    assert ("askfirst_events_accepted_total", {"tool": "stratus"}, 3.0) in found


def test_counters_without_labels_stand_at_0_from_the_start() -> None:
    found = {name: n for name, labels, n in rows(text(Metrics().counts(), GAUGES)) if not labels}
    assert found["askfirst_events_stored_total"] == 0
    assert found["askfirst_store_failures_total"] == 0
    assert found[f"{COMMIT}_count"] == 0


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.0011, 0.3, 5.0, 60.0])
def test_a_commit_is_in_every_bucket_that_is_wide_enough(seconds: float) -> None:
    metrics = Metrics()
    metrics.commit(seconds)
    buckets = counted(metrics.counts(), f"{COMMIT}_bucket")
    assert list(buckets) == [(str(bound),) for bound in BOUNDS] + [("+Inf",)]
    for (bound,), n in buckets.items():
        assert n == (seconds <= float(bound.replace("+Inf", "inf")))
    [(_, total)] = counted(metrics.counts(), f"{COMMIT}_sum").items()
    assert math.isclose(total, seconds)


def test_processes_are_added_up_after_a_journey_as_json() -> None:
    parts = []
    for number in range(3):
        metrics = Metrics()
        metrics.add("askfirst_events_accepted_total", number + 1, tool="stratus")
        metrics.add("askfirst_requests_total", route="/v1/events", status=str(200 + number))
        metrics.commit(0.5)
        parts.append(msgspec.json.decode(msgspec.json.encode(metrics.counts()), type=Counts))
    total = add_up([*parts, []])
    assert counted(total, "askfirst_events_accepted_total") == {("stratus",): 6}
    assert len(counted(total, "askfirst_requests_total")) == 3
    assert counted(total, f"{COMMIT}_count") == {(): 3}
    assert counted(total, f"{COMMIT}_bucket")["+Inf",] == 3
    assert list(rows(text(total, GAUGES)))


def test_a_label_cannot_break_out_of_its_quotes() -> None:
    metrics = Metrics()
    metrics.add("askfirst_events_accepted_total", tool='a"b\\c\nd')
    page = text(metrics.counts(), GAUGES)
    assert 'askfirst_events_accepted_total{tool="a\\"b\\\\c\\nd"} 1\n' in page
    assert list(rows(page))


def test_no_count_is_lost_between_threads() -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(5_000):
            metrics.add("askfirst_events_accepted_total", tool="stratus")
            metrics.commit(0.0)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.value("askfirst_events_accepted_total", tool="stratus") == 20_000
    assert counted(metrics.counts(), f"{COMMIT}_count") == {(): 20_000}


def test_a_cell_is_a_part_of_its_counter() -> None:
    metrics = Metrics()
    name, label = "askfirst_events_accepted_total", {"tool": "stratus"}
    cell = metrics.cell(name, **label)
    assert counted(metrics.counts(), name) == {}  # nothing of that kind has been seen
    metrics.add(name, 2, **label)
    cell.n += 3
    assert metrics.cell(name, **label) is cell
    assert metrics.value(name, **label) == 5
    assert counted(metrics.counts(), name) == {("stratus",): 5}


def test_a_name_that_is_not_declared_cannot_be_counted() -> None:
    with pytest.raises(AssertionError, match="askfirst_made_up_total"):
        Metrics().add("askfirst_made_up_total")


def test_a_store_that_hangs_is_asked_once_and_keeps_nobody_waiting(
    make_api: Any, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_say, asked = threading.Event(), list[int]()

    class Hanging(MemoryStore):
        def size(self) -> int:
            asked.append(1)
            may_say.wait(DEADLINE)
            return 7

    collector = make_api(contract, store=Hanging()).collector
    monkeypatch.setattr(collecting, "SIZE_SECONDS", 0.02)

    async def sizes() -> set[float | None]:
        pages = await asyncio.gather(*(collector.statistics() for _ in range(50)))
        return {gauges.get("askfirst_store_bytes") for _, gauges in pages}

    async def scenario() -> None:
        for _ in range(3):
            assert await asyncio.wait_for(sizes(), DEADLINE) == {None}
        await asyncio.wait_for(asyncio.to_thread(may_say.is_set), DEADLINE)  # others get a thread
        assert len(asked) == 1
        may_say.set()
        while await sizes() != {7.0}:
            pass
        may_say.clear()
        assert await sizes() == {7.0}  # what it was
        may_say.set()

    asyncio.run(asyncio.wait_for(scenario(), 2 * DEADLINE))


@pytest.fixture(scope="module", params=["1", "2"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("metrics")
    (folder / "telemetry.toml").write_text(CONTRACT)
    words = ("serve", "--contract", str(folder / "telemetry.toml"), "--workers", request.param)
    with servers(folder / "home", *words) as begin:
        yield begin()


def whole(server: Server) -> Answer:
    """Return a page for which all of its processes and its store have answered in time."""
    seen: list[Answer] = []

    def is_whole() -> bool:
        seen.append(server.call("GET", "/metrics"))
        return (
            b"\naskfirst_ready 1\n" in seen[-1].body and b"\naskfirst_store_bytes " in seen[-1].body
        )

    wait_until(is_whole)
    return seen[-1]


def test_a_real_page_can_be_read_and_names_nobody(served: Server) -> None:
    secret = "5e" * 32
    bad = make_event(installationId=secret, runtime="not a version", secret=secret)
    batch: Any = {"tool": "stratus", "events": [make_event(installationId=secret), bad]}
    assert served.call("POST", "/v1/events", batch).status == 200
    assert served.call("GET", f"/v1/contracts/{secret}").status == 404
    assert served.call("GET", f"/{secret}?{secret}").status == 404
    assert served.call("POST", "/v1/events", {"tool": secret, "events": []}).status == 404
    answer = whole(served)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    page = answer.body.decode()
    found = list(rows(page))
    assert {name for _, labels, _ in found for name in labels} <= LABELS
    assert secret not in page
    assert "127.0.0." not in page
    routes = {labels["route"] for _, labels, _ in found if "route" in labels}
    assert routes == {"/v1/events", "/v1/contracts/{tool}", "other"} | (routes & {"/metrics"})
    values = {name: n for name, labels, n in found if not labels}
    assert values["askfirst_ready"] == 1
    assert values["askfirst_connections"] >= 1  # the one that asks
    assert values["askfirst_store_bytes"] > 0


def test_counters_only_ever_grow(served: Server) -> None:
    def look() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        page = served.call("GET", "/metrics").body.decode()
        return {
            (name, tuple(labels.items())): n for name, labels, n in rows(page) if name not in GAUGES
        }

    before = look()
    for _ in range(20):
        batch = {"tool": "stratus", "events": [make_event()]}
        assert served.call("POST", "/v1/events", batch).status == 200
        after = look()
        assert all(after[key] >= n for key, n in before.items())
        before = after


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_documented(name: str) -> None:
    assert f"| `{name}` |" in DOCS
