"""Packing: weights are put in the order in which the tile takes them, before it does."""

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
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import BASELINE, Array, Rung
from benchmarks.ladder.turned import gradient, refusal, turned
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

EXTENSION = "packing"
# Instructions of a tap beside the tile's: the pixels' offset, their pointer, the panel's, the end.
LOOP = 8


def forward(layer: Layer, data: Data) -> Array:
    tiles = compiling.extension(EXTENSION, BASELINE)
    seen = banded(layer, data.x)
    y = np.empty(layer.output_shape, np.float32)
    tiles.forward(
        seen.image.ravel(), prod(seen.image.shape[1:]), seen.group, seen.row, seen.offsets,
        data.weight.reshape(layer.out_channels, -1), data.bias, y,
        layer.out_channels // layer.groups, np.empty(4 * layer.products, np.float32),
    )  # fmt: skip
    return y


def weight_grad(layer: Layer, data: Data) -> Array:
    tiles = compiling.extension(EXTENSION, BASELINE)
    seen, g = banded(layer, data.x), whole_rows(data.grad_output)
    grad = np.zeros((layer.out_channels, layer.products), np.float32)
    tiles.weight_grad(
        seen.image.ravel(), prod(seen.image.shape[1:]), seen.group, seen.row, seen.offsets, g,
        grad, layer.out_channels // layer.groups, np.empty(4 * prod(g.shape[2:]), np.float32),
        np.empty(48, np.float32),
    )  # fmt: skip
    return grad.reshape(layer.weight_shape)


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    """Return 51 instructions in place of 52, and the weights packed for each image."""
    layer = turned(layer, direction)
    passes = -(-layer.out_channels // layer.groups // 4)
    if direction == "weight-grad":
        packed = 8 * prod(layer.output_shape)
        return gradient_seconds(layer, rates, passes) + packed / rates.bandwidth(packed)
    return tile_seconds(layer, rates, passes, LOOP) + packing_seconds(layer, rates, layer.batch)


RUNG = Rung(
    name="packing",
    changed="the weights of a tile are packed: one pointer instead of four",
    went="weights that lie a filter apart",
    calls={"forward": forward, "input-grad": gradient(forward), "weight-grad": weight_grad},
    seconds=seconds,
    rough_gflops=20.0,
    instruction_set=BASELINE,
    extension=EXTENSION,
    refusal=refusal,
)
