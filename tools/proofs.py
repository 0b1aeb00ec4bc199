"""A hook of MkDocs: a link from a page to a test of this repository shows that test's text.

`[words](../tests/client/test_prompt.py#test_name)` leads to the file wherever the repository is
shown. In the built site it leads to a page made here, with a heading for each test. A link to a
test that does not exist is a broken link, and ends a strict build.
"""

from __future__ import annotations

import ast
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(((?:\.\./)+tests/[\w/]+)\.py(#\w+)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for every file of tests that a page links to."""
    linked = set()
    for page in files.documentation_pages():
        for path, _ in LINK.findall(page.content_string):
            linked.add(posixpath.normpath(posixpath.join(posixpath.dirname(page.src_uri), path)))
    for path in sorted(linked):
        source = ROOT / f"{path.removeprefix('../')}.py"
        if source.is_file():
            name = path.removeprefix("../")
            page = File.generated(
                config,
                f"{name}.md",
                content=page_of(source),
                inclusion=InclusionLevel.NOT_IN_NAV,
            )
            files.append(page)
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lead links to tests to their pages, which lie one folder less far up."""
    return LINK.sub(lambda found: f"]({found[1][3:]}.md{found[2] or ''})", markdown)


def page_of(source: Path) -> str:
    """Return a page with the text of a file, its tests under headings of their names."""
    text = source.read_text("utf-8")
    lines = text.splitlines()
    parts = [f"---\nsearch:\n  exclude: true\n---\n# {source.relative_to(ROOT).as_posix()}"]
    begin = 0
    tests = [n for n in ast.parse(text).body if getattr(n, "name", "").startswith("test_")]
    for test in tests:
        assert isinstance(test, ast.FunctionDef)
        first = min([test.lineno, *(row.lineno for row in test.decorator_list)]) - 1
        parts.append(fenced(lines[begin:first]))
        parts.append(f"## {test.name}\n\n{fenced(lines[first : test.end_lineno])}")
        begin = test.end_lineno or first
    parts.append(fenced(lines[begin:]))
    return "\n\n".join(part for part in parts if part)


def fenced(lines: list[str]) -> str:
    """Return lines of Python as a block; '' if all are blank."""
    text = "\n".join(lines).strip("\n")
    return f"````python\n{text}\n````" if text.strip() else ""
