"""What every test shares: slow tests, tests that need another program, and a closed network."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stores.server import Cluster, Place

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
settings.register_profile(
    "askfirst",
    deadline=None,  # a busy machine is no failure
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=IN_CI,  # where a failure has to come of a change; here, new examples are tried
)
settings.load_profile("askfirst")
LOOPBACK = ("127.", "::1", "localhost")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", default=IN_CI, help="run slow tests too")


def pytest_configure(config: pytest.Config) -> None:
    """In CI, run a test that failed once more: most are of processes that are killed at any moment.

    The summary lists each as RERUN. One that passes then is a race, to be mended; twice is a
    failure.
    """
    if IN_CI and config.pluginmanager.hasplugin("rerunfailures"):
        config.option.reruns = 1
        config.option.rerun_show_tracebacks = True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers("needs"):
            missing = [program for program in marker.args if shutil.which(program) is None]
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(missing)}"))
    if not config.getoption("--slow"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Count a skip as a failure in CI, which installs what the tests need."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be: {call.excinfo}"
    return report


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A ClickHouse server (tests/stores/server.py)."""
    from tests.stores import server

    with server.running(tmp_path_factory.mktemp("clickhouse")) as place:
        yield place


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two ClickHouse servers that are the shards of one cluster."""
    from tests.stores import server

    with server.paired(tmp_path_factory.mktemp("cluster")) as pair:
        yield pair


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this process from reaching any other machine, but a server it is to test on."""
    connect = socket.socket.connect
    elsewhere = urlsplit(os.environ.get("ASKFIRST_CLICKHOUSE", "")).hostname
    allowed = (*LOOPBACK, socket.gethostbyname(elsewhere)) if elsewhere else LOOPBACK

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(allowed):
            raise AssertionError(f"a test tried to reach {address!r}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take out of the environment whatever decides about telemetry: a test says what it wants."""
    from askfirst.client.consent import CI_VARIABLES

    for name in (*CI_VARIABLES, "DO_NOT_TRACK", "ASKFIRST_TELEMETRY", "ASKFIRST_COLLECTOR"):
        monkeypatch.delenv(name, raising=False)
