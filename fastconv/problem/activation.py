"""The activations that `conv2d` fuses, and their derivatives, in NumPy.

Each derivative is written with the activation's own output, which is what a forward pass keeps:

    relu      y = max(z, 0)          dy/dz = 0 where y <= 0, else 1
    sigmoid   y = 1 / (1 + exp(-z))  dy/dz = y·(1 - y)
    tanh      y = tanh(z)            dy/dz = 1 - y²
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from .arguments import shown
from .slices import at_once, in_slices

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
    if activation is not None:
        in_slices(partial(_activate, activation), z)


def _activate(activation: Activation, z: npt.NDArray[Any]) -> None:
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
    grad = np.empty(grad_output.shape, grad_output.dtype.newbyteorder("="))
    in_slices(partial(_multiply_derivative, activation), grad, grad_output, output)
    return grad


def _multiply_derivative(
    activation: Activation, grad: npt.NDArray[Any], grad_output: npt.NDArray[Any],
    output: npt.NDArray[Any],
) -> None:  # fmt: skip
    if activation == "relu":
        # The bits of the gradient, all kept or all cleared, a tenth of the time of a masked copy;
        # and unlike a product with 0 or 1 it makes no NaN of an infinite gradient.
        kept = grad.view(f"i{grad.itemsize}")
        cleared = (output <= 0).view(np.int8)  # NaN lets it pass
        np.subtract(cleared, 1, out=kept, dtype=kept.dtype)  # all ones, or zero
        bits = grad_output.astype(grad.dtype, order="C", copy=False).view(kept.dtype)
        kept &= bits
        return
    if activation == "sigmoid":
        np.subtract(1, output, out=grad)
        grad *= output
    else:
        np.multiply(output, output, out=grad)
        np.subtract(1, grad, out=grad)
    grad *= grad_output


def mask_bytes(activation: Activation, values: int) -> int:
    """Return the most bytes that `multiply_derivative` holds besides its result."""
    return at_once(values, 4) if activation == "relu" else 0  # a mask of a byte each
