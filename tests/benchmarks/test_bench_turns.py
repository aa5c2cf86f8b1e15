"""The order in which those who are compared take their turns."""

from __future__ import annotations

from benchmarks.measuring.turns import in_turn

RUNNING = ("im2col", "auto", "plan", "control")


def test_everyone_has_one_turn_in_a_round():
    assert all(sorted(in_turn(RUNNING, round_)) == sorted(RUNNING) for round_ in range(20))
    assert in_turn((), 0) == []


def test_nobody_comes_after_the_same_one_in_every_round():
    rounds = [in_turn(RUNNING, round_) for round_ in range(8)]
    for one in RUNNING:
        before = {order[order.index(one) - 1] for order in rounds if order.index(one)}
        assert len(before) > 1, f"{one} always comes after {before}"


def test_a_run_that_is_repeated_has_the_same_order():
    assert in_turn(RUNNING, 3) == in_turn(RUNNING, 3)
