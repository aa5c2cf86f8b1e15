"""A photograph as users give it, checked, and filtered band by band into the result."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..image.boundary import check_boundary
from ..image.operands import check_real
from ..image.shapes import check_is_stack
from ..problem.arguments import parse_int, shown
from ..problem.convolution import check_size
from ..problem.extension import extend_part
from ..problem.operands import Array, check_out, is_prepared, prepare
from ..problem.slices import assign
from .bands import Band, Cut, Reach, cuts
from .numbers import parse_real_of

__all__ = ["Photograph", "open_photograph"]


class Photograph(NamedTuple):
    """An image that has been checked.

    Attributes
    ----------
    planes : ndarray, (..., H, W)
        The caller's own array or a view of it, never written to.
    dtype : numpy.dtype
        float32 or float64: of the result, and in which it is computed.
    kind : str
        What lies beyond, as `problem.extension` names it.
    cval : float
    channel_axis : int or None
        Where the last but two of the planes' axes was.
    out : ndarray or None
        Where the result is to be written; it may share memory with the planes.
    """

    planes: Array
    dtype: np.dtype[Any]
    kind: str
    cval: float
    channel_axis: int | None
    out: Array | None

    def filtered(
        self, fill: Callable[[Band, Array], object], reach: Reach, columns: int,
        at_once: Callable[[Band, Array], bool] | None = None,
    ) -> Array:  # fmt: skip
        """Return the photograph filtered.

        Parameters
        ----------
        fill
            Given a band and y (N, rows, W), it fills y.
        reach
            The rows that it sees.
        columns
            And how many columns beside a pixel's own.
        at_once
            Given all pixels as one band, and y, it fills y if it cuts them by itself, and says so.
        """
        *stack, height, width = self.planes.shape
        extended = *stack, height + sum(reach), width + columns
        check_size("image, extended", extended, self.dtype)
        axis, out = self.channel_axis, self.out
        shape = list(self.planes.shape)
        if axis is not None:
            shape.insert(axis % len(shape), shape.pop(-3))
        apart = out is None or np.may_share_memory(out, self.planes)
        result = np.empty(shape, self.dtype) if out is None or apart else out
        target = result if axis is None else np.moveaxis(result, axis, -3)
        with np.errstate(all="ignore"):  # infinities and NaN flow through
            if at_once is None or not self._fill_at_once(at_once, target):
                for cut in cuts(self.planes.shape, self.dtype.itemsize, reach):
                    self._fill_band(fill, cut, reach, target[cut.place])
        if out is None or result is out:
            return result
        assign(out, result)
        return out

    def _fill_at_once(self, at_once: Callable[[Band, Array], bool], target: Array) -> bool:
        """Fill the result from the planes as they lie, where they are not to be copied or cast.

        However the result lies: band by band the last bits would be others, by the bands' levels.
        """
        planes = self.planes
        if planes.dtype != self.dtype or not planes.size or not is_prepared(planes):
            return False
        shape = math.prod(planes.shape[:-2]), *planes.shape[-2:]
        band = Band(planes.reshape(shape), Reach(0, 0), self.kind, self.cval)
        if is_prepared(target):
            return at_once(band, target.reshape(shape))
        y = np.empty(shape, self.dtype)
        if not at_once(band, y):
            return False
        assign(target, y.reshape(target.shape))
        return True

    def _fill_band(
        self, fill: Callable[[Band, Array], object], cut: Cut, reach: Reach, target: Array
    ) -> None:
        """Fill the part of the result that a cut is."""
        height, width = self.planes.shape[-2:]
        planes = self.planes[cut.planes]
        shape = math.prod(planes.shape[:-2]), cut.rows.stop - cut.rows.start, width
        if cut.is_whole:
            pixels = prepare(planes.astype(self.dtype, copy=False)).reshape(shape)
            band = Band(pixels, Reach(0, 0), self.kind, self.cval)
        else:
            rows = cut.rows.start - reach.above, cut.rows.stop + reach.below
            pixels = np.empty((1, rows[1] - rows[0], width), self.dtype)
            extend_part(
                planes.reshape(1, height, width), rows, (0, width), self.kind, self.cval, pixels
            )
            band = Band(pixels, reach, self.kind, self.cval)
        if is_prepared(target):
            fill(band, target.reshape(shape))
            return
        y = np.empty(shape, self.dtype)
        fill(band, y)
        assign(target, y.reshape(target.shape))


def open_photograph(
    image: object, boundary: object, cval: object, channel_axis: object, out: Array | None
) -> Photograph:
    """Return a checked image, or say what is wrong with which argument."""
    array = check_real("image", image)
    dtype = np.dtype(np.promote_types(array.dtype, np.float32))  # as `image.operands` has it
    kind = check_boundary(boundary)
    outside = parse_real_of(dtype, "cval", cval)
    axis = _parse_channel_axis(array.shape, channel_axis)
    if 0 in array.shape[-3 if axis is not None else -2 :]:
        raise ValueError(f"image must not be empty, but has shape {array.shape}")
    if axis is None:
        check_is_stack("image", array.shape)
    if out is not None:
        check_out(out, array.shape, dtype)
    planes = array if axis is None else np.moveaxis(array, axis, -3)
    return Photograph(planes, dtype, kind, outside, axis, out)


def _parse_channel_axis(shape: tuple[int, ...], value: object) -> int | None:
    if value is None:
        if len(shape) < 2:
            raise ValueError(f"image must be (H, W) or (..., H, W), but has shape {shape}")
        return None
    if len(shape) < 3:
        raise ValueError(
            f"image must have three axes or more with channel_axis={shown(value)}, but has shape "
            f"{shape}"
        )
    axis = parse_int("channel_axis", value, -len(shape), "None or an int")
    if axis >= len(shape):
        raise ValueError(f"channel_axis must be less than {len(shape)}, not {axis}")
    return axis
