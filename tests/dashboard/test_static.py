"""What comes from elsewhere is pinned, whole, and licensed; what is served may be kept."""

from __future__ import annotations

import hashlib
import re

import pytest

from askfirst.dashboard.rendering import STATIC
from tests.dashboard.conftest import Pages

VENDOR = STATIC / "vendor"
ROWS = [
    line.split() for line in (VENDOR / "SOURCES.txt").read_text().splitlines() if line[:1] != "#"
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_vendored_file_is_what_was_published(row: list[str]) -> None:
    name, _package, version, _path, digest = row
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest


def test_every_vendored_file_is_listed_and_licensed() -> None:
    names = {path.name for path in VENDOR.iterdir()} - {"SOURCES.txt"}
    assert names == {row[0] for row in ROWS}
    packages = {row[1] for row in ROWS}
    assert packages == {row[1] for row in ROWS if row[0].endswith("LICENSE")}


def test_a_file_named_by_its_content_may_be_kept_and_any_other_is_asked_for(pages: Pages) -> None:
    html = pages.get("/").body.decode()
    for url in re.findall(r'"(/static/[^"]+)"', html):
        answer = pages.get(url)
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
    assert pages.get("/static/askfirst.css").headers["cache-control"] == "no-cache"


def test_files_travel_compressed_and_none_outside_is_served(pages: Pages) -> None:
    whole = (VENDOR / "echarts.min.js").stat().st_size
    answer = pages.get("/static/vendor/echarts.min.js", **{"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < whole / 2
    assert pages.get("/static/../pages.py").status == 404
    assert pages.get("/static/%2e%2e/pages.py").status == 404


def test_our_own_files_name_no_other_host() -> None:
    for name in ("askfirst.js", "askfirst.css"):
        text = (STATIC / name).read_text()
        assert re.findall(r"(?:https?:)?//[a-z]+\.[a-z]", text) == []
        assert "innerHTML" not in text
        assert "eval(" not in text


def test_the_font_that_a_style_sheet_names_is_there() -> None:
    css = (STATIC / "askfirst.css").read_text()
    for name in re.findall(r'url\("([^"]+)"\)', css):
        assert (STATIC / name).is_file()
