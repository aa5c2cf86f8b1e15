"""The input gradient as forward passes: one for each phase of the image's pixels.

    dx[c, h] = Σ over k, r of  w[k, c, r] · grad[k, (h + P - r·D) / S]      where that is whole

(one axis; the other is the same). Image rows h = first + i·S are a phase. The taps whose quotients
are whole there are every so-and-so-many-th one (`Axis.by_stride`), and seen from the last to the
first they read rows of the gradient at fixed distances: a convolution at stride 1, with filters and
channels of the weights exchanged. At stride 1 there is a single phase, the whole image.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product

from .. import tuning
from ..problem import Axis, ConvProblem, OutputView, Piece, WeightsView
from ..problem.axis import Phase
from .decomposition import Bare, Decomposition, plan_pieces
from .implementation import Chooser, Plan, Refusal, Request

__all__ = ["BY_STRIDE"]


class _ByStride(Decomposition):
    """Input gradients, and so transposed convolutions."""

    name = "by_stride"

    def plan(self, request: Request, choose: Chooser) -> Plan | Refusal:
        """Return the plan of the phases, or why there are too many."""
        problem = request.problem
        most = problem.rows.most_phases * problem.columns.most_phases
        if most > tuning.MOST_PIECES:
            return Refusal(
                f"a stride of {problem.stride} would make {most} convolutions of it, more than "
                f"{tuning.MOST_PIECES}"
            )
        pieces, bare = _cut(problem)
        work = sum(piece.problem.flops for piece in pieces)
        if work > tuning.MOST_GATHERED * problem.flops and not request.forced:
            return Refusal(
                f"gathering for every pixel takes {work / problem.flops:.0f} times the products "
                "that spreading the gradient does, most of them with padding",
                able=True,
            )
        return plan_pieces(self, request, choose, pieces, bare)


# One for each family that is asked in turn, which all plan the same pieces.
@lru_cache(maxsize=64)
def _cut(problem: ConvProblem) -> tuple[list[Piece], tuple[Bare, ...]]:
    """Return the phases, and the whole image where there are pixels in none of them."""
    rows, columns = problem.rows.by_stride, problem.columns.by_stride
    pieces = [_piece(problem, row, column) for row, column in product(rows, columns)]
    reached = _covers(problem.rows, rows) and _covers(problem.columns, columns)
    return pieces, () if reached else (Bare(slice(None), slice(None)),)


def _covers(axis: Axis, phases: tuple[Phase, ...]) -> bool:
    """Whether every pixel is in one of the phases."""
    return len(phases) == min(axis.stride, axis.size)


def _piece(problem: ConvProblem, row: Phase, column: Phase) -> Piece:
    convolution = replace(
        problem,
        in_channels=problem.out_channels,
        out_channels=problem.in_channels,
        rows=row.axis,
        columns=column.axis,
        activation=None,
        has_bias=False,
    )
    width, plane = problem.columns.kernel, problem.rows.kernel * problem.columns.kernel
    filters, channels = problem.in_channels_per_group, problem.out_channels_per_group
    weights = WeightsView(
        first=row.last_tap * width + column.last_tap,
        group=channels * filters * plane,
        filter=plane,
        channel=filters * plane,
        row=-row.tap_step * width,
        column=-column.tap_step,
        plane=plane,
        end=problem.groups * channels * filters * plane,
    )
    if problem.stride == (1, 1):
        return Piece(convolution, weights)
    return Piece(
        convolution,
        weights,
        OutputView(problem.height, problem.width, row.first, column.first, *problem.stride),
    )


BY_STRIDE = _ByStride()
