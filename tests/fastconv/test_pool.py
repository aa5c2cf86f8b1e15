"""Pooling: every window, option, dtype and implementation against the reference's loops."""

import functools
import importlib
import itertools
import multiprocessing
import random
import threading
import time
from importlib.util import find_spec
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastconv
import reference
from fastconv import isa
from fastconv.algorithms import pooling
from fastconv.algorithms.pooling import POOLINGS, PoolOperation
from fastconv.pool_call import find_pool_calls
from fastconv.problem import Axis, PoolProblem
from fastconv.problem.pooling import _empty_window
from tests.comparing import assert_equal, unit_roundoff
from tests.failing_allocations import fail_at
from tests.support import (
    DTYPES,
    peak_memory,
    poisoned,
    poisoned_allocations,
    tuned,
    views_of,
)
from tests.walking import in_one_test

compiled = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")

BACKENDS = [p.name for p in POOLINGS if p.name != "loops" or isa.kernels is not None]
on_each_backend = pytest.mark.parametrize("backend", BACKENDS)
# "taps": maxima with return_taps, and their gradient by these; see test_pool_taps.py as well.
MAXIMA = ("max_pool2d", "max_pool2d_backward", "max_pool2d_taps", "max_pool2d_taps_backward")
AVERAGES = ("avg_pool2d", "avg_pool2d_backward")
OPERATIONS = (*MAXIMA, *AVERAGES)
on_each_operation = pytest.mark.parametrize("operation", OPERATIONS)


class Case(NamedTuple):
    name: str
    x_shape: tuple[int, ...]
    kernel: Any
    options: dict[str, Any] = {}  # noqa: RUF012 - never written to


CASES = (
    Case("one_pixel", (1, 1, 1, 1), 1),
    Case("one_window", (2, 3, 4, 5), (4, 5)),
    Case("single_image", (3, 6, 8), 2),
    Case("2x2", (2, 3, 8, 10), 2),
    Case("2x2_odd", (2, 3, 9, 11), 2),
    Case("2x2_ceil", (2, 3, 9, 11), 2, {"ceil_mode": True}),
    Case("2x2_long_rows", (1, 2, 6, 67), 2),
    Case("2x2_rows_of_28", (2, 3, 28, 28), 2),
    Case("2x2_rows_of_33", (1, 2, 4, 33), 2, {"ceil_mode": True}),
    Case("2x2_s1", (2, 2, 7, 19), 2, {"stride": 1}),
    Case("2x2_s2_padded", (2, 2, 7, 9), 2, {"padding": 1}),
    Case("2x2_s2_padded_unevenly", (1, 2, 7, 40), 2, {"padding": ((0, 1), (1, 0))}),
    Case("3x3_s2", (2, 2, 11, 13), 3, {"stride": 2}),
    Case("3x3_s2_p1", (2, 2, 16, 18), 3, {"stride": 2, "padding": 1}),
    Case("3x3_s2_p1_odd", (1, 2, 9, 37), 3, {"stride": 2, "padding": 1}),
    Case("3x3_s2_p1_ceil", (1, 2, 8, 36), 3, {"stride": 2, "padding": 1, "ceil_mode": True}),
    Case("3x3_s2_p1_half", (1, 2, 17, 68), 3, {"stride": 2, "padding": 1}),
    Case("3x3_s2_p2", (1, 2, 8, 35), 3, {"stride": 2, "padding": 2}),
    Case("3x3_s1_p1", (2, 3, 9, 28), 3, {"stride": 1, "padding": 1}),
    Case("3x3_s1_p1_narrow", (2, 3, 7, 7), 3, {"stride": 1, "padding": 1}),
    Case("3x3_s1_p2", (1, 2, 5, 33), 3, {"stride": 1, "padding": 2}),
    Case("3x3_s3", (2, 2, 10, 23), 3),
    Case("5x5_s1_p2", (1, 2, 9, 21), 5, {"stride": 1, "padding": 2}),
    Case("5x3_s2", (1, 2, 12, 26), (5, 3), {"stride": 2}),
    Case("7x7_s2_p3", (1, 2, 14, 20), 7, {"stride": 2, "padding": 3}),
    Case("1x3", (2, 2, 5, 20), (1, 3), {"stride": 1, "padding": (0, 1)}),
    Case("3x1", (2, 2, 9, 6), (3, 1), {"stride": 1, "padding": (1, 0)}),
    Case("1x1_s2", (2, 2, 7, 35), 1, {"stride": 2}),
    Case("stride_beyond_kernel", (1, 3, 14, 17), (2, 3), {"stride": (5, 4)}),
    Case("unequal_strides", (1, 2, 9, 20), (2, 3), {"stride": (1, 2), "padding": (1, 1)}),
    Case("stride_1_2", (1, 2, 9, 20), (3, 2), {"stride": (2, 1), "padding": (1, 1)}),
    Case("stride_4", (1, 2, 9, 41), (3, 6), {"stride": 4, "padding": (1, 3)}),
    Case("dilation_2", (2, 2, 9, 20), 3, {"stride": 1, "dilation": 2, "padding": 2}),
    Case("dilation_2_s2", (2, 2, 10, 21), (2, 3), {"stride": 2, "dilation": 2, "padding": 1}),
    Case("dilation_3_s2", (1, 2, 15, 23), 3, {"stride": 2, "dilation": 3, "padding": 3}),
    Case("unequal_dilations", (1, 2, 12, 10), 3, {"stride": 2, "dilation": (4, 1), "padding": 1}),
    Case("dilation_beyond_image", (1, 2, 4, 5), 2,
         {"stride": 1, "dilation": 6, "padding": ((3, 0), (4, 0))}),
    Case("padding_beyond_half", (2, 2, 6, 7), 4, {"stride": 1, "padding": 3}),
    Case("padding_beyond_half_of_5", (1, 2, 3, 2), 5, {"stride": 2, "padding": 4}),
    Case("asymmetric_padding", (2, 2, 6, 9), 3, {"stride": 2, "padding": ((0, 2), (2, 1))}),
    Case("asymmetric_ceil", (2, 2, 6, 9), 4,
         {"stride": 3, "padding": ((0, 3), (2, 1)), "ceil_mode": True}),
    Case("ceil_kernel_1", (1, 2, 6, 7), 1, {"stride": 2, "ceil_mode": True}),
    Case("ceil_3x3_s3_p1", (1, 2, 5, 5), 3, {"stride": 3, "padding": 1, "ceil_mode": True}),
    Case("ceil_after_much_padding", (1, 2, 3, 4), 2,
         {"stride": 1, "padding": ((0, 3), (1, 2)), "ceil_mode": True}),
    Case("ceil_kernel_beyond_image", (1, 2, 3, 2), 4, {"ceil_mode": True}),
    Case("ceil_dilated", (1, 2, 8, 13), 3, {"stride": 3, "dilation": 2, "ceil_mode": True}),
    Case("whole_plane", (2, 5, 7, 7), 7),
    Case("whole_plane_odd", (3, 4, 5, 13), (5, 13)),
    Case("nearly_the_whole_plane", (2, 3, 8, 9), (8, 8), {"stride": 1}),
    Case("narrow", (2, 3, 30, 1), (2, 1)),
    Case("low", (2, 3, 1, 70), (1, 2)),
)  # fmt: skip
on_each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def call(module, operation, case, grad, x, **more):
    """Call a function of fastconv or of the reference on a case."""
    options = {**case.options, **more}
    if "taps" in operation:
        return _call_with_taps(module, operation, case, grad, x, options)
    arrays = (grad, x) if operation.endswith("backward") else (x,)
    return getattr(module, operation)(*arrays, case.kernel, **options)


