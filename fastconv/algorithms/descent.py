"""A step of gradient descent with momentum and weight decay: kernels/training.pxi, or NumPy."""

from __future__ import annotations

import numpy as np

from ..problem.operands import Array, prepare
from ..results import empty
from ..threads import threads_for
from .compiled import kernel, not_built

__all__ = ["descent"]

# Operations of a value, all of them waiting for memory.
_FLOPS = 6


def descent(
    w: Array, grad: Array, velocity: Array | None, *, rate: float, momentum: float, decay: float,
    is_moving: bool,
) -> Array:  # fmt: skip
    """Return W - αV in a new array, where V is μV + ∂E/∂W + λW, which is left in the velocity.

    Parameters
    ----------
    w, grad : ndarray
        W and ∂E/∂W, of one shape and dtype.
    velocity : ndarray or None
        V, written to; None where there is no momentum.
    rate, momentum, decay : float
        α, μ, λ.
    is_moving : bool
        Whether the velocity holds the V of a step before; else it is of any content.
    """
    grad = prepare(grad)
    moved = empty(w.shape, w.dtype)
    if not_built() is None:
        kernel("descend")(
            w, grad, velocity, is_moving, moved, rate, momentum, decay, w.size, w.itemsize,
            threads_for(_FLOPS * w.size),
        )  # fmt: skip
        return moved
    with np.errstate(all="ignore"):  # infinities and NaN flow through
        v = grad + decay * w if decay else grad
        if velocity is not None:
            if is_moving:
                velocity *= momentum
                v = v + velocity
            velocity[...] = v
        np.subtract(w, rate * v, out=moved)
    return moved
