"""stencil_large: tiles that slide over a strip, their ends, and what is beside them."""

from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import isa, planning
from fastconv.algorithms.implementation import Request
from fastconv.problem import Piece
from tests.comparing import assert_equal
from tests.support import DTYPES, poisoned, tuned
from tests.walking import in_one_test

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")


def _assert_exact(x_shape, weight_shape, dtype="float32", activation=None, **options):
    rng = np.random.default_rng(0)
    x, weight, bias = (
        rng.integers(-4, 5, shape).astype(dtype)
        for shape in (x_shape, weight_shape, weight_shape[:1])
    )
    options = {"activation": activation, **options}
    expected = fastconv.conv2d(x, weight, bias, backend="loops_literal", **options)
    out = poisoned(expected.shape, dtype)
    fastconv.conv2d(x, weight, bias, backend="stencil_large", out=out, **options)
    assert_equal(out, expected, f"{x_shape} {weight_shape} {options}")


@in_one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", range(1, 18))
def test_kernels_of_every_height(rows, dtype):
    """Below a tile's rows, as many, and more; of one column, which is one loop, and of several."""
    for across, height in product((1, 2, 5), (rows, rows + 1, rows + 6, rows + 21)):
        _assert_exact((1, height, 53), (1, 1, rows, across), dtype)


@in_one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 3, 5, 9])
def test_every_width(rows, dtype):
    """Short of a tile, one, and tiles that overlap."""
    for width in range(1, 115):
        _assert_exact((1, 11, width), (1, 1, rows, 3), dtype, padding=(1, 1))


@in_one_test
@pytest.mark.parametrize(
    "padding", [((0, 9), (3, 0)), ((30, 1), (0, 80)), ((2, 2), (90, 1)), ((5, 5), (5, 5))]
)
def test_padding_as_wide_as_can_be(padding):
    for taps in ((9, 9), (2, 13), (11, 1)):
        _assert_exact((2, 1, 8, 19), (1, 1, *taps), padding=padding)


def test_filters_groups_dilation_and_activation():
    _assert_exact((2, 3, 20, 60), (27, 1, 5, 6), groups=3, padding=4, dilation=(1, 3))
    _assert_exact((2, 20, 60), (2, 1, 9, 4), groups=2, activation="relu", padding=(3, 1))
    # more filters than a copy serves
    _assert_exact((1, 20, 60), (11, 1, 4, 4), padding=1)


def test_any_rows_of_a_unit_give_the_same_bits():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 70, 90)).astype(np.float32)
    weight = rng.standard_normal((1, 1, 9, 7)).astype(np.float32)
    expected = fastconv.conv2d(x, weight, padding=3, backend="loops")
    for rows in (1, 4, 7, 64):
        with tuned(LARGE_FEWEST_ROWS=rows, FLOPS_WORTH_A_THREAD=1):
            for threads in (1, 2, 3):
                with fastconv.num_threads(threads):
                    y = fastconv.conv2d(x, weight, padding=3, backend="stencil_large")
                assert y.tobytes() == expected.tobytes()


def test_nothing_leaks_in_from_the_neighbouring_rows_and_planes():
    x = np.full((3, 30, 40), np.nan, np.float32)
    x[1] = np.arange(1200, dtype=np.float32).reshape(30, 40) % 7
    weight = np.ones((3, 1, 9, 9), np.float32)
    y = fastconv.conv2d(x, weight, groups=3, padding=8, backend="stencil_large")
    assert_equal(y[1], fastconv.conv2d(x[1:2], weight[:1], padding=8, backend="loops")[0])
    # and a pixel spoils only the outputs that see it
    x[1, 15, 20] = np.nan
    y = fastconv.conv2d(x[1:2], weight[:1], padding=4, backend="stencil_large")[0]
    assert np.isnan(y[11:20, 16:25]).all()
    assert np.isnan(y).sum() == 81


@in_one_test
@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "options", "kernel"),
    [
        ((1, 1, 500, 500), (1, 1, 9, 9), {}, "stencil_large"),
        ((1, 1, 500, 500), (1, 1, 65, 1), {}, "stencil_large"),
        ((1, 1, 500, 500), (1, 1, 1, 65), {}, "gemm_pixels"),
        ((1, 1, 500, 500), (1, 1, 1, 5), {}, "stencil_rows"),
        ((1, 1, 500, 500), (1, 1, 3, 3), {}, "stencil_slide"),
        ((1, 1, 500, 500), (1, 1, 4, 4), {}, "stencil_rows"),
        ((1, 64, 56, 56), (64, 1, 31, 31), {"groups": 64, "padding": 15}, "stencil_large"),
    ],
)
def test_what_it_is_chosen_for(x_shape, weight_shape, options, kernel):
    assert fastconv.explain(x_shape, weight_shape, **options).kernel == kernel


def test_what_it_cannot_do_and_what_it_is_not_for():
    large = next(i for i in planning.IMPLEMENTATIONS["forward"] if i.name == "stencil_large")

    def reasons(x_shape, weight_shape, **options):
        problem = fastconv.ConvProblem.create(x_shape, weight_shape, **options)
        return large.unable(Piece(problem)), large.unsuited(Request("forward", Piece(problem), 1))

    assert "one channel per group" in reasons((1, 2, 50, 50), (1, 2, 9, 9))[0]
    assert "stride 1" in reasons((1, 1, 50, 50), (1, 1, 9, 9), stride=2)[0]
    assert "row to row" in reasons((1, 1, 50, 50), (1, 1, 9, 9), dilation=2)[0]
    assert "MiB" in reasons((1, 1, 9000, 9000), (1, 1, 3000, 3000))[0]
    assert "9 taps" in reasons((1, 1, 50, 50), (1, 1, 3, 3))[1]
    assert "idle" in reasons((1, 1, 50, 3), (1, 1, 9, 9), padding=4)[1]
    assert "once for each filter" in reasons((1, 1, 50, 200), (9, 1, 9, 9))[1]
    assert "one row" in reasons((1, 1, 50, 200), (1, 1, 1, 99))[1]
    assert reasons((1, 1, 50, 200), (1, 1, 9, 9)) == (None, None)
