"""What the layers with weights share: W, perhaps b, and the backend that computes with them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..planning import check_usable
from ..problem.arguments import parse_bool
from ..problem.operands import Array, check_dtype
from .initialisation import INITIALISATIONS, Rng, check_initialisation
from .layer import Layer, Parameter

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
        self._backend = backend

    def named_parameters(self) -> dict[str, Parameter]:
        """Return weight and bias."""
        return {"weight": self.weight} | ({} if self.bias is None else {"bias": self.bias})

    def use_backend(self, backend: str) -> None:
        """Compute by another backend from now on."""
        check_usable(backend)
        self._backend = backend

    @property
    def _bias(self) -> Array | None:
        return None if self.bias is None else self.bias.value
