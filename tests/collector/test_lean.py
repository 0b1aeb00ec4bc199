"""A process that goes without something still works."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from askfirst.collector import lean
lean.give_back_memory()
lean.go_without_pandas()
import pyarrow
assert pyarrow.array(["a", None]).to_pylist() == ["a", None]
try:
    import pandas
except ModuleNotFoundError:
    assert "pandas" not in sys.modules
else:
    raise SystemExit("pandas is there")
import json
"""


def test_pandas_is_not_there_and_everything_else_is() -> None:
    import importlib.util

    assert importlib.util.find_spec("pandas"), "install it here, else this shows nothing"
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
