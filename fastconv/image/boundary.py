"""Beyond the edge of an image: which pixel each position copies, and the padded copy.

    fill      constant        0 0 0 | a b c d | 0 0 0      fillvalue
    symm      reflect         c b a | a b c d | d c b
    mirror                    d c b | a b c d | c b a
    nearest                   a a a | a b c d | d d d
    wrap                      b c d | a b c d | a b c

The names are those of scipy.signal and scipy.ndimage, whose "grid-constant", "grid-mirror" and
"grid-wrap" are, of a convolution, "constant", "reflect" and "wrap": they differ for interpolation
alone. All go on for ever: a kernel may be larger than the image, which then is met several times.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..problem.arguments import shown
from ..problem.operands import Array

__all__ = ["BOUNDARIES", "Boundary", "check_boundary", "extend_part", "sources"]

# as `sources` knows them
_KINDS = {
    "fill": "fill", "constant": "fill", "grid-constant": "fill",
    "symm": "reflect", "reflect": "reflect", "grid-mirror": "reflect",
    "mirror": "mirror",
    "nearest": "nearest",
    "wrap": "wrap", "grid-wrap": "wrap",
}  # fmt: skip
BOUNDARIES = tuple(_KINDS)
Boundary: TypeAlias = Literal[
    "fill", "constant", "grid-constant", "symm", "reflect", "grid-mirror", "mirror", "nearest",
    "wrap", "grid-wrap",
]  # fmt: skip

# What stands for fillvalue, in a list of the pixels that positions copy.
OUTSIDE = -1


def check_boundary(boundary: object) -> str:
    """Return which of the five kinds a name means, or say which there are."""
    if not isinstance(boundary, str) or boundary not in _KINDS:
        raise ValueError(f"boundary must be one of {BOUNDARIES}, not {shown(boundary)}")
    return _KINDS[boundary]


@lru_cache(maxsize=256)
def sources(extent: int, first: int, end: int, kind: str) -> npt.NDArray[np.intp]:
    """Return, for each position from `first` to before `end`, the pixel of the axis it copies."""
    pixels = _sources(extent, np.arange(first, end), kind)
    pixels.setflags(write=False)  # callers share it
    return pixels


def _sources(extent: int, positions: npt.NDArray[np.intp], kind: str) -> npt.NDArray[np.intp]:
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


def extend_part(
    x: Array, rows: tuple[int, int], columns: tuple[int, int], kind: str, fillvalue: float,
    part: Array,
) -> None:  # fmt: skip
    """Fill in the part of the endless image from a first row and column to before a last one.

    The pixels of the image that lie in it are copied as a block, the columns beside them are picked
    from the image, then whole rows from those that are there: nothing is held but copies of what
    lies beyond the edge.
    """
    height, width = x.shape[1:]
    # of the part, what lies in the image
    top, bottom = (min(max(0, at), height) - rows[0] for at in rows)
    left, right = (min(max(0, at), width) - columns[0] for at in columns)
    down, across = sources(height, *rows, kind), sources(width, *columns, kind)
    if top >= bottom:  # no row of the image itself: all are picked, columns and all
        if kind == "fill":
            part[...] = fillvalue
        else:
            part[...] = x[:, down[:, None], across]
        return
    middle = part[:, top:bottom]
    pixels = x[:, rows[0] + top : rows[0] + bottom]
    if left < right:
        middle[..., left:right] = pixels[..., columns[0] + left : columns[0] + right]
    else:
        left = right = len(across)
    if kind == "fill":
        middle[..., :left] = middle[..., right:] = fillvalue
        part[:, :top] = part[:, bottom:] = fillvalue
        return
    if left > 0:
        middle[..., :left] = pixels[..., across[:left]]
    if right < len(across):
        middle[..., right:] = pixels[..., across[right:]]
    for beyond in (slice(0, top), slice(bottom, None)):
        wanted = down[beyond]
        if len(wanted):
            part[:, beyond] = _rows_at(x, middle, wanted, rows[0] + top, across)


def _rows_at(
    x: Array, middle: Array, wanted: npt.NDArray[np.intp], first: int,
    across: npt.NDArray[np.intp],
) -> Array:  # fmt: skip
    """Return rows of the image with their columns extended: from `middle` if it has them."""
    if wanted.min() >= first and wanted.max() < first + middle.shape[1]:
        return middle[:, wanted - first]
    return x[:, wanted[:, None], across]