def _call_with_taps(module, operation, case, grad, x, options):
    if not operation.endswith("backward"):
        return module.max_pool2d(x, case.kernel, **options, return_taps=True)[0]
    forward = {name: value for name, value in options.items() if name != "out"}
    _, taps = module.max_pool2d(x, case.kernel, **forward, return_taps=True)
    return module.max_pool2d_backward(grad, x, case.kernel, taps=taps, **options)


def output_shape(case):
    problem = PoolProblem.create(case.x_shape, case.kernel, **case.options)
    return problem.output_shape[4 - len(case.x_shape) :]


def integers(case, dtype, seed=0):
    """Return a gradient and an image of few integers, so that maxima are often equal."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, case.x_shape).astype(dtype)
    return rng.integers(-9, 10, output_shape(case)).astype(dtype), x


def spoiled(x, seed=0):
    """Return the image with NaN, infinities and whole stretches of -inf."""
    rng = np.random.default_rng(seed)
    x = x.copy()
    x[rng.random(x.shape) < 0.06] = np.nan
    x[rng.random(x.shape) < 0.05] = np.inf
    x[rng.random(x.shape) < 0.2] = -np.inf
    x[..., : (x.shape[-1] + 1) // 2] = np.where(
        rng.random(x.shape[:-2])[..., None, None] < 0.5, -np.inf, x[..., : (x.shape[-1] + 1) // 2]
    )
    return x


def operands(case, kind, dtype, operation):
    """Return a gradient and an image: integers, these spoiled, or their absolute values.

    The gradient is spoiled where it is one of averages, which has to keep what it holds.
    """
    grad, x = integers(case, dtype)
    if kind == "spoiled":
        return spoiled(grad) if operation in AVERAGES else grad, spoiled(x)
    return (abs(grad), abs(x)) if kind == "absolute" else (grad, x)


@functools.cache
def truth(operation, name, kind, **more):
    """Return the reference's answer in float64 to a case by its name."""
    case = next(case for case in CASES if case.name == name)
    with np.errstate(all="ignore"):
        return call(reference, operation, case, *operands(case, kind, "float64", operation), **more)


def assert_averages(actual, case, expected, magnitude):
    """Within (T + 2)·u of the average of the absolute values."""
    taps = np.prod(np.broadcast_to(case.kernel, 2))
    error = np.abs(actual.astype(np.float64) - expected)
    # float64 is compared with float64 sums, which have as much error of their own
    bound = 2 * (taps + 2) * unit_roundoff(str(actual.dtype)) * magnitude
    assert actual.shape == expected.shape
    assert (error <= bound).all()


@in_one_test
@on_each_case
@on_each_backend
@pytest.mark.parametrize("kind", ["integers", "spoiled"])
def test_maxima_equal_the_reference(case, backend, kind):
    for dtype, operation in itertools.product(DTYPES, MAXIMA):
        expected = truth(operation, case.name, kind)
        out = poisoned(expected.shape, dtype)
        grad, x = operands(case, kind, dtype, operation)
        y = call(fastconv, operation, case, grad, x, backend=backend, out=out)
        assert y is out
        assert_equal(y, expected, f"{operation} in {dtype}")


