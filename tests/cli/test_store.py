"""`askfirst store`: what goes out comes back, and what is forgotten is gone."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from askfirst.cli.main import root
from askfirst.collector import segment, upkeep
from askfirst.collector.frames import encode
from askfirst.collector.gather import Batch
from askfirst.collector.log import prepare
from askfirst.collector.pipeline import Rules, Terms, sift
from askfirst.contract.event import now_ms
from askfirst.contract.hashing import hash_text
from askfirst.contract.loading import parse
from askfirst.stores.base import DAY_MS, Position
from askfirst.stores.opening import open_store
from tests.collector.serving import CONTRACT, environment, make_event, servers

OTHER = "aa" * 32
Run = Callable[..., Result]


@pytest.fixture(name="contract")
def _contract(tmp_path: Path) -> str:
    (tmp_path / "telemetry.toml").write_text(CONTRACT)
    return str(tmp_path / "telemetry.toml")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "s.duckdb"


@pytest.fixture
def run(place: Path) -> Run:
    def run(*words: str | Path, store: Path = place, code: int = 0) -> Result:
        result = CliRunner().invoke(root, ["store", *map(str, words), "--store", str(store)])
        assert result.exit_code == code, result.output
        assert code != 1 or "askfirst: " in result.stderr
        assert "Traceback" not in result.output
        return result

    return run


def sent(**changes: Any) -> list[dict[str, Any]]:
    every = {"system": "linux", "interactive": True, "machine": {"cores": "<2"}}
    return [
        make_event(**changes),
        make_event(application=None, runtime=None, **changes),
        make_event(**every, **changes),
    ]


def fill(place: Path, events: list[dict[str, Any]]) -> None:
    contract = parse(CONTRACT)
    frame = sift(events, Rules(Terms(contract), now_ms())).frame
    assert len(frame) == len(events)
    store = open_store(place)
    store.declare(contract)
    batch = Batch(Position("", 0, 0))
    batch.add(frame)
    store.load(batch.events(), {})
    store.close()


def content(place: Path) -> list[Any]:
    store = open_store(place, create=False)
    rows = [
        row
        for part in store.events("stratus")
        for row in zip(
            part.ids(), part.timestamp, part.installations(), part.version, part.command,
            part.rows_of_fields(), strict=True,
        )
    ]  # fmt: skip
    store.close()
    return rows


@pytest.mark.parametrize("ending", ["parquet", "csv", "ndjson"])
def test_what_is_exported_can_be_imported(
    run: Run, place: Path, contract: str, tmp_path: Path, ending: str
) -> None:
    fill(place, sent())
    file = tmp_path / f"events.{ending}"
    assert "wrote 3 events" in run("export", file).stderr
    assert file.stat().st_mode & 0o077 == 0
    other = tmp_path / "other.duckdb"
    result = run("import", file, "--contract", contract, store=other)
    assert result.stderr == "stored 3 events, 0 were there already\n"
    assert content(other) == content(place)
    again = run("import", file, store=other)
    assert again.stderr == "stored 0 events, 3 were there already\n"


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_an_export_shows_a_bar_on_a_terminal(place: Path, tmp_path: Path, ending: str) -> None:
    fill(place, sent())
    outer, inner = pty.openpty()
    words = ["store", "export", str(tmp_path / f"e.{ending}"), "--store", str(place)]
    process = subprocess.Popen(
        [sys.executable, "-m", "askfirst", *words],
        env={**environment(tmp_path / "home"), "TERM": "xterm"},
        stderr=inner,
    )
    os.close(inner)
    said = b""
    with open(outer, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
        while piece := terminal.read(4096):
            said += piece
    assert process.wait(120) == 0
    assert "exporting" in (text := said.decode())
    assert "━" in text
    assert "3 events" in text


def test_import_leaves_out_who_is_not_in_the_sample(
    run: Run, place: Path, contract: str, tmp_path: Path
) -> None:
    """That is no mistake: the contract asked more of them when they were collected."""
    fill(place, [*sent(), *sent(installationId="11" * 32)])
    run("export", tmp_path / "e.csv")
    Path(contract).write_text(CONTRACT.replace("[tool]", "[tool]\nsample = 0.5"))
    result = run("import", tmp_path / "e.csv", "--contract", contract, store=tmp_path / "o.duckdb")
    assert "stored 3 events" in result.stderr
    assert "not taken: outside-sample 3" in result.stderr


def test_ndjson_is_what_was_sent(run: Run, place: Path, tmp_path: Path) -> None:
    events = sent()
    fill(place, events)
    run("export", tmp_path / "e.ndjson")
    lines = (tmp_path / "e.ndjson").read_text().splitlines()
    by_id = {row["id"]: row for row in map(json.loads, lines)}
    assert by_id == {row["id"]: row for row in events}


def test_an_export_for_others_can_be_counted_but_leads_nowhere(
    run: Run, place: Path, tmp_path: Path
) -> None:
    events = sent() + sent(installationId=OTHER)
    fill(place, events)
    for name in ("one", "two"):
        run("export", tmp_path / f"{name}.parquet", "--for-others")
    tables = [pq.read_table(tmp_path / f"{name}.parquet").to_pylist() for name in ("one", "two")]
    for rows in tables:
        assert len({row["installationId"] for row in rows}) == 2
        text = json.dumps(rows)
        for secret in ("9d" * 32, OTHER, "92" * 32, "95" * 32, *(row["id"] for row in events)):
            assert secret not in text
    assert not {r["installationId"] for r in tables[0]} & {r["installationId"] for r in tables[1]}


def test_two_exports_for_others_cannot_be_joined_by_moments_or_by_order(
    run: Run, place: Path, tmp_path: Path
) -> None:
    """Else who knows one installation in one of them knows it in both, and in the store."""
    noon = now_ms() // DAY_MS * DAY_MS - 12 * 3_600_000
    moments = [noon + hour * 3_600_000 for hour in range(-30, 12)]
    events = [
        make_event(timestamp=moment, cli={"version": f"1.0.{number}", "command": "start"})
        for number, moment in enumerate(moments)
    ]
    fill(place, events)
    orders = []
    for name in ("one.ndjson", "two.ndjson"):
        run("export", tmp_path / name, "--for-others")
        rows = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        days = [row["timestamp"] for row in rows]
        assert days == [moment // DAY_MS * DAY_MS for moment in moments]
        orders.append([row["cli"]["version"] for row in rows])
    as_it_was = [event["cli"]["version"] for event in events]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(as_it_was)
    assert orders[0] != orders[1]
    assert as_it_was not in orders


def test_import_holds_events_to_the_contract(
    run: Run, contract: str, tmp_path: Path, place: Path
) -> None:
    old = make_event(timestamp=now_ms() - 400 * DAY_MS)
    file = tmp_path / "e.ndjson"
    file.write_text("\n".join(json.dumps(row) for row in [make_event(), old]))
    result = run("import", file, "--contract", contract)
    assert result.stderr.splitlines() == [
        "stored 1 events, 0 were there already",
        "not taken: too-old 1",
    ]
    file.write_text(json.dumps(make_event(user="golo")))
    assert "undeclared-field 1" in run("import", file, code=1).stderr
    assert len(content(place)) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("e.ndjson", "nonsense"),
        ("e.csv", "a,b\n1,2\n"),
        ("e.parquet", "nonsense"),
        ("e.ndjson", None),
        ("e.parquet", None),
        ("e.xml", "<e/>"),
    ],
)
def test_a_file_that_holds_no_events_is_refused(
    run: Run, contract: str, tmp_path: Path, name: str, text: str | None
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    assert name in run("import", tmp_path / name, "--contract", contract, code=1).stderr


def table(**columns: Any) -> pa.Table:
    event = make_event()
    row = {
        "id": event["id"], "installationId": event["installationId"],
        "timestamp": event["timestamp"], "version": "3.1.2", "command": "start", "fields": "{}",
    }  # fmt: skip
    return pa.Table.from_pylist([{**row, **columns}])


def test_no_fields_at_all_are_an_event_without_fields(
    run: Run, contract: str, place: Path, tmp_path: Path
) -> None:
    """Other programs write null where there is nothing."""
    pq.write_table(table(fields=None), tmp_path / "e.parquet")
    said = run("import", tmp_path / "e.parquet", "--contract", contract).stderr
    assert "stored 1 events" in said
    assert [row[-1] for row in content(place)] == [{}]


@pytest.mark.parametrize("name", ["id", "installationId", "timestamp", "version", "command"])
def test_an_event_that_lacks_something_is_not_taken(
    run: Run, contract: str, tmp_path: Path, name: str
) -> None:
    pq.write_table(table(**{name: None}), tmp_path / "e.parquet")
    said = run("import", tmp_path / "e.parquet", "--contract", contract, code=1).stderr
    assert "malformed-field 1" in said


@pytest.mark.parametrize("columns", [{"fields": 1}, {"fields": {"a": 1}}, {"fields": "[]"}])
def test_columns_of_another_type_are_refused(
    run: Run, contract: str, tmp_path: Path, columns: dict[str, Any]
) -> None:
    pq.write_table(table(**columns), tmp_path / "e.parquet")
    said = run("import", tmp_path / "e.parquet", "--contract", contract, code=1).stderr
    assert "is no file of events" in said


def test_an_export_that_cannot_be_written_is_refused_and_leaves_nothing(
    run: Run, place: Path, tmp_path: Path
) -> None:
    fill(place, sent())
    run("export", tmp_path / "no" / "e.csv", code=1)
    run("export", tmp_path / "e.xml", code=1)
    assert not list(tmp_path.glob("e.*"))


def test_a_backup_is_a_store_with_everything_in_it(run: Run, place: Path, tmp_path: Path) -> None:
    fill(place, sent())
    copy = tmp_path / "copy.duckdb"
    run("backup", copy)
    assert content(copy) == content(place)
    assert copy.stat().st_mode & 0o077 == 0
    with duckdb.connect(str(copy)) as one, duckdb.connect(str(place)) as other:
        for table in ("quality", "contracts", "migrations", "positions"):
            rows = [c.execute(f"FROM {table}").fetchall() for c in (one, other)]
            assert rows[0] == rows[1]
    assert "good" in run("check", store=copy).output
    assert "exists" in run("backup", copy, code=1).stderr
    assert not list(tmp_path.glob("*.part"))


def test_check_counts_what_is_there(run: Run, place: Path) -> None:
    fill(place, sent())
    assert run("check").stdout == "stratus: 3 events\ngood\n"


def test_check_finds_what_must_not_be(run: Run, place: Path) -> None:
    fill(place, sent())
    with duckdb.connect(str(place)) as connection:
        connection.execute("INSERT INTO recent FROM recent LIMIT 1")
        connection.execute("DELETE FROM versions")
    lines = run("check", code=1).stderr.splitlines()
    assert any("1 events stored twice" in line for line in lines)
    assert any("4 events of an unknown version" in line for line in lines)
    assert all(line.startswith("askfirst: ") for line in lines)


def test_check_finds_a_damaged_block(run: Run, place: Path) -> None:
    fill(place, [make_event() for _ in range(5000)])
    data = bytearray(place.read_bytes())
    for start in range(12 * 1024 + 2000, len(data), 4096):
        data[start] ^= 0xFF
    place.write_bytes(data)
    assert str(place) in run("check", code=1).stderr


def test_retain_forgets_what_is_past_the_contracts_retention(run: Run, place: Path) -> None:
    fill(place, sent() + sent(timestamp=now_ms() - 100 * DAY_MS))
    assert run("retain").stderr == "stratus: forgot 0 events\n"
    assert run("retain", "--days", "99").stderr == "stratus: forgot 3 events\n"
    assert len(content(place)) == 3


def test_erase_takes_the_hash_or_the_uuid_itself(run: Run, place: Path) -> None:
    uuid = "0cc1ac2b-3a1b-4d31-a1cb-ae5d5ed9e2a1"
    fill(place, sent() + sent(installationId=hash_text(uuid, uuid)) + sent(installationId=OTHER))
    assert run("erase", uuid).stderr == "erased 3 events\n"
    assert run("erase", OTHER, "--tool", "stratus").stderr == "erased 3 events\n"
    assert len(content(place)) == 3
    run("erase", "nobody", code=2)


def left_in_log(folder: Path, events: list[dict[str, Any]]) -> None:
    """Write a log as a collector leaves it that is killed before it has loaded anything."""
    prepare(folder)
    frame = encode(sift(events, Rules(Terms(parse(CONTRACT)), now_ms())).frame)
    (folder / segment.file_name(5)).write_bytes(segment.header(5) + segment.frame(frame))


def test_what_a_killed_collector_left_in_its_log_is_loaded_first(run: Run, place: Path) -> None:
    fill(place, [])
    folder = place.with_name(place.name + "-log") / "1"
    left_in_log(folder, [make_event(), *sent(installationId=OTHER)])
    assert run("check").stdout == "stratus: 4 events\ngood\n"
    assert not list(folder.glob("*.log"))


def test_a_store_that_is_not_there_is_not_made(run: Run, place: Path) -> None:
    for words in (["check"], ["backup", "x"], ["retain"], ["erase", OTHER], ["export", "x.csv"]):
        assert str(place) in run(*words, code=1).stderr
    assert not place.exists()


def test_a_tool_has_to_be_named_when_there_are_two_and_has_to_exist(
    run: Run, place: Path, tmp_path: Path
) -> None:
    fill(place, sent())
    store = open_store(place)
    store.declare(parse(CONTRACT.replace('name = "stratus"', 'name = "nimbus"')))
    store.close()
    assert "nimbus, stratus" in run("export", tmp_path / "e.csv", code=1).stderr
    assert "cirrus" in run("export", tmp_path / "e.csv", "--tool", "cirrus", code=1).stderr
    run("export", tmp_path / "e.csv", "--tool", "stratus")


def test_a_store_that_a_collector_runs_on_says_whom_to_stop(
    run: Run, place: Path, contract: str, tmp_path: Path
) -> None:
    with servers(tmp_path / "home", "serve", "--contract", contract) as begin:
        server = begin("serve", "--contract", contract, "--store", str(place))
        line = run("export", tmp_path / "e.csv", code=1).stderr
        assert server.url in line
        assert f"kill {server.process.pid}" in line


@pytest.fixture
def held(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store that another process holds, which does what it is asked to over HTTP."""
    fill(place, sent() + sent(installationId=OTHER))
    contract = tmp_path / "telemetry.toml"
    contract.write_text(CONTRACT)
    words = ("serve", "--contract", str(contract), "--store", str(place))
    with servers(tmp_path / "home", *words) as start:
        monkeypatch.setenv("ASKFIRST_TOKEN", start().token)
        yield


@pytest.mark.usefixtures("held")
def test_a_collector_that_holds_the_store_is_asked(run: Run, place: Path) -> None:
    assert run("check").stdout == "stratus: 6 events\ngood\n"
    [first, second] = [Path(run("backup", "--keep", 2).stdout.strip()) for _ in range(2)]
    assert run("erase", OTHER).stderr == "erased 3 events\n"
    assert len(content(first)) == len(content(second)) == 3
    third = Path(run("backup", "--keep", "2").stdout.strip())
    assert [path.name for path in upkeep.list_backups(place)] == [second.name, third.name]
    assert run("retain", "--days", "1").stderr == "stratus: forgot 0 events\n"
    assert "no contract" in run("retain", "--tool", "nimbus", code=1).stderr


def test_a_backup_beside_the_store_needs_no_name(run: Run, place: Path) -> None:
    fill(place, sent())
    made = Path(run("backup").stdout.strip())
    assert made.parent == place.with_name("s.duckdb-backups")
    assert made.stat().st_mode & 0o077 == made.parent.stat().st_mode & 0o077 == 0
    assert content(made) == content(place)
