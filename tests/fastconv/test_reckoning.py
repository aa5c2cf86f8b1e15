"""Whom auto takes: laws of the model's last word, and where the rules have it instead."""

import math
from dataclasses import replace

import pytest

import fastconv
from fastconv import isa, planning, reckoning, tuning
from fastconv.algorithms.compiled import vector_bytes, vector_values
from fastconv.algorithms.implementation import Plan, Request
from fastconv.problem import Piece
from tests.large_problems import random_problem
from tests.walking import in_one_test

DIRECTIONS = ("forward", "input-grad", "weight-grad")

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")


def _problem(x_shape, weight_shape, **options):
    return fastconv.ConvProblem.create(x_shape, weight_shape, **options)


# Sizes as networks have them, at which rules and model are each asked.
PROBLEMS = {
    "3x3": _problem((1, 64, 56, 56), (64, 64, 3, 3), padding=1),
    "3x3 of few channels": _problem((1, 3, 28, 28), (256, 3, 3, 3), padding=1),
    "5x5 at 7x7": _problem((1, 64, 7, 7), (32, 64, 5, 5), padding=2),
    "1x1": _problem((2, 32, 28, 28), (64, 32, 1, 1)),
    "1x1 by itself": _problem((1, 16, 224, 224), (16, 1, 1, 1), groups=16),
    "1x7 by itself": _problem((1, 32, 56, 56), (32, 1, 1, 7), padding=(0, 3), groups=32),
    "stride 2": _problem((1, 32, 28, 28), (16, 32, 3, 3), padding=1, stride=2),
    "one filter": _problem((1, 64, 56, 56), (1, 64, 1, 1)),
}


@pytest.fixture
def measured(monkeypatch):
    """Whatever vectors this instruction set has: as if the model had been measured on them."""
    monkeypatch.setattr(tuning, "RECKONED_VECTOR_BYTES", (16, 32, 64))


def _leaves(plan):
    return [leaf for piece in plan.pieces for leaf in _leaves(piece)] or [plan]


def _names(plan):
    return [leaf.implementation.name for leaf in _leaves(plan)]


def _mean_seconds(implementation, direction, problem):
    """Return what is compared: of one image and of eight, or None of who does not contend."""
    times = []
    for images in (1, 8) if direction != "weight-grad" else (problem.batch,):
        piece = Piece(replace(problem, batch=images))
        plan = planning.answer_of(implementation, Request(direction, piece, 1, contending=True))
        if not isinstance(plan, Plan) or plan.threads is None:
            return None
        times.append(reckoning.seconds(plan))
    return math.prod(times) ** (1 / len(times)) / implementation.gain


@in_one_test
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_nobody_who_contends_is_reckoned_to_be_ahead_by_more_than_it_takes(
    name, direction, measured
):
    problem = PROBLEMS[name]
    chosen = planning.plan(direction, problem, "auto", 1).implementation
    taken = _mean_seconds(chosen, direction, problem)
    for implementation in planning.IMPLEMENTATIONS[direction]:
        others = _mean_seconds(implementation, direction, problem)
        if others is not None:
            assert others >= tuning.RECKONED_GAIN[vector_bytes()] * taken * (1 - 1e-9), (
                implementation
            )


@in_one_test
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_rules_have_their_say_where_nothing_was_measured(name, direction, monkeypatch):
    monkeypatch.setattr(tuning, "RECKONED_VECTOR_BYTES", ())
    request = Request(direction, Piece(PROBLEMS[name]), 2)
    first = next(
        answer
        for one in planning.IMPLEMENTATIONS[direction]
        if isinstance(answer := planning.answer_of(one, request), Plan)
    )
    assert planning.choose(request).implementation is first.implementation


def test_both_are_needed():
    """Of the problems above each has some: else half of these laws would say nothing."""
    model = {(name, d): _names(planning.plan(d, PROBLEMS[name], "auto", 1))
             for name in PROBLEMS for d in DIRECTIONS}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "RECKONED_VECTOR_BYTES", ())
        rules = {(name, d): _names(planning.plan(d, PROBLEMS[name], "auto", 1))
                 for name in PROBLEMS for d in DIRECTIONS}  # fmt: skip
    same = sum(model[one] == rules[one] for one in model)
    assert same > 0
    if vector_values(PROBLEMS["3x3"]) * 4 in tuning.RECKONED_VECTOR_BYTES:
        assert same < len(model)


@in_one_test
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_neither_threads_nor_batch_nor_this_machine_decide(direction, measured, monkeypatch):
    for problem in (*PROBLEMS.values(), *(random_problem(seed) for seed in range(30_000, 30_060))):
        batches = (problem.batch,) if direction == "weight-grad" else (1, 2, 5)
        found = {
            tuple(_names(planning.plan(direction, replace(problem, batch=batch), "auto", threads)))
            for batch in batches
            for threads in (1, 2, 16)
        }
        assert len(found) == 1, (problem, found)


