from tests.questions.conftest import day_text


def test_each_figure_counts_who_it_says(world):
    as_of = 100
    world.add(
        {"who": "today", "day": 100},
        {"who": "week", "day": 94},
        {"who": "month", "day": 73},
        {"who": "gone", "day": 72},
        {"who": "long gone", "day": 44},
        {"who": "regular", "day": 20},
        *({"who": "regular", "day": day} for day in (73, 80, 93, 95)),
        *({"who": "thrice", "day": day} for day in (78, 79, 79, 93)),
        {"who": "tomorrow", "day": 101},
    )

    answer = world.ask("active", as_of)

    assert {name: value for name, value in answer.items() if name != "series"} == {
        "as_of": day_text(100),
        "daily": 1,  # today
        "weekly": 3,  # and week, regular
        "monthly": 5,  # and month, thrice
        "regular": 1,
        "new": 4,  # all of monthly but regular
        "returning": 1,
        "lost": 1,  # gone; long gone is 57 days back
    }


def test_the_series_starts_at_the_first_event_and_each_row_is_that_days_answer(world):
    world.add(*({"who": who, "day": day * who % 50 + 3} for who in (1, 3, 7) for day in range(9)))

    series = world.ask("active", 60)["series"]

    assert [row["day"] for row in series] == [day_text(day) for day in range(3, 61)]
    for day in (3, 10, 31, 59, 60):
        answer = world.ask("active", day)
        assert series[day - 3] == {
            "day": day_text(day),
            **{name: answer[name] for name in ("daily", "weekly", "monthly")},
        }


def test_the_series_has_400_rows_at_the_most_and_looks_further_back_for_its_first(world):
    world.add({"who": "old", "day": 90}, {"who": "late", "day": 510})

    series = world.ask("active", 510)["series"]

    assert len(series) == 400
    assert series[0] == {"day": day_text(111), "daily": 0, "weekly": 0, "monthly": 1}
    assert series[-1] == {"day": day_text(510), "daily": 1, "weekly": 1, "monthly": 1}
    assert series[7]["monthly"] == 0  # day 118: 28 days after day 90
    assert series[6]["monthly"] == 1


def test_a_day_begins_at_midnight_utc(world):
    world.add({"day": 5, "ms": 0}, {"who": "bob", "day": 5, "ms": 86_400_000 - 1})

    assert world.ask("active", 4)["daily"] == 0
    assert world.ask("active", 5)["daily"] == 2
    assert world.ask("active", 6)["daily"] == 0


def test_other_tools_do_not_count(world):
    world.add({"day": 5}, tool="other")
    world.add({"day": 5})

    assert world.ask("active", 5)["daily"] == 1
