"""axe-core, Deque's accessibility checks, as npm has it: fetched once for this user."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

VERSION = "4.14.1"
NPM_PATIENCE_S = 600
GRAVE = ("serious", "critical")


@lru_cache(maxsize=1)
def source() -> str:
    """Return the script. Packed under a temporary name, renamed when it is whole."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "askfirst-tests"
    script = cache / f"axe-core-{VERSION}.js"
    if not script.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="packing-") as folder:
            part = _pack(Path(folder))
            part.replace(script)
    return script.read_text(encoding="utf-8")


def _pack(folder: Path) -> Path:
    try:
        subprocess.run(
            ["npm", "pack", "--silent", f"axe-core@{VERSION}"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=NPM_PATIENCE_S,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        pytest.skip(f"npm cannot fetch axe-core@{VERSION} here: {error.stderr[-500:]}")
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not fetch axe-core@{VERSION} within {NPM_PATIENCE_S} s")
    [archive] = folder.glob("*.tgz")
    part = folder / "axe.js"
    with tarfile.open(archive) as packed:
        member = packed.extractfile("package/axe.min.js")
        assert member is not None
        part.write_bytes(member.read())
    return part


def findings(page: Any) -> list[str]:
    """Return what is seriously or critically wrong with a page, one line for each element."""
    page.evaluate(source())
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert result["passes"], "axe looked at nothing"
    return [
        f"{found['id']} ({found['impact']}): {node['html'][:120]} {json.dumps(node['target'])}"
        for found in result["violations"]
        if found["impact"] in GRAVE
        for node in found["nodes"]
    ]
