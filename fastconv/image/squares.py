"""Squares of an image by way of their spectra in a compiled kernel, and what they would take.

A square of 32 to 256 pixels a side, and what is done with it, stays in the second-level cache;
NumPy transforms what is larger (fft.py). Two squares are transformed at once, as the real and the
imaginary part of one: together they are the block of which an error is a part. kernels/spectra.pxi
and kernels/filter_spectra.pxi compute them.
"""

from __future__ import annotations

from typing import NamedTuple

from .. import isa, tuning
from ..algorithms.blocks import even
from ..algorithms.compiled import kernel, vector_bytes
from ..call import remembered
from ..problem.axis import ceil_div
from ..threads import threads_for
from .banded import Banded, Blocks
from .shapes import Filtering

__all__ = ["Squares", "find_spectral", "squares_of"]


class Squares(NamedTuple):
    """How an image is cut.

    Attributes
    ----------
    nanoseconds : float
        Of an image on a core.
    blocks : Blocks
        Outputs of a square, and its side.
    """

    nanoseconds: float
    blocks: Blocks


def squares_of(filtering: Filtering) -> Squares | None:
    """Return the squares that take least, or None where the kernel or its spectra are too large."""
    if isa.kernels is None:
        return None
    found = (_cut(filtering, side, prices) for side, prices in tuning.SPECTRA_VALUE_NS.items())
    return min((squares for squares in found if squares is not None), default=None)


def _cut(filtering: Filtering, side: int, prices: dict[int, float]) -> Squares | None:
    filters, taps, across = filtering.kernel_shape
    itemsize = filtering.dtype.itemsize
    if max(taps, across) > side // 2 or side < kernel("vector_values")(itemsize):
        return None
    values = side * side
    if 2 * filters * values * itemsize > tuning.FFT_SPECTRA_BYTES:
        return None
    height, width = filtering.output_shape[2:]
    rows = even(height, min(height, side - taps + 1))
    columns = even(width, min(width, side - across + 1))
    pairs = ceil_div(ceil_div(height, rows) * ceil_div(width, columns), 2)
    # a transform is half of what a pair under one filter takes
    transforms = pairs * (1 + filters) + filters
    price = prices[vector_bytes()] * itemsize / 4
    cost = transforms / 2 * values * price + tuning.IMAGE_CALL_NS
    return Squares(cost, Blocks(rows, columns, side))


def find_spectral(filtering: Filtering, blocks: Blocks) -> Banded:
    """Return what fills y from an image as it lies, by squares."""
    return _remembered(filtering, blocks, threads_for(filtering.flops))


def _find(filtering: Filtering, blocks: Blocks, threads: int) -> Banded:
    return Banded(filtering, blocks, threads, "filter_spectra")


_remembered = remembered(_find)
