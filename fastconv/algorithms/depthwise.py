"""depthwise: stencils, for groups with so few filters that packing pixels is not worth it.

kernels/stencil_slide.pxi       one channel and a usual kernel: down strips of the image, in place
kernels/stencil_rows.pxi        the others: pixels in the lanes, four rows of the output at a time
kernels/stencil_channels.pxi    channels in the lanes, for planes too narrow for that
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ..phases import Phase
from ..problem import ConvProblem
from .backend import Backend, Run
from .blocks import (
    MOST_BYTES,
    STENCIL,
    STENCIL_CHANNELS,
    STENCIL_SLIDE,
    STENCIL_SPREAD,
    Blocks,
    ceil_div,
    even,
    input_grad_bytes,
    make_forward,
    make_input_grad,
    make_run,
    rows_bytes,
    slides,
    table,
)
from .blocks import scratch_bytes as bytes_of
from .compiled import kernel, not_built, window_of
from .weight_grad import PIXELS, weight_grad, weight_grad_bytes, weight_grad_too_large

if TYPE_CHECKING:
    from ..isa.baseline import Forward

__all__ = ["DEPTHWISE"]

# The band of one group lies in the first-level cache where that leaves it rows enough, and within
# these bytes in any case.
_BAND_BYTES = 24 * 1024
_FEWEST_ROWS = 8
_UNITS_PER_THREAD = 4
# Planes this small together are one unit, or finding units would take a part of the time.
_UNIT_PIXELS = 4096
# A plane this narrow, in vectors, is turned over, unless it can be slid down and has more columns
# than these, or is so large that a vector of planes leaves the caches.
_NARROW = 1.0
_FEW_COLUMNS = 8
_MOST_PLANE_BYTES = 512 * 1024


def _group_bytes(problem: ConvProblem, rows: int) -> int:
    values: int = kernel("band_values")(
        window_of(problem), problem.kernel_height, problem.kernel_width, problem.out_width, rows,
        kernel("vector_values")(problem.dtype.itemsize),
    )  # fmt: skip
    return values * problem.in_channels_per_group * problem.dtype.itemsize


def _plane_bytes(problem: ConvProblem) -> int:
    """Return about what a vector of padded planes takes."""
    height, width = problem.padded_size
    return height * width * kernel("vector_values")(problem.dtype.itemsize) * problem.dtype.itemsize


def _channels_in_lanes(problem: ConvProblem) -> bool:
    vector = kernel("vector_values")(problem.dtype.itemsize)
    return (
        problem.in_channels_per_group == problem.out_channels_per_group == 1
        and problem.groups >= vector // 2
        and problem.out_width <= _NARROW * vector
        and min(problem.padding[0][0], problem.padding[1][0]) >= 0
        and _plane_bytes(problem) <= _MOST_PLANE_BYTES
    )


@lru_cache(maxsize=256)
def _forward(problem: ConvProblem, threads: int) -> Forward:
    return _make(problem, None, threads)


@lru_cache(maxsize=256)
def _phase_forward(phase: Phase, threads: int) -> Forward:
    assert phase.problem is not None  # make_input_grad saw to it
    return _make(phase.problem, phase, threads)


def _make(problem: ConvProblem, phase: Phase | None, threads: int) -> Forward:
    in_place = slides(problem) and (phase is None or phase.target is None)
    if _channels_in_lanes(problem) and not (in_place and problem.out_width > _FEW_COLUMNS):
        return make_forward(STENCIL_CHANNELS, problem, Blocks(1, 1, 1, 1), phase)
    if in_place:
        return make_forward(STENCIL_SLIDE, problem, _slide_blocks(problem, threads), phase)
    rows = problem.out_height
    while rows > _FEWEST_ROWS and _group_bytes(problem, rows) > _BAND_BYTES:
        rows = ceil_div(rows, 2)
    while rows > 1 and _group_bytes(problem, rows) > MOST_BYTES:
        rows = ceil_div(rows, 2)
    wanted = _UNITS_PER_THREAD * threads if threads > 1 else 1
    while rows > _FEWEST_ROWS and (
        problem.batch * problem.groups * ceil_div(problem.out_height, rows) < wanted
    ):
        rows = ceil_div(rows, 2)
    blocks = Blocks(1, rows, problem.in_channels_per_group, problem.out_channels_per_group)
    return make_forward(STENCIL, problem, blocks, phase)


def _group_too_large(problem: ConvProblem) -> str | None:
    needed = _group_bytes(problem, 1)
    if needed <= MOST_BYTES:
        return None
    return (
        f"one row of a group reads {problem.in_channels_per_group} channels of "
        f"{problem.window[0]} rows of the padded image: {needed / 2**20:.1f} MiB, where the limit "
        f"is {MOST_BYTES // 2**20} MiB"
    )


def _slide_blocks(problem: ConvProblem, threads: int) -> Blocks:
    rows = problem.out_height
    while rows > _FEWEST_ROWS and rows_bytes(problem, rows) > _BAND_BYTES:
        rows = ceil_div(rows, 2)
    while rows > 1 and rows_bytes(problem, rows) > MOST_BYTES:
        rows = ceil_div(rows, 2)
    planes = problem.batch * problem.groups
    wanted = _UNITS_PER_THREAD * threads if threads > 1 else 1
    while rows > _FEWEST_ROWS and planes * ceil_div(problem.out_height, rows) < wanted:
        rows = ceil_div(rows, 2)
    pixels = problem.out_height * problem.out_width * problem.out_channels_per_group
    block = _planes_of_a_unit(problem, pixels, threads) if rows == problem.out_height else 1
    return Blocks(block, even(problem.out_height, rows), 1, problem.out_channels_per_group)


def _planes_of_a_unit(problem: ConvProblem, pixels: int, threads: int) -> int:
    planes = problem.batch * problem.groups
    wanted = _UNITS_PER_THREAD * threads if threads > 1 else 1
    return max(1, min(_UNIT_PIXELS // pixels, planes // wanted))


def _spreads(problem: ConvProblem) -> bool:
    """Whether the input gradient is that of kernels/stencil_spread.pxi, in one go."""
    return (
        slides(problem)
        and problem.stride == (2, 2)
        and problem.out_channels_per_group == 1
        and problem.padding[0][0] % 2 == problem.padding[1][0] % 2
        and problem.width > kernel("vector_values")(problem.dtype.itemsize)
    )


@lru_cache(maxsize=256)
def _spread(problem: ConvProblem, threads: int) -> Forward:
    rows = problem.height
    wanted = _UNITS_PER_THREAD * threads if threads > 1 else 1
    while rows > 2 * _FEWEST_ROWS and (
        problem.batch * problem.groups * ceil_div(problem.height, rows) < wanted
        or rows // 2 * problem.out_width * problem.dtype.itemsize > MOST_BYTES // 2
    ):
        rows = ceil_div(rows, 2)
    rows += rows % 2
    block = 1
    if rows >= problem.height:
        block = _planes_of_a_unit(problem, problem.height * problem.width, threads)
    made: Forward = kernel("Forward")(
        problem.dtype.itemsize == 8, STENCIL_SPREAD, problem.batch, problem.groups, 1, 1,
        problem.out_height, problem.out_width, problem.kernel_height, problem.kernel_width,
        problem.height, problem.width, window_of(problem), 0, block, rows, 1, 1, None, None, table,
    )  # fmt: skip
    return made


def _many_filters(problem: ConvProblem) -> str | None:
    # Measured: sliding down the one channel of a group is ahead of the tiles up to some 8 filters.
    filters = problem.out_channels_per_group
    if filters <= (8 if slides(problem) else 2):
        return None
    return f"it reads the image once for each filter, and a group has {filters}"


def _many_filters_for_weights(problem: ConvProblem) -> str | None:
    filters = problem.out_channels_per_group
    return None if filters <= 2 else f"a group has {filters} filters, which tiles take together"


def forward(problem: ConvProblem, threads: int) -> Run:
    return make_run(_forward(problem, threads), problem, threads)


def scratch_bytes(problem: ConvProblem, threads: int) -> int:
    return bytes_of(_forward(problem, threads), problem, threads)


def input_grad(problem: ConvProblem, threads: int) -> Run:
    if _spreads(problem):
        return make_run(_spread(problem, threads), problem, threads)
    return make_input_grad(problem, threads, _phase_forward)


def input_grad_scratch(problem: ConvProblem, threads: int) -> int:
    if _spreads(problem):
        return bytes_of(_spread(problem, threads), problem, threads)
    return input_grad_bytes(problem, threads, _phase_forward)


DEPTHWISE = Backend(
    "depthwise",
    "stencils that read each pixel once for several rows of the output",
    forward,
    input_grad,
    weight_grad(PIXELS),
    unavailable=not_built,
    unable=_group_too_large,
    unsuited=_many_filters,
    threading="openmp",
    scratch_bytes=scratch_bytes,
    weight_grad_unable=weight_grad_too_large(PIXELS),
    weight_grad_unsuited=_many_filters_for_weights,
    input_grad_bytes=input_grad_scratch,
    weight_grad_bytes=weight_grad_bytes(PIXELS),
)
