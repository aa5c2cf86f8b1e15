"""gemm_taps: what it leaves out, the edges of its tiles and blocks, and where it is chosen."""

import numpy as np
import pytest

import fastconv
from fastconv import isa, planning, tuning
from fastconv.algorithms.gemm_taps import GEMM_TAPS, counted, cycles
from fastconv.algorithms.implementation import Accuracy, Plan
from tests.comparing import assert_equal
from tests.laws import on_each_able_backend
from tests.support import (
    DTYPES,
    EXACT_CASES,
    Case,
    assert_first_filters,
    integer_operands,
    integer_truth,
    plan_of,
    tuned,
)
from tests.walking import in_one_test

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")

NAME = "gemm_taps"
DILATED = {"padding": 12, "dilation": 12}  # 28 rows: taps reach 16, 28 and 16 of them


def small_blocks(scratch=40_000, **more):
    """Let small problems meet the borders of units, and of blocks of channels where asked for."""
    if isa.name == "avx512":  # panels of 64 filters in place of 16
        scratch *= 4
    return tuned(
        TAPS_DATA_BYTES=2000, GEMM_SUMS_BYTES=3000, GEMM_MOST_PIXELS=24, FLOPS_WORTH_A_THREAD=1,
        MOST_SCRATCH_BYTES=scratch, **more,
    )  # fmt: skip


@on_each_able_backend(EXACT_CASES, among=["gemm"])
def test_blocks_do_not_change_the_result(case, backend, dtype):
    data = integer_operands(case, dtype)
    with small_blocks(TAPS_CHANNELS=16):
        if plan_of(NAME, case.task, "forward") is None:
            return  # a stride, or more scratch than blocks of this size may have
        y = fastconv.conv2d(data.x, data.weight, data.bias, backend=NAME, **case.options)
    assert_equal(y, integer_truth(case)[0], "y")


def test_neither_blocks_nor_batch_nor_threads_nor_packing_change_a_bit():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 150, 9, 11)).astype(np.float32)
    weight = rng.standard_normal((50, 150, 3, 3)).astype(np.float32)
    options = {"padding": 1, "activation": "sigmoid", "backend": NAME}
    whole = fastconv.conv2d(x, weight, **options)
    assert planned((5, 150, 9, 11), weight.shape, padding=1).blocks.channels == 80  # 80 and 70
    plan = fastconv.plan_conv2d(weight, **options)
    np.testing.assert_array_equal(plan(x), whole)
    with small_blocks(scratch=150_000):
        for count in (1, 2, 3):
            with fastconv.num_threads(count):
                np.testing.assert_array_equal(fastconv.conv2d(x, weight, **options), whole)
                np.testing.assert_array_equal(plan(x[1:4]), whole[1:4])
                np.testing.assert_array_equal(plan(x[4]), whole[4])


FILTERS = Case("filters", (2, 5, 6, 9), (129, 5, 3, 2), {"padding": (2, 3), "dilation": (2, 3)})
ROWS = Case("rows", (1, 9, 2, 37), (14, 9, 1, 3), {"padding": (0, 1)})


@in_one_test
@pytest.mark.parametrize("filters", [*range(1, 34), 47, 48, 49, 63, 64, 65, 80, 81, 129])
def test_every_number_of_filters_is_covered_by_tiles(filters):
    assert_first_filters(FILTERS, filters, NAME)


@in_one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", range(1, 38))
def test_every_length_of_row_is_covered_by_tiles(width, dtype):
    data = integer_operands(ROWS, dtype)
    x = np.ascontiguousarray(data.x[..., :width])
    expected = fastconv.conv2d(x, data.weight, data.bias, backend="loops", **ROWS.options)
    y = fastconv.conv2d(x, data.weight, data.bias, backend=NAME, **ROWS.options)
    np.testing.assert_array_equal(y, expected)


