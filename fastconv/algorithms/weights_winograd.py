"""The weight gradient of 3×3 with fewer multiplications: kernels/weights_winograd.pxi.

    dw [K/groups x C/groups x 3·3]    of every tile of m x m of the output's gradient, and of the
                                      (m + 2)² pixels that it sees, values are multiplied one by
                                      one and summed over tiles and images

    product   (m + 2)² multiplications for each tile, channel and filter, where there were 9·m²
    beside    transforming pixels, once for every block of filters; gradients, once for every block
              of channels; and sums, once for every weight and part

What is summed in which order depends on the problem alone, as do all weight gradients; `cycles`
chooses it, and whether it is ahead of direct sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import tuning
from ..levels import Level
from ..machine import Machine
from ..problem import ConvProblem, Piece
from ..remembering import remembered
from .blocks import ceil_div, even
from .compiled import beyond_limit, kernel, vector_values
from .costs import of_winograd
from .implementation import Accuracy, Plan, Prediction, Request
from .rivals import Rival
from .weights import WeightsKernel, direct_weight_cycles
from .winograd_tiles import PANELS_AT_ONCE

__all__ = ["WEIGHTS_WINOGRAD_2", "WEIGHTS_WINOGRAD_4", "WEIGHTS_WINOGRAD_6"]


# As kernels/weights_winograd.pxi has it.
_CHANNELS_AT_ONCE = 64

# So many blocks of filters are tried, and of channels beside each.
_FILTER_BLOCKS, _CHANNEL_BLOCKS = 8, 3


# An int or a float: or an array of them, where all blocks that are tried are asked at once.
_Count: TypeAlias = Any
_Time: TypeAlias = Any


class _Blocks(NamedTuple):
    """Of how many tiles the sums are at a time, and what a unit computes."""

    images: _Count
    rows: _Count
    columns: _Count
    channels: _Count
    filters: _Count
    parts: _Count


class _Cycles(NamedTuple):
    """What a unit takes for each value of a tile."""

    product: _Time
    pixels: _Time
    gradients: _Time
    sums: _Time


class _Sizes(NamedTuple):
    """What the blocks are chosen by: the extents of a problem, in tiles too, and of a vector."""

    batch: int
    groups: int
    channels: int
    filters: int
    height: int
    width: int
    down: int
    across: int
    itemsize: int
    vector: int
    vectors: int
    panel: int
    panels: int


class _WeightsWinograd(Rival, WeightsKernel):
    """F(3 x 3, m x m) for one m: `side`."""

    families = ("winograd",)

    def __init__(self, side: int, level: Level, accuracy: Accuracy) -> None:
        self.name = f"weights_winograd_{side}"
        self.side = side
        self.tiles = f"tiles of {side}×{side}"
        self.values = (side + 2) ** 2
        self.level = level
        self.accuracy = accuracy

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        if (problem.rows.kernel, problem.columns.kernel) != (3, 3):
            return f"it has kernels of 3×3, not {problem.rows.kernel}×{problem.columns.kernel}"
        if problem.stride != (1, 1) or problem.dilation != (1, 1):
            return "it has stride 1 and dilation 1"
        sizes = self._sizes(problem)
        least = self._cut(sizes, 1)._replace(
            filters=min(sizes.filters, sizes.panel), channels=min(sizes.channels, sizes.vector)
        )
        return beyond_limit(
            "a transformed tile of a few channels and filters, and their sums, take",
            int(self._scratch(sizes, least)),
        )

    @property
    def rivals(self) -> Sequence[Rival]:
        return _ALL

    def most_cycles(self, request: Request) -> tuple[float, float]:
        direct = direct_weight_cycles(request.problem)
        return tuning.WEIGHTS_WINOGRAD_GAIN * direct, direct

    def blocks(self, request: Request) -> _Blocks:
        return _best_blocks(self, self._sizes(request.problem))

    def cycles(self, request: Request) -> float:
        """Return those of one thread."""
        sizes = self._sizes(request.problem)
        blocks = _best_blocks(self, sizes)
        return _units(sizes, blocks) * self._unit_cycles(sizes, blocks)

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return what it was chosen by, of the slowest thread."""
        sizes, threads = self._sizes(plan.piece.problem), plan.threads or 1
        cycles = self._stage_cycles(sizes, plan.blocks)
        units = ceil_div(_units(sizes, plan.blocks), threads)
        return of_winograd(
            plan, machine, units,
            product=tuning.MODEL_WEIGHTS_WINOGRAD_PRODUCT * cycles.product * self.values * units,
            transform=(cycles.pixels + cycles.gradients + cycles.sums) * self.values * units,
        )  # fmt: skip

    def _sizes(self, problem: ConvProblem) -> _Sizes:
        channels, filters = problem.in_channels_per_group, problem.out_channels_per_group
        height, width = problem.out_height, problem.out_width
        vector = vector_values(problem)
        panel: int = kernel("panel_filters")(self.name, problem.dtype.itemsize)
        return _Sizes(
            problem.batch, problem.groups, channels, filters, height, width,
            ceil_div(height, self.side), ceil_div(width, self.side), problem.dtype.itemsize,
            vector, ceil_div(channels, vector), panel, ceil_div(filters, panel),
        )  # fmt: skip

    def blocks_of(self, sizes: _Sizes) -> _Blocks:
        """Return the blocks that are best for any of a few numbers of threads, in the mean."""
        tiles: tuple[int, ...] = tuning.WEIGHTS_WINOGRAD_TILES
        while not len((tried := self._fitting(sizes, tiles)).channels):
            tiles = (ceil_div(min(tiles), 2),)
        units = _units(sizes, tried)
        threads = tuning.WEIGHTS_WINOGRAD_THREADS
        rounded = sum([n * -(-units // n) for n in threads])  # units, so that all have as many
        cycles = self._unit_cycles(sizes, tried) * rounded
        best, parts = divmod(int(cycles.argmin()), cycles.shape[1])
        blocks = _Blocks(*(int(one[best, 0]) for one in tried))
        return blocks._replace(parts=int(tried.parts[best, parts]))

    def _fitting(self, sizes: _Sizes, tiles: Sequence[int]) -> _Blocks:
        """Return what is tried: a few numbers of filters and channels, those of the most first.

        The scratch is asked for each of them with all others, and holds some of them:

            tiles [T x 1 x 1]  filters [F x 1]  channels [C]  →  all [tried x 1], parts [tried x P]
        """
        cuts = list({self._cut(sizes, count): None for count in tiles})
        # Floats, since products of whole numbers may be larger than any integer of NumPy.
        images, rows, columns = np.array([cut[:3] for cut in cuts], float).T[:, :, None, None]
        channels = np.minimum(sizes.channels, sizes.vector * _divided(sizes.vectors))
        filters = np.minimum(sizes.filters, sizes.panel * _divided(sizes.panels))[:, None]
        scratch = self._scratch(sizes, _Blocks(images, rows, columns, channels, filters, 1))
        fits = scratch <= tuning.MOST_SCRATCH_BYTES
        some = fits[:, :, -1:]
        most = (fits.cumsum(axis=2) <= _CHANNEL_BLOCKS) & (some.cumsum(axis=1) <= _FILTER_BLOCKS)
        tile, filter_, channel = np.nonzero(fits & most)
        tried = _Blocks(
            images[tile, 0], rows[tile, 0], columns[tile, 0], channels[channel, None],
            filters[filter_], 1,
        )  # fmt: skip
        return tried._replace(parts=_parts(sizes, tried))

    def _cut(self, sizes: _Sizes, tiles: int) -> _Blocks:
        """Return blocks of about so many tiles: part of a row, rows, or images."""
        m, down, across = self.side, sizes.down, sizes.across
        wide = even(across, min(across, tiles))
        high = even(down, max(1, min(down, tiles // wide)))
        whole = (high, wide) == (down, across)
        images = max(1, min(sizes.batch, tiles // (high * wide))) if whole else 1
        return _Blocks(
            even(sizes.batch, images), min(high * m, sizes.height), min(wide * m, sizes.width),
            sizes.channels, sizes.filters, 1,
        )  # fmt: skip

    def _scratch(self, sizes: _Sizes, blocks: _Blocks) -> _Count:
        """Return about how many bytes a thread holds."""
        m, vector = self.side, sizes.vector
        tiles = blocks.images * -(-blocks.rows // m) * -(-blocks.columns // m)
        seen = (blocks.rows + m + 1) * (blocks.columns + m + 1) * vector
        filters = -(-blocks.filters // vector) * vector
        runs = -(-blocks.channels // _CHANNELS_AT_ONCE)
        run = -(-blocks.channels // (vector * runs)) * vector
        images = self.values * (tiles * (runs * run + filters) + 64)
        once = _count(sizes, blocks) == 1
        filters = np.where(once, np.minimum(filters, PANELS_AT_ONCE * sizes.panel), filters)
        runs = np.where(once, 1, runs)
        sums = self.values * (filters * (run + 8) + 32) * runs + 10 * run * vector
        return (2 * seen + images + sums) * sizes.itemsize

    def _unit_cycles(self, sizes: _Sizes, blocks: _Blocks) -> _Time:
        """Return about how many cycles a unit takes, as measured in benchmarks/STUDY.md."""
        return self.values * sum(self._stage_cycles(sizes, blocks)) + 3000

    def _stage_cycles(self, sizes: _Sizes, blocks: _Blocks) -> _Cycles:
        """Return those of a unit by stage, for each value of a tile."""
        channels, vectors = blocks.channels, -(-blocks.channels // sizes.vector)
        panels = -(-blocks.filters // sizes.vector)
        tiles = sizes.batch * sizes.down * sizes.across / blocks.parts
        count = _count(sizes, blocks) / blocks.parts
        begun = tuning.WEIGHTS_WINOGRAD_BEGIN * count
        begun += tuning.WEIGHTS_WINOGRAD_ADD * count * (count > 1)
        product = channels * panels * (tiles + begun) / 2 / tuning.WEIGHTS_WINOGRAD_PRODUCT
        pixels = vectors * tiles * tuning.WEIGHTS_WINOGRAD_PIXEL_CYCLES
        gradients = panels * tiles * tuning.WEIGHTS_WINOGRAD_GRADIENT_CYCLES
        sums = channels * panels * tuning.WEIGHTS_WINOGRAD_SUM_CYCLES
        return _Cycles(product, pixels, gradients, sums)


# Each of them asks for those of all the others.
@remembered
def _best_blocks(winograd: _WeightsWinograd, sizes: _Sizes) -> _Blocks:
    return winograd.blocks_of(sizes)


def _count(sizes: _Sizes, blocks: _Blocks) -> _Count:
    """Return how many blocks of tiles there are."""
    return (
        -(-sizes.batch // blocks.images) * -(-sizes.height // blocks.rows)
        * -(-sizes.width // blocks.columns)
    )  # fmt: skip


def _units(sizes: _Sizes, blocks: _Blocks) -> _Count:
    return (
        blocks.parts * sizes.groups * -(-sizes.filters // blocks.filters)
        * -(-sizes.channels // blocks.channels)
    )  # fmt: skip


def _parts(sizes: _Sizes, blocks: _Blocks) -> _Count:
    """Return in how many parts the tiles may be cut, each with its copy of dw."""
    copy = sizes.groups * sizes.filters * sizes.channels * 9 * sizes.itemsize
    most = np.minimum(_count(sizes, blocks), tuning.WEIGHTS_MOST_COPIES_BYTES // copy)
    return np.minimum(np.maximum(most, 1), tuning.WEIGHTS_WINOGRAD_PARTS)


@lru_cache(maxsize=256)
def _divided(total: int) -> NDArray[np.float64]:
    """Return the total, and what is left of it cut into ever more parts, down to 1."""
    divided, parts = [total], 1
    while parts < total:
        parts = max(parts + 1, parts * 4 // 3)
        divided.append(ceil_div(total, parts))
    return np.array(divided, float)


# The growth that can be proved is twelve times what the absolute values of the transforms make of a
# product, for sums as short as one; what errors usually are is measured.
# tests/fastconv/test_weights_winograd.py has both.
WEIGHTS_WINOGRAD_2 = _WeightsWinograd(
    2, "default", Accuracy(200, 2, componentwise=False, exact_on_integers=False)
)
WEIGHTS_WINOGRAD_4 = _WeightsWinograd(
    4, "default", Accuracy(2200, 4, componentwise=False, exact_on_integers=False)
)
WEIGHTS_WINOGRAD_6 = _WeightsWinograd(
    6, "fast", Accuracy(19000, 16, componentwise=False, exact_on_integers=False)
)

_ALL = (WEIGHTS_WINOGRAD_2, WEIGHTS_WINOGRAD_4, WEIGHTS_WINOGRAD_6)
