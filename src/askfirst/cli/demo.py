"""`askfirst demo`: everything at once on this machine, each part the real one.

A collector on a free loopback port with a store in a temporary folder; the example CLI in a
terminal of its own, where one user says No and another says Yes; a simulated population that is
posted like anybody's events; and the answers next to the true ones. Nothing touches your HOME.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

import askfirst
from askfirst.cli.main import Failure
from askfirst.simulation import compare

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTALLATIONS, DAYS, SEED = 400, 180, 2018
START_SECONDS = 30  # until the collector listens, on a machine that is busy

# what is shown side by side, and where it is in the answers and in the truth
HEADLINES: tuple[tuple[Any, ...], ...] = (
    ("1. installations active in 28 days", "active", "monthly"),
    ("   of them regularly", "active", "regular"),
    ("2. days until half had the newest release", "updates", "versions", -1, "median_days"),
    ("3. applications per installation, on average", "applications", "mean"),
    ("   installations with several on one day", "applications", "side_by_side"),
    ("4. environments per application, on average", "environments", "per_application", "mean"),
)

ENDING = {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}

# How the demo's users answer: Enter alone, and Down with Enter.
NO, YES = "\r", "\x1b[B\r"


@click.command()
@click.option("--exit", "end", is_flag=True, help="End after the answers.")
def command(*, end: bool) -> None:
    """Everything at once on this machine: collector, example CLI, population, answers.

    Runs until Ctrl-C, so that you can look around, or ends with --exit. Exit code 1 if an answer
    differs from the truth.
    """
    for number in ENDING:
        signal.signal(number, _leave)  # the terminal is closed: the same as Ctrl-C
    example = _example()
    with tempfile.TemporaryDirectory(prefix="askfirst-demo-") as name:
        folder = Path(name)
        for part in ("operator", "app"):
            (folder / part).mkdir()
        contract = example / "stratus" / "telemetry.toml"
        with _collector(folder, contract) as (url, login, store):
            _title("1. A collector")
            click.echo(f"It listens on {url} and keeps what it gets in {store.name}.")
            _title("2. The example CLI, stratus, run by two users")
            _users(folder, example, url)
            _title("3. A population of which we know the truth")
            truth = _population(folder, contract, url)
            _title("4. The four answers, next to the truth")
            differences = _answers(folder, url, truth)
            _title("5. Look around")
            click.echo(f"The dashboard, logged in: {login}")
            if differences:
                raise Failure("answers differ from the truth: " + "; ".join(differences[:3]))
            if not end:
                click.echo("Ctrl-C ends it and deletes everything.")
                _wait()


def _leave(number: int, _frame: object) -> NoReturn:
    for each in ENDING:  # systemd sends both at once: the second must not cut the closing short
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _example() -> Path:
    """Return the folder in which the example CLI's package lies."""
    package = Path(askfirst.__file__).parent
    for folder in (package / "_example", package.parents[1] / "examples" / "stratus"):
        if (folder / "stratus" / "telemetry.toml").is_file():
            return folder
    raise Failure("the example CLI is not here; run it from a clone: make demo")


def _environment(folder: Path, home: str, **more: str) -> dict[str, str]:
    """Return the environment of a demo process: a HOME of its own, and no say of this shell's."""
    keep = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "VIRTUAL_ENV", "NO_COLOR")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    return {**env, "HOME": str(folder / home), "TERM": "xterm", **more}


@contextmanager
def _collector(folder: Path, contract: Path) -> Iterator[tuple[str, str, Path]]:
    """Run `askfirst serve`; yield its URL, its login link and its store."""
    store = folder / "demo.duckdb"
    said = folder / "collector.log"
    argv = [*_askfirst(), "serve", "--contract", str(contract), "--store", str(store)]
    with said.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*argv, "--port", "0"],
            env=_environment(folder, "operator"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        yield (*_greeting(process, said), store)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)


