"""im2col by strides: the windows are a view of the image, copied once, and one product follows."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import Array, Rung
from benchmarks.ladder.windows import column_values, padded, taps, unpadded
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer


def forward(layer: Layer, data: Data) -> Array:
    y = _matrix(layer, data.weight) @ _columns(layer, data.x)
    return y.reshape(layer.output_shape) + data.bias[:, None, None]


def input_grad(layer: Layer, data: Data) -> Array:
    columns = _matrix(layer, data.weight).swapaxes(-1, -2) @ _by_pixel(layer, data.grad_output)
    n, _, rows, across = layer.output_shape
    split = columns.reshape(n, layer.in_channels, *layer.kernel_size, rows, across)
    image = padded(layer, np.zeros(layer.x_shape, np.float32))
    for r, s, view in taps(layer, image):
        view += split[:, :, r, s]
    return unpadded(layer, image)


def weight_grad(layer: Layer, data: Data) -> Array:
    columns = _columns(layer, data.x).swapaxes(-1, -2)
    return (_by_pixel(layer, data.grad_output) @ columns).sum(axis=0).reshape(layer.weight_shape)


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    """Return the columns written and read again (or read, and added), and the product."""
    values = column_values(layer)
    return 16 * values / rates.bandwidth(4 * values) + rates.product_seconds(layer.flops)


def _columns(layer: Layer, x: Array) -> Array:
    """Return [N][G][taps of a filter][pixels]."""
    step = layer.dilation
    extent = tuple((size - 1) * step + 1 for size in layer.kernel_size)
    windows = sliding_window_view(padded(layer, x), extent, axis=(2, 3))
    windows = windows[:, :, :: layer.stride, :: layer.stride, ::step, ::step]
    copied = np.ascontiguousarray(windows.transpose(0, 1, 4, 5, 2, 3))
    return copied.reshape(layer.batch, layer.groups, layer.products, -1)


def _matrix(layer: Layer, weight: Array) -> Array:
    return weight.reshape(layer.groups, -1, layer.products)


def _by_pixel(layer: Layer, grad: Array) -> Array:
    return grad.reshape(layer.batch, layer.groups, layer.out_channels // layer.groups, -1)


RUNG = Rung(
    name="sliding windows",
    changed="windows are a view of the image that is copied row by row",
    went="an index looked up for every value",
    calls={"forward": forward, "input-grad": input_grad, "weight-grad": weight_grad},
    seconds=seconds,
    rough_gflops=20.0,
)