@in_one_test
@on_each_case
@on_each_backend
def test_averages_are_within_their_bound(case, backend):
    for dtype, operation, counts in itertools.product(DTYPES, AVERAGES, (True, False)):
        more = {"count_include_pad": counts}
        grad, x = integers(case, dtype)
        expected = truth(operation, case.name, "integers", **more)
        size = truth(operation, case.name, "absolute", **more)
        out = poisoned(expected.shape, dtype)
        y = call(fastconv, operation, case, grad, x, backend=backend, out=out, **more)
        assert y is out
        assert_averages(y, case, expected, size)
        if operation == "avg_pool2d":  # integers are summed exactly and divided once
            assert_equal(y, expected.astype(dtype))


@in_one_test
@on_each_case
@on_each_backend
def test_averages_keep_infinities_and_nan_in_their_windows(case, backend):
    for dtype, operation in itertools.product(DTYPES, AVERAGES):
        expected = truth(operation, case.name, "spoiled")
        grad, x = operands(case, "spoiled", dtype, operation)
        y = call(fastconv, operation, case, grad, x, backend=backend)
        finite = np.isfinite(expected)
        assert_equal(np.isfinite(y), finite)
        assert_equal(y[~finite], expected[~finite])


@on_each_backend
@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_planes(backend, dtype):
    rng = np.random.default_rng(0)
    for shape in (
        (2, 5, 7, 7),
        (3, 4, 9),
        (1, 3, 40, 50),
        (2, 1, 1, 1),
        (0, 3, 4, 4),
        (1, 37, 7, 7),
    ):
        x = rng.integers(-99, 100, shape).astype(dtype)
        y = fastconv.global_avg_pool2d(x, backend=backend)
        assert y.shape == (*shape[:-2], 1, 1)
        assert_equal(y, reference.global_avg_pool2d(x))
        g = rng.integers(-99, 100, y.shape).astype(dtype)
        dx = fastconv.global_avg_pool2d_backward(g, x, backend=backend)
        assert_equal(dx, reference.global_avg_pool2d_backward(g, x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("planes", [1, 7, 16, 33])
def test_planes_of_every_size(planes, dtype):
    """Sums of a vector of planes are folded together, and lines of dx shared by two of them."""
    rng = np.random.default_rng(planes)
    for size in [*range(1, 70), 1008, 1023, 1024, 1025, 1056, 2047, 2048, 2049]:
        x = rng.integers(-99, 100, (planes, 1, size)).astype(dtype)
        means = x.sum(axis=(1, 2), keepdims=True, dtype=float) / size
        assert_equal(fastconv.global_avg_pool2d(x), means.astype(dtype))
        g = rng.integers(-99, 100, (planes, 1, 1)).astype(dtype)
        expected = np.broadcast_to((g / float(size)).astype(dtype), x.shape)
        for first in (0, 1, 5):  # of a cache line
            room = np.full(x.size + 64, np.nan, dtype)
            dx = room[16 + first :][: x.size].reshape(x.shape)
            fastconv.global_avg_pool2d_backward(g, x, out=dx)
            assert_equal(dx, expected)
            assert np.isnan(room).sum() == 64


@on_each_backend
def test_large_averages_are_accurate(backend):
    """Rounding errors of a million float32 values do not add up."""
    x = np.random.default_rng(0).random((1, 2, 1024, 1024), np.float32)
    exact = x.mean(axis=(2, 3), keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(fastconv.global_avg_pool2d(x, backend=backend), exact, rtol=3e-5)


# ── what is written down ───────────────────────────────────────────────────────────────────────


@on_each_backend
def test_ceil_mode_by_hand(backend):
    x = np.arange(42.0).reshape(1, 6, 7)
    assert fastconv.max_pool2d(x, 1, stride=2, ceil_mode=True, backend=backend).shape == (1, 3, 4)
    x = np.arange(25.0).reshape(1, 5, 5)
    y = fastconv.max_pool2d(x, 3, stride=3, padding=1, ceil_mode=True, backend=backend)
    assert_equal(y, [[[6, 9], [21, 24]]])
    row = np.array([[[1.0, 2.0, 3.0, 4.0, 5.0]]])
    for counts in (True, False):
        y = fastconv.avg_pool2d(
            row, (1, 2), ceil_mode=True, count_include_pad=counts, backend=backend
        )
        assert_equal(y, [[[1.5, 3.5, 5]]])


@on_each_backend
def test_padding_counts_in_an_average_and_what_hangs_over_does_not(backend):
    row = np.full((1, 1, 4), 12.0)
    options = {"stride": (1, 3), "padding": (0, 1), "ceil_mode": True, "backend": backend}
    # windows at -1 0 1 2 and 2 3 4 5, of which 5 is beyond the padding
    assert_equal(fastconv.avg_pool2d(row, (1, 4), **options), [[[9, 8]]])
    assert_equal(fastconv.avg_pool2d(row, (1, 4), count_include_pad=False, **options), [[[12, 12]]])


@on_each_backend
def test_padding_is_never_a_candidate(backend):
    x = np.full((1, 2, 3), -5.0)
    y = fastconv.max_pool2d(x, 3, stride=1, padding=2, backend=backend)
    assert_equal(y, np.full((1, 4, 5), -5.0))


@on_each_backend
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_window_of_minus_infinity_keeps_its_gradient_inside(backend, dtype):
    x = np.full((1, 1, 6, 20), -np.inf, dtype)
    for kernel, stride, padding in (
        (2, 2, 0),
        (2, 2, 1),
        (3, 2, 1),
        (3, 1, 1),
        (4, 3, 2),
        (5, 1, 4),
    ):
        options = {"stride": stride, "padding": padding, "backend": backend}
        y = fastconv.max_pool2d(x, kernel, **options)
        assert (y == -np.inf).all()
        dx = fastconv.max_pool2d_backward(np.ones_like(y), x, kernel, **options)
        assert dx.sum() == y.size
        assert_equal(
            dx,
            reference.max_pool2d_backward(
                np.ones_like(y), x, kernel, stride=stride, padding=padding
            ),
        )


@on_each_backend
def test_nan_wins_and_of_several_the_last_gets_the_gradient(backend):
    x = np.array([[[np.nan, np.inf], [np.nan, 3.0]]])
    assert np.isnan(fastconv.max_pool2d(x, 2, backend=backend)).all()
    dx = fastconv.max_pool2d_backward(np.ones((1, 1, 1)), x, 2, backend=backend)
    assert_equal(dx, [[[0, 0], [1, 0]]])


@in_one_test
@on_each_backend
@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 2), (3, 1), (4, 4)])
def test_of_equal_maxima_the_first_in_row_order_gets_the_gradient(backend, kernel, stride):
    x = np.zeros((1, 9, 33))
    y = fastconv.max_pool2d(x, kernel, stride=stride)
    dx = fastconv.max_pool2d_backward(np.ones_like(y), x, kernel, stride=stride, backend=backend)
    expected = np.zeros_like(x)
    rows, columns = y.shape[1:]
    expected[:, : rows * stride : stride, : columns * stride : stride] = 1
    assert_equal(dx, expected)


