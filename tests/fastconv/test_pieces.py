"""Problems cut into pieces: by padding, where a large dilation puts most taps there; by stride."""

import numpy as np
import pytest

import fastconv
from fastconv import isa
from fastconv.algorithms.by_padding import BY_PADDING
from fastconv.problem import Axis, ConvProblem
from tests.support import contenders, plan_of
from tests.walking import in_one_test

CASES = [  # image, kernel, options
    ((12, 13), (3, 3), {"dilation": 6, "padding": 6}),
    ((12, 13), (3, 2), {"dilation": (5, 9), "padding": ((4, 7), (9, 3)), "stride": (2, 1)}),
    ((5, 1), (3, 3), {"dilation": (2, 10), "padding": ((8, 15), (13, 13)), "stride": (1, 2)}),
    ((1, 1), (3, 3), {"dilation": 3, "padding": 12}),  # parts that no tap reaches
    ((16, 9), (4, 4), {"dilation": (7, 5), "padding": ((14, 9), (12, 11)), "stride": (3, 2)}),
]


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
@in_one_test
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(("size", "kernel", "options"), CASES)
def test_pieces_are_the_whole(size, kernel, options, groups, dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, (2, 6, *size)).astype(dtype)
    weight = rng.integers(-4, 5, (18, 6 // groups, *kernel)).astype(dtype)
    bias = rng.integers(-4, 5, 18).astype(dtype)
    options = {**options, "groups": groups}
    problem = ConvProblem.create(x.shape, weight.shape, dtype=x.dtype, **options)
    assert any(_is_cut(backend, problem) for backend in contenders())
    expected = fastconv.conv2d(x, weight, bias, activation="relu", backend="loops", **options)
    grad = fastconv.conv2d(x, weight, backend="loops", **options)
    dx = fastconv.conv2d_backward(
        grad, x, weight, needs=(True, False, False), backend="loops", **options
    )[0]
    options = {**options, "accuracy": "strict"}  # exact
    for backend in contenders():
        if backend.name.startswith("winograd"):
            continue  # whole rows of the result
        if plan_of(backend.name, problem, "forward"):
            plan = fastconv.plan_conv2d(
                weight, bias, activation="relu", backend=backend.name, **options
            )
            out = np.full_like(expected, np.nan)
            plan(x, out=out)
            np.testing.assert_array_equal(out, expected, backend.name)
        if plan_of(backend.name, problem, "input-grad"):
            found = fastconv.conv2d_backward(
                grad, x, weight, needs=(True, False, False), backend=backend.name, **options
            )[0]
            np.testing.assert_array_equal(found, dx, backend.name)


def _is_cut(backend, problem):
    plan = plan_of(backend.name, problem, "forward")
    return plan is not None and plan.implementation is BY_PADDING


def _axes():
    """Yield axes of every kind, with fewer and more pixels than taps, strides and dilations."""
    rng = np.random.default_rng(0)
    for _ in range(2000):
        size, kernel, stride, dilation = (int(rng.integers(1, most)) for most in (24, 7, 9, 12))
        before, after = (int(pad) for pad in rng.integers(-3, 40, 2))
        axis = Axis(size, kernel, stride, dilation, before, after)
        if axis.padded >= axis.span:
            yield axis


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
@in_one_test
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [3, 8, 15, 16, 17, 33, 72])
@pytest.mark.parametrize("dilation", [1, 2, 3, (1, 6)])
@pytest.mark.parametrize("padding", [0, 1, 2, (6, 1)])
def test_phases_of_nine_taps_are_turned_over(padding, dilation, channels, dtype):
    """Of stride 2: four, two and one of them, of whole vectors of planes and of the rest."""
    rng = np.random.default_rng(0)
    options = {"stride": 2, "padding": padding, "dilation": dilation, "groups": 2}
    x = np.zeros((1, 2 * channels, 13, 16), dtype)
    weight = rng.integers(-4, 5, (10, channels, 3, 3)).astype(dtype)
    problem = ConvProblem.create(x.shape, weight.shape, dtype=x.dtype, **options)
    grad = rng.integers(-4, 5, problem.output_shape).astype(dtype)
    found, expected = (
        fastconv.conv2d_backward(
            grad, x, weight, needs=(True, False, False), backend=backend, **options
        ).x
        for backend in ("gemm", "loops")
    )
    np.testing.assert_array_equal(found, expected)


def test_spans_hold_just_the_taps_that_reach_the_image():
    """Said tap by tap: what `Axis.by_padding` says in closed form."""
    for axis in _axes():
        at = 0
        for span in axis.by_padding:
            assert span.first == at
            for output in range(span.first, span.first + span.outputs):
                reach = [
                    tap for tap in range(axis.kernel)
                    if 0 <= output * axis.stride + tap * axis.dilation - axis.before < axis.size
                ]  # fmt: skip
                assert reach == list(range(span.first_tap, span.first_tap + span.taps)), axis
            at += span.outputs
            if span.taps:
                assert axis.shifted(span).outputs == span.outputs
        assert at == axis.outputs


def test_phases_hold_every_pixel_and_tap_that_meet():
    for axis in _axes():
        phases = axis.by_stride
        assert len(phases) <= axis.most_phases
        found = set()
        for phase in phases:
            assert phase.axis.outputs == len(range(phase.first, axis.size, axis.stride))
            for number in range(phase.axis.outputs):
                for place in range(phase.axis.kernel):
                    output = number + place * phase.axis.dilation - phase.axis.before
                    tap = phase.last_tap - place * phase.tap_step
                    if 0 <= output < axis.outputs:
                        found.add((phase.first + number * axis.stride, output, tap))
        met = {
            (output * axis.stride + tap * axis.dilation - axis.before, output, tap)
            for output in range(axis.outputs)
            for tap in range(axis.kernel)
        }
        assert found == {meeting for meeting in met if 0 <= meeting[0] < axis.size}, axis


def test_the_pieces_cover_every_pixel_once():
    """A result of ones, computed piece by piece from biases alone, has no gap and no overlap."""
    for size, kernel, options in CASES:
        problem = ConvProblem.create((1, 1, *size), (1, 1, *kernel), **options)
        rows, columns = problem.rows.by_padding, problem.columns.by_padding
        assert sum(span.outputs for span in rows) == problem.out_height
        assert sum(span.outputs for span in columns) == problem.out_width


def test_a_kernel_of_many_taps_is_not_cut_into_thousands():
    problem = ConvProblem.create((1, 1, 64, 64), (1, 1, 64, 64), dilation=2, padding=64)
    assert not any(_is_cut(backend, problem) for backend in contenders())


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_phases_are_not_cut_into_thousands_either():
    """64 pieces at the most, whether of one cut or of two."""
    problem = ConvProblem.create(
        (1, 1, 290, 1814),
        (1, 1, 30, 13),
        stride=(16, 3),
        dilation=(5, 5),
        padding=((0, 0), (30, 0)),
    )
    plan = plan_of("depthwise", problem, "input-grad")
    assert 1 < sum(max(1, len(piece.pieces)) for piece in plan.pieces) <= 64


def test_what_has_little_padding_stays_whole():
    for options in ({"padding": 1}, {"dilation": 2, "padding": 2}, {"dilation": 12}):
        problem = ConvProblem.create((1, 4, 28, 28), (4, 4, 3, 3), **options)
        assert not any(_is_cut(backend, problem) for backend in contenders())
