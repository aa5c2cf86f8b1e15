"""Fewer multiplications: the transforms in exact arithmetic, the bounds, and what stays local."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest

import fastconv
from fastconv import isa, planning, tuning
from fastconv.algorithms.winograd import WINOGRAD
from tests.comparing import assert_equal, assert_within_bounds, unit_roundoff
from tests.large_problems import planned_at_once
from tests.minimal_filtering import Transforms, assert_convolution, transforms
from tests.support import DTYPES, poisoned_allocations, tuned
from tests.walking import in_one_test

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")

PADDED = {"padding": 1, "accuracy": "fast"}


class Tile(NamedTuple):
    """One of the implementations: F(m, r) along rows, columns, or both."""

    name: str
    m: int
    kernel: tuple[int, int]

    def __str__(self):
        return f"{self.name}-{self.kernel[0]}x{self.kernel[1]}"

    @property
    def r(self):
        return max(self.kernel)

    @property
    def backend(self):
        """How it is asked for."""
        return {"backend": self.name, "accuracy": "fast"}

    def matrices(self):
        """Return its transforms along columns and along rows."""
        alone = Transforms(*([[Fraction(1)]],) * 3)
        return [transforms(self.m, side) if side > 1 else alone for side in self.kernel]

    def weights(self, rng, filters, channels, dtype=np.float32):
        return rng.standard_normal((filters, channels, *self.kernel)).astype(dtype)


TILES = [Tile(one.name, one.outputs, kernel) for one in WINOGRAD for kernel in one.kernels]
SQUARE = [tile for tile in TILES if tile.kernel == (3, 3)]
BY_DEFAULT = {one.name for one in WINOGRAD if one.level == "default"}
every_tile = pytest.mark.parametrize("tile", TILES, ids=str)
# A square of 3x3, which is what layers have; and of the others one of each kind.
some_tiles = pytest.mark.parametrize("tile", [*SQUARE, TILES[4], TILES[5], *TILES[-2:]], ids=str)


@in_one_test
@pytest.mark.parametrize(("m", "r"), sorted({(tile.m, tile.r) for tile in TILES}))
def test_the_transforms_are_a_convolution_in_exact_arithmetic(m, r):
    """For every pixel and every tap by itself, which is all there is: it is bilinear."""
    assert_convolution(m, r)


@in_one_test
@pytest.mark.parametrize("pairs", [1, 2, 3])
def test_the_scales_of_the_taps_are_the_nearest_numbers(pairs):
    scales = isa.kernels.transform_constants(pairs)[3]
    taps = transforms(2 * pairs, 3).taps
    exact = [*(taps[2 * i + 1][0] for i in range(pairs)), taps[0][0]]
    for scale, wanted in zip(scales, exact, strict=True):
        assert abs(Fraction(scale) - wanted) <= abs(wanted) * Fraction(1, 2**52)


@in_one_test
@every_tile
def test_the_growth_is_what_the_transforms_make_of_a_product(tile):
    """Three times it: the roundings of two transforms and of the products."""
    growth = 3.0
    for data, taps, sums in (matrices.absolute() for matrices in tile.matrices()):
        growth *= (sums @ (taps * data.sum(1)[:, None])).max()
    stated = next(one for one in WINOGRAD if one.name == tile.name).accuracy.growth
    assert 0.9 * stated <= growth <= 1.1 * stated


def _windows(x, tile):
    """Return what a 1-image convolution without padding is made of, tile by tile, in float64."""
    sizes = [size - side + 1 for size, side in zip(x.shape[1:], tile.kernel, strict=True)]
    steps = [tile.m if side > 1 else 1 for side in tile.kernel]
    counts = [-(-size // step) for size, step in zip(sizes, steps, strict=True)]
    spans = [step + side - 1 for step, side in zip(steps, tile.kernel, strict=True)]
    padded = np.zeros(
        (len(x), *(n * m + side - 1 for n, m, side in zip(counts, steps, tile.kernel, strict=True)))
    )
    padded[:, : x.shape[1], : x.shape[2]] = x
    windows = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=(1, 2))
    return windows[:, :: steps[0], :: steps[1]], sizes


def _bound(x, w, tile, terms, dtype):
    """Return γ·|Aᵀ| [Σ_c (|G||g||Gᵀ|) ⊙ (|Bᵀ||d||B|)] |A| of every output."""
    down, across = (matrices.absolute() for matrices in tile.matrices())
    windows, sizes = _windows(np.abs(x), tile)
    pixels = np.einsum("xi,cpqij,yj->cpqxy", down.data, windows, across.data, optimize=True)
    weights = np.einsum("xr,kcrs,ys->kcxy", down.taps, np.abs(w), across.taps, optimize=True)
    products = np.einsum("kcxy,cpqxy->kpqxy", weights, pixels, optimize=True)
    size = np.einsum("ax,kpqxy,by->kpaqb", down.sums, products, across.sums, optimize=True)
    n, p, a, q, b = size.shape
    size = size.reshape(n, p * a, q * b)[:, : sizes[0], : sizes[1]]
    return terms * unit_roundoff(dtype) * size


def _truth(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(float), w.shape[2:], axis=(1, 2))
    return np.einsum("cijrs,kcrs->kij", windows, w.astype(float), optimize=True)


@pytest.mark.parametrize("dtype", DTYPES)
@every_tile
def test_every_output_is_within_the_bound_of_its_tile(tile, dtype):
    """Impulses in the image and in the weights are among them, so that no tap can hide."""
    m, r = tile.m, tile.r
    for channels in (1, 2, 5, 131):
        rng = np.random.default_rng(channels)
        x = rng.standard_normal((channels, 2 * m + r, m + r + 4)).astype(dtype)
        w = tile.weights(rng, 6, channels, dtype)
        one_pixel, one_tap = np.zeros_like(x), np.zeros_like(w)
        one_pixel[channels // 2, m + 1, m] = 3
        filters = np.arange(6)
        one_tap.reshape(6, -1)[filters, filters * 5 % one_tap[0].size] = 3
        terms = channels + 30  # additions and roundings on the longest way of a value
        terms *= 2 if dtype == "float64" else 1  # the truth has as much error of its own
        for pixels, weights in ((x, w), (one_pixel, w), (x, one_tap), (one_pixel, one_tap)):
            with poisoned_allocations():
                y = fastconv.conv2d(pixels, weights, **tile.backend)
            error = np.abs(y - _truth(pixels, weights))
            assert (error <= _bound(pixels, weights, tile, terms, dtype)).all(), channels


@every_tile
def test_tiles_with_few_outputs_in_the_image_are_within_the_bound(tile):
    """Of any number of them, down and across, several images in a unit, an impulse in a corner."""
    rng = np.random.default_rng(tile.m)
    down, across = (tile.m if side > 1 else 1 for side in tile.kernel)
    for rows in range(1, 2 * down + 1):
        for columns in range(1, 2 * across + 1):
            sizes = (n + side - 1 for n, side in zip((rows, columns), tile.kernel, strict=True))
            x = rng.standard_normal((3, 3, *sizes)).astype(np.float32)
            x[1] = 0
            x[1, 1, -1, -1] = 3
            w = tile.weights(rng, 5, 3)
            with poisoned_allocations():
                y = fastconv.conv2d(x, w, **tile.backend)
            for image, found in zip(x, y, strict=True):
                bound = _bound(image, w, tile, 3 + 30, np.float32)
                assert (np.abs(found - _truth(image, w)) <= bound).all(), (rows, columns)


@in_one_test
@every_tile
def test_every_dilation_padding_and_size_is_within_the_contract(tile):
    """Tiles that are interleaved, and such as hang over in both directions."""
    rng = np.random.default_rng(tile.m)
    accuracy = next(one for one in WINOGRAD if one.name == tile.name).accuracy
    for size, dilation, padding in (
        ((9, 11), 1, 1), ((23, 30), 2, (3, 2)), ((21, 47), (1, 3), ((0, 4), (5, 1))),
        ((37, 33), (5, 2), 9), ((7, 65), 1, 7),
    ):  # fmt: skip
        x = rng.standard_normal((2, 11, *size)).astype(np.float32)
        w, b = tile.weights(rng, 19, 11), rng.standard_normal(19).astype(np.float32)
        options = {"padding": padding, "dilation": dilation}
        with poisoned_allocations():
            y = fastconv.conv2d(x, w, b, **options, **tile.backend)
        wide = [array.astype(float) for array in (x, w, b)]
        truth = fastconv.conv2d(*wide, **options, accuracy="strict")
        magnitude = fastconv.conv2d(*map(np.abs, wide), **options, accuracy="strict")
        assert_within_bounds(y, truth, magnitude, w[0].size + 1, accuracy)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiles_of_2_are_exact_on_multiples_of_4(dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 10, (3, 24, 13, 18)).astype(dtype)
    w = 4 * rng.integers(-9, 10, (20, 24, 3, 3)).astype(dtype)
    b = rng.integers(-9, 10, 20).astype(dtype)
    for threads in (1, 2):
        with fastconv.num_threads(threads):
            y = fastconv.conv2d(x, w, b, padding=1, backend="winograd_2x3")
            assert_equal(y, fastconv.conv2d(x, w, b, padding=1, accuracy="strict"))
            grads = fastconv.conv2d_backward(
                y, x, w, padding=1, needs=(True, False, False), backend="winograd_2x3"
            )
            exact = fastconv.conv2d_backward(
                y, x, w, padding=1, needs=(True, False, False), accuracy="strict"
            )
            assert_equal(grads.x, exact.x)


# Of normal data, relative, in the L2 norm: of squares by how many points they have, and of lines.
USUAL = {False: {4: 5e-7, 6: 1.5e-6, 8: 8e-6}, True: {4: 4e-7, 6: 7e-7, 8: 1.6e-6}}


@pytest.mark.parametrize(("channels", "size"), [(16, 40), (64, 28), (300, 14), (1000, 9)])
@pytest.mark.parametrize("kernel", sorted({tile.kernel for tile in TILES}))
def test_the_usual_error_is_what_the_levels_promise(kernel, channels, size):
    """Relative, in the L2 norm and on normal data: at most twice the direct sum's, or 2e-6."""
    rng = np.random.default_rng(channels)
    padding = tuple(side // 2 for side in kernel)
    x = rng.standard_normal((1, channels, size, size), np.float32)
    w = rng.standard_normal((24, channels, *kernel), np.float32)
    wide = x.astype(float), w.astype(float)
    truth = fastconv.conv2d(*wide, padding=padding, accuracy="strict")

    def error(**options):
        y = fastconv.conv2d(x, w, padding=padding, **options)
        return np.linalg.norm(y - truth) / np.linalg.norm(truth)

    direct = error(backend="gemm")
    for tile in TILES:
        if tile.kernel == kernel:
            found = error(**tile.backend)
            if tile.name in BY_DEFAULT:
                assert found <= max(2 * direct, 2e-6)
            # A dropped tap would be at 1/√(9·1000), and a sum over all channels from the first to
            # the last at a multiple of these.
            assert found <= USUAL[1 in kernel][tile.m + tile.r - 1]


@pytest.mark.parametrize("seed", range(8))
def test_real_sizes_are_exact_by_tiles_of_2_and_close_by_4(seed):
    """Of 0.02 to 0.4 GFLOP, both directions, one thread and two."""
    rng = np.random.default_rng(seed)
    channels, filters = (int(2 ** rng.uniform(4, 8.5)) for _ in range(2))
    pixels = 10 ** rng.uniform(7.3, 8.6) / (18 * channels * filters)
    height = max(3, int(pixels**0.5 * 2 ** rng.uniform(-1, 1)))
    width = max(3, int(pixels / height))
    x = rng.integers(-3, 4, (1, channels, height, width)).astype(np.float32)
    w = 4 * rng.integers(-2, 3, (filters, channels, 3, 3)).astype(np.float32)

    def compute(**options):
        y = fastconv.conv2d(x, w, padding=1, **options)
        return y, fastconv.conv2d_backward(
            y, x, w, padding=1, needs=(True, False, False), **options
        ).x  # fmt: skip

    y, dx = compute(accuracy="strict")
    for threads in (1, 2):
        with fastconv.num_threads(threads):
            assert_equal(compute(backend="winograd_2x3")[0], y)
            for result, exact in zip(compute(backend="winograd_4x3"), (y, dx), strict=True):
                error = np.linalg.norm(result - exact.astype(float))
                assert error <= 2e-6 * np.linalg.norm(exact.astype(float))


SPOILERS = {
    "nan": (np.nan, 1.0), "inf": (np.inf, 1.0), "-inf": (-np.inf, 1.0), "huge": (1.6e38, 1e-3),
    "nan weight": (1.0, np.nan), "inf weight": (1.0, np.inf), "huge weight": (1e-3, 1.6e38),
}  # fmt: skip


SPOILT = (  # row, column, channel, activation
    (0, 0, 0, None), (6, 8, 9, "relu"), (12, 16, 4, None), (3, 0, 7, "relu"), (0, 16, 2, None),
)  # fmt: skip


@every_tile
def test_what_is_not_finite_spoils_only_what_sees_it(tile):
    """As do numbers so large that only a transform overflows: the loops are the definition."""
    rng = np.random.default_rng(5)
    dilation = 1 if tile.name == "winograd_4x3" else (1, 2)
    for place, (name, (pixel, tap)) in enumerate(SPOILERS.items()):
        for row, column, channel, activation in np.roll(SPOILT, place, axis=0)[:3]:
            x = rng.uniform(1, 2, (2, 10, 13, 17)).astype(np.float32)
            w = rng.uniform(1, 2, (11, 10, *tile.kernel)).astype(np.float32)
            x[1, channel, row, column] *= pixel
            w[channel % 11, channel, row % tile.kernel[0], column % tile.kernel[1]] *= tap
            options = {"activation": activation, "padding": 1, "dilation": dilation}
            y = fastconv.conv2d(x, w, **options, **tile.backend)
            wanted = fastconv.conv2d(x, w, **options, backend="loops")
            assert_equal(np.isnan(y), np.isnan(wanted), name)
            usual = np.isfinite(wanted)
            assert_equal(y[~usual], wanted[~usual], name)
            # Beside a number that is huge but finite, small ones are lost: errors are relative to
            # the largest of a tile.
            largest = 1e-5 * np.abs(wanted[usual]).max() if "huge" in name else 0
            np.testing.assert_allclose(
                y[usual], wanted[usual], rtol=1e-4, atol=largest, err_msg=name
            )


@some_tiles
def test_bits_depend_on_the_problem_alone(tile):
    """Not on threads, units, the batch an image comes in, or who has transformed the weights."""
    rng = np.random.default_rng(6)
    x = rng.standard_normal((5, 150, 19, 23), np.float32)
    w, b = tile.weights(rng, 37, 150), rng.standard_normal(37, np.float32)
    backend = tile.name
    with fastconv.num_threads(1):
        y = fastconv.conv2d(x, w, b, backend=backend, **PADDED)
    assert_equal(fastconv.conv2d(x, w, b, backend=backend, **PADDED), y)
    assert_equal(fastconv.conv2d(x[3], w, b, backend=backend, **PADDED), y[3])
    for tiles in ((1,), (5,), (400,)):
        with tuned(WINOGRAD_TILES=tiles, WINOGRAD_MANY_TILES_BYTES=0):
            assert_equal(fastconv.conv2d(x, w, b, backend=backend, **PADDED), y)
            # transformed by each unit, once in each call, or once
            for shared, kept in ((0, 0), (2**30, 0), (2**30, 2**30)):
                limits = {"WINOGRAD_SHARED_BYTES": shared, "WINOGRAD_WEIGHTS_BYTES": kept}
                with tuned(
                    **limits, WINOGRAD_FAR_BYTES=0, WINOGRAD_TILES=tiles,
                    WINOGRAD_MANY_TILES_BYTES=0,
                ):  # fmt: skip
                    plan = fastconv.plan_conv2d(w, b, backend=backend, **PADDED)
                    assert_equal(plan(x), y)


@in_one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [8, 19])
def test_bits_do_not_depend_on_where_planes_begin(dtype, channels):
    """Planes of which rows share a set of the cache are read and written from the next line on.

    And the last vector of channels, and of filters, may be half full.
    """
    rng = np.random.default_rng(18)
    x = rng.standard_normal((2, channels, 16, 64)).astype(dtype)
    w, b = SQUARE[1].weights(rng, 24, channels, dtype), rng.standard_normal(24).astype(dtype)
    options = {"padding": 1, "activation": "relu", "backend": SQUARE[1].name}
    expected = fastconv.conv2d(x, w, b, **options)
    direct = fastconv.conv2d(x, w, b, **options | {"backend": "gemm"})
    np.testing.assert_allclose(expected, direct, rtol=0, atol=1e-4)
    for offset in range(0, 17, 3):
        memory = np.full(x.size + offset, np.nan, dtype)
        image = memory[offset:].reshape(x.shape)
        image[...] = x
        beyond = np.full(expected.size + offset + 1, np.nan, dtype)
        y = beyond[offset:-1].reshape(expected.shape)
        fastconv.conv2d(image, w, b, out=y, **options)
        assert_equal(y, expected)
        assert np.isnan(beyond[:offset]).all()
        assert np.isnan(beyond[-1])


