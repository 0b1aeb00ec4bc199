from askfirst.simulation import compare

TRUE = {
    "active": {"daily": 3, "series": [{"day": "2026-11-24", "daily": 3}]},
    "updates": {"versions": [{"version": "1.1.0", "median_days": 2.5, "high_days": None}]},
    "applications": {"distribution": {"1": 4}},
}


def test_equal_answers_have_no_differences():
    assert compare(TRUE, TRUE) == []


def test_an_answer_may_say_more_than_the_truth():
    versions = [{"version": "1.1.0", "median_days": 2.5, "high_days": None, "curve": []}]

    assert compare({**TRUE, "updates": {"versions": versions}, "more": 1}, TRUE) == []


def test_rounding_is_no_difference():
    versions = [{"version": "1.1.0", "median_days": 2.5 + 1e-12, "high_days": None}]

    assert compare({**TRUE, "updates": {"versions": versions}}, TRUE) == []


def test_a_difference_is_named_by_its_place():
    versions = [{"version": "1.1.0", "median_days": 3, "high_days": 9.0}]

    assert compare({**TRUE, "updates": {"versions": versions}}, TRUE) == [
        "updates.versions[1.1.0].median_days: 3, in truth 2.5",
        "updates.versions[1.1.0].high_days: 9.0, in truth None",
    ]


def test_missing_answers_rows_and_counts_are_differences():
    answers = {
        "active": {"daily": 3, "series": []},
        "applications": {"distribution": {"1": 4, "2": 1}},
    }

    assert compare(answers, TRUE) == [
        "active.series[2026-11-24]: nothing, in truth {'day': '2026-11-24', 'daily': 3}",
        "updates: nothing, in truth " + str(TRUE["updates"]),
        "applications.distribution.2: 1, in truth nothing",
    ]


def test_rows_are_held_against_the_row_about_the_same():
    rows = [{"version": "1.1.0", "updated": 1}, {"version": "1.2.0", "updated": 2}]
    extra = {"version": "1.3.0", "updated": 0}

    assert compare({"versions": [extra, *rows[::-1]]}, {"versions": rows}) == [
        "versions[1.3.0]: in truth no such row",
        "versions: in the order ['1.2.0', '1.1.0'], in truth ['1.1.0', '1.2.0']",
    ]
