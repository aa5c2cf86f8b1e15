"""Problems of real size, exact on integers: what small ones cannot show.

Blocks, parts, pieces and rows longer than any cache come into play only here. Each problem has a
time limit, since the fault to look for next to a wrong sum is a call that does not return.
"""

import faulthandler
from typing import NamedTuple

import numpy as np
import pytest

import fastconv
from fastconv import planning
from tests.large_problems import computable_problem

PROBLEMS = 200
OPERATIONS = ("forward", "input-grad", "weight-grad")
SECONDS = 60  # hundreds of times what the largest takes


@pytest.fixture(autouse=True)
def _time_limit():
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def _integers(rng, shape, problem):
    """Return integers whose sums of products all fit the significand of float32."""
    return rng.integers(-2, 3, shape, dtype=np.int8).astype(problem.dtype)


def _options(problem):
    return {
        "stride": problem.stride, "padding": problem.padding, "dilation": problem.dilation,
        "groups": problem.groups,
    }  # fmt: skip


def _assert_equal(actual, expected, problem, what):
    if np.array_equal(actual, expected):
        return
    at = tuple(int(i) for i in np.argwhere(actual != expected)[0])
    raise AssertionError(
        f"{what} of {problem}: {np.sum(actual != expected)} of {actual.size} differ, "
        f"the first at {at}: {actual[at]}, not {expected[at]}"
    )


@pytest.mark.parametrize("seed", range(PROBLEMS))
def test_integers_come_out_exactly(seed):
    """All three operations by `auto`, on one thread and on two in turn, some by another backend.

    The truth is NumPy's, in float32, where such sums are exact. That it is one, whoever computes,
    the adjoint identities say, in float64.
    """
    problem = computable_problem(seed)
    assert 1e7 < problem.flops < 2e9
    rng = np.random.default_rng(seed)
    x = _integers(rng, problem.x_shape, problem)
    weight = _integers(rng, problem.weight_shape, problem)
    grad = _integers(rng, problem.output_shape, problem)
    wide = Operands(*(a.astype(np.float64) for a in (x, weight, grad)))
    narrow = Operands(*(a.astype(np.float32) for a in (x, weight, grad)))
    truth = {way: _compute(way, problem, narrow, "im2col") for way in OPERATIONS}
    product = np.vdot(truth["forward"].astype(np.float64), wide.grad)
    assert np.vdot(truth["input-grad"].astype(np.float64), wide.x) == product
    assert np.vdot(truth["weight-grad"].astype(np.float64), wide.weight) == product
    data = Operands(x, weight, grad)
    for number, way in enumerate(OPERATIONS):
        threads = 1 + (seed + number) % 2
        with fastconv.num_threads(threads):
            for backend in ("auto", *(_another(problem, seed) if seed % 3 == 0 else ())):
                what = f"{way} by {backend!r} on {threads} threads"
                _assert_equal(_compute(way, problem, data, backend), truth[way], problem, what)


class Operands(NamedTuple):
    x: np.ndarray
    weight: np.ndarray
    grad: np.ndarray


def _compute(way, problem, data, backend):
    # exact on integers; test_winograd.py has what is not
    options = {**_options(problem), "backend": backend, "accuracy": "strict"}
    if way == "forward":
        return fastconv.conv2d(data.x, data.weight, **options)
    needs = way == "input-grad", way == "weight-grad", False
    dx, dw, _ = fastconv.conv2d_backward(data.grad, data.x, data.weight, needs=needs, **options)
    return dx if way == "input-grad" else dw


def _another(problem, seed):
    """Return a compiled backend that is able to do all three, another one for every seed."""
    able = []
    for name in ("depthwise", "gemm", "gemm_pixels"):
        plans = [planning.ask(way, problem, name, 2) for way in OPERATIONS]
        if all(isinstance(plan, planning.Plan) and _work(plan) < 3e9 for plan in plans):
            able.append(name)
    return able[seed // 3 % len(able) :][:1] if able else []


def _work(plan):
    """Return the products that a plan computes: of pieces of a gradient, padding included."""
    return sum(map(_work, plan.pieces)) if plan.pieces else plan.piece.problem.flops
