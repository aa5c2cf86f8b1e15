"""Padding contributes nothing, whatever the weights and gradients are: 0·∞ would be NaN.

Every implementation in every direction against sums by taps, which do not touch the padding, nor do
the reference's, that they are compared with: the same NaNs and infinities at the same places, and
what is finite as exact as the algorithm is.
"""

from dataclasses import replace
from functools import cache
from unittest import mock

import numpy as np
import pytest

import fastconv
import reference
from fastconv import isa, mending
from tests import by_taps
from tests.comparing import assert_equal
from tests.laws import on_each_able_backend
from tests.support import (
    DTYPES,
    Case,
    Operands,
    case_id,
    families,
    integer_operands,
    is_able,
    poisoned_allocations,
    tuned,
    without_activation,
)
from tests.walking import in_one_test

SPECIAL = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}

CASES = [
    Case("same_3x3", (2, 3, 9, 10), (4, 3, 3, 3), {"padding": 1}),
    Case("no_padding", (2, 3, 9, 10), (4, 3, 3, 3)),
    Case("asymmetric", (2, 2, 7, 8), (3, 2, 3, 4), {"padding": ((0, 2), (3, 1))}),
    Case("beyond_the_kernel", (1, 2, 4, 5), (3, 2, 3, 2), {"padding": (5, 6)}),
    Case("stride_2", (2, 3, 11, 12), (4, 3, 3, 3), {"stride": 2, "padding": 1}),
    Case("unequal_strides", (1, 2, 9, 13), (3, 2, 3, 5), {"stride": (1, 3), "padding": (2, 1)}),
    Case("dilation", (2, 2, 9, 10), (3, 2, 3, 3), {"dilation": (2, 3), "padding": (2, 4)}),
    Case("mostly_padding", (1, 2, 5, 6), (3, 2, 3, 3), {"dilation": 9, "padding": 9}),
    Case("stride_and_dilation", (1, 3, 12, 13), (2, 3, 3, 3),
         {"stride": (2, 3), "dilation": (3, 2), "padding": 3}),
    Case("patches", (1, 2, 16, 16), (3, 2, 4, 4), {"stride": 4, "padding": 2}),
    Case("pointwise", (2, 3, 5, 6), (4, 3, 1, 1), {"padding": 1}),
    Case("pointwise_strided", (2, 3, 5, 6), (4, 3, 1, 1), {"stride": 2}),
    Case("groups", (2, 4, 6, 7), (6, 2, 3, 3), {"groups": 2, "padding": 1}),
    Case("depthwise", (2, 8, 10, 21), (8, 1, 3, 3), {"groups": 8, "padding": 1}),
    Case("depthwise_stride_2", (1, 8, 12, 37), (8, 1, 5, 5),
         {"groups": 8, "padding": 2, "stride": 2}),
    Case("depthwise_large", (1, 2, 12, 40), (2, 1, 7, 9), {"groups": 2, "padding": (3, 4)}),
    Case("row", (1, 3, 2, 40), (4, 3, 1, 7), {"padding": (0, 3)}),
    Case("no_bias_relu", (2, 3, 9, 10), (4, 3, 3, 3), {"padding": 1, "activation": "relu"},
         bias=False),
    Case("sigmoid", (1, 3, 9, 10), (4, 3, 3, 3), {"padding": 1, "activation": "sigmoid"}),
    Case("tanh", (1, 3, 9, 10), (4, 3, 3, 3), {"padding": 2, "activation": "tanh"}),
    Case("reflect", (1, 2, 6, 7), (3, 2, 3, 3), {"padding": 2, "padding_mode": "reflect"}),
]  # fmt: skip
LINEAR_CASES = [case for case in CASES if "activation" not in case.options]


