"""How the study's typed rungs find a pixel: a copy with its border, and an offset for each tap.

    image [n][c][row][phase][column]        phase: every stride-th column, so that the pixels which
                                            a tap meets at neighbouring outputs are neighbours

    the pixel of output (i, j) and tap t lies at   position(i) + j + offsets[t]

The same idea as fastconv's bands (fastconv/kernels/README.md), but of the whole image at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.ladder.instructions import BASELINE_IS_FUSED, of_tile
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import BASELINE, Array
from benchmarks.problems.layer import Layer

__all__ = [
    "Banded",
    "banded",
    "gradient_seconds",
    "packing_seconds",
    "tile_seconds",
    "values",
    "whole_rows",
]

# A tile may hang over the end of the last row by less than a vector of the widest set.
SLACK = 16
# Instructions of a step of a gradient beside its tile's: a place in the row, and its end.
GRADIENT_LOOP = 4


@dataclass(frozen=True)
class Banded:
    """Images laid out for tiles.

    Attributes
    ----------
    image : ndarray of float32
        (N, C, rows, stride, columns of a phase), contiguous.
    offsets : ndarray of intp
        (C/G · R · S,): of a tap from the pixel of tap 0.
    row : int
        Values from the pixels of one output row to those of the next.
    group : int
        Values from the channels of one group to those of the next.
    """

    image: Array
    offsets: NDArray[np.intp]
    row: int
    group: int


def banded(layer: Layer, x: Array) -> Banded:
    """Copy the images of a layer, columns dealt out to phases."""
    n, c, height, width = layer.x_shape
    top, left = layer.padding_size
    step = layer.stride
    rows = height + 2 * top
    columns = -(-(width + 2 * left) // step) + SLACK
    image = np.zeros((n, c, rows, columns * step), np.float32)
    image[:, :, top : top + height, left : left + width] = x
    dealt = image.reshape(n, c, rows, columns, step).swapaxes(3, 4)
    plane = rows * step * columns
    channel, r, s = np.indices((c // layer.groups, *layer.kernel_size)) * np.reshape(
        [1, layer.dilation, layer.dilation], (3, 1, 1, 1)
    )
    offsets = channel * plane + (r * step + s % step) * columns + s // step
    return Banded(
        np.ascontiguousarray(dealt),
        np.ascontiguousarray(offsets.ravel(), np.intp),
        row=step * step * columns,
        group=c // layer.groups * plane,
    )


def whole_rows(g: Array) -> Array:
    """Return a gradient of the output whose rows end with zeros, up to whole vectors."""
    columns = -(-g.shape[3] // 4) * 4
    whole = np.zeros((*g.shape[:3], columns), np.float32)
    whole[..., : g.shape[3]] = g
    return whole


def values(layer: Layer) -> int:
    """Return how many values such a copy has."""
    n, c, height, width = layer.x_shape
    rows, columns = layer.padding_size
    return n * c * (height + 2 * rows) * (width + 2 * columns + SLACK * layer.stride)


def tile_seconds(layer: Layer, rates: Rates, passes: int, loop: int) -> float:
    """Return what tiles of 12, 8 and 4 pixels of a row take, by whatever holds them up.

    That is the peak of products, the instructions that go with them, or the image passing by.

    Parameters
    ----------
    layer
        What is computed, forward.
    rates
        Of the machine.
    passes
        How often the whole image is read, from where it lies.
    loop
        Instructions of a tap beside the tile's own.
    """
    n, _, rows, width = layer.output_shape
    products = layer.flops * (-(-width // 4) * 4 / width) / rates.peak(BASELINE)
    taps = n * rows * layer.products * layer.groups
    fours, ones = divmod(layer.out_channels // layer.groups, 4)
    instructions = taps * sum(
        tiles * (fours * of_tile(4, vectors, loop) + ones * of_tile(1, vectors, loop))
        for vectors, tiles in _tiles(width).items()
    )
    size = 4 * values(layer)
    passing = size / rates.bandwidth(size)
    held_up = max(products, instructions * rates.of("instruction"), passes * passing)
    return 2 * passing + held_up


def gradient_seconds(layer: Layer, rates: Rates, passes: int) -> float:
    """Return the same of a gradient of weights: tiles of 4 filters × 3 taps, along rows.

    Nothing is spread over lanes: of a step the gradient is loaded, and the pixels of each tap.
    """
    n, _, rows, width = layer.output_shape
    steps = n * rows * -(-width // 4) * layer.groups
    products = layer.flops * (-(-width // 4) * 4 / width) / rates.peak(BASELINE)
    fours, ones = divmod(layer.out_channels // layer.groups, 4)
    threes, singles = divmod(layer.products, 3)
    instructions = steps * sum(
        filters * taps * (of_tile(size, some, GRADIENT_LOOP) - (0 if BASELINE_IS_FUSED else size))
        for size, filters in ((4, fours), (1, ones))
        for some, taps in ((3, threes), (1, singles))
    )
    size = 4 * values(layer)
    passing = size / rates.bandwidth(size)
    held_up = max(products, instructions * rates.of("instruction"), passes * passing)
    return 2 * passing + held_up


def _tiles(width: int) -> dict[int, int]:
    """Return how many tiles of so many vectors cover a row."""
    whole, left = divmod(-(-width // 4), 3)
    return {3: whole, **({left: 1} if left else {})}


def packing_seconds(layer: Layer, rates: Rates, times: int) -> float:
    """Return what the weights take, read and written so often."""
    size = 4 * layer.out_channels * layer.products
    return times * 2 * size / rates.bandwidth(size)
