"""The input gradient without phases: a matrix product whose columns are added into the result.

kernels/gemm_scatter.pxi    taps in the lanes, a tile of the result at a time

by_stride.py gathers, and does no more products than there are only where every pixel of the image
is reached by as many outputs. Where windows lie next to each other (patches, upsampling, the
inverse of a short-time Fourier transform) phases are many and their taps few, and where outputs are
far apart most of what is gathered is padding.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .. import tuning
from ..machine import Machine
from ..problem import Axis, ConvProblem, Piece
from .blocks import ceil_div, even, wanted_units
from .compiled import Kernel, beyond_limit, kernel, vector_bytes, vector_values
from .costs import predicted
from .implementation import Accuracy, Plan, Prediction, Request

__all__ = ["GEMM_SCATTER"]


class _Blocks(NamedTuple):
    """What a unit computes.

    Attributes
    ----------
    rows, columns : int
        Of the gradient: what these pixels begin of the result is a unit's.
    channels : int
        Of the group, of the result.
    images, filters : int
        One image; all filters of the group, which are summed over,
    taps : int
        from zero so many at a time.
    """

    rows: int
    columns: int
    channels: int
    images: int
    filters: int
    taps: int


def _reach(axis: Axis) -> int:
    """Return how many pixels of the gradient before a unit's own reach into its result."""
    return (axis.span - 1) // axis.stride


def _stretch(axis: Axis, length: int) -> int:
    """Return how many pixels of the gradient a unit of `length` of them sees."""
    return min(axis.outputs, length + _reach(axis))


def _pixels(problem: ConvProblem, rows: int, columns: int) -> int:
    return _stretch(problem.rows, rows) * _stretch(problem.columns, columns)


def _tiles(problem: ConvProblem, rows: int, columns: int) -> int:
    return ceil_div(problem.out_height, rows) * ceil_div(problem.out_width, columns)


def _values(problem: ConvProblem, pixels: int) -> int:
    """Return the values of the gradient at so many pixels, and of a panel of taps and columns."""
    lanes: int = kernel("panel_filters")("gemm_scatter", problem.dtype.itemsize)
    return problem.out_channels_per_group * (pixels + lanes) + lanes * pixels


