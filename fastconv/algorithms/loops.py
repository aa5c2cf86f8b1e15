"""The plain typed loops, in the three orders that the study compares.

    loops_literal   for n, k, i, j, c, r, s: the definition as it stands
    loops_rows      the inner loop runs along the output row
    loops           the same, parallel over images, channels and rows

The bodies are in kernels/loops_*.pxi. A unit of work is one row of the result (one weight, of the
weights' gradient). Here each call is cut into pieces of units that take a fraction of a second, so
that Ctrl-C ends a long one between two of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import isa
from ..activation import ACTIVATIONS
from ..operands import Array
from ..problem import ConvProblem
from ..threads import threads_for
from .backend import Backend

__all__ = ["LOOPS", "LOOPS_LITERAL", "LOOPS_ROWS"]

_FLOPS_PER_PIECE = 100_000_000

# im2col writes every tap of an image once and uses it for K/groups filters; loops read the image
# anew for every filter. Measured over shapes between, loops are ahead up to these counts.
_FEW_FILTERS = 2
_MOST_FILTERS, _FEW_TAPS = 8, 64


def _not_built() -> str | None:
    if isa.kernels is None:
        return "it needs the compiled kernels, and this is a pure-Python installation"
    return None


def _columns_pay_off(problem: ConvProblem) -> str | None:
    filters = problem.out_channels_per_group
    if filters <= _FEW_FILTERS or (filters <= _MOST_FILTERS and problem.taps <= _FEW_TAPS):
        return None
    return (
        f"with {filters} filters per group of {problem.taps} taps a matrix product is faster; "
        f"loops are ahead up to {_FEW_FILTERS} filters, or {_MOST_FILTERS} of {_FEW_TAPS} taps"
    )


def _study_only(_problem: ConvProblem) -> str:
    return "it is a rung of the study; 'loops' does the same faster"


def _window(problem: ConvProblem) -> tuple[int, ...]:
    (top, _), (left, _) = problem.padding
    return (*problem.stride, *problem.dilation, top, left)


def _kernel(name: str) -> Callable[..., None]:
    kernel: Callable[..., None] = getattr(isa.kernels, name)
    return kernel


def _in_pieces(
    kernel: Callable[..., None], units: int, flops: int, threads: int, *arguments: Any
) -> None:
    """Call the kernel for all units of its result, a bounded amount of work at a time."""
    piece = max(1, _FLOPS_PER_PIECE * units // max(flops, 1))
    piece += -piece % threads  # so that no thread of a piece goes without
    for first in range(0, units, piece):
        kernel(*arguments, first, min(first + piece, units), threads)


def _loops(order: str) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return (forward, backward) over the kernels of one loop order."""

    def threads_of(flops: int) -> int:
        return threads_for(flops) if order == "parallel" else 1

    def forward(
        problem: ConvProblem, x: Array, weight: Array, bias: Array | None, y: Array
    ) -> None:
        if bias is None:
            bias = np.empty(0, problem.dtype)
        _in_pieces(
            _kernel(f"forward_{order}"),
            problem.batch * problem.out_channels * problem.out_height,
            problem.flops,
            threads_of(problem.flops),
            x, weight, bias, y,
            _window(problem), problem.groups, ACTIVATIONS.index(problem.activation),
        )  # fmt: skip

    def backward(
        problem: ConvProblem,
        grad: Array,
        x: Array | None,
        weight: Array,
        dx: Array | None,
        dw: Array | None,
        db: Array | None,
    ) -> None:
        flops, threads = problem.flops, threads_of(problem.flops)
        options = _window(problem), problem.groups
        if dx is not None:
            units = problem.batch * problem.in_channels * problem.height
            kernel = _kernel(f"input_grad_{order}")
            _in_pieces(kernel, units, flops, threads, grad, weight, dx, *options)
        if dw is not None:
            kernel = _kernel(f"weight_grad_{order}")
            _in_pieces(kernel, dw.size, flops, threads, grad, x, dw, *options)
        if db is not None:
            kernel = _kernel("bias_grad_parallel")
            _in_pieces(kernel, db.size, grad.size, threads_of(grad.size), grad, db)

    return forward, backward


LOOPS = Backend(
    "loops",
    "typed loops along the image rows, parallel over images, channels and rows",
    *_loops("parallel"),
    unavailable=_not_built,
    unsuited=_columns_pay_off,
    threading="openmp",
)

LOOPS_ROWS = Backend(
    "loops_rows",
    "typed loops along the image rows, one thread",
    *_loops("rows"),
    unavailable=_not_built,
    unsuited=_study_only,
)

LOOPS_LITERAL = Backend(
    "loops_literal",
    "typed loops in the order of the definition, one thread",
    *_loops("literal"),
    unavailable=_not_built,
    unsuited=_study_only,
)
