"""What fastconv's products should take: multiply-adds, their instructions, what is beside them.

Multiply-adds go at the peak where that holds them up, else at the pace of their instructions.
"""

from __future__ import annotations

from math import ceil, prod

from benchmarks.ladder import banded
from benchmarks.ladder.instructions import BASELINE_IS_FUSED, of_tile
from benchmarks.ladder.rates import Rates, UnknownRate
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

__all__ = ["filters_in_lanes", "pixels_in_lanes", "winograd"]

# Values of a vector of float32.
LANES = {"baseline": 4, "avx2": 8, "avx512": 16}
# Tiles of the products, (numbers spread over lanes, vectors): of filters in the lanes, the widest
# first, and of pixels in the lanes.
FILTER_TILES = {
    "baseline": ((3, 4), (4, 3), (6, 2), (8, 1)),
    "avx2": ((6, 2), (8, 1)),
    "avx512": ((7, 4), (7, 3), (7, 2), (7, 1)),
}
PIXEL_TILE = (4, 3)
# Instructions of a tap beside a tile's: of pixels that lie next to each other one pointer, the
# panel's, and the end of the loop; of those in the lanes also where each tap finds them.
FILTERS_LOOP, PIXELS_LOOP = 5, 8
# F(m, r): outputs of a tile along an axis with several taps, of those whose errors stay within the
# usual level; an axis of one tap is not transformed.
WINOGRAD_TILES = (2, 4)


def filters_in_lanes(
    layer: Layer, direction: Direction, rates: Rates, instruction_set: str, threads: int = 1
) -> float:
    """Return products, idle lanes among them, and the copies around them.

    What is in the lanes are filters; of an input gradient, channels. A panel of them that is less
    wide than a tile has more pixels, but for the last such tile of all.
    """
    filters = layer.out_channels if direction != "input-grad" else layer.in_channels
    name = instruction_set or _widest(rates)
    idle = _rounded(filters // layer.groups, LANES[name])
    vectors = ceil(filters // layer.groups / LANES[name])
    tile = next(tile for tile in FILTER_TILES[name] if tile[1] <= vectors)
    products = idle * _products(layer, rates, name, threads, tile, FILTERS_LOOP)
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
    products = max(1.0, band / width) * _products(
        layer, rates, instruction_set, threads, PIXEL_TILE, PIXELS_LOOP
    )
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


def _products(
    layer: Layer, rates: Rates, instruction_set: str, threads: int, tile: tuple[int, int],
    loop: int,
) -> float:  # fmt: skip
    """Return the seconds of all products, by whatever holds a tile of these up."""
    peak = rates.peak(instruction_set, threads)
    at_peak = layer.flops / peak
    spread, vectors = tile
    fused = instruction_set != "baseline" or BASELINE_IS_FUSED
    steps = layer.flops / 2 / LANES[instruction_set] / (spread * vectors)
    instructions = steps * of_tile(spread, vectors, loop, fused=fused)
    # several threads have as many more of one as of the other
    alone = rates.peak(instruction_set)
    return max(at_peak, instructions * rates.of("instruction") * alone / peak)


def _copies(layer: Layer, rates: Rates, moved: int) -> float:
    """Return the seconds of the image copied into bands, and so many other values moved."""
    size = 4 * (banded.values(layer) + moved)
    return 2 * size / rates.bandwidth(size)


def _widest(rates: Rates) -> str:
    if not rates.peaks:
        raise UnknownRate("peaks")
    return max(rates.peaks, key=LANES.__getitem__)


def _rounded(number: int, lanes: int) -> float:
    return ceil(number / lanes) * lanes / number
