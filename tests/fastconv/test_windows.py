"""gemm_windows: its tiles, phases and edges, and the problems it is there for."""

from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import isa
from fastconv.algorithms.implementation import Request
from fastconv.algorithms.windows import GEMM_WINDOWS
from fastconv.problem import Piece
from tests.comparing import assert_equal
from tests.support import tuned
from tests.walking import in_one_test

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")

# Units of a row of an image, as many as there are.
CUT_SMALL = {"WINDOWS_BYTES": 1, "FLOPS_WORTH_A_THREAD": 1}


def _gradient(grad, x, weight, backend="gemm_windows", **options):
    needs = (True, False, False)
    return fastconv.conv2d_backward(grad, x, weight, needs=needs, backend=backend, **options).x


def _operands(x_shape, weight_shape, dtype, **options):
    """Return grad, x, weight and dx by the loops, of integers."""
    rng = np.random.default_rng(0)
    x = np.zeros(x_shape, dtype)
    weight = rng.integers(-4, 5, weight_shape).astype(dtype)
    grad = rng.integers(-4, 5, fastconv.conv2d(x, weight, **options).shape).astype(dtype)
    return grad, x, weight, _gradient(grad, x, weight, backend="loops", **options)


@in_one_test
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3), (3, 1), (7, 9)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 17), (5, 4), (16, 16)])
def test_kernels_strides_and_cuts(kernel, stride, dtype):
    """Windows apart, side by side and overlapping; the result cut off before, after, and not."""
    for padding in (0, ((3, 0), (1, 5)), ((kernel[0], 1), (0, kernel[1] + 2))):
        options = {"stride": stride, "padding": padding, "groups": 2}
        x_shape = (3, 6, kernel[0] + 2 * stride[0] + 1, kernel[1] + 3 * stride[1])
        grad, x, weight, expected = _operands(x_shape, (10, 3, *kernel), dtype, **options)
        for numbers in ({}, CUT_SMALL):
            for count in (1, 2):
                with tuned(**numbers), fastconv.num_threads(count):
                    assert_equal(_gradient(grad, x, weight, **options), expected, "dx")


@in_one_test
@pytest.mark.parametrize("columns", [1, 2, 5, 8, 9, 20, 31])
@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8, 9, 19])
def test_every_number_of_channels_and_columns(channels, columns):
    """Every tile, of whole vectors and not, and rows of the result shorter than a vector."""
    for filters in (1, 5):
        grad, x, weight, expected = _operands(
            (2, channels, 6, columns), (filters, channels, 3, 3), np.float32, padding=1
        )
        assert_equal(_gradient(grad, x, weight, padding=1), expected, "dx")


def test_sums_longer_than_a_part():
    grad, x, weight, expected = _operands((1, 4, 12, 11), (70, 4, 5, 5), np.float32, padding=1)
    assert_equal(_gradient(grad, x, weight, padding=1), expected, "dx")


def test_a_bias_is_what_a_transposed_convolution_begins_with():
    rng = np.random.default_rng(0)
    x, weight, bias = (
        rng.integers(-4, 5, shape).astype(np.float32)
        for shape in ((2, 8, 5, 6), (8, 3, 4, 4), (6,))
    )
    options = {"stride": 2, "padding": 1, "groups": 2}
    found, expected = (
        fastconv.conv_transpose2d(x, weight, bias, backend=backend, **options)
        for backend in ("gemm_windows", "loops")
    )
    assert_equal(found, expected)


def test_neither_units_nor_threads_nor_the_batch_change_a_bit():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 6, 24, 30)).astype(np.float32)
    weight = rng.standard_normal((40, 6, 5, 5)).astype(np.float32)
    options = {"stride": (2, 1), "padding": (2, 0)}
    grad = rng.standard_normal(fastconv.conv2d(x, weight, **options).shape).astype(np.float32)
    whole = _gradient(grad, x, weight, **options)
    assert_equal(_gradient(grad[1:2], x[1:2], weight, **options), whole[1:2], "one image")
    for numbers, count in product(({}, {"WINDOWS_BYTES": 30_000}), (1, 2)):
        with tuned(**(CUT_SMALL | numbers)), fastconv.num_threads(count):
            assert_equal(_gradient(grad, x, weight, **options), whole, f"dx, {numbers}")


def test_what_is_infinite_spoils_only_the_sums_that_hold_it():
    """Idle lanes multiply zeros, and what they come to is not added to the pixels beside them."""
    grad, x, weight, _ = _operands((1, 6, 9, 14), (3, 6, 5, 5), np.float32)
    grad[0, 1, 2, 3], grad[0, 2, 4, 7] = np.inf, np.nan
    weight[0, 3, 1, 1] = -np.inf
    expected = _gradient(grad, x, weight, backend="loops_literal")
    assert not np.isfinite(expected).all()
    assert np.isfinite(expected).any()
    assert_equal(_gradient(grad, x, weight), expected)


def test_the_gradient_inside_lenet_is_one_of_windows():
    explanation = fastconv.explain((50, 6, 14, 14), (16, 6, 5, 5), direction="input-grad")
    assert explanation.kernel == "gemm_windows"
    assert explanation.scratch_bytes <= 2 * explanation.threads * 2**18


def test_channels_that_fill_the_lanes_are_left_to_the_phases():
    for channels in (16, 64):
        explanation = fastconv.explain(
            (1, channels, 56, 56), (64, channels, 5, 5), padding=2, direction="input-grad"
        )
        assert explanation.kernel != "gemm_windows"


def test_where_weights_leave_room_for_few_rows_others_are_asked():
    """They would be packed for each: 512 filters took 1.5 times as long as by pixels in lanes."""
    for filters, has_room in ((32, True), (512, False)):
        problem = fastconv.ConvProblem.create((1, 3, 28, 28), (filters, 3, 7, 7), padding=3)
        reason = GEMM_WINDOWS.unsuited(Request("input-grad", Piece(problem), 1, "auto")) or ""
        assert ("all weights are packed" in reason) != has_room


def test_dilated_windows_and_those_too_large_for_the_scratch_are_refused():
    for options, words in (
        ({"dilation": 2}, "next to each other"), ({"padding": 2}, "where the limit is 4 MiB"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            fastconv.explain(
                (1, 1, 9, 9000), (900, 1, 3, 3), direction="input-grad", backend="gemm_windows",
                **options,
            )  # fmt: skip