@on_each_backend
def test_overlapping_windows_add_their_gradients(backend):
    x = np.zeros((1, 5, 5))
    x[0, 2, 2] = 1
    dx = fastconv.max_pool2d_backward(np.ones((1, 3, 3)), x, 3, stride=1, backend=backend)
    assert dx[0, 2, 2] == 9
    assert dx.sum() == 9


@on_each_backend
def test_zeros_of_both_signs_are_equal(backend):
    x = np.array([[[-0.0, 0.0, 0.0, -0.0]]])
    dx = fastconv.max_pool2d_backward(np.ones((1, 1, 2)), x, (1, 2), backend=backend)
    assert_equal(dx, [[[1, 0, 1, 0]]])


# ── arrays as they come ────────────────────────────────────────────────────────────────────────

PLAIN = Case("plain", (2, 3, 8, 12), 3, {"stride": 2, "padding": 1})
SIDE_BY_SIDE = Case("side by side", (2, 3, 8, 12), 2)


@in_one_test
@on_each_operation
@on_each_backend
@pytest.mark.parametrize("case", [PLAIN, SIDE_BY_SIDE], ids=lambda case: case.name)
@pytest.mark.parametrize("dtype", DTYPES)
def test_however_the_operands_lie_in_memory(operation, backend, case, dtype):
    grad, x = integers(case, dtype)
    expected = call(fastconv, operation, case, grad, x, backend=backend)
    for (name, x_view), (_, grad_view) in zip(views_of(x), views_of(grad), strict=True):
        if name == "nested lists" and dtype != "float64":
            continue
        y = call(fastconv, operation, case, grad_view, x_view, backend=backend)
        assert y.dtype == dtype
        assert_equal(y, expected, name)


@in_one_test
@on_each_operation
@on_each_backend
def test_wherever_out_lies_in_memory(operation, backend):
    grad, x = integers(PLAIN, "float32")
    expected = call(fastconv, operation, PLAIN, grad, x)
    for _, out in views_of(poisoned(expected.shape, "float32")):
        if isinstance(out, np.ndarray) and out.flags.writeable:
            assert call(fastconv, operation, PLAIN, grad, x, backend=backend, out=out) is out
            assert_equal(out, expected)


@in_one_test
@on_each_operation
@on_each_backend
def test_results_without_out_are_written_everywhere(operation, backend):
    for case in CASES:
        grad, x = integers(case, "float32")
        with poisoned_allocations():
            y = call(fastconv, operation, case, grad, x, backend=backend)
        assert np.isfinite(y).all(), case.name
        assert y.flags.c_contiguous


@in_one_test
@on_each_operation
@on_each_backend
@pytest.mark.parametrize("shape", [(0, 3, 8, 12), (0, 1, 3, 3)])
def test_an_empty_batch(operation, backend, shape):
    case = PLAIN._replace(x_shape=shape)
    grad, x = integers(case, "float32")
    y = call(fastconv, operation, case, grad, x, backend=backend)
    assert y.size == 0
    assert y.shape == (shape if operation.endswith("backward") else output_shape(case))


@in_one_test
@on_each_operation
@on_each_backend
def test_neither_operands_nor_what_lies_around_out_is_touched(operation, backend):
    for case in CASES:
        grad, x = integers(case, "float32")
        before = grad.copy(), x.copy()
        shape = case.x_shape if operation.endswith("backward") else grad.shape
        size = int(np.prod(shape))
        room = np.full(size + 64, 7, np.float32)
        call(fastconv, operation, case, grad, x, backend=backend, out=room[32:-32].reshape(shape))
        assert (room[:32] == 7).all()
        assert (room[-32:] == 7).all()
        assert_equal(grad, before[0])
        assert_equal(x, before[1])


@in_one_test
@on_each_operation
@on_each_backend
def test_out_is_untouched_when_an_allocation_fails(operation, backend):
    for case in (PLAIN, SIDE_BY_SIDE, Case("dilated", (2, 2, 20, 21), 4, {"dilation": 3})):
        grad, x = integers(case, "float32")
        shape = case.x_shape if operation.endswith("backward") else grad.shape
        apart = np.empty((*shape[:-1], 2 * shape[-1]), np.float32)[..., ::2]
        for out in (np.empty(shape, np.float32), apart):
            out[...] = 7
            with fail_at(None) as state:
                call(fastconv, operation, case, grad, x, backend=backend, out=out)
            for number in range(state.seen):
                out[...] = 7
                with pytest.raises(MemoryError), fail_at(number):
                    call(fastconv, operation, case, grad, x, backend=backend, out=out)
                assert (out == 7).all(), f"allocation {number} of {state.seen}"


