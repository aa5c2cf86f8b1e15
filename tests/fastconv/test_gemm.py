"""gemm and gemm_pixels: their blocks, their scratch, and the shapes at the edges of their tiles."""

from itertools import product

import numpy as np
import pytest

import fastconv
from benchmarks.problems.layers import LAYERS
from fastconv import isa, planning, tuning
from fastconv.algorithms.gemm import GEMM_FILTERS, GEMM_PIXELS
from fastconv.algorithms.implementation import Request
from fastconv.problem import Piece
from tests.comparing import assert_equal
from tests.laws import on_each_able_backend
from tests.support import (
    DTYPES,
    EXACT_CASES,
    Case,
    assert_first_filters,
    integer_operands,
    integer_truth,
    is_able,
    tuned,
)
from tests.walking import in_one_test

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")

on_all = pytest.mark.parametrize("name", ["gemm_filters", "gemm_columns", "gemm_pixels"])


def small_blocks(**more):
    """Cut everything that can be cut, so that small problems meet every border between blocks.

    But for the numbers by which sums are ordered, if there are not some `more`.
    """
    return tuned(
        GEMM_BAND_BYTES=2000, GEMM_SUMS_BYTES=3000, GEMM_MOST_PIXELS=24, FLOPS_WORTH_A_THREAD=1,
        **more,
    )  # fmt: skip


@on_each_able_backend(EXACT_CASES, among=["gemm", "gemm_columns", "gemm_pixels"])
def test_blocks_do_not_change_the_result(case, backend, dtype):
    data = integer_operands(case, dtype)
    with small_blocks(GEMM_TAPS=4, SUM_TAPS=2):
        if not is_able(backend, case.task, "forward"):
            return  # it needs more scratch than blocks of this size may have
        y = fastconv.conv2d(data.x, data.weight, data.bias, backend=backend.name, **case.options)
    assert_equal(y, integer_truth(case)[0], "y")


def test_neither_blocks_nor_lanes_nor_packing_change_a_bit():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 70, 29, 31)).astype(np.float32)
    weight = rng.standard_normal((50, 70, 3, 3)).astype(np.float32)
    options = {"padding": 1, "activation": "sigmoid"}
    whole = fastconv.conv2d(x, weight, backend="gemm", **options)
    for name in ("gemm_filters", "gemm_columns", "gemm_pixels"):
        with small_blocks():
            plan = fastconv.plan_conv2d(weight, backend=name, **options)
            np.testing.assert_array_equal(plan(x), whole)
            np.testing.assert_array_equal(plan(x[1]), whole[1])
            for count in (1, 2):
                with fastconv.num_threads(count):
                    y = fastconv.conv2d(x, weight, backend=name, **options)
                np.testing.assert_array_equal(y, whole)


FILTERS = Case("filters", (1, 5, 6, 9), (129, 5, 3, 2), {"padding": 1, "stride": (1, 2)})
ROWS = Case("rows", (1, 2, 2, 193), (14, 2, 1, 1))


@in_one_test
@on_all
@pytest.mark.parametrize("filters", [*range(1, 34), 47, 48, 49, 63, 64, 65, 80, 81, 129])
def test_every_number_of_filters_is_covered_by_tiles(filters, name):
    assert_first_filters(FILTERS, filters, name)


@in_one_test
@on_all
@pytest.mark.parametrize("width", [*range(1, 20), *range(28, 36), 95, 96, 97, 191, 193])
def test_every_length_of_row_is_covered_by_tiles(width, name):
    data = integer_operands(ROWS, "float64")
    y = fastconv.conv2d(data.x[..., :width], data.weight, data.bias, backend=name)
    np.testing.assert_array_equal(y, integer_truth(ROWS)[0][..., :width])


