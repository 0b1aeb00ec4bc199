"""What authors use in their own tests, in suites of their own: real pytest runs in another home."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from askfirst.client import dotfile
from askfirst.contract.loading import load
from tests.client.running import running
from tests.client.terminal import PATIENCE_S, Terminal
from tests.collector.serving import wait_until

# A collector that nothing may ever reach: an audit hook sees what this process opens, starts and
# connects to, and any of it fails the suite.
CONFTEST = """
import os, sys

HOME = os.environ["HOME"]
SEEN = []

def hook(event, args):
    if event in ("os.posix_spawn", "os.fork", "socket.connect", "socket.getaddrinfo"):
        SEEN.append((event, args))
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.listdir", "os.scandir"):
        if isinstance(args[0], (str, bytes)) and os.fsdecode(args[0]).startswith(HOME):
            SEEN.append((event, args))

sys.addaudithook(hook)

def pytest_unconfigure():
    if SEEN:
        sys.stdout.write(f"\\nSEEN {SEEN}\\n")
"""

CLICK = """
import sys

import click

from askfirst import Telemetry
from askfirst.integrations.click import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version="1.2.0")


@click.group()
def cli():
    pass


@cli.command()
@click.argument("name", default="chat")
def start(name):
    telemetry.set({"application.name": name, "runtime": "2.0.0"})
    click.echo("started")


@cli.command()
def fail():
    telemetry.set({"runtime": "9.9.9"})
    sys.exit(3)


@cli.command()
def status():
    click.echo("fine")


@cli.command()
def unlisted():
    click.echo("not in the contract")


instrument(cli, telemetry)

if __name__ == "__main__":
    cli()
"""

ARGPARSE = """
import argparse, sys

from askfirst import Telemetry
from askfirst.integrations.argparse import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version="1.2.0")


def main(argv=None, look_ahead=False):
    parser = argparse.ArgumentParser("tin")
    commands = parser.add_subparsers(dest="command")
    for name in ("start", "status", "fail", "unlisted"):
        commands.add_parser(name).add_argument("how", nargs="?")
    instrument(parser, telemetry)
    if look_ahead:
        parser.parse_known_args(argv)
    given = parser.parse_args(argv)
    if given.command == "start":
        telemetry.set({"application.name": "chat"})
    if given.how == "error":
        raise RuntimeError("broken")
    if given.how == "exit":
        sys.exit("broken")
    return 0


if __name__ == "__main__":
    sys.exit(main())