def corners(array):
    """Yield the first, the last and a middle place."""
    for number in (0, array.size // 2, array.size - 1):
        yield np.unravel_index(number, array.shape)


def assert_same(actual, expected, backend, name):
    __tracebackhide__ = True
    broken = ~np.isfinite(expected)
    if backend.accuracy.exact_on_integers and not (expected[~broken] % 1).any():
        assert_equal(actual, expected, name)
        return
    assert_equal(actual[broken], expected[broken], f"{name}, where not finite")
    np.testing.assert_allclose(actual[~broken], expected[~broken], rtol=1e-3, atol=1e-2)


@cache
def spoilt(case, result, which, name, at, by=by_taps):
    """Return operands in float64 of which one has a special value in a place, and what it makes.

    The `result` is "y", or the gradient of "x" or "weight". In float64 for all dtypes: what is
    finite are sums of integers, which each of them holds, and activations, rounded once.
    """
    data = integer_operands(case, "float64")
    array = getattr(data, which).copy()
    array[at] = SPECIAL[name]
    data = replace(data, **{which: array})
    with np.errstate(all="ignore"):
        if result == "y":
            return data, by.conv2d(data.x, data.weight, data.bias, **case.options)
        grads = by.conv2d_backward(
            data.grad_output, data.x, data.weight,
            needs=(result == "x", result == "weight", False), **case.options,
        )  # fmt: skip
    return data, getattr(grads, result)


def places(case, which):
    """Yield each value and a corner of an operand that is another one in the next case."""
    found = [*corners(getattr(integer_operands(case, "float64"), which))]
    turn = CASES.index(case)
    return [(name, found[(turn + number) % 3]) for number, name in enumerate(SPECIAL)]


@in_one_test
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_what_the_taps_make_of_it_is_what_the_reference_makes(case):
    gradients = [("x", "weight"), ("weight", "x"), ("weight", "grad_output")]
    for result, which in [("y", "weight"), *(gradients if case in LINEAR_CASES else [])]:
        for name, at in places(case, which):
            _, found = spoilt(case, result, which, name, at)
            _, truth = spoilt(case, result, which, name, at, reference)
            assert_equal(found, truth, f"{result} with {name} in {which} at {at}")


def spoilt_in(case, dtype, result, *operands):
    """Yield what `spoilt` does for every value in some operands, in a dtype."""
    for which in operands:
        for name, at in places(case, which):
            data, truth = spoilt(case, result, which, name, at)
            arrays = (None if a is None else a.astype(dtype) for a in vars(data).values())
            yield Operands(*arrays), truth.astype(dtype), f"with {name} in {which} at {at}"


@on_each_able_backend(CASES, in_turn=0)
def test_weights_that_are_not_finite_do_not_meet_padding(case, backend, dtype):
    options = {**case.options, "backend": backend.name}
    for data, expected, what in spoilt_in(case, dtype, "y", "weight"):
        y = fastconv.conv2d(data.x, data.weight, data.bias, **options)
        assert_same(y, expected, backend, f"y {what}")
        plan = fastconv.plan_conv2d(data.weight, data.bias, **options)
        assert_same(plan(data.x), expected, backend, f"y of a plan {what}")


@on_each_able_backend(LINEAR_CASES, "input-grad", in_turn=1)
def test_nor_do_they_on_the_way_back(case, backend, dtype):
    options = {**case.options, "needs": (True, False, False), "backend": backend.name}
    for data, expected, what in spoilt_in(case, dtype, "x", "weight"):
        grads = fastconv.conv2d_backward(data.grad_output, data.x, data.weight, **options)
        assert_same(grads.x, expected, backend, f"dx {what}")


@on_each_able_backend(LINEAR_CASES, "weight-grad", in_turn=0)
def test_nor_do_pixels_and_gradients(case, backend, dtype):
    options = {**case.options, "needs": (False, True, False), "backend": backend.name}
    for data, expected, what in spoilt_in(case, dtype, "weight", "x", "grad_output"):
        with poisoned_allocations():
            grads = fastconv.conv2d_backward(data.grad_output, data.x, data.weight, **options)
        assert_same(grads.weight, expected, backend, f"dw {what}")


def test_a_transposed_convolution_has_its_bias_too():
    x, weight = np.ones((2, 3, 5, 6), np.float32), np.ones((3, 4, 3, 3), np.float32)
    weight[1, 2, 0, 0] = np.inf
    bias = np.arange(4.0, dtype=np.float32)
    task = Case("", (2, 4, 9, 11), (3, 4, 3, 3), {"stride": 2, "padding": 1}).task
    expected = reference.conv_transpose2d(x, weight, bias, stride=2, padding=1)
    for backend in families():
        if is_able(backend, task, "input-grad"):
            y = fastconv.conv_transpose2d(
                x, weight, bias, stride=2, padding=1, backend=backend.name
            )
            assert_equal(y, expected.astype(np.float32), backend.name)


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_mended_depends_on_neither_batch_nor_threads(dtype):
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(s).astype(dtype) for s in ((4, 20, 30, 31), (24, 20, 3, 3)))
    weight[::3, 7, 0, 2] = np.inf
    whole = fastconv.conv2d(x, weight, padding=1)
    assert np.isfinite(whole[:, 0, 0]).all()
    assert np.isfinite(whole[:, 0, :, -1]).all()
    for threads in (1, 2):
        with fastconv.num_threads(threads), tuned(FLOPS_WORTH_A_THREAD=1):
            assert_equal(fastconv.conv2d(x, weight, padding=1), whole)
            assert_equal(fastconv.conv2d(x[2:3], weight, padding=1), whole[2:3])