@in_one_test
@pytest.mark.parametrize("groups", [1, 2])
def test_threads_that_share_the_filters_have_as_many_tiles(groups):
    """Images of 13 rows of tiles, in units of several: threads that shared these were uneven."""
    rng = np.random.default_rng(13)
    x = rng.standard_normal((2, 40, 50, 9), np.float32)
    w = rng.standard_normal((288 * groups, 40 // groups, 3, 3), np.float32)
    options = {"padding": 1, "groups": groups, "backend": "winograd_4x3"}
    problem = fastconv.ConvProblem.create(x.shape, w.shape, padding=1, groups=groups)
    with tuned(WINOGRAD_TILES=(12,), WINOGRAD_MANY_TILES_BYTES=0, FLOPS_WORTH_A_THREAD=1):
        with fastconv.num_threads(1):
            y = fastconv.conv2d(x, w, **options)
        for count in (2, 3):
            plan = planning.plan("forward", problem, "winograd_4x3", count)
            assert plan.blocks.filters * count == 288
            with fastconv.num_threads(count):
                assert_equal(fastconv.conv2d(x, w, **options), y, f"{count} threads")


@in_one_test
@some_tiles
def test_bits_depend_on_the_problem_alone_beside_what_is_not_finite(tile):
    """Tiles between two that are spoilt are not computed again, whatever units they are in."""
    rng = np.random.default_rng(12)
    x = rng.standard_normal((3, 11, 34, 61), np.float32)
    w, b = tile.weights(rng, 21, 11), rng.standard_normal(21, np.float32)
    m, r = tile.m, tile.r
    clean = fastconv.conv2d(x, w, b, backend=tile.name, **PADDED)
    x[1, 0, 17, ::27] = np.nan
    x[2, 5, 30, 60] = -np.inf
    b[3] = np.inf
    with fastconv.num_threads(1):
        y = fastconv.conv2d(x, w, b, backend=tile.name, **PADDED)
    assert_equal(fastconv.conv2d(x, w, b, backend=tile.name, **PADDED), y)
    assert_equal(fastconv.conv2d(x[1], w, b, backend=tile.name, **PADDED), y[1])
    for tiles in (1, 3, 400):
        with tuned(WINOGRAD_TILES=(tiles,), WINOGRAD_MANY_TILES_BYTES=0):
            assert_equal(fastconv.conv2d(x, w, b, backend=tile.name, **PADDED), y)
    assert (y[:, 3] == np.inf).sum() > 0.8 * y[:, 3].size
    far = np.s_[1, 4:, :, 1 + r + m : 28 - r - m]  # neither in a spoilt tile nor in sight of it
    assert_equal(y[far], clean[far])


@in_one_test
@pytest.mark.parametrize("groups", [1, 3])
@every_tile
def test_prepared_weights_of_every_group_and_of_a_last_panel(tile, groups):
    rng = np.random.default_rng(13)
    x = rng.standard_normal((2, 10 * groups, 9, 12), np.float32)
    for filters in (1, 19, 40, 56, 100):  # panels of three vectors and fewer, whole and half
        w = tile.weights(rng, filters * groups, 10)
        options = {"groups": groups, "padding": 1, **tile.backend}
        with tuned(WINOGRAD_CHANNELS=3):  # rounded up to whole vectors, three blocks of them
            y = fastconv.conv2d(x, w, **options)
            assert_equal(fastconv.plan_conv2d(w, **options)(x), y)
        np.testing.assert_allclose(
            y, fastconv.conv2d(x, w, padding=1, groups=groups, backend="loops"), atol=1e-3
        )


@in_one_test
@pytest.mark.parametrize("padding", [3, ((4, 0), (0, 5)), 8])
@every_tile
def test_the_gradient_of_more_padding_than_a_kernel_sees(tile, padding):
    """Seen from the gradient the first pixels then are not read: a padding below zero."""
    rng = np.random.default_rng(14)
    x = rng.standard_normal((1, 5, 7, 8), np.float32)
    w = tile.weights(rng, 9, 5)
    g = rng.standard_normal(fastconv.conv2d(x, w, padding=padding).shape, np.float32)
    wanted, found = (
        fastconv.conv2d_backward(
            g, x, w, padding=padding, needs=(True, False, False), backend=backend, accuracy="fast"
        ).x
        for backend in ("loops", tile.name)
    )
    np.testing.assert_allclose(found, wanted, atol=1e-3)


@in_one_test
@pytest.mark.parametrize("seed", range(40))
def test_whether_it_is_chosen_depends_on_neither_threads_nor_batch(seed):
    """Or the bits would."""
    rng = np.random.default_rng(seed)
    channels, filters = (int(2 ** rng.uniform(1, 7)) for _ in range(2))
    height, width = (int(2 ** rng.uniform(1.6, 5)) for _ in range(2))
    x = rng.standard_normal((5, channels, height, width), np.float32)
    sides = ((3, 3), (3, 3), (5, 5), (1, 7), (3, 1))[seed % 5]
    w = rng.standard_normal((filters, channels, *sides), np.float32)
    y = fastconv.conv2d(x, w, padding=2)
    with fastconv.num_threads(1):
        for n in (0, 4):
            assert_equal(fastconv.conv2d(x[n], w, padding=2), y[n])


@in_one_test
@every_tile
def test_the_input_gradient_is_the_same_with_turned_kernels(tile):
    rng = np.random.default_rng(7)
    g = rng.standard_normal((2, 24, 13, 14), np.float32)
    w = tile.weights(rng, 24, 32)
    turned = np.ascontiguousarray(w[:, :, ::-1, ::-1].swapaxes(0, 1))
    padding = tuple(side - 1 for side in tile.kernel)
    x = np.empty((2, 32, *(n + p for n, p in zip((13, 14), padding, strict=True))), np.float32)
    grads = fastconv.conv2d_backward(g, x, w, needs=(True, False, False), **tile.backend)
    assert_equal(grads.x, fastconv.conv2d(g, turned, padding=padding, **tile.backend))
    assert_equal(fastconv.conv_transpose2d(g, w, **tile.backend), grads.x)


def test_the_usual_error_in_float64():
    rng = np.random.default_rng(15)
    for channels in (4, 16, 200):
        x = rng.standard_normal((1, channels, 20, 20))
        w = rng.standard_normal((8, channels, 3, 3))
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(x[0], ((0, 0), (1, 1), (1, 1))).astype(np.longdouble), (3, 3), axis=(1, 2)
        )
        truth = np.tensordot(w.astype(np.longdouble), windows, ((1, 2, 3), (0, 3, 4)))
        for m in (2, 4):
            y = fastconv.conv2d(x, w, padding=1, backend=f"winograd_{m}x3")[0]
            error = np.sqrt(np.square(y - truth).sum() / np.square(truth).sum())
            assert error <= 4e-15


def test_the_best_tile_is_taken_where_the_family_is_asked_for():
    for x_shape in ((1, 64, 3, 3), (1, 64, 4, 4), (1, 64, 56, 56)):
        names = {
            level: fastconv.explain(
                x_shape, (64, 64, 3, 3), padding=1, backend="winograd", accuracy=level
            ).kernel
            for level in ("default", "fast")
        }
        assert names["default"] in ("winograd_2x3", "winograd_4x3")
        assert (names["fast"] == "winograd_6x3") == (x_shape[2] == 56)


def test_few_channels_are_left_to_direct_sums():
    """Or, where it was measured, to columns that are transformed alone."""
    squares = {one.name for one in WINOGRAD}
    for channels, size in ((3, 224), (1, 64), (3, 112)):
        kernel = fastconv.explain((1, channels, size, size), (64, channels, 3, 3), padding=1).kernel
        assert kernel not in squares


def test_a_layer_follows_the_accuracy_when_it_predicts():
    layer = fastconv.nn.Conv2d(64, 64, 3, padding=1, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((1, 64, 56, 56), np.float32)
    quick = layer.predict(x)
    with fastconv.accuracy("strict"):
        assert_equal(layer.predict(x), layer.forward(x))
    assert_equal(layer.predict(x), quick)


@in_one_test
@pytest.mark.parametrize("level", ["strict", "default", "fast"])
def test_every_family_tells_its_contract_at_every_level(level):
    for family in planning.FAMILIES:
        contract = family.accuracy(level)
        assert contract.componentwise or (family.name == "winograd" and level != "strict")


LAYER = (1, 64, 56, 56), (64, 64, 3, 3)


def test_strict_takes_none_of_them_and_fast_more_than_default():
    kernels = {
        level: fastconv.explain(*LAYER, padding=1, accuracy=level).kernel
        for level in ("strict", "default", "fast")
    }
    assert kernels == {"strict": "gemm_filters", "default": "winograd_4x3", "fast": "winograd_6x3"}


def test_the_accuracy_is_a_setting_of_the_process_of_a_block_and_of_a_call():
    def kernel(**options):
        return fastconv.explain(*LAYER, padding=1, **options).kernel

    assert fastconv.get_accuracy() == "default"
    fastconv.set_accuracy("strict")
    try:
        assert (fastconv.get_accuracy(), kernel()) == ("strict", "gemm_filters")
        with fastconv.accuracy("fast"):
            assert (fastconv.get_accuracy(), kernel()) == ("fast", "winograd_6x3")
            assert kernel(accuracy="default") == "winograd_4x3"
        assert kernel() == "gemm_filters"
    finally:
        fastconv.set_accuracy("default")
    assert kernel() == "winograd_4x3"


def test_a_plan_keeps_the_accuracy_that_it_was_made_with():
    rng = np.random.default_rng(8)
    x, w = (rng.standard_normal(shape, np.float32) for shape in LAYER)
    with fastconv.accuracy("strict"):
        plan = fastconv.plan_conv2d(w, padding=1)
        direct = fastconv.conv2d(x, w, padding=1)
    assert_equal(plan(x), direct)
    assert (fastconv.conv2d(x, w, padding=1) != direct).any()


@in_one_test
@pytest.mark.parametrize("level", ["Strict", "", 1, None, True, np.float32(1), ["fast"]])
def test_another_level_is_refused_by_name(level):
    x, w = np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3))
    for name, call in (
        ("level", lambda: fastconv.set_accuracy(level)),
        ("level", lambda: fastconv.accuracy(level)),
        ("accuracy", lambda: fastconv.conv2d(x, w, accuracy=level)),
        ("accuracy", lambda: fastconv.plan_conv2d(w, accuracy=level)),
        ("accuracy", lambda: fastconv.conv_transpose2d(x, w, accuracy=level)),
        ("accuracy", lambda: fastconv.explain(x.shape, w.shape, accuracy=level)),
    ):
        if name == "accuracy" and level is None:
            continue
        with pytest.raises(
            ValueError, match=f"{name} must be one of .*'strict', 'default', 'fast'"
        ):
            call()
    assert fastconv.get_accuracy() == "default"


