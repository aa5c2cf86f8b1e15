"""What the layers with weights share: W, perhaps b, and the backend that computes with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..algorithms.implementation import Operation, Refusal
from ..conv import Conv2dGrads, conv2d_backward
from ..levels import Level, get_accuracy
from ..planning import ask, check_usable
from ..problem import ConvProblem
from ..problem.arguments import parse_bool
from ..problem.operands import Array, check_dtype
from ..remembering import remembered
from .initialisation import INITIALISATIONS, Rng, check_initialisation
from .layer import Layer
from .parameter import Parameter

__all__ = ["Weighted"]


class Weighted(Layer):
    """A layer whose parameters are weights of such a shape, and a bias for each output.

    Attributes
    ----------
    weight : Parameter
        The first extent counts the outputs.
    bias : Parameter, (outputs,), or None
    """

    def __init__(
        self, shape: tuple[int, ...], *, bias: bool, initialisation: str, rng: Rng,
        dtype: npt.DTypeLike, backend: str,
    ) -> None:  # fmt: skip
        super().__init__()
        has_bias = parse_bool("bias", bias)
        check_initialisation(initialisation)
        check_usable(backend)
        self.weight = Parameter(INITIALISATIONS[initialisation](shape, rng, dtype))
        self.bias: Parameter | None = None
        if has_bias:
            self.bias = Parameter(np.zeros(shape[0], check_dtype("dtype", dtype)))
        self._backend, self._is_the_networks = backend, False

    def named_parameters(self) -> dict[str, Parameter]:
        """Return weight and bias."""
        return {"weight": self.weight} | ({} if self.bias is None else {"bias": self.bias})

    def use_backend(self, backend: str) -> None:
        """Compute by another backend from now on."""
        check_usable(backend)
        self._backend, self._is_the_networks = backend, True

    def _backend_for(
        self, operation: Operation, x: Array, weight: Array, options: Mapping[str, Any]
    ) -> str:
        """Return the layer's backend, or "auto" where that of the network cannot compute this."""
        if self._backend == "auto" or not self._is_the_networks:
            return self._backend
        can = _can_compute(
            self._backend, operation, x.shape, weight.shape, weight.dtype, get_accuracy(),
            tuple(options.items()),
        )  # fmt: skip
        return self._backend if can else "auto"

    def _gradients(
        self, grad: Array, x: Array, weight: Array, options: Mapping[str, Any],
        output: Array | None = None, *, needs_x: bool,
    ) -> Conv2dGrads:  # fmt: skip
        """Return the gradients of a convolution with these weights, each by its backend."""
        has_bias = self.bias is not None
        of_x = self._backend_for("input-grad", x, weight, options) if needs_x else ""
        of_weight = self._backend_for("weight-grad", x, weight, options)
        together = conv2d_backward(
            grad, x, weight, **options, output=output,
            needs=(of_x == of_weight, True, has_bias), backend=of_weight,
        )  # fmt: skip
        if not needs_x or of_x == of_weight:
            return together
        apart = conv2d_backward(
            grad, x, weight, **options, output=output, needs=(True, False, False), backend=of_x
        )
        return together._replace(x=apart.x)

    @property
    def _bias(self) -> Array | None:
        return None if self.bias is None else self.bias.value


@remembered
def _can_compute(
    backend: str, operation: Operation, x_shape: tuple[int, ...], weight_shape: tuple[int, ...],
    dtype: np.dtype[Any], accuracy: Level, options: tuple[tuple[str, Any], ...],
) -> bool:  # fmt: skip
    """Whether a backend can; planned once, since a network asks in every step."""
    problem = ConvProblem.create(x_shape, weight_shape, dtype=dtype, **dict(options))
    answer = ask(operation, problem.unpadded, backend, 1, accuracy=accuracy)
    return not isinstance(answer, Refusal)
