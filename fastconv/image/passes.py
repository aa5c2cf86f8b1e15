"""Two passes: the rows of the image with each filter's row, then down the columns.

    image        x                     H rows
       ↓         along the rows
    middle       what a tile sees      R-1 rows more than the tile
       ↓         down the columns
    result       y                     a tile

A row beyond the edge is a copy of one of the image, and so is what the first pass makes of it. So
only rows of the image are passed along, each once a tile, and the middle is extended: with a kernel
taller than the image that saves nearly all of the work.

As in running.py the image is filtered where it lies where it can be, and its edges once more.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .. import tuning
from ..call import find_calls
from ..problem.extension import extend_part, sources
from ..problem.operands import Array, is_prepared
from ..problem.padding import Pads
from .banded import columns_and_rows, find_banded
from .running import has_small_edges, with_zeros
from .separable import Factors
from .shapes import Filtering
from .tiles import Region, Row, Tile, edges, tiles, whole

__all__ = ["separable"]

_NOTHING: Pads = (0, 0), (0, 0)


def separable(filtering: Filtering, x: Array, factors: Factors, backend: str, y: Array) -> None:
    """Fill y (N, K, OH, OW) from x (N, H, W) by two passes with the factors of K kernels."""
    if backend == "auto" and x.dtype == filtering.dtype and is_prepared(x):
        banded = find_banded(filtering, two_passes=True)
        if banded is not None:
            banded.fill(y, x, columns_and_rows(factors))
            return
    if has_small_edges(filtering, x):
        separable(with_zeros(filtering), x, factors, backend, y)
        for region in edges(filtering):
            _by_copies(filtering, region, x, factors, backend, y)
        return
    if filtering.is_zero_beyond and x.dtype == filtering.dtype and is_prepared(x):
        width = filtering.columns.outputs
        held = Row(1, most_rows=filtering.rows.size)
        parts = list(tiles(filtering, whole(filtering), held, cut_rows=True))
        if all(tile.columns == slice(0, width) for tile in parts):
            _in_place(filtering, parts, x, factors, backend, y)
            return
    _by_copies(filtering, whole(filtering), x, factors, backend, y)


def _in_place(
    filtering: Filtering, parts: list[Tile], x: Array, factors: Factors, backend: str, y: Array
) -> None:
    """Fill tiles of whole rows from the image as it lies, with zeros around it."""
    rows, columns = filtering.rows, filtering.columns
    shapes = [_middle_shape(filtering, tile) for tile in parts]
    middles = _room(filtering, [(n, 1, min(seen, rows.size), w) for n, _, seen, w in shapes])
    for tile in parts:
        first, last = _rows_seen(filtering, tile)
        top, bottom = min(max(0, -first), last - first), max(0, last - rows.size)
        if top + bottom >= last - first:  # nothing but zeros
            y[tile.images, :, tile.rows] = 0
            continue
        part = x[tile.images, None, first + top : last - bottom]
        middle = _part(middles, (len(part), 1, part.shape[2], columns.outputs))
        for k in range(filtering.filters):
            across = (0, 0), (columns.before, columns.after)
            _pass(part, factors.rows[k], across, backend, middle)
            target = y[tile.images, k : k + 1, tile.rows]
            _pass(middle, factors.columns[k], ((top, bottom), (0, 0)), backend, target)


def _by_copies(
    filtering: Filtering, region: Region, x: Array, factors: Factors, backend: str, y: Array
) -> None:
    """Fill a region from copies of the rows that its tiles see."""
    parts = list(tiles(filtering, region, Row(2), cut_rows=True))
    shapes = [_middle_shape(filtering, tile) for tile in parts]
    copied = [_copied_at_once(filtering, shape) for shape in shapes]
    middles, copies = _room(filtering, shapes), _room(filtering, copied)
    for tile, shape, most in zip(parts, shapes, copied, strict=True):
        middle = _part(middles, shape)
        first, last = _rows_seen(filtering, tile)
        left = tile.columns.start - filtering.columns.before
        sight = _Sight.of(filtering, first, last)
        blocks = [
            (at, min(at + most[2], end))
            for start, end in sight.runs
            for at in range(start, end, most[2])
        ]
        for k in range(filtering.filters):
            for start, end in blocks:
                part = _part(copies, (*most[:2], end - start, most[3]))
                if k == 0 or len(blocks) > 1:
                    extend_part(
                        x[tile.images], (first + start, first + end), (left, left + most[3]),
                        filtering.kind, filtering.fillvalue, part[:, 0],
                    )  # fmt: skip
                _pass(part, factors.rows[k], _NOTHING, backend, middle[:, :, start:end])
            sight.extend(middle, _beyond(filtering, factors.rows[k], backend))
            target = y[tile.images, k : k + 1, tile.rows, tile.columns]
            _pass(middle, factors.columns[k], _NOTHING, backend, target)


class _Sight(NamedTuple):
    """The rows that a tile sees, counted from its first: which are passed along, which are not."""

    runs: list[tuple[int, int]]
    """From a row to before another, of which no two are copies of the same."""
    copies: npt.NDArray[np.intp]
    """The others,"""
    origins: npt.NDArray[np.intp]
    """and those of the runs that they are copies of; empty where all are the value beyond."""

    @classmethod
    def of(cls, filtering: Filtering, first: int, last: int) -> _Sight:
        """Return what lies from a row of the image to before another one."""
        size, none = filtering.rows.size, np.empty(0, np.intp)
        if first >= 0 and last <= size:
            return cls([(0, last - first)], none, none)
        top, bottom = (min(max(0, at), size) - first for at in (first, last))
        places = np.arange(last - first)
        if filtering.kind == "fill":
            return cls(
                [(top, bottom)] * (top < bottom), np.delete(places, slice(top, bottom)), none
            )
        origins = sources(size, first, last, filtering.kind) - first
        if top < bottom and origins.min() >= top and origins.max() < bottom:  # as usual
            is_copy = origins != places
            return cls([(top, bottom)], places[is_copy], origins[is_copy])
        order = np.argsort((places < top) | (places >= bottom), kind="stable")
        # of all that copy a row the first there is, in its own place if that is in sight
        _, firsts, which = np.unique(origins[order], return_index=True, return_inverse=True)
        origins[order] = order[firsts[which.reshape(-1)]]
        is_copy = origins != places
        return cls(_runs(~is_copy), places[is_copy], origins[is_copy])

    def extend(self, middle: Array, beyond: float) -> None:
        """Fill in the rows of a middle (N, 1, rows, columns) that were not passed along."""
        if not len(self.origins):
            middle[:, :, self.copies] = beyond
            return
        for at in range(0, len(self.copies), tuning.IMAGE_ROWS_COPIED):
            block = slice(at, at + tuning.IMAGE_ROWS_COPIED)
            middle[:, :, self.copies[block]] = middle[:, :, self.origins[block]]


def _runs(chosen: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where those that are chosen begin and end."""
    changes = np.flatnonzero(np.diff(chosen, prepend=False, append=False))
    return [(int(start), int(end)) for start, end in changes.reshape(-1, 2)]


