"""weights_taps: what it leaves out, the edges of its tiles and blocks, and where it is chosen."""

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

NAME = "weights_taps"
DTYPES = np.float32, np.float64
NEEDS = (False, True, False)


def _gradients(x, weight_shape, **options):
    """Return what it makes of an image and a gradient of integers, and what is right."""
    problem = ConvProblem.create(x.shape, weight_shape, dtype=x.dtype, **options)
    grad = np.random.default_rng(1).integers(-4, 5, problem.output_shape).astype(x.dtype)
    weight = np.zeros(weight_shape, x.dtype)
    return (
        fastconv.conv2d_backward(
            grad, x, weight, backend=backend, needs=NEEDS, **options
        ).weight
        for backend in (NAME, "loops")
    )  # fmt: skip


def _assert_right(x_shape, weight_shape, dtype=np.float32, **options):
    x = np.random.default_rng(0).integers(-4, 5, x_shape).astype(dtype)
    found, expected = _gradients(x, weight_shape, **options)
    assert_equal(found, expected, f"dw of {x_shape}, {weight_shape}, {np.dtype(dtype)}, {options}")


@in_one_test
@pytest.mark.parametrize("filters", [1, 3, 15, 16, 17, 33, 47, 64, 65, 130])
@pytest.mark.parametrize("channels", [1, 2, 4, 7, 8, 11, 15])
def test_channels_and_filters_end_anywhere_in_a_tile(channels, filters):
    for dtype in DTYPES:
        _assert_right((2, channels, 9, 8), (filters, channels, 3, 3), dtype, padding=3, dilation=3)


@in_one_test
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 5), (7, 1), (4, 4)])
@pytest.mark.parametrize("dilation", [1, 2, (4, 3)])
@pytest.mark.parametrize("padding", [0, 2, 5, ((0, 6), (9, 1)), ((7, 0), (0, 12))])
def test_taps_find_any_rectangle_of_outputs(kernel, dilation, padding):
    """All of them, a corner, a row, and none."""
    for dtype in DTYPES:
        _assert_right((1, 9, 26, 17), (20, 9, *kernel), dtype, padding=padding, dilation=dilation)


@in_one_test
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_small_blocks_and_parts(batch, groups):
    shapes = (batch, 30 * groups, 12, 13), (70 * groups, 30, 3, 3)
    for sums, pixels, image in product((1, 30_000), (1, 40), (1, 10_000)):
        with tuned(
            WEIGHTS_SUMS_BYTES=dict.fromkeys((16, 32, 64), sums), WEIGHTS_MOST_PIXELS=pixels,
            WEIGHTS_TAPS_IMAGE_BYTES=image, WEIGHTS_FEWEST_FLOPS=0,
        ):  # fmt: skip
            _assert_right(*shapes, padding=4, dilation=4, groups=groups)


def test_threads_do_not_change_a_bit_where_pixels_are_cut_into_parts():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 8, 20, 21)).astype(np.float32)
    weight = np.zeros((16, 8, 3, 3), np.float32)
    options = {"padding": 6, "dilation": 6}
    grad = rng.standard_normal(fastconv.conv2d(x, weight, **options).shape).astype(np.float32)
    with tuned(WEIGHTS_FEWEST_FLOPS=0, WEIGHTS_MOST_PIXELS=100):
        assert_parts_share_bits(NAME, grad, x, weight, **options)


@in_one_test
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_what_is_not_finite_meets_no_padding(value):
    """In a corner, which some taps see and others do not."""
    x = np.random.default_rng(0).integers(-4, 5, (2, 8, 9, 11)).astype(np.float32)
    for corner in product((0, -1), (0, -1)):
        spoilt = x.copy()
        spoilt[0, 1][corner] = value
        found, expected = _gradients(spoilt, (20, 8, 3, 3), padding=4, dilation=4)
        np.testing.assert_array_equal(found, expected)
        assert np.isfinite(np.delete(found, 1, axis=1)).all()


def test_it_is_chosen_where_much_of_the_work_is_padding():
    for dilation, size, channels, chosen in (
        (12, 28, 256, True), (9, 28, 256, True), (2, 28, 256, False), (24, 65, 64, True),
        (12, 28, 3, False), (4, 7, 64, False), (24, 400, 64, False),
    ):  # fmt: skip
        problem = ConvProblem.create(
            (1, channels, size, size), (64, channels, 3, 3), padding=dilation, dilation=dilation
        )
        plan = plan_of("auto", problem, "weight-grad")
        assert (plan.implementation.name == NAME) == chosen, (dilation, size, channels)


@pytest.mark.parametrize(
    ("x_shape", "options", "reason"),
    [
        ((1, 8, 28, 28), {"stride": 2}, "it has stride 1"),
        ((1, 8, 2000, 2000), {}, "a channel of the image"),
    ],
)
def test_what_it_refuses(x_shape, options, reason):
    problem = ConvProblem.create(x_shape, (8, 8, 3, 3), padding=1, **options)
    refused = planning.ask("weight-grad", problem, NAME, 1)
    assert isinstance(refused, planning.Refusal)
    assert reason in refused.reason


@in_one_test
@pytest.mark.parametrize("shape", [(7, 7), (56, 56), (300, 3000), (2**18, 1), (3, 2**18)])
@pytest.mark.parametrize("channels", [1, 100])
def test_its_scratch_is_bounded(shape, channels):
    problem = ConvProblem.create(
        (1, channels, *shape), (130, channels, 3, 3), padding=24, dilation=24
    )
    plan = plan_of(NAME, problem, "weight-grad")
    if plan is not None:
        assert plan.scratch_bytes <= 2 * 6 * 2**20  # of two threads
