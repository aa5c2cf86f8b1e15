"""Gradient descent: every parameter a small step against its gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from ..algorithms.descent import descent
from ..problem.arguments import shown
from ..problem.operands import Array, as_array
from ..results import Arena
from . import saving
from .layer import Layer
from .parameter import Parameter
from .saved import Saved

__all__ = ["SGD"]

_NUMBERS = "learning_rate", "momentum", "weight_decay"


class SGD(Saved):
    r"""Stochastic gradient descent with momentum μ and weight decay λ.

    .. math::
        V &:= \mu V + \partial E/\partial W + \lambda W \\
        W &:= W - \alpha V

    which with neither is :math:`W := W - \alpha\,\partial E/\partial W`.

    Parameters
    ----------
    parameters : iterable of Parameter
        `Layer.parameters` of a network.
    learning_rate : float
        α, at least 0. The attribute may be changed between steps.
    momentum : float
        μ, from 0 to below 1.
    weight_decay : float
        λ, at least 0; for biases too.

    Raises
    ------
    TypeError, ValueError
        For no parameters, something else among them, one that is there twice, or numbers out of
        range.

    References
    ----------
    ``torch.optim.SGD``, whose meaning this is; B. Polyak, "Some methods of speeding up the
    convergence of iteration methods", 1964.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: float,
        *,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        if not isinstance(parameters, Iterable):
            network = (
                ": of a network, network.parameters()" if isinstance(parameters, Layer) else ""
            )
            raise TypeError(f"parameters must be of Parameter, not {shown(parameters)}{network}")
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("parameters must hold at least one Parameter, not none")
        for parameter in self.parameters:
            if not isinstance(parameter, Parameter):
                raise TypeError(f"parameters must be of Parameter, not {type(parameter).__name__}")
        if len(set(map(id, self.parameters))) < len(self.parameters):
            raise ValueError("parameters holds one of them twice")
        self.learning_rate = learning_rate
        self.momentum = _number("momentum", momentum, below=1)
        self.weight_decay = _number("weight_decay", weight_decay)
        self._velocities: list[Array | None] = [None] * len(self.parameters)
        self._results = Arena()

    @property
    def learning_rate(self) -> float:
        """α."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = _number("learning_rate", value)

    def step(self) -> None:
        """Move every parameter.

        Raises
        ------
        RuntimeError
            If one has no gradient: `backward` comes before. Then none is moved.
        TypeError, ValueError
            If a gradient that was put there is no array, or has not the shape and dtype of its
            parameter. None is moved.
        KeyboardInterrupt
            Of Ctrl-C. Then some parameters and velocities may have moved, and others not: to go on,
            load what was saved.
        """
        grads = [self._checked_grad(place) for place in range(len(self.parameters))]
        for place, (parameter, grad) in enumerate(zip(self.parameters, grads, strict=True)):
            before = self._velocities[place] if self.momentum else None
            velocity = before
            if self.momentum and before is None:
                velocity = np.empty_like(parameter.value)
            with self._results:
                moved = descent(
                    parameter.value, grad, velocity, rate=self._learning_rate,
                    momentum=self.momentum, decay=self.weight_decay, is_moving=before is not None,
                )  # fmt: skip
            if self.momentum:
                self._velocities[place] = velocity
            parameter.replace(moved)

    def state_dict(self) -> dict[str, Array]:
        """Return what the next step depends on beside the parameters: copies, which are yours.

        With it, and with the parameters of `Layer.state_dict`, an optimiser of the same parameters
        in the same order goes on: its steps are, bit by bit, those that would have followed here.

        Returns
        -------
        dict of str to ndarray
            ``"learning_rate"``, ``"momentum"`` and ``"weight_decay"``, () of float64; and from the
            first step with momentum on ``"velocity.0"``, ``"velocity.1"``, ..., V of each parameter
            by its place in `parameters`, of its shape and dtype.
        """
        numbers = {name: np.array(getattr(self, name), np.float64) for name in _NUMBERS}
        if all(velocity is None for velocity in self._velocities):
            return numbers
        pairs = zip(self._velocities, self.parameters, strict=True)
        velocities = [
            np.zeros_like(parameter.value) if velocity is None else velocity.copy()
            for velocity, parameter in pairs
        ]
        return numbers | dict(zip(self._velocity_names(), velocities, strict=True))

    def __repr__(self) -> str:
        """Return how many parameters it moves, and the numbers that it does so with."""
        numbers = ", ".join(f"{name}={getattr(self, name):g}" for name in _NUMBERS)
        return f"SGD({len(self.parameters)} parameters, {numbers})"

    def _velocity_names(self) -> list[str]:
        return [f"velocity.{place}" for place in range(len(self.parameters))]

    def _expected(self) -> saving.Expected:
        velocities = (parameter.value for parameter in self.parameters)
        return saving.Expected(
            {name: np.empty((), np.float64) for name in _NUMBERS},
            dict(zip(self._velocity_names(), velocities, strict=True)),
            "state variable",
        )

    def _take_over(self, state: Mapping[str, Array]) -> None:
        limits = {"momentum": 1.0}
        numbers = {
            name: _number(name, float(state[name]), limits.get(name, math.inf)) for name in _NUMBERS
        }
        velocities = [
            np.array(state[name], parameter.value.dtype, order="C") if name in state else None
            for name, parameter in zip(self._velocity_names(), self.parameters, strict=True)
        ]
        self.learning_rate, self.momentum, self.weight_decay = (numbers[name] for name in _NUMBERS)
        self._velocities = velocities

    def _checked_grad(self, place: int) -> Array:
        parameter = self.parameters[place]
        grad = parameter.grad
        if grad is None:
            raise RuntimeError(f"parameter {place}, {parameter}, has no gradient: backward first")
        grad = as_array(f"the gradient of parameter {place}", grad)
        if grad.shape != parameter.value.shape or grad.dtype != parameter.value.dtype:
            raise ValueError(
                f"the gradient of parameter {place} must be {parameter.value.shape} of "
                f"{parameter.value.dtype}, not {grad.shape} of {grad.dtype}"
            )
        return grad


def _number(name: str, value: object, below: float = math.inf) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.integer, np.floating)
    ):
        raise TypeError(f"{name} must be a number, not {shown(value)}")
    try:
        number = float(value)
    except OverflowError:  # an int beyond the range of floats
        number = math.inf
    if not 0 <= number < below:
        limit = "at least 0 and finite" if below == math.inf else f"from 0 to below {below:g}"
        raise ValueError(f"{name} must be {limit}, not {shown(value)}")
    return number
