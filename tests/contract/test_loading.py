from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.contract.loading import (
    MOST_COMMANDS,
    MOST_FIELDS,
    is_loopback,
    load,
    parse,
    url_problem,
)
from askfirst.contract.model import Contract, ContractError

GOOD = """
[tool]
name = "stratus"
title = "Stratus CLI"
organisation = "the native web"
collector = "https://telemetry.example.org"
details = "https://example.org/telemetry"
contact = "privacy@example.org"
retention_days = 395
commands = ["start", "stop", "db migrate"]

[fields.runtime]
treatment = "version"
purpose = "Which runtime versions must we keep supporting?"

[fields."application.name"]
treatment = "hash"
purpose = "How many applications do you build?"

[fields.os]
treatment = "choice"
values = ["linux", "macos"]
purpose = "Where must it run?"

[fields.ci]
treatment = "flag"
purpose = "Is it used by machines?"

[fields.services]
treatment = "bucket"
buckets = [1, 2.5, 10]
purpose = "How large are applications?"

[releases]
"1.4.0" = 2026-10-01
"1.5.0rc1" = "2026-11-01"
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ContractError) as caught:
        parse(text)
    return caught.value.problems


def test_reads_every_part_of_a_contract() -> None:
    contract = parse(GOOD)
    assert contract.name == "stratus"
    assert contract.state == "home"
    assert contract.commands == ("start", "stop", "db migrate")
    assert contract.fields["os"].labels() == ("linux", "macos", "other")
    assert contract.fields["services"].labels() == ("<1", "1 to <2.5", "2.5 to <10", ">=10")
    assert contract.fields["runtime"].labels() == ()
    assert contract.releases == {"1.4.0": "2026-10-01", "1.5.0rc1": "2026-11-01"}


def test_a_contract_survives_its_canonical_form() -> None:
    contract = parse(GOOD)
    again = Contract.from_dict(contract.as_dict())
    assert again.canonical() == contract.canonical()
    assert again.digest == contract.digest
    assert contract.digest.startswith("sha256:")
    assert len(contract.digest) == 71


def test_the_order_of_the_file_does_not_change_the_digest() -> None:
    first, second = GOOD.split("[fields.runtime]", 1)
    runtime, rest = second.split("[fields.", 1)
    moved = first + "[fields." + rest.replace("[releases]", f"[fields.runtime]{runtime}[releases]")
    assert parse(moved).digest == parse(GOOD).digest
    assert parse(GOOD.replace("395", "396")).digest != parse(GOOD).digest


@pytest.mark.parametrize(
    ("old", "new", "key", "remedy"),
    [
        ('name = "stratus"', 'name = "Stratus"', "tool.name", "use 1 to 40 of a-z"),
        ('name = "stratus"\n', "", "tool.name", "use 1 to 40"),
        ("[releases]", "[[releases]]", "releases", "must be a table"),
        (
            '[fields.ci]\ntreatment = "flag"\npurpose = "Is it used by machines?"',
            '[fields]\nci = "flag"',
            "fields.ci",
            "must be a table with a treatment",
        ),
        ('title = "Stratus CLI"', "title = 3", "tool.title", 'write title = "…"'),
        ('title = "Stratus CLI"\n', "", "tool.title", "is missing"),
        ('"Stratus CLI"', '"Stratus\\u001b[2J"', "tool.title", "printable"),
        ('"the native web"', '"' + "x" * 401 + '"', "tool.organisation", "at most 400"),
        (
            "https://telemetry.example.org",
            "http://telemetry.example.org",
            "tool.collector",
            "https",
        ),
        ("https://telemetry.example.org", "ftp://example.org", "tool.collector", "has no https"),
        ("https://telemetry.example.org", "telemetry", "tool.collector", "is not a URL"),
        ("https://telemetry.example.org", "https://a:b@c.org", "tool.collector", "nothing else"),
        ("https://telemetry.example.org", "https://c.org/?x=1", "tool.collector", "nothing else"),
        ("https://telemetry.example.org", "https://[::1", "tool.collector", "is not a URL"),
        ("retention_days = 395", "retention_days = 0", "tool.retention_days", "1 to 3660"),
        ("retention_days = 395", "retention_days = true", "tool.retention_days", "1 to 3660"),
        ("retention_days = 395\n", "", "tool.retention_days", "is missing"),
        ('commands = ["start", "stop", "db migrate"]\n', "", "tool.commands", "list what may be"),
        ('"db migrate"', '"db  migrate"', "tool.commands", "use names like"),
        ('"db migrate"', '"--all"', "tool.commands", "use names like"),
        ('"db migrate"', '"stop"', "tool.commands", "twice"),
        ('"db migrate"', "3", "tool.commands", "use names like"),
        ("retention_days", "retention", "tool.retention", "did you mean retention_days?"),
        ("[releases]", "[release]", "release", "did you mean releases?"),
        ('treatment = "version"', 'treatment = "plain"', "fields.runtime.treatment", "use one of"),
        ('treatment = "version"\n', "", "fields.runtime.treatment", "is missing"),
        ('purpose = "Where must it run?"', "", "fields.os.purpose", "is missing"),
        ('values = ["linux", "macos"]\n', "", "fields.os.values", "needs values"),
        ('["linux", "macos"]', '["linux", "linux"]', "fields.os.values", "different texts"),
        ('["linux", "macos"]', "[]", "fields.os.values", "1 to 100"),
        ("[1, 2.5, 10]", "[2, 1]", "fields.services.buckets", "larger than the one before"),
        ("[1, 2.5, 10]", "[nan]", "fields.services.buckets", "numbers"),
        ("buckets = [1, 2.5, 10]\n", "", "fields.services.buckets", "needs buckets"),
        (
            'treatment = "flag"',
            'treatment = "flag"\nvalues = ["a"]',
            "fields.ci.values",
            "choice only",
        ),
        ("[fields.runtime]", "[fields.cli]", "fields.cli", "reserved"),
        ("[fields.runtime]", '[fields."cli.x"]', "fields.cli.x", "reserved"),
        ("[fields.runtime]", "[fields.application]", "fields.application", "rename one"),
        ("[fields.runtime]", "[fields.Runtime]", "fields.Runtime", "as a name"),
        (
            '[fields."application.name"]',
            "[fields.application.name]",
            "fields.application",
            "quotes",
        ),
        ("2026-10-01", "2026-10-01T00:00:00", "releases.1.4.0", "is not a day"),
        ('"2026-11-01"', '"soon"', "releases.1.5.0rc1", "is not a day"),
        ('"1.4.0" =', '"latest" =', "releases.latest", "is not a version"),
        ('"1.4.0" =', "1.4 =", "releases.1", "quotes"),
        ('name = "stratus"', 'name = "stratus"\nstate = "here"', "tool.state", '"home" or "xdg"'),
    ],
)
def test_an_error_names_the_key_and_the_remedy(old: str, new: str, key: str, remedy: str) -> None:
    assert old in GOOD
    found = problems(GOOD.replace(old, new))
    assert any(problem.startswith(f"{key}: ") and remedy in problem for problem in found), found


def test_all_problems_are_told_at_once() -> None:
    text = GOOD.replace("retention_days = 395\n", "").replace('"flag"', '"banner"')
    assert len(problems(text)) == 2


def test_a_file_that_is_no_contract_is_told_apart(tmp_path: Path) -> None:
    assert "tool: is missing" in problems("")[0]
    assert "is not TOML" in problems("tool = ")[0]
    assert problems('fields = 3\n[tool]\nname = "x"')
    with pytest.raises(ContractError, match="cannot be read: No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"[tool]\nname = '\xe4'")
    with pytest.raises(ContractError, match="is not UTF-8 text"):
        load(tmp_path / "latin.toml")
    (tmp_path / "good.toml").write_text(GOOD)
    assert load(os.fspath(tmp_path / "good.toml")).digest == parse(GOOD).digest


@pytest.mark.parametrize("url", ["http://127.0.0.1:8600", "http://localhost/x", "http://[::1]:80"])
def test_plain_http_is_for_loopback(url: str) -> None:
    assert url_problem(url) == ""


def test_a_loopback_lookalike_is_no_loopback() -> None:
    assert not is_loopback("127.0.0.1.example.org")
    assert not is_loopback("127.example.org.0")
    assert not is_loopback("localhost.example.org")
    assert not is_loopback("127.0.0.999")
    assert is_loopback("127.9.9.9")


LABEL = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=40)


@given(
    purpose=LABEL.filter(lambda text: text.strip() and text.isprintable()),
    values=st.lists(LABEL.filter(str.isprintable), min_size=1, max_size=5, unique=True),
    bounds=st.lists(st.integers(-1000, 1000), min_size=1, max_size=5, unique=True),
    days=st.integers(1, 3660),
)
def test_any_good_contract_makes_the_round_trip(
    purpose: str, values: list[str], bounds: list[int], days: int
) -> None:
    """A contract written as TOML comes back from its canonical form as it was."""

    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = GOOD.replace("395", str(days)).replace('"Where must it run?"', quoted(purpose))
    text = text.replace('["linux", "macos"]', "[" + ", ".join(map(quoted, values)) + "]")
    text = text.replace("[1, 2.5, 10]", str(sorted(bounds)))
    contract = parse(text)
    assert contract.fields["os"].purpose == purpose
    assert contract.fields["os"].values == tuple(values)
    assert contract.fields["services"].buckets == tuple(sorted(bounds))
    assert Contract.from_dict(contract.as_dict()).canonical() == contract.canonical()
    assert contract.collects_more_than(contract.agreement()) == []


@pytest.mark.parametrize("text", [GOOD, "x = ", '[tool]\nname = "x"\n"a b".c = [1, {d = 2}]'])
def test_the_copied_toml_reader_agrees_with_the_standard_library(text: str) -> None:
    """Python 3.10 has no tomllib; the copy in _vendor stands in for it there."""
    tomllib = pytest.importorskip("tomllib")
    from askfirst._vendor import tomli

    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(tomli.TOMLDecodeError):
            tomli.loads(text)
    else:
        assert tomli.loads(text) == expected


@pytest.mark.parametrize("name", ["__init__", "_parser", "_re", "_types"])
def test_the_copied_toml_reader_is_the_published_one(name: str) -> None:
    """But for its comments."""
    import tomli as published

    from askfirst._vendor import tomli as copied

    assert published.__version__ == copied.__version__
    ours, theirs = (
        ast.dump(ast.parse(Path(package.__file__).with_name(f"{name}.py").read_text("utf-8")))
        for package in (copied, published)
    )
    assert ours == theirs


def test_too_many_of_anything_is_refused() -> None:
    names = ", ".join(f'"c{n}"' for n in range(MOST_COMMANDS + 1))
    many = GOOD.replace('["start", "stop", "db migrate"]', f"[{names}]")
    assert problems(many) == [
        f"tool.commands: more than {MOST_COMMANDS}; list the ones you ask about"
    ]
    more = "".join(
        f'[fields.f{n}]\ntreatment = "flag"\npurpose = "Is it?"\n' for n in range(MOST_FIELDS)
    )
    assert problems(GOOD.replace("[releases]", more + "[releases]")) == [
        f"fields: more than {MOST_FIELDS}; collect less"
    ]
