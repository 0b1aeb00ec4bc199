"""What is compared: programs that send one event, with the homes and environments they need."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import installed
from processes import BEGIN, run

if TYPE_CHECKING:
    from processes import Run

CONTRACT = installed.ROOT / "examples" / "stratus" / "stratus" / "telemetry.toml"
NOTHING = "host_bare"

FLOOR = "floor: a mock client, one event"
SENDER = "askfirst: its sender, one https delivery"
SENDER_FLOOR = "floor: TLS and one POST with http.client, one https delivery"

STATES = (
    "not asked yet, no terminal",
    "refused",
    "consenting, one event",
    "consenting, one event, a delivery started",
)

HOSTS = ("bare", "on click")

# one event as the README has it: name of the distribution -> programs
PEERS = {
    "scarf-sdk": "send_scarf",
    "usagestats": "send_usagestats",
    "sentry-sdk": "send_sentry",
    "iterative-telemetry": "send_iterative",
    "mixpanel": "send_mixpanel",
    "amplitude-analytics": "send_amplitude",
    "segment-analytics-python": "send_segment",
    "posthog": "send_posthog",
}
BEFORE = {"usagestats": "agree_usagestats"}  # what its user does once


def ours(host: str, state: str) -> str:
    """Return the label of one of our own rows."""
    return f"askfirst, {host}: {state}"


class Case(NamedTuple):
    """One row: a program, and the same without telemetry.

    `program` and `without` are modules of bench/programs, which are installed beside the client; an
    empty `without` means that the program is compared with nothing. `loaded` is what both import
    before anything is counted. `flags` are the interpreter's. `later` is the program that gives an
    event that was kept another chance. `asks_network` is false where no fault can matter.
    """

    label: str
    python: Path
    program: str
    env: dict[str, str]
    without: str = NOTHING
    loaded: str = "os"
    flags: tuple[str, ...] = ()
    later: str = ""
    asks_network: bool = False

    @property
    def is_small(self) -> bool:
        """Tell whether what it adds is near the noise, and it starts no other process."""
        small = [ours(host, state) for host in HOSTS for state in STATES[:3]]
        return self.label in (FLOOR, *small)

    @property
    def home(self) -> Path:
        """The folder of the user who runs it."""
        return Path(self.env["HOME"])

    def start(self, program: str, young: int = 0) -> tuple[list[str], dict[str, str]]:
        """Return the command line and the environment of a program of this case.

        `young` objects are there before anything is counted: Python collects garbage after so many.
        """
        code = f"import {program}"
        if "-S" in self.flags:
            code = f"import sys; sys.path.append({str(installed.PROGRAMS)!r}); {code}"
        else:
            code = f"import {self.loaded}; young = [[] for _ in range({young})]; {BEGIN}{code}"
        return [str(self.python), *self.flags, "-c", code], self.env

    def run(self, program: str, young: int = 0) -> Run:
        """Run a program of this case, which must succeed; `young` as for `start`."""
        argv, env = self.start(program, young)
        done = run(argv, env)
        if done.code != 0:
            raise SystemExit(f"{self.label}: {program} ended with {done.code}:\n{done.said}")
        return done

    def elsewhere(self, folder: Path, url: str, mark: str) -> Case:
        """Return the same case in a copy of its home, with another server and another mark."""
        shutil.copytree(self.home, folder)
        env = {**self.env, "HOME": str(folder), **_server(url), "BENCH_MARK": mark}
        return self._replace(env=env)

    def spelling(self, mark: str) -> str:
        """Return how a mark looks in what this case sends."""
        dotfile = self.home / ".stratus"
        if not self.label.startswith("askfirst") or not dotfile.is_file():
            return mark
        uuid = json.loads(dotfile.read_text())["installationId"]
        return hashlib.sha256((uuid + mark).encode()).hexdigest()


def make(folder: Path, url: str, secure: str, roots: Path, peers: list[str]) -> list[Case]:
    """Return every case, its home made and its user's answer given.

    `url` and `secure` are servers that answer, over http and https; `roots` is a folder of
    authorities that knows the second.
    """
    bare = installed.environment("askfirst")
    click = installed.environment("askfirst-click", "click")
    for python in (bare, click):
        installed.install_ours(python)
        installed.install_programs(python)
    cases = [_floor(folder, bare, url)]
    for python, host, program, without, loaded in (
        (bare, HOSTS[0], "ours", NOTHING, "os"),
        (click, HOSTS[1], "ours_click", "host_click", "click"),
    ):
        cases += _ours(folder, python, url, (host, program, without, loaded))
    env = {**_user(folder, "secure", secure, every=0), "SSL_CERT_DIR": str(roots)}
    case = Case(SENDER, bare, "ours", env)
    _agree(case)
    cases += [case, Case(SENDER_FLOOR, bare, "sender_floor", env, "", flags=("-I", "-S"))]
    for name in peers:
        python = installed.environment(name, name)
        installed.install_programs(python)
        program = PEERS[name]
        env = _user(folder, name, url)
        case = Case(name, python, program, env, later=program, asks_network=True)
        if name in BEFORE:
            case.run(BEFORE[name])
        cases.append(case)
    return cases


def _floor(folder: Path, python: Path, url: str) -> Case:
    case = Case(FLOOR, python, "floor", _user(folder, "floor", url))
    answer = '0cc1ac2b-3a1b-4d31-a1cb-ae5d5ed9e2a1 {"sendTelemetry": true}'
    (case.home / ".mock").write_text(answer)
    return case


def _ours(folder: Path, python: Path, url: str, how: tuple[str, str, str, str]) -> list[Case]:
    host, program, without, loaded = how

    def case(state: str, every: float) -> Case:
        env = _user(folder, f"{host}-{state}", url, every)
        return Case(ours(host, state), python, program, env, without, loaded)

    undecided, refused, agreed = (case(state, 3600) for state in STATES[:3])
    due = case(STATES[3], 0)
    due = due._replace(later="ours_send", asks_network=True)
    answer = {"versions": {"1.4.0": {"sendTelemetry": False, "decidedAt": "2026-11-23"}}}
    (refused.home / ".stratus").write_text(json.dumps(answer))
    for one in (agreed, due):
        _agree(one)
    return [undecided, refused, agreed, due]


def _agree(case: Case) -> None:
    """Say Yes, and record and deliver once, so that what is measured is an ordinary day."""
    case.run("ours_agree")
    case.run(case.program)


def _user(folder: Path, name: str, url: str, every: float = 3600) -> dict[str, str]:
    """Return the environment of a user with a home of its own."""
    home = folder / name.replace(" ", "-").replace(",", "")
    home.mkdir()
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "BENCH_CONTRACT": str(CONTRACT),
        "BENCH_DELIVER_EVERY": str(every),
        "BENCH_MARK": "chat",
        **_server(url),
    }


def _server(url: str) -> dict[str, str]:
    return {"BENCH_URL": url, "ASKFIRST_COLLECTOR": url}
