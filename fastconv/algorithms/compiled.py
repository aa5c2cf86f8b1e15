"""What the wrappers of all compiled kernels need: how to find a kernel, and how to call it.

Each call is cut into pieces of units that take a fraction of a second, so that Ctrl-C ends a long
one between two of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import isa
from ..problem import ConvProblem

__all__ = ["in_pieces", "kernel", "not_built", "pieces", "window_of"]

_FLOPS_PER_PIECE = 100_000_000


def not_built() -> str | None:
    """Return why no compiled kernel can run here, or None."""
    if isa.kernels is None:
        return "it needs the compiled kernels, and this is pure Python (see show_config)"
    return None


def kernel(name: str) -> Callable[..., Any]:
    """Return a function of the compiled module for this processor; isa/baseline.pyi lists them."""
    function: Callable[..., Any] = getattr(isa.kernels, name)
    return function


def window_of(problem: ConvProblem) -> tuple[int, ...]:
    """Return the struct Window of kernels/types.pxi."""
    (top, _), (left, _) = problem.padding
    return (*problem.stride, *problem.dilation, top, left)


def pieces(units: int, flops: int, threads: int, flops_per_piece: int) -> list[tuple[int, int]]:
    """Return the ranges of units to call a kernel for: a bounded amount of work in each."""
    piece = max(1, flops_per_piece * units // max(flops, 1))
    piece += -piece % threads  # so that no thread of a piece goes without
    return [(first, min(first + piece, units)) for first in range(0, units, piece)]


def in_pieces(
    function: Callable[..., None], units: int, flops: int, threads: int, *arguments: Any
) -> None:
    """Call a kernel for all units of its result, a piece at a time."""
    for first, last in pieces(units, flops, threads, _FLOPS_PER_PIECE):
        function(*arguments, first, last, threads)
