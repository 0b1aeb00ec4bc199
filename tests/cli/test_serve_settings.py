"""The settings of `askfirst serve`: from the command line, the environment, a file, or none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from askfirst.cli.main import root
from askfirst.cli.serve import command
from tests.collector.serving import CONTRACT, environment, make_event, servers

DOCS = (Path(__file__).parents[2] / "docs" / "collector.md").read_text()
OPTIONS = {
    parameter.opts[0].removeprefix("--"): parameter
    for parameter in command.params
    if isinstance(parameter, click.Option)
}
# option -> (its parameter, the default, and from the file, the environment and the command line
# what is written and what it means)
CASES: dict[str, tuple[str, Any, list[tuple[Any, Any]]]] = {
    "contract": ("contracts", None, [(["f"], ("f",)), ("e", ("e",)), ("c", ("c",))]),
    "store": ("store", None, [("f", "f"), ("e", "e"), ("c", "c")]),
    "ack": ("ack", "log", [("store", "store"), ("log", "log"), ("store", "store")]),
    "host": ("host", "127.0.0.1", [("::1", "::1"), ("e", "e"), ("c", "c")]),
    "port": ("port", 8600, [(1, 1), ("2", 2), ("3", 3)]),
    "tls-cert": ("tls_cert", None, [("f", "f"), ("e", "e"), ("c", "c")]),
    "tls-key": ("tls_key", None, [("f", "f"), ("e", "e"), ("c", "c")]),
    "workers": ("workers", 1, [(2, 2), ("3", 3), ("4", 4)]),
    "log-quota": (
        "log_quota",
        4 << 30,
        [("8GiB", 8 << 30), ("512 MiB", 512 << 20), ("1073741824", 1 << 30)],
    ),
    "trusted-proxy": (
        "trusted_proxy",
        (),
        [(["10.0.0.5"], ("10.0.0.5/32",)), ("::1", ("::1/128",)), ("10.1.2.3/8", ("10.0.0.0/8",))],
    ),
    "requests-per-minute": ("requests_per_minute", 600, [(1, 1), ("2", 2), ("0", 0)]),
    "burst": ("burst", 1200, [(1, 1), ("2", 2), ("3", 3)]),
    "events-per-day": ("events_per_day", 0, [(1, 1), ("2", 2), ("3", 3)]),
    "public-threshold": ("public_threshold", 10, [(5, 5), ("6", 6), ("7", 7)]),
    "header-seconds": ("header_seconds", 10.0, [(0.5, 0.5), ("1", 1.0), ("2.5", 2.5)]),
    "body-seconds": ("body_seconds", 30.0, [(0.5, 0.5), ("1", 1.0), ("2.5", 2.5)]),
    "idle-seconds": ("idle_seconds", 15.0, [(5, 5.0), ("1", 1.0), ("2.5", 2.5)]),
}


def toml(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def settings(*words: str) -> dict[str, Any]:
    """Return what the command would run with."""
    return command.make_context("serve", list(words)).params


def variable(option: str) -> str:
    return f"ASKFIRST_SERVE_{option.replace('-', '_')}".upper()


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes a settings file."""

    def write(*lines: str) -> str:
        path = tmp_path / "serve.toml"
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)

    return write


def test_there_is_a_case_for_every_option() -> None:
    assert set(CASES) == set(OPTIONS) - {"config", "no-token", "public"}


