"""Bands: rows of an image and those that a filter sees beside them, which stay in the caches.

    image, of any dtype           band, floats             result
    ┌───────────────┐             ┌ ─ ─ ─ ─ ─ ─ ─ ┐
    ├───────────────┤             ├───────────────┤        ├───────────────┤
    │               │  ────────►  │               │  ───►  │               │
    ├───────────────┤    cast     ├───────────────┤        ├───────────────┤
    └───────────────┘    copy     └ ─ ─ ─ ─ ─ ─ ─ ┘        └───────────────┘
                                  above and below, perhaps beyond the image

A filter is several passes over what it has made itself. Of a whole photograph each of these would
go through memory, and have to be given memory; of a band they are in the cache. An image of no more
than a band, or of hardly more rows than a filter sees, is a band as it lies, whose rows go on
beyond the edge as its columns do; small images of a stack are one together. So is an image of any
size that is smoothed along both axes and has not to be cast: a compiled kernel cuts it by itself.

How an image is cut depends on its own size and on the filter: not on the stack, nor on threads.

Smoothing keeps a band of one colour c exactly. Its weights sum to one, but their products with c
are rounded, and so would be the sum. So it is not the band x that is smoothed but what it has above
a level z of its own::

    z + Σ w·(x − z)

which is z + Σ w·0 = c where all pixels are c and z is one of them. The level is the pixel nearest
to zero, or zero where pixels of both signs, or zeros, are there. Then no difference is larger than
the pixel it was made of: nothing overflows, no bright spot swallows the rest, and every result
stays within (R + S + 8)·u·Σ w·|x| of the exact one, for R taps down and S across: n + 2 roundings
for the n taps of a pass, one for each weight, one for each difference and one at the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from .. import tuning
from ..algorithms.blocks import even
from ..call import remembered
from ..image.banded import columns_and_rows, find_banded
from ..image.passes import separable
from ..image.running import direct
from ..image.separable import Factors
from ..image.shapes import Filtering
from ..problem import Axis
from ..problem.operands import Array
from ..problem.slices import runs

__all__ = ["Band", "Cut", "Reach", "Weights", "cuts", "reach_of"]

Weights: TypeAlias = npt.NDArray[np.float64]

# Pixels that may show that a plane has no level, before ever more are looked at: in most
# photographs something is black.
_FIRST_LOOK = 2**12

# From a pixel to the next.
_STEP: Weights = np.array([-1.0, 1.0])


class Reach(NamedTuple):
    """How many rows a filter sees above a pixel's own, and below."""

    above: int
    below: int


