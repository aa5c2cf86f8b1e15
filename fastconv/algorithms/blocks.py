"""The forward passes of kernels/forward.pxi: a problem, cut into blocks, made ready to run.

None of the blocks changes a bit of the result. A unit is what a thread takes at a time, so there
are several for every thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..activation import ACTIVATIONS
from ..operands import Array
from ..problem import ConvProblem
from .backend import Run
from .compiled import kernel, pieces, window_of

if TYPE_CHECKING:
    from ..isa.baseline import Forward

__all__ = [
    "FILTERS", "PIXELS", "STENCIL", "STENCIL_CHANNELS",
    "Blocks", "ceil_div", "make_forward", "make_run", "pack", "scratch_bytes",
]  # fmt: skip

# The methods of kernels/task.pxi.
FILTERS, PIXELS, STENCIL, STENCIL_CHANNELS = range(4)
# Some ten milliseconds, after which Ctrl-C is looked for.
_FLOPS_PER_PIECE = 1_000_000_000
# Each thread's scratch begins a cache line inside what is allocated.
_LINE = 64


class Blocks(NamedTuple):
    """How much of a problem one unit computes.

    Attributes
    ----------
    images : int
        More than one where a whole image has few pixels.
    rows : int
        Of the output, for which a band of the image is copied.
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


def make_forward(method: int, problem: ConvProblem, blocks: Blocks) -> Forward:
    """Return the compiled object that runs a problem by a method, in these blocks."""
    forward: Forward = kernel("Forward")(
        problem.dtype.itemsize == 8, method,
        problem.batch, problem.groups, problem.in_channels_per_group,
        problem.out_channels_per_group, problem.height, problem.width, problem.kernel_height,
        problem.kernel_width, problem.out_height, problem.out_width, window_of(problem),
        ACTIVATIONS.index(problem.activation),
        blocks.images, blocks.rows, blocks.channels, blocks.filters, _table,
    )  # fmt: skip
    return forward


def _table(length: int) -> Array:
    return np.empty(length, np.intp)


def scratch_bytes(forward: Forward, problem: ConvProblem, threads: int) -> int:
    """Return what a run allocates."""
    return forward.scratch_values * problem.dtype.itemsize * threads + _LINE


def make_run(forward: Forward, problem: ConvProblem, threads: int) -> Run:
    """Return the function that runs a forward pass on so many threads."""
    size = scratch_bytes(forward, problem, threads)
    run_units = forward.run
    ranges = pieces(forward.units, problem.flops, threads, _FLOPS_PER_PIECE)

    def run(x: Array, weight: Array, packed: Array | None, bias: Array | None, y: Array) -> None:
        scratch = np.empty(size, np.uint8)
        for first, last in ranges:
            run_units(x, weight, packed, bias, y, scratch, first, last, threads)

    return run


def pack(method: int, problem: ConvProblem, weight: Array) -> Array:
    """Return the weights in panels, at the start of a cache line."""
    itemsize = problem.dtype.itemsize
    taps, filters = problem.taps, problem.out_channels_per_group
    pixels = method == PIXELS
    size = problem.groups * kernel("packed_values")(filters, taps, itemsize, pixels) * itemsize
    memory = np.empty(size + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    panels = memory[start : start + size].view(problem.dtype)
    kernel("pack_weights")(itemsize == 8, weight, panels, problem.groups, filters, taps, pixels)
    return panels
