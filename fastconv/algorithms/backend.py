"""What an algorithm tells of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from ..operands import Array
from ..problem import ConvProblem

__all__ = ["Backend", "Backward", "Forward", "Run"]


# run(x, weight, packed, bias, y) fills y (N, K, OH, OW); `packed` is what the backend's `pack` made
# of the weights, or None.
Run: TypeAlias = Callable[[Array, Array, Array | None, Array | None, Array], None]
# forward(problem, threads) returns the function that computes a problem on so many threads.
Forward: TypeAlias = Callable[[ConvProblem, int], Run]
# pack(problem, weight) returns the weights in the order in which the backend reads them.
Pack: TypeAlias = Callable[[ConvProblem, Array], Array]


class Backward(Protocol):
    """Fill those of dx, dw, db that are not None; x is None where dw is, which alone reads it."""

    def __call__(
        self,
        problem: ConvProblem,
        grad: Array,
        x: Array | None,
        weight: Array,
        dx: Array | None,
        dw: Array | None,
        db: Array | None,
    ) -> None: ...


def _always() -> None:
    return None


def _nothing(_problem: ConvProblem, _threads: int) -> int:
    return 0


def _for_all(_problem: ConvProblem) -> None:
    return None


@dataclass(frozen=True)
class Backend:
    """One algorithm.

    Arrays reach it ready for use: native, aligned, C-contiguous, the results allocated with
    whatever bytes they held before. The problem is `ConvProblem.unpadded`: what padding it has is
    with zeros, and not in x. `grad` is the gradient before the activation. The batch is never
    empty. Buffers are allocated before a result is written to.

    Attributes
    ----------
    name : str
        What the argument `backend=` calls it.
    summary : str
        One line for people.
    forward : callable
        Given a problem and a number of threads, the function that runs it. What can be done before
        the arrays are known is done here: the function is kept and called again and again.
    pack : callable or None
        Given a problem and weights, the weights as `forward`'s function reads them fastest, for any
        image; None where that is as they are.
    backward : callable or None
        None where this backend computes no gradients.
    unavailable : callable
        Why this installation cannot run it at all, or None.
    unable : callable
        Given a problem, why this backend cannot compute it, or None.
    unsuited : callable
        Given a problem, why "auto" passes this backend over, or None.
    threading : {"openmp", "blas", "none"}
        Whose threads it runs on: fastconv's own, those of NumPy's BLAS, only the caller's.
    scratch_bytes : callable
        Given a problem and a number of threads, the bytes that a forward call holds besides
        operands and result.
    error_growth : float
        A sum of n products z is within ``error_growth · (n + 2) · u · Σ|z|`` of its exact value,
        before an activation, with u half the spacing of floating-point numbers at 1 (Higham,
        Accuracy and Stability of Numerical Algorithms, chapter 3); 1 for any order of summation.
        For an output, n is the taps and the bias.
    """

    name: str
    summary: str
    forward: Forward
    backward: Backward | None = None
    pack: Pack | None = None
    unavailable: Callable[[], str | None] = _always
    unable: Callable[[ConvProblem], str | None] = _for_all
    unsuited: Callable[[ConvProblem], str | None] = _for_all
    threading: Literal["openmp", "blas", "none"] = "none"
    scratch_bytes: Callable[[ConvProblem, int], int] = _nothing
    error_growth: float = 1.0
