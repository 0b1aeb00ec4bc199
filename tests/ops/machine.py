"""A machine made of namespaces, where systemd itself runs the units of ops/systemd.

It has its own processes, network, /run, /var/lib and a copy of /etc; this machine's Python and this
repository lie under /run/askfirst. Everything ends with its first process, and needs root.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.collector.serving import DEADLINE, wait_until

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "ops" / "systemd"
TARGETS = ("sysinit", "basic", "shutdown", "multi-user", "timers", "network-online")
# Python at home in /root would be out of the collector's sight, so all of it is bound elsewhere.
PROGRAM = """#!/bin/sh
export LD_LIBRARY_PATH=/run/askfirst/python/lib PYTHONPATH=/run/askfirst/src:/run/askfirst/site
export PYTHONDONTWRITEBYTECODE=1
exec /run/askfirst/python/bin/{python} {what} "$@"
"""
MAIN = "-c 'from askfirst.__main__ import main; main()'"
BOOT = """set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs {folder}/run
mkdir -p {folder}/run/etc {folder}/run/askfirst/bin {folder}/run/units
cp -a /etc/. {folder}/run/etc
cp -r {folder}/files/. {folder}/run
for name in python site src; do mkdir {folder}/run/askfirst/$name; done
mount --bind {prefix} {folder}/run/askfirst/python
mount --bind {site} {folder}/run/askfirst/site
mount --bind {source} {folder}/run/askfirst/src
mount --rbind {folder}/run /run
mount --bind /run/etc /etc
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t proc proc /proc
systemd-sysusers /run/sysusers.conf
exec env -i container=askfirst PATH="$PATH" SYSTEMD_UNIT_PATH=/run/units \
    /lib/systemd/systemd --system --unit=multi-user.target --log-target=console --show-status=no
"""


class Machine:
    """A machine that is up."""

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        self._group = own_group()
        self._said = folder / "said"
        place = folder / "files"
        for path, text in {**units(), **files}.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text)
        for path in (place / "askfirst/bin").iterdir():
            path.chmod(0o755)
        (folder / "run").mkdir()
        (folder / "boot").write_text(
            BOOT.format(
                folder=folder,
                prefix=sys.base_prefix,
                site=sysconfig.get_path("purelib"),
                source=ROOT / "src",
            )
        )
        apart = "unshare --fork --kill-child --pid --mount --net --uts --ipc --cgroup"
        boot = f"echo $$ >{self._group}/cgroup.procs; exec {apart} sh {folder}/boot"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                ["sh", "-c", boot], stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )

    def said(self) -> str:
        """Return what systemd said."""
        return self._said.read_text(errors="replace")

    def up(self) -> Machine:
        """Wait until systemd takes orders."""
        wait_until(lambda: self.process.poll() is not None or self._takes_orders())
        assert self.process.poll() is None, self.said()
        return self

    def _takes_orders(self) -> bool:
        # until systemd is there, what answers may be that of the machine around this one
        return self._is_systemd() and self.run("systemctl", "list-units").returncode == 0

    def _is_systemd(self) -> bool:
        try:
            return Path(f"/proc/{self._first()}/comm").read_text().strip() == "systemd"
        except (FileNotFoundError, ProcessLookupError):  # it has not begun, or has ended
            return False

    def _first(self) -> str:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return path.read_text().strip()

    def run(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program in there, as root."""
        inside = ["nsenter", "--target", self._first(), "--mount", "--net", "--pid", "--uts"]
        return subprocess.run(
            [*inside, *words],
            input=given,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )

    def does(self, *words: str, given: str | None = None) -> str:
        """Run a program in there that succeeds, and return its output."""
        done = self.run(*words, given=given)
        log = self.run("sh", "-c", "cat /run/log-of-*").stdout
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{log}\n{self.said()}"
        return done.stdout

    def shows(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.does("systemctl", "show", "--value", "-p", name, unit).strip()

    def asks(self, url: str, body: Any = None) -> tuple[int, str]:
        """Return the status and the text of an answer, asked for from in there."""
        program = (
            "import http.client, json, ssl, sys; from urllib.parse import urlsplit\n"
            "url, body = json.loads(sys.stdin.read()); where = urlsplit(url)\n"
            "context = ssl._create_unverified_context()\n"
            "c = (http.client.HTTPSConnection(where.netloc, timeout=30, context=context)\n"
            "     if where.scheme == 'https' else http.client.HTTPConnection(where.netloc, timeout=30))\n"
            "c.request('GET' if body is None else 'POST', where.path, body and json.dumps(body),\n"
            "          {'Content-Type': 'application/json'})\n"
            "a = c.getresponse(); print(json.dumps([a.status, a.read().decode()]))\n"
        )
        done = self.run(sys.executable, "-c", program, given=json.dumps([url, body]))
        if done.returncode != 0:
            return 0, done.stderr
        status, text = json.loads(done.stdout)
        return status, text

    def end(self) -> None:
        """End every process of it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)
        groups = [self._group, *(path for path in self._group.rglob("*") if path.is_dir())]
        for group in sorted(groups, reverse=True):
            wait_until(lambda group=group: is_removed(group))


def own_group() -> Path:
    """Make a control group below this process' own, in the unified hierarchy."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    top = next(Path(row[1]) for row in mounts if row[2] == "cgroup2")
    rows = Path("/proc/self/cgroup").read_text().splitlines()
    mine = next(row.removeprefix("0::/") for row in rows if row.startswith("0::"))
    return Path(tempfile.mkdtemp(prefix="askfirst-test-", dir=top / mine))


def is_removed(group: Path) -> bool:
    """Remove a control group, unless processes of it are still ending."""
    try:
        group.rmdir()
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def units() -> dict[str, str]:
    """Return the units, and what they stand on, by their place in /run."""
    bare = "[Unit]\nDefaultDependencies=no\n"
    found = {f"units/{name}.target": bare for name in TARGETS}
    for path in UNITS.iterdir():
        text = path.read_text().replace("/opt/askfirst", "/run/askfirst")
        if path.suffix == ".service":
            said = f"file:/run/log-of-{path.stem}"
            text = text.replace("[Service]", f"[Service]\nStandardError={said}")
        found[f"units/{path.name}" if path.suffix != ".conf" else path.name] = text
    python = Path(sys.executable).resolve().name
    found["askfirst/bin/askfirst"] = PROGRAM.format(python=python, what=MAIN)
    found["askfirst/bin/probe"] = PROGRAM.format(python=python, what="/run/askfirst/bin/probe.py")
    return found


@contextmanager
def machine(folder: Path, files: dict[str, str]) -> Iterator[Machine]:
    """Run a machine that has `files`, by their place in /run."""
    made = Machine(folder, files)
    try:
        yield made.up()
    finally:
        made.end()
