"""What kernels/images.pxi runs: a problem, cut into blocks, made ready to run.

None of the blocks changes a bit of the result. A unit is what a thread takes at a time, so there
are several for every thread.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..activation import Activation, activate
from ..operands import Array
from ..parts import Part
from ..problem import ConvProblem
from ..threads import worth_waking
from .backend import Run
from .compiled import described, kernel, pieces

if TYPE_CHECKING:
    from ..isa.baseline import Images

__all__ = [
    "FILTERS",
    "LINE",
    "PIXELS",
    "STENCIL",
    "STENCIL_CHANNELS",
    "STENCIL_SLIDE",
    "STENCIL_SPREAD",
    "Blocks",
    "band_bytes",
    "beyond_limit",
    "ceil_div",
    "cut_rows",
    "even",
    "make_forward",
    "make_phases_run",
    "make_run",
    "pack",
    "phases_bytes",
    "scratch_bytes",
    "wanted_units",
    "with_bounded_results",
]  # fmt: skip

# The kernels that make images.
FILTERS, PIXELS, STENCIL = "gemm_filters", "gemm_pixels", "stencil_rows"
STENCIL_CHANNELS, STENCIL_SLIDE = "stencil_channels", "stencil_slide"
STENCIL_SPREAD = "stencil_spread"
# Some ten milliseconds, after which Ctrl-C is looked for.
_FLOPS_PER_PIECE = 1_000_000_000
# What a thread's scratch may take for the smallest blocks there are; results that wait to be spread
# over the columns of an input gradient may take as much again.
MOST_BYTES = 4 * 2**20
# Each thread's scratch begins a cache line inside what is allocated.
LINE = 64


# The rows that a stencil's unit reads lie in the first-level cache where that leaves it enough.
_ROWS_BYTES = 24 * 1024
_FEWEST_ROWS = 8
_UNITS_PER_THREAD = 4


class Blocks(NamedTuple):
    """How much of a problem one unit computes.

    Attributes
    ----------
    images : int
        More than one where a whole image has few pixels. Where a stencil slides: planes.
    rows : int
        Of the output: those that a band of the image is copied for, unless it is read in place.
    channels : int
        Of the group, copied at a time.
    filters : int
        Of the group.
    """

    images: int
    rows: int
    channels: int
    filters: int


def ceil_div(total: int, part: int) -> int:
    return -(-total // part)


def even(total: int, part: int) -> int:
    """Return a part no larger, of which so many as before make the total with little left over."""
    return ceil_div(total, ceil_div(total, part))


def wanted_units(threads: int) -> int:
    """Return how many units of a stencil there should be."""
    return _UNITS_PER_THREAD * threads if threads > 1 else 1


def cut_rows(
    problem: ConvProblem, threads: int, height: int,
    bytes_of: Callable[[ConvProblem, int], int], least: int = 1,
) -> int:  # fmt: skip
    """Return of how many of `height` rows a stencil's unit is; `bytes_of` says what they read."""
    rows = height
    while rows > _FEWEST_ROWS and bytes_of(problem, rows) > _ROWS_BYTES:
        rows = ceil_div(rows, 2)
    while rows > least and bytes_of(problem, rows) > MOST_BYTES:
        rows = ceil_div(rows, 2)
    planes = problem.batch * problem.groups
    while rows > _FEWEST_ROWS and planes * ceil_div(height, rows) < wanted_units(threads):
        rows = ceil_div(rows, 2)
    return even(height, rows)


def beyond_limit(what: str, needed: int) -> str | None:
    """Return the refusal of what needs more scratch than a thread may take, or None."""
    if needed <= MOST_BYTES:
        return None
    return f"{what} {needed / 2**20:.1f} MiB, where the limit is {MOST_BYTES // 2**20} MiB"


def band_bytes(problem: ConvProblem, rows: int, channels: int) -> int:
    """Return what the band of so many output rows takes, its rows without a gap."""
    values: int = kernel("band_values")(described(problem), rows)
    return values * channels * problem.dtype.itemsize


