"""The container files: no builder runs here, so they are read, and what they say is tried."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from askfirst.cli.serve import command
from tests.collector.serving import CONTRACT, servers

ROOT = Path(__file__).parents[2]
OPS = ROOT / "ops"
CONTAINERFILE = (OPS / "Containerfile").read_text().replace("\\\n", " ")
FILES = {path.name: yaml.safe_load(path.read_text()) for path in sorted(OPS.glob("compose*.yaml"))}
SERVICES = [
    pytest.param(service, id=f"{file}: {name}")
    for file, parsed in FILES.items()
    for name, service in parsed["services"].items()
]
COLLECTOR = FILES["compose.yaml"]["services"]["collector"]
YOURS = {"./contract"}


def instructions(name: str) -> list[str]:
    return re.findall(rf"^\s*{name} +(.*?)\s*$", CONTAINERFILE, re.MULTILINE)


def healthcheck() -> list[str]:
    [_, *words] = COLLECTOR["healthcheck"]["test"]
    return words


@pytest.mark.parametrize("name", FILES)
def test_a_compose_file_is_what_its_specification_says(name: str) -> None:
    words = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(OPS / name)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_collector_is_nobody_and_writes_to_its_volume_alone() -> None:
    [user] = instructions("USER")
    assert COLLECTOR["user"] == user == "10001:10001"
    assert "--uid 10001 " in CONTAINERFILE
    assert COLLECTOR["read_only"] is True
    assert COLLECTOR["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in COLLECTOR["ports"])
    writable = [row for row in COLLECTOR["volumes"] if not row.endswith(":ro")]
    assert writable == [f"collector:{place}" for place in instructions("VOLUME")]


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_gains_privileges_or_names_an_image_without_its_version(
    service: dict[str, Any],
) -> None:
    if "image" not in service:  # adds to a service of another file
        return
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "build" in service or re.search(r":\d+\.\d+$", service["image"])
    assert service["healthcheck"]
    assert "privileged" not in service


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_and_file_that_is_named_is_there(service: dict[str, Any]) -> None:
    options = {f"ASKFIRST_SERVE_{name.upper()}" for name in (row.name for row in command.params)}
    given = {name for name in service.get("environment", {}) if name.startswith("ASKFIRST")}
    assert given <= options
    for row in service.get("volumes", []):
        source = row.split(":")[0]
        if source.startswith(".") and source not in YOURS:
            assert (OPS / source).is_file(), source
    if "build" in service:
        assert (OPS / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_the_image_is_built_from_both_distributions_and_from_versioned_pythons() -> None:
    images = [row.removesuffix(" AS build") for row in instructions("FROM")]
    assert len(set(images)) == 1
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-bookworm", images[0])
    built = re.findall(r"/source\S*", "\n".join(instructions("RUN")))
    folders = [ROOT / path.removeprefix("/source").lstrip("/") for path in built]
    assert [(folder / "pyproject.toml").is_file() for folder in folders] == [True, True]
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not {"src", "packaging", "examples", "README.md", "LICENSE"} & set(ignored)
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["askfirst"]


def tried(words: list[str]) -> int:
    """Run a healthcheck as in a container, which knows of no proxy."""
    return subprocess.run(words, env={}, capture_output=True, check=False).returncode


@pytest.mark.slow
def test_the_healthcheck_tells_a_collector_from_none(tmp_path: Path) -> None:
    [check] = re.findall(r"HEALTHCHECK .* CMD +(\[.*\])", CONTAINERFILE)
    assert json.loads(check) == healthcheck()
    (tmp_path / "telemetry.toml").write_text(CONTRACT)
    with servers(tmp_path / "home", "serve", "--contract", str(tmp_path / "telemetry.toml")) as go:
        server = go()
        port = server.url.rpartition(":")[2]
        words = [word.replace(":8600/", f":{port}/") for word in healthcheck()]
        words[0] = sys.executable
        assert words[-1] != healthcheck()[-1]
        assert tried(words) == 0
        server.stop()
        assert tried(words) == 1


def test_clickhouse_keeps_no_table_of_what_was_asked() -> None:
    config = ET.fromstring((OPS / "clickhouse.xml").read_text())
    gone = {child.tag for child in config if child.get("remove") == "1"}
    assert {"query_log", "query_thread_log", "text_log", "session_log", "trace_log"} <= gone