def _greeting(process: subprocess.Popen[bytes], said: Path) -> tuple[str, str]:
    """Wait for the collector to say where it listens, and how to log in."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = {}
        for line in said.read_text().splitlines():
            key, _, value = line.rpartition(" ")
            found[key] = value
        if "listening on" in found and "log in at" in found:
            return found["listening on"], found["log in at"]
        time.sleep(0.05)
    raise Failure(f"the collector did not start: {said.read_text().strip()}")


def _users(folder: Path, example: Path, url: str) -> None:
    """Run stratus in a terminal: one user says No, another Yes."""
    from askfirst.cli.pseudo_terminal import run_in_terminal

    for user, keys in (("user-who-says-no", NO), ("user-who-says-yes", YES)):
        (folder / user).mkdir()
        (folder / user / "app").mkdir()
        env = _environment(folder, user, PYTHONPATH=str(example), ASKFIRST_COLLECTOR=url)
        stratus = [sys.executable, "-m", "stratus"]
        click.echo(f"The {user.replace('-', ' ')}:\n")
        runs = [["init", "chat"], ["start", "--verbose"], ["stop"]]
        if keys == YES:
            runs.append(["telemetry", "send"])
        for words in runs:
            screen = run_in_terminal(
                [*stratus, *words], env=env, folder=folder / user / "app", keys=keys
            )
            click.echo(f"$ stratus {' '.join(words)}")
            click.echo(screen + "\n")
    files = sorted(path.name for path in (folder / "user-who-says-no").iterdir())
    click.echo(f"In the HOME of who said No there is now: {', '.join(files)}")


def _population(folder: Path, contract: Path, url: str) -> dict[str, Any]:
    """Post a simulated population and return the true answers."""
    truth = folder / "truth.json"
    click.echo(f"{INSTALLATIONS} installations over {DAYS} days, posted like anybody's events.")
    size = ("--installations", str(INSTALLATIONS), "--days", str(DAYS), "--seed", str(SEED))
    target = ("--server", url, "--truth", str(truth))
    _run(
        ["simulate", "--contract", str(contract), *size, *target],
        _environment(folder, "operator"),
    )
    known: dict[str, Any] = json.loads(truth.read_text())
    return known


def _answers(folder: Path, url: str, truth: dict[str, Any]) -> list[str]:
    """Ask the collector and print each answer beside the true one; return the differences."""
    env = _environment(folder, "operator")
    as_of = truth["active"]["as_of"]
    click.echo(_run(["report", "--server", url, "--as-of", as_of], env))
    answers: dict[str, Any] = {}
    for name in ("active", "updates", "applications", "environments", "commands", "retention"):
        asked = ["report", name, "--server", url, "--as-of", as_of, "--json"]
        answers[name] = json.loads(_run(asked, env))
    click.echo(f"\n{'':<48}{'answer':>10}{'truth':>10}")
    for label, *way in HEADLINES:
        click.echo(f"{label:<48}{_figure(answers, way):>10}{_figure(truth, way):>10}")
    found = {name: compare(answer, truth[name]) for name, answer in answers.items()}
    equal = [name for name, differences in found.items() if not differences]
    click.echo(f"\nIn every figure equal to the truth: {', '.join(equal) or 'none'}.")
    return [f"{name}: {text}" for name, differences in found.items() for text in differences]


def _figure(answers: Any, way: list[Any]) -> str:
    """Follow a way into the answers and return the figure at its end, for people."""
    for step in way:
        answers = answers[step]
    return f"{answers:.1f}" if isinstance(answers, float) else str(answers)


def _askfirst() -> list[str]:
    return [sys.executable, "-m", "askfirst"]


def _run(words: list[str], env: dict[str, str]) -> str:
    """Run an askfirst command and return its stdout."""
    done = subprocess.run(  # noqa: S603 - our own program
        [*_askfirst(), *words], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failure(f"askfirst {words[0]} failed: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


def _title(text: str) -> None:
    click.secho(f"\n{text}\n", bold=True)


def _wait() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        click.echo("")