@in_one_test
@pytest.mark.parametrize("width", [*range(1, 60), 95, 96, 97, 143, 145, 193])
def test_rows_of_pixels_in_the_lanes_end_like_others(width):
    """Tiles that move back, hang over or run on to the next row: the bits of filters in the lanes.

    Of sums in one part, of two parts, and of three blocks of channels.
    """
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        for channels in (2, 20, 70):
            x = rng.standard_normal((2, channels, 3, width)).astype(dtype)
            weight = rng.standard_normal((15, channels, 3, 3)).astype(dtype)
            bias = rng.standard_normal(15).astype(dtype)
            options = {"padding": 1, "activation": "relu"}
            expected = fastconv.conv2d(x, weight, bias, backend="gemm_filters", **options)
            y = np.full_like(expected, np.nan)
            fastconv.conv2d(x, weight, bias, backend="gemm_pixels", out=y, **options)
            assert_equal(y, expected, f"{channels} channels")


@in_one_test
@pytest.mark.parametrize("filters", range(1, 10))
@pytest.mark.parametrize("plane", [(1, 97), (3, 31), (14, 14), (13, 17), (31, 7), (2, 8)])
def test_an_image_in_place_has_the_bits_of_filters_in_the_lanes(plane, filters):
    """By tiles and as streams: of one block of channels, of three; images together and in rows."""
    rng = np.random.default_rng(0)
    for dtype, channels in product(DTYPES, (3, 16, 45, 200)):
        x = rng.standard_normal((3, 2 * channels, *plane)).astype(dtype)
        weight = rng.standard_normal((2 * filters, channels, 1, 1)).astype(dtype)
        bias = rng.standard_normal(2 * filters).astype(dtype)
        for given, activation in ((bias, "tanh"), (None, None)):
            options = {"groups": 2, "activation": activation}
            expected = fastconv.conv2d(x, weight, given, backend="gemm_filters", **options)
            for count, more in ((1, {}), (2, {"GEMM_MOST_PIXELS": 40})):
                with fastconv.num_threads(count), tuned(FLOPS_WORTH_A_THREAD=1, **more):
                    y = np.full_like(expected, np.nan)
                    fastconv.conv2d(x, weight, given, backend="gemm_pixels", out=y, **options)
                    assert_equal(y, expected, f"{channels} channels, {count} threads")


@in_one_test
@on_all
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_scratch_is_bounded_per_thread(layer, name):
    panel = 64 * (tuning.GEMM_TAPS + 121) * 4  # the widest panel, of a whole number of channels
    slack = 64 * 1024  # overhanging tiles
    most = tuning.GEMM_BAND_BYTES + tuning.GEMM_SUMS_BYTES + panel + slack
    for dtype in DTYPES:
        problem = fastconv.ConvProblem.create(
            layer.x_shape, layer.weight_shape, dtype=dtype, **layer.conv_kwargs()
        )
        for count in (1, 2, 8):
            plan = planning.plan("forward", problem, name, count)
            assert plan.scratch_bytes <= count * most, (dtype, count)


@in_one_test
@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "options", "taps"),
    [
        ((1, 2, 64, 64), (4, 2, 3, 3), {"padding": 4000, "dilation": 4000}, 2),  # in the image
        ((1, 1, 1, 400_000), (65, 1, 1, 3), {}, 3),
        ((1, 1, 292, 292), (65, 1, 290, 290), {}, 290 * 290),
    ],
)
def test_what_needs_too_much_scratch_is_refused_and_computed_by_another(
    x_shape, weight_shape, options, taps
):
    explanation = fastconv.explain(x_shape, weight_shape, **options)
    request = Request("forward", Piece(explanation.problem), 2, "gemm", forced=True)
    answers = [kernel.plan(request, planning.choose) for kernel in (GEMM_FILTERS, GEMM_PIXELS)]
    assert any("where the limit is 4 MiB" in getattr(answer, "reason", "") for answer in answers)
    assert explanation.scratch_bytes <= 64 * 2**20
    x, weight = np.ones(x_shape, np.float32), np.ones(weight_shape, np.float32)
    assert (fastconv.conv2d(x, weight, **options) == taps).all()


@in_one_test
@on_all
def test_one_long_row_is_a_band_of_its_own(name):
    """A row cannot be halved: the search for more bands has to end there."""
    x, weight = np.ones((1, 2, 1, 3000), np.float32), np.ones((4, 2, 1, 3), np.float32)
    with fastconv.num_threads(2):
        y = fastconv.conv2d(x, weight, backend=name)
    np.testing.assert_array_equal(y, np.full((1, 4, 1, 2998), 6))