def with_bounded_results(blocks: Blocks, problem: ConvProblem) -> Blocks:
    """Return blocks of fewer filters, if the results of a unit would be too large to be spread."""
    filters = blocks.filters
    pixels = blocks.images * blocks.rows * problem.out_width
    while filters > 1 and pixels * filters * problem.dtype.itemsize > MOST_BYTES:
        filters = ceil_div(filters, 2)
    return blocks._replace(filters=filters)


def make_forward(
    method: str, problem: ConvProblem, blocks: Blocks, phase: Part | None = None
) -> Images:
    """Return the compiled object that runs a problem by a method, in these blocks.

    The problem is that of the phase where it is one of an input gradient's.
    """
    weights = output = None
    if phase is not None:
        first, group, filters, channel, row, column, _, _, plane, end = phase.order
        weights = SimpleNamespace(
            first=first, group=group, filter=filters, channel=channel, row=row, column=column,
            plane=plane, end=end,
        )  # fmt: skip
        if phase.target is not None:
            height, width, first_row, first_column, row_step, column_step = phase.target
            output = SimpleNamespace(
                height=height, width=width, first_row=first_row, first_column=first_column,
                row_step=row_step, column_step=column_step,
            )  # fmt: skip
    piece = SimpleNamespace(problem=described(problem), weights=weights, output=output)
    images: Images = kernel("Images")(SimpleNamespace(kernel=method, piece=piece, blocks=blocks))
    return images


def scratch_bytes(forward: Images, problem: ConvProblem, threads: int) -> int:
    """Return what a run allocates."""
    return forward.scratch_bytes * threads


def make_run(forward: Images, problem: ConvProblem, threads: int) -> Run:
    """Return the function that runs a forward pass on so many threads."""
    size = scratch_bytes(forward, problem, threads)
    run_units = forward.run
    ranges = pieces(forward.units, problem.flops, threads, _FLOPS_PER_PIECE)

    def run(x: Array, weight: Array, packed: Array | None, bias: Array | None, y: Array) -> None:
        scratch = np.empty(size, np.uint8)
        for first, last in ranges:
            run_units(x, weight, packed, bias, y, scratch, first, last, threads)

    return run


def make_phases_run(
    phases: tuple[Part, ...], activation: Activation, threads: int,
    forward_of: Callable[[Part, int], Images],
) -> Run:  # fmt: skip
    """Return the function that runs an input gradient phase by phase, or a forward pass by parts.

    Of packed weights it makes no use: every phase has taps of its own.
    """
    runs = [
        (
            phase,
            _make_phase_run(phase, phase.problem, threads, forward_of) if phase.problem else None,
        )
        for phase in phases
    ]

    def run(x: Array, weight: Array, _packed: Array | None, bias: Array | None, y: Array) -> None:
        for phase, run_phase in runs:
            if run_phase is not None:
                run_phase(x, weight, None, bias, y)
            else:
                pixels = y[:, :, slice(*phase.rows), slice(*phase.columns)]
                pixels[...] = 0 if bias is None else bias[:, None, None]
                activate(activation, pixels)

    return run


def _make_phase_run(
    phase: Part, problem: ConvProblem, threads: int, forward_of: Callable[[Part, int], Images]
) -> Run:
    threads = worth_waking(threads, problem.flops)  # of a part, small as it may be
    return make_run(forward_of(phase, threads), problem, threads)


def phases_bytes(
    phases: tuple[Part, ...], threads: int, forward_of: Callable[[Part, int], Images]
) -> int:
    """Return the most that a phase allocates."""
    return max(
        (
            scratch_bytes(forward_of(phase, count), phase.problem, count)
            for phase in phases
            if phase.problem
            for count in (worth_waking(threads, phase.problem.flops),)
        ),
        default=0,
    )


def pack(method: str, problem: ConvProblem, weight: Array) -> Array:
    """Return the weights in panels, at the start of a cache line."""
    size = kernel("packed_values")(method, described(problem)) * problem.dtype.itemsize
    memory = np.empty(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    panels = memory[start : start + size].view(problem.dtype)
    kernel("pack_weights")(method, described(problem), weight, panels)
    return panels
