"""A folder of wheels from which pip installs what the documentation says, without an index.

askfirst's own two are built as for a release. The others are put together from what is installed
here, so that nothing is downloaded: the files that each distribution's RECORD names.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS = {"askfirst": ROOT, "askfirst-collector": ROOT / "packaging" / "collector"}


def build(folder: Path, *wanted: str) -> None:
    """Fill a folder with the wheels that requirements such as `askfirst[collector]` lead to."""
    for source in OURS.values():
        words = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(source)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    for name in closure(*wanted) - OURS.keys():
        again(distribution(name), folder)


def closure(*wanted: str) -> set[str]:
    """Return the distributions that requirements lead to, themselves included."""
    found: set[tuple[str, str]] = set()
    todo = [Requirement(text) for text in wanted]
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) not in found:
                found.add((name, extra))
                rows = [Requirement(text) for text in distribution(name).requires or []]
                todo += [r for r in rows if not r.marker or r.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def again(installed: Distribution, folder: Path) -> None:
    """Put an installed distribution back into a wheel. What lies beside the packages is left out."""
    text = installed.read_text("WHEEL") or ""
    tag = next(line[5:] for line in text.splitlines() if line.startswith("Tag: "))
    name = canonicalize_name(installed.name).replace("-", "_")
    with zipfile.ZipFile(folder / f"{name}-{installed.version}-{tag}.whl", "w") as wheel:
        for file in installed.files or []:
            path = Path(str(file.locate()))
            if ".." not in file.parts and file.suffix != ".pyc" and path.is_file():
                # pip goes by the name in the folder's name, whatever case that has
                wheel.write(path, str(file))
