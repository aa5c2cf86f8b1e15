"""Whom auto takes: laws of the model's last word, and where the rules have it instead."""

from dataclasses import replace

import pytest

import fastconv
from fastconv import isa, planning, reckoning, tuning
from fastconv.algorithms.compiled import vector_values
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


def _contenders(request):
    asked = replace(request, contending=True)
    answers = [planning.answer_of(one, asked) for one in planning.IMPLEMENTATIONS[asked.operation]]
    return [answer for answer in answers if isinstance(answer, Plan) and answer.threads is not None]


@in_one_test
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_nobody_who_contends_is_reckoned_to_be_ahead_by_more_than_it_takes(
    name, direction, measured
):
    request = Request(direction, Piece(replace(PROBLEMS[name], batch=1)), 1)
    chosen = planning.choose(request)
    for plan in _contenders(request):
        ahead = reckoning.seconds(plan) / plan.implementation.gain
        taken = reckoning.seconds(chosen) / chosen.implementation.gain
        assert ahead >= tuning.RECKONED_GAIN * taken * (1 - 1e-9), plan.implementation


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


def test_who_is_named_needs_no_plan_of_another_and_the_blas_has_none(measured):
    request = Request("forward", Piece(PROBLEMS["one filter"]), 1)
    by_rules = planning.choose(request)
    blas = planning.plan("forward", PROBLEMS["one filter"], "im2col", 1)
    assert reckoning.fastest(by_rules, [blas]) is by_rules.implementation
    assert reckoning.fastest(by_rules, [by_rules, blas]) is by_rules.implementation


def test_less_accurate_sums_have_to_be_ahead_by_more(measured, monkeypatch):
    plans = [
        planning.plan("forward", PROBLEMS["3x3"], name, 1) for name in ("gemm_filters", "winograd")
    ]
    direct, tiles = plans
    assert tiles.implementation.gain < direct.implementation.gain == 1
    times = {direct: 1.0, tiles: 0.94}
    monkeypatch.setattr(reckoning, "seconds", times.__getitem__)
    monkeypatch.setattr(tuning, "RECKONED_GAIN", 1.0)
    assert reckoning.fastest(direct, plans) is tiles.implementation
    times[tiles] = 0.96
    assert reckoning.fastest(direct, plans) is direct.implementation