def test_what_a_level_does_not_allow_is_refused_by_that_reason():
    x, w = np.ones((1, 8, 9, 9)), np.ones((8, 8, 3, 3))
    cases = ("winograd", "strict"), ("winograd_4x3", "strict"), ("winograd_6x3", None)
    for backend, level in cases:
        with pytest.raises(ValueError, match="its errors are larger than accuracy="):
            fastconv.conv2d(x, w, backend=backend, accuracy=level)


def test_every_size_is_planned_at_once_and_within_the_limits():
    """With thousands of channels, images of 4096×4096 and rows of a million."""
    rng = np.random.default_rng(9)
    chosen = set()
    for seed in range(200):
        channels, filters = (int(2 ** rng.uniform(0, 12)) for _ in range(2))
        height, width = (int(2 ** rng.uniform(1.6, 12)) for _ in range(2))
        if seed % 7 == 0:
            height, width = 3, 1_000_000
        batch = int(2 ** rng.uniform(0, 8))
        kernel = TILES[seed % len(TILES)].kernel if seed % 2 else (3, 3)
        dilation = 1 if seed % 3 else int(2 ** rng.uniform(0, 6))
        padding = dilation * (max(kernel) - 1) // 2
        problem = fastconv.ConvProblem.create(
            (batch, channels, height, width), (filters, channels, *kernel), padding=padding,
            dilation=dilation, dtype=DTYPES[seed % 2],
        )  # fmt: skip
        for threads in (1, 2, 64):
            for level in ("default", "fast"):
                ask = partial(planning.plan, "forward", problem, "auto", threads, accuracy=level)
                plan = planned_at_once(ask, problem)
                if plan.family == "winograd":
                    # and the weights, where they are transformed once
                    most = threads * 4.5 * 2**20 + tuning.WINOGRAD_SHARED_BYTES * 1.1
                    assert plan.scratch_bytes <= most, problem
                    chosen.add(plan.leaf.implementation.name)
    # Short vectors fill larger tiles, and those of 64 bytes leave it images of up to ten pixels.
    rare = set() if isa.name == "avx2" else {"winograd_2x3"}
    assert chosen >= {tile.name for tile in SQUARE} - rare
    assert any("line" in name for name in chosen)
    assert any("x5" in name for name in chosen)


