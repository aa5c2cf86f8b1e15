"""Images that go on beyond their edge: which pixel each position copies, and a copy of a part.

    fill            . . . | a b c d | . . .      a value
    reflect         c b a | a b c d | d c b
    mirror          d c b | a b c d | c b a
    nearest         a a a | a b c d | d d d
    wrap            b c d | a b c d | a b c

The names are those of scipy.ndimage. All go on for ever, over an image that is met several times.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .. import tuning
from .operands import Array

__all__ = ["extend_part", "sources"]

# What stands for the value, in a list of the pixels that positions copy.
OUTSIDE = -1


def sources(extent: int, first: int, end: int, kind: str) -> npt.NDArray[np.intp]:
    """Return, for each position from `first` to before `end`, the pixel of the axis it copies."""
    positions = np.arange(first, end)
    if kind == "fill":
        positions[(positions < 0) | (positions >= extent)] = OUTSIDE
        return positions
    if kind == "nearest":
        return np.clip(positions, 0, extent - 1)
    if kind == "wrap":
        return positions % extent
    if kind == "reflect":
        positions %= 2 * extent
        return np.minimum(positions, 2 * extent - 1 - positions)
    period = max(1, 2 * (extent - 1))
    positions %= period
    return np.minimum(positions, period - positions) if extent > 1 else positions * 0


class _Picked(NamedTuple):
    """Pixels of an axis, and the first and last of them."""

    pixels: npt.NDArray[np.intp]
    low: int
    high: int


def _pick(extent: int, first: int, end: int, kind: str) -> _Picked:
    pixels = sources(extent, first, end, kind)
    pixels.setflags(write=False)
    return _Picked(pixels, int(pixels.min()), int(pixels.max()))


_pick_few = lru_cache(maxsize=1024)(_pick)


def extend_part(
    x: Array, rows: tuple[int, int], columns: tuple[int, int], kind: str, fillvalue: float,
    part: Array,
) -> None:  # fmt: skip
    """Fill in the part of the endless image from a first row and column to before a last one.

    The pixels of the image that lie in it are copied as a block, the columns beside them are picked
    from the image, then whole rows from those that are there: nothing is held but copies of what
    lies beyond the edge.

    Parameters
    ----------
    x : ndarray, (N, H, W)
    rows, columns : (int, int)
        Of the image, whose first ones are 0.
    kind
        See `sources`.
    fillvalue
        For "fill".
    part : ndarray, (N, rows, columns)
    """
    height, width = x.shape[1:]
    # of the part, what lies in the image
    top, bottom = (min(max(0, at), height) - rows[0] for at in rows)
    left, right = (min(max(0, at), width) - columns[0] for at in columns)
    if top >= bottom:  # no row of the image itself: all are picked, columns and all
        if kind == "fill":
            part[...] = fillvalue
        else:
            part[...] = _rows_picked(x, sources(height, *rows, kind), columns, kind)
        return
    middle = part[:, top:bottom]
    pixels = x[:, rows[0] + top : rows[0] + bottom]
    if left < right:
        middle[..., left:right] = pixels[..., columns[0] + left : columns[0] + right]
    else:
        left = right = columns[1] - columns[0]
    if kind == "fill":
        middle[..., :left] = middle[..., right:] = fillvalue
        part[:, :top] = part[:, bottom:] = fillvalue
        return
    for first, end in ((0, left), (right, columns[1] - columns[0])):
        if first < end:
            pick = _pick_few if end - first <= tuning.REMEMBERED_POSITIONS else _pick
            beside = pick(width, columns[0] + first, columns[0] + end, kind)
            middle[..., first:end] = pixels[..., beside.pixels]
    for first, end in ((0, top), (bottom, rows[1] - rows[0])):
        if first < end:
            pick = _pick_few if end - first <= tuning.REMEMBERED_POSITIONS else _pick
            above = pick(height, rows[0] + first, rows[0] + end, kind)
            if above.low >= rows[0] + top and above.high < rows[0] + bottom:
                places = above.pixels - rows[0]
                part[:, first:end] = part[:, places]
            else:  # rows of the image that are not in the part
                part[:, first:end] = _rows_picked(x, above.pixels, columns, kind)


def _rows_picked(
    x: Array, rows: npt.NDArray[np.intp], columns: tuple[int, int], kind: str
) -> Array:
    """Return rows of the image with their columns extended."""
    return x[:, rows[:, None], sources(x.shape[2], *columns, kind)]
