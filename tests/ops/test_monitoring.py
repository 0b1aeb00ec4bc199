"""Alert rules and the dashboard: Prometheus takes them, and they name metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from askfirst.collector.collector import ALARM_ERASURES, ALARM_SECONDS
from askfirst.collector.metrics import METRICS
from tests.collector.serving import CONTRACT, make_event, servers, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.needs("promtool")]

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "ops" / "prometheus" / "alerts.yml"
FIRING = Path(__file__).parent / "alerts_test.yml"
BOARD = json.loads((ROOT / "ops" / "grafana.json").read_text())
OPERATING = (ROOT / "docs" / "operating.md").read_text()
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
SELECTOR = re.compile(r"\b(askfirst_[a-z_]+|up)(?:\{([^}]*)\})?")
GIVEN_BY_PROMETHEUS = {"job", "instance"}


def promtool(*words: str | Path, given: str | None = None) -> str:
    done = subprocess.run(
        ["promtool", *words], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give what a running collector shows that has had something to count."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "telemetry.toml").write_text(CONTRACT)
    words = ("serve", "--contract", str(folder / "telemetry.toml"))
    with servers(folder / "home", *words) as begin:
        server = begin()
        events = [make_event(), make_event(timestamp=1)]
        server.call("POST", "/v1/events", {"tool": "stratus", "events": events})
        pages: list[str] = []

        def is_whole() -> bool:  # the store says how large it is, or is left out
            pages.append(server.call("GET", "/metrics").body.decode())
            return "\naskfirst_store_bytes " in pages[-1]

        wait_until(is_whole)
        return pages[-1]


@pytest.fixture(scope="module")
def series(page: str) -> dict[str, set[str]]:
    """Give the names on the page, each with its labels."""
    found: dict[str, set[str]] = {"up": set()}
    for name, labels in re.findall(r"^(askfirst_\w+)(?:\{(.*)\})? ", page, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in BOARD["panels"] if panel["type"] != "row")


def board_expressions() -> list[str]:
    """Return what the dashboard asks, with values for the variables that Grafana puts in."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [row.replace("$__rate_interval", "1m").replace("$job", "askfirst") for row in found]


def test_prometheus_finds_no_fault_with_the_page(page: str) -> None:
    assert promtool("check", "metrics", given=page) == ""


def test_prometheus_takes_the_alerts_and_what_is_to_be_scraped(
    tmp_path: Path,
) -> None:
    assert f"SUCCESS: {len(RULES)} rules found" in promtool("check", "rules", ALERTS)
    scrape = ROOT / "ops" / "prometheus" / "scrape.yml"
    promtool("check", "config", "--syntax-only", shutil.copy(scrape, tmp_path))
    [job] = yaml.safe_load(scrape.read_text())["scrape_configs"]
    assert f'job="{job["job_name"]}"' in RULES[0]["expr"]


def test_each_alert_fires_when_it_should_and_no_other_with_it(tmp_path: Path) -> None:
    shutil.copy(ALERTS, tmp_path)
    shutil.copy(FIRING, tmp_path)
    promtool("test", "rules", tmp_path / FIRING.name)
    fired = set(re.findall(r'alertname="(\w+)"', FIRING.read_text()))
    assert fired == {rule["alert"] for rule in RULES}


def test_alerts_and_panels_ask_for_metrics_and_labels_that_there_are(
    series: dict[str, set[str]],
) -> None:
    for text in [*(rule["expr"] for rule in RULES), *board_expressions()]:
        asked = SELECTOR.findall(text)
        assert asked, text
        for name, labels in asked:
            assert name in series, name
            known = series[name] | GIVEN_BY_PROMETHEUS
            assert set(re.findall(r"(\w+)[=!]", labels)) <= known, text
        for grouped in re.findall(r"\b(?:by|without|on) \(([^)]*)\)", text):
            known = set().union(*(series[name] for name, _ in asked)) | GIVEN_BY_PROMETHEUS
            assert set(grouped.split(", ")) <= known, text


def test_the_dashboard_shows_every_metric() -> None:
    shown = {name for text in board_expressions() for name, _ in SELECTOR.findall(text)}
    assert {name.removesuffix("_bucket") for name in shown} == set(METRICS)


def test_prometheus_understands_what_the_dashboard_asks(tmp_path: Path) -> None:
    rows = [
        {"record": f"board:{number}", "expr": expr}
        for number, expr in enumerate(board_expressions())
    ]
    rules = tmp_path / "board.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rows}]}))
    assert f"SUCCESS: {len(rows)} rules found" in promtool("check", "rules", rules)


def test_the_dashboard_has_no_panel_twice_nor_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert all(panel["description"] for panel in panels())


if sys.version_info >= (3, 11):  # Grafana's library asks for it

    def test_grafana_knows_everything_in_the_dashboard() -> None:
        """Its own types read the file, and give back all that is in it; they check no value."""
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.cog.plugins import register_default_plugins
        from grafana_foundation_sdk.models.dashboard import Dashboard

        register_default_plugins()
        read = json.loads(JSONEncoder().encode(Dashboard.from_json(BOARD)))
        assert list(lost(BOARD, read)) == []
        assert list(lost({**BOARD, "panles": []}, read)) == [".panles"]


def lost(given: Any, read: Any, path: str = "") -> Iterator[str]:
    """Return the paths of what is in one value and not in another."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            yield from lost(value, read[key], f"{path}.{key}") if key in read else [f"{path}.{key}"]
    elif isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        for number, value in enumerate(given):
            yield from lost(value, read[number], f"{path}[{number}]")
    elif given != read:
        yield path


def test_the_alert_of_erasures_is_that_of_the_collector() -> None:
    [rule] = [rule for rule in RULES if rule["alert"] == "AskfirstManyErased"]
    assert rule["expr"].endswith(f"[1h]) >= {ALARM_ERASURES}")
    assert ALARM_SECONDS == 3600


def test_it_is_written_down_what_each_alert_means_and_what_to_do() -> None:
    for rule in RULES:
        assert f"| `{rule['alert']}` |" in OPERATING, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "warn")
        assert set(rule["annotations"]) == {"summary", "description"}
