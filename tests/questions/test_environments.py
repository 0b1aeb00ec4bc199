def used(who, application, environment, day=5):
    row = {"who": who, "day": day}
    if application:
        row["application.name"] = f"{application:0>64}"
    if environment:
        row["application.env"] = f"{environment:0>64}"
    return row


def test_a_hand_computed_month(world):
    world.add(
        used("ann", "a", "production"),
        used("ann", "a", "test"),
        used("ann", "a", "test", 6),
        used("ann", "b", "test"),
        used("ann", None, "staging"),
        used("ann", "c", None),
        used("bob", "a", "production"),
        used("old", "a", "production", 1),
    )

    answer = world.ask("environments", 29)

    assert answer == {
        "per_application": {
            "mean": 4 / 3,
            "median": 1.0,
            "p90": 1.8,
            "distribution": {"1": 2, "2": 1},
        },
        "per_installation": {
            "mean": 2.0,
            "median": 2.0,
            "p90": 2.8,
            "distribution": {"1": 1, "3": 1},
        },
    }
