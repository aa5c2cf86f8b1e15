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

A NaN or infinity would spoil its whole block: it is taken out, and what it makes of the windows
that hold it is put in afterwards (spoilt.py). Blocks and kernels of very large or small values are
scaled by powers of two. Integers are transformed in float64, digit by digit if need be (digits.py),
and results rounded to integers.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import lru_cache, partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .. import tuning
from ..problem.axis import ceil_div
from ..problem.extension import extend_part
from ..problem.operands import Array, is_prepared
from .digits import Digits, digits_for
from .lengths import fast_length
from .running import copy_of_seen, inside
from .shapes import Filtering
from .spoilt import put_in, spoilt_images
from .squares import Squares, find_spectral, squares_of
from .tiles import Row, tiles, whole

__all__ = ["Blocks", "blocks_of", "by_fft", "cost_of_blocks", "digits_of", "error_bound"]

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
        cut = squares.blocks
        return Blocks(cut.side, cut.side, cut.rows, cut.columns, 1)
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


def digits_of(filtering: Filtering, kernels: Array, image: Array) -> Digits | None:
    """Return the digits in which an image of integers is transformed, None if they are too many."""
    blocks = _blocks_in_numpy(filtering)
    values = blocks.height * blocks.width
    largest = max(float(image.max(initial=0)), -float(image.min(initial=0)))
    norm = float(np.sqrt(np.square(kernels, dtype=np.float64).sum(axis=(1, 2)).max(initial=0)))
    error = error_bound(values, np.dtype(np.float64)) * norm * values**0.5
    return digits_for(max(largest, abs(filtering.fillvalue)), error)


def by_fft(
    filtering: Filtering, x: Array, kernels: Array, y: Array, threads: int, digits: Digits | None
) -> None:
    """Fill y (N, K, OH, OW) from x (N, H, W) and finite kernels (K, R, S); integers by digits."""
    spoilt = spoilt_images(x)
    squares = _squares(filtering, digits is not None)
    if squares is not None and not _moderate(kernels)[1].any():
        if not spoilt:
            _by_squares(filtering, squares, x, kernels, y)
            return
        one = replace(filtering, images=1)
        for n in range(filtering.images):  # one by one: others are what they are in any stack
            image, target = x[n : n + 1], y[n : n + 1]
            if n in spoilt and image.size * filtering.dtype.itemsize <= tuning.IMAGE_TILE_BYTES:
                image = image.astype(filtering.dtype)
                image[~np.isfinite(image)] = 0
            elif n in spoilt:
                _by_clean_squares(one, image, kernels, target)
                continue
            _by_squares(one, squares, image, kernels, target)
    else:
        _in_numpy(filtering, x, kernels, y, threads, digits, bool(spoilt))
    for n in spoilt:
        put_in(filtering, x[n : n + 1], kernels, y[n : n + 1])


def _in_numpy(
    filtering: Filtering, x: Array, kernels: Array, y: Array, threads: int, digits: Digits | None,
    spoilt: bool,
) -> None:  # fmt: skip
    """Fill y by NumPy's transforms, zeros standing for what is not finite."""
    blocks = _blocks_in_numpy(filtering)
    dtype = filtering.dtype if digits is None else np.dtype(np.float64)
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
        transform = _Transform(filtering, x, kernels[k : k + group], blocks, dtype, digits, spoilt)
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
    _by_clean_squares(filtering, x, kernels, y)


def _by_clean_squares(filtering: Filtering, x: Array, kernels: Array, y: Array) -> None:
    """Fill y from copies of what tiles see, zeros standing for what is not finite."""
    held = Row(1, filtering.columns.kernel - 1)
    for tile in tiles(filtering, whole(filtering), held, cut_rows=True):
        part = copy_of_seen(filtering, x, tile)
        if x.dtype.kind == "f":
            part[~np.isfinite(part)] = 0
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
        dtype: np.dtype[Any], digits: Digits | None, spoilt: bool,
    ) -> None:  # fmt: skip
        self._filtering = filtering
        self._x = x
        self._blocks = blocks
        self._dtype = dtype
        self._digits = digits
        self._spoilt = spoilt
        self._size = blocks.height, blocks.width
        scaled, self._exponents = self._scaled(kernels.astype(dtype))
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
        if self._spoilt:
            part[~np.isfinite(part)] = 0
        target = y[images, :, i : i + height, j : j + width]
        scaled, exponents = self._scaled(part)
        digits = [scaled] if self._digits is None else list(self._digits.of(scaled))
        spectra = [np.fft.rfft2(digit, self._size) for digit in digits]
        down = slice(rows.kernel - 1, rows.kernel - 1 + height)
        across = slice(columns.kernel - 1, columns.kernel - 1 + width)
        for k, (kernel, exponent) in enumerate(zip(self._spectra, self._exponents, strict=True)):
            results = (
                np.fft.irfft2(spectrum * kernel, self._size)[:, down, across]
                for spectrum in reversed(spectra)
            )
            with np.errstate(all="ignore"):  # the cast and the scale may overflow, as sums may
                if self._digits is not None:
                    target[:, k] = self._digits.joined(map(np.rint, results))
                elif exponent or exponents.any():
                    power = exponents[:, None, None] + exponent
                    target[:, k] = np.ldexp(next(results), power)
                else:
                    target[:, k] = next(results)

    def _scaled(self, arrays: Array) -> tuple[Array, Array]:
        """Return arrays of moderate size, see `_moderate`; integers as they are."""
        if self._digits is None:
            return _moderate(arrays)
        return arrays, np.zeros(len(arrays), np.intc)


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
