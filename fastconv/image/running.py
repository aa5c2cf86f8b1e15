"""Filtering of arrays tap by tap, where they lie or from copies of what tiles see.

An image in order, of the dtype that is computed, is filtered in one call of a compiled kernel
(banded.py), unless it is narrow or another backend is asked for. What follows is for the others.

Most outputs see nothing beyond the edge of the image. Where nearly all are such, the image is
filtered where it lies, as if there were zeros around, and then the few at the edges once more, with
what is beyond. Else, and where the image is to be cast, it is copied and extended tile by tile.

    ┌──────────── top ────────────┐
    ├──────┬───────────────┬──────┤       R-1 rows and S-1 columns of the outputs
    │ left │  see pixels   │ right│       in all are edges
    ├──────┴───────────────┴──────┤
    └─────────── bottom ──────────┘

So nothing of the size of a large image is held: tiles.py says how much is.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .. import tuning
from ..call import Call, find_calls, remembered
from ..problem import Axis
from ..problem.extension import extend_part
from ..problem.operands import Array, is_prepared
from .banded import find_banded, is_suited
from .shapes import Filtering
from .tiles import Row, Tile, edges, tiles, whole

__all__ = [
    "copy_of_seen",
    "direct",
    "direct_call",
    "direct_name",
    "has_small_edges",
    "inside",
    "with_zeros",
]


def direct_call(filtering: Filtering, backend: str) -> Call:
    """Return the convolution that it is where the image lies as it is read."""
    images, filters, rows, columns = (
        filtering.images,
        filtering.filters,
        *filtering.kernel_shape[1:],
    )
    return find_calls(
        (images, 1, *filtering.x_shape[1:]), (filters, 1, rows, columns), None, filtering.dtype,
        (1, 1), filtering.pads, (1, 1), 1, "zeros", None, backend, "strict",
    ).forward  # fmt: skip


def direct_name(filtering: Filtering, backend: str) -> str:
    """Return the kernel that filters an image in order."""
    if backend == "auto" and is_suited(filtering):
        return "filter_direct"
    return direct_call(filtering, backend).plan().leaf.implementation.name


def direct(filtering: Filtering, x: Array, kernels: Array, backend: str, y: Array | None) -> Array:
    """Fill y (N, K, OH, OW) from x (N, H, W) and kernels (K, R, S), tap by tap; return it."""
    if backend == "auto" and x.dtype == filtering.dtype and is_prepared(x):
        banded = find_banded(filtering, two_passes=False)
        if banded is not None:
            if y is None:
                y = np.empty(filtering.output_shape, filtering.dtype)
            banded.fill(y, x, kernels)
            return y
    if filtering.is_zero_beyond and x.dtype == filtering.dtype and is_prepared(x):
        return direct_call(filtering, backend)(x[:, None], kernels[:, None], None, None, y)
    if has_small_edges(filtering, x):
        y = direct(with_zeros(filtering), x, kernels, backend, y)
        _by_copies(filtering, x, kernels, backend, y, at_edges=True)
        return y
    if y is None:
        y = np.empty(filtering.output_shape, filtering.dtype)
    _by_copies(filtering, x, kernels, backend, y, at_edges=False)
    return y


def has_small_edges(filtering: Filtering, x: Array) -> bool:
    """Whether to filter the image where it lies, and its edges once more."""
    if filtering.is_zero_beyond or x.dtype != filtering.dtype or not is_prepared(x):
        return False
    if math.prod(filtering.x_shape) * filtering.dtype.itemsize < tuning.IMAGE_EDGES_BYTES:
        return False  # a copy of all costs less than calls for the edges
    share = sum(
        (axis.before + axis.after) / axis.outputs for axis in (filtering.rows, filtering.columns)
    )
    return share <= tuning.IMAGE_EDGE_SHARE


def with_zeros(filtering: Filtering) -> Filtering:
    """Return the same with zeros beyond the edge."""
    return replace(filtering, kind="fill", fillvalue=0.0)


class _Step(NamedTuple):
    """A tile, and the filtering of what it sees."""

    tile: Tile
    seen: Filtering
    first: tuple[int, int]


class _Steps(NamedTuple):
    """The values that the largest tile sees, and the tiles."""

    room: int
    steps: list[_Step]


def _plan(filtering: Filtering, at_edges: bool) -> _Steps:
    """Return how all outputs, or those at the edges, are computed from copies."""
    rows, columns = filtering.rows, filtering.columns
    held = Row(1, columns.kernel - 1)
    steps = []
    for region in edges(filtering) if at_edges else [whole(filtering)]:
        for tile in tiles(filtering, region, held, cut_rows=filtering.filters == 1):
            seen = inside(filtering, _seen(filtering, tile))
            first = tile.rows.start - rows.before, tile.columns.start - columns.before
            steps.append(_Step(tile, seen, first))
    return _Steps(max((math.prod(step.seen.x_shape) for step in steps), default=0), steps)


_remembered_plan = remembered(_plan)


def _by_copies(
    filtering: Filtering, x: Array, kernels: Array, backend: str, y: Array, *, at_edges: bool
) -> None:
    """Fill all of y, or its edges."""
    is_small = math.prod(filtering.x_shape) <= tuning.IMAGE_SMALL_PIXELS
    planned = (_remembered_plan if is_small else _plan)(filtering, at_edges)
    # One for all: memory that is new to the process costs as much as what is done with it here.
    scratch = np.empty(planned.room, filtering.dtype)
    for tile, seen, (i, j) in planned.steps:
        part = scratch[: math.prod(seen.x_shape)].reshape(seen.x_shape)
        _, height, width = seen.x_shape
        extend_part(
            x[tile.images], (i, i + height), (j, j + width), filtering.kind, filtering.fillvalue,
            part,
        )  # fmt: skip
        target = y[tile.images, :, tile.rows, tile.columns]
        banded = find_banded(seen, two_passes=False) if backend == "auto" else None
        if banded is not None:
            banded.fill(target, part, kernels)
        else:
            direct_call(seen, backend).fill(target, part[:, None], kernels[:, None])


def copy_of_seen(filtering: Filtering, x: Array, tile: Tile) -> Array:
    """Return what a tile sees, in the dtype that is computed."""
    images, height, width = _seen(filtering, tile)
    part = np.empty((images, height, width), filtering.dtype)
    i, j = tile.rows.start - filtering.rows.before, tile.columns.start - filtering.columns.before
    extend_part(
        x[tile.images], (i, i + height), (j, j + width), filtering.kind, filtering.fillvalue, part
    )
    return part


def _seen(filtering: Filtering, tile: Tile) -> tuple[int, int, int]:
    """Return the images, rows and columns of the image that a tile sees."""
    images, rows, columns = (side.stop - side.start for side in tile)
    return images, rows + filtering.rows.kernel - 1, columns + filtering.columns.kernel - 1


def inside(filtering: Filtering, shape: tuple[int, ...]) -> Filtering:
    """Return the filtering of a part of the image, whatever is beyond its edge being in it."""
    images, height, width = shape
    rows, columns = (
        Axis(size, axis.kernel)
        for size, axis in ((height, filtering.rows), (width, filtering.columns))
    )
    return replace(filtering, images=images, rows=rows, columns=columns, kind="fill", fillvalue=0.0)
