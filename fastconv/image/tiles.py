"""Tiles: parts of the output, each computed from a copy of what it sees, which stays in the caches.

    what a tile sees        R-1 rows and S-1 columns more than it has
    ┌───────────────┐
    │   ┌───────┐   │       a stack of small images is a tile together;
    │   │ tile  │   │       a large image is cut into bands of whole rows;
    │   └───────┘   │       bands that would be too large are cut into columns as well:
    └───────────────┘       of wide images, and of low ones under tall kernels

So what is held is about `tuning.IMAGE_BAND_BYTES`, or what a band of `tuning.IMAGE_BAND_TAPS` times
the kernel's rows takes, but no more than `tuning.IMAGE_TILE_BYTES`; or, where the kernel itself is
nearly as large, four times the kernel, or `tuning.IMAGE_TILE_FEWEST_COLUMNS` of what lies between
two passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .. import tuning
from ..problem.arguments import LARGEST_INT
from ..problem.axis import ceil_div
from .shapes import Filtering

__all__ = ["Region", "Row", "Tile", "edges", "tiles", "whole"]


class Region(NamedTuple):
    """Rows and columns of the output, of all images."""

    rows: slice
    columns: slice


class Tile(NamedTuple):
    """Images, rows and columns of the output."""

    images: slice
    rows: slice
    columns: slice


class Row(NamedTuple):
    """How many values are held for a row that a tile sees, and for how many rows at most."""

    a_column: int
    beside: int = 0
    most_rows: int = LARGEST_INT


def whole(filtering: Filtering) -> Region:
    """Return all of the output."""
    return Region(slice(0, filtering.rows.outputs), slice(0, filtering.columns.outputs))


def edges(filtering: Filtering) -> Iterator[Region]:
    """Yield the outputs that see what is beyond the edge: at the top, bottom, left and right."""
    rows, columns = filtering.rows, filtering.columns
    bottom, right = rows.outputs - rows.after, columns.outputs - columns.after
    for region in (
        Region(slice(0, rows.before), slice(0, columns.outputs)),
        Region(slice(bottom, rows.outputs), slice(0, columns.outputs)),
        Region(slice(rows.before, bottom), slice(0, columns.before)),
        Region(slice(rows.before, bottom), slice(right, columns.outputs)),
    ):
        if all(side.start < side.stop for side in region):
            yield region


def tiles(filtering: Filtering, region: Region, row: Row, *, cut_rows: bool) -> Iterator[Tile]:
    """Yield the tiles of a region.

    Parameters
    ----------
    filtering
    region
    row
        What is held: so many values a column, and some beside.
    cut_rows
        Whether to cut an image that leaves the caches, too. Results of a bank do not lie together
        then, and are copied: they are cut only where what is held would be too large.
    """
    top, left = region.rows.start, region.columns.start
    height, width = region.rows.stop - top, region.columns.stop - left
    itemsize = filtering.dtype.itemsize
    row_bytes = (width * row.a_column + row.beside) * itemsize

    def seen(rows: int) -> int:
        return min(rows + filtering.rows.kernel - 1, row.most_rows)

    images = max(1, tuning.IMAGE_BAND_BYTES // (row_bytes * seen(height)))
    rows, columns = height, width
    if images == 1:
        # of the rows that a band sees, those that the next one sees again are a small part
        least = tuning.IMAGE_BAND_TAPS * filtering.rows.kernel
        band = max(tuning.IMAGE_BAND_BYTES // row_bytes, least)
        if cut_rows or row_bytes * seen(height) > tuning.IMAGE_TILE_BYTES:
            rows = _evenly(height, band)
        if row_bytes * seen(rows) > tuning.IMAGE_TILE_BYTES:
            values = tuning.IMAGE_TILE_BYTES // (seen(rows) * itemsize)
            # the result is not as it lies in the image, and is held as well
            a_column = row.a_column + filtering.filters
            fewest = max(tuning.IMAGE_TILE_FEWEST_COLUMNS, row.beside)
            columns = _evenly(width, max((values - row.beside) // a_column, fewest))
    for n in range(0, filtering.images, images):
        for i in range(0, height, rows):
            for j in range(0, width, columns):
                yield Tile(
                    slice(n, min(filtering.images, n + images)),
                    slice(top + i, top + min(height, i + rows)),
                    slice(left + j, left + min(width, j + columns)),
                )


def _evenly(extent: int, most: int) -> int:
    """Return an extent for parts of at most so much, of which the last is not much smaller."""
    return ceil_div(extent, ceil_div(extent, most))
