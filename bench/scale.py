"""What so many consenting installations need, worked out from measured costs.

    python bench/scale.py                         print the page's tables
    python bench/scale.py --write docs/scale.md   put them into the page, between its marks
    python bench/scale.py --measure               measure anew what this file can (half a minute)

`INPUTS` has every figure that goes in, and the command that measures it; what nobody measured here
says that it is assumed. Everything below follows from them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SELF = "bench/scale.py --measure"
INGEST = "bench/ingest.py"
CLIENT = "bench/client.py"
STORE = "bench/questions.py --store FILE"
CLICKHOUSE = "bench/questions.py --store clickhouse://…"
ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Input:
    """A figure that goes in: what it is, its unit, and the command that measures it."""

    value: float
    unit: str
    what: str
    source: str


INPUTS = {
    "events": Input(0.902, "a day", "events of a consenting installation, on average", SELF),
    "deliveries": Input(0.581, "a day", "deliveries of one, hourly at the most", SELF),
    "hour": Input(2.69, "times the mean", "events in the busiest hour of a week", SELF),
    "second": Input(2.0, "times that hour", "deliveries in its busiest second", ASSUMED),
    "body": Input(577.0, "bytes", "body of a delivery, compressed as the client does", SELF),
    "handshake": Input(6_000.0, "bytes", "TLS 1.3 handshake, headers and answer", ASSUMED),
    "log": Input(248.0, "bytes", "an event in the log, a frame for each delivery", SELF),
    "record": Input(2.09, "ms of CPU", "a recorded command, in the tool's process", CLIENT),
    "send": Input(78.0, "ms of CPU", "a delivery over TLS, in the sender's process", CLIENT),
    "request": Input(1_100.0, "µs of CPU", "a delivery over TLS of its own, at the door", INGEST),
    "door": Input(3.8, "µs of CPU", "each event more in it, at the door", INGEST),
    "loader": Input(7.5, "µs of CPU", "an event that came alone, from log to store", INGEST),
    "stored": Input(22.1, "bytes", "an event in the embedded store", STORE),
    "busy": Input(0.6, "of a core", "load at the peak that leaves room for a failure", ASSUMED),
    "cores": Input(8.0, "cores", "a collector's machine", ASSUMED),
    "file": Input(500e6, "events", "one DuckDB file whose questions stay quick enough", ASSUMED),
    "kept": Input(395.0, "days", "retention", "examples/stratus/stratus/telemetry.toml"),
    "node_rate": Input(100_000.0, "events/s", "one ClickHouse node takes, in blocks", ASSUMED),
    "node_disk": Input(2e12, "bytes", "one ClickHouse node keeps", ASSUMED),
    "node_bytes": Input(50.0, "bytes", "an event in ClickHouse", CLICKHOUSE),
    "copies": Input(2.0, "copies", "of each event, on different nodes", ASSUMED),
}

POPULATIONS = (1_000_000, 10_000_000, 100_000_000)
DAY_S = 86_400
YEAR = 365
BEGIN, END = "<!-- bench/scale.py begin -->", "<!-- bench/scale.py end -->"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a number of consenting installations needs; rates are a second, bytes are bytes."""

    installations: int
    events_a_day: float
    requests: float
    peak_requests: float
    peak_events: float
    peak_bits: float
    door_cores: float
    loader_cores: float
    collectors: int
    log_a_day: float
    stored_a_year: float
    events_kept: float
    nodes: int


def needs(installations: int, inputs: dict[str, Input]) -> Needs:
    """Work out what `installations` need."""
    of = {name: one.value for name, one in inputs.items()}
    events = installations * of["events"]
    deliveries = installations * of["deliveries"]
    peak = of["hour"] * of["second"]
    peak_requests = deliveries / DAY_S * peak
    peak_events = events / DAY_S * peak
    more = max(of["events"] / of["deliveries"] - 1, 0)  # events beyond the first of a delivery
    door = peak_requests * (of["request"] + more * of["door"]) / 1e6
    # the loader may fall behind for a second, not for an hour: the log waits for it
    loader = events / DAY_S * of["hour"] * of["loader"] / 1e6
    kept = events * of["kept"]
    nodes = max(
        peak_events / of["node_rate"],
        kept * of["node_bytes"] / of["node_disk"],
    )
    return Needs(
        installations=installations,
        events_a_day=events,
        requests=deliveries / DAY_S,
        peak_requests=peak_requests,
        peak_events=peak_events,
        peak_bits=peak_requests * (of["body"] + of["handshake"]) * 8,
        door_cores=door / of["busy"],
        loader_cores=loader / of["busy"],
        collectors=math.ceil((door + loader) / of["busy"] / of["cores"]) + 1,  # one may fail
        log_a_day=events * of["log"],
        stored_a_year=events * YEAR * of["stored"],
        events_kept=kept,
        nodes=math.ceil(nodes) * round(of["copies"]),
    )