@pytest.mark.parametrize("option", CASES)
def test_the_command_line_beats_the_environment_beats_the_file_beats_the_default(
    option: str, file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, default, [in_file, in_environment, in_words] = CASES[option]
    needed = [] if option == "contract" else ["--contract", "x"]
    if option != "contract":
        assert settings(*needed)[name] == default
    config = ["--config", file(f"{option} = {toml(in_file[0])}")]
    assert settings(*needed, *config)[name] == in_file[1]
    monkeypatch.setenv(variable(option), in_environment[0])
    assert settings(*needed, *config)[name] == in_environment[1]
    assert settings(*needed)[name] == in_environment[1]
    words = [f"--{option}", in_words[0]]
    assert settings(*needed, *config, *words)[name] == in_words[1]
    monkeypatch.delenv(variable(option))
    assert settings(*needed, *config, *words)[name] == in_words[1]


def test_the_file_itself_can_be_named_in_the_environment(
    file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASKFIRST_SERVE_CONFIG", file('contract = ["x"]', "port = 7"))
    assert settings()["port"] == 7


def test_several_contracts_and_proxies_may_come_from_anywhere(
    file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    several = ("10.0.0.0/8", "192.168.0.0/16")
    config = file('contract = ["a", "b"]', 'trusted-proxy = ["10.0.0.0/8", "192.168.0.0/16"]')
    found = settings("--config", config)
    assert (found["contracts"], found["trusted_proxy"]) == (("a", "b"), several)
    alone = settings("--config", file('contract = "a b"', 'trusted-proxy = "10.0.0.0/8"'))
    assert (alone["contracts"], alone["trusted_proxy"]) == (("a b",), several[:1])
    monkeypatch.setenv("ASKFIRST_SERVE_CONTRACT", "c d")
    monkeypatch.setenv("ASKFIRST_SERVE_TRUSTED_PROXY", " ".join(several))
    found = settings()
    assert (found["contracts"], found["trusted_proxy"]) == (("c", "d"), several)


def run(*words: str) -> Result:
    return CliRunner().invoke(root, ["serve", *words])


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("no-such-option = 1", 1, "there is no option no-such-option"),
        ("config = 'x'", 1, "there is no option config"),
        ("[port]", 1, "port is a text or a number"),
        ("port = true", 1, "port is a text or a number"),
        ("port = [1, 2]", 1, "port is a text or a number"),
        ("port = 2026-11-25", 1, "port is a text or a number"),
        ("trusted-proxy = [['10.0.0.0/8']]", 1, "trusted-proxy is a text, or a list of texts"),
        ("contract = {a = 1}", 1, "contract is a text, or a list of texts"),
        ("port = 1.5", 2, "'--port'"),
        ("port = 'many'", 2, "'--port'"),
        ("port = 65536", 2, "'--port'"),
        ("workers = 0", 2, "'--workers'"),
        ("log-quota = 'much'", 2, "'much' is no size; write it as in 512MiB or 4GiB"),
        ("log-quota = -1", 2, "'-1' is no size"),
        ("log-quota = '1MiB'", 2, "--log-quota: 1048576 bytes are too few"),
        ("trusted-proxy = '10.0.0.0/33'", 2, "'10.0.0.0/33' is no address or network"),
        ("trusted-proxy = 'proxy'", 2, "'proxy' is no address or network"),
        ("port = ", 1, "is no TOML file"),
        ("port = 1\nport = 2", 1, "is no TOML file"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_in_one_line(
    file: Callable[..., str], line: str, code: int, says: str
) -> None:
    done = run("--contract", "x", "--config", file(line))
    assert done.exit_code == code
    *before, last = [row for row in done.stderr.splitlines() if row]
    assert says in last
    assert not [row for row in before if not row.startswith(("Usage:", "Try"))]
    assert code == 2 or not before
    assert done.stdout == ""
    assert isinstance(done.exception, SystemExit)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("port", "many"),
        ("workers", "-1"),
        ("log-quota", "4 apples"),
        ("log-quota", "47MiB"),
        ("trusted-proxy", "10.0.0.0/8,10.0.0.5"),
        ("burst", "0"),
        ("events-per-day", "-1"),
        ("idle-seconds", "soon"),
    ],
)
def test_what_is_wrong_in_the_environment_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, option: str, value: str
) -> None:
    if option != "workers":
        monkeypatch.setenv("ASKFIRST_SERVE_WORKERS", "2")
    monkeypatch.setenv(variable(option), value)
    done = run("--contract", "x")
    assert done.exit_code == 2
    assert f"--{option}" in done.stderr or value.partition(",")[0] in done.stderr.splitlines()[-1]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path / "latin.toml"):
        if path.name.startswith("latin"):
            path.write_bytes(b"host = '\xff'")
        done = run("--contract", "x", "--config", str(path))
        assert done.exit_code == 1
        [line] = done.stderr.splitlines()
        assert line.startswith(f"askfirst: {path} ")
    done = run("--contract", "x", "--config", str(tmp_path))
    assert done.exit_code == 2
    assert str(tmp_path) in done.stderr.splitlines()[-1]


def test_a_real_collector_runs_with_settings_from_everywhere(
    tmp_path: Path, file: Callable[..., str]
) -> None:
    for name in ("stratus", "nimbus"):
        (tmp_path / name).write_text(CONTRACT.replace('name = "stratus"', f'name = "{name}"'))
    config = file(
        f"contract = [{toml(str(tmp_path / 'stratus'))}, {toml(str(tmp_path / 'nimbus'))}]",
        f"store = {toml(str(tmp_path / 'elsewhere' / 's.duckdb'))}",
        "requests-per-minute = 1",
        "burst = 2",
        "trusted-proxy = '127.0.0.0/8'",
    )
    with servers(tmp_path / "home") as begin:
        server = begin("serve", "--config", config)
        statuses = [
            server.call(
                "POST",
                "/v1/events",
                {"tool": tool, "events": [make_event()]},
                {"X-Forwarded-For": "192.0.2.1"},
            ).status
            for tool in ("stratus", "nimbus", "stratus")
        ]
        assert statuses == [200, 200, 429]
        assert (tmp_path / "elsewhere" / "s.duckdb").exists()
        assert "ASKFIRST_SERVE_STORE" not in environment(tmp_path)  # or the file proved nothing
        assert server.stop() == 0


# Documentation


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_has_a_row_in_the_documentation(option: str) -> None:
    table = DOCS.split("## askfirst serve")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `--")]
    [row] = [row for row in rows if re.search(rf"`?--{option}\b(?!-)", row.split(" | ")[0])]
    parameter = OPTIONS[option]
    if isinstance(parameter.default, (int, float, str)):
        assert f"`{parameter.default}`" in row, row


def test_no_option_is_documented_that_does_not_exist() -> None:
    table = DOCS.split("## askfirst serve")[1].split("\n## ")[0]
    named = set(re.findall(r"--([a-z][a-z-]+)", table))
    assert named - {"help"} <= set(OPTIONS)
