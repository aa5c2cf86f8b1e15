"""The arrays that images and kernels come in, and the dtype in which they are computed.

    float32, float64        as they are; float64 if one of the two is
    float16, bool, integers of up to 16 bits
                            float32, which holds every one of them
    wider integers          float64; a kernel's, which are looked at, float32 if that holds them
    integers both           float32 if no sum can leave what it holds exactly, else float64

So the sums of integers, which are returned as floats, never wrap and are exact up to 2^53.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..problem.arguments import shown
from ..problem.operands import Array, as_array

__all__ = ["both_integers", "check_fillvalue", "check_real", "dtype_to_compute"]

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
# Every integer up to it is a float32.
_EXACT_IN_FLOAT32 = 2.0**24


def check_real(name: str, value: object) -> Array:
    """Return `value` as an array of bool, integers or floats of up to 64 bits, not copied."""
    array = as_array(name, value)
    if array.dtype.kind == "c":
        raise TypeError(
            f"{name} has dtype {array.dtype}, fastconv filters real images: filter {name}.real and "
            f"{name}.imag one after the other"
        )
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{name} has dtype {array.dtype}, and must have bool, integers, float16, float32 or "
            "float64"
        )
    return array


def check_fillvalue(fillvalue: object) -> float:
    """Return the value beyond the edge as a float."""
    if isinstance(fillvalue, (bool, np.bool_)) or not isinstance(
        fillvalue, (int, float, np.integer, np.floating)
    ):
        is_scalar = isinstance(fillvalue, np.ndarray) and fillvalue.ndim == 0
        if not is_scalar or np.asarray(fillvalue).dtype.kind not in "iuf":
            raise TypeError(f"fillvalue must be a real number, not {shown(fillvalue)}")
    try:
        return float(fillvalue)  # type: ignore[arg-type]
    except OverflowError:
        raise ValueError(f"fillvalue must fit into a float64, not {shown(fillvalue)}") from None


def both_integers(image: Array, kernel: Array) -> bool:
    """Whether an image and a kernel hold integers by their dtypes."""
    return image.dtype.kind in "biu" and kernel.dtype.kind in "biu"


def dtype_to_compute(image: Array, kernel: Array, fillvalue: float) -> np.dtype[Any]:
    """Return float32 or float64; see the module."""
    if not _float32_holds(image.dtype) or (
        not _float32_holds(kernel.dtype) and not _is_held(kernel)
    ):
        return _FLOAT64
    if both_integers(image, kernel):
        beyond = abs(fillvalue) if math.isfinite(fillvalue) else 0.0  # others are in any dtype
        largest = max(_largest(image.dtype), beyond)
        sums = np.abs(kernel.astype(np.float64)).sum(axis=(-2, -1))
        exact = not largest * sums.max(initial=0) > _EXACT_IN_FLOAT32
        return _FLOAT32 if exact else _FLOAT64
    return _FLOAT32


def _float32_holds(dtype: np.dtype[Any]) -> bool:
    """Whether float32 holds every value of a dtype."""
    return dtype.itemsize <= (4 if dtype.kind == "f" else 2)


def _is_held(kernel: Array) -> bool:
    """Whether float32 holds the integers of a kernel."""
    if kernel.dtype.kind not in "iu":
        return False
    return bool(np.abs(kernel.astype(np.float64)).max(initial=0) <= _EXACT_IN_FLOAT32)


def _largest(dtype: np.dtype[Any]) -> float:
    """Return the largest absolute value of an integer dtype."""
    if dtype.kind == "b":
        return 1.0
    limits = np.iinfo(dtype)
    return float(max(limits.max, -int(limits.min)))
