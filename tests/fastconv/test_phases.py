"""stencil_phases: rows dealt out to two phases, their ends and what is beyond, and who takes it."""

from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import isa, planning
from fastconv.problem import ConvProblem
from tests.comparing import assert_equal
from tests.support import plan_of, tuned
from tests.walking import in_one_test

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")

DTYPES = np.float32, np.float64


def _assert_right(x_shape, kernel, dtype=np.float32, *, filters=1, **options):
    channels = x_shape[1]
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, x_shape).astype(dtype)
    weight = rng.integers(-4, 5, (filters * channels, 1, kernel, kernel)).astype(dtype)
    bias = rng.integers(-4, 5, filters * channels).astype(dtype)
    options |= {"groups": channels, "stride": 2}
    expected = fastconv.conv2d(x, weight, bias, backend="loops", **options)
    out = np.full_like(expected, np.nan)
    fastconv.conv2d(x, weight, bias, backend="stencil_phases", out=out, **options)
    assert_equal(out, expected, f"y of {x_shape}, {kernel}, {np.dtype(dtype)}, {options}")


@in_one_test
@pytest.mark.parametrize("width", [*range(1, 20), 28, 31, 33, 56, 64, 65])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_rows_end_anywhere_in_a_vector(kernel, width):
    for dtype, padding in product(DTYPES, (kernel // 2, kernel - 1)):
        if width + 2 * padding >= kernel:
            _assert_right((2, 3, 9, width), kernel, dtype, padding=padding)


@in_one_test
@pytest.mark.parametrize("height", [*range(1, 36), 70])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_tiles_of_any_rows(kernel, height):
    """Of eight, of four, which overlap, and one by one."""
    _assert_right((1, 2, height, 19), kernel, padding=kernel // 2)


@in_one_test
@pytest.mark.parametrize("before", [0, 1, 2, 3, 4, 40])
@pytest.mark.parametrize("after", [0, 1, 2, 5, 40])
def test_padding_to_either_side(before, after):
    """As much as the kernel, and more: rows and columns that see nothing but zeros."""
    for kernel, dtype in product((3, 5, 7), DTYPES):
        _assert_right((1, 2, 12, 13), kernel, dtype, padding=((before, after), (after, before)))


@in_one_test
@pytest.mark.parametrize("kernel", [3, 7])
@pytest.mark.parametrize("width", [127, 128, 129, 255, 256, 257, 511, 512, 513, 514, 1030, 4100])
def test_rows_longer_than_are_taken_at_a_time(width, kernel):
    """For vectors of 16 bytes they are 64 outputs, for those of 64 bytes 256."""
    for dtype, padding in product(DTYPES, (0, kernel // 2)):
        _assert_right((1, 2, 8, width), kernel, dtype, padding=padding)


@in_one_test
@pytest.mark.parametrize("filters", [1, 2, 5])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_units_of_few_rows_and_of_many_planes(kernel, filters):
    """What is around the pixels is written once for all planes of a unit."""
    for size, pixels in product((1, 2000, 2**20), (1, 300, 2**20)):
        with tuned(
            STENCIL_ROWS_BYTES=size, STENCIL_FEWEST_ROWS=1, PHASES_TILE_ROWS=1,
            SLIDE_UNIT_PIXELS=pixels,
        ):  # fmt: skip
            _assert_right((3, 5, 41, 30), kernel, filters=filters, padding=kernel // 2)
            _assert_right((2, 3, 20, 300), kernel, filters=filters, padding=kernel - 1)


@in_one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_blocks_and_threads_do_not_change_a_bit_nor_does_sliding(kernel, dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 6, 45, 37)).astype(dtype)
    weight = rng.standard_normal((12, 1, kernel, kernel)).astype(dtype)
    options = {"groups": 6, "padding": kernel // 2, "stride": 2, "activation": "tanh"}
    whole = fastconv.conv2d(x, weight, backend="stencil_phases", **options)
    np.testing.assert_array_equal(
        fastconv.conv2d(x, weight, backend="stencil_slide", **options), whole
    )
    cut = {"STENCIL_ROWS_BYTES": 100, "STENCIL_FEWEST_ROWS": 1, "PHASES_TILE_ROWS": 3}
    for count in (1, 2, 3):
        with tuned(FLOPS_WORTH_A_THREAD=1, **cut), fastconv.num_threads(count):
            for images in (x, x[1]):
                y = fastconv.conv2d(images, weight, backend="stencil_phases", **options)
                np.testing.assert_array_equal(y, whole if images is x else whole[1])


@in_one_test
@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("width", [5, 8, 13, 30])
def test_what_is_not_finite_spoils_those_that_see_it_alone(width, value):
    for corner, kernel in product(product((0, -1), (0, -1)), (3, 5)):
        x = np.random.default_rng(0).integers(-4, 5, (2, 3, 9, width)).astype(np.float32)
        x[0, 1][corner] = value
        weight = np.random.default_rng(1).integers(1, 5, (3, 1, kernel, kernel))
        options = {"groups": 3, "padding": kernel // 2, "stride": 2}
        weight = weight.astype(np.float32)
        found, expected = (
            fastconv.conv2d(x, weight, backend=backend, **options)
            for backend in ("stencil_phases", "loops")
        )
        np.testing.assert_array_equal(found, expected)
        assert np.isfinite(found[:, [0, 2]]).all()


@in_one_test
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("shape", [(7, 7), (56, 56), (2000, 3000), (2**20, 1), (3, 2**20)])
def test_its_scratch_is_bounded(shape, kernel):
    problem = ConvProblem.create(
        (1, 4, *shape), (4, 1, kernel, kernel), groups=4, stride=2, padding=kernel // 2
    )
    plan = plan_of("stencil_phases", problem, "forward")
    assert plan.scratch_bytes <= 2 * 2**20  # of two threads


@in_one_test
@pytest.mark.parametrize(
    ("channels", "weight_shape", "options", "reason"),
    [
        (8, (4, 2, 3, 3), {"stride": 2}, "it takes one channel per group, here are 2"),
        (4, (4, 1, 9, 9), {"stride": 2}, "not 9×9"),
        (4, (4, 1, 3, 5), {"stride": 2}, "not 3×5"),
        (4, (4, 1, 3, 3), {}, "it has stride 2 in both directions"),
        (4, (4, 1, 3, 3), {"stride": (1, 2)}, "it has stride 2 in both directions"),
        (4, (4, 1, 3, 3), {"stride": 2, "dilation": 2}, "without dilation"),
    ],
)
def test_it_says_what_it_cannot(channels, weight_shape, options, reason):
    problem = ConvProblem.create((2, channels, 20, 20), weight_shape, groups=4, **options)
    refused = planning.ask("forward", problem, "stencil_phases", 1)
    assert reason in refused.reason


def test_it_is_chosen_where_rows_are_longer_than_a_vector():
    """Or where filters share what it deals out, if vectors are of 64 bytes."""
    # of 7 columns, with vectors of 8 or of 4
    narrow = "stencil_slide" if isa.name == "baseline" else "stencil_channels"
    few = "stencil_slide" if isa.name == "avx512" else "stencil_phases"
    more = 256 if isa.name == "avx512" else 64
    for size, filters, name in (
        (112, 64, few), (17, 64, few), (112, 128, few), (112, more, "stencil_phases"),
        (14, 64, narrow),
    ):  # fmt: skip
        problem = ConvProblem.create(
            (1, 64, size, size), (filters, 1, 3, 3), groups=64, padding=1, stride=2
        )
        assert plan_of("auto", problem, "forward").implementation.name == name, size
