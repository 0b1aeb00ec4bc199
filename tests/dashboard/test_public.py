"""In public no small group shows, whatever is subtracted from whatever."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst import questions
from askfirst.collector import private
from askfirst.contract.loading import parse
from askfirst.dashboard.public import (
    BINS,
    PERIODS,
    PublicFigures,
    Rounding,
    last_day,
    last_period,
)
from askfirst.dashboard.views import public as in_public
from askfirst.questions.calendar import day_number, day_of, week_text
from askfirst.stores.base import DAY_MS, Store, StoreError
from tests.dashboard.conftest import END, TODAY, Pages, site_of
from tests.simulation.conftest import TEXT
from tests.stores.making import TOOL, events, hashed

K = 10
PERIOD = last_period(day_number(TODAY))
SUNDAY = last_day(PERIOD)
SECRETS = st.binary(min_size=1, max_size=8)
FEW = ["ann", "bob"]  # who alone used `reload`, and one of whom goes away later


def figures_of(store: Store, folder: Path, **changes: Any) -> PublicFigures:
    settings: dict[str, Any] = {
        "threshold": K,
        "secret": b"secret",
        "today": lambda: day_number(TODAY),
    }
    return PublicFigures(store, folder / "public.json", private.write, **{**settings, **changes})


def used(who: Any, *days: int, **more: Any) -> list[dict[str, Any]]:
    """Return events of an installation, on days counted back from the period's last."""
    return [
        {"who": who, "day": SUNDAY - back - 20_000, "id": (who, back, str(more)), **more}
        for back in days
    ]


def add(store: Store, *rows: dict[str, Any]) -> None:
    store.load([events(*rows)], {})


@pytest.fixture
def store(make_store: Callable[[], Store]) -> Store:
    """57 installations, of which 2 used `reload`, 55 `start` and 3 are not regular."""
    made = make_store()
    rows: list[dict[str, Any]] = []
    for number in range(57):
        who = FEW[number] if number < 2 else number
        days = (0,) if number >= 54 else (0, 3, 9, 20)
        command = "reload" if number < 2 else "start"
        app = {"application.name": f"{min(number, 7):064}", "application.env": f"{1:064}"}
        rows += used(who, *days, command=command, **app)
    add(made, *rows)
    return made


