"""Convolution with fewer multiplications: kernels/winograd.pxi.

    tile      m x m outputs, of which there are batch · ⌈OH/m⌉ · ⌈OW/m⌉
    product   (m + 2)² multiplications for each tile, channel and filter, where there were 9·m²
    beside    transforming pixels, once for every channel; sums, once for every filter; and the
              weights, in each unit if no plan has done it

What it saves is 2.25, 4 and 5.06 for m = 2, 4 and 6; what it costs, and the pixels by which tiles
hang over, `_cycles` counts. It is chosen where it then needs fewer than direct sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from .. import tuning
from ..levels import Level, allows
from ..problem import ConvProblem, Piece
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

__all__ = ["WINOGRAD_2", "WINOGRAD_4", "WINOGRAD_6"]


# As kernels/winograd.pxi has it.
_PANELS_AT_ONCE = 2


class _Blocks(NamedTuple):
    """What a unit computes, and how many channels are summed at a time."""

    images: int
    rows: int
    columns: int
    channels: int
    filters: int


class _Winograd(Kernel):
    """F(m x m, 3 x 3) for one m: `outputs`."""

    families = ("winograd",)

    def __init__(self, outputs: int, level: Level, accuracy: Accuracy) -> None:
        self.name = f"winograd_{outputs}"
        self.outputs = outputs
        self.level = level
        self.accuracy = accuracy

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        if (problem.rows.kernel, problem.columns.kernel) != (3, 3):
            return f"it has kernels of 3×3, not {problem.rows.kernel}×{problem.columns.kernel}"
        if problem.stride != (1, 1) or problem.dilation != (1, 1):
            return "it has stride 1 and dilation 1"
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
        for other in _ALL:
            if (
                other is not self
                and allows(request.accuracy, other.level)
                and other.unable(request.piece) is None
                and other._cycles_of(request) < own
            ):
                return f"tiles of {other.outputs}×{other.outputs} are ahead"
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
        panel: int = kernel("panel_filters")(self.name, problem.dtype.itemsize)
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
        m = self.outputs
        down, across = ceil_div(problem.out_height, m), ceil_div(problem.out_width, m)
        wide = even(across, min(across, tiles))
        high = even(down, max(1, min(down, tiles // wide)))
        whole = (high, wide) == (down, across)
        images = max(1, min(problem.batch, tiles // (high * wide))) if whole else 1
        return _Blocks(
            even(problem.batch, images),
            min(high * m, problem.out_height),
            min(wide * m, problem.out_width),
            # whole vectors, as the data lie
            min(self._vectors(problem, tuning.WINOGRAD_CHANNELS), problem.in_channels_per_group),
            problem.out_channels_per_group,
        )

    def _vectors(self, problem: ConvProblem, values: int) -> int:
        """Return at least so many values, in whole vectors."""
        vector = vector_values(problem)
        return ceil_div(values, vector) * vector

    def _tiles(self, blocks: _Blocks) -> int:
        m = self.outputs
        return blocks.images * ceil_div(blocks.rows, m) * ceil_div(blocks.columns, m)

    def _scratch(self, piece: Piece, blocks: _Blocks) -> int:
        """Return about how many bytes a thread holds."""
        problem = piece.problem
        m, vector = self.outputs, vector_values(problem)
        values = (m + 2) ** 2
        panel: int = kernel("panel_filters")(self.name, problem.dtype.itemsize)
        tiles = self._tiles(blocks)
        seen = (blocks.rows + m + 1) * (blocks.columns + m + 1)
        channels = self._vectors(problem, problem.in_channels_per_group)
        data = values * (channels * tiles + 32)
        at_once = panel * min(_PANELS_AT_ONCE, ceil_div(blocks.filters, panel))
        weights = blocks.channels * (values * at_once + 9 * panel)
        sums = values * at_once * (tiles + 8) + m * blocks.columns * vector
        return (seen * 2 * vector + data + weights + sums) * problem.dtype.itemsize

    def _cycles(self, request: Request, blocks: _Blocks) -> float:
        """Return about how many cycles it takes, as measured in benchmarks/STUDY.md."""
        problem = request.problem
        vector = vector_values(problem)
        values = (self.outputs + 2) ** 2
        channels, tiles = problem.in_channels_per_group, self._tiles(blocks)
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
        values = (self.outputs + 2) ** 2 * problem.in_channels_per_group * problem.out_channels
        return values * problem.dtype.itemsize <= tuning.WINOGRAD_WEIGHTS_BYTES

    def make_prepare(self, piece: Piece) -> Callable[[Array], Array] | None:
        return partial(self._transform, piece) if self._is_prepared(piece) else None

    def _transform(self, piece: Piece, weight: Array) -> Array:
        """Return the weights transformed, in panels, at the start of a cache line."""
        # One tile is enough of a description: they do not depend on how many there are.
        description = Description(self.name, piece, self._cut(piece.problem, 1))
        values = kernel("transformed_values")(description)
        panels = at_line(values * piece.problem.dtype.itemsize).view(piece.problem.dtype)
        kernel("transform_weights")(description, weight, panels)
        return panels


# The growth that can be proved is three times what the absolute values of the transforms make of a
# product; what errors usually are is measured. tests/fastconv/test_winograd.py has both.
WINOGRAD_2 = _Winograd(2, "default", Accuracy(50, 2, componentwise=False, exact_on_integers=False))
WINOGRAD_4 = _Winograd(4, "default", Accuracy(530, 4, componentwise=False, exact_on_integers=False))
WINOGRAD_6 = _Winograd(6, "fast", Accuracy(4700, 16, componentwise=False, exact_on_integers=False))

_ALL = (WINOGRAD_2, WINOGRAD_4, WINOGRAD_6)
