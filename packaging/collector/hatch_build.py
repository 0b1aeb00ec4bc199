"""Adds the code, which lies outside this folder, without the client's part of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # hatchling depends on it there


class CollectorHook(BuildHookInterface):
    """Whatever the client's wheel does not name belongs to the collector, new folders too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name what goes in. `version` is "editable" for a wheel that only points at the code."""
        repository = Path(self.root).parents[1]
        if version == "editable" or (Path(self.root) / "src").is_dir():
            return
        project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))
        wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
        client = {Path(name).name for name in wheel["only-include"]}
        root = "src/askfirst" if self.target_name == "sdist" else "askfirst"
        for path in sorted((repository / "src" / "askfirst").iterdir()):
            if path.name not in client and path.name != "__pycache__":
                build_data["force_include"][str(path)] = f"{root}/{path.name}"
        example = repository / "examples" / "stratus" / "stratus"  # what `askfirst demo` runs
        build_data["force_include"][str(example)] = f"{root}/_example/stratus"
