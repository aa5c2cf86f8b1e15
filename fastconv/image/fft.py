"""Large kernels by way of the spectra of overlapping blocks of the image.

    block of the image, n x m       its spectrum · the flipped kernel's      y
    ┌───────────────┐                                                ┌───────────┐
    │               │   rfft2                             irfft2     │ ░ ┌───────┤  the first
    │  what the     │  ───────►    n·(m/2 + 1) products   ───────►   │ ░ │ whole │  R-1 rows and
    │  outputs see  │              for each filter                   │ ░ │windows│  S-1 columns
    └───────────────┘                                                └───┴───────┘  are spoilt

The products of spectra are a convolution of the block as if it went round in a circle; the outputs
whose windows lie in the block do not notice (overlap-save). Blocks overlap by the kernel less one
pixel, and have extents 2^a·3^b·5^c, for which an FFT is fast. Kernel and blocks are all that is
held, the spectra of at most `tuning.FFT_SPECTRA_BYTES` of filters at a time.

NumPy transforms large blocks, and those of integers; a compiled kernel small ones that stay in the
caches, two squares as one block: squares.py.

The error is of the block as a whole, not of each sum:

    |ŷ - y| <= 12·log2(n·m)·u·‖k‖·‖block‖        in the 2-norm

(Higham, Accuracy and Stability of Numerical Algorithms, theorem 24.2, with small constants; three
transforms and a product). So next to pixels that are far larger, small results have few digits or
none; a direct convolution keeps them. float32 is transformed in float32 where NumPy does so, from
version 2 on, else in float64.

A NaN or infinity would spoil its whole block: it is taken out, and the outputs whose windows might
hold it are computed directly. Blocks and kernels of very large or small values are scaled by powers
of two. Integers are transformed in float64, and results rounded to integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache, partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .. import tuning
from ..problem.axis import ceil_div
from ..problem.extension import extend_part
from ..problem.operands import Array, is_prepared
from .running import copy_of_seen, direct_inside, inside
from .shapes import Filtering
from .squares import Squares, find_spectral, squares_of
from .tiles import Row, tiles, whole

__all__ = ["Blocks", "blocks_of", "by_fft", "cost_of_blocks", "error_bound", "fast_length"]

# Exponents of two within which nothing under- or overflows on the way: the square of 2^30 times
# the pixels of a block, squared, is far from the ends of float32.
_MODERATE = 30


class Blocks(NamedTuple):
    """How the work is cut.

    Attributes
    ----------
    height, width : int
        Of the transform.
    rows, columns : int
        Outputs of a block.
    images : int
        Transformed at a time.
    """

    height: int
    width: int
    rows: int
    columns: int
    images: int


@lru_cache(maxsize=1024)
def fast_length(least: int) -> int:
    """Return the smallest even 2^a·3^b·5^c that is at least so large; 1 stays 1."""
    if least <= 1:
        return 1
    best = 2 ** (least - 1).bit_length()
    fives = 1
    while fives < best:
        threes = fives
        while threes < best:
            twos = 2 ** max(1, (ceil_div(least, threes) - 1).bit_length())
            best = min(best, threes * twos)
            threes *= 3
        fives *= 5
    return best


def _lengths(outputs: int, kernel: int) -> list[tuple[int, int]]:
    """Return lengths of transforms to choose from, and their outputs: for 1, 2, 3.. blocks."""
    found = {}
    parts = 1
    while True:
        share = ceil_div(outputs, parts)
        length = fast_length(share + kernel - 1)
        found[length] = min(outputs, length - kernel + 1)
        if share == 1 or length < 2 * kernel:
            return list(found.items())
        parts += ceil_div(parts, 4)


class Prices(NamedTuple):
    """Nanoseconds, from tuning.py: see there."""

    step: float
    product: float
    block: float

    def transform(self, values: int) -> float:
        """Return those of a real transform of so many values."""
        return values * self.step * math.log2(max(2, values))


@lru_cache(maxsize=256)
def _choose_blocks(
    rows: tuple[int, int], columns: tuple[int, int], filters: int, most: int, prices: Prices
) -> tuple[float, tuple[int, int], tuple[int, int]]:
    """Return nanoseconds for an image, and the lengths and outputs of the blocks that take them.

    `rows` and `columns` are outputs and taps; a block has `most` values, unless the kernel is so
    large that none is so small.
    """
    choices = list(product(_lengths(*rows), _lengths(*columns)))
    most = max(most, min(down[0] * across[0] for down, across in choices))

    def cost(choice: tuple[tuple[int, int], tuple[int, int]]) -> float:
        (height, outputs), (width, across) = choice
        count = ceil_div(rows[0], outputs) * ceil_div(columns[0], across)
        transform = prices.transform(height * width)
        block = (1 + filters) * (transform + prices.block)
        block += filters * height * width * prices.product
        return count * block + filters * transform  # and the kernels', once

    best = min((choice for choice in choices if choice[0][0] * choice[1][0] <= most), key=cost)
    return cost(best), *best


def _chosen(filtering: Filtering) -> tuple[float, tuple[int, int], tuple[int, int]]:
    rows, columns = filtering.rows, filtering.columns
    prices = Prices(tuning.FFT_STEP_NS, tuning.FFT_PRODUCT_NS, tuning.FFT_BLOCK_NS)
    return _choose_blocks(
        (rows.outputs, rows.kernel), (columns.outputs, columns.kernel), filtering.filters,
        tuning.FFT_BLOCK_VALUES, prices,
    )  # fmt: skip


def cost_of_blocks(filtering: Filtering, *, integers: bool) -> float:
    """Return about how many nanoseconds an image takes."""
    squares = _squares(filtering, integers)
    return _cost_in_numpy(filtering, integers) if squares is None else squares.nanoseconds


def _cost_in_numpy(filtering: Filtering, integers: bool) -> float:
    old = not hasattr(np, "long")  # before NumPy 2
    is_wide = integers or old or filtering.dtype == np.float64
    return _chosen(filtering)[0] * (tuning.FFT_WIDE if is_wide else 1.0)


def _squares(filtering: Filtering, integers: bool) -> Squares | None:
    """Return how compiled transforms would cut an image, or None where NumPy's take less."""
    squares = None if integers else squares_of(filtering)
    if squares is None or squares.nanoseconds > _cost_in_numpy(filtering, integers):
        return None
    return squares


