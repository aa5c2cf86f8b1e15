"""Kernels that are a column times a row, up to rounding: k[r, s] = column[r] · row[s].

                            row  1  2  1
    column  1     1  2  1
            2     2  4  2           R·S products a pixel become R + S
            1     1  2  1

The row is that of the largest element, in units of it, and the column is the one through it: what
is left of every other element decides. Kernels of integers keep integer factors, and with them
exact sums: the row is divided by its greatest common divisor, and the column then is whole. Either
way a power of two is moved from the row to the column, which changes no digit: the sum of the row
is less than 1, so that nothing is larger between the two passes than in the image, and no infinity
that the result does not have is multiplied by a zero of the column.

An element counts as the product where they differ by no more than ROUNDINGS·u of it. A kernel made
as a product and then normalised, or cast from float64, does; so a result of two passes is within

    (R + S + 4 + ROUNDINGS)·u·Σ|k||x|

of the exact one: n + 2 roundings for the n taps of each pass, as `conv2d` promises, and what the
factors, rounded, differ from k. From `is_within_bound` on that is no more than the
(R·S + 2)·u·Σ|k||x| of a direct convolution, and "auto" asks for that.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import tuning
from ..problem.operands import Array
from ..remembering import remembered

__all__ = ["ROUNDINGS", "Factors", "factor", "is_within_bound"]

# From the element of a kernel to the product of its factors, in units of u.
ROUNDINGS = 8


class Factors(NamedTuple):
    """Of every filter a column (R, 1) and a row (1, S)."""

    columns: Array
    rows: Array


def is_within_bound(rows: int, columns: int) -> bool:
    """Whether two passes keep the bound of a direct convolution with such a kernel."""
    return rows + columns + 4 + ROUNDINGS <= rows * columns + 2


def factor(kernels: Array) -> Factors | None:
    """Return the factors of kernels (K, R, S) in their dtype, or None if one has none.

    Small kernels are known again by their values: finding it out takes some thirty calls of NumPy.
    """
    if kernels.nbytes > tuning.FACTORS_REMEMBERED_BYTES:
        return _factored(kernels)
    return _remembered(kernels.tobytes(), kernels.shape, kernels.dtype)


@remembered
def _remembered(values: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Factors | None:
    found = _factored(np.frombuffer(values, dtype).reshape(shape))
    for parts in found or ():
        parts.setflags(write=False)
    return found


def _factored(kernels: Array) -> Factors | None:
    dtype = kernels.dtype
    columns = np.empty((len(kernels), kernels.shape[1], 1), dtype)
    rows = np.empty((len(kernels), 1, kernels.shape[2]), dtype)
    limits = np.finfo(dtype)
    with np.errstate(all="ignore"):  # what overflows or is no number is no product
        for kernel, column, row in zip(kernels, columns, rows, strict=True):
            wide = kernel.astype(np.float64)
            found = _integer_factors(wide) or _factors(wide)
            if found is None:
                return None
            column[:, 0], row[0] = _balanced(*found)
            product = column.astype(np.float64) * row.astype(np.float64)
            allowed = ROUNDINGS * limits.eps / 2 * np.abs(wide) + 2 * limits.smallest_subnormal
            if not (np.abs(wide - product) <= allowed).all():
                return None
    return Factors(columns, rows)


def _balanced(column: Array, row: Array) -> tuple[Array, Array]:
    """Return the same product with the row's sum in [1/2, 1), by a power of two."""
    _, exponent = math.frexp(np.abs(row).sum())
    return np.ldexp(column, exponent), np.ldexp(row, -exponent)


def _factors(kernel: Array) -> tuple[Array, Array] | None:
    """Return a column and a row through the largest element, the row in units of it."""
    at = np.unravel_index(np.abs(kernel).argmax(), kernel.shape)
    largest = kernel[at]
    if largest == 0 or not np.isfinite(largest):
        return None
    return kernel[:, at[1]], kernel[at[0]] / largest


def _integer_factors(kernel: Array) -> tuple[Array, Array] | None:
    """Return the factors of a kernel of integers, as integers; None where it has other values."""
    if not (np.abs(kernel) <= 2.0**53).all() or (kernel != np.rint(kernel)).any():
        return None
    whole = kernel.astype(np.int64)
    at = np.unravel_index(np.abs(whole).argmax(), whole.shape)
    row = whole[at[0]]
    divisor = np.gcd.reduce(row)
    if divisor == 0:
        return None
    row = row // divisor
    column, rest = np.divmod(whole[:, at[1]], row[at[1]])
    return None if rest.any() else (column.astype(np.float64), row.astype(np.float64))