def test_the_weights_of_many_units_are_transformed_once_in_a_call():
    """With the same bits as in each unit, and with a scratch that says so."""
    rng = np.random.default_rng(16)
    x = rng.standard_normal((9, 21, 12, 15), np.float32)
    w = rng.standard_normal((35, 21, 3, 3), np.float32)
    for groups, weights in ((1, w), (3, w[:33, :7].copy())):
        options = {"padding": 1, "groups": groups, "backend": "winograd_4x3"}
        results, scratches = [], []
        for units in (1, 10**6):
            limits = {"WINOGRAD_TILES": (4,), "WINOGRAD_MANY_TILES_BYTES": 0}
            with tuned(WINOGRAD_UNITS_SHARING=units, **limits):
                results.append(fastconv.conv2d(x, weights, **options))
                explanation = fastconv.explain(x.shape, weights.shape, **options)
                scratches.append(explanation.scratch_bytes)
        assert_equal(*results)
        assert scratches[0] >= scratches[1] + 36 * weights.nbytes // 9


@in_one_test
@pytest.mark.parametrize("backend", ["auto", "winograd_4x3", "gemm", "gemm_pixels", "loops"])
def test_a_plan_has_the_gradient_of_its_image(backend):
    rng = np.random.default_rng(17)
    w = rng.standard_normal((40, 64, 3, 3), np.float32)
    options = {"padding": (1, 2), "activation": "relu", "backend": backend}
    plan = fastconv.plan_conv2d(w, np.zeros(40, np.float32), **options)
    for shape in ((2, 64, 30, 28), (64, 9, 11), (2, 64, 30, 28), (0, 64, 5, 6)):
        x = rng.standard_normal(shape, np.float32)
        y = fastconv.conv2d(x, w, **options)
        grad = rng.standard_normal(y.shape, np.float32)
        wanted = fastconv.conv2d_backward(
            grad, x, w, output=y, needs=(True, False, False), **options
        ).x
        with poisoned_allocations():
            found = plan.input_grad(grad, shape, output=y)
        assert found.shape == shape
        # with prepared weights another algorithm may be ahead
        np.testing.assert_allclose(found, wanted, atol=0 if backend != "auto" else 2e-3)
    strided = fastconv.plan_conv2d(w, stride=2, groups=1, backend="auto")
    grad = rng.standard_normal((1, 40, 6, 7), np.float32)
    for size in (13, 14):
        x = np.zeros((1, 64, size, 15), np.float32)
        wanted = fastconv.conv2d_backward(grad, x, w, stride=2, needs=(True, False, False)).x
        assert_equal(strided.input_grad(grad, x.shape), wanted)