def test_pixels_alone_give_nothing_to_mend(monkeypatch):
    """An image full of NaN is not computed twice, if its weights are finite."""

    def fail(*args):
        raise AssertionError("computed again")

    monkeypatch.setattr(mending.loops, "compute_units", fail)
    monkeypatch.setattr(mending.definition, "compute_units", fail)
    x, weight = np.full((2, 3, 9, 10), np.nan, np.float32), np.ones((4, 3, 3, 3), np.float32)
    assert np.isnan(fastconv.conv2d(x, weight, padding=1, backend="im2col")).all()
    many = np.ones((400, 3, 3, 3), np.float32)  # more than the border: that is looked at first
    assert np.isnan(fastconv.conv2d(x[:1, :, :3, :3], many, padding=1, backend="im2col")).all()


def test_the_definition_in_numpy_is_what_the_loops_compute(monkeypatch):
    """It takes their place where nothing is compiled: every case, im2col forced."""
    monkeypatch.setattr(isa, "kernels", None)
    with tuned():
        for case in CASES:
            data = integer_operands(case, "float64")
            weight, grad = data.weight.copy(), data.grad_output.copy()
            weight.flat[0], grad.flat[-1] = np.inf, np.nan
            options = without_activation(case)
            with np.errstate(all="ignore"):
                y = reference.conv2d(data.x, weight, data.bias, **case.options)
                grads = reference.conv2d_backward(grad, data.x, weight, **options)
            actual = fastconv.conv2d(data.x, weight, data.bias, **case.options)
            np.testing.assert_allclose(actual, y, err_msg=case.name)
            found = fastconv.conv2d_backward(grad, data.x, weight, **options)
            assert_equal(found.x, grads.x, f"dx of {case.name}")
            assert_equal(found.weight, grads.weight, f"dw of {case.name}")


def test_a_nan_that_meets_pixels_is_not_computed_again():
    """All of them, as a network has that has diverged: its calls take no longer than others."""
    rng = np.random.default_rng(7)
    x, w = rng.standard_normal((2, 6, 9, 11)), rng.standard_normal((8, 3, 3, 5))
    options = {"groups": 2, "padding": (2, 3), "stride": (1, 2), "accuracy": "strict"}
    grad = rng.standard_normal(fastconv.conv2d(x, w, **options).shape)

    def compute(factors, **given):
        a, b, c = (one * factor for one, factor in zip((x, w, grad), factors, strict=True))
        y = fastconv.conv2d(a, b, **options, **given)
        grads = fastconv.conv2d_backward(c, a, b, **options, **given)
        return y, grads.x, grads.weight

    for place in range(3):
        factors = [np.nan if place == other else 1.0 for other in range(3)]
        wanted = compute(factors, backend="im2col" if isa.kernels is None else "loops")
        with mock.patch("fastconv.mending.Mender._compute") as again:
            found = compute(factors)
        assert not again.called
        for one, two in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(np.isnan(one), np.isnan(two))
