"""Filtering of arrays, by the way that was chosen.

Where the image is to be extended beyond its edge, or cast, that is done band by band, each of which
stays in the caches until it is filtered; nothing of the size of a large image is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from .. import tuning
from ..call import Call, find_calls
from ..problem import Axis
from ..problem.operands import Array, is_prepared, prepare
from .boundary import extend_part
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


def direct(filtering: Filtering, x: Array, kernels: Array, y: Array, backend: str) -> None:
    """Fill y (N, K, OH, OW) from x (N, H, W) and kernels (K, R, S), tap by tap."""
    weight = kernels[:, None]
    if filtering.is_plain and x.dtype == filtering.dtype:
        direct_call(filtering, backend)(x[:, None], weight, out=y)
        return
    columns = filtering.columns
    cut_rows = filtering.filters == 1
    for band in bands(filtering, columns.padded, cut_rows=cut_rows):
        part = _extended(filtering, x, band)
        inside = _inside(filtering, part)
        direct_call(inside, backend)(part[:, None], weight, out=y[band.images, :, band.rows])


def direct_inside(x: Array, kernels: Array) -> Array:
    """Return (K, OH, OW) of an image (H, W) without anything beyond its edge."""
    call = find_calls(
        (1, *x.shape), (len(kernels), 1, *kernels.shape[1:]), None, x.dtype, (1, 1),
        ((0, 0), (0, 0)), (1, 1), 1, "zeros", None, "auto",
    ).forward  # fmt: skip
    return call(x[None], kernels[:, None])


def _extended(filtering: Filtering, x: Array, band: Band) -> Array:
    """Return what a band sees."""
    rows, columns = filtering.rows, filtering.columns
    first = band.rows.start - rows.before
    return extend_part(
        x[band.images], (first, first + band.rows.stop - band.rows.start + rows.kernel - 1),
        (-columns.before, columns.size + columns.after), filtering.kind, filtering.fillvalue,
        filtering.dtype,
    )  # fmt: skip


def _inside(filtering: Filtering, part: Array) -> Filtering:
    """Return the filtering of a part of the image, whatever is beyond its edge being in it."""
    images, height, width = part.shape
    rows, columns = (
        Axis(size, axis.kernel)
        for size, axis in ((height, filtering.rows), (width, filtering.columns))
    )
    return replace(filtering, images=images, rows=rows, columns=columns)


def separable(filtering: Filtering, x: Array, factors: Factors, y: Array, backend: str) -> None:
    """Fill y by two passes, the rows of the image with each filter's row, then down the columns."""
    plain = filtering.is_plain and x.dtype == filtering.dtype and is_prepared(x)
    rows, columns = filtering.rows, filtering.columns
    for band in bands(filtering, columns.outputs + columns.padded * (not plain), cut_rows=True):
        outputs = band.rows.stop - band.rows.start
        first = band.rows.start - rows.before
        last = first + outputs + rows.kernel - 1
        if plain:
            top, bottom = max(0, -first), max(0, last - rows.size)
            if top + bottom >= outputs + rows.kernel - 1:  # nothing but zeros
                y[band.images, :, band.rows] = 0
                continue
            part = x[band.images, first + top : last - bottom]
            across = (columns.before, columns.after)
        else:
            part = _extended(filtering, x, band)
            top = bottom = 0
            across = (0, 0)
        for k in range(filtering.filters):
            middle = _pass(part[:, None], factors.rows[k], ((0, 0), across), backend)
            target = y[band.images, k : k + 1, band.rows]
            _pass(middle, factors.columns[k], ((top, bottom), (0, 0)), backend, target)


def _pass(
    x: Array, taps: Array, pads: tuple[tuple[int, int], tuple[int, int]], backend: str,
    out: Array | None = None,
) -> Array:  # fmt: skip
    x = prepare(x)
    call = find_calls(
        x.shape, (1, 1, *taps.shape), None, x.dtype, (1, 1), pads, (1, 1), 1, "zeros", None, backend
    ).forward
    return call(x, taps[None, None], None, None, out)