def test_one_problem_serves_other_types_of_options():
    """Options that are equal but of other types are not served from what is remembered."""
    x = np.ones((1, 4, 4))
    fastconv.max_pool2d(x, 1, stride=1)
    with pytest.raises(TypeError, match="kernel must be"):
        fastconv.max_pool2d(x, True)
    with pytest.raises(TypeError, match="ceil_mode must be True or False, not 0"):
        fastconv.max_pool2d(x, 1, stride=1, ceil_mode=0)
    y = fastconv.max_pool2d(x, np.int64(2), stride=np.array([1, 2]), ceil_mode=np.True_)
    assert y.shape == (1, 3, 2)


# ── laws ───────────────────────────────────────────────────────────────────────────────────────

AXIS = {
    "size": st.integers(1, 40),
    "kernel": st.integers(1, 6),
    "stride": st.integers(1, 5),
    "dilation": st.integers(1, 4),
    "before": st.integers(0, 6),
    "after": st.integers(0, 6),
}


@given(rows=st.fixed_dictionaries({**AXIS, "size": st.integers(1, 9)}),
       columns=st.fixed_dictionaries(AXIS), ceil_mode=st.booleans(), counts=st.booleans(),
       dtype=st.sampled_from(DTYPES), seed=st.integers(0, 99))  # fmt: skip
@settings(max_examples=100)
def test_any_window_equals_the_reference(rows, columns, ceil_mode, counts, dtype, seed):
    kernel, stride, dilation = ((rows[n], columns[n]) for n in ("kernel", "stride", "dilation"))
    padding = tuple((axis["before"], axis["after"]) for axis in (rows, columns))
    options = {"stride": stride, "dilation": dilation, "ceil_mode": ceil_mode, "padding": padding}
    case = Case("", (1, 2, rows["size"], columns["size"]), kernel, options)
    x = np.random.default_rng(seed).integers(-2, 3, case.x_shape).astype(dtype)
    try:
        expected = reference.max_pool2d(x, kernel, **options)
    except ValueError:
        with pytest.raises(ValueError, match=r"padding|kernel"):
            fastconv.max_pool2d(x, kernel, **options)
        assume(False)
    grad, x = integers(case, dtype, seed)
    x = spoiled(x, seed) if seed % 2 else x
    for operation in MAXIMA:
        truth = call(reference, operation, case, grad, x)
        for backend in BACKENDS:
            assert_equal(call(fastconv, operation, case, grad, x, backend=backend), truth)
    x = np.nan_to_num(x, posinf=3, neginf=-4)
    wide = grad.astype(float), x.astype(float)
    more = {"count_include_pad": counts}
    for operation in AVERAGES:
        truth = call(reference, operation, case, *wide, **more)
        size = call(reference, operation, case, *map(abs, wide), **more)
        for backend in BACKENDS:
            y = call(fastconv, operation, case, grad, x, backend=backend, **more)
            assert_averages(y, case, truth, size)
    assert expected.shape == output_shape(case)


@in_one_test
@on_each_case
@on_each_backend
def test_the_backward_pass_is_the_adjoint_of_an_average(case, backend):
    rng = np.random.default_rng(0)
    x, grad = rng.standard_normal(case.x_shape), rng.standard_normal(output_shape(case))
    y = call(fastconv, "avg_pool2d", case, grad, x, backend=backend)
    dx = call(fastconv, "avg_pool2d_backward", case, grad, x, backend=backend)
    np.testing.assert_allclose((y * grad).sum(), (x * dx).sum(), rtol=0, atol=1e-10)


@in_one_test
@on_each_case
@on_each_backend
def test_gradients_by_central_differences(case, backend):
    rng = np.random.default_rng(0)
    x = rng.permutation(int(np.prod(case.x_shape))).reshape(case.x_shape).astype(float)
    grad, direction = rng.standard_normal(output_shape(case)), rng.standard_normal(case.x_shape)
    step = 1e-3  # far less than the distance of two values
    for operation in ("max_pool2d", "avg_pool2d"):
        ahead, behind = (
            call(fastconv, operation, case, grad, x + way * step * direction, backend=backend)
            for way in (1, -1)
        )
        dx = call(fastconv, f"{operation}_backward", case, grad, x, backend=backend)
        slope = ((ahead - behind) * grad).sum() / (2 * step)
        np.testing.assert_allclose((dx * direction).sum(), slope, rtol=1e-6, atol=1e-6)


@compiled
@on_each_operation
def test_the_same_bits_on_any_number_of_threads(operation):
    rng = np.random.default_rng(0)
    many = fastconv.get_num_threads()
    for case in (
        *CASES,
        Case("one large plane", (1, 1, 300, 200), 3, {"stride": 2, "padding": 1}),
        Case("large and dilated", (1, 300, 200), 3, {"stride": 1, "dilation": 2}),
    ):
        x = rng.standard_normal(case.x_shape, np.float32)
        grad = rng.standard_normal(output_shape(case), np.float32)
        results = []
        for threads in (1, 2, max(3, many)):
            with tuned(FLOPS_WORTH_A_THREAD=1, POOL_FEWEST_ROWS=1), fastconv.num_threads(threads):
                results.append(call(fastconv, operation, case, grad, x, backend="loops"))
        for result in results[1:]:
            assert result.tobytes() == results[0].tobytes(), case.name