@pytest.mark.parametrize(
    ("options", "is_reckoned"),
    [
        ({}, True),
        ({"dilation": 2, "padding": 2}, False),
        ({"x_shape": (1, 4, 300, 20)}, False),
        ({"x_shape": (1, 4, 20, 300)}, False),
        ({"weight_shape": (4, 4, 9, 1)}, False),
        ({"weight_shape": (4, 4, 7, 7)}, True),
    ],
)
def test_the_model_is_asked_about_what_it_was_measured_on(options, is_reckoned, measured):
    arguments = {"x_shape": (1, 4, 28, 28), "weight_shape": (4, 4, 3, 3), **options}
    assert reckoning.is_reckoned(_problem(**arguments)) is is_reckoned


@in_one_test
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_explain_says_how_much_longer_others_are_reckoned_to_take(name, direction, measured):
    problem = PROBLEMS[name]
    level = fastconv.get_accuracy()
    chosen = planning.plan(direction, problem, "auto", 1)
    reasons = planning.refusals(direction, problem, "auto", 1, level, chosen)
    for family, reason in reasons.items():
        plan = planning.ask(direction, problem, family, 1)
        if not isinstance(plan, Plan):
            assert "reckoned" not in reason
        elif plan.implementation.contends:
            times = reckoning.seconds(plan) / reckoning.seconds(chosen)
            assert f"reckoned to take {times:.3g} times as long as '{chosen.family}'" in reason
            assert ("BLAS" in reason) == (times < 1 and family == "im2col")
            assert ("too close" in reason) == (times < 1 and family != "im2col")
        else:
            assert "a rung of the study" in reason


@pytest.fixture
def made_up(monkeypatch):
    """Who is the fastest by times that are made up, of one image and of eight."""
    names = ("gemm_filters", "gemm_pixels", "winograd_4x3", "im2col")
    by_name = {one.name: one for one in planning.IMPLEMENTATIONS["forward"]}
    implementations = [by_name[name] for name in names]

    def fastest(by_rules, **times):
        def seconds(plan):
            return times[plan.implementation.name][plan.piece.problem.batch == 8]

        monkeypatch.setattr(reckoning, "seconds", seconds)
        request = Request("forward", Piece(PROBLEMS["3x3"]), 1)
        alone = {
            one: planning.answer_of(one, request._replace(contending=True))
            for one in implementations
            if one.name in times
        }
        return reckoning.fastest(request, by_name[by_rules], planning.answer_of, alone).name

    monkeypatch.setitem(tuning.RECKONED_GAIN, vector_bytes(), 0.96)
    return fastest


def test_the_rules_choice_stays_where_it_is_about_as_fast(made_up):
    assert made_up("gemm_pixels", gemm_filters=(0.97, 7.8), gemm_pixels=(1, 8)) == "gemm_pixels"
    assert made_up("gemm_pixels", gemm_filters=(0.95, 7.6), gemm_pixels=(1, 8)) == "gemm_filters"


def test_less_accurate_sums_have_to_be_ahead_by_more(made_up):
    assert made_up("gemm_filters", gemm_filters=(1, 8), winograd_4x3=(0.92, 7.4)) == "gemm_filters"
    assert made_up("gemm_filters", gemm_filters=(1, 8), winograd_4x3=(0.9, 7.2)) == "winograd_4x3"


def test_one_image_and_several_are_weighed_against_each_other(made_up):
    times = {"gemm_filters": (1.0, 8.0), "winograd_4x3": (1.5, 4.0)}
    assert made_up("gemm_filters", **times) == "winograd_4x3"
    times["winograd_4x3"] = (3.0, 4.0)
    assert made_up("gemm_filters", **times) == "gemm_filters"


def test_nobody_on_the_blas_is_taken(made_up):
    assert made_up("gemm_filters", gemm_filters=(1, 8), im2col=(0.1, 0.8)) == "gemm_filters"
    assert made_up("gemm_filters", im2col=(0.1, 0.8)) == "gemm_filters"


def test_of_whom_the_model_cannot_tell_the_rules_do(made_up):
    assert made_up("gemm_filters", gemm_pixels=(0.1, 0.8)) == "gemm_filters"


def test_who_is_far_behind_with_one_image_is_not_asked_about_more(made_up):
    times = {"gemm_filters": (4, 0.01), "gemm_pixels": (1, 8)}
    assert made_up("gemm_filters", **times) == "gemm_pixels"
