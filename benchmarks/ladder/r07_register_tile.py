"""One register tile: sums of 4 filters × 12 pixels stay in registers over all taps."""

from __future__ import annotations

from math import prod

import numpy as np

from benchmarks.ladder import compiling
from benchmarks.ladder.banded import banded, gradient_seconds, tile_seconds, whole_rows
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import BASELINE, Array, Rung
from benchmarks.ladder.turned import gradient, refusal, turned
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

EXTENSION = "register_tile"
# Instructions of a tap beside the tile's: the pixels' offset, four pointers a filter apart, the end
# of the loop.
LOOP = 9


def forward(layer: Layer, data: Data) -> Array:
    tiles = compiling.extension(EXTENSION, BASELINE)
    seen = banded(layer, data.x)
    y = np.empty(layer.output_shape, np.float32)
    tiles.forward(
        seen.image.ravel(), prod(seen.image.shape[1:]), seen.group, seen.row, seen.offsets,
        data.weight.reshape(layer.out_channels, -1), data.bias, y,
        layer.out_channels // layer.groups,
    )  # fmt: skip
    return y


def weight_grad(layer: Layer, data: Data) -> Array:
    tiles = compiling.extension(EXTENSION, BASELINE)
    seen, g = banded(layer, data.x), whole_rows(data.grad_output)
    grad = np.zeros((layer.out_channels, layer.products), np.float32)
    tiles.weight_grad(
        seen.image.ravel(), prod(seen.image.shape[1:]), seen.group, seen.row, seen.offsets, g,
        grad, layer.out_channels // layer.groups, np.empty(48, np.float32),
    )  # fmt: skip
    return grad.reshape(layer.weight_shape)


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    """Return 52 instructions for 48 multiply-adds, or the image passing by for every 4 filters."""
    layer = turned(layer, direction)
    passes = -(-layer.out_channels // layer.groups // 4)
    if direction == "weight-grad":
        return gradient_seconds(layer, rates, passes)
    return tile_seconds(layer, rates, passes, LOOP)


RUNG = Rung(
    name="register tile",
    changed="sums of 4 filters × 12 pixels stay in registers over all taps",
    went="loading and storing a sum for every product",
    calls={"forward": forward, "input-grad": gradient(forward), "weight-grad": weight_grad},
    seconds=seconds,
    rough_gflops=20.0,
    instruction_set=BASELINE,
    extension=EXTENSION,
    refusal=refusal,
)
