"""Gradient descent: every parameter a small step against its gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ..algorithms.descent import descent
from ..problem.arguments import shown
from ..problem.operands import Array
from ..results import Arena
from .layer import Layer
from .parameter import Parameter

__all__ = ["SGD"]


class SGD:
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
        ValueError
            If a gradient that was put there has not the shape of its parameter. None is moved.
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

    def _checked_grad(self, place: int) -> Array:
        parameter = self.parameters[place]
        grad = parameter.grad
        if grad is None:
            raise RuntimeError(f"parameter {place}, {parameter}, has no gradient: backward first")
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
