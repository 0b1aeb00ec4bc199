"""Somebody who follows docs/tutorial.md in an empty directory reaches answers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs import wheelhouse
from tests.docs.reader import Reader
from tests.ending import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
LOOPBACK_UP = """
import fcntl, socket, struct, sys
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up, running
print("up", flush=True)
sys.stdin.read()
"""

# the login link's page posts the token; then the overview, up to today
BROWSER = """
import datetime, http.cookiejar, sys, urllib.parse, urllib.request
url, _, token = sys.argv[1].partition("/login#")
cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
browser = urllib.request.build_opener(cookies)
browser.open(url + "/login", urllib.parse.urlencode({"token": token}).encode()).close()
today = datetime.datetime.now(datetime.timezone.utc).date()
sys.stdout.write(browser.open(f"{url}/?tool=notes&as_of={today}").read().decode())
"""


@contextmanager
def own_network() -> Iterator[list[str]]:
    """Yield words that run a program in a network with nothing but a loopback address.

    So the page's port is free, and nothing can leave. Where this is not allowed there are none.
    """
    words = ["unshare", "-n", sys.executable, "-c", LOOPBACK_UP]
    pipe = subprocess.PIPE
    with opened(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as holder:
        assert holder.stdout is not None
        up = holder.stdout.readline() == b"up\n"
        yield ["nsenter", f"--net=/proc/{holder.pid}/ns/net"] if up else []


@pytest.mark.slow
def test_the_tutorial_leads_to_answers(tmp_path: Path) -> None:
    wheels, home, folder = tmp_path / "wheels", tmp_path / "home", tmp_path / "empty"
    for path in (wheels, home, folder):
        path.mkdir()
    wheelhouse.build(wheels, "click", "askfirst[collector]")
    env = {
        "PATH": os.pathsep.join((os.path.dirname(sys._base_executable), os.environ["PATH"])),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_NO_COMPILE": "1",  # as much time as all the rest takes
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }

    def browse(seen: str) -> str:
        link = re.findall(r"log in at (\S+)", seen)[-1]
        words = [*inside, sys.executable, "-c", BROWSER, link]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", done.stdout)).split())

    with own_network() as inside:
        reader = Reader(folder, env, inside, browse)
        try:
            reader.follow(PAGE)
        finally:
            reader.close()
