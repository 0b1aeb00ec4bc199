"""The site is built, every link in it leads somewhere, and its pages ask no other host."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_site_is_built_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    promises = (tmp_path / "promises" / "index.html").read_text()
    assert 'href="../tests/client/test_prompt/#test_no"' in promises
    proof = (tmp_path / "tests" / "client" / "test_prompt" / "index.html").read_text()
    assert 'id="test_no"' in proof
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|link|img|iframe)[^>]* (?:src|href)="?(https?:[^" >]+)', page.read_text()
        )
        assert loaded == [], page
