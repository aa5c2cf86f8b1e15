"""The tiles of a convolution with fewer multiplications: how they are cut into units, and the cost.

unit      images x rows x columns of the result, in tiles, and a block of filters
scratch   of a thread: what a tile sees, the data of all channels, a few panels and their sums
cycles    those of the product, and beside it of a value that is transformed: of weights, pixels
          and sums. The constants are measured; benchmarks/STUDY.md has them beside the times.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from .. import tuning
from ..problem import Axis, ConvProblem
from ..remembering import remembered
from .blocks import ceil_div, even
from .compiled import kernel, vector_bytes, vector_values

__all__ = ["PANELS_AT_ONCE", "Tiling", "WinogradBlocks", "tiling_of"]

# As kernels/winograd_layout.pxi has it.
PANELS_AT_ONCE = 2
# As kernels/winograd_short.pxi has it.
_MOST_MISSING = 3
# Bytes of vectors of which half of one is multiplied in half the time (winograd_product.pxi), and
# for which units at the edges were measured.
_WIDE = 64

# Of finding a unit, and of a thread that waits for its first.
_UNIT_CYCLES = 3000


class WinogradBlocks(NamedTuple):
    """What a unit computes, how many channels are summed at a time, and a tile's outputs.

    And whether weights come transformed, so that a thread holds none that it makes.
    """

    images: int
    rows: int
    columns: int
    channels: int
    filters: int
    tile: int
    prepared: bool = False


class WinogradCycles(NamedTuple):
    """What the slowest thread takes, in cycles: once, and in each of its units."""

    once: float
    units: int
    product: float
    weights: float
    pixels: float
    sums: float

    @property
    def total(self) -> float:
        """Return all of them, with what a unit takes besides."""
        each = self.product + self.weights + self.pixels + self.sums + _UNIT_CYCLES
        return self.once + self.units * each


class _Side(NamedTuple):
    """A tile along an axis, as struct Line of kernels/winograd_lines.pxi."""

    outputs: int
    values: int
    dilation: int
    beyond: int  # pixels seen besides the outputs'
    tiles: int  # that cover all outputs; as many lie interleaved as the dilation says
    missing: int  # outputs of the last, as many of whose values are not multiplied

    @classmethod
    def of(cls, axis: Axis, tile: int) -> _Side:
        if axis.kernel == 1:
            return cls(1, 1, 1, 0, axis.outputs, 0)
        beyond, step = (axis.kernel - 1) * axis.dilation, tile * axis.dilation
        tiles = -(-axis.outputs // step) * axis.dilation
        missing = min(_MOST_MISSING, tiles * tile - axis.outputs) if axis.dilation == 1 else 0
        return cls(tile, tile + axis.kernel - 1, axis.dilation, beyond, tiles, missing)

    @property
    def multiplied(self) -> float:
        """Return which part of the values of all tiles is."""
        return 1 - self.missing / (self.tiles * self.values)


class Tiling:
    """A problem in tiles of so many outputs a side."""

    def __init__(self, problem: ConvProblem, tile: int) -> None:
        itemsize = problem.dtype.itemsize
        self.problem, self.tile, self.itemsize = problem, tile, itemsize
        self.down, self.across = _Side.of(problem.rows, tile), _Side.of(problem.columns, tile)
        self.values = self.down.values * self.across.values
        self.vector = vector_values(problem)
        self.filters = problem.out_channels_per_group
        self.channels = problem.in_channels_per_group
        self.panels: int = kernel("panels_of_filters")(self.filters, itemsize)
        self.channel_vectors = ceil_div(self.channels, self.vector)
        self.taps = problem.rows.kernel * problem.columns.kernel
        self._best: dict[tuple[int, int, bool], tuple[float, WinogradBlocks]] = {}

    def cut(self, tiles: int, batch: int, *, prepared: bool = False) -> WinogradBlocks:
        """Return blocks of about so many tiles: part of a row, rows, or images."""
        down, across = self.down, self.across
        # Of tiles that are interleaved, all or none.
        high, wide = down.tiles // down.dilation, across.tiles // across.dilation
        most = max(1, tiles // (down.dilation * across.dilation))
        columns = even(wide, min(wide, most))
        rows = even(high, max(1, min(high, most // columns)))
        images = 1
        if (rows, columns) == (high, wide):
            images = even(batch, max(1, min(batch, most // (rows * columns))))
        # whole vectors, as the data lie, and about as many each time
        channels = even(self.channel_vectors, ceil_div(tuning.WINOGRAD_CHANNELS, self.vector))
        return WinogradBlocks(
            images,
            min(rows * down.outputs * down.dilation, self.problem.out_height),
            min(columns * across.outputs * across.dilation, self.problem.out_width),
            min(channels * self.vector, self.channels),
            self.filters,
            self.tile,
            prepared,
        )

    def scratch_bytes(self, blocks: WinogradBlocks) -> int:
        """Return about how many bytes a thread holds."""
        high, wide = self._tiles(blocks)
        tiles = blocks.images * high * wide
        width = wide * self.across.outputs + self.across.beyond
        height = high * self.down.outputs + self.down.beyond
        seen = (height + self.down.values) * width * self.vector
        data = self.values * (self.channel_vectors * self.vector * tiles + 32)
        at_once = self._first_of(1) * min(PANELS_AT_ONCE, self._panels_of(blocks))
        made = min(self.values, 2 * self.across.values)  # rows of two points, or all of a line
        weights = 0 if blocks.prepared else blocks.channels * at_once * (made + self.taps)
        sums = self.values * at_once * (tiles + 8)
        rows = self.down.outputs * blocks.columns * self.vector
        return (seen + data + weights + sums + rows) * self.itemsize

    def cycles(self, blocks: WinogradBlocks, batch: int, threads: int) -> WinogradCycles:
        """Return about how many cycles the slowest thread takes."""
        problem, values, channels = self.problem, self.values, self.channels
        lanes = vector_bytes()
        high, wide = self._tiles(blocks)
        tiles: float = blocks.images * high * wide
        vectors = -(-blocks.filters // self.vector)
        units = self.units(blocks, batch)
        shares = self.shares(blocks)
        # Each thread has all tiles: those of the units at the edges are fewer.
        if 1 < threads == shares or (threads == 1 and lanes == _WIDE):
            tiles = batch * self.down.tiles * self.across.tiles * problem.groups * shares / units
        pairs = channels * vectors  # of a channel and a vector of filters
        covered = tiles * self.down.multiplied * self.across.multiplied
        covered += tuning.WINOGRAD_TILES_BESIDE[lanes]
        product = values * pairs * covered / 2 / tuning.WINOGRAD_PRODUCT[lanes]
        if lanes == _WIDE and 0 < blocks.filters % self.vector <= self.vector // 2:
            product *= 1 - (tuning.WINOGRAD_LONE_HALF_SPARES if vectors == 1 else 0.5) / vectors
        weights = pairs * (
            values * tuning.WINOGRAD_WEIGHT_CYCLES[lanes]
            + self.taps * tuning.WINOGRAD_TAP_CYCLES[lanes]
        )
        if self.reads_far_weights:
            weights += tuning.FAR_TAP_CYCLES[lanes] * channels * blocks.filters * self.taps
        once = 0.0
        moved, multiplied = self._measured_shares(lanes)
        weights *= moved
        product *= multiplied
        if blocks.prepared:
            weights = 0
            product = max(product, self._far_cycles(blocks))
        elif self.shares_weights(blocks, batch, threads):
            once = weights * shares * problem.groups / threads
            weights = 0
        pixels = values * self.channel_vectors * tiles * tuning.WINOGRAD_PIXEL_CYCLES[lanes]
        sums = values * vectors * tiles * tuning.WINOGRAD_SUM_CYCLES[lanes]
        return WinogradCycles(
            once, -(-units // threads), product, weights, moved * pixels, moved * sums
        )

    def _measured_shares(self, lanes: int) -> tuple[float, float]:
        """Return which parts of the cycles the transforms take, and the product."""
        taps = max(self.problem.rows.kernel, self.problem.columns.kernel)
        if self.tile > 2 or taps <= 3:
            return 1.0, 1.0
        if min(self.problem.rows.kernel, self.problem.columns.kernel) > 1:
            return tuning.WINOGRAD_TWO_TRANSFORM[lanes], 1.0
        return tuning.WINOGRAD_LINE_TRANSFORM[lanes], tuning.WINOGRAD_LINE_PRODUCT[lanes]

    def _far_cycles(self, blocks: WinogradBlocks) -> float:
        """Return in how many the kept weights of a unit come from memory, if they do."""
        if self._weights_bytes <= tuning.WINOGRAD_FAR_BYTES:
            return 0.0
        weights = self.values * self.channels * blocks.filters * self.itemsize
        return weights / tuning.WINOGRAD_FAR_BYTES_PER_CYCLE[vector_bytes()]

    def units(self, blocks: WinogradBlocks, batch: int) -> int:
        """Return how many units of such blocks there are."""
        problem = self.problem
        return (
            -(-batch // blocks.images) * problem.groups
            * -(-problem.out_height // blocks.rows) * -(-problem.out_width // blocks.columns)
            * self.shares(blocks)
        )  # fmt: skip

    def shares(self, blocks: WinogradBlocks) -> int:
        """Return how many blocks of filters there are, each for a thread if there are several."""
        return -(-self.panels // self._panels_of(blocks))

    def _panels_of(self, blocks: WinogradBlocks) -> int:
        """Return how many panels a unit has."""
        last = min(blocks.filters, self.filters)
        found: int = kernel("panels_before_filter")(self.filters, self.itemsize, last)
        return found

    def _first_of(self, panel: int) -> int:
        """Return with which filter a panel begins."""
        found: int = kernel("first_of_panel")(self.filters, self.itemsize, panel)
        return found

    def shares_weights(self, blocks: WinogradBlocks, batch: int, threads: int) -> bool:
        """Whether a call transforms the weights first, since many units would do so each."""
        shares = self.problem.groups * self.shares(blocks)
        return (
            self._weights_bytes <= tuning.WINOGRAD_SHARED_BYTES
            and self.units(blocks, batch) >= tuning.WINOGRAD_UNITS_SHARING * threads * shares
        )

    def best(self, batch: int, threads: int, *, prepared: bool) -> tuple[float, WinogradBlocks]:
        """Return the cycles and the blocks by which the slowest thread is done first."""
        asked = batch, threads, prepared and self.keeps_weights
        if asked not in self._best:  # by one's rivals too
            self._best[asked] = min(
                (self.cycles(blocks, batch, threads).total, blocks)
                for blocks in self._choices(*asked)
            )
        return self._best[asked]

    @cached_property
    def keeps_weights(self) -> bool:
        """Whether a plan keeps transformed weights, which may then come from memory each time."""
        return self._weights_bytes <= tuning.WINOGRAD_WEIGHTS_BYTES

    @cached_property
    def _weights_bytes(self) -> int:
        """Return how many bytes the weights of all groups take, transformed."""
        return self.values * self.channels * self.problem.out_channels * self.itemsize

    @cached_property
    def reads_far_weights(self) -> bool:
        """Whether those that are given come from memory in each call."""
        weights = self.taps * self.channels * self.problem.out_channels
        return weights * self.itemsize > tuning.FAR_WEIGHTS_BYTES

    def _tiles(self, blocks: WinogradBlocks) -> tuple[int, int]:
        """Return how many tiles a unit has in a column and in a row of an image."""
        (m, _, d, *_), (n, _, e, *_) = self.down, self.across
        return -(-blocks.rows // (m * d)) * d, -(-blocks.columns // (n * e)) * e

    def _choices(self, batch: int, threads: int, prepared: bool) -> Iterator[WinogradBlocks]:
        """Yield blocks that fit the scratch, of all filters and of a thread's share of them."""
        shares = {1, min(self.panels, threads)}
        data = self.values * self.channel_vectors * self.vector * self.itemsize  # of a tile
        sizes: tuple[int, ...] = tuning.WINOGRAD_TILES + tuple(
            tiles
            for tiles in tuning.WINOGRAD_MANY_TILES[vector_bytes()]
            if tiles * data <= tuning.WINOGRAD_MANY_TILES_BYTES
        )
        fitting: list[WinogradBlocks] = []
        while not fitting:
            cuts = (self.cut(tiles, batch, prepared=prepared) for tiles in sizes)
            fitting = [one for one in cuts if sizes == (1,) or self._fits(one)]
            sizes = (ceil_div(min(sizes), 2),)
        for blocks in fitting:
            for share in shares:
                last = self._first_of(ceil_div(self.panels, share))
                yield blocks._replace(filters=min(self.filters, last))

    def _fits(self, blocks: WinogradBlocks) -> bool:
        return self.scratch_bytes(blocks) <= tuning.MOST_SCRATCH_BYTES


# Planning asks for the same ones again and again.
@remembered
def tiling_of(problem: ConvProblem, tile: int) -> Tiling:
    """Return the problem in tiles of so many outputs a side."""
    return Tiling(problem, tile)
