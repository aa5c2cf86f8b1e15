"""What an algorithm tells of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy.typing as npt

from ..problem import ConvProblem

__all__ = ["Array", "Backend"]

Array: TypeAlias = npt.NDArray[Any]


class Forward(Protocol):
    """Fill y (N, K, OH, OW) from x, weight and bias."""

    def __call__(
        self, problem: ConvProblem, x: Array, weight: Array, bias: Array | None, y: Array
    ) -> None: ...


class Backward(Protocol):
    """Fill those of dx, dw, db that are not None."""

    def __call__(
        self,
        problem: ConvProblem,
        grad: Array,
        x: Array,
        weight: Array,
        dx: Array | None,
        dw: Array | None,
        db: Array | None,
    ) -> None: ...


def _none(_problem: ConvProblem) -> None:
    return None


@dataclass(frozen=True)
class Backend:
    """One algorithm.

    Arrays reach it ready for use: native, aligned, C-contiguous, the image padded unless its
    padding is with zeros, the results allocated with whatever bytes they held before. `grad` is
    the gradient before the activation. The batch is never empty.

    Attributes
    ----------
    name : str
        What the argument `backend=` calls it.
    summary : str
        One line for people.
    forward, backward : callable
    unable : callable
        Given a problem, why this backend cannot compute it, or None.
    unsuited : callable
        Given a problem, why "auto" passes this backend over, or None.
    threading : {"openmp", "blas", "none"}
        Whose threads it runs on: fastconv's own, those of NumPy's BLAS, only the caller's.
    error_growth : float
        Every output is within ``error_growth · (taps + 2) · u · Σ|w||x|`` of the exact value, with
        u half the spacing of floating-point numbers at 1 (Higham, Accuracy and Stability of
        Numerical Algorithms, chapter 3); 1 for any order of summation.
    """

    name: str
    summary: str
    forward: Forward
    backward: Backward
    unable: Callable[[ConvProblem], str | None] = _none
    unsuited: Callable[[ConvProblem], str | None] = _none
    threading: Literal["openmp", "blas", "none"] = "none"
    error_growth: float = 1.0
