"""Takes the pictures of the overview that the documentation shows: `make screenshots`.

The population, the day and the windows are always the same, so a picture changes with the pages.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.dashboard.browser.conftest import CHROMIUM, SIZES, Visitor, serving

IMAGES = Path(__file__).parents[3] / "docs" / "images"
DAY = dt.date(2026, 11, 24)
INSTALLATIONS = 3000
PICTURES = {
    "overview-light": ("desktop", "light"),
    "overview-dark": ("desktop", "dark"),
    "overview-phone": ("phone", "light"),
}


def main() -> None:
    """Write docs/images/*.png."""
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), installations=INSTALLATIONS, end=DAY) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, (size, scheme) in PICTURES.items():
            width, height = SIZES[size]
            window = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
            visitor = Visitor(browser, server.url, **window)
            visitor.log_in(server)
            page = visitor.go(f"/?as_of={DAY}")
            page.evaluate("document.fonts.ready")
            page.screenshot(path=IMAGES / f"{name}.png", full_page=True)
            visitor.close()
            sys.stdout.write(f"docs/images/{name}.png\n")
        browser.close()


if __name__ == "__main__":
    main()
