"""Stencils that slide down strips of the image in place: which problems have them, in what blocks.

kernels/strip.pxi           how a strip is read
kernels/stencil_slide.pxi   forward, and the input gradient of stride 1
kernels/stencil_spread.pxi  the input gradient of stride 2
kernels/weights_slide.pxi   the weight gradient
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ..parts import Part
from ..problem import ConvProblem
from .blocks import (
    MOST_BYTES,
    STENCIL_SLIDE,
    STENCIL_SPREAD,
    Blocks,
    ceil_div,
    cut_rows,
    make_forward,
    wanted_units,
)
from .compiled import kernel

if TYPE_CHECKING:
    from ..isa.baseline import Images

__all__ = ["make_slide", "make_spread", "rows_bytes", "slides", "spreads"]

# Planes this small together are one unit, or finding units would take a part of the time.
_UNIT_PIXELS = 4096


def slides(problem: ConvProblem) -> bool:
    """Whether strips of the image can be read in place.

    Rows may be padded by any number. Columns by less than the kernel: so far a strip reaches into
    the neighbouring rows at the most.
    """
    kernel_size = problem.kernel_height
    return (
        problem.in_channels_per_group == 1
        and problem.kernel_width == kernel_size
        and kernel_size in (3, 5, 7)
        and problem.stride in ((1, 1), (2, 2))
        and problem.dilation == (1, 1)
        and max(problem.padding[1]) < kernel_size
        and rows_bytes(problem, 1) <= MOST_BYTES
    )


def spreads(problem: ConvProblem) -> bool:
    """Whether all phases of the input gradient can be computed in one go."""
    return (
        slides(problem)
        and problem.stride == (2, 2)
        and problem.out_channels_per_group == 1
        and problem.padding[0][0] % 2 == problem.padding[1][0] % 2
        and problem.width > kernel("vector_values")(problem.dtype.itemsize)
    )


def rows_bytes(problem: ConvProblem, rows: int) -> int:
    """Return what the rows of a channel take that so many output rows see."""
    count = min(problem.height, (rows - 1) * problem.stride[0] + problem.kernel_height)
    return count * problem.width * problem.dtype.itemsize


def _spread_bytes(problem: ConvProblem, rows: int) -> int:
    """Return what the rows of a plane of the gradient take that so many rows of dx see."""
    count = min(problem.out_height, ceil_div(rows, 2) + (problem.kernel_height - 1) // 2)
    return count * problem.out_width * problem.dtype.itemsize


def _planes(problem: ConvProblem, threads: int, pixels: int) -> int:
    """Return how many planes of so many pixels a unit takes together."""
    planes = problem.batch * problem.groups
    return max(1, min(_UNIT_PIXELS // pixels, planes // wanted_units(threads)))


def make_slide(problem: ConvProblem, phase: Part | None, threads: int) -> Images:
    """Return the compiled object of stencil_slide.pxi."""
    filters = problem.out_channels_per_group
    rows = cut_rows(problem, threads, problem.out_height, rows_bytes)
    planes = 1
    if rows == problem.out_height:
        planes = _planes(problem, threads, rows * problem.out_width * filters)
    return make_forward(STENCIL_SLIDE, problem, Blocks(planes, rows, 1, filters), phase)


@lru_cache(maxsize=256)
def make_spread(problem: ConvProblem, threads: int) -> Images:
    """Return the compiled object of stencil_spread.pxi: its image is the gradient."""
    rows = cut_rows(problem, threads, problem.height, _spread_bytes, least=2)
    planes = 1
    if rows == problem.height:
        planes = _planes(problem, threads, rows * problem.width)
    blocks = Blocks(planes, rows + rows % 2, 1, 1)
    return make_forward(STENCIL_SPREAD, replace(problem, activation=None), blocks)
