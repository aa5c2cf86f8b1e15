"""The directions of a run: what each wants, and how the command line names several."""

from __future__ import annotations

from benchmarks.arguments import directions
from benchmarks.problems.directions import DIRECTIONS, MARKS, WORK, needs


def test_each_direction_wants_its_gradients() -> None:
    assert needs("input-grad") == (True, False, False)
    assert needs("weight-grad") == (False, True, False)
    assert needs("step") == (True, True, True)


def test_a_step_costs_as_much_as_its_two_gradients() -> None:
    assert WORK["step"] == WORK["input-grad"] + WORK["weight-grad"] == 2 * WORK["forward"]


def test_marks_tell_the_directions_apart() -> None:
    assert len({MARKS[direction] for direction in DIRECTIONS}) == len(DIRECTIONS)


def test_several_directions_keep_their_order() -> None:
    assert directions("step, forward") == ("forward", "step")
    assert directions("all") == DIRECTIONS