"""


class Suite:
    """An author's project, and the home of whoever runs its tests: they said Yes long ago."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.home = folder / "home"
        self.folder.mkdir()
        self.home.mkdir()
        toml = (Path(__file__).parent / "client" / "programs" / "telemetry.toml").read_text()
        self.write("telemetry.toml", toml.replace('"db migrate"', '"stop"'))
        self.write("conftest.py", CONFTEST)
        self.write("clicked.py", CLICK)
        self.write("parsed.py", ARGPARSE)
        self.write("pytest.ini", "[pytest]\nfilterwarnings = error\n")
        contract = load(self.folder / "telemetry.toml")
        dotfile.agree(str(self.home / ".tin"), "1.2.0", contract, "2026-11-01")
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1] / "src"), "."]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        self.before = self.files()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def files(self) -> dict[str, bytes]:
        """Everything in the home."""
        found = [path for path in self.home.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.home)): path.read_bytes() for path in found}

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]

    def run(self, tests: str, *words: str, plugin: str = "askfirst", **env: str) -> str:
        """Run tests; return what pytest said."""
        self.write("test_it.py", textwrap.dedent(tests))
        done = subprocess.run(
            self.argv("-p", plugin, "-q", "-rA", "--tb=short", *words),
            cwd=self.folder,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return done.stdout + done.stderr

    def passes(self, tests: str, *words: str, untouched: bool = True, **env: str) -> None:
        """Run tests, all of which pass; nothing of the home is touched."""
        said = self.run(tests, *words, **env)
        assert re.search(r"^\d+ passed in", said, re.MULTILINE), said
        assert "SEEN" not in said or not untouched, said
        assert self.files() == self.before


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def test_without_the_fixture_nothing_is_sent_asked_read_or_written(suite: Suite) -> None:
    suite.passes("""
        import atexit
        import sys
        from click.testing import CliRunner
        from clicked import cli, telemetry
        from parsed import main

        def test_a_command():
            run = CliRunner().invoke(cli, ["start"])
            assert (run.exit_code, run.output) == (0, "started\\n")
            assert telemetry.strict is False and telemetry.version == "1.2.0"

        def test_a_mistake_is_as_silent_as_for_a_user():
            telemetry.record("undeclared", {"undeclared": 1})

        def test_whose_answers_they_are():
            run = CliRunner().invoke(cli, ["telemetry", "status"])
            assert "off: ASKFIRST_TELEMETRY turns it off" in run.output
            assert CliRunner().invoke(cli, ["telemetry", "on"]).exit_code == 1
            assert CliRunner().invoke(cli, ["telemetry", "send"]).exit_code == 1

        own = sys.exit

        def test_argparse():
            assert main(["start"]) == 0

        def test_argparse_leaves_nothing_behind():
            assert sys.exit is own
            handlers = atexit._ncallbacks()
            main(["start"])
            assert atexit._ncallbacks() == handlers
    """)


def test_children_that_inherit_the_environment_send_nothing(suite: Suite) -> None:
    """They would read the real answers, and those say Yes."""
    suite.passes(
        """
        import subprocess, sys

        def test_a_child():
            done = subprocess.run([sys.executable, "clicked.py", "start"], check=True)

        def test_a_child_beside_the_fixture(askfirst_recorded):
            subprocess.run([sys.executable, "clicked.py", "start"], check=True)
            assert askfirst_recorded.commands == []
        """,
        untouched=False,  # the parent starts processes
    )


def test_without_the_plugin_the_same_suite_records(suite: Suite) -> None:
    """So that the tests above could fail."""
    tests = """
        from click.testing import CliRunner
        from clicked import cli

        def test_a_command():
            assert CliRunner().invoke(cli, ["start"]).exit_code == 0
    """
    assert "SEEN" in suite.run(tests, plugin="no:askfirst")
    # the sender that it started changes files of the home
    wait_until(lambda: not running(f"\0HOME={suite.home}\0"), PATIENCE_S)
    assert suite.files() != suite.before


def test_commands_are_recorded_in_order_with_raw_and_treated_values(suite: Suite) -> None:
    suite.passes("""
        import json
        from click.testing import CliRunner
        from clicked import cli, telemetry

        def invoke(*words):
            return CliRunner().invoke(cli, words)

        def test_events(askfirst_recorded):
            assert invoke("start", "shop").exit_code == 0
            assert invoke("fail").exit_code == 3
            assert invoke("unlisted").exit_code == 0
            assert invoke("status").exit_code == 0
            assert askfirst_recorded.commands == ["start", "status"]
            start, status = askfirst_recorded
            assert start.given == {"application.name": "shop", "runtime": "2.0.0"}
            assert start.fields["runtime"] == "2.0.0"
            assert len(start.fields["application.name"]) == 64
            assert start.version == "1.2.0"
            assert json.loads(start.line)["cli"] == {"version": "1.2.0", "command": "start"}
            assert b"shop" not in start.line
            assert start in askfirst_recorded and len(askfirst_recorded) == 2
            assert "start" in repr(askfirst_recorded)

        def test_each_test_begins_with_nothing(askfirst_recorded):
            assert askfirst_recorded.commands == []
            invoke("fail")

        def test_not_even_with_what_a_failed_command_left(askfirst_recorded):
            invoke("status", "--verbose")
            assert askfirst_recorded[0].given == {}

        def test_nor_loud(askfirst_recorded):
            assert invoke("status").output == "fine\\n"

        def test_by_name(askfirst_recorded):
            telemetry.record("stop", {"cold": True, "size": 20, "colour": "blue", "runtime": None})
            [event] = askfirst_recorded
            assert event.given == {"cold": True, "size": 20, "colour": "blue", "runtime": None}
            assert event.fields == {"cold": True, "size": "10 to <100", "colour": "other"}

        def test_the_telemetry_commands_work_in_a_home_of_the_test(askfirst_recorded):
            invoke("start")
            assert "on: you said Yes" in invoke("telemetry", "status").output
            assert askfirst_recorded[0].line.decode() in invoke("telemetry", "show").output
            assert len(askfirst_recorded) == 1
            run = invoke("telemetry", "send")
            assert run.exit_code == 1
            assert "nothing is delivered in a test" in run.output
            assert invoke("telemetry", "off").exit_code == 0
            invoke("start")
            assert askfirst_recorded.commands == []
    """)


def test_consent_is_given_refused_or_undecided(suite: Suite) -> None:
    suite.passes("""
        import pytest
        from click.testing import CliRunner
        from clicked import cli

        def start():
            assert CliRunner().invoke(cli, ["start"]).exit_code == 0

        @pytest.mark.parametrize("answer", ["refused", "undecided"])
        def test_without_a_yes(askfirst_recorded, answer):
            askfirst_recorded.consent = answer
            start()
            assert askfirst_recorded.commands == []
            said = {"refused": "you said No", "undecided": "not been asked yet"}[answer]
            assert said in CliRunner().invoke(cli, ["telemetry", "status"]).output

        def test_it_may_change(askfirst_recorded):
            assert askfirst_recorded.consent == "given"
            start()
            askfirst_recorded.consent = "refused"
            start()
            askfirst_recorded.consent = "given"
            start()
            askfirst_recorded.consent = "undecided"
            start()
            assert askfirst_recorded.commands == ["start", "start"]

        def test_a_slip_is_named(askfirst_recorded):
            with pytest.raises(ValueError, match="use one of given, refused, undecided"):
                askfirst_recorded.consent = "yes"
    """)


def test_what_turns_telemetry_off_around_the_tests_does_not_change_them(suite: Suite) -> None:
    """An author's tests run in CI, and on machines of people who track nothing."""
    suite.passes(
        """
        from click.testing import CliRunner
        from clicked import cli

        def test_a_command(askfirst_recorded):
            CliRunner().invoke(cli, ["start"])
            assert askfirst_recorded.commands == ["start"]
        """,
        CI="true",
        DO_NOT_TRACK="1",
        TIN_TELEMETRY="off",
    )


def test_mistakes_raise(suite: Suite) -> None:
    suite.passes("""
        import pytest
        from askfirst import ContractError, Telemetry
        from clicked import telemetry

        pytestmark = pytest.mark.usefixtures("askfirst_recorded")

        @pytest.mark.parametrize("consent", ["given", "refused", "undecided"])
        def test_whatever_the_consent(askfirst_recorded, consent):
            askfirst_recorded.consent = consent
            with pytest.raises(ValueError, match="no field 'runtimes'; did you mean 'runtime'"):
                telemetry.set({"runtimes": "2.0.0"})
            with pytest.raises(ValueError, match="cold takes True or False, not str"):
                telemetry.record("start", {"cold": "yes"})
            with pytest.raises(ValueError, match="no command 'starts'; did you mean 'start'"):
                telemetry.record("starts")

        def test_no_contract():
            missing = Telemetry.from_contract("missing.toml", version="1.0.0")
            for use in (missing.ask, lambda: missing.set({}) or missing.record("start")):
                with pytest.raises(ContractError, match="ship it as package data"):
                    use()

        def test_a_bad_contract(tmp_path):
            (tmp_path / "bad.toml").write_text('[tool]\\nname = "bad"\\n')
            bad = Telemetry.from_contract(tmp_path / "bad.toml", version="1.0.0")
            for _ in range(2):
                with pytest.raises(ContractError, match="tool.commands"):
                    bad.record("start")
    """)


def test_argparse_programs_end_where_the_test_looks(suite: Suite) -> None:
    suite.passes("""
        import sys
        import pytest
        from parsed import main, telemetry

        own = sys.exit

        def test_direct_calls(askfirst_recorded):
            assert main(["start"]) == 0
            assert askfirst_recorded.commands == ["start"]
            assert askfirst_recorded[0].given == {"application.name": "chat"}
            main(["status"])
            main(["unlisted"])
            with pytest.raises(SystemExit):
                main(["fail", "exit"])
            main(["start"])
            assert askfirst_recorded.commands == ["start", "status", "start"]
            assert sys.exit is own

        def test_whole_programs(askfirst_recorded, capsys):
            run = askfirst_recorded.run
            assert run(main, ["start"]) == 0
            assert run(main, ["fail", "exit"]) == 1
            assert capsys.readouterr().err == "broken\\n"
            assert run(main, ["--nonsense"]) == 2
            with pytest.raises(RuntimeError, match="broken"):
                run(main, ["fail", "error"])
            assert run(sys.exit, None) == 0
            assert run(lambda: main(["status"]) or 3) == 3
            assert run(main, ["fail"]) == 0
            assert askfirst_recorded.commands == ["start", "fail"]
            assert sys.exit is own

        def test_a_look_ahead_is_no_second_command(askfirst_recorded):
            assert askfirst_recorded.run(main, ["start"], True) == 0
            assert askfirst_recorded.commands == ["start"]
    """)


TYPER = """
import typer

from askfirst import Telemetry
from askfirst.integrations.typer import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version="1.2.0")
app = typer.Typer()


@app.command()
def start(name: str = "chat") -> None:
    telemetry.set({"application.name": name})


@app.command()
def status() -> None:
    raise typer.Exit(1)


instrument(app, telemetry)
"""

CYCLOPTS = """
import cyclopts

from askfirst import Telemetry
from askfirst.integrations.cyclopts import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version="1.2.0")
app = cyclopts.App("tin")


@app.command
def start(name: str = "chat") -> None:
    telemetry.set({"application.name": name})


@app.command
def status() -> int:
    return 1


instrument(app, telemetry)
"""


@pytest.mark.parametrize(
    ("program", "call"),
    [
        (TYPER, "__import__('typer.testing').testing.CliRunner().invoke(app, words)"),
        (CYCLOPTS, "askfirst_recorded.run(app, words)"),
    ],
    ids=["typer", "cyclopts"],
)
def test_other_frameworks(suite: Suite, program: str, call: str) -> None:
    suite.write("other.py", program)
    suite.passes(f"""
        from other import app

        def test_commands(askfirst_recorded):
            for words in (["start", "--name", "shop"], ["status"], ["start"]):
                {call}
            assert askfirst_recorded.commands == ["start", "start"]
            assert askfirst_recorded[0].given == {{"application.name": "shop"}}
    """)


def test_children_record_into_a_folder_of_the_test(suite: Suite) -> None:
    suite.passes(
        """
        import subprocess, sys
        import pytest
        from clicked import telemetry

        @pytest.mark.parametrize("program", ["clicked.py", "parsed.py"])
        def test_children(askfirst_recorded, program):
            env = askfirst_recorded.env(telemetry)
            for word in ("start", "unlisted", "status"):
                subprocess.run([sys.executable, program, word], env=env, check=True)
            assert askfirst_recorded.commands == ["start", "status"]
            start = askfirst_recorded[0]
            assert start.given is None
            assert len(start.fields["application.name"]) == 64
            state = sorted(path.name for path in askfirst_recorded.home.rglob("*"))
            assert "sender.lock" not in state  # no sender was ever started

        @pytest.mark.parametrize("answer", ["refused", "undecided"])
        def test_without_a_yes(askfirst_recorded, answer):
            askfirst_recorded.consent = answer
            env = askfirst_recorded.env(telemetry)
            subprocess.run([sys.executable, "clicked.py", "start"], env=env, check=True)
            assert askfirst_recorded.commands == []

        def test_nothing_leaves_even_when_told_to(askfirst_recorded):
            env = askfirst_recorded.env(telemetry)
            subprocess.run([sys.executable, "clicked.py", "start"], env=env, check=True)
            send = [sys.executable, "clicked.py", "telemetry", "send"]
            done = subprocess.run(send, env=env, capture_output=True, text=True)
            assert done.returncode == 1
            assert "http://127.0.0.1:0 did not answer" in done.stderr
            assert askfirst_recorded.commands == ["start"]

        def test_mistakes_of_children_raise(askfirst_recorded):
            env = askfirst_recorded.env(telemetry)
            code = "from clicked import telemetry; telemetry.record('start', {'cold': 'yes'})"
            done = subprocess.run(
                [sys.executable, "-c", code], env=env, capture_output=True, text=True
            )
            assert "cold takes True or False, not str" in done.stderr
        """,
        untouched=False,  # the parent starts processes
        CI="1",
        DO_NOT_TRACK="1",
        TIN_TELEMETRY="0",
        XDG_STATE_HOME=str(suite.home / "state"),
    )


def test_a_version_under_development_counts_as_its_release(suite: Suite) -> None:
    """Most suites run on a version that is not released yet."""
    suite.passes("""
        import pytest
        from askfirst import Telemetry

        @pytest.mark.parametrize(("version", "shown"), [
            ("1.5.0.dev3+g1234", "1.5.0"), ("2.0rc1", "2.0rc1"), ("0+unknown", "1.0.0"),
            ("unknown", "1.0.0"),
        ])
        def test_it(askfirst_recorded, version, shown):
            telemetry = Telemetry.from_contract("telemetry.toml", version=version)
            telemetry.record("start")
            assert askfirst_recorded[0].version == shown
            if shown != version:
                with pytest.raises(ValueError, match="is not a released version"):
                    askfirst_recorded.env(telemetry)
    """)


def test_a_version_that_would_never_be_recorded_raises(suite: Suite) -> None:
    suite.passes("""
        import pytest
        from askfirst import Telemetry

        def test_it(askfirst_recorded):
            with pytest.raises(ValueError, match="'v1.4.0' is no released version"):
                Telemetry.from_contract("telemetry.toml", version="v1.4.0").record("start")
    """)


def test_events_of_two_tools_and_a_child_come_in_order(suite: Suite) -> None:
    """And everybody is in the sample, in a child too."""
    text = (suite.folder / "telemetry.toml").read_text()
    text = text.replace("[tool]", "[tool]\nsample = 0.001", 1)
    (suite.folder / "telemetry.toml").write_text(text)
    (suite.folder / "other.toml").write_text(text.replace('"tin"', '"can"'))
    suite.passes("""
        import subprocess, sys
        from askfirst import Telemetry

        CHILD = "from askfirst import Telemetry as T; T.from_contract({!r}, '1.0.0').record('status')"

        def test_it(askfirst_recorded):
            tin, can = (
                Telemetry.from_contract(f"{name}.toml", "1.0.0") for name in ("telemetry", "other")
            )
            tin.record("start"); can.record("status"); tin.record("status"); can.record("start")
            assert askfirst_recorded.commands == ["start", "status", "status", "start"]
            argv = [sys.executable, "-c", CHILD.format(tin.path)]
            subprocess.run(argv, env=askfirst_recorded.env(tin), check=True)
            can.record("start")
            assert askfirst_recorded.commands[4:] == ["status", "start"]
    """)


def test_a_program_of_state_xdg(suite: Suite) -> None:
    toml = suite.folder / "telemetry.toml"
    toml.write_text(toml.read_text().replace("[tool]", '[tool]\nstate = "xdg"', 1))
    suite.passes("""
        from click.testing import CliRunner
        from clicked import cli

        def test_a_command(askfirst_recorded):
            CliRunner().invoke(cli, ["start"])
            assert askfirst_recorded.commands == ["start"]
    """)


ASKED = """
import parsed

def test_at_a_terminal(FIXTURE):
    parsed.main(["start"])
"""
QUESTION = "> No, thank you."


@pytest.mark.parametrize(("plugin", "seen"), [("askfirst", "2 passed"), ("no:askfirst", QUESTION)])
def test_nothing_is_asked_even_where_pytest_leaves_the_terminal_alone(
    suite: Suite, plugin: str, seen: str
) -> None:
    """With -s, stdin and stderr are terminals; nobody has answered yet, so a program would ask."""
    (suite.home / ".tin").unlink()
    suite.write("test_bare.py", ASKED.replace("FIXTURE", ""))
    if plugin == "askfirst":
        consent = "askfirst_recorded):\n    askfirst_recorded.consent = 'undecided'"
        suite.write("test_with.py", ASKED.replace("FIXTURE):", consent))
    argv = suite.argv("-p", plugin, "-s", "-q", "--color=no", str(suite.folder))
    terminal = Terminal(argv, suite.env)
    try:
        assert terminal.expect("passed", "failed", QUESTION) in seen, terminal.text
    finally:
        terminal.close()
    assert suite.files() == {}


def test_pytest_finds_it_on_its_own_and_before_any_code_of_the_suite(suite: Suite) -> None:
    early = "import clicked\nclicked.cli(['start'], 'tin', standalone_mode=False)\n"
    suite.write("conftest.py", CONFTEST + early)
    suite.passes(
        "def test_it(askfirst_recorded): pass",
        *("-p", "no:xdist", "-p", "no:anyio", "-p", "no:schemathesis"),
        plugin="no:hypothesispytest",  # it and the others only take time
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="",
    )


def test_loading_it_loads_nothing_that_pytest_has_not_loaded() -> None:
    code = (
        "import json, sys, pytest; before = set(sys.modules); import askfirst.testing;"
        "print(json.dumps([n for n in sys.modules if n not in before]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[1] / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    others = [name for name in json.loads(done.stdout) if not name.startswith("askfirst")]
    assert others in ([], ["_sha256"], ["_sha2"], ["_json"])
