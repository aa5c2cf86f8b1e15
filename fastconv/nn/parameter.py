"""Parameter: what is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..problem.operands import Array, check_array

__all__ = ["Parameter", "frozen_copy"]


class Parameter:
    """An array that is trained, and the gradient of the loss with respect to it.

    Parameters
    ----------
    value : array_like
        float32 or float64; copied.
    grad : ndarray, optional

    Attributes
    ----------
    value : ndarray
        Read-only: a new value is assigned as a whole, ``parameter.value = ...``, and must have the
        shape and dtype of the old. So whoever prepared something from a value can tell by its
        identity whether it is still the current one.
    grad : ndarray or None
        ∂E/∂value, as the last `Layer.backward` left it; it replaces the one before.
    """

    def __init__(self, value: npt.ArrayLike, grad: Array | None = None) -> None:
        self._value = frozen_copy(check_array("value", value))
        self.grad = grad

    @property
    def value(self) -> Array:
        """The numbers themselves, read-only."""
        return self._value

    @value.setter
    def value(self, value: npt.ArrayLike) -> None:
        array = check_array("value", value)
        if array.shape != self._value.shape:
            raise ValueError(f"value must have shape {self._value.shape}, not {array.shape}")
        if array.dtype.newbyteorder("=") != self._value.dtype:
            raise TypeError(f"value must have dtype {self._value.dtype}, not {array.dtype}")
        self._value = frozen_copy(array)

    def replace(self, value: Array) -> None:
        """Take over an array of its shape and dtype that nobody else has, without a copy."""
        value.setflags(write=False)
        self._value = value

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it again: by its constructor, so that a copy is read-only as well."""
        return Parameter, (self._value, self.grad)

    def __repr__(self) -> str:
        """Return shape and dtype."""
        return f"Parameter({self._value.shape}, {self._value.dtype})"


def frozen_copy(array: Array) -> Array:
    """Return a copy that nobody can write to, in the machine's byte order."""
    copy = np.array(array, array.dtype.newbyteorder("="), order="C")
    copy.setflags(write=False)
    return copy