class _Scatter(Kernel):
    name = "gemm_scatter"
    families = ("gemm",)

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        values = _values(problem, _pixels(problem, 1, 1))
        return beyond_limit(
            "what reaches a single pixel's window needs, with its columns and weights, a scratch "
            "of",
            values * problem.dtype.itemsize,
        )

    def unsuited(self, request: Request) -> str | None:
        problem = request.problem
        phases = problem.rows.most_phases * problem.columns.most_phases
        if phases > tuning.MOST_PIECES or _gathered(problem) > tuning.MOST_GATHERED:
            return self._again(request)
        if phases < tuning.SCATTER_FEWEST_PHASES:
            return f"of {phases} phases, convolutions by themselves are as fast"
        overlap = problem.rows.kernel * problem.columns.kernel / phases
        few = problem.in_channels_per_group <= tuning.SCATTER_FEW_CHANNELS
        most = tuning.SCATTER_MOST_OVERLAP_OF_FEW if few else tuning.SCATTER_MOST_OVERLAP
        if overlap > most:
            return f"{overlap:.0f} windows overlap, whose columns would all be added"
        return self._again(request)

    def out_of_place(self, request: Request) -> str | None:
        """Return what it is unsuited for, unless weights are far, of which phases each read all.

        Of others the model was found wrong, by up to four times where columns are few.
        """
        problem = request.problem
        if math.prod(problem.weight_shape) * problem.dtype.itemsize > tuning.FAR_WEIGHTS_BYTES:
            return self._again(request)
        return self.unsuited(request)

    def _again(self, request: Request) -> str | None:
        """Return how often units would make the same products, if that is too often, or None."""
        problem, blocks = request.problem, self.blocks(request)
        tiles = _tiles(problem, blocks.rows, blocks.columns)
        again = tiles * _pixels(problem, blocks.rows, blocks.columns) / (
            problem.out_height * problem.out_width
        )  # fmt: skip
        if again <= tuning.SCATTER_MOST_AGAIN:
            return None
        return f"each output reaches into {again:.0f} units, all of which would compute its columns"

    def blocks(self, request: Request) -> _Blocks:
        problem = request.problem
        itemsize = problem.dtype.itemsize
        kernel_taps = problem.rows.kernel * problem.columns.kernel
        # By the problem alone: where panels begin decides the order of sums.
        channels = even(
            problem.in_channels_per_group,
            min(problem.in_channels_per_group, max(1, tuning.SCATTER_TAPS // kernel_taps)),
        )
        cell = problem.rows.stride * problem.columns.stride * channels * itemsize
        rows, columns = problem.out_height, problem.out_width

        def is_too_large() -> bool:
            pixels = _pixels(problem, rows, columns)
            return (
                pixels > tuning.GEMM_MOST_PIXELS
                or _values(problem, pixels) * itemsize > tuning.SCATTER_BYTES
                or rows * columns * cell > tuning.SCATTER_RESULT_BYTES
            )

        # No further than to half of what reaches in anyway, unless the scratch were too small.
        least_rows = max(1, _reach(problem.rows) // 2)
        least_columns = max(1, _reach(problem.columns) // 2)
        while (rows > least_rows or columns > least_columns) and is_too_large():
            if rows > least_rows:
                rows = ceil_div(rows, 2)
            else:
                columns = ceil_div(columns, 2)
        while (
            max(rows, columns) > 1
            and _values(problem, _pixels(problem, rows, columns)) * itemsize
            > tuning.MOST_SCRATCH_BYTES
        ):
            rows, columns = (ceil_div(rows, 2), columns) if rows > 1 else (1, ceil_div(columns, 2))
        units = problem.batch * problem.groups * ceil_div(problem.in_channels_per_group, channels)

        def has_too_few() -> bool:
            return units * _tiles(problem, rows, columns) < wanted_units(request.threads)

        # as long as a tile is far larger than what reaches into it
        while has_too_few() and rows > 4 * (1 + _reach(problem.rows)):
            rows = ceil_div(rows, 2)
        while has_too_few() and columns > 4 * (1 + _reach(problem.columns)):
            columns = ceil_div(columns, 2)
        return _Blocks(
            even(problem.out_height, rows), even(problem.out_width, columns), channels, 1,
            problem.out_channels_per_group, tuning.SUM_TAPS,
        )  # fmt: skip

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for panels and products of every unit, and for columns added one by one."""
        problem, blocks = plan.piece.problem, plan.blocks
        tiles = _tiles(problem, blocks.rows, blocks.columns)
        pixels = problem.batch * tiles * _pixels(problem, blocks.rows, blocks.columns)
        channels = ceil_div(problem.in_channels_per_group, blocks.channels)
        taps = blocks.channels * problem.rows.kernel * problem.columns.kernel
        vectors = problem.groups * channels * ceil_div(taps, vector_values(problem))
        filters = problem.out_channels_per_group
        units = problem.batch * tiles * problem.groups * channels
        runs = pixels * problem.in_channels * problem.rows.kernel
        # a run of the kernel's columns is one of the result's, unless they are apart
        along = ceil_div(problem.columns.kernel, vector_values(problem))
        if problem.dilation[1] > 1:
            along = problem.columns.kernel
        beside = tuning.MODEL_TILE_PIXELS[vector_bytes()]
        return predicted(
            plan, machine, units,
            band=pixels * problem.groups * channels * filters * tuning.MODEL_BAND_STEPS,
            pack=units * taps * filters * tuning.MODEL_PACK_FAR_STEPS[vector_bytes()],
            product=(pixels + beside * problem.batch * tiles) * vectors
            * (filters / tuning.MODEL_SCATTER_PRODUCT + tuning.MODEL_PART_STEPS),
            turn=runs * along * tuning.MODEL_SCATTER_STEPS,
        )  # fmt: skip

    def accuracy_of(self, plan: Plan) -> Accuracy:
        """Return it for the filters in parts, and columns that are added one by one."""
        problem, part = plan.piece.problem, plan.blocks.taps
        filters, taps = plan.blocks.filters, problem.rows.kernel * problem.columns.kernel
        return Accuracy.in_blocks(
            filters * taps, min(filters, part), ceil_div(filters, part), taps
        )  # fmt: skip


def _gathered(problem: ConvProblem) -> float:
    """Return how many times the products there are a gradient by phases would compute.

    It takes all pixels by the taps of their phase, size / stride · kernel on an axis, instead of
    all outputs by all taps.
    """
    pixels = problem.height * problem.width
    return pixels / (math.prod(problem.stride) * problem.out_height * problem.out_width)


GEMM_SCATTER = _Scatter()
