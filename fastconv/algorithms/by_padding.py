"""A convolution in pieces of the image, each with the taps that reach it.

With a large dilation most taps of most pixels fall into the padding. Rows and columns are cut where
that changes (`Axis.by_padding`), and each piece is the convolution with the taps that it has left:

    28 rows, dilation 12, padding 12     rows 0..11: taps 1, 2    12..15: all    16..27: taps 0, 1

Many channels go through the taps instead, and leave padding out of each (gemm_taps.py).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product

from .. import tuning
from ..problem import Axis, ConvProblem, OutputView, Piece, WeightsView
from ..problem.axis import Span
from .decomposition import Bare, Decomposition, plan_pieces
from .gemm_taps import GEMM_TAPS
from .implementation import Chooser, Plan, Refusal, Request

__all__ = ["BY_PADDING"]


class _ByPadding(Decomposition):
    """Forward passes, and phases of an input gradient, which are some too."""

    name = "by_padding"

    def plan(self, request: Request, choose: Chooser) -> Plan | Refusal:
        """Return the plan of the pieces, or why cutting does not pay."""
        problem = request.problem
        if not (_may_be_cut(problem.rows) or _may_be_cut(problem.columns)):
            return Refusal("no padding is far wider than the step from tap to tap", able=False)
        if max(problem.rows.kernel, problem.columns.kernel) > tuning.MOST_PIECES:
            return Refusal("a kernel of so many taps would be cut into too many pieces")
        rows, columns = problem.rows.by_padding, problem.columns.by_padding
        count = len(rows) * len(columns) * request.siblings
        if count > tuning.MOST_PIECES:
            return Refusal(f"there would be {count} pieces")
        needed = _products(rows) * _products(columns)
        share = 1 - needed / (
            problem.rows.outputs * problem.rows.kernel * problem.columns.outputs
            * problem.columns.kernel
        )  # fmt: skip
        if share < tuning.PADDING_SHARE:
            return Refusal(f"only {share:.0%} of the work is multiplying padding")
        if GEMM_TAPS.is_ahead_of_pieces(request, 1 - share):
            return Refusal("going through the taps leaves padding out as well, and is faster")
        return plan_pieces(self, request, choose, *_cut(request.piece))


# One for each family that is asked in turn, which all plan the same pieces.
@lru_cache(maxsize=64)
def _cut(whole: Piece) -> tuple[list[Piece], tuple[Bare, ...]]:
    """Return the pieces, and the pixels that none of them writes."""
    problem = whole.problem
    output = whole.output or OutputView(problem.out_height, problem.out_width, 0, 0, 1, 1)
    pieces, bare = [], []
    for row, column in product(problem.rows.by_padding, problem.columns.by_padding):
        view = _view(output, row, column)
        if row.taps and column.taps:
            pieces.append(_piece(whole, view, row, column))
        else:
            bare.append(_bare(view, row, column))
    return pieces, tuple(bare)


def _may_be_cut(axis: Axis) -> bool:
    return axis.dilation > 1 and max(axis.before, axis.after) > 0


def _products(spans: tuple[Span, ...]) -> int:
    return sum(span.outputs * span.taps for span in spans)


def _view(output: OutputView, row: Span, column: Span) -> OutputView:
    return replace(
        output,
        first_row=output.first_row + row.first * output.row_step,
        first_column=output.first_column + column.first * output.column_step,
    )


def _bare(view: OutputView, row: Span, column: Span) -> Bare:
    first_row, first_column = view.first_row, view.first_column
    return Bare(
        slice(first_row, first_row + row.outputs * view.row_step, view.row_step),
        slice(first_column, first_column + column.outputs * view.column_step, view.column_step),
    )


def _piece(whole: Piece, view: OutputView, row: Span, column: Span) -> Piece:
    problem = whole.problem
    weights = whole.weights or _as_they_lie(problem)
    taken = replace(
        weights,
        first=weights.first + row.first_tap * weights.row + column.first_tap * weights.column,
    )
    cut = replace(problem, rows=problem.rows.shifted(row), columns=problem.columns.shifted(column))
    return Piece(cut, taken, view)


def _as_they_lie(problem: ConvProblem) -> WeightsView:
    plane = problem.rows.kernel * problem.columns.kernel
    return WeightsView(
        first=0,
        group=problem.out_channels_per_group * problem.taps,
        filter=problem.taps,
        channel=plane,
        row=problem.columns.kernel,
        column=1,
        plane=plane,
        end=problem.out_channels * problem.taps,
    )


BY_PADDING = _ByPadding()
