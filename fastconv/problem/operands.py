"""The arrays that come in: which dtypes are accepted, and what `out` may be.

Checking and preparing are apart, so that nothing is copied before everything has been checked.
"""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .arguments import shown
from .slices import assign

__all__ = [
    "Array",
    "as_array",
    "check_array",
    "check_dtype",
    "check_dtypes_agree",
    "check_out",
    "copied",
    "is_prepared",
    "prepare",
]

Array: TypeAlias = npt.NDArray[Any]

_KERNEL_DTYPES: dict[str, np.dtype[Any]] = {"f4": np.dtype(np.float32), "f8": np.dtype(np.float64)}
_FLOAT32, _FLOAT64 = _KERNEL_DTYPES.values()
_EXACT_IN_FLOAT32 = ("b1", "i1", "u1", "i2", "u2", "f2")


def check_dtype(name: str, dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return float32 or float64 in native byte order, or say what to cast to."""
    if dtype is None:  # which NumPy would take for float64
        raise TypeError(f"{name} must be float32 or float64, not None")
    try:
        given = np.dtype(dtype)
    except (TypeError, ValueError):  # the latter from printing a number of thousands of digits
        raise TypeError(f"{name} must be float32 or float64, not {shown(dtype)}") from None
    native = _KERNEL_DTYPES.get(given.str[1:])
    if native is not None:
        return native
    advice = ""
    if given.kind in "biuf":
        cast_to = "float32" if given.str[1:] in _EXACT_IN_FLOAT32 else "float64"
        subject = "your arrays" if name == "dtype" else name
        advice = f": cast {subject} with .astype(np.{cast_to})"
    raise TypeError(f"{name} has dtype {given}, fastconv computes in float32 or float64{advice}")


def _is_masked(value: object) -> bool:
    """Whether it is a masked array; NumPy loads them late, and there is none before."""
    masked = sys.modules.get("numpy.ma")
    return masked is not None and isinstance(value, masked.MaskedArray)


def check_array(name: str, value: object) -> Array:
    """Return `value` as an array of an accepted dtype, neither copied nor prepared."""
    if type(value) is np.ndarray and (value.dtype is _FLOAT32 or value.dtype is _FLOAT64):
        return value  # as nearly always, and a tenth of the cost of what follows
    array = as_array(name, value)
    check_dtype(name, array.dtype)
    return array


def as_array(name: str, value: object) -> Array:
    """Return `value` as an array of whatever dtype, not copied."""
    if _is_masked(value):
        raise TypeError(f"{name} is a masked array, whose mask would be lost: fill it first")
    try:
        return np.asarray(value)
    except ValueError as error:  # a ragged list
        raise TypeError(f"{name} must be an array: {error}") from None


def check_dtypes_agree(**arrays: Array | None) -> np.dtype[Any]:
    """Return the dtype that all arrays share."""
    for array in arrays.values():
        if array is not None and array.dtype is not _FLOAT32:
            break
    else:  # as nearly always
        return _FLOAT32
    (first_name, first), *others = ((k, v) for k, v in arrays.items() if v is not None)
    dtype = check_dtype(first_name, first.dtype)
    for name, array in others:
        if check_dtype(name, array.dtype) != dtype:
            raise TypeError(
                f"{name} has dtype {array.dtype} but {first_name} has {dtype}: "
                f"cast one, for example {name}.astype(np.{dtype})"
            )
    return dtype


def is_prepared(array: Array) -> bool:
    """Whether kernels may use the array as it lies: native, aligned, C-contiguous."""
    if array.flags.carray and (array.dtype is _FLOAT32 or array.dtype is _FLOAT64):
        return True  # writable as well
    return array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative


def prepare(array: Array) -> Array:
    """Return the array as kernels read it, a copy only where `is_prepared` is false."""
    if is_prepared(array):
        return array
    return copied(array)


def copied(array: Array) -> Array:
    """Return a copy of the array, as kernels read it."""
    copy = np.empty(array.shape, array.dtype.newbyteorder("="))
    assign(copy, array)
    return copy


def check_out(
    out: object,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    **operands: Array | None,
) -> None:
    """Refuse an `out` that cannot take the result without loss or without spoiling an operand."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, not {type(out).__name__}")
    if _is_masked(out):
        raise TypeError("out is a masked array, whose mask would hide the result: give its data")
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}, not {out.shape}")
    if check_dtype("out", out.dtype) != dtype:
        raise TypeError(f"out must have dtype {dtype}, not {out.dtype}")
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    if _overlaps_itself(out):
        raise ValueError(f"out overlaps itself: shape {out.shape}, strides {out.strides}")
    for name, operand in operands.items():
        if operand is not None and _share_memory(out, operand):
            raise ValueError(f"out shares memory with {name}: give it an array of its own")


def _share_memory(first: Array, second: Array) -> bool:
    if not np.may_share_memory(first, second):
        return False
    most_candidates: Any = 10_000
    try:
        return np.shares_memory(first, second, max_work=most_candidates)
    except np.exceptions.TooHardError:
        return True  # interleaved in a way too intricate to settle: stay safe


def _overlaps_itself(array: Array) -> bool:
    """Whether two indices may reach the same byte (broadcast or sliding-window views)."""
    if array.size == 0 or array.flags.c_contiguous:
        return False
    span = array.itemsize
    axes = sorted((abs(step), n) for step, n in zip(array.strides, array.shape, strict=True))
    for step, extent in axes:
        if extent > 1:
            if step < span:
                return True
            span += step * (extent - 1)
    return False