@compiled
@on_each_operation
def test_neither_the_blocks_nor_the_batch_change_a_bit(operation):
    rng = np.random.default_rng(0)
    for case in CASES:
        x = rng.standard_normal(case.x_shape, np.float32)
        grad = rng.standard_normal(output_shape(case), np.float32)
        expected = call(fastconv, operation, case, grad, x, backend="loops")
        with tuned(POOL_UNIT_PIXELS=1):
            y = call(fastconv, operation, case, grad, x, backend="loops")
        assert y.tobytes() == expected.tobytes()
        with tuned(FLOPS_WORTH_A_THREAD=1, POOL_FEWEST_ROWS=1, UNITS_PER_THREAD=40):
            y = call(fastconv, operation, case, grad, x, backend="loops")
        assert y.tobytes() == expected.tobytes()
        if len(case.x_shape) == 4:
            one = case._replace(x_shape=(1, *case.x_shape[1:]))
            y = call(fastconv, operation, one, grad[:1], x[:1], backend="loops")
            assert y.tobytes() == expected[:1].tobytes()


@compiled
@in_one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stride", [1, 2])
def test_windows_of_three_give_the_bits_of_any_windows(dtype, stride, monkeypatch):
    """Of rows below and above each number of lanes, in several bands; finite, and then not."""
    rng = np.random.default_rng(0)
    widths = [*range(1, 20), 31, 32, 33, 34, 63, 66, 130, 600]
    for width, (padding, ceil_mode) in itertools.product(widths, itertools.product((0, 1), (0, 1))):
        if width + 2 * padding < 3:
            continue
        options: dict[str, Any] = {
            "stride": stride, "padding": padding, "ceil_mode": bool(ceil_mode), "backend": "loops"
        }  # fmt: skip
        rows = max(40, 70 - width // 3)
        x = rng.standard_normal((2, 3, rows, width)).astype(dtype)
        x[0, 1] = np.round(x[0, 1])
        x[1, 0, rows - 20 :] = (np.nan, np.inf, -np.inf)[width % 3]
        x[1, 2, ::4, ::3] = (np.nan, np.inf, -np.inf)[width % 3]
        grad = rng.standard_normal(fastconv.max_pool2d(x, 3, **options).shape).astype(dtype)
        y, taps = fastconv.max_pool2d(x, 3, **options, return_taps=True)
        with monkeypatch.context() as patch, tuned(POOL_STRIP_LANES=100):
            patch.setattr(pooling, "_OF_THREES", {})
            expected = fastconv.max_pool2d_backward(grad, x, 3, **options)
            other_y, other_taps = fastconv.max_pool2d(x, 3, **options, return_taps=True)
            by_taps = fastconv.max_pool2d_backward(grad, x, 3, **options, taps=taps)
        assert_equal(y, other_y, f"{x.shape} {options}")
        assert_equal(taps, other_taps, f"{x.shape} {options}")
        assert_equal(by_taps, expected, f"{x.shape} {options}")
        for lanes in (1, 100):  # in strips, and not
            with tuned(POOL_STRIP_LANES=lanes):
                dx = fastconv.max_pool2d_backward(grad, x, 3, **options)
                by_taps = fastconv.max_pool2d_backward(grad, x, 3, **options, taps=taps)
            assert_equal(dx, expected, f"{x.shape} {options} {lanes}")
            assert_equal(by_taps, expected, f"{x.shape} {options} {lanes}")


@compiled
@in_one_test
@pytest.mark.parametrize("planes", [1, 40])
@pytest.mark.parametrize("height", [2, 7, 30])
@pytest.mark.parametrize("width", range(2, 18))
def test_rows_of_few_windows_end_to_end(width, height, planes):
    """Of every length, by units of some rows; finite, and then not."""
    rng = np.random.default_rng(width)
    x = rng.integers(-3, 4, (planes, height, width)).astype(np.float32)
    for dtype, spoilt in itertools.product(DTYPES, (False, True)):
        x = x.astype(dtype)
        if spoilt:
            x[rng.random(x.shape) < 0.05] = np.nan
        y, taps = fastconv.max_pool2d(x, 2, backend="numpy", return_taps=True)
        means = fastconv.avg_pool2d(x, 2, backend="numpy")
        grad = rng.integers(-99, 100, y.shape).astype(dtype)
        dx = fastconv.max_pool2d_backward(grad, x, 2, backend="numpy")
        spread = fastconv.avg_pool2d_backward(grad, x, 2, backend="numpy")
        units = {"FLOPS_WORTH_A_THREAD": 1, "POOL_FEWEST_ROWS": 1, "UNITS_PER_THREAD": 7}
        for threads, lowered in ((1, {}), (3, units)):
            with tuned(**lowered), fastconv.num_threads(threads), poisoned_allocations():
                found, numbers = fastconv.max_pool2d(x, 2, return_taps=True)
                assert_equal(found, y)
                assert_equal(numbers, taps)
                assert_equal(fastconv.max_pool2d(x, 2), y)
                assert_equal(fastconv.avg_pool2d(x, 2), means)
                assert_equal(fastconv.max_pool2d_backward(grad, x, 2), dx)
                around = np.full(x.size + 32, np.inf, dtype)
                out = around[16:-16].reshape(x.shape)
                fastconv.max_pool2d_backward(grad, x, 2, taps=taps, out=out)
                assert_equal(out, dx)
                fastconv.avg_pool2d_backward(grad, x, 2, out=out)
                assert_equal(out, spread)
                assert np.isinf(around[:16]).all()
                assert np.isinf(around[-16:]).all()


@compiled
@in_one_test
@pytest.mark.parametrize("stride", [1, 2])
def test_strips_begin_and_end_at_any_row(stride):
    """In units of a few rows of a plane, of any instruction set."""
    rng = np.random.default_rng(0)
    for height, width in itertools.product((3, 4, 9, 40), (16, 34, 80)):
        options: dict[str, Any] = {"stride": stride, "padding": 1, "backend": "loops"}
        x = rng.integers(-3, 4, (1, 1, height, width)).astype(np.float32)
        grad = rng.standard_normal(fastconv.max_pool2d(x, 3, **options).shape).astype(np.float32)
        _, taps = fastconv.max_pool2d(x, 3, **options, return_taps=True)
        expected = fastconv.max_pool2d_backward(grad, x, 3, **options)
        units = {"FLOPS_WORTH_A_THREAD": 1, "POOL_FEWEST_ROWS": 1, "UNITS_PER_THREAD": 40}
        with tuned(POOL_STRIP_LANES=1, **units), fastconv.num_threads(2):
            dx = fastconv.max_pool2d_backward(grad, x, 3, **options)
            by_taps = fastconv.max_pool2d_backward(grad, x, 3, **options, taps=taps)
        assert_equal(dx, expected, f"{x.shape}")
        assert_equal(by_taps, expected, f"{x.shape}")


@compiled
@in_one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("counts", [True, False])
def test_averages_of_three_by_three_are_those_of_any_windows(dtype, counts, monkeypatch):
    """Of numbers whose sums and shares are exact: rows below and above a vector, several bands."""
    rng = np.random.default_rng(0)
    for width, padding in itertools.product([*range(1, 20), 31, 33, 66, 130, 700], (0, 1)):
        if width + 2 * padding < 3:
            continue
        options: dict[str, Any] = {
            "stride": 1, "padding": padding, "count_include_pad": counts, "backend": "loops"
        }  # fmt: skip
        # a share is a whole number of whatever is divided by up to nine taps
        x = 36 * rng.integers(-9, 10, (2, 2, max(3, 134 - width), width)).astype(dtype)
        grad = 36 * rng.integers(-9, 10, fastconv.avg_pool2d(x, 3, **options).shape).astype(dtype)
        for threads in (1, 3):
            with tuned(FLOPS_WORTH_A_THREAD=1, POOL_FEWEST_ROWS=1), fastconv.num_threads(threads):
                y = fastconv.avg_pool2d(x, 3, **options)
                dx = fastconv.avg_pool2d_backward(grad, x, 3, **options)
            with monkeypatch.context() as patch, tuned():
                patch.setattr(pooling, "_OF_THREES", {})
                expected = fastconv.avg_pool2d(x, 3, **options)
                expected_dx = fastconv.avg_pool2d_backward(grad, x, 3, **options)
            assert_equal(y, expected, f"{x.shape} {options}")
            assert_equal(dx, expected_dx, f"{x.shape} {options}")


@compiled
@on_each_operation
def test_what_needs_too_much_scratch_is_done_literally(operation):
    """To the same bits where it is maxima; sums may be in another order."""
    for case in CASES:
        grad, x = integers(case, "float32")
        expected = call(fastconv, operation, case, grad, x, backend="loops")
        with tuned(MOST_SCRATCH_BYTES=-1):
            y = call(fastconv, operation, case, grad, x, backend="loops")
        np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6, err_msg=case.name)


