"""Stencils of depthwise layers that do not slide (see slide.py).

kernels/stencil_rows.pxi        pixels in the lanes, four rows of the output at a time, from a band
kernels/stencil_phases.pxi      the same at stride 2, from rows that lie in two phases
kernels/stencil_channels.pxi    channels in the lanes, for planes too narrow for that
"""

from __future__ import annotations

from .. import tuning
from ..machine import Machine
from ..problem import ConvProblem, Piece
from .blocks import (
    Blocks,
    band_bytes,
    ceil_div,
    copies_too_much,
    cut_rows,
    filters_at_once,
    many_filters,
    planes_of_unit,
    scales_far,
)
from .compiled import Kernel, beyond_limit, vector_bytes, vector_values
from .costs import copy_steps, predicted, spread_steps
from .implementation import Plan, Prediction, Request
from .slide import cannot_slide, no_small_square

__all__ = ["STENCIL_CHANNELS", "STENCIL_PHASES", "STENCIL_ROWS"]


class _Rows(Kernel):
    """Any kernel, stride and number of channels."""

    name = "stencil_rows"
    families = ("depthwise",)

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        return beyond_limit(
            f"one row of a group reads {problem.in_channels_per_group} channels of "
            f"{problem.rows.span} rows of the padded image:",
            _group_bytes(problem, 1),
        )

    def unsuited(self, request: Request) -> str | None:
        columns = request.problem.columns.kernel
        if request.problem.rows.kernel == 1 and columns > tuning.STENCIL_MOST_COLUMNS:
            return f"a row of {columns} taps has no pixels that several rows would share"
        problem = request.problem
        reason = scales_far(problem) or many_filters(request.piece, _most_filters(problem))
        reason = reason or _many_channels(request.problem)
        return reason or copies_too_much(request, self.blocks)

    def out_of_place(self, request: Request) -> str | None:
        """Return why weights, which each filter reads as they lie, would take too long, or None."""
        return many_filters(request.piece, tuning.RECKONED_STENCIL_FILTERS[vector_bytes()])

    def blocks(self, request: Request) -> Blocks:
        problem = request.problem
        rows = cut_rows(problem, request.threads, problem.out_height, _group_bytes)
        filters = filters_at_once(
            request.piece, rows * problem.out_width, problem.out_channels_per_group
        )
        return Blocks(1, rows, problem.in_channels_per_group, filters)

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for bands, and tiles in which a square kernel shares what they load."""
        piece, blocks = plan.piece, plan.blocks
        problem, rows = piece.problem, ceil_div(piece.problem.out_height, blocks.rows)
        filters = ceil_div(problem.out_channels_per_group, blocks.filters)
        planes = problem.batch * problem.groups
        across = ceil_div(problem.out_width, vector_values(problem))
        height = _tiled_rows(problem.out_height, blocks.rows)
        vectors = problem.batch * problem.out_channels * height * across
        square, lanes = _shares_rows(problem), vector_bytes()
        is_row = problem.rows.kernel == 1 < problem.columns.kernel
        reached = (
            tuning.MODEL_SQUARE_PRODUCT if square
            else tuning.MODEL_ROW_PRODUCT if is_row
            else tuning.MODEL_ANY_PRODUCT
        )[lanes]  # fmt: skip
        # those of a phase lie from the last to the first, and are gathered for each unit
        weights = 0 if piece.weights is None else problem.out_channels * problem.taps
        taps = problem.taps + (0 if square else tuning.MODEL_STENCIL_BEGUN_TAPS[lanes])
        return predicted(
            plan, machine, planes * rows * filters,
            band=planes * rows * filters * _band_steps(problem, blocks.rows),
            product=vectors * taps / reached * _slower(_group_bytes(problem, blocks.rows)),
            pack=problem.batch * rows * weights * tuning.MODEL_GATHER_STEPS[lanes],
            turn=vectors * tuning.MODEL_STENCIL_VECTOR_STEPS, spread=spread_steps(piece),
        )  # fmt: skip


def _band_steps(problem: ConvProblem, rows: int) -> float:
    """Return the steps of copying the band of so many rows, of all channels of a group."""
    if vector_bytes() not in tuning.MODEL_LINED_STEPS:
        return problem.in_channels_per_group * copy_steps(problem, rows)
    together, apart, begun = tuning.MODEL_LINED_STEPS[vector_bytes()]
    values = _group_bytes(problem, rows) / problem.dtype.itemsize
    seen = (rows - 1) * problem.rows.stride + problem.rows.span
    each = together if problem.stride == (1, 1) else apart
    return values * each + problem.in_channels_per_group * seen * begun


def _tiled_rows(height: int, rows: int) -> int:
    """Return how many rows are computed, in units of so many: the last tile of each hangs over."""
    tile = tuning.MODEL_STENCIL_TILE_ROWS[vector_bytes()]
    units, rest = divmod(height, rows)
    return sum(
        count * (ceil_div(length, tile) * tile if length >= tile else length)
        for count, length in ((units, rows), (1, rest))
    )


def _slower(band: float) -> float:
    """Return how many times as long tiles take whose band, of so many bytes, lies further away."""
    bands = tuning.MODEL_STENCIL_BANDS[vector_bytes()]
    return next(times for most, times in bands if band <= most)


def _shares_rows(problem: ConvProblem) -> bool:
    """Whether the rows of a tile share the pixels that they load."""
    side = problem.rows.kernel
    square = side == problem.columns.kernel and side in (3, 5, 7)
    return square and problem.stride == problem.dilation == (1, 1)


def _most_filters(problem: ConvProblem) -> int:
    """Return for how many filters of a group reading the image once for each is ahead."""
    few: int = tuning.STENCIL_MOST_FILTERS
    threes = _shares_rows(problem) and problem.rows.kernel == 3
    if threes and problem.in_channels_per_group <= tuning.STENCIL_THREES_CHANNELS:
        return max(few, 3)
    return few


def _many_channels(problem: ConvProblem) -> str | None:
    """Return why the tiles of a product are ahead, or None; those of dilated taps are not."""
    channels, most = problem.in_channels_per_group, tuning.STENCIL_OTHER_CHANNELS
    if _shares_rows(problem):
        most = tuning.STENCIL_SQUARE_CHANNELS * problem.out_channels_per_group
        narrow = problem.out_width <= tuning.STENCIL_NARROW * vector_values(problem)
        if narrow and problem.rows.kernel >= tuning.STENCIL_NARROW_ROWS:
            return None
    if channels < most or problem.dilation != (1, 1):
        return None
    return f"of {channels} channels the tiles of a product are faster"


def _group_bytes(problem: ConvProblem, rows: int) -> int:
    return band_bytes(problem, rows, problem.in_channels_per_group, vector_values(problem))


class _Phases(Kernel):
    """One channel a group and a square kernel at stride 2, along rows dealt out to two phases."""

    name = "stencil_phases"
    families = ("depthwise",)

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        if piece.output is not None:
            return "it writes whole rows of the result"
        if problem.stride != (2, 2) or problem.dilation != (1, 1):
            return "it has stride 2 in both directions, without dilation"
        return no_small_square(problem)

    def unsuited(self, request: Request) -> str | None:
        fewest, width = tuning.PHASES_FEWEST_COLUMNS, request.problem.out_width
        if width < fewest:
            return f"it takes rows of {fewest} columns and more, not of {width}"
        problem = request.problem
        filters = tuning.PHASES_FEWEST_FILTERS[vector_bytes()]
        if problem.out_channels_per_group < filters and cannot_slide(problem) is None:
            return f"less than {filters} filters share what is dealt out: strips in place are ahead"
        return many_filters(request.piece, tuning.PHASES_MOST_FILTERS)

    def blocks(self, request: Request) -> Blocks:
        """Return a unit's rows and planes: what it copies of one lies in the first-level cache."""
        problem = request.problem
        filters = problem.out_channels_per_group
        rows = cut_rows(problem, request.threads, problem.out_height, _copied_bytes)
        tile = tuning.PHASES_TILE_ROWS
        rows = min(problem.out_height, ceil_div(rows, tile) * tile)
        pixels = rows * problem.out_width * filters
        return Blocks(planes_of_unit(problem, request.threads, pixels), rows, 1, filters)

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for the rows that are dealt out, and the tiles that take them from there."""
        problem, blocks = plan.piece.problem, plan.blocks
        planes, parts = problem.batch * problem.groups, ceil_div(problem.out_height, blocks.rows)
        seen = planes * (2 * problem.out_height + parts * (problem.rows.kernel - 2))
        across = ceil_div(problem.out_width, vector_values(problem))
        vectors = planes * problem.out_channels_per_group * problem.out_height * across
        taps = problem.rows.kernel * problem.columns.kernel
        return predicted(
            plan, machine, ceil_div(planes, blocks.images) * parts,
            band=seen * (across * tuning.MODEL_DEALT_STEPS + tuning.MODEL_DEALT_ROW_STEPS),
            product=vectors * taps / tuning.MODEL_PHASES_PRODUCT,
            turn=vectors * tuning.MODEL_STENCIL_VECTOR_STEPS,
        )  # fmt: skip


def _copied_bytes(problem: ConvProblem, rows: int) -> int:
    """Return what the rows take that so many output rows see, dealt out."""
    vector, kernel = vector_values(problem), problem.rows.kernel
    columns = (ceil_div(problem.out_width, vector) + 1) * vector
    return (2 * (rows - 1) + kernel) * 2 * columns * problem.dtype.itemsize


class _Channels(Kernel):
    """One channel and one filter per group, a vector of planes turned over."""

    name = "stencil_channels"
    families = ("depthwise",)

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        if not problem.in_channels_per_group == problem.out_channels_per_group == 1:
            return "it takes one channel and one filter per group"
        if min(problem.rows.before, problem.columns.before) < 0:
            return "it cannot leave out the first rows or columns of an image"
        return beyond_limit("a vector of planes, twice, takes", 2 * _planes_bytes(problem))

    def unsuited(self, request: Request) -> str | None:
        problem = request.problem
        vector = vector_values(problem)
        if problem.groups < vector // 2:
            return f"{problem.groups} groups would leave most of a vector's {vector} lanes idle"
        if problem.out_width > tuning.CHANNELS_NARROW * vector:
            return f"rows of {problem.out_width} pixels are long enough for vectors of pixels"
        if _planes_bytes(problem) > tuning.CHANNELS_MOST_PLANE_BYTES:
            return "a vector of planes would not stay in the caches"
        columns = tuning.CHANNELS_FEW_COLUMNS
        slides = request.piece.output is None and cannot_slide(problem) is None
        if slides and problem.out_width > columns:
            return f"with more than {columns} columns sliding is faster"
        return None

    def blocks(self, request: Request) -> Blocks:
        return Blocks(1, 1, 1, 1)

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for planes turned over, there and back, and products of whole vectors."""
        problem = plan.piece.problem
        vectors = problem.batch * ceil_div(problem.groups, vector_values(problem))
        outputs = problem.out_height * problem.out_width
        padded = _planes_bytes(problem) / vector_values(problem) / problem.dtype.itemsize
        spread = 0 if plan.piece.output is None else outputs * vector_values(problem)
        return predicted(
            plan, machine, vectors,
            band=vectors * padded * tuning.MODEL_PLANE_STEPS,
            product=vectors * outputs * problem.taps / tuning.MODEL_CHANNELS_PRODUCT,
            turn=vectors * (outputs * tuning.MODEL_PLANE_BACK_STEPS
                            + spread * tuning.MODEL_SPREAD_STEPS[vector_bytes()][0]),
        )  # fmt: skip


def _planes_bytes(problem: ConvProblem) -> int:
    """Return about what a vector of planes takes, padded or, where pads are negative, whole."""
    height, width = (max(axis.padded, axis.size) for axis in (problem.rows, problem.columns))
    return height * width * vector_values(problem) * problem.dtype.itemsize


STENCIL_ROWS = _Rows()
STENCIL_PHASES = _Phases()
STENCIL_CHANNELS = _Channels()