def test_a_plan_refuses_a_gradient_that_is_not_its_own():
    w = np.ones((4, 3, 3, 3))
    plan = fastconv.plan_conv2d(w, activation="relu")
    grad = np.ones((1, 4, 5, 5))
    for words, call in (
        ("grad_output must have the output's shape", lambda: plan.input_grad(grad, (1, 3, 8, 7))),
        ("output, what conv2d returned", lambda: plan.input_grad(grad, (1, 3, 7, 7))),
        (
            "output must have shape",
            lambda: plan.input_grad(grad, (1, 3, 7, 7), output=grad[0]),
        ),
        ("x must be", lambda: plan.input_grad(grad, (7, 7), output=grad)),
        ("takes 3·groups = 3 channels", lambda: plan.input_grad(grad, (1, 2, 7, 7), output=grad)),
        (
            "grad_output has dtype float32",
            lambda: plan.input_grad(grad.astype("f"), (1, 3, 7, 7), output=grad),
        ),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            call()


@in_one_test
@pytest.mark.parametrize("itemsize", [4, 8])
def test_panels_of_filters_take_turns_in_width(itemsize):
    """So that threads have as much to do each; no number of filters is too large."""
    kernels, vector = isa.kernels, isa.kernels.vector_values(itemsize)
    for filters in (*range(1, 400), 10**12 + 7):
        vectors, panels = -(-filters // vector), kernels.panels_of_filters(filters, itemsize)
        for panel in {*range(min(panels, 60)), panels - 1, panels}:
            first = kernels.first_of_panel(filters, itemsize, panel)
            assert first == vector * -(-panel * vectors // panels)
            before = partial(kernels.panels_before_filter, filters, itemsize)
            if panel > 0:
                assert before(first) == panel, filters
                assert before(first - vector + 1) == panel, filters
            if panel < panels:
                assert before(min(filters, first + 1)) == panel + 1, filters
