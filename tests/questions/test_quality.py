from tests.questions.conftest import day_text
from tests.stores.making import DAY, TOOL, events


def test_counts_by_reason_and_by_day_of_arrival(world):
    made = events({"id": 1, "day": 1})
    counts = {
        (TOOL, DAY + 1, "dropped:too-old"): 2,
        (TOOL, DAY + 3, "dropped:too-old"): 1,
        (TOOL, DAY + 3, "dropped:unknown-command"): 4,
        (TOOL, DAY + 3, "removed:application.env"): 5,
        (TOOL, DAY + 3, "late"): 6,
        (TOOL, DAY + 3, "clock-skewed"): 7,
        (TOOL, DAY + 4, "late"): 8,
    }
    world.store.load([made], counts)
    world.store.load([made], {})

    answer = world.ask("quality", 3)

    nothing = {"duplicate": 0, "removed": {}, "late": 0, "clock_skewed": 0}
    first = {**nothing, "stored": 1, "duplicate": 1, "dropped": {"too-old": 2}}
    second = {
        "stored": 0,
        "duplicate": 0,
        "dropped": {"too-old": 1, "unknown-command": 4},
        "removed": {"application.env": 5},
        "late": 6,
        "clock_skewed": 7,
    }
    assert answer == {
        **second,
        "stored": 1,
        "duplicate": 1,
        "dropped": {"too-old": 3, "unknown-command": 4},
        "days": [{"day": day_text(1), **first}, {"day": day_text(3), **second}],
    }
