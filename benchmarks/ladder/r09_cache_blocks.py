"""Cache blocks: channels and rows in blocks, so that what all filters read stays near."""

from __future__ import annotations

from math import prod

import numpy as np

from benchmarks.ladder import compiling
from benchmarks.ladder.banded import (
    banded,
    gradient_seconds,
    packing_seconds,
    tile_seconds,
    whole_rows,
)
from benchmarks.ladder.r08_packing import LOOP
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import BASELINE, Array, Rung
from benchmarks.ladder.turned import gradient, refusal, turned
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

EXTENSION = "cache_blocks"
# Half of a first-level cache of 32 KiB for a panel of 4 filters, half of a second-level one of
# 512 KiB for the rows: what today's x86 processors have at least (Zen; Intel's have more).
PANEL_TAPS = 16 * 1024 // 4 // 4
ROWS_BYTES = 256 * 1024


def forward(layer: Layer, data: Data) -> Array:
    tiles = compiling.extension(EXTENSION, BASELINE)
    seen = banded(layer, data.x)
    y = np.empty(layer.output_shape, np.float32)
    channels, rows = blocks(layer)
    taps = channels * prod(layer.kernel_size)
    tiles.forward(
        seen.image.ravel(), prod(seen.image.shape[1:]), seen.group, seen.row, seen.offsets,
        data.weight.reshape(layer.out_channels, -1), data.bias, y,
        layer.out_channels // layer.groups, np.empty(4 * taps, np.float32), taps, rows,
    )  # fmt: skip
    return y


def weight_grad(layer: Layer, data: Data) -> Array:
    tiles = compiling.extension(EXTENSION, BASELINE)
    seen, g = banded(layer, data.x), whole_rows(data.grad_output)
    grad = np.zeros((layer.out_channels, layer.products), np.float32)
    channels, rows = blocks(layer)
    tiles.weight_grad(
        seen.image.ravel(), prod(seen.image.shape[1:]), seen.group, seen.row, seen.offsets, g,
        grad, layer.out_channels // layer.groups,
        np.empty(4 * rows * g.shape[3], np.float32), channels * prod(layer.kernel_size), rows,
        np.empty(48, np.float32),
    )  # fmt: skip
    return grad.reshape(layer.weight_shape)


def blocks(layer: Layer) -> tuple[int, int]:
    """Return the channels of a block, and its rows of the output."""
    channels = layer.in_channels // layer.groups
    most = max(1, PANEL_TAPS // prod(layer.kernel_size))
    channels = -(-channels // -(-channels // most))  # blocks of about the same size
    row = 4 * channels * (layer.width + 2 * layer.padding_size[1])
    seen = (layer.kernel_size[0] - 1) * layer.dilation + 1
    rows = (ROWS_BYTES // row - seen) // layer.stride + 1
    return channels, min(max(1, rows), layer.output_shape[2])


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    """Return the same 51 instructions, weights packed for each block, sums that wait in y."""
    layer = turned(layer, direction)
    channels, rows = blocks(layer)
    if direction == "weight-grad":
        packed = 8 * prod(layer.output_shape) * -(-layer.in_channels // layer.groups // channels)
        return gradient_seconds(layer, rates, passes=1) + packed / rates.bandwidth(packed)
    turns = -(-layer.in_channels // layer.groups // channels) - 1
    waiting = 8 * turns * prod(layer.output_shape)
    blocks_of_rows = layer.batch * -(-layer.output_shape[2] // rows)
    return (
        tile_seconds(layer, rates, 1, LOOP)
        + packing_seconds(layer, rates, blocks_of_rows)
        + waiting / rates.bandwidth(4 * prod(layer.output_shape))
    )


RUNG = Rung(
    name="cache blocks",
    changed="channels and rows in blocks that stay in the caches while all filters pass",
    went="the whole image passing by for every 4 filters",
    calls={"forward": forward, "input-grad": gradient(forward), "weight-grad": weight_grad},
    seconds=seconds,
    rough_gflops=20.0,
    instruction_set=BASELINE,
    extension=EXTENSION,
    refusal=refusal,
)
