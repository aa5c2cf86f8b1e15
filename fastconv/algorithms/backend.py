"""What an algorithm tells of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..operands import Array
from ..problem import ConvProblem

__all__ = ["Backend", "Forward", "Run", "WeightGrad", "WeightRun"]


# run(x, weight, packed, bias, y) fills y (N, K, OH, OW); `packed` is what the backend's `pack` made
# of the weights, or None.
Run: TypeAlias = Callable[[Array, Array, Array | None, Array | None, Array], None]
# forward(problem, threads) returns the function that computes a problem on so many threads.
Forward: TypeAlias = Callable[[ConvProblem, int], Run]
# pack(problem, weight) returns the weights in the order in which the backend reads them.
Pack: TypeAlias = Callable[[ConvProblem, Array], Array]


# input_grad(problem, threads) returns run(grad, weight, None, bias, dx), which fills dx; the bias
# is that of a transposed convolution, for the channels of dx. weight_grad(problem, threads)
# returns run(grad, x, dw), which fills dw.
WeightRun: TypeAlias = Callable[[Array, Array, Array], None]
WeightGrad: TypeAlias = Callable[[ConvProblem, int], WeightRun]


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
    input_grad, weight_grad : callable or None
        The same for the gradients of x and of the weights; None where it computes none.
    unavailable : callable
        Why this installation cannot run it at all, or None.
    unable : callable
        Given a problem, why this backend cannot compute it, or None. For the input gradient it is
        asked about each phase (see phases.py), which is a convolution too.
    unsuited : callable
        Given a problem, why "auto" passes this backend over, or None. For the input gradient it is
        asked about the phase with the most taps.
    weight_grad_unable, weight_grad_unsuited : callable
        The same for the weight gradient.
    threading : {"openmp", "blas", "none"}
        Whose threads it runs on: fastconv's own, those of NumPy's BLAS, only the caller's.
    scratch_bytes : callable
        Given a problem and a number of threads, the bytes that a forward call holds besides
        operands and result.
    input_grad_bytes, weight_grad_bytes : callable
        The same for the gradients.
    error_growth : float
        A sum of n products z is within ``error_growth · (n + 2) · u · Σ|z|`` of its exact value,
        before an activation, with u half the spacing of floating-point numbers at 1 (Higham,
        Accuracy and Stability of Numerical Algorithms, chapter 3); 1 for any order of summation.
        For an output, n is the taps and the bias.
    """

    name: str
    summary: str
    forward: Forward
    input_grad: Forward | None = None
    weight_grad: WeightGrad | None = None
    pack: Pack | None = None
    unavailable: Callable[[], str | None] = _always
    unable: Callable[[ConvProblem], str | None] = _for_all
    unsuited: Callable[[ConvProblem], str | None] = _for_all
    threading: Literal["openmp", "blas", "none"] = "none"
    weight_grad_unable: Callable[[ConvProblem], str | None] = _for_all
    weight_grad_unsuited: Callable[[ConvProblem], str | None] = _for_all
    scratch_bytes: Callable[[ConvProblem, int], int] = _nothing
    input_grad_bytes: Callable[[ConvProblem, int], int] = _nothing
    weight_grad_bytes: Callable[[ConvProblem, int], int] = _nothing
    error_growth: float = 1.0
