from __future__ import annotations

import threading

import pytest

from askfirst.stores.duckdb.gate import Gate


def test_who_closes_the_gate_waits_for_those_inside_and_others_wait_for_it():
    gate = Gate()
    order = []
    asked = threading.Event()

    def close():
        asked.set()
        with gate.closed():
            order.append("closed")
            order.append("opened")

    def enter():
        with gate.passing():
            order.append("second")

    with gate.passing():
        closing = threading.Thread(target=close)
        closing.start()
        assert asked.wait(30)
        with gate._changed:
            assert gate._changed.wait_for(lambda: gate._closed or not closing.is_alive(), 30)
        entering = threading.Thread(target=enter)
        entering.start()
        order.append("first")
    closing.join(30)
    entering.join(30)

    assert order == ["first", "closed", "opened", "second"]


def test_a_failure_leaves_the_gate_open():
    gate = Gate()
    for way in (gate.passing, gate.closed):
        with pytest.raises(KeyError), way():
            raise KeyError
    with gate.closed():
        pass
