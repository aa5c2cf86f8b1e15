"""How the rungs that are NumPy see a layer: groups apart, a border of zeros, a view for each tap.

    x [N][C][H][W]  ──padded──►  [N][C][H+2P][W+2P]  ──taps──►  (r, s, view [N][C][OH][OW]), …

A view of tap (r, s) has, at each output, the pixel that this tap meets there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

import numpy as np

from benchmarks.ladder.rung import Array
from benchmarks.problems.layer import Layer

__all__ = ["by_group", "column_values", "padded", "taps", "unpadded"]


def column_values(layer: Layer) -> int:
    """Return how many values the column matrix of im2col has."""
    return layer.groups * layer.products * layer.batch * prod(layer.output_shape[2:])


def padded(layer: Layer, x: Array) -> Array:
    """Return the images with their border of zeros."""
    rows, columns = layer.padding_size
    return np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)))


def unpadded(layer: Layer, image: Array) -> Array:
    """Return the images without their border."""
    top, left = layer.padding_size
    return np.ascontiguousarray(image[:, :, top : top + layer.height, left : left + layer.width])


def taps(layer: Layer, image: Array) -> Iterator[tuple[int, int, Array]]:
    """Yield each tap's row and column, and its view of the padded images."""
    _, _, rows, columns = layer.output_shape
    step = layer.stride
    for r, s in product(*map(range, layer.kernel_size)):
        top, left = r * layer.dilation, s * layer.dilation
        down = slice(top, top + (rows - 1) * step + 1, step)
        across = slice(left, left + (columns - 1) * step + 1, step)
        yield r, s, image[:, :, down, across]


def by_group(layer: Layer, weight: Array) -> Array:
    """Return weights [K][C/G][R][S] as [G][K/G][C/G][R][S]."""
    groups = layer.groups
    return weight.reshape(groups, layer.out_channels // groups, *weight.shape[1:])
