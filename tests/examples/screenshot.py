"""Takes the picture of the question that the README shows, and writes its text beside it:
`make screenshots`.

The example CLI runs in a real terminal, in a home of its own; pyte keeps its screen, Chromium
draws it.
"""

from __future__ import annotations

import html
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pyte
from playwright.sync_api import sync_playwright

from tests.client.terminal import Terminal
from tests.dashboard.browser.conftest import CHROMIUM

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "question.png"
COLUMNS, LINES = 92, 40
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 1.2rem 1.4rem; width: max-content; background: #10151c; }}
pre {{ margin: 0; font: 15px/1.45 "DejaVu Sans Mono", monospace; color: #d7dde6; }}
b {{ color: #fff; }} .command {{ color: #7fd1ae; }}
</style><pre><span class="command">$ stratus init chat</span>
{screen}</pre>"""


def question() -> pyte.Screen:
    """Return what someone sees who runs `stratus init chat` for the first time."""
    with tempfile.TemporaryDirectory() as home:
        environment = {"HOME": home, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "xterm"}
        argv = (sys.executable, "-m", "stratus", "init", "chat")
        with closing(Terminal(argv, environment, columns=COLUMNS)) as terminal:
            terminal.expect("Yes, I agree")
            shown = terminal.text
    screen = pyte.Screen(COLUMNS, LINES)
    pyte.Stream(screen).feed(shown.replace("\n", "\r\n"))
    return screen


def drawn(line: dict[int, pyte.screens.Char]) -> str:
    """Return one line of a screen as HTML."""
    cells = (line[column] for column in range(COLUMNS))
    text = "".join(
        f"<b>{html.escape(cell.data)}</b>" if cell.bold or cell.reverse else html.escape(cell.data)
        for cell in cells
    )
    return text.rstrip()


def main() -> None:
    """Write docs/images/question.png and question.txt."""
    screen = question()
    lines = range(screen.cursor.y + 1)
    text = "\n".join(screen.display[line].rstrip() for line in lines)
    PICTURE.with_suffix(".txt").write_text(text + "\n")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(device_scale_factor=2)
        page.set_content(
            PAGE.format(screen="\n".join(drawn(screen.buffer[line]) for line in lines))
        )
        page.locator("body").screenshot(path=PICTURE)
        browser.close()
    sys.stdout.write(f"docs/images/{PICTURE.name}\n")


if __name__ == "__main__":
    main()
