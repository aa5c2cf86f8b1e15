"""NumPy arrays at the border of the loops: float64 going in, one rounding coming out."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]


def float64_view(name: str, array: FloatArray) -> memoryview[float]:
    """`array` such that ``X[n, c, h, w]`` is a Python float.

    A memoryview because it indexes like the formula and, unlike indexing the array itself, makes
    no NumPy scalar at each access.

    Parameters
    ----------
    name : str
        What to call the array in an error.
    array : ndarray of float32 or float64

    Returns
    -------
    memoryview of float64
        Every float32 is exactly a float64, so nothing is rounded.

    Raises
    ------
    TypeError
        If the dtype is another one.
    """
    check_dtype(name, array)
    return writable_view(np.require(array, np.float64, ("C", "ALIGNED")))  # as a memoryview reads


def writable_view(array: NDArray[np.float64]) -> memoryview[float]:
    """The elements of `array` itself, to be written by index."""
    return cast("memoryview[float]", memoryview(cast(Any, array)))


def check_dtype(name: str, array: FloatArray) -> None:
    """Refuse what is not an array of float32 or float64.

    Raises
    ------
    TypeError
    """
    if not isinstance(array, np.ndarray) or array.dtype.str[1:] not in ("f4", "f8"):
        kind = getattr(array, "dtype", type(array).__name__)
        raise TypeError(f"{name} must be an array of float32 or float64, got {kind}")


def check_shape(name: str, array: FloatArray, shape: tuple[int, ...]) -> None:
    """Refuse an array of another shape.

    Raises
    ------
    ValueError
    """
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")


def as_batch(name: str, array: FloatArray, rank: int) -> FloatArray:
    """`array` with `rank` axes: if one is missing, it is the batch, and holds one image.

    Raises
    ------
    ValueError
        If `array` has neither `rank` axes nor one less.
    TypeError
        If it is not an array of float32 or float64.
    """
    check_dtype(name, array)
    if array.ndim not in (rank, rank - 1):
        raise ValueError(
            f"{name} must have {rank} axes, or {rank - 1} for one image, got shape {array.shape}"
        )
    return array if array.ndim == rank else array[None]


def result_array(
    out: FloatArray | None, shape: tuple[int, ...], dtype: np.dtype[np.floating[Any]]
) -> FloatArray:
    """`out` once it is known to fit, or else a new array.

    Raises
    ------
    ValueError
        If `out` has another shape.
    TypeError
        If `out` has another dtype.
    """
    if out is None:
        return np.empty(shape, dtype=dtype)
    check_dtype("out", out)
    check_shape("out", out, shape)
    if out.dtype != dtype:
        raise TypeError(f"out must have the dtype of x, {dtype}, got {out.dtype}")
    return out
