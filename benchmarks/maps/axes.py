"""Axes: one number of a layer, and how a layer with another one is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log

import numpy as np

from benchmarks.problems.layer import Layer

__all__ = [
    "AXES",
    "BATCH",
    "CHANNELS",
    "FILTERS",
    "IMAGE",
    "KERNEL",
    "PER_GROUP",
    "STRIDE",
    "WIDTH",
    "Axis",
]


@dataclass(frozen=True)
class Axis:
    """Something of a layer that is varied.

    Attributes
    ----------
    name : str
        What the values are, as in "12 filters".
    values : tuple of int
        Of the cells of a map, rising.
    of : callable
        Layer → its value.
    change : callable
        (layer, value) → the layer with this value, or None where there is none.
    grain : int
        Of the values between those of cells, which are its multiples where it is small beside them:
        others mostly show that vectors have lanes. 0 where there are none between.
    """

    name: str
    values: tuple[int, ...]
    of: Callable[[Layer], int]
    change: Callable[[Layer, int], Layer | None]
    grain: int = 1

    def among(self, *values: int, grain: int | None = None) -> Axis:
        """Return the same axis with other values."""
        return replace(self, values=values, grain=self.grain if grain is None else grain)

    def place(self, value: float) -> float:
        """Return where a value lies: values of cells at whole numbers, logarithmic between them."""
        return float(np.interp(log(value), [log(one) for one in self.values],
                               range(len(self.values))))  # fmt: skip

    def between(self, parts: int) -> tuple[int, ...]:
        """Return the values with so many parts from each to the next, where there are as many."""
        found = set(self.values)
        for low, high in pairwise(self.values) if self.grain else ():
            for part in range(1, parts):
                value = low * (high / low) ** (part / parts)
                grain = self.grain if value >= 2 * self.grain else 1
                found.add(grain * round(value / grain))
        return tuple(sorted(found))


def named(layer: Layer) -> Layer:
    """Return a layer under the name that says what it is."""
    return replace(layer, name=layer.shape_text())


def _image(layer: Layer, value: int) -> Layer | None:
    width = max(1, round(value * layer.width / layer.height))
    return _that_exists(replace(layer, height=value, width=width))


def _channels(layer: Layer, value: int) -> Layer | None:
    return None if value % layer.groups else replace(layer, in_channels=value)


def _filters(layer: Layer, value: int) -> Layer | None:
    return None if value % layer.groups else replace(layer, out_channels=value)


def _width(layer: Layer, value: int) -> Layer | None:
    """As many channels as filters; depthwise layers stay depthwise."""
    groups = value if 1 < layer.groups == layer.in_channels else layer.groups
    if value % groups:
        return None
    return replace(layer, in_channels=value, out_channels=value, groups=groups)


def _kernel(layer: Layer, value: int) -> Layer | None:
    """A square one; where the layer pads, so that the image keeps its size."""
    padding = layer.dilation * (value // 2) if max(layer.padding_size) else 0
    return _that_exists(replace(layer, kernel=value, padding=padding))


def _per_group(layer: Layer, value: int) -> Layer | None:
    groups, rest = divmod(layer.in_channels, value)
    return None if rest or layer.out_channels % groups else replace(layer, groups=groups)


def _that_exists(layer: Layer) -> Layer | None:
    return layer if min(layer.output_shape[2:]) > 0 else None


IMAGE = Axis("pixels a side", (7, 14, 28, 56, 112, 224), lambda one: one.height, _image,
             grain=7)  # fmt: skip
CHANNELS = Axis("channels", (1, 4, 16, 64, 256, 1024), lambda one: one.in_channels, _channels,
                grain=8)  # fmt: skip
FILTERS = Axis("filters", (1, 4, 16, 64, 256, 1024), lambda one: one.out_channels, _filters,
               grain=8)  # fmt: skip
WIDTH = Axis("channels and filters", (4, 8, 16, 32, 64, 128), lambda one: one.in_channels, _width,
             grain=8)  # fmt: skip
KERNEL = Axis("pixels of a kernel's side", (1, 3, 5, 7, 9, 11), lambda one: max(one.kernel_size),
              _kernel, grain=0)  # fmt: skip
STRIDE = Axis("pixels of stride", (1, 2, 3, 4), lambda one: one.stride,
              lambda one, value: replace(one, stride=value), grain=0)  # fmt: skip
BATCH = Axis("images", (1, 2, 4, 8, 16, 32), lambda one: one.batch,
             lambda one, value: replace(one, batch=value))  # fmt: skip
PER_GROUP = Axis("channels of a group", (1, 2, 4, 8, 16, 32),
                 lambda one: one.in_channels // one.groups, _per_group, grain=0)  # fmt: skip

# Along which one looks for the next crossover.
AXES = (IMAGE, CHANNELS, FILTERS, KERNEL, STRIDE, BATCH, PER_GROUP)
