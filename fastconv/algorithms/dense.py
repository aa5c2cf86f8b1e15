"""The products of fully connected layers, which read rows as they lie: kernels/dense.pxi.

    outputs    y  (N, O)  =  x Wᵀ + b
    inputs     dx (N, I)  =  dy W
    weights    dW (O, I)  =  dyᵀ x

They give the same bits for any number of threads, which NumPy's ``@`` does not: that is its BLAS's,
whose float32 results differ in their last bits between 1 and 2 of its threads (OpenBLAS 0.3, from
64×84×120 on).
"""

from __future__ import annotations

from ..problem.operands import Array, prepare
from ..results import empty
from ..threads import threads_for
from .compiled import kernel, not_built

__all__ = ["can_multiply", "inputs", "outputs", "weights"]


def can_multiply() -> bool:
    """Whether there are compiled kernels; else a convolution by NumPy takes their place."""
    return not_built() is None


def outputs(x: Array, weight: Array, bias: Array | None) -> Array:
    """Return x Wᵀ + b, (N, O), of x (N, I), W (O, I) and b (O,)."""
    samples, features = x.shape
    units = len(weight)
    y = empty((samples, units), x.dtype)
    return _multiply("outputs", x, weight, bias, y, samples, features, units)


def inputs(grad: Array, weight: Array) -> Array:
    """Return dy W, (N, I), of dy (N, O) and W (O, I)."""
    samples, units = grad.shape
    features = weight.shape[1]
    dx = empty((samples, features), grad.dtype)
    return _multiply("inputs", grad, weight, None, dx, samples, features, units)


def weights(grad: Array, x: Array) -> Array:
    """Return dyᵀ x, (O, I), of dy (N, O) and x (N, I)."""
    samples, units = grad.shape
    features = x.shape[1]
    dw = empty((units, features), grad.dtype)
    return _multiply("weights", grad, x, None, dw, samples, features, units)


def _multiply(
    product: str, first: Array, second: Array, bias: Array | None, z: Array, samples: int,
    features: int, units: int,
) -> Array:  # fmt: skip
    """Fill z and return it."""
    kernel("dense")(
        product, prepare(first), prepare(second), bias, z, samples, features, units, z.itemsize,
        threads_for(2 * samples * features * units),
    )  # fmt: skip
    return z
