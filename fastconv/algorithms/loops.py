"""The plain typed loops, in the three orders that the study compares.

    loops_literal   for n, k, i, j, c, r, s: the definition as it stands
    loops_rows      the inner loop runs along the output row
    loops           the same, parallel over images, channels and rows

The bodies are in kernels/loops_*.pxi. A unit of work is one row of the result (one weight, of the
weights' gradient).
"""

from __future__ import annotations

import numpy as np

from ..operands import Array
from ..problem import ConvProblem
from .backend import Backend, Forward, Run, WeightGrad, WeightRun
from .compiled import described, in_pieces, kernel, not_built

__all__ = ["LOOPS", "LOOPS_LITERAL", "LOOPS_ROWS"]

# im2col writes every tap of an image once and uses it for K/groups filters; loops read the image
# anew for every filter. Measured over shapes between, loops are ahead up to these counts.
_FEW_FILTERS = 2
_MOST_FILTERS, _FEW_TAPS = 8, 64


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


def _loops(order: str) -> tuple[Forward, Forward, WeightGrad]:
    """Return (forward, input_grad, weight_grad) over the kernels of one loop order."""

    def forward(problem: ConvProblem, threads: int) -> Run:
        units = problem.batch * problem.out_channels * problem.out_height
        options = (described(problem),)
        no_bias = np.empty(0, problem.dtype)
        threads = threads if order == "parallel" else 1

        def run(
            x: Array, weight: Array, _packed: Array | None, bias: Array | None, y: Array
        ) -> None:
            in_pieces(
                kernel(f"forward_{order}"), units, problem.flops, threads,
                x, weight, no_bias if bias is None else bias, y, *options,
            )  # fmt: skip

        return run

    def input_grad(problem: ConvProblem, threads: int) -> Run:
        units = problem.batch * problem.in_channels * problem.height
        options = (described(problem),)
        threads = threads if order == "parallel" else 1

        def run(
            grad: Array, weight: Array, _packed: Array | None, bias: Array | None, dx: Array
        ) -> None:
            in_pieces(
                kernel(f"input_grad_{order}"), units, problem.flops, threads,
                grad, weight, dx, *options,
            )  # fmt: skip
            if bias is not None:
                dx += bias[:, None, None]

        return run

    def weight_grad(problem: ConvProblem, threads: int) -> WeightRun:
        options = (described(problem),)
        threads = threads if order == "parallel" else 1

        def run(grad: Array, x: Array, dw: Array) -> None:
            in_pieces(
                kernel(f"weight_grad_{order}"), dw.size, problem.flops, threads,
                grad, x, dw, *options,
            )  # fmt: skip

        return run

    return forward, input_grad, weight_grad


LOOPS = Backend(
    "loops",
    "typed loops along the image rows, parallel over images, channels and rows",
    *_loops("parallel"),
    unavailable=not_built,
    unsuited=_columns_pay_off,
    weight_grad_unsuited=_columns_pay_off,
    threading="openmp",
)

LOOPS_ROWS = Backend(
    "loops_rows",
    "typed loops along the image rows, one thread",
    *_loops("rows"),
    unavailable=not_built,
    unsuited=_study_only,
    weight_grad_unsuited=_study_only,
)

LOOPS_LITERAL = Backend(
    "loops_literal",
    "typed loops in the order of the definition, one thread",
    *_loops("literal"),
    unavailable=not_built,
    unsuited=_study_only,
    weight_grad_unsuited=_study_only,
)
