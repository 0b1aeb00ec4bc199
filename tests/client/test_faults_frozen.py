"""Tools without a folder of source files: in a zip archive, and frozen into an executable."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from askfirst.client import spawn
from tests.client.program import PROGRAMS
from tests.client.receiving import black_hole
from tests.client.terminal import PATIENCE_S
from tests.client.tool import SOURCE, Tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.client.receiving import Receiver


class Frozen(Tool):
    """A tool that is run by one command line, from anywhere."""

    def __init__(self, folder: Path, argv: list[str]) -> None:
        super().__init__(folder)
        self._argv = argv
        self.log = folder / "starts"
        self.env["TIN_STARTS"] = str(self.log)
        del self.env["TIN_SOURCE"]
        self.env["PYTHONPATH"] = ""
        self.agree()

    def argv(self, *words: str) -> list[str]:
        return [*self._argv, *words]

    def starts(self) -> int:
        """How many processes of it began."""
        return len(self.log.read_text().splitlines())


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zipapp of the tool, its contract, and the client's half of askfirst."""
    path = tmp_path_factory.mktemp("zipapp") / "tin.pyz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(PROGRAMS / "frozen_tool.py", "__main__.py")
        file.write(PROGRAMS / "telemetry.toml", "telemetry.toml")
        source = Path(SOURCE)
        for part in ("__init__.py", "usual.py", "client/*.py", "contract/*.py", "_vendor/**/*.py"):
            for found in source.glob(f"askfirst/{part}"):
                file.write(found, str(found.relative_to(source)))
    return path


def checks(tool: Frozen, receiver: Receiver, *, own_senders: bool) -> None:
    """It records, delivers by itself, and starts one sender for each run that may."""
    tool.start()
    assert tool.starts() == 1
    assert len(tool.queued()) == 1
    tool.due()
    for _ in range(2):
        tool.start(EVERY="0", **receiver.env)
        tool.settle()
    assert len(receiver.ids) == receiver.ids.total() == 3
    assert tool.starts() == 3 + 2 * own_senders
    assert "  state    on" in tool.run("telemetry").stdout
    assert len(tool.run("telemetry", "log").stdout.splitlines()) == 3
    with black_hole() as env:
        done = subprocess.run(
            ["sh", "-c", '("$@" 3>&1) | cat', "sh", *tool.argv()],
            env={**tool.env, **env, "EVERY": "0"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")
        assert tool.processes(), "it is still trying, and holds nothing of the shell's"
    tool.settle()
    assert tool.run("telemetry", "off").returncode == 0
    assert tool.kept() == [".tin"]


@pytest.fixture
def zipped(tmp_path: Path, archive: Path) -> Iterator[Frozen]:
    tool = Frozen(tmp_path, [sys.executable, str(archive)])
    yield tool
    tool.close()


def test_a_zipapp(zipped: Frozen, receiver: Receiver) -> None:
    checks(zipped, receiver, own_senders=False)


@pytest.mark.parametrize("flags", [[], ["-I", "-S"], ["-W", "error"]], ids=str)
def test_a_zipapp_by_a_relative_path(
    zipped: Frozen, receiver: Receiver, archive: Path, flags: list[str]
) -> None:
    zipped._argv = [sys.executable, *flags, archive.name]
    zipped.due()
    zipped.start(cwd=archive.parent, **receiver.env)
    receiver.wait()
    zipped.settle()
    assert len(receiver.ids) == 1


def test_a_contract_that_importlib_resources_names(
    zipped: Frozen, receiver: Receiver, archive: Path, tmp_path: Path
) -> None:
    """In an archive it is no path."""
    started, _, rest = (PROGRAMS / "frozen_tool.py").read_text().partition('"telemetry.toml"')
    named = 'importlib.resources.files(tin) / "telemetry.toml"'
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(tmp_path / "tin.pyz", "w") as new:
        for name in old.namelist():
            if name.startswith("askfirst"):
                new.writestr(name, old.read(name))
        new.writestr("__main__.py", f"import importlib.resources, tin\n{started}{named}{rest}")
        new.writestr("tin/__init__.py", "")
        new.writestr("tin/telemetry.toml", old.read("telemetry.toml"))
    zipped._argv = [sys.executable, str(tmp_path / "tin.pyz")]
    zipped.due()
    zipped.start(**receiver.env)
    receiver.wait()
    zipped.settle()
    assert len(receiver.ids) == 1
    assert "  state    on" in zipped.run("telemetry").stdout


@pytest.mark.slow
@pytest.mark.needs("objdump")
@pytest.mark.parametrize("form", ["--onedir", "--onefile"])
def test_a_frozen_tool(tmp_path: Path, receiver: Receiver, form: str) -> None:
    """PyInstaller's: it delivers through its own executable, and once only."""
    built = tmp_path / "built"
    subprocess.run(
        [
            *(sys.executable, "-m", "PyInstaller", form, "--name", "tin", "--log-level", "ERROR"),
            *("--paths", SOURCE, "--add-data", f"{PROGRAMS / 'telemetry.toml'}:."),
            *("--distpath", built, "--workpath", tmp_path / "work", "--specpath", tmp_path),
            PROGRAMS / "frozen_tool.py",
        ],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PYINSTALLER_CONFIG_DIR": str(tmp_path / "cache"),
        },
        check=True,
    )
    executable = built / "tin" / "tin" if form == "--onedir" else built / "tin"
    (tmp_path / "frozen").mkdir()
    tool = Frozen(tmp_path / "frozen", [str(executable)])
    try:
        checks(tool, receiver, own_senders=True)
    finally:
        tool.close()


def test_what_was_started_as_a_sender_starts_no_other(tool: Tool) -> None:
    """A frozen tool that makes its `Telemetry` late runs as itself then; it must not go on so."""
    tool.due()
    tool.start(EVERY="0", **{spawn.SENDER: "{}"})
    assert tool.processes() == []
    assert len(tool.queued()) == 1
