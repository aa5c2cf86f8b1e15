"""The activations that `conv2d` fuses, and their derivatives, in NumPy.

Each derivative is written with the activation's own output, which is what a forward pass keeps:

    relu      y = max(z, 0)          dy/dz = 0 where y <= 0, else 1
    sigmoid   y = 1 / (1 + exp(-z))  dy/dz = y·(1 - y)
    tanh      y = tanh(z)            dy/dz = 1 - y²
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from .arguments import shown

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "activate",
    "check_activation",
    "mask_bytes",
    "multiply_derivative",
]

Activation: TypeAlias = Literal["relu", "sigmoid", "tanh"] | None

# The position is the number by which the compiled kernels know an activation.
ACTIVATIONS: tuple[Activation, ...] = (None, "relu", "sigmoid", "tanh")


def check_activation(activation: object) -> None:
    """Refuse an unknown activation."""
    known = activation is None or (isinstance(activation, str) and activation in ACTIVATIONS)
    if not known:
        raise ValueError(f"activation must be one of {ACTIVATIONS}, not {shown(activation)}")


def activate(activation: Activation, z: npt.NDArray[Any]) -> None:
    """Apply the activation to z, in place."""
    if activation == "relu":
        np.maximum(z, 0, out=z)
    elif activation == "tanh":
        np.tanh(z, out=z)
    elif activation == "sigmoid":
        with np.errstate(over="ignore"):  # exp(-z) = inf gives the right limit, 0
            np.negative(z, out=z)
            np.exp(z, out=z)
            z += 1
            np.reciprocal(z, out=z)


def multiply_derivative(
    activation: Activation, grad_output: npt.NDArray[Any], output: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Return ∂E/∂Z = ∂E/∂Y · f′(Z), from ∂E/∂Y and the output Y = f(Z), in a single new array."""
    if activation is None:
        return grad_output
    if activation == "relu":
        # The bits of the gradient, all kept or all cleared, a tenth of the time of a masked copy;
        # and unlike a product with 0 or 1 it makes no NaN of an infinite gradient.
        grad = grad_output.astype(grad_output.dtype.newbyteorder("="), order="C", copy=False)
        bits = grad.view(f"i{grad.itemsize}")
        cleared = (output <= 0).view(np.int8)  # NaN lets it pass
        kept = np.subtract(cleared, 1, dtype=bits.dtype, order="C")  # all ones, or zero
        kept &= bits
        return kept.view(grad.dtype)
    if activation == "sigmoid":
        derivative = np.subtract(1, output, order="C")
        derivative *= output
    else:
        derivative = np.multiply(output, output, order="C")
        np.subtract(1, derivative, out=derivative)
    derivative *= grad_output
    return derivative


def mask_bytes(activation: Activation, values: int) -> int:
    """Return the most bytes that `multiply_derivative` holds besides its result."""
    return values if activation == "relu" else 0  # a mask of a byte each
