"""gemm: a matrix product that reads the image in place, without an im2col buffer.

The kernel and its pictures are in kernels/gemm.pxi. Here its blocks are chosen:

    rows        of the output that a band has: all that fit, fewer to keep every thread busy
    channels    that are copied at a time: some 500 taps, or what fits
    filters     of a unit: all, unless there are still too few units for the threads

None of these choices changes a bit of the result.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..activation import ACTIVATIONS
from ..operands import Array
from ..problem import ConvProblem
from ..threads import threads_for
from .backend import Backend
from .compiled import in_pieces, kernel, not_built, window_of

__all__ = ["GEMM"]

# A band lies in the second-level cache, next to the weights that pass through it.
_BAND_BYTES = 384 * 1024
# What one channel of one row may take at the most; see _row_too_long.
_LONGEST_ROW_BYTES = 4 * 2**20
# So many taps per block make the loading and storing of a tile's sums a small part of its work.
_TAPS = 512
# Units per thread, so that the last ones do not leave a thread idle for long.
_UNITS_PER_THREAD = 4
# Shorter bands, or fewer filters to a band, would copy too much for what is computed from it.
_FEWEST_POSITIONS = 256
_FEWEST_FILTERS = 48


class _Blocks(NamedTuple):
    rows: int
    channels: int
    filters: int
    units: int
    scratch: int  # values of a band, per thread


def _scratch(problem: ConvProblem, rows: int, channels: int) -> int:
    """Return how many values the band of so many rows and channels takes."""
    values: int = kernel("gemm_scratch")(
        window_of(problem), problem.kernel_height, problem.kernel_width, problem.out_width,
        rows, channels, problem.dtype.itemsize,
    )  # fmt: skip
    return values


@lru_cache(maxsize=256)
def _blocks(problem: ConvProblem, threads: int) -> _Blocks:
    most = _BAND_BYTES // problem.dtype.itemsize
    group_channels = problem.in_channels_per_group
    kernel_size = problem.kernel_height * problem.kernel_width
    channels = min(group_channels, -(-_TAPS // kernel_size))
    rows = problem.out_height
    while rows > 1 and _scratch(problem, rows, channels) > most:
        rows = -(-rows // 2)
    while channels > 1 and _scratch(problem, rows, channels) > most:
        channels = -(-channels // 2)
    while channels < group_channels and _scratch(problem, rows, 2 * channels) <= most:
        channels = min(2 * channels, group_channels)

    images = problem.batch * problem.groups
    wanted = _UNITS_PER_THREAD * threads if threads > 1 else 1
    while (
        rows > 1
        and images * -(-problem.out_height // rows) < wanted
        and rows * problem.out_width >= 2 * _FEWEST_POSITIONS
    ):
        rows = -(-rows // 2)
    bands = images * -(-problem.out_height // rows)
    filters = problem.out_channels_per_group
    parts = min(-(-wanted // bands), filters // _FEWEST_FILTERS)
    if parts > 1:
        filters = -(-filters // parts)
        filters += -filters % kernel("gemm_tile_rows")()
    units = bands * -(-problem.out_channels_per_group // filters)
    return _Blocks(rows, channels, filters, units, _scratch(problem, rows, channels))


def scratch_bytes(problem: ConvProblem, threads: int) -> int:
    """Return the bytes of bands that one call holds.

    Each thread has one band: at most `_BAND_BYTES` and a tile's overhang, or where that is more a
    single row of a single channel, `_LONGEST_ROW_BYTES` at most.
    """
    return _blocks(problem, threads).scratch * threads * problem.dtype.itemsize


def _row_too_long(problem: ConvProblem) -> str | None:
    """Refuse what would need more than a few MiB of scratch for a single row.

    A band holds the rows from the first to the last tap, those between two dilated taps as well.
    """
    needed = _scratch(problem, 1, 1) * problem.dtype.itemsize
    if needed <= _LONGEST_ROW_BYTES:
        return None
    return (
        f"one row of a channel reads {problem.window[0]} rows of the padded image: "
        f"{needed / 2**20:.1f} MiB, where the limit is {_LONGEST_ROW_BYTES // 2**20} MiB"
    )


def _better_elsewhere(problem: ConvProblem) -> str | None:
    if problem.out_channels_per_group == 1:
        return "with one filter per group no pixel is used twice while it is in a register"
    if problem.is_pointwise:
        return "the image already is the matrix that NumPy's BLAS takes as it lies"
    return None


def forward(problem: ConvProblem, x: Array, weight: Array, bias: Array | None, y: Array) -> None:
    """Fill y, a unit at a time."""
    threads = threads_for(problem.flops)
    blocks = _blocks(problem, threads)
    taps = blocks.channels * problem.kernel_height * problem.kernel_width
    in_pieces(
        kernel("forward_gemm"), blocks.units, problem.flops, threads,
        x, weight, np.zeros(problem.out_channels, problem.dtype) if bias is None else bias, y,
        window_of(problem), problem.groups, ACTIVATIONS.index(problem.activation),
        blocks.rows, blocks.channels, blocks.filters,
        np.empty(taps, np.intp), np.zeros((threads, blocks.scratch), problem.dtype),
    )  # fmt: skip


GEMM = Backend(
    "gemm",
    "a matrix product that reads the image in place, tile by tile in registers",
    forward,
    unavailable=not_built,
    unable=_row_too_long,
    unsuited=_better_elsewhere,
    threading="openmp",
    scratch_bytes=scratch_bytes,
)
