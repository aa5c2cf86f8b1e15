"""The gradient before a rectifier, and its sums by channel along the way: kernels/training.pxi."""

from __future__ import annotations

import math

from ..problem.operands import Array, prepare
from ..results import empty
from ..threads import threads_for
from .compiled import kernel, not_built

__all__ = ["can_rectify", "rectified"]

# Operations of a value that take as long: it waits for memory, for a third of a nanosecond.
_FLOPS = 4


def can_rectify() -> bool:
    """Whether there are compiled kernels; else it is NumPy's, in problem/activation.py."""
    return not_built() is None


def rectified(grad: Array, output: Array, db: Array | None = None) -> Array:
    """Return the gradient where the output is positive (or NaN), and 0 elsewhere.

    Parameters
    ----------
    grad, output : ndarray, (N, K, ...)
        Of one dtype.
    db : ndarray, (K,), optional
        Is filled with the sums of each channel, added up in double: then grad is (N, K, ...).

    Returns
    -------
    ndarray
        New, of the shape of grad.
    """
    grad, output = prepare(grad), prepare(output)
    dz = empty(grad.shape, grad.dtype)
    images, channels, pixels = 1, 1, grad.size
    if db is not None:
        images, channels, pixels = len(grad), len(db), math.prod(grad.shape[2:])
    threads = threads_for(_FLOPS * grad.size) if db is not None else 1
    kernel("rectify")(grad, output, dz, db, images, channels, pixels, dz.itemsize, threads)
    return dz
