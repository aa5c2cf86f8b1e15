"""Activations as layers of their own: y = f(x), number by number.

Each derivative is written with the output y, which is what `forward` keeps:

    ReLU      y = max(x, 0)            ∂E/∂x = ∂E/∂y where y > 0, else 0
    Sigmoid   y = 1 / (1 + exp(-x))    ∂E/∂x = ∂E/∂y · y · (1 - y)
    Tanh      y = tanh(x)              ∂E/∂x = ∂E/∂y · (1 - y²)

They are the functions that `Conv2d` fuses by its `activation`, and have the same gradients.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..algorithms.rectified import can_rectify, rectified
from ..problem.activation import Activation, activate, multiply_derivative
from ..problem.operands import Array, check_array, check_dtypes_agree
from ..problem.slices import assign
from ..results import empty
from .layer import Layer

__all__ = ["ReLU", "Sigmoid", "Tanh"]


class _Activation(Layer):
    """What all three share; `function` is the name by which the convolution knows it."""

    function: ClassVar[Activation]

    def forward(self, x: Array) -> Array:
        """Return f(x), in a new array."""
        with self._results:
            y = self.predict(x)
        self._kept = (y,)
        return y

    def predict(self, x: Array) -> Array:
        """Return the same, and keep nothing."""
        x = check_array("x", x)
        y = empty(x.shape or (1,), x.dtype.newbyteorder("="))
        assign(y, x)
        with np.errstate(all="ignore"):  # infinities and NaN flow through
            activate(self.function, y)
        return y.reshape(x.shape)

    def backward(self, grad_output: Array, *, needs_x: bool = True) -> Array | None:
        """Return ∂E/∂x = ∂E/∂y · f′(x)."""
        grad, (y,) = self._recall(grad_output)
        if grad.shape != y.shape:
            raise ValueError(
                f"grad_output must have the output's shape {y.shape}, not {grad.shape}"
            )
        check_dtypes_agree(output=y, grad_output=grad)
        if not needs_x:
            return None
        if self.function == "relu" and can_rectify():
            with self._results:
                return rectified(grad, y)
        with np.errstate(all="ignore"):
            return multiply_derivative(self.function, grad, y)


class ReLU(_Activation):
    """The rectifier, max(x, 0)."""

    function = "relu"


class Sigmoid(_Activation):
    """The logistic function, 1 / (1 + exp(-x))."""

    function = "sigmoid"


class Tanh(_Activation):
    """The hyperbolic tangent."""

    function = "tanh"
