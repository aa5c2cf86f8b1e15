"""Stencils of depthwise layers that slide down strips of the image in place.

kernels/strip.pxi           how a strip is read
kernels/stencil_slide.pxi   forward, and the input gradient of stride 1
kernels/stencil_spread.pxi  the input gradient of stride 2
kernels/weights_slide.pxi   the weight gradient (algorithms/weights.py)
"""

from __future__ import annotations

from .. import tuning
from ..machine import Machine
from ..problem import ConvProblem, Piece
from .blocks import Blocks, ceil_div, cut_rows, lies_far, many_filters, planes_of_unit
from .compiled import Kernel, vector_bytes, vector_values
from .costs import predicted
from .implementation import Plan, Prediction, Request

__all__ = ["SLIDE", "SPREAD", "cannot_slide", "no_small_square", "rows_bytes"]


def no_small_square(problem: ConvProblem) -> str | None:
    """Return why it is no stencil of one channel whose square of taps is unrolled, or None."""
    size = problem.rows.kernel
    if problem.in_channels_per_group != 1:
        return f"it takes one channel per group, here are {problem.in_channels_per_group}"
    if problem.columns.kernel != size or size not in (3, 5, 7):
        return f"it has kernels of 3×3, 5×5 and 7×7, not {size}×{problem.columns.kernel}"
    if problem.stride not in ((1, 1), (2, 2)) or problem.dilation != (1, 1):
        return "it has strides 1 and 2 in both directions, without dilation"
    return None


def cannot_slide(problem: ConvProblem) -> str | None:
    """Return why strips of the image cannot be read in place, or None.

    Rows may be padded by any number. Columns by less than the kernel: so far a strip reaches into
    the neighbouring rows at the most.
    """
    size, reason = problem.rows.kernel, no_small_square(problem)
    if reason is not None:
        return reason
    if max(problem.columns.before, problem.columns.after) >= size:
        return f"columns are padded by as much as the kernel, {size}"
    if rows_bytes(problem, 1) > tuning.MOST_SCRATCH_BYTES:
        return "the rows of the image that one row sees are too long to be copied at its end"
    return None


def rows_bytes(problem: ConvProblem, rows: int) -> int:
    """Return what the rows of a channel take that so many output rows see."""
    seen = (rows - 1) * problem.rows.stride + problem.rows.kernel
    return min(problem.height, seen) * problem.width * problem.dtype.itemsize


class _Slide(Kernel):
    """Forward: a row of the image is loaded once for all rows of the output that see it."""

    name = "stencil_slide"
    families = ("depthwise",)

    def unable(self, piece: Piece) -> str | None:
        if piece.output is not None:
            return "it writes whole rows of the result"
        return cannot_slide(piece.problem)

    def unsuited(self, request: Request) -> str | None:
        return many_filters(request.piece, tuning.SLIDE_MOST_FILTERS)

    def out_of_place(self, request: Request) -> str | None:
        """Refuse rows of a single vector, whose ends take several times what the model says.

        At stride 2 others too: those that are dealt out once (stencil_phases) are ahead.
        """
        problem = request.problem
        vector, width = vector_values(problem), problem.out_width
        if width <= vector:
            return f"a row of {width} outputs is no more than a vector of {vector}"
        few = problem.out_channels_per_group < tuning.PHASES_FEWEST_FILTERS[vector_bytes()]
        if problem.stride == (2, 2) and width >= tuning.PHASES_FEWEST_COLUMNS and not few:
            return "at stride 2 rows are dealt out once for all taps"
        return None

    def blocks(self, request: Request) -> Blocks:
        problem = request.problem
        filters = problem.out_channels_per_group
        rows = cut_rows(problem, request.threads, problem.out_height, rows_bytes)
        planes = 1
        if rows == problem.out_height:
            planes = planes_of_unit(problem, request.threads, rows * problem.out_width * filters)
        return Blocks(planes, rows, 1, filters, far=lies_far(problem))

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for the strips: their multiply-adds, and loading and storing of each row."""
        problem, blocks = plan.piece.problem, plan.blocks
        planes, rows = problem.batch * problem.groups, ceil_div(problem.out_height, blocks.rows)
        strips = planes * blocks.filters * ceil_div(problem.out_width, vector_values(problem))
        taps, stride = problem.rows.kernel * problem.columns.kernel, problem.rows.stride
        # above and below its outputs a strip sees rows for which it multiplies as well
        over = rows * (problem.rows.kernel - 1) // stride
        # a row that was loaded is multiplied with every row of taps
        lanes = vector_bytes()
        loaded = tuning.MODEL_SLIDE_LOAD_STEPS[lanes][stride] / problem.rows.kernel
        return predicted(
            plan, machine, ceil_div(planes, blocks.images) * rows,
            # far rows are brought near before, once for all strips
            strips=1 if blocks.far else ceil_div(problem.out_width, 2 * vector_values(problem)),
            waited=tuning.MODEL_SLIDE_MEMORY[lanes][stride],
            product=strips * (problem.out_height + over) * taps
            * (1 / tuning.MODEL_SLIDE_PRODUCT[lanes][stride] + loaded),
            turn=strips * (problem.out_height * tuning.MODEL_SLIDE_ROW_STEPS[stride]
                           + rows * tuning.MODEL_STRIP_STEPS),
        )  # fmt: skip


class _Spread(Kernel):
    """The input gradient of stride 2: all phases of the image in one go."""

    name = "stencil_spread"
    families = ("depthwise",)

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        reason = cannot_slide(problem)
        if reason is not None:
            return reason
        if problem.stride != (2, 2) or problem.out_channels_per_group != 1:
            return "it has stride 2 and one filter per group"
        if problem.rows.before % 2 != problem.columns.before % 2:
            return "rows and columns are padded by an odd and an even number"
        return None

    def unsuited(self, request: Request) -> str | None:
        problem = request.problem
        vector = vector_values(problem)
        if problem.width > vector:
            return None
        return f"a row of {problem.width} pixels does not fill a vector of {vector}"

    def out_of_place(self, request: Request) -> str | None:
        return None

    def blocks(self, request: Request) -> Blocks:
        problem = request.problem
        rows = cut_rows(problem, request.threads, problem.height, _spread_bytes, least=2)
        planes = 1
        if rows == problem.height:
            planes = planes_of_unit(problem, request.threads, rows * problem.width)
        return Blocks(planes, rows + rows % 2, 1, 1, far=lies_far(problem))

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for the strips of the gradient, each row of which makes two of the result."""
        problem, blocks = plan.piece.problem, plan.blocks
        planes, rows = problem.batch * problem.groups, ceil_div(problem.height, blocks.rows)
        strips = planes * ceil_div(problem.out_width, vector_values(problem))
        pairs = ceil_div(problem.height, 2)
        taps = problem.rows.kernel * problem.columns.kernel
        return predicted(
            plan, machine, ceil_div(planes, blocks.images) * rows,
            product=strips * pairs * taps / tuning.MODEL_SPREAD_PRODUCT,
            turn=strips * (pairs * tuning.MODEL_SPREAD_PAIR_STEPS
                           + rows * tuning.MODEL_STRIP_STEPS),
        )  # fmt: skip


def _spread_bytes(problem: ConvProblem, rows: int) -> int:
    """Return what the rows of a plane of the gradient take that so many rows of dx see."""
    seen = ceil_div(rows, 2) + (problem.rows.kernel - 1) // 2
    return min(problem.out_height, seen) * problem.out_width * problem.dtype.itemsize


SLIDE = _Slide()
SPREAD = _Spread()