ROWS: tuple[tuple[str, Callable[[Needs], str]], ...] = (
    ("events a day", lambda n: amount(n.events_a_day)),
    ("requests a second, on average", lambda n: amount(n.requests)),
    ("requests a second, at the peak", lambda n: amount(n.peak_requests)),
    ("TLS handshakes a second, at the peak", lambda n: amount(n.peak_requests)),
    ("events a second, at the peak", lambda n: amount(n.peak_events)),
    ("network, at the peak", lambda n: f"{amount(n.peak_bits / 1e6)} Mbit/s"),
    ("cores for the door", lambda n: amount(n.door_cores)),
    ("cores for the loader", lambda n: amount(n.loader_cores)),
    ("collectors, one of them spare", lambda n: amount(n.collectors)),
    ("log, a day of it", lambda n: f"{amount(n.log_a_day / 1e9)} GB"),
    ("embedded store, a year", lambda n: f"{amount(n.stored_a_year / 1e9)} GB"),
    ("events kept", lambda n: amount(n.events_kept)),
    ("ClickHouse nodes, copies included", lambda n: amount(n.nodes)),
)


def amount(value: float) -> str:
    """Write a figure with two or three digits that mean something."""
    for size, name in ((1e12, " trillion"), (1e9, " billion"), (1e6, " million")):
        if value >= size:
            return f"{value / size:.3g}{name}"
    if value >= 1_000:
        return f"{round(value, 2 - math.floor(math.log10(value))):,.0f}"
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"


def tables(inputs: dict[str, Input]) -> str:
    """Return the page's tables: what goes in, what comes out, and where it ends."""
    found = [needs(installations, inputs) for installations in POPULATIONS]
    head = [f"{amount(n.installations)}" for n in found]
    lines = ["| what goes in | | measured by |", "| --- | ---: | --- |"]
    for one in inputs.values():
        command = one.source if one.source == ASSUMED else f"`{one.source}`"
        value = f"{one.value:,.0f}" if one.value >= 1_000 else f"{one.value:g}"
        lines.append(f"| {one.what} | {value} {one.unit} | {command} |")
    lines += ["", f"| consenting installations | {' | '.join(head)} |", "| --- |" + " ---: |" * 3]
    lines += [f"| {label} | {' | '.join(map(say, found))} |" for label, say in ROWS]
    lines += ["", "| what ends first | at so many installations |", "| --- | ---: |"]
    lines += [f"| {what} | {amount(at)} |" for what, at in limits(inputs)]
    lines += ["", "| sample | cost | all of them, ± | a group of 10,000, ± | a group of 1,000, ± |"]
    lines += ["| ---: | ---: | ---: | ---: | ---: |"]
    for sample in (1.0, 0.1, 0.01, 0.001):
        errors = (error(people, sample) for people in (POPULATIONS[-1], 10_000, 1_000))
        shown = " | ".join(f"{amount(one)} %" for one in errors)
        lines.append(f"| {sample:g} | {100 * sample:g} % | {shown} |")
    lines += ["", said_of_one(inputs)]
    return "\n".join(lines)


def error(people: int, sample: float) -> float:
    """Return the 95 % error of their number in per cent, by `askfirst.questions.sampling`."""
    return 196 * math.sqrt((1 - sample) / (people * sample))


def said_of_one(inputs: dict[str, Input]) -> str:
    """Say what a consenting installation spends itself."""
    of = {name: one.value for name, one in inputs.items()}
    seen = of["events"] * of["record"]
    unseen = of["deliveries"] * of["send"]
    traffic = of["deliveries"] * (of["body"] + of["handshake"]) / 1000
    return (
        f"One consenting installation spends {amount(seen)} ms of CPU a day in the tool's own "
        f"processes, {amount(unseen)} ms in senders that nobody waits for, and "
        f"{amount(traffic)} kB of network."
    )


def limits(inputs: dict[str, Input]) -> Sequence[tuple[str, float]]:
    """Return for each part how many installations fill it, the first to be full first."""
    of = {name: one.value for name, one in inputs.items()}
    one = needs(1_000_000, inputs)
    each = 1_000_000
    core = each / (one.door_cores or 1)
    return sorted(
        [
            ("one worker at the door (one core)", core),
            ("the door of one machine", core * of["cores"]),
            ("one loader into the embedded store (one core)", each / one.loader_cores),
            ("one embedded store, by its questions", of["file"] / one.events_kept * each),
            ("a network of 1 Gbit/s", 1e9 / one.peak_bits * each),
            ("one ClickHouse node, by its rate", of["node_rate"] / one.peak_events * each),
            (
                "one ClickHouse node, by its disk",
                of["node_disk"] / (one.events_kept * of["node_bytes"]) * each,
            ),
        ],
        key=lambda row: row[1],
    )


def rewritten(page: str, text: str) -> str:
    """Return a page with other tables between its marks. Raises ValueError if it has none."""
    before, begun, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"there is no {BEGIN} and {END} to write between")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into FILE too")
    parser.add_argument("--measure", action="store_true", help="measure what this file can")
    options = parser.parse_args()
    if options.measure:
        import scale_inputs

        for name, value in scale_inputs.measure().items():
            print(f"{name:<12} {value:,.4g} {INPUTS[name].unit}: {INPUTS[name].what}")
        return
    text = tables(INPUTS)
    if options.write:
        options.write.write_text(rewritten(options.write.read_text(), text))
    print(text)


if __name__ == "__main__":
    main()
