"""The documentation names everything there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from askfirst.cli.main import COMMANDS, root
from askfirst.client.commands import COMMANDS as TELEMETRY
from askfirst.collector.pipeline import DropReason
from askfirst.contract import loading, notice
from askfirst.contract.model import TREATMENTS
from askfirst.questions import NAMES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CLIENT = (DOCS / "client.md").read_text()
CONTRACT = (DOCS / "contract.md").read_text()
COLLECTOR = (DOCS / "collector.md").read_text()
ANSWERS = (DOCS / "answers.md").read_text()
EVERYTHING = "".join(path.read_text() for path in DOCS.rglob("*.md"))


def commands(group: click.Command, path: str) -> list[tuple[str, click.Command]]:
    if not isinstance(group, click.Group):
        return [(path, group)]
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        child = group.get_command(context, name)
        assert child is not None
        found += commands(child, f"{path} {name}")
    return found


@pytest.mark.parametrize("path", [path for path, _ in commands(root, "askfirst")])
def test_every_command_is_documented(path: str) -> None:
    assert path in EVERYTHING


def test_every_option_is_documented() -> None:
    missing = [
        f"{path} {option}"
        for path, command in commands(root, "askfirst")
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--") and option not in EVERYTHING
    ]
    assert missing == []
    assert len(COMMANDS) == 9


@pytest.mark.parametrize("reason", DropReason)
def test_every_drop_reason_is_documented(reason: DropReason) -> None:
    assert f"`{reason.value}`" in COLLECTOR


def test_every_endpoint_is_documented() -> None:
    import askfirst.collector as collector

    described = json.loads((Path(collector.__file__).parent / "openapi.json").read_text())
    for path in described["paths"]:
        assert path.split("{")[0].rstrip("/") in COLLECTOR


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_is_documented(name: str) -> None:
    assert f"| `{name}` |" in ANSWERS


def test_every_key_of_a_contract_is_documented() -> None:
    for key in (*loading._TOOL_KEYS, *loading._FIELD_KEYS, *TREATMENTS):
        assert f"`{key}`" in CONTRACT or f"`{key} = " in CONTRACT, key


@pytest.mark.parametrize("name", TELEMETRY)
def test_every_telemetry_command_is_documented(name: str) -> None:
    assert f"| `{name}` |" in CLIENT


def test_the_readme_shows_the_question_as_it_is() -> None:
    """The picture's text is written beside it, by the same command: `make screenshots`."""
    contract = loading.load(ROOT / "examples" / "stratus" / "stratus" / "telemetry.toml")
    shown = (DOCS / "images" / "question.txt").read_text()
    assert " ".join(notice.question(contract).split()) in " ".join(shown.split())
    assert notice.agree_label(contract) in shown
    readme = (ROOT / "README.md").read_text()
    assert "docs/images/question.png" in readme
    assert "docs/images/question.txt" in readme


def test_first_pages_claim_no_more_than_is_so() -> None:
    """A Yes counts without a terminal too; versions, times and commands are not hashed."""
    readme, page = (
        " ".join((ROOT / name).read_text().split()) for name in ("README.md", "packaging/client.md")
    )
    assert "Without a terminal nothing is asked, and a Yes given before counts;" in readme
    for text in (readme, page):
        assert not re.search(r"ithout a terminal[^;.]* (written|recorded|sent)", text)
        assert not re.search(r"[Ee]verything about [^.;]* hash", text)


def test_links_between_documents_lead_somewhere() -> None:
    for path in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+\.(?:md|toml))(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_no_claim_of_anonymity() -> None:
    """A stable hash is a pseudonym (GDPR, Recital 26)."""
    for path in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]:
        if path.name == "pseudonymous.md":
            continue  # says why not
        text = path.read_text().replace("pseudonymous", "")
        assert not re.search(r"(?<!not )\banonymous", re.sub(r"\s+", " ", text)), path.name
