import datetime as dt
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from askfirst.cli import simulate
from askfirst.cli.main import root
from askfirst.contract import loading
from askfirst.simulation import DeliveryError, Population, delivery, truth
from askfirst.stores.opening import open_store

TEXT = """
[tool]
name = "stratus"
title = "Stratus CLI"
organisation = "the native web"
collector = "https://telemetry.example.org"
details = "https://example.org/telemetry"
contact = "privacy@example.org"
retention_days = 60
commands = ["start", "stop"]

[fields."application.name"]
treatment = "hash"
purpose = "How many applications do you build?"
"""


@pytest.fixture
def contract(tmp_path):
    path = tmp_path / "telemetry.toml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def run(contract):
    def run(*arguments, days=30):
        population = ["--installations", "20", "--days", str(days), "--seed", "3"]
        whole = ["simulate", "--contract", str(contract), *population, *map(str, arguments)]
        return CliRunner().invoke(root, whole)

    return run


def test_a_file_is_written_the_same_each_time_and_nothing_goes_to_stdout(run, tmp_path):
    one = run("--end", "2026-11-24", "--out", tmp_path / "one.ndjson")
    run("--end", "2026-11-24", "--out", tmp_path / "other.ndjson")

    assert one.exit_code == 0
    assert one.stdout == ""
    assert "20 installations of stratus, 2026-10-26 to 2026-11-24" in one.stderr
    written = Path(tmp_path / "one.ndjson").read_bytes()
    assert written
    assert written == Path(tmp_path / "other.ndjson").read_bytes()


def test_the_truth_is_that_of_the_same_population(run, contract, tmp_path):
    result = run("--end", "2026-11-24", "--out", tmp_path / "out", "--truth", tmp_path / "truth")
    end = dt.date(2026, 11, 24)
    same = Population(loading.load(contract), installations=20, days=30, seed=3, end=end)

    assert result.exit_code == 0
    assert json.loads((tmp_path / "truth").read_text()) == truth(same)


def test_the_period_ends_yesterday_unless_told_otherwise(run, tmp_path):
    before = dt.datetime.now(dt.timezone.utc).date()
    result = run("--out", tmp_path / "out")
    after = dt.datetime.now(dt.timezone.utc).date()

    yesterdays = {f"to {day - dt.timedelta(days=1)}:" for day in (before, after)}
    assert any(yesterday in result.stderr for yesterday in yesterdays)


def test_a_store_is_filled_and_let_go(run, tmp_path):
    result = run("--store", tmp_path / "store")
    store = open_store(tmp_path / "store", create=False)
    tools = list(store.tools())
    store.close()

    assert result.exit_code == 0
    assert "stored" in result.stderr
    assert tools == ["stratus"]


def test_a_store_that_cannot_be_opened_is_one_line(run):
    result = run("--store", "gopher://somewhere")

    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "places", [[], ["--out", "x", "--store", "y"], ["--out", "x", "--server", "http://127.0.0.1"]]
)
def test_exactly_one_place_is_wanted(run, places):
    result = run(*places)

    assert result.exit_code == 2
    assert "exactly one of --server, --store and --out" in result.stderr


def test_more_days_than_the_contract_keeps_are_refused(run, tmp_path):
    result = run("--out", tmp_path / "out", days=61)

    assert result.exit_code == 1
    assert "retention_days is 60" in result.stderr


def test_a_bad_contract_is_named(run, contract, tmp_path):
    contract.write_text("[tool]\n")
    result = run("--out", tmp_path / "out")

    assert result.exit_code == 1
    assert "telemetry.toml: tool.name" in result.stderr


@pytest.mark.parametrize("option", ["--out", "--truth"])
def test_a_file_that_cannot_be_written_is_one_line(run, tmp_path, option):
    others = ["--out", tmp_path / "out"] if option == "--truth" else []
    result = run(*others, option, tmp_path / "missing" / "file")

    assert result.exit_code == 1
    assert "cannot be written: No such file or directory" in result.stderr


@pytest.mark.parametrize(
    ("end", "days", "said"),
    [
        ("2020-01-31", 30, "the first day would be 2020-01-02, and may be"),
        ("2999-01-31", 30, "2999-01-31 lies ahead"),
    ],
)
def test_what_a_collector_would_refuse_is_refused_before_anything_is_sent(run, end, days, said):
    result = run("--end", end, "--server", "http://127.0.0.1:9", days=days)

    assert result.exit_code == 1
    assert said in result.stderr


def test_what_a_collector_drops_is_a_failure(run, monkeypatch):
    answer = delivery.Delivered(accepted=7)
    answer.dropped["too-old"] = 2
    monkeypatch.setattr(simulate, "deliver", lambda *_: answer)
    result = run("--server", "http://127.0.0.1:9")

    assert result.exit_code == 1
    assert "accepted 7 events" in result.stderr
    assert "dropped 2 events: too-old 2" in result.stderr


def test_a_collector_that_fails_is_one_line(run, monkeypatch):
    def fail(*_):
        raise DeliveryError("nobody there")

    monkeypatch.setattr(simulate, "deliver", fail)
    result = run("--server", "http://127.0.0.1:9")

    assert (result.exit_code, result.stderr) == (1, "askfirst: nobody there\n")