def reach_of(taps: int) -> Reach:
    """Return that of so many taps: the pixel is under the middle one.

    Of an even number it is under the second of both middle ones.
    """
    return Reach(taps // 2, (taps - 1) // 2)


class Cut(NamedTuple):
    """Which planes, as slices of the axes of a stack, and which rows of them."""

    planes: tuple[slice, ...]
    rows: slice
    is_whole: bool

    @property
    def place(self) -> tuple[slice, ...]:
        """Return what they are of an array (..., H, W)."""
        return *self.planes, self.rows


def cuts(shape: Sequence[int], itemsize: int, reach: Reach) -> Iterator[Cut]:
    """Yield how planes (..., H, W) are cut for a filter."""
    *stack, height, width = shape
    most = max(1, tuning.IMAGE_BAND_BYTES // (width * itemsize))
    rows = max(most, tuning.IMAGE_BAND_TAPS * sum(reach))
    if rows + sum(reach) >= height:
        for planes in runs(stack, max(1, most // height)):
            yield Cut(planes, slice(0, height), True)
        return
    rows = even(height, rows)
    for planes in runs(stack, 1):
        for first in range(0, height, rows):
            yield Cut(planes, slice(first, min(first + rows, height)), False)


class Band(NamedTuple):
    """Rows of planes, and what may be done with them.

    Attributes
    ----------
    pixels : ndarray, (N, above + rows + below, W)
        Of float32 or float64; perhaps the caller's own array, never written to.
    reach : Reach
        How many rows of the pixels lie above and below the band's own; of a whole image none do.
    kind : str
        What lies beyond the pixels, as `problem.extension` names it.
    cval : float
    """

    pixels: Array
    reach: Reach
    kind: str
    cval: float

    @property
    def own(self) -> Array:
        """(N, rows, W), the pixels of the band itself."""
        return self.pixels[:, self.reach.above : self.pixels.shape[1] - self.reach.below]

    def difference(self, weights: Weights, axis: int) -> Array:
        """Return the pixels correlated with weights that sum to zero along axis 0 or 1."""
        return self._along(self.pixels, weights, axis, self.cval, None)

    def second_difference(self, axis: int, y: Array | None = None) -> Array:
        """Fill y with the step from each pixel to the next less the step to it."""
        if axis == 0:
            steps = self._along(self.pixels, _STEP, 0, self.cval, None, Reach(1, 1))
            return np.subtract(steps[:, 1:], steps[:, :-1], out=y)
        steps = self._along(self.own, _STEP, 1, self.cval, None, Reach(1, 1))
        return np.subtract(steps[..., 1:], steps[..., :-1], out=y)

    def across(
        self, differences: Array, weights: Weights, axis: int, y: Array | None = None
    ) -> Array:
        """Fill y with differences along one axis, summed along the other, with weights.

        Beyond the image, where all pixels are `cval`, there is no difference.
        """
        return self._along(differences, weights, axis, 0.0, y)

    def smoothed(self, vertical: Weights, horizontal: Weights, y: Array) -> None:
        """Fill y with the pixels smoothed with weights that sum to one, along both axes."""
        if self.smoothed_in_one_call(vertical, horizontal, y):
            return
        constant = self.kind == "fill"
        if constant and len(self.pixels) != 1:
            # What lies beyond is at another height above the level of each plane.
            for n in range(len(self.pixels)):
                one = self._replace(pixels=self.pixels[n : n + 1])
                one.smoothed(vertical, horizontal, y[n : n + 1])
            return
        level = _level(self.pixels, self.cval if constant else None)
        above, beyond = self.pixels, self.cval
        has_level = bool(level.any())
        if has_level:
            above = above - level
        if constant:
            beyond = float(above.dtype.type(beyond) - level.item())
        if len(vertical) == len(horizontal) == 1:
            np.copyto(y, above)
        elif len(horizontal) == 1:
            self._along(above, vertical, 0, beyond, y)
        elif len(vertical) == 1:
            self._along(above, horizontal, 1, beyond, y)
        else:
            filtering = self._both_ways(vertical, horizontal, beyond)
            separable(filtering, above, self._factors(vertical, horizontal), "auto", y[:, None])
        if has_level:
            y += level

    def smoothed_in_one_call(self, vertical: Weights, horizontal: Weights, y: Array) -> bool:
        """Do so by a kernel that cuts the pixels by itself, if there is one; return whether."""
        if len(vertical) == 1 or len(horizontal) == 1:
            return False
        banded = find_banded(self._both_ways(vertical, horizontal, self.cval), two_passes=True)
        if banded is None:
            return False
        weights = columns_and_rows(self._factors(vertical, horizontal))
        level = None
        if not _has_no_level(self.pixels):
            found = _level(self.pixels, self.cval if self.kind == "fill" else None)
            level = found if found.any() else None
        banded.fill(y[:, None], self.pixels, weights, level)
        return True

    def _along(
        self, pixels: Array, weights: Weights, axis: int, beyond: float, y: Array | None,
        reach: Reach | None = None,
    ) -> Array:  # fmt: skip
        """Fill y with pixels correlated with weights along an axis."""
        reaches = [Reach(0, 0), Reach(0, 0)]
        reaches[axis] = reach or reach_of(len(weights))
        kernel = weights.astype(pixels.dtype).reshape((1, -1, 1) if axis == 0 else (1, 1, -1))
        filtering = self._filtering(pixels, kernel.shape[1:], reaches, beyond)
        if y is None:
            y = np.empty(filtering.output_shape, pixels.dtype)
        y = y.reshape(filtering.output_shape)
        return direct(filtering, pixels, kernel, "auto", y)[:, 0]

    def _both_ways(self, vertical: Weights, horizontal: Weights, beyond: float) -> Filtering:
        """Return the correlation along both axes."""
        taps = len(vertical), len(horizontal)
        return self._filtering(self.pixels, taps, [reach_of(some) for some in taps], beyond)

    def _factors(self, vertical: Weights, horizontal: Weights) -> Factors:
        """Return the weights in the pixels' dtype."""
        dtype = self.pixels.dtype
        column, row = vertical.astype(dtype), horizontal.astype(dtype)
        return Factors(column.reshape(1, -1, 1), row.reshape(1, 1, -1))

    def _filtering(
        self, pixels: Array, taps: Sequence[int], reaches: Sequence[Reach], beyond: float
    ) -> Filtering:
        """Return the correlation with so many rows and columns of taps, which reach so far.

        Of the rows that the taps see beside their pixels' own, those of the band are there.
        """
        down, across = reaches
        if taps[0] > 1:
            down = Reach(down.above - self.reach.above, down.below - self.reach.below)
        rows, columns = zip(pixels.shape[1:], taps, (down, across), strict=True)
        filtering = _correlation(len(pixels), rows, columns, self.kind, pixels.dtype)
        return replace(filtering, fillvalue=beyond) if beyond else filtering


@remembered
def _correlation(
    images: int, rows: tuple[int, int, Reach], columns: tuple[int, int, Reach], kind: str,
    dtype: np.dtype[Any],
) -> Filtering:  # fmt: skip
    """Return the correlation along axes of an extent, taps and reach, with zeros for a value."""
    vertical, horizontal = (Axis(size, taps, 1, 1, *reach) for size, taps, reach in (rows, columns))
    return Filtering(images, 1, vertical, horizontal, kind, 0.0, dtype)


def _has_no_level(pixels: Array) -> bool:
    """Whether the first pixels of a single plane show that it has none, as usual."""
    first = pixels.reshape(-1)[:_FIRST_LOOK] if len(pixels) == 1 else pixels[:0]
    return bool(first.size and first.min() <= 0 <= first.max())


def _level(pixels: Array, also: float | None) -> Array:
    """Return, per plane (N, 1, 1), the value nearest to zero if all have one sign, or zero.

    NaN and infinities are no levels; `also` is counted among the values.
    """
    flat = pixels.reshape(len(pixels), math.prod(pixels.shape[1:]))
    lows, first, count = [], 0, _FIRST_LOOK
    while first < flat.shape[1]:
        part = flat[:, first : first + count]
        lows.append(_extreme(np.minimum, np.fmin, part, also))
        if (lows[-1] <= 0).all() and (_extreme(np.maximum, np.fmax, part, also) >= 0).all():
            return np.zeros((len(flat), 1, 1), flat.dtype)
        first, count = first + count, 4 * count
    low = lows[0] if len(lows) == 1 else np.fmin.reduce(lows)
    if (low > 0).all():
        level = low
    else:
        high = _extreme(np.maximum, np.fmax, flat, also)
        level = np.where(low > 0, low, np.where(high < 0, high, 0))
    level[~np.isfinite(level)] = 0
    return level[..., None]


def _extreme(quick: np.ufunc, careful: np.ufunc, pixels: Array, also: float | None) -> Array:
    found: Array = quick.reduce(pixels, axis=-1, keepdims=True)
    if np.isnan(found).any():
        found = careful.reduce(pixels, axis=-1, keepdims=True)
    return found if also is None else careful(found, pixels.dtype.type(also))
