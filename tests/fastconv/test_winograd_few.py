"""winograd_few: the bound of every output, the edges of its tiles, and what stays local."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import isa, planning
from fastconv.algorithms.compiled import vector_bytes
from tests.comparing import assert_equal, unit_roundoff
from tests.minimal_filtering import transforms
from tests.support import DTYPES, poisoned_allocations, tuned
from tests.walking import in_one_test

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")

NAME = "winograd_few"
ROWS = 4  # of a tile


def _sums(x, w):
    """Return Σ over channels and taps of products, in float64; x [N][C][H][W], not padded."""
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(float), (3, 3), axis=(2, 3))
    return np.einsum("ncijrs,kcrs->nkij", windows, w.astype(float), optimize=True)


def _bound(x, w, dtype):
    """Return γ·|Aᵀ| [Σ_c,s (|G||g|) ⊙ (|Bᵀ||d|)] of every output, of tiles of rows."""
    matrices = transforms(ROWS, 3).absolute()
    n, c, height, width = x.shape
    rows, columns = height - 2, width - 2
    tiles = -(-rows // ROWS)
    padded = np.zeros((n, c, tiles * ROWS + 2, width))
    padded[:, :, :height] = np.abs(x)
    seen = np.stack([padded[:, :, t * ROWS : t * ROWS + 6] for t in range(tiles)], 2)
    pixels = np.einsum("xi,nctiw->nctxw", matrices.data, seen)
    weights = np.einsum("xr,kcrs->kcxs", matrices.taps, np.abs(w))
    products = sum(
        np.einsum("kcx,nctxj->nktxj", weights[..., s], pixels[..., s : s + columns])
        for s in range(3)
    )
    size = np.einsum("ax,nktxj->nktaj", matrices.sums, products)
    terms = 3 * c + 30  # additions and roundings on the longest way of a value
    terms *= 2 if dtype == "float64" else 1  # the truth has as much error of its own
    size = size.reshape(n, w.shape[0], tiles * ROWS, columns)[:, :, :rows]
    return terms * unit_roundoff(dtype) * size


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7, 21])
def test_every_output_is_within_the_bound_of_its_tile(channels, dtype):
    """Impulses in the image and in the weights are among them, so that no tap can hide."""
    rng = np.random.default_rng(channels)
    x = rng.standard_normal((2, channels, 13, 41)).astype(dtype)
    w = rng.standard_normal((9, channels, 3, 3)).astype(dtype)
    one_pixel, one_tap = np.zeros_like(x), np.zeros_like(w)
    one_pixel[:, channels // 2, 5, 19] = 3
    filters = np.arange(9)
    one_tap.reshape(9, -1)[filters, filters * 5 % one_tap[0].size] = 3
    for pixels, weights in ((x, w), (one_pixel, w), (x, one_tap), (one_pixel, one_tap)):
        with poisoned_allocations():
            y = fastconv.conv2d(pixels, weights, backend=NAME)
        error = np.abs(y - _sums(pixels, weights))
        assert (error <= _bound(pixels, weights, dtype)).all()


@in_one_test
@pytest.mark.parametrize("padding", [0, 1, 5, ((0, 3), (2, 0)), ((7, 0), (0, 9))])
@pytest.mark.parametrize("groups", [1, 3])
def test_tiles_end_anywhere(padding, groups):
    """In rows, in vectors of columns, in filters; with a bias and an activation, and prepared."""
    rng = np.random.default_rng(1)
    for height, width, filters in product((3, 4, 9, 14), (19, 33, 48), (1, 4, 7)):
        for dtype in (np.float32, np.float64):
            x = rng.standard_normal((2, 2 * groups, height, width)).astype(dtype)
            w = rng.standard_normal((filters * groups, 2, 3, 3)).astype(dtype)
            b = rng.standard_normal(filters * groups).astype(dtype)
            options = {"padding": padding, "groups": groups, "activation": "relu"}
            expected = fastconv.conv2d(x, w, b, **options, backend="loops")
            with poisoned_allocations():
                y = fastconv.conv2d(x, w, b, **options, backend=NAME)
                planned = fastconv.plan_conv2d(w, b, **options, backend=NAME)(x)
            np.testing.assert_allclose(y, expected, rtol=0, atol=2e-5)
            assert_equal(planned, y)


@pytest.mark.parametrize("spoiler", [np.nan, np.inf, -np.inf, 1e20, 3e38])
@pytest.mark.parametrize("where", ["pixel", "tap"])
def test_what_is_not_finite_or_huge_spoils_only_what_sees_it(spoiler, where):
    rng = np.random.default_rng(2)
    for row, column, activation in ((0, 0, None), (5, 20, "relu"), (12, 40, None)):
        x = rng.uniform(1, 2, (2, 3, 13, 41)).astype(np.float32)
        w = rng.uniform(0.1, 0.2, (6, 3, 3, 3)).astype(np.float32)
        if where == "pixel":
            x[1, row % 3, row, column] = spoiler
        else:
            w[row % 6, 1, row % 3, column % 3] = spoiler
        options = {"padding": 1, "activation": activation}
        with np.errstate(all="ignore"):
            y = fastconv.conv2d(x, w, **options, backend=NAME)
            wanted = fastconv.conv2d(x, w, **options, backend="loops")
        assert_equal(np.isnan(y), np.isnan(wanted))
        usual = np.isfinite(wanted)
        assert_equal(y[~usual], wanted[~usual])
        np.testing.assert_allclose(y[usual], wanted[usual], rtol=1e-5)


def test_bits_depend_on_the_problem_alone():
    """Not on threads, units, the batch an image comes in, or who has transformed the weights."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((5, 3, 61, 67), np.float32)
    w, b = rng.standard_normal((21, 3, 3, 3), np.float32), rng.standard_normal(21, np.float32)
    options = {"padding": 1, "backend": NAME}
    with fastconv.num_threads(1):
        y = fastconv.conv2d(x, w, b, **options)
    assert_equal(fastconv.conv2d(x[3], w, b, **options), y[3])
    for values, threads in product((1, 300, 2**20), (1, 2, 3)):
        with (
            tuned(FEW_UNIT_VALUES=values, FLOPS_WORTH_A_THREAD=1),
            fastconv.num_threads(threads),
        ):
            assert_equal(fastconv.conv2d(x, w, b, **options), y)
            assert_equal(fastconv.plan_conv2d(w, b, **options)(x), y)


def test_it_is_what_few_channels_take_where_it_was_measured():
    """Of any batch; more channels take squares, and "strict" sums as it is defined."""
    for channels, accuracy, expected in ((3, None, True), (6, None, False), (3, "strict", False)):
        for batch in (1, 8):
            problem = fastconv.ConvProblem.create(
                (batch, channels, 224, 224), (64, channels, 3, 3), padding=1, dtype=np.float32
            )
            plan = planning.plan("forward", problem, "auto", 1, accuracy=accuracy or "default")
            is_taken = plan.leaf.implementation.name == NAME
            assert is_taken == (expected and vector_bytes() == 64), (channels, accuracy)