def test_explain_reports_the_scratch():
    explanation = fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1, accuracy="strict")
    assert explanation.backend == "gemm"
    assert 0 < explanation.scratch_bytes <= explanation.threads * 1024 * 1024
    assert "scratch" in str(explanation)


@in_one_test
@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "backend"),
    [
        ((1, 64, 56, 56), (64, 64, 3, 3), "gemm"),  # filters fill the lanes
        ((1, 512, 7, 7), (512, 512, 1, 1), "gemm"),  # 49 pixels would not
        ((1, 3, 224, 224), (64, 3, 3, 3), "gemm_pixels"),  # 27 taps: too few to turn sums over
        ((8, 64, 28, 28), (6, 64, 5, 5), "gemm_pixels"),  # 6 filters would leave 10 lanes idle
    ],
)
@pytest.mark.skipif(isa.name != "avx512", reason="the choice depends on the vectors' length")
def test_the_lanes_are_chosen_by_what_fills_them(x_shape, weight_shape, backend):
    assert fastconv.explain(x_shape, weight_shape, accuracy="strict").backend == backend


@in_one_test
@pytest.mark.parametrize(
    ("x_shape", "kernel", "stride", "once"),
    [
        ((1, 1024, 14, 14), 1, 2, True),
        ((1, 64, 7, 7), 3, 1, True),
        ((8, 1024, 14, 14), 1, 2, False),  # pixels of all images, for which panels are packed
        ((1, 1024, 7, 7), 1, 1, False),  # nothing is copied
        ((1, 64, 56, 56), 3, 1, False),  # sums have no room
    ],
)
def test_a_band_of_few_pixels_is_copied_once_for_all_filters(x_shape, kernel, stride, once):
    problem = fastconv.ConvProblem.create(
        x_shape, (2048, x_shape[1], kernel, kernel), stride=stride, padding=kernel // 2
    )
    blocks = planning.plan("forward", problem, "gemm_filters", 1).leaf.blocks
    assert blocks.images == x_shape[0]
    assert blocks.filters == 2048 if once else blocks.filters <= 1.25 * tuning.GEMM_MOST_FILTERS


@in_one_test
@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "stride", "kernel"),
    [
        ((1, 64, 56, 56), (256, 64, 1, 1), 1, "gemm_columns"),
        ((1, 256, 56, 56), (512, 256, 1, 1), 2, "gemm_columns"),
        ((1, 1024, 14, 14), (256, 1024, 1, 1), 1, "gemm_filters"),  # 196 pixels
        ((1, 128, 55, 55), (16, 128, 1, 1), 1, "gemm_columns"),  # which nobody else reads in place
        ((1, 512, 7, 7), (16, 512, 1, 1), 1, "gemm_columns"),
        ((8, 96, 14, 14), (576, 96, 1, 1), 1, "gemm_columns"),
        ((1, 128, 55, 55), (16, 128, 1, 1), 2, "gemm_filters"),
        ((1, 512, 1, 1), (16, 512, 1, 1), 1, "gemm_filters"),
        ((1, 128, 56, 56), (128, 128, 3, 3), 2, "gemm_filters"),  # nine taps of a channel
    ],
)
@pytest.mark.skipif(isa.name != "avx2", reason="columns are packed where it was measured")
def test_columns_are_packed_for_1x1_where_they_are_ahead(x_shape, weight_shape, stride, kernel):
    problem = fastconv.ConvProblem.create(
        x_shape, weight_shape, stride=stride, padding=weight_shape[2] // 2
    )
    plan = planning.plan("forward", problem, "gemm", 1)
    assert plan.leaf.implementation.name == kernel


