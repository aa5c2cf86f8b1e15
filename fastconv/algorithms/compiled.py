"""What the wrappers of all compiled kernels need: how to find a kernel, and how to call it.

Each call is cut into pieces of units that take a fraction of a second, so that Ctrl-C ends a long
one between two of them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from .. import isa
from ..problem import ConvProblem

__all__ = ["described", "in_pieces", "kernel", "not_built", "pieces"]

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


def described(problem: ConvProblem) -> Any:
    """Return what the compiled side reads of a problem."""
    (top, bottom), (left, right) = problem.padding
    rows = SimpleNamespace(
        size=problem.height, kernel=problem.kernel_height, stride=problem.stride[0],
        dilation=problem.dilation[0], before=top, after=bottom, outputs=problem.out_height,
    )  # fmt: skip
    columns = SimpleNamespace(
        size=problem.width, kernel=problem.kernel_width, stride=problem.stride[1],
        dilation=problem.dilation[1], before=left, after=right, outputs=problem.out_width,
    )  # fmt: skip
    return SimpleNamespace(
        batch=problem.batch, groups=problem.groups, rows=rows, columns=columns,
        in_channels_per_group=problem.in_channels_per_group,
        out_channels_per_group=problem.out_channels_per_group,
        activation=problem.activation, dtype=problem.dtype,
    )  # fmt: skip


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
