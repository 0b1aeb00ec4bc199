def test_a_hand_computed_month(world):
    world.declare()
    world.add(
        *({"who": "ann", "day": day, "command": "stop"} for day in (2, 3)),
        {"who": "ann", "day": 4, "version": "1.10.0"},
        {"who": "ann", "day": 29, "version": "1.9.0"},
        {"who": "bob", "day": 4, "version": "1.9.0"},
        {"who": "bob", "day": 5, "version": "1.9.0"},
        {"who": "bob", "day": 1, "version": "1.0.0"},
    )

    [start, stop] = world.ask("commands", 29)["commands"]

    assert start == {
        "command": "start",
        "events": 4,
        "installations": 2,
        "regular": 1,  # ann; bob was active on two of the 28 days
        "version": {
            "1.9.0": {"events": 3, "installations": 2},
            "1.10.0": {"events": 1, "installations": 1},
        },
    }
    assert list(start["version"]) == ["1.9.0", "1.10.0"]
    assert stop == {
        "command": "stop",
        "events": 2,
        "installations": 1,
        "regular": 1,
        "version": {"1.0.0": {"events": 2, "installations": 1}},
    }


def test_a_declared_command_that_nobody_used_has_zeros(world):
    world.declare()

    rows = world.ask("commands", 5)["commands"]

    unused = {"events": 0, "installations": 0, "regular": 0, "version": {}}
    assert rows == [{"command": "start", **unused}, {"command": "stop", **unused}]