@in_one_test
@pytest.mark.parametrize("pixels", [(1, 1), (5, 5), (7, 8), (23, 1), (1, 25), (9, 16), (17, 29)])
def test_columns_of_every_number_of_pixels_are_covered_by_tiles(pixels):
    """In place, from a band whose rows end within a tile, and dealt out: the bits of gemm_filters.

    With so many channels that sums are begun in one block, and added to in the others.
    """
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        for kernel, options in ((1, {}), (3, {"padding": 1}), (1, {"stride": 2, "padding": 1})):
            x = rng.standard_normal((2, 210, *pixels)).astype(dtype)
            weight = rng.standard_normal((35, 210, kernel, kernel)).astype(dtype)
            bias = rng.standard_normal(35).astype(dtype)
            options = {**options, "activation": "relu"}
            expected = fastconv.conv2d(x, weight, bias, backend="gemm_filters", **options)
            plan = fastconv.plan_conv2d(weight, bias, backend="gemm_columns", **options)
            assert_equal(plan(x), expected, "planned")
            y = fastconv.conv2d(x, weight, bias, backend="gemm_columns", **options)
            assert_equal(y, expected, "called")


@in_one_test
@pytest.mark.parametrize("pixels", [(1, 1), (3, 5), (7, 7), (1, 23), (14, 14)])
@pytest.mark.parametrize("groups", [1, 2])
def test_an_image_that_is_its_own_band_is_read_in_place(groups, pixels):
    """Units of several images and of some rows, blocks of channels: the bits of a copied band."""
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        x = rng.standard_normal((5, 210 * groups, *pixels)).astype(dtype)
        weight = rng.standard_normal((21 * groups, 210, 1, 1)).astype(dtype)
        bias = rng.standard_normal(21 * groups).astype(dtype)
        options = {"groups": groups, "activation": "relu"}
        for most in (1, 2 * pixels[1], 3 * pixels[0] * pixels[1]):
            with tuned(GEMM_MOST_PIXELS=most):
                expected = fastconv.conv2d(x, weight, bias, backend="gemm_pixels", **options)
                y = fastconv.conv2d(x, weight, bias, backend="gemm_filters", **options)
                assert_equal(y, expected, "called")
                plan = fastconv.plan_conv2d(weight, bias, backend="gemm_filters", **options)
                assert_equal(plan(x), expected, "planned")


@on_all
def test_a_plan_packs_the_turned_weights_of_a_gradient(name):
    """Of one group and of several, filters and channels short of a vector, and taps apart."""
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        for kernel, groups, options in (
            ((1, 1), 1, {}), ((3, 3), 1, {"padding": 1}), ((2, 5), 2, {"padding": (0, 3)}),
            ((3, 3), 3, {"padding": 4, "dilation": 2}),
        ):  # fmt: skip
            channels, filters = 7 * groups, 19 * groups
            weight = rng.integers(-4, 5, (filters, channels // groups, *kernel)).astype(dtype)
            x = np.empty((2, channels, 13, 11), dtype)
            options = {**options, "groups": groups}
            plan = fastconv.plan_conv2d(weight, backend=name, **options)
            y = rng.integers(-4, 5, plan(np.zeros_like(x)).shape).astype(dtype)
            expected, *_ = fastconv.conv2d_backward(
                y, x, weight, needs=(True, False, False), backend="loops", **options
            )  # fmt: skip
            assert_equal(plan.input_grad(y, x.shape), expected, "dx")
            ((_, packed),) = plan._gradients.values()
            assert packed is not None


@in_one_test
@pytest.mark.parametrize(
    ("x_shape", "weight_shape"),
    [((1, 1, 3, 400_000), (64, 1, 1, 3)), ((1, 2, 420, 420), (64, 2, 400, 400))],
    ids=["long rows", "large kernel"],
)
def test_the_scratch_of_a_weight_gradient_is_bounded(x_shape, weight_shape):
    """The smallest block is a row and a channel: what is too large for that goes elsewhere."""
    for name in ("gemm", "gemm_pixels"):
        with pytest.raises(ValueError, match="where the limit is 4 MiB"):
            fastconv.explain(x_shape, weight_shape, backend=name, direction="weight-grad")
    chosen = fastconv.explain(x_shape, weight_shape, direction="weight-grad")
    assert chosen.backend in ("loops", "im2col")