@in_one_test
@pytest.mark.parametrize("channels", [*range(1, 19), 31, 33, 127, 128, 129, 255, 257])
def test_every_number_of_channels_is_covered_by_blocks(channels):
    rng = np.random.default_rng(channels)
    x = rng.integers(-4, 5, (1, channels, 5, 6)).astype(np.float32)
    weight = rng.integers(-4, 5, (9, channels, 3, 3)).astype(np.float32)
    expected = fastconv.conv2d(x, weight, padding=1, backend="loops")
    np.testing.assert_array_equal(fastconv.conv2d(x, weight, padding=1, backend=NAME), expected)
    grad = fastconv.conv2d_backward(
        expected, x, weight, padding=1, backend="loops", needs=(True, False, False)
    ).x
    found = fastconv.conv2d_backward(
        expected, x, weight, padding=1, backend=NAME, needs=(True, False, False)
    ).x
    np.testing.assert_array_equal(found, grad)


@in_one_test
@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_the_phases_of_a_strided_gradient_are_written_where_they_belong(groups, stride):
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, (2, 20, 11, 13)).astype(np.float32)
    weight = rng.integers(-4, 5, (18, 20 // groups, 3, 4)).astype(np.float32)
    options = {"stride": stride, "padding": 2, "dilation": (1, 2), "groups": groups}
    grad = fastconv.conv2d(x, weight, backend="loops", **options)
    needs = (True, False, False)
    expected = fastconv.conv2d_backward(grad, x, weight, needs=needs, backend="loops", **options)
    found = fastconv.conv2d_backward(grad, x, weight, needs=needs, backend=NAME, **options)
    np.testing.assert_array_equal(found.x, expected.x)
    with fastconv.accuracy("strict"):
        plan = fastconv.plan_conv2d(weight, backend=NAME, **{**options, "stride": 1})
    y = fastconv.conv2d(x, weight, backend="loops", **{**options, "stride": 1})
    dx = fastconv.conv2d_backward(
        y, x, weight, needs=needs, backend="loops", **{**options, "stride": 1}
    ).x
    np.testing.assert_array_equal(plan.input_grad(y, x.shape), dx)


def test_outputs_that_no_tap_reaches_are_the_bias():
    x, weight = np.ones((1, 2, 3, 3), np.float32), np.ones((5, 2, 2, 2), np.float32)
    bias = np.arange(5, dtype=np.float32) - 2
    y = fastconv.conv2d(x, weight, bias, padding=9, dilation=9, backend=NAME, activation="relu")
    expected = fastconv.conv2d(
        x, weight, bias, padding=9, dilation=9, backend="loops", activation="relu"
    )
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(y[0, :, 4, 4], np.maximum(bias, 0))


def test_what_lies_in_the_scratch_is_not_multiplied():
    """Tiles hang over rows, images and channels: what they read there, NaN, is thrown away."""
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, (2, 13, 5, 7)).astype(np.float32)
    weight = rng.integers(-4, 5, (19, 13, 3, 3)).astype(np.float32)
    expected = fastconv.conv2d(x, weight, padding=3, dilation=3, backend="loops")
    x[0, :, 2, 3] = np.nan
    y = fastconv.conv2d(x, weight, padding=3, dilation=3, backend=NAME)
    sees = fastconv.conv2d(
        np.isnan(x).astype(np.float32), np.ones_like(weight), padding=3, dilation=3
    ) > 0.5  # fmt: skip
    assert np.isnan(y[sees]).all()
    np.testing.assert_array_equal(y[~sees], expected[~sees])


def planned(x_shape, weight_shape, backend=NAME, threads=1, **options):
    problem = fastconv.ConvProblem.create(x_shape, weight_shape, **options)
    return planning.plan("forward", problem, backend, threads).leaf


@pytest.mark.parametrize("threads", [1, 2, 16])
@pytest.mark.parametrize("size", [7, 28, 65, 129])
def test_scratch_is_bounded_and_threads_are_busy(size, threads):
    plan = planned(
        (1, 2048, size, size), (256, 2048, 3, 3), threads=threads, padding=24, dilation=24
    )
    assert plan.scratch_bytes <= threads * (tuning.MOST_SCRATCH_BYTES + 256 * 1024)
    blocks, problem = plan.blocks, plan.piece.problem
    units = -(-problem.out_height // blocks.rows) * -(-256 // blocks.filters)
    assert units >= min(threads, 16)
    assert blocks.rows > 1 or size == 7


def test_a_row_that_sees_too_much_is_refused():
    answer = planning.ask(
        "forward",
        fastconv.ConvProblem.create(
            (1, 512, 200, 200), (8, 512, 3, 3), padding=100, dilation=100
        ),
        NAME, 1,
    )  # fmt: skip
    assert not isinstance(answer, Plan)
    assert "the rows that a row of the output sees" in answer.reason


def test_it_counts_what_taps_find():
    dilated = fastconv.ConvProblem.create((1, 8, 28, 28), (8, 8, 3, 3), **DILATED)
    assert counted(dilated) == ((16 + 28 + 16) ** 2, (16 + 28 + 16) ** 2)
    small = fastconv.ConvProblem.create((1, 8, 7, 7), (8, 8, 3, 3), padding=1)
    assert counted(small) == ((6 + 7 + 6) ** 2, (6 + 7 + 6) * (6 + 8 + 6))
    far = fastconv.ConvProblem.create((1, 8, 3, 3), (8, 8, 3, 3), padding=40, dilation=40)
    assert counted(far) == (9, 12)  # a tap finds all or nothing
    assert cycles(dilated, prepared=True) < cycles(dilated, prepared=False)


@pytest.mark.parametrize("backend", ["auto", "gemm", NAME])
@pytest.mark.parametrize("batch", [1, 2, 9])
@pytest.mark.parametrize("threads", [1, 2])
def test_it_is_chosen_where_most_taps_fall_into_the_padding(threads, batch, backend):
    """In place of nine pieces, whatever the batch and threads."""
    plan = planned((batch, 256, 28, 28), (256, 256, 3, 3), backend, threads, **DILATED)
    assert plan.implementation is GEMM_TAPS


def test_a_single_channel_is_cut_into_pieces_all_the_same():
    explanation = fastconv.explain((1, 64, 28, 28), (64, 1, 3, 3), groups=64, **DILATED)
    assert explanation.kernel != NAME


def test_a_plan_promises_what_its_blocks_make_of_a_sum():
    explanation = fastconv.explain(
        (1, 512, 28, 28), (64, 512, 3, 3), backend=NAME, accuracy="strict", **DILATED
    )
    assert explanation.accuracy == Accuracy.in_blocks(4608, 128, 9 * 4)


def test_others_are_told_why_not():
    """A stride it has not; and of a plain image there is no padding to speak of to leave out."""
    strided = fastconv.ConvProblem.create((1, 8, 28, 28), (8, 8, 3, 3), stride=2)
    assert "stride 1" in planning.ask("forward", strided, NAME, 1).reason
    plain = fastconv.ConvProblem.create((1, 64, 112, 112), (64, 64, 3, 3), padding=1)
    answer = planning.ask("forward", plain, NAME, 1, forced=False)
    assert answer.reason == "only 1% of the work is multiplying padding"
    few = fastconv.ConvProblem.create((1, 2, 28, 28), (64, 2, 3, 3), padding=12, dilation=12)
    answer = planning.ask("forward", few, NAME, 1, forced=False)
    assert answer.reason == "it reads vectors of channels, and a group has 2"
    few = fastconv.ConvProblem.create((1, 64, 28, 28), (3, 64, 3, 3), padding=12, dilation=12)
    answer = planning.ask("forward", few, NAME, 1, forced=False)
    assert answer.reason == "filters are in its lanes, and a group has 3"
    long = fastconv.ConvProblem.create((1, 99, 6, 99), (4, 99, 3, 1), padding=(1, 0))
    with tuned(TAPS_GAIN=0.5):
        answer = planning.ask("forward", long, NAME, 1, forced=False)
    assert "of the cycles of sums that multiply padding" in answer.reason
