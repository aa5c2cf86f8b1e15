"""The maps, and who is looked for on them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.maps.axes import (
    BATCH,
    CHANNELS,
    FILTERS,
    IMAGE,
    KERNEL,
    PER_GROUP,
    STRIDE,
    WIDTH,
    Axis,
    named,
)
from benchmarks.problems.layer import Layer

__all__ = ["BY_NAME", "IM2COL", "LOOPS", "MAPS", "WAYS", "Map", "Way"]


@dataclass(frozen=True)
class Way:
    """A way to convolve: the backend, its colour and its letter on maps, and what it is called."""

    backend: str
    letter: str
    colour: str
    label: str


# Legible on white and on black alike, and told apart by letters where colours are not.
WAYS = (
    Way("loops", "L", "#c9a227", "plain loops"),
    Way("im2col", "I", "#4a6fa5", "im2col"),
    Way("gemm", "G", "#d6336c", "packed product, filters in the lanes"),
    Way("gemm_pixels", "P", "#e8783c", "packed product, pixels in the lanes"),
    Way("depthwise", "D", "#2b9f6b", "stencils"),
    Way("winograd", "W", "#8a63d2", "fewer multiplications (Winograd)"),
)
LOOPS, IM2COL = WAYS[:2]
BY_NAME = {way.backend: way for way in WAYS}


@dataclass(frozen=True)
class Map:
    """Two axes, and the layer that they vary.

    Attributes
    ----------
    x, y : Axis
        y is set first.
    all_threads : bool
        Whether it is of all threads; the others are of one.
    """

    name: str
    title: str
    x: Axis
    y: Axis
    base: Layer
    all_threads: bool = False

    def layer(self, x: int, y: int) -> Layer | None:
        """Return the layer of a point, or None where there is none."""
        changed = self.y.change(self.base, y)
        changed = None if changed is None else self.x.change(changed, x)
        return None if changed is None else named(changed)

    def text(self, x: int, y: int) -> str:
        """Return the values of a cell in words."""
        return f"{self.x.name} {x}, {self.y.name} {y}"

    def cell(self, layer: Layer) -> tuple[int, int]:
        """Return the values of the cell that is the nearest to a layer."""
        return _nearest(self.x, layer), _nearest(self.y, layer)

    def differences(self, layer: Layer) -> list[str]:
        """Return in what the nearest cell differs from a layer, with what it has there."""
        x, y = self.cell(layer)
        here = self.layer(x, y) or self.base
        told: tuple[tuple[str, tuple[object, ...], tuple[object, ...]], ...] = (
            ("image", (layer.height, layer.width), (here.height, here.width)),
            ("kernel", layer.kernel_size, here.kernel_size),
            ("batch", (layer.batch,), (here.batch,)),
            ("channels", (layer.in_channels,), (here.in_channels,)),
            ("filters", (layer.out_channels,), (here.out_channels,)),
            ("stride", _once(layer.strides), _once(here.strides)),
            ("dilation", _once(layer.dilations), _once(here.dilations)),
            ("groups", (layer.groups,), (here.groups,)),
            ("", (layer.dtype,), (here.dtype,)),
        )
        return [
            f"{name} {'×'.join(map(str, there))}".strip()
            for name, its, there in told
            if its != there
        ]


def _once(pair: tuple[int, int]) -> tuple[int, ...]:
    """Return what is the same in both axes once."""
    return pair[:1] if pair[0] == pair[1] else pair


def _nearest(axis: Axis, layer: Layer) -> int:
    place = axis.place(axis.of(layer))
    return axis.values[round(place)]


def _square(size: int, kernel: int, channels: int = 64) -> Layer:
    return Layer("", "maps", 1, channels, size, size, channels, kernel, padding=kernel // 2)


_IMAGES = Map("image-channels", "3×3, by image and channels", IMAGE, WIDTH, _square(28, 3))

MAPS = (
    Map("channels-filters-1x1", "1×1 at 28×28, by channels and filters", FILTERS, CHANNELS,
        _square(28, 1)),
    Map("channels-filters-3x3", "3×3 at 28×28, by channels and filters",
        FILTERS.among(1, 2, 8, 32, 128, 512), CHANNELS.among(1, 2, 8, 32, 128, 512),
        _square(28, 3)),
    _IMAGES,
    Map("kernel-channels", "At 28×28, by kernel and channels", KERNEL, WIDTH, _square(28, 3)),
    Map("stride-channels", "3×3 at 56×56, by stride and channels", STRIDE, WIDTH, _square(56, 3)),
    Map("batch-channels", "3×3 at 14×14, by images and channels", BATCH, WIDTH, _square(14, 3)),
    Map("groups", "3×3 at 28×28, by channels of a group and of all", PER_GROUP,
        WIDTH.among(32, 64, 128, 256, 512, grain=0), _square(28, 3)),
    replace(_IMAGES, name="image-channels-threads", all_threads=True,
            title="The same on all threads: 3×3, by image and channels"),
)  # fmt: skip