def _beyond(filtering: Filtering, row: Array, backend: str) -> float:
    """Return what the first pass makes of a row of the value beyond the edge."""
    if filtering.fillvalue == 0 or filtering.kind != "fill":
        return 0.0
    made = np.empty((1, 1, 1, 1), row.dtype)
    line = np.full((1, 1, *row.shape), filtering.fillvalue, row.dtype)
    _pass(line, row, _NOTHING, backend, made)
    return float(made[0, 0, 0, 0])


def _rows_seen(filtering: Filtering, tile: Tile) -> tuple[int, int]:
    """Return the first row of the image that a tile sees, and the one after the last."""
    first = tile.rows.start - filtering.rows.before
    return first, first + tile.rows.stop - tile.rows.start + filtering.rows.kernel - 1


def _middle_shape(filtering: Filtering, tile: Tile) -> tuple[int, int, int, int]:
    images, rows, columns = (side.stop - side.start for side in tile)
    return images, 1, rows + filtering.rows.kernel - 1, columns


def _copied_at_once(
    filtering: Filtering, middle: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """Return images, 1, rows and columns of the image that are copied and passed along at once."""
    images, _, rows, columns = middle
    seen = columns + filtering.columns.kernel - 1
    held = tuning.IMAGE_BAND_BYTES // (images * seen * filtering.dtype.itemsize)
    return images, 1, min(rows, max(1, held)), seen


def _room(filtering: Filtering, shapes: list[tuple[int, int, int, int]]) -> Array:
    """Return room for the largest; one for all, see running.py."""
    return np.empty(max(map(math.prod, shapes), default=0), filtering.dtype)


def _part(room: Array, shape: tuple[int, ...]) -> Array:
    return room[: math.prod(shape)].reshape(shape)


def _pass(x: Array, taps: Array, pads: Pads, backend: str, out: Array) -> None:
    call = find_calls(
        x.shape,
        (1, 1, *taps.shape),
        None,
        x.dtype,
        (1, 1),
        pads,
        (1, 1),
        1,
        "zeros",
        None,
        backend,
        "strict",
    ).forward
    call.fill(out, x, taps[None, None])