@on_each_backend
def test_enormous_windows_cost_no_more_than_the_image(backend):
    x = np.arange(42.0, dtype=np.float32).reshape(1, 6, 7)
    huge = 2**31 - 1
    options = {"ceil_mode": True, "backend": backend}
    assert_equal(fastconv.max_pool2d(x, huge, **options), [[[41]]])
    assert_equal(fastconv.avg_pool2d(x, huge, **options), [[[20.5]]])
    dx = fastconv.max_pool2d_backward([[np.float32([5])]], x, huge, **options)
    assert dx.sum() == dx[0, 5, 6] == 5
    options = {"stride": huge, "padding": ((2**30, 2**30), (0, 0)), "backend": backend}
    assert_equal(fastconv.max_pool2d(x, (2**30 + 9, 7), **options), [[[41]]])
    y = fastconv.max_pool2d(x, (2, 7), dilation=(2**30, 1), backend=backend, stride=1,
                            padding=((2**30, 0), (0, 0)))  # fmt: skip
    assert_equal(y, x.max(axis=2, keepdims=True))


def _sees_nothing(axis, window):
    begin = window * axis.stride - axis.before
    return not any(0 <= begin + r * axis.dilation < axis.size for r in range(axis.kernel))


def test_a_window_without_a_pixel_is_found_where_there_is_one():
    rng = random.Random(0)
    found = 0
    for _ in range(20_000):
        axis = Axis(*(rng.randint(1, most) for most in (6, 5, 9, 14)),
                    rng.randint(0, 40), rng.randint(0, 12))  # fmt: skip
        if axis.outputs < 1:
            continue
        window = _empty_window(axis)
        if window is None:
            assert not any(_sees_nothing(axis, n) for n in range(axis.outputs)), axis
        else:
            assert 0 <= window < axis.outputs, axis
            assert _sees_nothing(axis, window), axis
            found += 1
    assert 5_000 < found < 19_000


