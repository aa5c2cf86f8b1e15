"""The weight gradients of kernels/weights_*.pxi: a problem, cut into blocks, made ready to run.

    dw [K/groups x T]  =  sum over images of  grad [K/groups x pixels]  @  columns' [pixels x T]

The blocks, and with them the order of every sum, depend on the problem alone, never on how many
threads there are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..operands import Array
from ..problem import ConvProblem
from .backend import WeightRun
from .blocks import band_bytes, beyond_limit, ceil_div, even
from .compiled import described, kernel, pieces
from .sliding import rows_bytes, slides

if TYPE_CHECKING:
    from ..isa.baseline import Weights

__all__ = ["FILTERS", "PIXELS", "weight_grad", "weight_grad_bytes", "weight_grad_too_large"]

# The kernels that make weights: what lies in the lanes.
FILTERS, PIXELS = "weights_filters", "weights_pixels"
# A unit's band, its panel of the gradient and its sums lie in the second-level cache. With more
# pixels or taps than these at a time, loading and storing of sums is a small part of the work.
_BAND_BYTES = 192 * 1024
_SUMS_BYTES = 256 * 1024
_MOST_PIXELS = 448
_MOST_TAPS = 576
_MOST_FILTERS = 128
# Where strips of the image are read in place: the rows that a block sees lie in the first-level
# cache.
_ROWS_BYTES = 24 * 1024
# The filters of a tile with pixels in the lanes, RUN_FILTERS of every instruction set.
_PIXEL_FILTERS = 4
# So many units keep a few threads busy; below that pixels are cut into parts, if there are enough
# of them and the copies of dw stay small.
_FEWEST_UNITS = 8
_FEWEST_FLOPS = 4_000_000
_MOST_COPIES_BYTES = 2**20
_FLOPS_PER_PIECE = 1_000_000_000


class _Blocks(NamedTuple):
    """What a unit computes, and in how many parts the pixels are cut."""

    rows: int
    channels: int
    filters: int
    parts: int


def _slides(problem: ConvProblem) -> bool:
    """Whether strips of image and gradient can be read in place: kernels/weights_slide.pxi."""
    return (
        slides(problem) and problem.out_channels_per_group == 1 and problem.kernel_height in (3, 5)
    )


def _blocks(method: str, problem: ConvProblem) -> _Blocks:
    kernel_taps = problem.kernel_height * problem.kernel_width
    itemsize = problem.dtype.itemsize
    vector = kernel("vector_values")(itemsize)
    panel = kernel("panel_filters")(method, itemsize)
    filters = min(problem.out_channels_per_group, max(panel, _MOST_FILTERS // panel * panel))
    channels = min(problem.in_channels_per_group, max(1, _MOST_TAPS // kernel_taps))
    rows = min(problem.out_height, max(1, _MOST_PIXELS // problem.out_width))
    if method == PIXELS and _slides(problem):
        rows = problem.out_height
        while rows > 1 and rows_bytes(problem, rows) > _ROWS_BYTES:
            rows = ceil_div(rows, 2)

    def sums() -> int:
        lanes = ceil_div(filters, vector) * vector if method == FILTERS else filters * vector
        return lanes * channels * kernel_taps * itemsize

    while filters > panel and sums() > _SUMS_BYTES:
        filters = ceil_div(ceil_div(filters, 2), panel) * panel
    while channels > 1 and (
        sums() > _SUMS_BYTES or band_bytes(problem, rows, channels) > _BAND_BYTES
    ):
        channels = ceil_div(channels, 2)
    while rows > 1 and band_bytes(problem, rows, channels) > _BAND_BYTES:
        rows = ceil_div(rows, 2)

    def units() -> int:
        return (
            problem.groups * ceil_div(problem.out_channels_per_group, filters)
            * ceil_div(problem.in_channels_per_group, channels)
        )  # fmt: skip

    if problem.flops > _FEWEST_FLOPS:
        while units() < _FEWEST_UNITS and filters > panel:
            filters = ceil_div(ceil_div(filters, 2), panel) * panel
        while channels > 1 and units() < _FEWEST_UNITS and channels * kernel_taps > _MOST_TAPS // 4:
            channels = ceil_div(channels, 2)
    rows = even(problem.out_height, rows)
    channels = even(problem.in_channels_per_group, channels)
    parts = 1
    if problem.flops > _FEWEST_FLOPS and units() < _FEWEST_UNITS:
        copy = problem.out_channels * problem.taps * itemsize
        parts = max(
            1,
            min(
                ceil_div(_FEWEST_UNITS, units()),
                problem.batch * ceil_div(problem.out_height, rows),
                _MOST_COPIES_BYTES // copy,
            ),
        )
    return _Blocks(rows, channels, filters, parts)


@lru_cache(maxsize=256)
def _make(method: str, problem: ConvProblem) -> tuple[Weights, int]:
    """Return the compiled object and its number of parts."""
    blocks = _blocks(method, problem)
    if method == PIXELS and _slides(problem):
        method = "weights_slide"
    made: Weights = kernel("Weights")(
        SimpleNamespace(kernel=method, problem=described(problem), blocks=blocks)
    )
    return made, blocks.parts


def weight_grad(method: str) -> Callable[[ConvProblem, int], WeightRun]:
    """Return the `Backend.weight_grad` of a method."""

    def make_run(problem: ConvProblem, threads: int) -> WeightRun:
        made, parts = _make(method, problem)
        ranges = pieces(made.units, problem.flops, threads, _FLOPS_PER_PIECE)
        size = made.scratch_bytes * threads

        def run(grad: Array, x: Array, dw: Array) -> None:
            scratch = np.empty(size, np.uint8)
            copies = dw if parts == 1 else np.empty((parts, *dw.shape), dw.dtype)
            for first, last in ranges:
                made.run(grad, x, copies, scratch, first, last, threads)
            if parts > 1:
                with np.errstate(all="ignore"):  # infinities and NaN flow through
                    np.add.reduce(copies, axis=0, out=dw)

        return run

    return make_run


def weight_grad_bytes(method: str) -> Callable[[ConvProblem, int], int]:
    """Return the `Backend.weight_grad_bytes` of a method: scratch of the threads, copies of dw."""

    def count(problem: ConvProblem, threads: int) -> int:
        made, parts = _make(method, problem)
        copies = parts * problem.out_channels * problem.taps if parts > 1 else 0
        return made.scratch_bytes * threads + copies * problem.dtype.itemsize

    return count


def weight_grad_too_large(method: str) -> Callable[[ConvProblem], str | None]:
    """Refuse what would need more than a few MiB of scratch for its smallest blocks.

    These are a single row of the output and of a single channel: its band, the gradient of the
    fewest filters there, and their sums.
    """

    def unable(problem: ConvProblem) -> str | None:
        taps = problem.kernel_height * problem.kernel_width
        if method == FILTERS:
            values = kernel("panel_filters")(method, problem.dtype.itemsize)
            values *= problem.out_width + taps
        else:
            lanes = kernel("vector_values")(problem.dtype.itemsize)
            values = min(problem.out_channels_per_group, _PIXEL_FILTERS)
            values *= problem.padded_size[1] + lanes * taps
        needed = band_bytes(problem, 1, 1) + values * problem.dtype.itemsize
        return beyond_limit(
            f"one row of a channel reads {problem.window[0]} rows of the padded image and with its "
            "gradient and sums needs a scratch of",
            needed,
        )

    return unable