def last(snapshots: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return snapshots[TOOL][-1]


# Periods


def test_a_period_is_four_whole_weeks_that_ended_a_week_ago_at_the_latest() -> None:
    for day in range(day_number(END), day_number(END) + 60):
        period = last_period(day)
        end = day_of(last_day(period))
        assert end.isoweekday() == 7
        assert last_day(period) - last_day(period - 1) == 28
        assert last_day(period) + 7 < day <= last_day(period + 1) + 7


# Rounding


@given(st.integers(0, 10_000), st.integers(5, 100), SECRETS)
def test_a_count_is_a_multiple_near_by_or_withheld(n: int, k: int, secret: bytes) -> None:
    shown = Rounding(k, secret).count("cell", n)
    if n < k:
        assert shown is None
    else:
        assert shown is not None
        assert shown % k == 0
        assert shown >= k
        assert abs(shown - n) < k


def test_where_a_count_is_cut_is_known_to_the_secret_alone() -> None:
    """At an edge that everybody knew, one installation more would show."""
    cuts = {Rounding(K, bytes([n])).count("cell", 25) for n in range(64)}
    assert cuts == {20, 30}


@given(st.integers(K, 500), st.data(), SECRETS)
def test_no_subtraction_proves_a_small_group_outside(whole: int, data: Any, secret: bytes) -> None:
    """The attacker knows the rules, both counts, and that one group is within the other."""
    n = data.draw(st.integers(0, whole))
    rounding = Rounding(K, secret)
    all_of_them = rounding.count("all", whole)
    shown = rounding.part("part", n, whole, "all")
    low_all, high_all = interval(all_of_them)
    low, high = interval(shown)
    outside = max(0, low_all - high), max(0, high_all - low)
    assert not 1 <= outside[0] <= outside[1] < K
    assert shown == all_of_them or not 0 < whole - n < K


def interval(shown: int | None) -> tuple[int, int]:
    """What an attacker knows of a count from what is shown of it."""
    return (0, K - 1) if shown is None else (max(0, shown - K + 1), shown + K - 1)


@given(st.dictionaries(st.integers(0, 20), st.integers(1, 60), min_size=1), SECRETS)
def test_a_distribution_is_merged_until_no_row_is_small(
    counts: dict[int, int], secret: bytes
) -> None:
    rows = Rounding(K, secret).partition("cell", counts)
    assert rows[0]["from"] == 0
    if sum(counts.values()) < K:
        assert rows == [{"from": 0, "count": None}]
        return
    starts = [row["from"] for row in rows] + [max(counts) + 1]
    for at, row in enumerate(rows):
        true = sum(n for number, n in counts.items() if starts[at] <= number < starts[at + 1])
        assert true >= K
        assert row["count"] is not None
        assert abs(row["count"] - true) < K


@given(
    st.dictionaries(st.integers(0, 120), st.integers(1, 30), min_size=1),
    st.integers(0, 120),
    st.integers(0, K - 1),
)
def test_no_label_shows_who_is_in_a_small_group(counts: dict[int, int], at: int, few: int) -> None:
    """A distribution has the same labels whoever of few is where."""

    def labels(counts: dict[int, int]) -> list[int]:
        return [row["from"] for row in Rounding(K, b"secret").partition("cell", counts)]

    if sum(counts[number] for number in counts if number in same_bin(at)) >= K:
        return
    without = {number: many for number, many in counts.items() if number not in same_bin(at)}
    assert labels(counts) == labels(without) == labels({**without, at: few})


def same_bin(number: int) -> range:
    start = max(edge for edge in BINS if edge <= number)
    return range(start, min((edge for edge in BINS if edge > number), default=10**9))


@pytest.mark.parametrize("counts", [{0: 1, 1: 12, 2: 30}, {1: 13, 2: 30}, {1: 12, 2: 30, 3: 1}])
def test_somebody_alone_does_not_show_in_a_label(counts: dict[int, int]) -> None:
    rows = Rounding(K, b"secret").partition("cell", counts)
    assert [row["from"] for row in rows] == [0, 2]


# What is shown


def test_the_last_period_is_shown_and_small_groups_are_not(store: Store, tmp_path: Path) -> None:
    shown = last(figures_of(store, tmp_path).read())
    assert (shown["until"], shown["threshold"]) == (week_text((SUNDAY + 3) // 7), K)
    assert shown["installations"] in (50, 60)
    commands = {row["command"]: row["installations"] for row in shown["commands"]}
    assert commands["reload"] is None
    # two of all did not use it: as if all had
    assert commands["start"] == shown["regular"] == shown["installations"]
    assert commands["stop"] is None
    assert all(row["count"] >= K for row in shown["applications"])


def test_fewer_than_the_threshold_are_one_sentence(
    make_store: Callable[[], Store], tmp_path: Path
) -> None:
    made = make_store()
    for number in range(K - 1):
        add(made, *used(number, 0))
    snapshots = figures_of(made, tmp_path).read()
    assert last(snapshots)["installations"] is None
    assert set(last(snapshots)) == {"from", "until", "threshold", "installations"}
    [sentence] = in_public.view(TOOL, snapshots[TOOL]).sentences
    assert sentence.text.startswith("Fewer than 10 installations used stratus")


def test_a_release_stands_in_one_period_with_whole_days(simulated: Store, tmp_path: Path) -> None:
    snapshots = figures_of(simulated, tmp_path).read()[TOOL]
    rows = [row for snapshot in snapshots for row in snapshot.get("updates", [])]
    versions = [row["version"] for row in rows]
    assert versions
    assert len(set(versions)) == len(versions)
    assert all(isinstance(row["median_days"], int | None) for row in rows)


def test_a_release_whose_day_is_declared_later_does_not_stand_in_a_second_period(
    make_store: Callable[[], Store], tmp_path: Path
) -> None:
    made = make_store()
    for number in range(40):
        add(made, *used(number, 62, 20), *used(number, 48 if number < 25 else 5, version="9.0.0"))
        add(made, *used(number, 0, -28, version="9.0.0"))

    def where(later: int) -> list[str]:
        shown = figures_of(made, tmp_path, today=lambda: day_number(TODAY) + later).read()[TOOL]
        rows = [(one["until"], row["version"]) for one in shown for row in one.get("updates", [])]
        return [until for until, version in rows if version == "9.0.0"]

    [first] = where(0)
    made.declare(parse(f'{TEXT}"9.0.0" = {day_of(SUNDAY - 10).isoformat()}\n'))
    assert where(28) == [first]
    (tmp_path / "public.json").unlink()
    assert where(28) > [first]  # where nothing was shown before, the declared day counts


def test_nothing_of_the_page_leads_to_an_installation(store: Store, tmp_path: Path) -> None:
    text = json.dumps(figures_of(store, tmp_path).read())
    for who in (*FEW, *range(57)):
        assert hashed(who).hex() not in text
    assert hashlib.sha256(b"ann").hexdigest() not in text


# The attacks. Each is first made against the answers as they are, where it works.


def everything(store: Store, day: int = SUNDAY) -> dict[str, Any]:
    """The answers that need the token."""
    names = ("active", "commands", "applications", "environments")
    return {name: questions.ask(store, name, TOOL, day_of(day)) for name in names}


def uses(answers: dict[str, Any], command: str) -> int:
    rows = answers["commands"]["commands"]
    return next(row["installations"] for row in rows if row["command"] == command)


def test_subtracting_before_and_after_somebody_left_shows_nothing(
    store: Store, tmp_path: Path
) -> None:
    figures = figures_of(store, tmp_path)
    before, public_before = everything(store), figures.read()
    store.erase(TOOL, hashed("ann"))
    after, public_after = everything(store), figures_of(store, tmp_path).read()

    assert uses(before, "reload") - uses(after, "reload") == 1  # ann used reload: the attack works
    assert public_before == public_after


def test_subtracting_before_and_after_a_late_event_shows_nothing(
    store: Store, tmp_path: Path
) -> None:
    before, public_before = everything(store), figures_of(store, tmp_path).read()
    add(store, *used("eve", 2, command="stop"))
    after, public_after = everything(store), figures_of(store, tmp_path).read()

    assert uses(after, "stop") - uses(before, "stop") == 1
    assert public_before == public_after


def test_filling_a_group_up_with_made_up_installations_afterwards_shows_nothing(
    store: Store, tmp_path: Path
) -> None:
    public_before = figures_of(store, tmp_path).read()
    for number in range(K):
        add(store, *used(f"made up {number}", 2, command="reload"))
    assert uses(everything(store), "reload") == K + len(FEW)
    assert figures_of(store, tmp_path).read() == public_before


def test_subtracting_one_day_or_version_from_another_is_not_possible(
    store: Store, tmp_path: Path
) -> None:
    pages = Pages(site_of(store, public=figures_of(store, tmp_path)))
    yesterday, today = everything(store, SUNDAY), everything(store, SUNDAY - 1)
    assert yesterday["active"]["regular"] != today["active"]["regular"]

    plain = {path: pages.get(path).body for path in ("/public", "/public.json")}
    for path, body in plain.items():
        for query in ("as_of=2026-11-01", "range=28", "version=1.0.0", "tool=x", "threshold=1"):
            assert pages.get(f"{path}?{query}").body == body


def test_subtracting_what_is_shown_from_what_is_shown_pins_nobody(
    simulated: Store, tmp_path: Path
) -> None:
    """Every pair of groups of which one is within the other, in every period."""
    pairs = 0
    for snapshot in figures_of(simulated, tmp_path).read()[TOOL]:
        if snapshot["installations"] is None:
            continue
        whole = interval(snapshot["installations"])
        parts = [snapshot["regular"], *(row["installations"] for row in snapshot["commands"])]
        sums = [snapshot["applications"], snapshot["environments"]]
        for shown in parts:
            low, high = interval(shown)
            outside = max(0, whole[0] - high), max(0, whole[1] - low)
            assert not 1 <= outside[0] <= outside[1] < K
            pairs += 1
        for rows in sums:
            for row in rows:
                others = [interval(other["count"]) for other in rows if other is not row]
                low = whole[0] - sum(high for _, high in others)
                high = whole[1] - sum(low for low, _ in others)
                assert not 1 <= low <= high < K
                pairs += 1
    assert pairs > 50


def test_a_period_is_computed_once_and_kept(store: Store, tmp_path: Path) -> None:
    first = figures_of(store, tmp_path).read()
    lower = figures_of(store, tmp_path, threshold=5, secret=b"another").read()
    assert lower == first
    assert (tmp_path / "public.json").stat().st_mode & 0o777 == 0o600

    add(store, *used("later", -30))
    later = figures_of(store, tmp_path, today=lambda: day_number(TODAY) + 28).read()
    assert later[TOOL][:-1] == first[TOOL]
    assert len(later[TOOL]) == 2


@pytest.mark.parametrize("ahead", [21, 28, 300])
def test_a_clock_that_was_ahead_freezes_nothing_that_is_not_over(
    store: Store, tmp_path: Path, ahead: int
) -> None:
    at_once = figures_of(store, tmp_path, today=lambda: SUNDAY + 8).read()
    add(store, *used("meanwhile", -8 - ahead))  # and what arrives then is dated by that clock
    wrong = figures_of(store, tmp_path, today=lambda: SUNDAY + 8 + ahead).read()
    assert wrong[TOOL] in (at_once[TOOL], [])
    for number in range(30):
        add(store, *used(number, -20, -28))
    later = figures_of(store, tmp_path, today=lambda: SUNDAY + 8 + 28).read()
    assert later[TOOL][:-1] == at_once[TOOL]
    assert last(later)["installations"] in (30, 40)


def test_of_periods_with_several_thresholds_the_smallest_is_claimed(
    store: Store, tmp_path: Path
) -> None:
    figures_of(store, tmp_path).read()
    for number in range(20):
        add(store, *used(number, -20, -28))
    higher = figures_of(store, tmp_path, threshold=25, today=lambda: day_number(TODAY) + 28)
    text = Pages(site_of(store, public=higher)).text("/public")
    assert [row["threshold"] for row in higher.read()[TOOL]] == [K, 25]
    assert "Groups of fewer than 10 installations are withheld or merged" in text
    assert "Counts are rounded to 10 or more, up or down; groups below 10 are withheld" in text
    assert "fewer than 25" in text  # the last period, which was made with it


def test_the_newest_periods_are_shown(simulated: Store, tmp_path: Path) -> None:
    assert 3 < len(figures_of(simulated, tmp_path).read()[TOOL]) <= PERIODS


def test_a_period_that_reaches_past_the_retention_is_not_shown(
    store: Store, tmp_path: Path
) -> None:
    """The last one began 34 to 62 days before today."""
    begin = day_number(TODAY) - last_day(PERIOD - 1)
    for days, shown in ((begin - 1, 0), (begin, 1)):
        store.declare(parse(TEXT.replace("retention_days = 395", f"retention_days = {days}")))
        store.retain(TOOL, (day_number(TODAY) - days) * DAY_MS)
        (tmp_path / "public.json").unlink(missing_ok=True)
        figures = figures_of(store, tmp_path)
        assert len(figures.read()[TOOL]) == shown
        text = Pages(site_of(store, public=figures)).text("/public")
        assert ("There is nothing to show of stratus yet." in text) == (not shown)


def test_what_was_shown_stays_when_its_events_are_forgotten(store: Store, tmp_path: Path) -> None:
    before = figures_of(store, tmp_path).read()
    store.declare(parse(TEXT.replace("retention_days = 395", "retention_days = 1")))
    store.retain(TOOL, day_number(TODAY) * DAY_MS)
    assert figures_of(store, tmp_path).read() == before


@pytest.mark.parametrize("content", ["", "{", "nothing"])
def test_a_damaged_file_is_not_computed_over_and_tells_strangers_nothing(
    store: Store, tmp_path: Path, content: str
) -> None:
    (tmp_path / "public.json").write_text(content)
    figures = figures_of(store, tmp_path)
    with pytest.raises(StoreError, match="move it away"):
        figures.read()
    answer = Pages(site_of(store, public=figures)).get("/public")
    assert answer.status == 503
    assert str(tmp_path) not in answer.body.decode()
    assert (tmp_path / "public.json").read_text() == content


def test_the_page_says_how_it_counts(store: Store, tmp_path: Path) -> None:
    pages = Pages(site_of(store, public=figures_of(store, tmp_path)))
    text = pages.text("/public")
    assert "Groups of fewer than 10 installations are withheld or merged" in text
    assert "Counts only installations that said Yes." in text
    assert "fewer than 10" in text
    html = pages.get("/public").body.decode()
    assert "/figures/" not in html
    assert "/logout" not in html
