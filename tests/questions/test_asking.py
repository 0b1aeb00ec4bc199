from datetime import date, datetime, timedelta, timezone

import pytest

from askfirst import questions
from tests.questions.conftest import day_text, the_day
from tests.stores.making import TOOL


def test_the_default_day_is_yesterday_utc():
    before = datetime.now(timezone.utc).date()
    day = questions.default_day()
    assert day in {before - timedelta(days=1), before}


def test_a_question_nobody_knows_is_an_error(world):
    with pytest.raises(questions.UnknownQuestionError, match="active, updates"):
        world.ask("nothing", 1)


@pytest.mark.parametrize("tool", [TOOL, "unknown"])
def test_without_events_every_answer_is_empty(world, tool):
    answers = {name: world.ask(name, 5, tool) for name in questions.NAMES}
    no_distribution = {"mean": None, "median": None, "p90": None, "distribution": {}}
    names = ("daily", "weekly", "monthly", "regular", "new", "returning", "lost")

    assert answers == {
        "active": {"as_of": day_text(5), **dict.fromkeys(names, 0), "series": []},
        "updates": {"versions": []},
        "applications": {"installations": 0, **no_distribution, "side_by_side": 0},
        "environments": {"per_application": no_distribution, "per_installation": no_distribution},
        "commands": {"commands": []},
        "retention": {"cohorts": []},
        "quality": {
            "stored": 0,
            "duplicate": 0,
            "dropped": {},
            "removed": {},
            "late": 0,
            "clock_skewed": 0,
            "days": [],
        },
    }
    assert world.ask("overview", 5, tool)["updates"] is None


def test_the_overview_has_the_figures_of_four_questions(world):
    world.declare(**{"1.0.0": 0, "2.0.0": 10, "3.0.0": 20})
    world.add({"day": 5}, {"day": 15, "version": "2.0.0"}, {"day": 25, "version": "2.0.0"})

    overview = questions.overview(world.store, TOOL, the_day(30))

    assert overview == world.ask("overview", 30)
    assert list(overview) == ["as_of", "active", "updates", "applications", "environments"]
    assert overview["as_of"] == day_text(30)
    active = world.ask("active", 30)
    del active["series"]
    assert overview["active"] == active
    assert overview["updates"]["version"] == "2.0.0"  # 3.0.0 has no median yet
    assert "curve" not in overview["updates"]
    assert overview["applications"] == world.ask("applications", 30)
    assert overview["environments"] == world.ask("environments", 30)


def test_a_day_long_ago_is_answered_too(world):
    world.add({})

    for name in ("overview", *questions.NAMES):
        questions.ask(world.store, name, TOOL, date(1971, 1, 1))
