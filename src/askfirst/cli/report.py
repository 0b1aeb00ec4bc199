"""`askfirst report`: the answers, for people, as JSON or as CSV."""

from __future__ import annotations

import json
import os
from datetime import date

import click

from askfirst import questions
from askfirst.cli import asking, terminal
from askfirst.questions import flat
from askfirst.questions.calendar import FIRST, LAST

REPORTS = ("overview", *questions.NAMES)


def _day(_ctx: click.Context, _param: click.Parameter, value: str | None) -> date:
    try:
        day = questions.default_day() if value is None else date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a day; write it as 2026-11-23") from None
    if not FIRST <= day <= LAST:
        raise click.BadParameter(f"choose a day from {FIRST} to {LAST}")
    return day


@click.command()
@click.argument("report", type=click.Choice(REPORTS), default="overview")
@click.option("--tool", metavar="T", help="May be left out when there is only one.")
@click.option(
    "--store",
    metavar="PATH|URL",
    help="Read this one; else ASKFIRST_STORE.  [~/.local/share/askfirst/askfirst.duckdb]",
)
@click.option("--server", metavar="URL", help="Ask a collector instead.")
@click.option(
    "--token-file",
    metavar="F",
    help="The collector's token; else ASKFIRST_TOKEN, else this user's.",
)
@click.option(
    "--as-of",
    metavar="DATE",
    callback=_day,
    help="The last day that counts, UTC.  [the last whole day]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print one table as CSV.")
def command(
    report: str,
    *,
    tool: str | None,
    store: str | None,
    server: str | None,
    token_file: str | None,
    as_of: date,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Print the answers. Every figure counts only installations that said Yes."""
    if store and server:
        raise click.UsageError("give --store or --server, not both")
    if as_json and as_csv:
        raise click.UsageError("give --json or --csv, not both")
    also = () if as_json or as_csv else terminal.ALSO.get(report, ())
    asked = asking.Asked((report, *also), tool, as_of)
    with terminal.waiting(f"asking about {report}"):
        if server:
            answers = asking.ask_server(asked, server, token_file)
        else:
            place = store or os.environ.get("ASKFIRST_STORE")
            asked, answers = asking.ask_store(asked, place, token_file)
    if as_json:
        click.echo(json.dumps(answers[report], indent=2))
    elif as_csv:
        click.echo(flat.csv_text(report, answers[report]), nl=False)
    else:
        terminal.show(asked, answers)
