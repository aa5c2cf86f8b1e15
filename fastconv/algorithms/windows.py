"""The input gradient of few channels: a row of the window in the lanes, with all its channels.

kernels/gemm_windows.pxi    gathers rows of the gradient, scatters the columns of a window

by_stride.py gathers along both axes: a convolution whose filters are the channels of the image.
Few of them leave lanes idle, and where there is little or no padding, as in LeNet, small images
with large kernels are reached by far fewer outputs than they have taps.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .. import tuning
from ..machine import Machine
from ..problem import ConvProblem, Piece
from .blocks import ceil_div, even, wanted_units
from .compiled import Kernel, beyond_limit, vector_bytes, vector_values
from .costs import predicted
from .implementation import Accuracy, Plan, Prediction, Request

__all__ = ["GEMM_WINDOWS"]


class _Blocks(NamedTuple):
    """What a unit computes.

    Attributes
    ----------
    images : int
    rows : int
        Of the result.
    channels, filters : int
        All of the group.
    taps : int
        Of a sum over rows of the window and filters, from zero at a time.
    """

    images: int
    rows: int
    channels: int
    filters: int
    taps: int


def _lanes(problem: ConvProblem) -> int:
    """Return how many lanes a row of the window fills."""
    return problem.columns.kernel * problem.in_channels_per_group


def _vectors(problem: ConvProblem) -> int:
    return ceil_div(_lanes(problem), vector_values(problem))


def _scratch_bytes(problem: ConvProblem, rows: int) -> int:
    """Return what so many rows of the result need.

    The gradient that they see, the weights, the sums of a row, and the row.
    """
    height, width, vector = problem.rows, problem.columns, vector_values(problem)
    filters, pitch = problem.out_channels_per_group, _vectors(problem) * vector
    seen = min(height.outputs, (rows + height.kernel - 2) // height.stride + 1)
    depth = ceil_div(problem.in_channels_per_group, vector) * vector
    values = filters * (seen * width.outputs + height.kernel * pitch)
    values += (width.outputs + 1) * pitch + (width.size + 1) * depth
    return values * problem.dtype.itemsize


def _fitting_rows(problem: ConvProblem) -> int:
    """Return how many rows of the result a unit has that shall stay in the second-level cache."""
    rows = problem.height
    while rows > 1 and _scratch_bytes(problem, rows) > tuning.WINDOWS_BYTES:
        rows = ceil_div(rows, 2)
    return rows


class _Windows(Kernel):
    name = "gemm_windows"
    families = ("gemm",)
    general = False

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        if problem.dilation != (1, 1):
            return "it adds rows of a window whose columns lie next to each other"
        return beyond_limit(
            "one row of the result sees rows of the gradient that with its weights need a scratch "
            "of",
            _scratch_bytes(problem, 1),
        )

    def unsuited(self, request: Request) -> str | None:
        problem = request.problem
        channels, most = problem.in_channels_per_group, tuning.WINDOWS_MOST_CHANNELS
        if channels > most:
            return f"{channels} channels fill the lanes by themselves, which pays up to {most}"
        columns, fewest = problem.columns.kernel, tuning.WINDOWS_FEWEST_COLUMNS
        if problem.stride == (1, 1) and columns < fewest:
            return f"of {columns} columns at stride 1 few multiply-adds follow each other"
        steps = problem.out_channels_per_group * problem.rows.kernel // problem.rows.stride
        if steps < tuning.WINDOWS_FEWEST_STEPS:
            return f"sums of {steps} products are as soon added up as they are made"
        rows = _fitting_rows(problem)
        if rows < min(problem.rows.kernel, problem.height):
            return (
                f"beside {problem.out_channels_per_group} filters there is room for {rows} rows of "
                f"the result, and each time all weights are packed: it pays from a window's "
                f"{problem.rows.kernel} on"
            )
        ahead = _gathered_steps(problem) / _steps(problem)
        if ahead < tuning.WINDOWS_GAIN:
            return (
                f"gathering both ways takes {ahead:.2f} times the products, it pays from "
                f"{tuning.WINDOWS_GAIN} on"
            )
        return None

    def blocks(self, request: Request) -> _Blocks:
        problem = request.problem
        rows, images = _fitting_rows(problem), problem.batch
        if request.threads > 1:
            # weights are packed for every unit: no more of them than it takes
            images = ceil_div(images, wanted_units(request.threads))
            units = problem.groups * ceil_div(problem.batch, images)
            while rows > problem.rows.kernel and units * ceil_div(
                problem.height, rows
            ) < wanted_units(request.threads):
                rows = ceil_div(rows, 2)
        return _Blocks(
            even(problem.batch, images), even(problem.height, rows),
            problem.in_channels_per_group, problem.out_channels_per_group, tuning.SUM_TAPS,
        )  # fmt: skip

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for the gradient copied, products, their sums held, and columns added up."""
        problem, blocks = plan.piece.problem, plan.blocks
        units = ceil_div(problem.batch, blocks.images) * ceil_div(problem.height, blocks.rows)
        units *= problem.groups
        weights = math.prod(problem.weight_shape)
        seen = problem.out_height * problem.out_width * problem.batch * problem.out_channels
        parts = problem.batch * problem.groups * problem.height * problem.out_width
        return predicted(
            plan, machine, units,
            band=seen * tuning.MODEL_BAND_STEPS,
            pack=units / problem.groups * weights * tuning.MODEL_PACK_FAR_STEPS[vector_bytes()],
            product=_steps(problem) / tuning.MODEL_WINDOWS_PRODUCT,
            turn=parts * _vectors(problem) * tuning.MODEL_WINDOWS_HELD_STEPS
            + math.prod(problem.x_shape) * tuning.MODEL_WINDOWS_TURN_STEPS,
        )  # fmt: skip

    def accuracy_of(self, plan: Plan) -> Accuracy:
        """Return it for sums in parts, and the columns of windows, which are added one by one."""
        problem, part = plan.piece.problem, plan.blocks.taps
        filters, columns = plan.blocks.filters, problem.columns.kernel
        steps = filters * problem.rows.kernel
        return Accuracy.in_blocks(
            steps * columns, min(steps, part), columns * ceil_div(steps, part)
        )  # fmt: skip


def _steps(problem: ConvProblem) -> float:
    """Return the multiply-adds of whole vectors."""
    pixels = problem.batch * problem.out_height * problem.out_width
    return pixels * problem.out_channels * problem.rows.kernel * _vectors(problem)


def _gathered_steps(problem: ConvProblem) -> float:
    """Return those of a convolution by the phases of the stride, the better of both kinds.

    With channels in the lanes, or with pixels in them, whose tiles are of four channels.
    """
    vector, channels = vector_values(problem), problem.in_channels_per_group
    taps = problem.rows.kernel * problem.columns.kernel / math.prod(problem.stride)
    pixels = problem.batch * problem.height * problem.width
    fours, rest = divmod(channels, 4)
    by_pixels = 4 * fours + tuning.MODEL_FEW_FILTERS_STEPS[vector_bytes()].get(rest, 0)
    lanes = min(ceil_div(channels, vector) * vector, by_pixels / tuning.WINDOWS_PIXEL_LANES)
    phases = 1.0 if problem.stride == (1, 1) else tuning.WINDOWS_PHASES
    return pixels * problem.out_channels * taps * lanes / vector * phases


GEMM_WINDOWS = _Windows()
