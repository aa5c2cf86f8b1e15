"""3x3 convolutions of images with few channels, in half the multiplications: winograd_few.pxi.

Tiles of four rows, F(4, 3) down the columns; the taps of a row are summed as they are. Of squares
(winograd.py) transforming sums back takes longer than the sums of few channels; here they stay in
registers.
"""

from __future__ import annotations

from collections.abc import Callable

from .. import tuning
from ..machine import Machine
from ..problem import ConvProblem, Piece
from ..problem.operands import Array
from .blocks import Blocks, band_bytes, ceil_div, copies_too_much, cut_rows, even
from .compiled import (
    Description,
    Kernel,
    at_line,
    beyond_limit,
    kernel,
    vector_bytes,
    vector_values,
)
from .costs import copy_steps, predicted
from .implementation import Accuracy, Plan, Prediction, Request

__all__ = ["WINOGRAD_FEW"]

# As kernels/winograd_few.pxi has them: rows of a tile, and values of a column.
_ROWS = 4
_VALUES = 6


class _Few(Kernel):
    """F(4, 3) down the columns."""

    name = "winograd_few"
    families = ("winograd",)
    general = False
    level = "default"
    gain = 0.95
    # of as many points along a line as winograd_line_4x3 has, and by the same transforms
    accuracy = Accuracy(40, 2, componentwise=False, exact_on_integers=False)

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        sides = (problem.rows.kernel, problem.columns.kernel)
        if sides != (3, 3) or problem.stride != (1, 1) or problem.dilation != (1, 1):
            return "it has kernels of 3×3, without stride and dilation"
        if piece.output is not None:
            return "it writes whole rows of the result"
        vector = vector_values(problem)
        if problem.out_width < vector:
            return f"it has no rows of fewer than {vector} pixels"
        steps = 3 * problem.in_channels_per_group
        if steps > tuning.SUM_TAPS:
            return f"it sums up to {tuning.SUM_TAPS} taps in a row"
        return beyond_limit(
            "a row of tiles, and the transformed weights, take", _scratch_bytes(problem, _ROWS)
        )

    def unsuited(self, request: Request) -> str | None:
        problem, lanes = request.problem, vector_bytes()
        channels, filters = problem.in_channels_per_group, problem.out_channels_per_group
        most, fewest = tuning.FEW_MOST_CHANNELS[lanes], tuning.FEW_FEWEST_FILTERS
        if most == 0:
            return "of vectors of this length it was not measured"
        if channels > most:
            return f"of {channels} channels, more than {most}, squares are ahead"
        if filters < fewest:
            return f"{filters} filters are too few for pixels that are transformed"
        return copies_too_much(request, self.blocks)

    def blocks(self, request: Request) -> Blocks:
        """Return rows of whole tiles: more of them change no bit."""
        problem = request.problem
        rows = cut_rows(problem, request.threads, problem.out_height, _scratch_bytes)
        rows = min(rows, max(_ROWS, tuning.FEW_UNIT_VALUES // problem.out_width))
        tiles = even(ceil_div(problem.out_height, _ROWS), ceil_div(rows, _ROWS))
        return Blocks(
            1, _ROWS * tiles, problem.in_channels_per_group, problem.out_channels_per_group
        )

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for steps of a tile, and transforming back what it has summed."""
        problem, blocks = plan.piece.problem, plan.blocks
        channels, filters = problem.in_channels_per_group, problem.out_channels_per_group
        units = problem.batch * problem.groups * ceil_div(problem.out_height, blocks.rows)
        tiles = problem.batch * problem.groups * ceil_div(problem.out_height, _ROWS)
        tiles *= ceil_div(problem.out_width, vector_values(problem))
        panel: int = kernel("few_filters")()
        lanes = ceil_div(filters, panel) * panel
        sums = tiles * lanes * _VALUES
        seen = tiles * 3 * channels * _VALUES
        weights = 0 if plan.prepared else units * filters * 9 * channels
        return predicted(
            plan, machine, units,
            band=units * channels * copy_steps(problem, blocks.rows),
            transform=tuning.MODEL_FEW_SEEN_STEPS * seen,
            pack=tuning.MODEL_FEW_WEIGHT_STEPS * weights,
            product=sums * 3 * channels / tuning.MODEL_FEW_PRODUCT,
            turn=tuning.MODEL_FEW_SUM_STEPS * sums,
        )  # fmt: skip

    def multiplications(self, problem: ConvProblem) -> int:
        """Return how many it does: six for a column of four outputs and each tap of a row."""
        tiles = problem.batch * ceil_div(problem.out_height, _ROWS) * problem.out_width
        return tiles * _VALUES * 3 * problem.in_channels_per_group * problem.out_channels

    def make_prepare(self, piece: Piece) -> Callable[[Array], Array] | None:
        problem = piece.problem
        # Any units: the panels do not depend on them.
        blocks = Blocks(1, _ROWS, problem.in_channels_per_group, problem.out_channels_per_group)
        description = Description(self.entry, piece, blocks)
        compiled, size = kernel("make_few_weights"), kernel("few_panels_values")(description)

        def prepare(weight: Array) -> Array:
            panels = at_line(size * problem.dtype.itemsize).view(problem.dtype)
            compiled(description, weight, panels)
            return panels

        return prepare


def _scratch_bytes(problem: ConvProblem, rows: int) -> int:
    """Return about what so many rows of the output take of the scratch."""
    channels, filters = problem.in_channels_per_group, problem.out_channels_per_group
    tiles = ceil_div(rows, _ROWS) * _ROWS
    transformed = 3 * channels * _VALUES * (filters + 4 + vector_values(problem))
    return channels * band_bytes(problem, tiles, 1) + transformed * problem.dtype.itemsize


WINOGRAD_FEW = _Few()
