"""weights_rows: the rows that it copies, their ends and what is beyond, and who is left to it."""

from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import isa, planning
from fastconv.problem import ConvProblem
from tests.comparing import assert_equal
from tests.support import assert_parts_share_bits, plan_of, tuned
from tests.walking import in_one_test

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")

DTYPES = np.float32, np.float64


def _gradients(x, kernel, **options):
    """Return what it makes of an image and a gradient of integers, and what is right."""
    channels = x.shape[1]
    options |= {"groups": channels}
    shape = channels, 1, kernel, kernel
    problem = ConvProblem.create(x.shape, shape, dtype=x.dtype, **options)
    grad = np.random.default_rng(1).integers(-4, 5, problem.output_shape).astype(x.dtype)
    options |= {"needs": (False, True, False)}
    return (
        fastconv.conv2d_backward(
            grad, x, np.zeros(shape, x.dtype), backend=backend, **options
        ).weight
        for backend in ("weights_rows", "loops")
    )


def _assert_right(x_shape, kernel, dtype=np.float32, **options):
    x = np.random.default_rng(0).integers(-4, 5, x_shape).astype(dtype)
    found, expected = _gradients(x, kernel, **options)
    assert_equal(found, expected, f"dw of {x_shape}, {kernel}, {np.dtype(dtype)}, {options}")


@in_one_test
@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 8, 9, 14, 15, 16, 17, 28, 31, 33, 56, 64, 65])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_rows_end_anywhere_in_a_vector(kernel, stride, width):
    for dtype, padding in product(DTYPES, (kernel // 2, kernel - 1)):
        _assert_right((2, 3, 9, width), kernel, dtype, stride=stride, padding=padding)


@in_one_test
@pytest.mark.parametrize("before", [0, 1, 2, 3, 4, 40])
@pytest.mark.parametrize("after", [0, 1, 2, 5, 40])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_to_either_side(stride, before, after):
    """As much as the kernel, and more: rows and columns that see nothing but zeros."""
    for kernel, dtype in product((3, 5, 7), DTYPES):
        _assert_right((1, 2, 12, 13), kernel, dtype, stride=stride,
                      padding=((before, after), (after, before)))  # fmt: skip


@in_one_test
@pytest.mark.parametrize("kernel", [3, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("width", [255, 256, 257, 511, 512, 513, 514, 1030])
def test_rows_longer_than_are_taken_at_a_time(width, stride, kernel):
    """For vectors of 16 bytes they are 64 values, for those of 64 bytes 256."""
    for dtype, padding in product(DTYPES, (0, kernel // 2)):
        _assert_right((1, 2, 8, width), kernel, dtype, stride=stride, padding=padding)


@in_one_test
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_blocks_of_few_rows(kernel, stride):
    """Down to one, of which each copies all rows that its kernel sees."""
    for size in (1, 100, 1000):
        with tuned(WEIGHTS_ROWS_BYTES=size):
            _assert_right((2, 3, 41, 30), kernel, stride=stride, padding=kernel // 2)


@in_one_test
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_threads_do_not_change_a_bit_where_pixels_are_cut_into_parts(stride, batch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, 2, 70, 41)).astype(np.float32)
    weight = np.zeros((2, 1, 5, 5), np.float32)
    options = {"groups": 2, "padding": 2, "stride": stride}
    grad = np.array(fastconv.conv2d(x, weight + 1, **options))
    with tuned(WEIGHTS_FEWEST_FLOPS=0, WEIGHTS_ROWS_BYTES=3000):
        assert_parts_share_bits("weights_rows", grad, x, weight, **options)


@in_one_test
@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("width", [5, 8, 13, 30])
def test_what_is_not_finite_meets_no_padding(width, stride, value):
    """In a corner, which some taps see and others do not."""
    x = np.random.default_rng(0).integers(-4, 5, (2, 3, 9, width)).astype(np.float32)
    for corner in product((0, -1), (0, -1)):
        spoilt = x.copy()
        spoilt[0, 1][corner] = value
        for kernel in (3, 5):
            found, expected = _gradients(spoilt, kernel, stride=stride, padding=kernel // 2)
            np.testing.assert_array_equal(found, expected)
            assert np.isfinite(found[[0, 2]]).all()


@in_one_test
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [(7, 7), (56, 56), (2000, 3000), (2**20, 1), (3, 2**20)])
def test_its_scratch_is_bounded(shape, stride, kernel):
    problem = ConvProblem.create(
        (1, 4, *shape), (4, 1, kernel, kernel), groups=4, stride=stride, padding=kernel // 2
    )
    plan = plan_of("weights_rows", problem, "weight-grad")
    assert plan.scratch_bytes <= 2 * 2**20  # of two threads


@in_one_test
@pytest.mark.parametrize(
    ("channels", "weight_shape", "options", "reason"),
    [
        (8, (4, 2, 3, 3), {}, "it takes one channel per group, here are 2"),
        (4, (12, 1, 3, 3), {}, "it takes one filter per group, here are 3"),
        (4, (4, 1, 9, 9), {}, "not 9×9"),
        (4, (4, 1, 3, 5), {}, "not 3×5"),
        (4, (4, 1, 3, 3), {"stride": 3}, "strides 1 and 2 in both directions"),
        (4, (4, 1, 3, 3), {"stride": (1, 2)}, "strides 1 and 2 in both directions"),
        (4, (4, 1, 3, 3), {"dilation": 2}, "without dilation"),
    ],
)
def test_it_says_what_it_cannot(channels, weight_shape, options, reason):
    problem = ConvProblem.create((2, channels, 20, 20), weight_shape, groups=4, **options)
    refused = planning.ask("weight-grad", problem, "weights_rows", 1)
    assert reason in refused.reason
