"""The numbers that every contestant gets: seeded by the problem, the same in every process."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems.layer import Layer

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Data:
    """The arrays of one problem; `grad_output` is what the gradients start from."""

    x: Array
    weight: Array
    bias: Array
    grad_output: Array


def make(layer: Layer, *, integers: bool = False) -> Data:
    """Draw the arrays of a layer: normal numbers, or small integers whose sums are exact.

    With integers of at most ±3 every partial sum stays far below 2**24, so that float32
    rounds nothing and whoever only multiplies and adds must get exactly the same result.
    """
    rng = np.random.default_rng(zlib.crc32(repr(layer).encode()))

    def draw(shape: tuple[int, ...]) -> Array:
        if integers:
            return rng.integers(-3, 4, size=shape).astype(np.float32)
        return rng.standard_normal(shape, dtype=np.float32)

    return Data(
        x=draw(layer.x_shape),
        weight=draw(layer.weight_shape),
        bias=draw((layer.out_channels,)),
        grad_output=draw(layer.output_shape),
    )
