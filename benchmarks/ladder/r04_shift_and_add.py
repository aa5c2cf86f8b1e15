"""Shift and add: a product for each tap of the kernel, on the image shifted by it; no columns."""

from __future__ import annotations

from math import prod

import numpy as np

from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import Array, Rung
from benchmarks.ladder.windows import by_group, column_values, padded, taps, unpadded
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer


def forward(layer: Layer, data: Data) -> Array:
    weight = by_group(layer, data.weight)
    y = np.zeros(_split(layer, layer.out_channels), np.float32)
    for r, s, view in taps(layer, padded(layer, data.x)):
        y += weight[..., r, s] @ view.reshape(_split(layer, layer.in_channels))
    return y.reshape(layer.output_shape) + data.bias[:, None, None]


def input_grad(layer: Layer, data: Data) -> Array:
    weight = by_group(layer, data.weight).swapaxes(1, 2)
    grad = data.grad_output.reshape(_split(layer, layer.out_channels))
    image = padded(layer, np.zeros(layer.x_shape, np.float32))
    for r, s, view in taps(layer, image):
        view += (weight[..., r, s] @ grad).reshape(view.shape)
    return unpadded(layer, image)


def weight_grad(layer: Layer, data: Data) -> Array:
    result = np.empty(layer.weight_shape, np.float32)
    grad = data.grad_output.reshape(_split(layer, layer.out_channels))
    for r, s, view in taps(layer, padded(layer, data.x)):
        pixels = view.reshape(_split(layer, layer.in_channels)).swapaxes(-1, -2)
        by_group(layer, result)[..., r, s] = (grad @ pixels).sum(axis=0)
    return result


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    """Return, per tap, the shifted image copied and read, the sums written, read and added."""
    copied = 2 * column_values(layer)
    added = 4 * prod(layer.kernel_size) * prod(layer.output_shape)
    if direction == "weight-grad":
        added = 0
    touched = 4 * (prod(layer.output_shape) + column_values(layer) // prod(layer.kernel_size))
    return 4 * (copied + added) / rates.bandwidth(touched) + rates.product_seconds(layer.flops)


def _split(layer: Layer, channels: int) -> tuple[int, int, int, int]:
    """Return the shape [N][G][channels of a group][pixels]."""
    return layer.batch, layer.groups, channels // layer.groups, prod(layer.output_shape[2:])


RUNG = Rung(
    name="shift and add",
    changed="a product per tap on the shifted image, its results added up",
    went="memory for the columns",
    calls={"forward": forward, "input-grad": input_grad, "weight-grad": weight_grad},
    seconds=seconds,
    rough_gflops=20.0,
)
