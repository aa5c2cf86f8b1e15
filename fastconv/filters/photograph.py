"""A photograph as planes of floats, and what may be done with them: smoothing and differences.

Smoothing keeps an image of one colour c exactly. Its weights sum to one, but their products with c
are rounded, and so would be the sum. So it is not the plane x that is smoothed but what it has
above a level z of its own::

    z + Σ w·(x − z)

which is z + Σ w·0 = c where all pixels are c and z is one of them. The level is the pixel nearest
to zero, or zero where pixels of both signs, or zeros, are there. Then no difference is larger than
the pixel it was made of: nothing overflows, no bright spot swallows the rest, and every result
stays within (R + S + 8)·u·Σ w·|x| of the exact one, for R taps down and S across: n + 2 roundings
for the n taps of a pass, one for each weight, one for each difference and one at the end.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..call import remembered
from ..image.boundary import check_boundary
from ..image.operands import check_real
from ..image.passes import separable
from ..image.running import direct
from ..image.separable import Factors
from ..image.shapes import Filtering, check_is_stack
from ..problem import Axis
from ..problem.arguments import parse_int, shown
from ..problem.convolution import check_size
from ..problem.operands import Array, prepare
from .numbers import parse_real_of

__all__ = ["Photograph", "Weights", "open_photograph"]

Weights = npt.NDArray[np.float64]


class Photograph(NamedTuple):
    """An image that has been checked, its planes ready for kernels."""

    planes: Array
    """(..., H, W) of float32 or float64; perhaps the caller's own array, never written to."""
    kind: str
    """What lies beyond, as `problem.extension` names it."""
    cval: float
    channel_axis: int | None

    def difference(self, weights: Weights, axis: int) -> Array:
        """Return the planes correlated with weights that sum to zero along axis 0 or 1."""
        return self._along(self.planes, weights, axis, self.cval)

    def across(self, differences: Array, weights: Weights, axis: int) -> Array:
        """Return differences along one axis, summed along the other, with weights.

        Beyond the image, where all pixels are `cval`, there is no difference.
        """
        return self._along(differences, weights, axis, 0.0)

    def smoothed(self, vertical: Weights, horizontal: Weights) -> Array:
        """Return the planes smoothed with weights that sum to one, along both axes."""
        constant = self.kind == "fill"
        if constant and self.planes.ndim > 2:
            # What lies beyond is at another height above the level of each plane.
            result = np.empty_like(self.planes)
            for index in np.ndindex(self.planes.shape[:-2]):
                one = self._replace(planes=self.planes[index])
                result[index] = one.smoothed(vertical, horizontal)
            return result
        level = _level(self.planes, self.cval if constant else None)
        above, beyond = self.planes, self.cval
        has_level = bool(level.any())
        if has_level:
            above = above - level
        if constant:
            beyond = float(self.planes.dtype.type(beyond) - level.item())
        if len(vertical) == len(horizontal) == 1:
            result = above.copy()
        elif len(horizontal) == 1:
            result = self._along(above, vertical, 0, beyond)
        elif len(vertical) == 1:
            result = self._along(above, horizontal, 1, beyond)
        else:
            result = self._both_ways(above, vertical, horizontal, beyond)
        if has_level:
            result += level
        return result

    def given_back(self, planes: Array) -> Array:
        """Return planes with the channels where they were in the photograph."""
        if self.channel_axis is None:
            return planes
        return np.ascontiguousarray(np.moveaxis(planes, -3, self.channel_axis))

    def _along(self, planes: Array, weights: Weights, axis: int, beyond: float) -> Array:
        """Return the planes correlated with weights along an axis."""
        rows, columns = (len(weights), 1) if axis == 0 else (1, len(weights))
        kernel = weights.astype(planes.dtype).reshape(1, rows, columns)
        filtering, x, y = self._stacked(planes, rows, columns, beyond)
        direct(filtering, x, kernel, "auto", y)
        return y.reshape(planes.shape)

    def _both_ways(
        self, planes: Array, vertical: Weights, horizontal: Weights, beyond: float
    ) -> Array:
        """Return the planes correlated along both axes, in passes that share what they extend."""
        column = vertical.astype(planes.dtype).reshape(1, -1, 1)
        row = horizontal.astype(planes.dtype).reshape(1, 1, -1)
        filtering, x, y = self._stacked(planes, len(vertical), len(horizontal), beyond)
        separable(filtering, x, Factors(column, row), "auto", y)
        return y.reshape(planes.shape)

    def _stacked(
        self, planes: Array, rows: int, columns: int, beyond: float
    ) -> tuple[Filtering, Array, Array]:
        """Return the correlation with so many rows and columns of taps, its image and result.

        The pixel is under the middle tap, of an even number under the second of both middle ones.
        """
        filtering = _filtering(planes.shape, rows, columns, self.kind, planes.dtype)
        if beyond:
            filtering = replace(filtering, fillvalue=beyond)
        x = planes.reshape(filtering.x_shape)
        return filtering, x, np.empty(filtering.output_shape, planes.dtype)


@remembered
def _filtering(
    shape: tuple[int, ...], rows: int, columns: int, kind: str, dtype: np.dtype[Any]
) -> Filtering:
    """Return the correlation of such planes with so many taps, zeros beyond if it is a value."""
    *stack, height, width = shape
    vertical, horizontal = (
        Axis(size, taps, 1, 1, taps // 2, (taps - 1) // 2)
        for size, taps in ((height, rows), (width, columns))
    )
    images = math.prod(stack)
    check_size("image, extended", (images, vertical.padded, horizontal.padded), dtype)
    return Filtering(images, 1, vertical, horizontal, kind, 0.0, dtype)


def open_photograph(
    image: object, boundary: object, cval: object, channel_axis: object
) -> Photograph:
    """Return a checked image as planes, or say what is wrong with which argument."""
    array = check_real("image", image)
    dtype = np.dtype(np.promote_types(array.dtype, np.float32))  # as `image.operands` has it
    kind = check_boundary(boundary)
    outside = parse_real_of(dtype, "cval", cval)
    axis = _parse_channel_axis(array.shape, channel_axis)
    if 0 in array.shape[-3 if axis is not None else -2 :]:
        raise ValueError(f"image must not be empty, but has shape {array.shape}")
    if axis is None:
        check_is_stack("image", array.shape)
    planes = array if axis is None else np.moveaxis(array, axis, -3)
    return Photograph(prepare(planes.astype(dtype, copy=False)), kind, outside, axis)


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


def _level(planes: Array, also: float | None) -> Array:
    """Return, per plane (..., 1, 1), the value nearest to zero if all have one sign, or zero.

    NaN and infinities are no levels; `also` is counted among the values.
    """
    *stack, height, width = planes.shape
    pixels = planes.reshape(*stack, height * width)
    low = _extreme(np.minimum, np.fmin, pixels, also)
    if (low <= 0).all() and not (low < 0).any():  # as in most photographs: something is black
        level = np.zeros_like(low)
    else:
        high = _extreme(np.maximum, np.fmax, pixels, also)
        level = np.where(low > 0, low, np.where(high < 0, high, 0))
    level[~np.isfinite(level)] = 0
    return level[..., None]


def _extreme(quick: np.ufunc, careful: np.ufunc, pixels: Array, also: float | None) -> Array:
    found: Array = quick.reduce(pixels, axis=-1, keepdims=True)
    if np.isnan(found).any():
        found = careful.reduce(pixels, axis=-1, keepdims=True)
    return found if also is None else careful(found, pixels.dtype.type(also))
