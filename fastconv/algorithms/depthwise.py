"""depthwise: stencils, for groups with so few filters that packing pixels is not worth it.

sliding.py                      one channel and a usual kernel: down strips of the image, in place
kernels/stencil_rows.pxi        the others: pixels in the lanes, four rows of the output at a time
kernels/stencil_channels.pxi    channels in the lanes, for planes too narrow for that
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ..parts import Part, find_parts
from ..phases import find_phases
from ..problem import ConvProblem
from .backend import Backend, Run
from .blocks import (
    STENCIL,
    STENCIL_CHANNELS,
    Blocks,
    beyond_limit,
    cut_rows,
    make_forward,
    make_phases_run,
    make_run,
    phases_bytes,
    with_bounded_results,
)
from .blocks import scratch_bytes as bytes_of
from .compiled import described, kernel, not_built
from .sliding import make_slide, make_spread, slides, spreads
from .weight_grad import PIXELS, weight_grad, weight_grad_bytes, weight_grad_too_large

if TYPE_CHECKING:
    from ..isa.baseline import Images

__all__ = ["DEPTHWISE"]

# A plane this narrow, in vectors, is turned over, unless it can be slid down and has more columns
# than these, or is so large that a vector of planes leaves the caches.
_NARROW = 1.0
_FEW_COLUMNS = 8
_MOST_PLANE_BYTES = 512 * 1024


def _group_bytes(problem: ConvProblem, rows: int) -> int:
    values: int = kernel("band_values")(
        described(problem), rows, kernel("vector_values")(problem.dtype.itemsize),
    )  # fmt: skip
    return values * problem.in_channels_per_group * problem.dtype.itemsize


def _plane_bytes(problem: ConvProblem) -> int:
    """Return about what a vector of planes takes, padded or, where pads are negative, whole."""
    height, width = map(max, problem.padded_size, (problem.height, problem.width))
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
def _forward(problem: ConvProblem, threads: int) -> Images:
    return _make(problem, None, threads)


@lru_cache(maxsize=256)
def _phase_forward(phase: Part, threads: int) -> Images:
    assert phase.problem is not None  # make_phases_run saw to it
    return _make(phase.problem, phase, threads)


def _make(problem: ConvProblem, phase: Part | None, threads: int) -> Images:
    in_place = slides(problem) and (phase is None or phase.target is None)
    if _channels_in_lanes(problem) and not (in_place and problem.out_width > _FEW_COLUMNS):
        return make_forward(STENCIL_CHANNELS, problem, Blocks(1, 1, 1, 1), phase)
    if in_place:
        return make_slide(problem, phase, threads)
    rows = cut_rows(problem, threads, problem.out_height, _group_bytes)
    blocks = Blocks(1, rows, problem.in_channels_per_group, problem.out_channels_per_group)
    if phase is not None and phase.target is not None:
        blocks = with_bounded_results(blocks, problem)
    return make_forward(STENCIL, problem, blocks, phase)


def _group_too_large(problem: ConvProblem) -> str | None:
    return beyond_limit(
        f"one row of a group reads {problem.in_channels_per_group} channels of "
        f"{problem.window[0]} rows of the padded image:",
        _group_bytes(problem, 1),
    )


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
    parts = find_parts(problem)
    if parts:
        return make_phases_run(parts, problem.activation, threads, _phase_forward)
    return make_run(_forward(problem, threads), problem, threads)


def scratch_bytes(problem: ConvProblem, threads: int) -> int:
    parts = find_parts(problem)
    if parts:
        return phases_bytes(parts, threads, _phase_forward)
    return bytes_of(_forward(problem, threads), problem, threads)


def input_grad(problem: ConvProblem, threads: int) -> Run:
    if spreads(problem):
        return make_run(make_spread(problem, threads), problem, threads)
    return make_phases_run(find_phases(problem), None, threads, _phase_forward)


def input_grad_scratch(problem: ConvProblem, threads: int) -> int:
    if spreads(problem):
        return bytes_of(make_spread(problem, threads), problem, threads)
    return phases_bytes(find_phases(problem), threads, _phase_forward)


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