def test_windows_without_a_pixel_are_found_without_a_walk():
    """Of thousands of millions of windows every one sees a pixel, or only one does not."""
    x = np.zeros((0, 1, 1, 2**30), np.float32)
    options = {"stride": 1, "padding": ((0, 0), (2**30, 1))}
    assert fastconv.max_pool2d(x, (1, 2), dilation=(1, 2**30), **options).shape[3] == 2**30 + 1
    with pytest.raises(ValueError, match="leaves window 1073741823 in width without a pixel"):
        fastconv.max_pool2d(x, (1, 2), dilation=(1, 2**30 + 1), **options)
    most = 2**31 - 1
    for stride, window in ((1, most - 1), (2, (most - 1) // 2)):
        axis = Axis(most - 1, 2, stride, most, most, most)
        assert _sees_nothing(axis, window)
        assert _empty_window(axis) == window


def test_planning_problems_that_no_machine_could_compute():
    problem = PoolProblem.create((2**20, 2**10, 2**12, 2**12), 3, stride=2, padding=1)
    assert problem.output_shape == (2**20, 2**10, 2**11, 2**11)
    for implementation in POOLINGS:
        for operation in get_args(PoolOperation):
            implementation.plan(operation, problem, 64)


@compiled
@pytest.mark.parametrize("operation", [*MAXIMA[:3], *AVERAGES])
def test_a_call_holds_what_its_plan_says(operation):
    case = Case("large", (4, 16, 120, 200), 3, {"stride": 1, "padding": 1})
    grad, x = integers(case, "float32")
    with tuned(LEAST_KEPT_BYTES=2**40):  # what a thread keeps, a call need not allocate
        call(fastconv, operation, case, grad, x, backend="loops")
        with peak_memory() as peak:
            y = call(fastconv, operation, case, grad, x, backend="loops")
    calls = find_pool_calls(
        x.shape, x.dtype, case.kernel, *(case.options[n] for n in ("stride", "padding")), 1, False,
        True, "loops",
    )  # fmt: skip
    made = {"max_pool2d": calls.max, "max_pool2d_backward": calls.max_grad,
            "avg_pool2d": calls.avg, "avg_pool2d_backward": calls.avg_grad,
            "max_pool2d_taps": calls.max_taps}[operation]  # fmt: skip
    taps = y.size if "taps" in operation else 0
    assert abs(peak.bytes - y.nbytes - taps - made.plan().scratch_bytes) < 2**16


# ── threads ─────────────────────────────────────────────────────────────────────────────────


def test_calls_from_many_threads_at_once():
    grad, x = integers(Case("", (8, 16, 40, 40), 2), "float32")
    expected = fastconv.max_pool2d_backward(grad, x, 2)
    results = [None] * 8

    def work(position):
        results[position] = fastconv.max_pool2d_backward(grad, x, 2)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(results))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result in results:
        assert_equal(result, expected)


def _in_child(queue, x):
    queue.put(fastconv.max_pool2d(x, 2))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)
def test_after_a_fork():
    x = np.random.default_rng(0).random((4, 64, 64, 64), np.float32)
    expected = fastconv.max_pool2d(x, 2)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue, x))
    child.start()
    result = queue.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0
    assert_equal(result, expected)


@compiled
def test_the_gil_is_released():
    """Another Python thread goes on counting while a call of some tenths of a second runs."""
    x = np.zeros((1, 64, 256, 256), np.float32)
    counted, ended = 0, threading.Event()

    def pool():
        fastconv.max_pool2d(x, 21, stride=1, padding=10, backend="loops")
        ended.set()

    worker = threading.Thread(target=pool)
    worker.start()
    while not ended.is_set():
        time.sleep(0.001)
        counted += 1
    worker.join()
    assert counted > 5


# ── PyTorch, where it is installed ─────────────────────────────────────────────────────────────


def _torch_takes(case):
    padding = np.broadcast_to(np.array(case.options.get("padding", 0)), (2, 2))
    half = np.broadcast_to(case.kernel, 2)[:, None] // 2
    return not isinstance(case.options.get("padding", 0), tuple) and (padding <= half).all()


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
@in_one_test
@pytest.mark.parametrize("case", [*filter(_torch_takes, CASES)], ids=lambda case: case.name)
@on_each_backend
def test_the_same_as_pytorch(case, backend):
    torch = importlib.import_module("torch")
    grad, x = integers(case, "float32")
    wild = torch.from_numpy(spoiled(x)).requires_grad_()
    y = torch.nn.functional.max_pool2d(wild, case.kernel, **case.options)
    assert_equal(call(fastconv, "max_pool2d", case, grad, wild.detach().numpy(), backend=backend),
                 y.detach().numpy())  # fmt: skip
    y.backward(torch.from_numpy(grad))
    dx = call(fastconv, "max_pool2d_backward", case, grad, wild.detach().numpy(), backend=backend)
    assert_equal(dx, wild.grad.numpy())
    if "dilation" in case.options:
        return
    for counts in (True, False):
        tame = torch.from_numpy(x).requires_grad_()
        more = {"count_include_pad": counts}
        y = torch.nn.functional.avg_pool2d(tame, case.kernel, **case.options, **more)
        ours = call(fastconv, "avg_pool2d", case, grad, x, backend=backend, **more)
        np.testing.assert_allclose(ours, y.detach().numpy(), rtol=1e-5, atol=1e-5)
        y.backward(torch.from_numpy(grad))
        ours = call(fastconv, "avg_pool2d_backward", case, grad, x, backend=backend, **more)
        np.testing.assert_allclose(ours, tame.grad.numpy(), rtol=1e-5, atol=1e-5)
