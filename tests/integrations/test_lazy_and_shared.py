"""click and typer programs whose groups find commands in their own way, share them, or fail late."""

from __future__ import annotations

import json

import pytest

from tests.client.program import Program

LAZY = """
import importlib, sys
import {module} as framework
from {module}.core import {group} as Group
from askfirst import Telemetry
from askfirst.integrations.{module} import instrument

class Lazy(Group):
    def list_commands(self, ctx):
        return ["start"]

    def get_command(self, ctx, name):
        return importlib.import_module("plugin_" + name).command

telemetry = Telemetry.from_contract("telemetry.toml", version="1.0.0")
"""
ROOTS = {
    "click": 'root = Lazy("tin")\n',
    "typer": "root = framework.Typer(cls=Lazy)\nroot.callback()(lambda: None)\n",
}
PLUGIN = """
import {module} as framework
app = framework.Typer()
app.command("start")(lambda: print("started"))
command = framework.main.get_command(app)
"""


@pytest.fixture(params=["click", "typer"])
def lazy(program: Program, request: pytest.FixtureRequest) -> Program:
    """A program whose group imports a module for any name that it is asked for."""
    module = request.param
    program.source = "lazy.py"
    group = "TyperGroup" if module == "typer" else "Group"
    text = LAZY.format(module=module, group=group) + ROOTS[module]
    (program.folder / "lazy.py").write_text(text + "instrument(root, telemetry)\nroot()\n")
    plugin = PLUGIN.format(module="typer")
    if module == "click":
        plugin = "import click\ncommand = click.Command('start', callback=lambda: print('started'))"
    (program.folder / "plugin_start.py").write_text(plugin)
    return program


def test_a_group_that_finds_commands_in_its_own_way_can_be_turned_off(lazy: Program) -> None:
    """What the question promises is not looked for among the host's; `--help` lists it too."""
    lazy.agree()
    assert lazy.run("start").stdout == "started\n"
    assert lazy.commands() == ["start"]
    assert "telemetry" in lazy.run("--help").stdout
    assert lazy.run("telemetry", "off").returncode == 0
    assert lazy.answers()["versions"]["1.0.0"]["sendTelemetry"] is False


@pytest.mark.parametrize("source", ["click_tool.py", "typer_tool.py"])
def test_verbose_goes_with_any_telemetry_command(program: Program, source: str) -> None:
    """Before its name, and without one."""
    program.source = source
    program.agree()
    for words in (["--verbose"], ["--verbose", "status"]):
        run = program.run("telemetry", *words)
        assert "on: you said Yes" in run.stdout, run.stderr


SHARED = """
import sys
import click
from askfirst import Telemetry
from askfirst.integrations.click import instrument

def telemetry(name):
    return Telemetry.from_contract(name + ".toml", version="1.0.0")

@click.command()
def start():
    pass

tin, can, free = click.Group("tin"), click.Group("can"), click.Group("free")
for group in (tin, can, free):
    group.add_command(start)
instrument(tin, telemetry("telemetry"))
instrument(can, telemetry("other"))
for group in (tin, can, free, tin, can, tin):
    group(["start"], standalone_mode=False)
"""


def test_a_command_of_two_programs_is_recorded_for_the_one_that_runs(program: Program) -> None:
    """One object in several groups of a process, each with a telemetry of its own, or none."""
    text = program.contract_file.read_text()
    (program.folder / "other.toml").write_text(text.replace('name = "tin"', 'name = "can"'))
    program.source = "shared.py"
    (program.folder / program.source).write_text(SHARED)
    program.agree()
    program.dotfile.with_name(".can").write_bytes(program.dotfile.read_bytes())
    folder = program.state.with_name("can")
    folder.mkdir()
    (folder / "schedule").write_bytes((program.state / "schedule").read_bytes())
    run = program.run()
    assert run.returncode == 0, run.stderr
    assert program.commands() == ["start"] * 3
    assert (folder / "queue").read_bytes().count(b'"command":"start"') == 2


LATE = """
import sys
import click
from askfirst import Telemetry
from askfirst.integrations.click import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version="1.0.0")
way = sys.argv.pop(1)

@click.group(chain=sys.argv.pop(1) == "chain")
def cli():
    pass

@cli.command()
def start():
    telemetry.set({"colour": "red"})

@cli.command()
@click.pass_context
def status(ctx):
    ctx.call_on_close(lambda: 1 / 0 if way == "close" else None)

@cli.result_callback()
def done(result):
    telemetry.set({"cold": True})
    if way == "click":
        raise click.ClickException("could not save")
    if way.isdigit():
        sys.exit(int(way))

instrument(cli, telemetry)
cli()
"""


@pytest.fixture
def late(program: Program) -> Program:
    """A program that does the work when its commands are over."""
    program.source = "late.py"
    (program.folder / program.source).write_text(LATE)
    program.agree()
    return program


@pytest.mark.parametrize("way", ["click", "3", "close"])
def test_a_run_that_fails_when_its_command_is_over_is_not_recorded(late: Program, way: str) -> None:
    """In the group's result callback, or where the command's context is closed."""
    assert late.run(way, "one", "status").returncode not in (0, 2)
    assert late.queued() == []


def test_a_run_that_ends_well_is_recorded_when_it_is_over(late: Program) -> None:
    """With what was set until then; of a chain, each command with what it has set."""
    assert late.run("0", "one", "start").returncode == 0
    assert late.run("0", "chain", "start", "status", "status").returncode == 0
    assert late.run("click", "chain", "start", "status").returncode == 1
    events = [json.loads(event) for event in late.queued()]
    assert [event["cli"]["command"] for event in events] == ["start", "start", "status", "status"]
    assert [event.get("colour") for event in events] == ["red", "red", None, None]
    assert [event.get("cold") for event in events] == [True, True, None, None]
