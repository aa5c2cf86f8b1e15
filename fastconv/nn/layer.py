"""What all layers share: a way forward, a way back, parameters that are trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from ..planning import check_usable
from ..problem.operands import Array, check_array
from ..results import Arena
from . import saving
from .parameter import Parameter, frozen_copy
from .saved import Saved

__all__ = ["Layer", "checked_batch", "in_short"]


class Layer(Saved):
    """A function y = f(x) with a way back, and the parameters that it has, if any.

    What `forward` and `backward` return is the caller's. Of large arrays a layer keeps the last two
    of each shape, and uses their memory again once nobody else holds them (results.py).

    A layer keeps from one `forward` to the next what its `backward` needs: its input, or its output
    where the derivative is written with that. They are kept, not copied: change neither in between.
    """

    def __init__(self) -> None:
        self._kept: tuple[Array, ...] | None = None
        self._results = Arena()

    def forward(self, x: Array) -> Array:
        """Return y = f(x), and keep what `backward` needs.

        Parameters
        ----------
        x : ndarray
            A batch; its first axis counts the samples.

        Returns
        -------
        ndarray

        Raises
        ------
        TypeError, ValueError
            For an array that the layer cannot take.
        """
        raise NotImplementedError

    def predict(self, x: Array) -> Array:
        """Return y = f(x) as `forward` does, and keep nothing."""
        raise NotImplementedError

    def backward(self, grad_output: Array, *, needs_x: bool = True) -> Array | None:
        """Leave ∂E/∂W in each parameter W, and return ∂E/∂x.

        Parameters
        ----------
        grad_output : ndarray
            ∂E/∂y, of the shape and dtype of the y that `forward` returned last.
        needs_x : bool
            Whether ∂E/∂x is wanted; the first layer of a network has no use for it.

        Returns
        -------
        ndarray or None
            Of the shape and dtype of x; None where it is not wanted.

        Raises
        ------
        RuntimeError
            Without a `forward` before it.
        TypeError, ValueError
            For a gradient of another shape or dtype than y.
        """
        raise NotImplementedError

    def named_parameters(self) -> dict[str, Parameter]:
        """Return what is trained, by its name within the layer."""
        return {}

    def parameters(self) -> list[Parameter]:
        """Return what is trained, for an optimiser."""
        return list(self.named_parameters().values())

    def use_backend(self, backend: str) -> None:
        """Compute by another backend from now on.

        Parameters
        ----------
        backend : str
            "auto" or one of `fastconv.backends()`: for convolutions and fully connected layers.
            What it cannot compute, such as Winograd a fully connected layer, goes by "auto".
            Pooling has backends of its own, of which it takes the one that is NumPy where this
            is "im2col", and else the best.

        Raises
        ------
        ValueError
            For a backend that is not there.
        """
        check_usable(backend)

    def state_dict(self) -> dict[str, Array]:
        """Return the value of every parameter, by name: copies, which are yours."""
        return {name: one.value.copy() for name, one in self.named_parameters().items()}

    def _expected(self) -> saving.Expected:
        values = {name: one.value for name, one in self.named_parameters().items()}
        return saving.Expected(values, {}, "parameter")

    def _take_over(self, state: Mapping[str, Array]) -> None:
        """Give all parameters new values, or none of them where there is no memory for all."""
        parameters = self.named_parameters()
        values = [frozen_copy(state[name]) for name in parameters]
        for parameter, value in zip(parameters.values(), values, strict=True):
            parameter.replace(value)

    def _recall(self, grad_output: Array) -> tuple[Array, tuple[Array, ...]]:
        """Return ∂E/∂y, checked to be an array, and what `forward` has kept."""
        if self._kept is None:
            raise RuntimeError("backward comes after forward, and there was none")
        return check_array("grad_output", grad_output), self._kept

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: not the last batch, nor what was made of it."""
        return self.__dict__ | {"_kept": None}

    def __repr__(self) -> str:
        """Return the layer as it would be made."""
        return f"{type(self).__name__}()"


def checked_batch(x: npt.ArrayLike) -> Array:
    """Return a batch of images as an array, or say what is missing."""
    array = check_array("x", x)
    if array.ndim != 4:
        one = ": x[None] makes a batch of a single image" if array.ndim == 3 else ""
        raise ValueError(f"x must be a batch (N, C, H, W), not {array.shape}{one}")
    return array


def in_short(option: object) -> object:
    """Return a pair as the one number that it repeats, and so for padding in pairs of pairs."""
    if not isinstance(option, tuple):
        return option
    if isinstance(option[0], tuple):  # ((top, bottom), (left, right))
        alike = all(before == after for before, after in option)
        return in_short(tuple(before for before, _ in option)) if alike else option
    return option[0] if option[0] == option[1] else option
