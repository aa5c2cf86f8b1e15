"""Filtering in one call of a compiled kernel, which copies and extends the image band by band.

    image where it lies      band                     y
    ┌───────────────┐        ┌──────────────────┐     rows and columns of all filters:
    ├───────────────┤  ───►  │ what they see,   │     a unit of kernels/filters.pxi
    ├───────────────┤        │ beyond the edge  │
    │               │        │ as well          │
    └───────────────┘        └──────────────────┘

It takes images of the dtype that is computed, in order. Where an image has to be cast, or lies
otherwise, running.py and passes.py hand it copies of what tiles see.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .. import isa, tuning
from ..algorithms.blocks import even, wanted_units
from ..algorithms.compiled import kernel, scratch_of_threads
from ..call import remembered
from ..problem import ConvProblem
from ..problem.axis import ceil_div
from ..problem.extension import sources
from ..problem.operands import Array, is_prepared
from ..problem.slices import assign
from ..scratch import give_back, take
from ..threads import threads_for
from .separable import Factors
from .shapes import Filtering

__all__ = ["Banded", "columns_and_rows", "find_banded", "is_suited"]


class Blocks(NamedTuple):
    """How many rows and columns of the output are a unit; or a square of so large a side.

    Of two passes a unit is computed some rows at a time: `step`.
    """

    rows: int
    columns: int
    side: int = 0
    step: int = 0


class _Description(NamedTuple):
    """All that the compiled kernel is told: see isa/baseline.pyi."""

    kernel: str
    problem: ConvProblem
    blocks: Blocks
    row_sources: npt.NDArray[np.intp]
    column_sources: npt.NDArray[np.intp]
    fillvalue: float


class Banded:
    """A filtering laid out for a compiled kernel.

    Attributes
    ----------
    name : str
        Of the kernel.
    """

    def __init__(self, filtering: Filtering, blocks: Blocks, threads: int, name: str) -> None:
        self.name = name
        rows, columns = filtering.rows, filtering.columns
        images, height, width = filtering.x_shape
        filters, taps, across = filtering.kernel_shape
        description = _Description(
            name,
            ConvProblem.create(
                (images, 1, height, width), (filters, 1, taps, across), dtype=filtering.dtype,
                padding=filtering.pads,
            ),
            blocks,
            sources(height, -rows.before, height + rows.after, filtering.kind),
            sources(width, -columns.before, width + columns.after, filtering.kind),
            filtering.fillvalue,
        )  # fmt: skip
        made = kernel("Filters")(description)
        self._made = made
        self._units = made.units
        self._threads = threads
        self._spectra_values = kernel("spectra_values")(made) if blocks.side else 0
        self._scratch_bytes = scratch_of_threads(made, threads)

    def fill(self, y: Array, x: Array, weights: Array, levels: Array | None = None) -> None:
        """Fill y (N, K, OH, OW) from x (N, H, W), in order and of the dtype that is computed.

        `weights` are kernels (K, R, S), or for two passes what `columns_and_rows` returns. Then
        images may have levels (N,), which are taken from their pixels, and what lies beyond, before
        the sums, and added to these.
        """
        # of x's dtype, since y may be of the other byte order
        target = y if is_prepared(y) else np.empty(y.shape, x.dtype)
        spectra = None
        if self._spectra_values:
            spectra = np.empty(self._spectra_values, x.dtype)
            kernel("transform_filters")(self._made, weights, spectra)
        scratch = take(self._scratch_bytes)
        self._made.run(x, weights, spectra, levels, target, scratch, 0, self._units, self._threads)
        give_back(scratch)
        if target is not y:
            assign(y, target)


def columns_and_rows(factors: Factors) -> Array:
    """Return (K, R + S): a column of each filter, and its row."""
    filters = len(factors.columns)
    parts = factors.columns.reshape(filters, -1), factors.rows.reshape(filters, -1)
    return np.concatenate(parts, axis=1)


def find_banded(filtering: Filtering, *, two_passes: bool) -> Banded | None:
    """Return what fills y from an image as it lies, or None where that is not the way to do it.

    Whether it is depends on the sizes of an image and of the kernels alone: not on how many there
    are, nor on threads.
    """
    taps = sum(filtering.kernel_shape[1:]) if two_passes else filtering.taps
    threads = threads_for(filtering.flops // filtering.taps * taps)
    return _remembered(filtering, two_passes, threads)


def is_suited(filtering: Filtering) -> bool:
    """Whether an image in order is filtered so, tap by tap."""
    return isa.kernels is not None and _blocks(filtering, False, 1) is not None


def _find(filtering: Filtering, two_passes: bool, threads: int) -> Banded | None:
    if isa.kernels is None:
        return None
    blocks = _blocks(filtering, two_passes, threads)
    if blocks is None:
        return None
    return Banded(filtering, blocks, threads, "filter_separable" if two_passes else "filter_direct")


_remembered = remembered(_find)


def _blocks(filtering: Filtering, two_passes: bool, threads: int) -> Blocks | None:
    """Return what is a unit, or None where tiles would stay empty or bands become too large."""
    taps, across = filtering.kernel_shape[1:]
    height, width = filtering.output_shape[2:]
    itemsize = filtering.dtype.itemsize
    tile_rows, lanes = kernel("tile_shape")(taps, itemsize)
    if two_passes:
        lanes = max(lanes, kernel("tile_shape")(1, itemsize)[1])
    used = height * width / (ceil_div(height, tile_rows) * ceil_div(width, lanes))
    if used < tuning.FILTER_TILE_USED * tile_rows * lanes:
        return None
    if two_passes and taps > tuning.FILTER_MOST_COPIES * filtering.rows.size:
        return None  # most rows would be copies of others, which passes.py passes along once

    def seen_bytes(rows: int, columns: int) -> int:
        band = (max(rows, tile_rows) + taps - 1) * (max(columns, lanes) + across)
        panel = (taps + tile_rows) * tile_rows * (1 if two_passes else across)
        return (band + panel) * itemsize

    fewest = max(tile_rows, tuning.STENCIL_FEWEST_ROWS, taps * two_passes)
    rows = min(height, max(tuning.FILTER_FEWEST_ROWS, taps))
    while rows > tile_rows and seen_bytes(rows, lanes) > tuning.MOST_SCRATCH_BYTES:
        rows = ceil_div(rows, 2)
    if seen_bytes(rows, lanes) > tuning.MOST_SCRATCH_BYTES:
        return None
    # rows as long as the image's are read and written fastest: rather fewer of them
    columns = width
    while rows > fewest and seen_bytes(rows, columns) > tuning.FILTER_BAND_BYTES:
        rows = max(fewest, ceil_div(rows, 2))
    while columns > max(lanes, across) and seen_bytes(rows, columns) > tuning.FILTER_BAND_BYTES:
        columns = ceil_div(columns, 2)
    columns = min(width, ceil_div(columns, lanes) * lanes)
    others = filtering.images * ceil_div(width, columns)
    step = rows
    if two_passes:  # the fewer units, the fewer rows does the first pass make for two of them
        rows = height
        fewest = max(tuning.STENCIL_FEWEST_ROWS, 2 * taps)
    else:
        fewest = tuning.STENCIL_FEWEST_ROWS
    while rows > fewest and others * ceil_div(height, rows) < wanted_units(threads):
        rows = ceil_div(rows, 2)
    # whole tiles: the last rows of a unit would be computed twice
    rows = min(height, ceil_div(even(height, rows), tile_rows) * tile_rows)
    if not two_passes:
        return Blocks(rows, columns)
    return Blocks(rows, columns, step=min(rows, ceil_div(step, tile_rows) * tile_rows))
