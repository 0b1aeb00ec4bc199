"""Environments for the comparison, one for each client, and what is installed in them."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PINS = ROOT / "bench" / "requirements-peers.txt"
PROGRAMS = ROOT / "bench" / "programs"
CACHE = ROOT / ".venv" / "bench"  # goes when the environment does


def environment(name: str, *requirements: str) -> Path:
    """Return an environment's Python; make the environment unless it is there for these pins."""
    folder = CACHE / name
    python = folder / "bin" / "python"
    ready = folder / "ready"
    wanted = f"{sys.version}\n{requirements}\n{PINS.read_text()}"
    if not ready.is_file() or ready.read_text() != wanted:
        print(f"making the environment of {name}", file=sys.stderr)
        _call(sys.executable, "-m", "venv", "--clear", "--without-pip", folder)
        if requirements:
            _pip(python, "--constraint", PINS, *requirements)
        ready.write_text(wanted)
    return python


def install_ours(python: Path) -> None:
    """Build the client's wheel from this repository and install it."""
    wheels = CACHE / "wheels"
    for old in wheels.glob("*.whl"):
        old.unlink()
    _call(sys.executable, "-m", "build", "--wheel", "--outdir", wheels, ROOT)
    _pip(python, "--no-index", "--no-deps", "--force-reinstall", *wheels.glob("*.whl"))


def install_programs(python: Path) -> None:
    """Put the programs of the comparison where a user's tools are, compiled, as installers do."""
    [site] = python.parents[1].glob("lib/python*/site-packages")
    for program in PROGRAMS.glob("*.py"):
        shutil.copy(program, site)
    _call(python, "-m", "compileall", "-q", *[site / path.name for path in PROGRAMS.glob("*.py")])


def sizes(python: Path) -> tuple[int, int]:
    """Return the bytes of all that is installed, without and with what Python compiled of it."""
    [site] = python.parents[1].glob("lib/python*/site-packages")
    plain = compiled = 0
    for distribution in importlib.metadata.distributions(path=[str(site)]):
        for file in distribution.files or []:
            size = Path(str(distribution.locate_file(file))).stat().st_size
            if file.suffix == ".pyc":
                compiled += size
            else:
                plain += size
    return plain, plain + compiled


def _pip(python: Path, *words: str | Path) -> None:
    _call(
        sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--compile", *words
    )


def _call(*words: str | Path) -> None:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} failed:\n{done.stdout}{done.stderr}")
