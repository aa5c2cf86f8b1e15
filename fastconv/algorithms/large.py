"""The stencil of large kernels: kernels/stencil_large.pxi."""

from __future__ import annotations

from .. import tuning
from ..machine import Machine
from ..problem import ConvProblem, Piece
from .blocks import Blocks, ceil_div, even, many_filters, wanted_units
from .compiled import Kernel, beyond_limit, kernel, vector_values
from .costs import predicted
from .implementation import Plan, Prediction, Request

__all__ = ["STENCIL_LARGE"]


class _Large(Kernel):
    """One channel a group and any kernel, at stride 1."""

    name = "stencil_large"
    families = ("depthwise",)

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        if problem.in_channels_per_group != 1:
            return f"it takes one channel per group, here are {problem.in_channels_per_group}"
        if problem.stride != (1, 1) or problem.dilation[0] != 1:
            return "it has stride 1, and no dilation from row to row"
        if piece.output is not None:
            return "it writes whole rows of the result"
        return beyond_limit(
            "what a strip of one row sees, and the weights of a tile, take",
            self._bytes(problem, 1, 1),
        )

    def unsuited(self, request: Request) -> str | None:
        problem = request.problem
        taps, width = problem.rows.kernel * problem.columns.kernel, problem.out_width
        if problem.rows.kernel == 1:
            return "a kernel of one row has no pixels that several rows would share"
        if taps < tuning.LARGE_FEWEST_TAPS:
            return f"a kernel of {taps} taps is not worth a copy of what its strips see"
        _, lanes = self._tile(problem)
        if width < tuning.LARGE_LANES_USED * ceil_div(width, lanes) * lanes:
            return f"rows of {width} pixels leave lanes of a strip of {lanes} idle"
        across = (problem.columns.kernel - 1) * problem.dilation[1]
        if across > tuning.MOST_COPIES_OF_A_PRODUCT * taps * lanes:
            return f"a strip of {lanes} pixels would copy {across} more, for {taps} taps"
        return many_filters(request.piece, tuning.LARGE_MOST_FILTERS)

    def blocks(self, request: Request) -> Blocks:
        """Return a unit's rows: of what its strip copies, few are copied twice."""
        problem = request.problem
        filters = min(problem.out_channels_per_group, tuning.LARGE_FILTERS_AT_ONCE)
        while filters > 1 and self._bytes(problem, 1, filters) > tuning.MOST_SCRATCH_BYTES:
            filters -= 1
        rows = max(tuning.LARGE_FEWEST_ROWS, problem.rows.kernel)
        while rows > 1 and self._bytes(problem, rows, filters) > tuning.MOST_SCRATCH_BYTES:
            rows = ceil_div(rows, 2)
        height = problem.out_height
        planes = problem.batch * problem.groups
        wanted = wanted_units(request.threads)
        fewest = tuning.LARGE_FEWEST_ROWS // 4
        while rows > fewest and planes * ceil_div(height, rows) < wanted:
            rows = ceil_div(rows, 2)
        return Blocks(1, even(height, min(rows, height)), 1, filters)

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for the strips that are copied, and the tiles that cover them."""
        problem, blocks = plan.piece.problem, plan.blocks
        tile_rows, lanes = self._tile(problem)
        down, across = problem.rows.kernel, problem.columns.kernel
        planes, rows = problem.batch * problem.groups, ceil_div(problem.out_height, blocks.rows)
        strips = ceil_div(problem.out_width, lanes)
        filters = problem.out_channels_per_group
        seen = blocks.rows + down - 1
        copied = seen * (lanes + (across - 1) * problem.dilation[1])
        tiles = rows * ceil_div(blocks.rows, tile_rows) * strips
        vectors = tile_rows * lanes / vector_values(problem)
        packed = (down + tile_rows - 1) * across * tile_rows
        units = planes * rows * strips * ceil_div(filters, blocks.filters)
        return predicted(
            plan, machine, units,
            band=units * copied * tuning.MODEL_STRIP_VALUE_STEPS,
            pack=planes * rows * filters * packed * tuning.MODEL_PACK_SHIFTED_STEPS,
            product=planes * filters * tiles * vectors
            * (down * across / tuning.MODEL_LARGE_PRODUCT + tuning.MODEL_LARGE_TILE_STEPS),
        )  # fmt: skip

    def _tile(self, problem: ConvProblem) -> tuple[int, int]:
        """Return rows and columns of a tile."""
        shape: tuple[int, int] = kernel("tile_shape")(problem.rows.kernel, problem.dtype.itemsize)
        return shape

    def _bytes(self, problem: ConvProblem, rows: int, filters: int) -> int:
        """Return about what a thread holds: a strip, panels, and a filter brought into order."""
        taps, across = problem.rows.kernel, problem.columns.kernel
        tile_rows, lanes = self._tile(problem)
        seen = max(rows, tile_rows) + taps - 1
        strip = seen * (lanes + (across - 1) * problem.dilation[1] + vector_values(problem))
        panels = filters * (taps + tile_rows - 1) * across * tile_rows
        return (strip + panels + taps * across) * problem.dtype.itemsize


STENCIL_LARGE = _Large()
