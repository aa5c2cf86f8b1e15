"""What fastconv's products should take: multiply-adds at the peak, and all that is beside them."""

from __future__ import annotations

from math import ceil, prod

from benchmarks.ladder import banded
from benchmarks.ladder.rates import Rates
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

__all__ = ["filters_in_lanes", "pixels_in_lanes", "winograd"]

# Values of a vector of float32.
LANES = {"baseline": 4, "avx2": 8, "avx512": 16}
# F(m, r): outputs of a tile along an axis with several taps, of those whose errors stay within the
# usual level; an axis of one tap is not transformed.
WINOGRAD_TILES = (2, 4)


def filters_in_lanes(
    layer: Layer, direction: Direction, rates: Rates, instruction_set: str, threads: int = 1
) -> float:
    """Return products at the peak, idle lanes among them, and the copies around them.

    What is in the lanes are filters; of an input gradient, channels.
    """
    filters = layer.out_channels if direction != "input-grad" else layer.in_channels
    idle = _rounded(filters // layer.groups, _lanes(rates, instruction_set))
    products = idle * layer.flops / rates.peak(instruction_set, threads)
    # packed; and turned over from [pixels][filters] to planes
    packed = layer.out_channels * layer.products
    turned = packed if direction == "weight-grad" else prod(layer.output_shape)
    return products + _copies(layer, rates, packed + turned) / threads


def pixels_in_lanes(
    layer: Layer, direction: Direction, rates: Rates, instruction_set: str, threads: int = 1
) -> float:
    """Return the same of pixels in the lanes: what lies between rows is computed too."""
    width = layer.output_shape[3]
    band = (layer.width + 2 * layer.padding_size[1]) / layer.stride
    products = max(1.0, band / width) * layer.flops / rates.peak(instruction_set, threads)
    return products + _copies(layer, rates, layer.out_channels * layer.products) / threads


def winograd(layer: Layer, direction: Direction, rates: Rates, threads: int) -> float:
    """Return products of transformed tiles at the peak, and the transforms at the caches' speed."""
    return min(_transformed(layer, rates, m, threads) for m in WINOGRAD_TILES)


def _transformed(layer: Layer, rates: Rates, m: int, threads: int) -> float:
    n, k, rows, columns = layer.output_shape
    tiles, points = n, 1
    for size, taps in zip((rows, columns), layer.kernel_size, strict=True):
        outputs = m if taps > 1 else 1
        tiles *= ceil(size / outputs)
        points *= outputs + taps - 1
    products = 2 * tiles * points * k * layer.in_channels / rates.peak("", threads)
    # each value of pixels, sums and weights is written once and read once
    moved = tiles * points * (layer.in_channels + k) + points * k * layer.in_channels
    return products + 8 * moved / rates.bandwidth(2**18) / threads


def _copies(layer: Layer, rates: Rates, moved: int) -> float:
    """Return the seconds of the image copied into bands, and so many other values moved."""
    size = 4 * (banded.values(layer) + moved)
    return 2 * size / rates.bandwidth(size)


def _lanes(rates: Rates, instruction_set: str) -> int:
    widest = max((LANES[name] for name in rates.peaks), default=1)
    return LANES[instruction_set] if instruction_set else widest


def _rounded(number: int, lanes: int) -> float:
    return ceil(number / lanes) * lanes / number