def blocks_of(filtering: Filtering, *, integers: bool) -> Blocks:
    """Return how the work is cut, whatever the threads."""
    squares = _squares(filtering, integers)
    if squares is not None:
        rows, columns, side = squares.blocks
        return Blocks(side, side, rows, columns, 1)
    return _blocks_in_numpy(filtering)


def _blocks_in_numpy(filtering: Filtering) -> Blocks:
    rows, columns = filtering.rows, filtering.columns
    _, (height, outputs), (width, across) = _chosen(filtering)
    whole = outputs == rows.outputs and across == columns.outputs
    images = max(1, tuning.FFT_BLOCK_VALUES // (height * width)) if whole else 1
    return Blocks(height, width, outputs, across, min(images, max(1, filtering.images)))


def error_bound(values: int, dtype: np.dtype[Any]) -> float:
    """Return the error of a result over ‖kernel‖·‖block‖, for a block of so many values."""
    return 12 * math.log2(max(2, values)) * float(np.finfo(dtype).eps) / 2


def by_fft(
    filtering: Filtering, x: Array, kernels: Array, y: Array, threads: int, *, integers: bool
) -> None:
    """Fill y (N, K, OH, OW) from x (N, H, W) and finite kernels (K, R, S)."""
    squares = _squares(filtering, integers)
    if squares is not None and not _moderate(kernels)[1].any():
        _by_squares(filtering, squares, x, kernels, y)
        return
    blocks = _blocks_in_numpy(filtering)
    dtype = np.dtype(np.float64) if integers else filtering.dtype
    spectrum_bytes = blocks.height * (blocks.width // 2 + 1) * dtype.itemsize * 2
    group = max(1, tuning.FFT_SPECTRA_BYTES // spectrum_bytes)
    rows, columns = filtering.rows.outputs, filtering.columns.outputs
    places = [
        (slice(n, min(n + blocks.images, filtering.images)), i, j)
        for n in range(0, filtering.images, blocks.images)
        for i in range(0, rows, blocks.rows)
        for j in range(0, columns, blocks.columns)
    ]
    for k in range(0, filtering.filters, group):
        transform = _Transform(filtering, x, kernels[k : k + group], blocks, dtype, integers)
        target = y[:, k : k + group]
        if threads == 1 or len(places) == 1:
            for place in places:
                transform(target, *place)
            continue
        with ThreadPoolExecutor(threads) as pool:
            # in this call's context: its number of threads
            futures = [
                pool.submit(copy_context().run, partial(transform, target, *place))
                for place in places
            ]
            try:
                for future in futures:
                    future.result()
            except BaseException:  # Ctrl-C too: the blocks that wait are not wanted any more
                pool.shutdown(cancel_futures=True)
                raise


def _by_squares(filtering: Filtering, squares: Squares, x: Array, kernels: Array, y: Array) -> None:
    """Fill y by compiled transforms, of an image that has to be cast tile by tile."""
    if x.dtype == filtering.dtype and is_prepared(x):
        find_spectral(filtering, squares.blocks).fill(y, x, kernels)
        return
    held = Row(1, filtering.columns.kernel - 1)
    for tile in tiles(filtering, whole(filtering), held, cut_rows=True):
        part = copy_of_seen(filtering, x, tile)
        seen = inside(filtering, part.shape)
        cut = squares_of(seen)
        assert cut is not None  # it depends on the kernels alone
        find_spectral(seen, cut.blocks).fill(
            y[tile.images, :, tile.rows, tile.columns], part, kernels
        )


class _Transform:
    """The spectra of some kernels, and what is done with a block."""

    def __init__(
        self, filtering: Filtering, x: Array, kernels: Array, blocks: Blocks,
        dtype: np.dtype[Any], integers: bool,
    ) -> None:  # fmt: skip
        self._filtering = filtering
        self._x = x
        self._kernels = kernels
        self._blocks = blocks
        self._dtype = dtype
        self._integers = integers
        self._size = blocks.height, blocks.width
        scaled, self._exponents = _moderate(kernels.astype(dtype))
        self._spectra = np.fft.rfft2(scaled[:, ::-1, ::-1], self._size)

    def __call__(self, y: Array, images: slice, i: int, j: int) -> None:
        """Compute the outputs of some images from row i and column j on."""
        filtering, blocks = self._filtering, self._blocks
        rows, columns = filtering.rows, filtering.columns
        height = min(blocks.rows, rows.outputs - i)
        width = min(blocks.columns, columns.outputs - j)
        seen = height + rows.kernel - 1, width + columns.kernel - 1
        first, left = i - rows.before, j - columns.before
        part = np.empty((images.stop - images.start, *seen), self._dtype)
        extend_part(
            self._x[images], (first, first + seen[0]), (left, left + seen[1]), filtering.kind,
            filtering.fillvalue, part,
        )  # fmt: skip
        target = y[images, :, i : i + height, j : j + width]
        spoilt = list(_spoilt(part))
        finite = part.copy() if spoilt else part
        if spoilt:
            finite[~np.isfinite(finite)] = 0
        scaled, exponents = _moderate(finite)
        spectrum = np.fft.rfft2(scaled, self._size)
        down = slice(rows.kernel - 1, rows.kernel - 1 + height)
        across = slice(columns.kernel - 1, columns.kernel - 1 + width)
        for k, (kernel, exponent) in enumerate(zip(self._spectra, self._exponents, strict=True)):
            result = np.fft.irfft2(spectrum * kernel, self._size)[:, down, across]
            with np.errstate(all="ignore"):  # the cast and the scale may overflow, as sums may
                if self._integers:
                    result = np.rint(result)
                if exponent or exponents.any():
                    result = np.ldexp(result, exponents[:, None, None] + exponent)
                target[:, k] = result
        for n, box in spoilt:
            self._repair(target[n], part[n], *box)

    def _repair(self, y: Array, part: Array, rows: slice, columns: slice) -> None:
        """Compute directly the outputs whose windows may hold one of the pixels of a box."""
        taps, across = self._kernels.shape[1:]
        i, end = max(0, rows.start - taps + 1), min(rows.stop, y.shape[1])
        j, stop = max(0, columns.start - across + 1), min(columns.stop, y.shape[2])
        seen = part[i : end + taps - 1, j : stop + across - 1].astype(y.dtype)
        y[:, i:end, j:stop] = direct_inside(seen, self._kernels)


def _spoilt(part: Array) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Yield the images of a part that hold what is not finite, and the box in which it lies."""
    peaks = np.maximum(part.max(axis=(1, 2)), -part.min(axis=(1, 2)))
    for n in np.flatnonzero(~np.isfinite(peaks)):
        at = ~np.isfinite(part[n])
        sides = (np.flatnonzero(at.any(axis=axis)) for axis in (1, 0))
        rows, columns = (slice(int(side[0]), int(side[-1]) + 1) for side in sides)
        yield int(n), (rows, columns)


def _moderate(arrays: Array) -> tuple[Array, Array]:
    """Return arrays (N, H, W) scaled by powers of two where they are far from 1, and the powers.

    What was taken out is 2 to the power of them, one of each; 0 where nothing was.
    """
    peaks = np.maximum(arrays.max(axis=(1, 2)), -arrays.min(axis=(1, 2)))
    exponents = np.frexp(peaks)[1]
    exponents[(np.abs(exponents) <= _MODERATE) | (peaks == 0)] = 0
    if exponents.any():
        arrays = np.ldexp(arrays, -exponents[:, None, None])
    return arrays, exponents
