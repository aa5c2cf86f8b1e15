"""Convolution with fewer multiplications: kernels/winograd.pxi.

    F(m x m, r x r)    tiles of m x m outputs, batch · ⌈OH/m⌉ · ⌈OW/m⌉ of them; and for each tile,
                       channel and filter (m + r - 1)² multiplications in place of m²·r²
    F(m, r)            the same along one axis, for kernels of 1 x r and r x 1
    beside             transforming pixels, once for every channel; sums, once for every filter; and
                       the weights, in each unit if no plan has done it

It needs so many times fewer multiplications, and accuracy=, for results less accurate:

      m x r        2x3        4x3        6x3        2x5        4x5        2x7
    square        2.25       4.00    5.06 fast      2.78    6.25 fast  3.06 fast
      line        1.50       2.00       2.25        1.67       2.50       1.75

What it costs, and the pixels by which tiles hang over, `_cycles` counts. It is chosen where it then
needs fewer than direct sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeAlias

from .. import tuning
from ..levels import Level, allows
from ..problem import Axis, ConvProblem, Piece
from ..problem.operands import Array
from .blocks import ceil_div, even
from .compiled import (
    Description,
    Kernel,
    at_line,
    beyond_limit,
    kernel,
    not_built,
    vector_values,
)
from .gemm import direct_cycles
from .implementation import Accuracy, Chooser, Plan, Refusal, Request

__all__ = ["WINOGRAD"]


# As kernels/winograd_layout.pxi has it.
_PANELS_AT_ONCE = 2


# Of so many points: the growth and the usual size of errors, and who may have them. The growth that
# can be proved is three times what the absolute values of the transforms make of a product, whether
# tile or kernel has most of these points; what errors usually are is measured.
# tests/fastconv/test_winograd.py has both.
_Errors: TypeAlias = dict[int, tuple[float, float, Level]]
_SQUARES: _Errors = {4: (50, 2, "default"), 6: (530, 4, "default"), 8: (4700, 16, "fast")}
_LINES: _Errors = {4: (13, 2, "default"), 6: (40, 2, "default"), 8: (120, 4, "default")}


class _Blocks(NamedTuple):
    """What a unit computes, and how many channels are summed at a time."""

    images: int
    rows: int
    columns: int
    channels: int
    filters: int
    tile: int


class _Side(NamedTuple):
    """A tile along an axis, as struct Line of kernels/winograd_lines.pxi."""

    outputs: int
    values: int
    together: int
    beyond: int

    @classmethod
    def of(cls, axis: Axis, tile: int) -> _Side:
        if axis.kernel == 1:
            return cls(1, 1, 1, 0)
        return cls(
            tile, tile + axis.kernel - 1, tile * axis.dilation, (axis.kernel - 1) * axis.dilation
        )

    def tiles(self, outputs: int) -> int:
        """Return how many tiles cover so many outputs."""
        return ceil_div(outputs, self.together) * (self.together // self.outputs)


class _Winograd(Kernel):
    """F(m x m, r x r), or F(m, r) along a line, for one m, `outputs`, and one r, `taps`."""

    families = ("winograd",)
    entry = "winograd"

    def __init__(self, outputs: int, taps: int, *, line: bool = False) -> None:
        self.name = f"winograd_{'line_' if line else ''}{outputs}x{taps}"
        self.outputs = outputs
        self.kernels = ((1, taps), (taps, 1)) if line else ((taps, taps),)
        points = outputs + taps - 1
        growth, typical, self.level = (_LINES if line else _SQUARES)[points]
        self.accuracy = Accuracy(growth, typical, componentwise=False, exact_on_integers=False)

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        sides = (problem.rows.kernel, problem.columns.kernel)
        if sides not in self.kernels:
            own = " and ".join(f"{rows}×{columns}" for rows, columns in self.kernels)
            return f"it has kernels of {own}, not {sides[0]}×{sides[1]}"
        if problem.stride != (1, 1):
            return "it has stride 1"
        if piece.output is not None:
            return "it writes whole rows of the result"
        return beyond_limit(
            "all channels of a tile, transformed, and a panel of the weights take",
            self._scratch(piece, self._cut(problem, 1)),
        )

    def unsuited(self, request: Request) -> str | None:
        """Return what needs fewer cycles than this, or None.

        Of a single image by a single thread, whatever is asked for: other algorithms give other
        bits, which shall depend on neither batch nor threads.
        """
        request = self._alone(request)
        own = self._cycles_of(request)
        direct = direct_cycles(request.problem, prepared=request.prepared)
        if own > tuning.WINOGRAD_GAIN * direct:
            return f"it would take {own / direct:.0%} of the cycles of direct sums"
        return self._ahead(request, own)

    def _ahead(self, request: Request, own: float) -> str | None:
        """Return who of the others needs fewer cycles than one's own."""
        for other in WINOGRAD:
            if (
                other is not self
                and allows(request.accuracy, other.level)
                and other.unable(request.piece) is None
                and other._cycles_of(request) < own
            ):
                return f"tiles of {other.outputs} outputs a side are ahead"
        return None

    def plan(self, request: Request, choose: Chooser) -> Plan | Refusal:
        """Return as `Kernel` does; where the family is forced, still its best."""
        if request.forced and request.backend in self.families and not_built() is None:
            reason = self.unable(request.piece)
            if reason is None:
                one = self._alone(request)
                reason = self._ahead(one, self._cycles_of(one))
                if reason is not None:
                    return Refusal(reason, able=True)
        return super().plan(request, choose)

    def _alone(self, request: Request) -> Request:
        """Return the request for a single image and thread."""
        one = replace(request.piece, problem=replace(request.problem, batch=1))
        return replace(request, piece=one, threads=1)

    def blocks(self, request: Request) -> _Blocks:
        """Return the blocks by which the slowest thread is done first."""
        return min(self._choices(request), key=partial(self._cycles, request))

    def _cycles_of(self, request: Request) -> float:
        return self._cycles(request, self.blocks(request))

    def _choices(self, request: Request) -> Iterator[_Blocks]:
        problem = request.problem
        filters = problem.out_channels_per_group
        panel: int = kernel("panel_filters")(self.entry, problem.dtype.itemsize)
        panels = ceil_div(filters, panel)
        fitting = [
            blocks
            for blocks in map(partial(self._cut, problem), tuning.WINOGRAD_TILES)
            if self._scratch(request.piece, blocks) <= tuning.MOST_SCRATCH_BYTES
        ]
        tiles = min(tuning.WINOGRAD_TILES)
        while not fitting:
            tiles = ceil_div(tiles, 2)
            blocks = self._cut(problem, tiles)
            if tiles == 1 or self._scratch(request.piece, blocks) <= tuning.MOST_SCRATCH_BYTES:
                fitting.append(blocks)
        for blocks in fitting:
            for parts in {1, min(panels, request.threads)}:
                yield blocks._replace(filters=min(filters, ceil_div(panels, parts) * panel))

    def _cut(self, problem: ConvProblem, tiles: int) -> _Blocks:
        """Return blocks of about so many tiles: part of a row, rows, or images."""
        down, across = self._sides(problem)
        # Of tiles that are interleaved, all or none.
        together = (down.together // down.outputs) * (across.together // across.outputs)
        high, wide = (
            ceil_div(outputs, side.together)
            for outputs, side in ((problem.out_height, down), (problem.out_width, across))
        )
        most = max(1, tiles // together)
        columns = even(wide, min(wide, most))
        rows = even(high, max(1, min(high, most // columns)))
        whole = (rows, columns) == (high, wide)
        images = max(1, min(problem.batch, most // (rows * columns))) if whole else 1
        return _Blocks(
            even(problem.batch, images),
            min(rows * down.together, problem.out_height),
            min(columns * across.together, problem.out_width),
            # whole vectors, as the data lie
            min(self._vectors(problem, tuning.WINOGRAD_CHANNELS), problem.in_channels_per_group),
            problem.out_channels_per_group,
            self.outputs,
        )

    def _sides(self, problem: ConvProblem) -> tuple[_Side, _Side]:
        """Return a tile's columns and its rows."""
        return _Side.of(problem.rows, self.outputs), _Side.of(problem.columns, self.outputs)

    def _vectors(self, problem: ConvProblem, values: int) -> int:
        """Return at least so many values, in whole vectors."""
        vector = vector_values(problem)
        return ceil_div(values, vector) * vector

    def _tiles(self, problem: ConvProblem, blocks: _Blocks) -> int:
        down, across = self._sides(problem)
        return blocks.images * down.tiles(blocks.rows) * across.tiles(blocks.columns)

    def _scratch(self, piece: Piece, blocks: _Blocks) -> int:
        """Return about how many bytes a thread holds."""
        problem = piece.problem
        down, across = self._sides(problem)
        vector = vector_values(problem)
        values = down.values * across.values
        panel: int = kernel("panel_filters")(self.entry, problem.dtype.itemsize)
        tiles = self._tiles(problem, blocks)
        width = across.tiles(blocks.columns) * across.outputs + across.beyond
        height = down.tiles(blocks.rows) * down.outputs + down.beyond
        seen = (height + down.values) * width * vector
        channels = self._vectors(problem, problem.in_channels_per_group)
        data = values * (channels * tiles + 32)
        at_once = panel * min(_PANELS_AT_ONCE, ceil_div(blocks.filters, panel))
        taps = problem.rows.kernel * problem.columns.kernel
        weights = blocks.channels * (values * at_once + taps * panel)
        sums = values * at_once * (tiles + 8) + down.outputs * blocks.columns * vector
        return (seen + data + weights + sums) * problem.dtype.itemsize

    def _cycles(self, request: Request, blocks: _Blocks) -> float:
        """Return about how many cycles it takes, as measured in benchmarks/STUDY.md."""
        problem = request.problem
        vector = vector_values(problem)
        down, across = self._sides(problem)
        values = down.values * across.values
        channels, tiles = problem.in_channels_per_group, self._tiles(problem, blocks)
        panels = ceil_div(min(blocks.filters, problem.out_channels_per_group), vector)
        units = (
            ceil_div(problem.batch, blocks.images) * problem.groups
            * ceil_div(problem.out_height, blocks.rows)
            * ceil_div(problem.out_width, blocks.columns)
            * ceil_div(problem.out_channels_per_group, blocks.filters)
        )  # fmt: skip
        product = values * channels * panels * (tiles + 2) / 2 / tuning.WINOGRAD_PRODUCT
        weights = values * channels * panels * tuning.WINOGRAD_WEIGHT_CYCLES
        if request.prepared and self._is_prepared(request.piece):
            weights = 0
        pixels = values * ceil_div(channels, vector) * tiles * tuning.WINOGRAD_PIXEL_CYCLES
        sums = values * panels * tiles * tuning.WINOGRAD_SUM_CYCLES
        return ceil_div(units, request.threads) * (product + weights + pixels + sums + 3000)

    def _is_prepared(self, piece: Piece) -> bool:
        """Whether a plan keeps transformed weights: not if they would come from memory each time.

        Making them of what are a fraction of the bytes is faster then.
        """
        problem = piece.problem
        down, across = self._sides(problem)
        values = down.values * across.values * problem.in_channels_per_group * problem.out_channels
        return values * problem.dtype.itemsize <= tuning.WINOGRAD_WEIGHTS_BYTES

    def make_prepare(self, piece: Piece) -> Callable[[Array], Array] | None:
        return partial(self._transform, piece) if self._is_prepared(piece) else None

    def _transform(self, piece: Piece, weight: Array) -> Array:
        """Return the weights transformed, in panels, at the start of a cache line."""
        # One tile is enough of a description: they do not depend on how many there are.
        description = Description(self.entry, piece, self._cut(piece.problem, 1))
        values = kernel("transformed_values")(description)
        panels = at_line(values * piece.problem.dtype.itemsize).view(piece.problem.dtype)
        kernel("transform_weights")(description, weight, panels)
        return panels


# In the order in which they are asked.
_TILES = ((6, 3), (4, 3), (2, 3), (4, 5), (2, 5), (2, 7))
WINOGRAD = (
    *(_Winograd(*tile) for tile in _TILES),
    *(_Winograd(*tile, line=True) for tile in _TILES),
)
