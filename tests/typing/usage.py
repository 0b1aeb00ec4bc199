"""The public API as an author uses it. Never run: type checkers read it, in strict mode.

A line with an ignore is wrong on purpose. Should a checker stop seeing that, the unused ignore is
an error itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import click
import cyclopts
import pytest
import typer
from typing_extensions import assert_type

import askfirst
from askfirst import Contract, ContractError, Telemetry
from askfirst.integrations import argparse as for_argparse
from askfirst.integrations import click as for_click
from askfirst.integrations import cyclopts as for_cyclopts
from askfirst.integrations import typer as for_typer
from askfirst.testing import Recorded, RecordedEvent

telemetry = Telemetry.from_contract("telemetry.toml", version=askfirst.__version__)
assert_type(telemetry, Telemetry)
hourly = Telemetry.from_contract(
    Path(__file__).with_name("telemetry.toml"), "1.4.0", deliver_every=3600.0, strict=True
)

# without a framework
telemetry.ask()
telemetry.set({"application.name": "chat", "interactive": True, "files": 12, "ratio": 0.5})
named: dict[str, str] = {"application.name": "chat"}
telemetry.set(named)
telemetry.record("start")
telemetry.record("start", {"application.name": "chat"})
telemetry.verbose = True
assert_type(telemetry.run_command(["status"]), int)
telemetry.run_command(("on", "--verbose"))

Telemetry.from_contract("telemetry.toml")  # type: ignore[call-arg]
Telemetry.from_contract("telemetry.toml", version=1.4)  # type: ignore[arg-type]
Telemetry.from_contract("telemetry.toml", "1.4.0", retries=3)  # type: ignore[call-arg]
telemetry.set("application.name")  # type: ignore[arg-type]
telemetry.set({1: "chat"})  # type: ignore[dict-item]
telemetry.record({"application.name": "chat"})  # type: ignore[arg-type]
telemetry.send()  # type: ignore[attr-defined]

# the contract
try:
    contract = telemetry.contract()
except ContractError as error:
    assert_type(error.problems, list[str])
else:
    assert_type(contract, Contract)
    assert_type(contract.digest, str)
    assert_type(contract.commands, tuple[str, ...])
    assert_type(contract.retention_days, int)
    assert_type([field.purpose for field in contract.fields.values()], list[str])
    assert_type(contract.collects_more_than(contract.agreement()), list[str])


# click
@click.group()
def cli() -> None: ...


@cli.command()
@click.argument("name")
def start(name: str) -> None:
    telemetry.set({"application.name": name})


@click.command()
def alone() -> None: ...


for_click.instrument(cli, telemetry)
for_click.instrument(alone, telemetry)
for_click.instrument(telemetry, cli)  # type: ignore[arg-type]

# typer
app = typer.Typer()
for_typer.instrument(app, telemetry)
for_typer.instrument(cli, telemetry)  # type: ignore[arg-type]

# argparse
parser = argparse.ArgumentParser()
for_argparse.instrument(parser, telemetry)
for_argparse.instrument(parser, "telemetry.toml")  # type: ignore[arg-type]

# cyclopts
program = cyclopts.App(name="tin")
for_cyclopts.instrument(program, telemetry)
for_cyclopts.instrument(program)  # type: ignore[call-arg]


# askfirst.testing
def main(argv: Sequence[str]) -> int:
    return telemetry.run_command(argv)


def test_start_is_recorded(askfirst_recorded: Recorded) -> None:
    assert_type(askfirst_recorded.run(main, ["start"]), int)
    assert_type(askfirst_recorded.commands, list[str])
    assert_type(askfirst_recorded[0], RecordedEvent)
    assert_type(askfirst_recorded[:2], list[RecordedEvent])
    for event in askfirst_recorded:
        assert_type(event.command, str)
        assert_type(event.version, str)
        assert_type(event.fields, dict[str, object])
        assert_type(event.given, dict[str, object] | None)
        assert_type(event.line, bytes)
    assert_type(askfirst_recorded.env(telemetry), dict[str, str])
    askfirst_recorded.commands = []  # type: ignore[misc]


@pytest.mark.parametrize("consent", ["refused", "undecided"])
def test_without_a_yes(askfirst_recorded: Recorded) -> None:
    askfirst_recorded.consent = "refused"
    askfirst_recorded.consent = "perhaps"  # type: ignore[assignment]
