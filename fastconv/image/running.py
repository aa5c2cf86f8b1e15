"""Filtering of arrays, by the way that was chosen.

Most outputs see nothing beyond the edge of the image. Where nearly all are such, the image is
filtered where it lies, as if there were zeros around, and then the few at the edges once more, with
what is beyond. Else, and where the image is to be cast, it is copied and extended band by band,
each of which stays in the caches until it is filtered.

    ┌──────────── top ────────────┐
    ├──────┬───────────────┬──────┤       R-1 rows and S-1 columns of the outputs
    │ left │  see pixels   │ right│       in all are edges
    ├──────┴───────────────┴──────┤
    └─────────── bottom ──────────┘

So nothing of the size of a large image is held.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .. import tuning
from ..call import Call, find_calls
from ..problem import Axis
from ..problem.extension import extend_part
from ..problem.operands import Array, is_prepared
from ..problem.padding import Pads
from .separable import Factors
from .shapes import Filtering

__all__ = ["Band", "bands", "direct", "direct_call", "direct_inside", "separable"]


class Band(NamedTuple):
    """Images and rows of the output."""

    images: slice
    rows: slice


def bands(filtering: Filtering, values: int, *, cut_rows: bool) -> Iterator[Band]:
    """Yield parts of the work for which the image is extended, or kept otherwise, at a time.

    Parameters
    ----------
    filtering
    values
        Of a row that is held; a band has about `tuning.IMAGE_BAND_BYTES` of them.
    cut_rows
        Whether images may be cut: results of a bank do not lie together then.
    """
    height, taps = filtering.rows.outputs, filtering.rows.kernel
    held = max(1, tuning.IMAGE_BAND_BYTES // (values * filtering.dtype.itemsize))
    images = max(1, held // filtering.rows.padded)
    rows = height
    if cut_rows and images == 1:
        # of the rows that a band sees, those that the next one sees again are a small part
        rows = max(held, tuning.IMAGE_BAND_TAPS * taps)
        rows = -(-height // -(-height // rows))
    for n in range(0, filtering.images, images):
        for i in range(0, height, rows):
            yield Band(slice(n, min(filtering.images, n + images)), slice(i, min(height, i + rows)))


def direct_call(filtering: Filtering, backend: str) -> Call:
    """Return the convolution that it is where the image lies as it is read."""
    images, filters, rows, columns = (
        filtering.images,
        filtering.filters,
        *filtering.kernel_shape[1:],
    )
    return find_calls(
        (images, 1, *filtering.x_shape[1:]), (filters, 1, rows, columns), None, filtering.dtype,
        (1, 1), filtering.pads, (1, 1), 1, "zeros", None, backend,
    ).forward  # fmt: skip


def direct(filtering: Filtering, x: Array, kernels: Array, backend: str, y: Array | None) -> Array:
    """Fill y (N, K, OH, OW) from x (N, H, W) and kernels (K, R, S), tap by tap; return it."""
    weight = kernels[:, None]
    if filtering.is_plain and x.dtype == filtering.dtype:
        return direct_call(filtering, backend)(x[:, None], weight, None, None, y)
    if _has_small_edges(filtering, x):
        y = direct(_with_zeros(filtering), x, kernels, backend, y)
        for rows, columns, part in _edges(filtering, x):
            y[:, :, rows, columns] = direct(_inside(filtering, part), part, kernels, backend, None)
        return y
    if y is None:
        y = np.empty(filtering.output_shape, filtering.dtype)
    parts = list(bands(filtering, filtering.columns.padded, cut_rows=filtering.filters == 1))
    scratch = _scratch(filtering, parts, filtering.columns.padded)
    for band in parts:
        part = _extended(filtering, x, band, scratch)
        inside = _inside(filtering, part)
        direct_call(inside, backend)(part[:, None], weight, out=y[band.images, :, band.rows])
    return y


def direct_inside(x: Array, kernels: Array) -> Array:
    """Return (K, OH, OW) of an image (H, W) without anything beyond its edge."""
    call = find_calls(
        (1, *x.shape), (len(kernels), 1, *kernels.shape[1:]), None, x.dtype, (1, 1),
        ((0, 0), (0, 0)), (1, 1), 1, "zeros", None, "auto",
    ).forward  # fmt: skip
    return call(x[None], kernels[:, None])


def _has_small_edges(filtering: Filtering, x: Array) -> bool:
    """Whether to filter the image where it lies, and its edges once more."""
    if filtering.is_plain or x.dtype != filtering.dtype or not is_prepared(x):
        return False
    share = sum(
        (axis.before + axis.after) / axis.outputs for axis in (filtering.rows, filtering.columns)
    )
    return share <= tuning.IMAGE_EDGE_SHARE


def _with_zeros(filtering: Filtering) -> Filtering:
    return replace(filtering, kind="fill", fillvalue=0.0)


def _edges(filtering: Filtering, x: Array) -> Iterator[tuple[slice, slice, Array]]:
    """Yield the outputs that see what is beyond the edge, and what they see."""
    rows, columns = filtering.rows, filtering.columns
    bottom, right = rows.outputs - rows.after, columns.outputs - columns.after
    for down, across in (
        (slice(0, rows.before), slice(0, columns.outputs)),
        (slice(bottom, rows.outputs), slice(0, columns.outputs)),
        (slice(rows.before, bottom), slice(0, columns.before)),
        (slice(rows.before, bottom), slice(right, columns.outputs)),
    ):
        if down.start == down.stop or across.start == across.stop:
            continue
        first, left = down.start - rows.before, across.start - columns.before
        seen = (
            down.stop - down.start + rows.kernel - 1,
            across.stop - across.start + columns.kernel - 1,
        )
        part = np.empty((len(x), *seen), filtering.dtype)
        extend_part(
            x, (first, first + seen[0]), (left, left + seen[1]), filtering.kind,
            filtering.fillvalue, part,
        )  # fmt: skip
        yield down, across, part


def _scratch(filtering: Filtering, parts: list[Band], width: int) -> Array:
    """Return room for the rows of so many pixels that the largest band sees; one for all of them.

    Memory that is new to the process costs as much as what is done with it here.
    """
    images = max((band.images.stop - band.images.start for band in parts), default=0)
    rows = max((band.rows.stop - band.rows.start for band in parts), default=0)
    return np.empty(images * (rows + filtering.rows.kernel - 1) * width, filtering.dtype)


def _extended(filtering: Filtering, x: Array, band: Band, scratch: Array) -> Array:
    """Return what a band sees, in the scratch."""
    rows, columns = filtering.rows, filtering.columns
    first = band.rows.start - rows.before
    last = first + band.rows.stop - band.rows.start + rows.kernel - 1
    shape = band.images.stop - band.images.start, last - first, columns.padded
    part = scratch[: math.prod(shape)].reshape(shape)
    extend_part(
        x[band.images], (first, last), (-columns.before, columns.size + columns.after),
        filtering.kind, filtering.fillvalue, part,
    )  # fmt: skip
    return part


def _inside(filtering: Filtering, part: Array) -> Filtering:
    """Return the filtering of a part of the image, whatever is beyond its edge being in it."""
    images, height, width = part.shape
    rows, columns = (
        Axis(size, axis.kernel)
        for size, axis in ((height, filtering.rows), (width, filtering.columns))
    )
    return replace(filtering, images=images, rows=rows, columns=columns)


def separable(filtering: Filtering, x: Array, factors: Factors, backend: str, y: Array) -> None:
    """Fill y by two passes, the rows of the image with each filter's row, then down the columns."""
    if _has_small_edges(filtering, x):
        separable(_with_zeros(filtering), x, factors, backend, y)
        for down, side, part in _edges(filtering, x):
            inside = _inside(filtering, part)
            edge = np.empty(inside.output_shape, inside.dtype)
            separable(inside, part, factors, backend, edge)
            y[:, :, down, side] = edge
        return
    plain = filtering.is_plain and x.dtype == filtering.dtype and is_prepared(x)
    rows, columns = filtering.rows, filtering.columns
    width = columns.outputs + columns.padded * (not plain)
    parts = list(bands(filtering, width, cut_rows=True))
    middles = _scratch(filtering, parts, columns.outputs)
    scratch = None if plain else _scratch(filtering, parts, columns.padded)
    for band in parts:
        first = band.rows.start - rows.before
        last = first + band.rows.stop - band.rows.start + rows.kernel - 1
        if scratch is None:
            top, bottom = min(max(0, -first), last - first), max(0, last - rows.size)
            if top + bottom >= last - first:  # nothing but zeros
                y[band.images, :, band.rows] = 0
                continue
            part = x[band.images, first + top : last - bottom]
            across = columns.before, columns.after
        else:
            part = _extended(filtering, x, band, scratch)
            top = bottom = 0
            across = 0, 0
        shape = len(part), 1, part.shape[1], columns.outputs
        middle = middles[: math.prod(shape)].reshape(shape)
        for k in range(filtering.filters):
            _pass(part[:, None], factors.rows[k], ((0, 0), across), backend, middle)
            target = y[band.images, k : k + 1, band.rows]
            _pass(middle, factors.columns[k], ((top, bottom), (0, 0)), backend, target)


def _pass(x: Array, taps: Array, pads: Pads, backend: str, out: Array) -> None:
    call = find_calls(
        x.shape, (1, 1, *taps.shape), None, x.dtype, (1, 1), pads, (1, 1), 1, "zeros", None, backend
    ).forward
    call(x, taps[None, None], None, None, out)
