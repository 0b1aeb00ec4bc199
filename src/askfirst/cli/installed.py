"""A program as it is installed: which interpreter runs it, what came with it, what it says.

It may live in another environment than this command, so its own interpreter is asked.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 30  # seconds, for a program that only has to say how things stand
_PROBE = """
import importlib.metadata, importlib.util, json, sys
found = {}
for point in importlib.metadata.entry_points(group="console_scripts", name=sys.argv[1]):
    top = point.value.partition(":")[0].partition(".")[0]
    spec = importlib.util.find_spec(top)
    files = [str(point.dist.locate_file(file)) for file in point.dist.files or []]
    found = {
        "distribution": point.dist.metadata["Name"],
        "version": point.dist.version,
        "origin": point.dist.read_text("direct_url.json") or "{}",
        "contracts": [file for file in files if file.endswith("telemetry.toml")],
        "folders": list(spec.submodule_search_locations or []) if spec else [],
    }
print(json.dumps(found))
"""
_THROUGH_SH = re.compile(r'\'\'\'exec\' "?(.+?)"? "\$0" "\$@"')


@dataclass(frozen=True, slots=True)
class Installed:
    """A program. `contracts` are the contracts that its distribution brought."""

    command: str
    path: str
    distribution: str = ""
    version: str = ""
    editable: bool = False
    contracts: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()

    def contract(self) -> Path | None:
        """Return the contract that came with it, or that lies in its package's folder."""
        if self.contracts:
            return self.contracts[0]
        near = [path for folder in self.folders for path in folder.rglob("telemetry.toml")]
        return min(near, key=lambda path: len(path.parts), default=None)


@dataclass(frozen=True, slots=True)
class Said:
    """What a program printed, and its exit code; None if it did not end in time or start at all."""

    code: int | None
    output: str = ""
    errors: str = ""

    @property
    def last(self) -> str:
        """The last line of its errors."""
        return next((line for line in reversed(self.errors.splitlines()) if line.strip()), "")


def find(command: str) -> Installed | None:
    """Find a program on PATH, or beside this interpreter; None if there is none."""
    beside = Path(sys.executable).parent
    path = shutil.which(command) or shutil.which(command, path=str(beside))
    if path is None:
        return None
    python = _interpreter(path)
    if python is None:
        return Installed(command, path)
    done = _run([python, "-c", _PROBE, Path(path).name.removesuffix(".exe")], folder=os.sep)
    try:
        facts: dict[str, Any] = json.loads(done.output)
        origin = json.loads(facts.get("origin", "{}"))
    except ValueError:  # no Python program, perhaps
        return Installed(command, path)
    if not facts:
        return Installed(command, path)
    return Installed(
        command,
        path,
        str(facts["distribution"]),
        str(facts["version"]),
        bool(origin.get("dir_info", {}).get("editable")),
        tuple(file for file in map(Path, facts["contracts"]) if file.is_file()),
        tuple(map(Path, facts["folders"])),
    )


def ask(program: Installed, *words: str) -> Said:
    """Run the program without a terminal and return what it says."""
    return _run([program.path, *words])


def _interpreter(path: str) -> str | None:
    """Return the Python that a script names in its first lines; None if it may be any.

    What cannot be read, or is no script, is asked of the Python that runs this.
    """
    try:
        with Path(path).open("rb") as file:
            lines = [file.readline(1000).decode("utf-8", "replace").strip() for _ in range(2)]
    except OSError:  # it may be run, but not read
        return sys.executable
    if not lines[0].startswith("#!"):
        return sys.executable
    through_sh = _THROUGH_SH.match(lines[1])  # for a name with a space, or a long one
    name = Path(through_sh[1] if through_sh else lines[0][2:].strip())
    return str(name) if "python" in name.name and name.is_file() else None


def _run(words: list[str], folder: str | None = None) -> Said:
    try:
        done = subprocess.run(  # noqa: S603 - a program that its author named
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Said(None, errors=f"it did not end within {PATIENCE} seconds")
    except OSError as error:
        return Said(None, errors=f"it cannot be started: {error.strerror}")
    output, errors = (raw.decode("utf-8", "replace") for raw in (done.stdout, done.stderr))
    return Said(done.returncode, output, errors)
