"""A photograph as planes of floats, and what may be done with them: smoothing and differences.

Smoothing keeps an image of one colour c exactly. Its weights sum to one, but their products with c
are rounded, and so would be the sum. So it is not the plane x that is smoothed but what it has
above a level z of its own::

    z + Σ w·(x − z)

which is z + Σ w·0 = c where all pixels are c and z is one of them. The level is the pixel nearest
to zero, or zero where pixels of both signs, or zeros, are there. Then no difference is larger than
the pixel it was made of: nothing overflows, no bright spot swallows the rest, and every result
stays within (T + 3)·u·(Σ w·|x| + |z|) of the exact one, T the number of taps of the passes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..problem.arguments import parse_int
from ..problem.operands import Array, is_masked, prepare
from ..standin import BOUNDARIES, correlate2d
from .numbers import parse_real

__all__ = ["Photograph", "Weights", "open_photograph"]

Weights = npt.NDArray[np.float64]


class Photograph(NamedTuple):
    """An image that has been checked, its planes ready for kernels."""

    planes: Array
    """(..., H, W) of float32 or float64; perhaps the caller's own array, never written to."""
    boundary: str
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
        if self.boundary == "constant" and self.planes.ndim > 2:
            # What lies beyond is at another height above the level of each plane.
            result = np.empty_like(self.planes)
            for index in np.ndindex(self.planes.shape[:-2]):
                one = self._replace(planes=self.planes[index])
                result[index] = one.smoothed(vertical, horizontal)
            return result
        level = _level(self.planes, self.cval if self.boundary == "constant" else None)
        above, beyond = self.planes, self.cval
        if level.any():
            above = above - level
            beyond = float(self.planes.dtype.type(beyond) - level.flat[0])
        for axis, weights in enumerate((vertical, horizontal)):
            if len(weights) > 1:
                above = self._along(above, weights, axis, beyond)
        if above is self.planes:
            return above.copy()
        if level.any():
            above += level
        return above

    def given_back(self, planes: Array) -> Array:
        """Return planes with the channels where they were in the photograph."""
        if self.channel_axis is None:
            return planes
        return np.ascontiguousarray(np.moveaxis(planes, -3, self.channel_axis))

    def _along(self, planes: Array, weights: Weights, axis: int, beyond: float) -> Array:
        kernel = np.asarray(weights, planes.dtype).reshape((-1, 1) if axis == 0 else (1, -1))
        return correlate2d(planes, kernel, "same", self.boundary, beyond)


def open_photograph(
    image: object, boundary: object, cval: object, channel_axis: object
) -> Photograph:
    """Return a checked image as planes, or say what is wrong with which argument."""
    if is_masked(image):
        raise TypeError("image is a masked array, whose mask would be lost: fill it first")
    try:
        array = np.asarray(image)
    except ValueError as error:  # a ragged list
        raise TypeError(f"image must be an array: {error}") from None
    dtype = _computed_in(array.dtype)
    if not isinstance(boundary, str) or boundary not in BOUNDARIES:
        raise ValueError(f"boundary must be one of {BOUNDARIES}, not {boundary!r}")
    outside = parse_real("cval", cval)
    if abs(outside) > float(np.finfo(dtype).max):
        raise ValueError(f"cval must be a number of the image's {dtype}, not {cval!r}")
    axis = _parse_channel_axis(array.shape, channel_axis)
    if 0 in array.shape[-3 if axis is not None else -2 :]:
        raise ValueError(f"image must not be empty, but has shape {array.shape}")
    planes = array if axis is None else np.moveaxis(array, axis, -3)
    return Photograph(prepare(planes.astype(dtype, copy=False)), boundary, outside, axis)


def _computed_in(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of the result: the narrower that holds every value exactly."""
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise TypeError(f"image has dtype {dtype}: filters take bool, ints and floats up to 64 bit")
    return np.dtype(np.promote_types(dtype, np.float32))


def _parse_channel_axis(shape: tuple[int, ...], value: object) -> int | None:
    if value is None:
        if len(shape) < 2:
            raise ValueError(f"image must be (H, W) or (..., H, W), but has shape {shape}")
        if len(shape) == 3 and shape[2] in (3, 4):
            raise ValueError(
                f"image of shape {shape} may be a photograph in colour or a stack of images "
                f"{shape[2]} pixels wide: say which with channel_axis=-1 or channel_axis=0"
            )
        return None
    if len(shape) < 3:
        raise ValueError(
            f"image must have three axes or more with channel_axis={value!r}, but has shape {shape}"
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
