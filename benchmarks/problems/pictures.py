"""Real pictures, and the blur, sharpen and edge kernels that go over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import cbook
from numpy.typing import NDArray
from PIL import Image

from benchmarks.problems.data import Data
from benchmarks.problems.layer import Layer

Planes = NDArray[Any]
Pixels = NDArray[np.uint8]

# Pixels at the border repeat outwards by this much before the convolution, so that zero padding
# darkens only a frame that is then cut away.
FRAME = 4


@dataclass(frozen=True)
class Photo:
    """A picture as planes of whole grey levels from 0 to 255."""

    name: str
    planes: Planes


@dataclass(frozen=True)
class Filter:
    """Kernels that go over every plane, and how their results become a picture again."""

    name: str
    kernels: NDArray[np.float32]
    view: Callable[[Planes], Planes]
    """(kernels, planes, rows, columns) → (planes, rows, columns) in grey levels."""


def _first(results: Planes) -> Planes:
    return results[0]


def _size(results: Planes) -> Planes:
    return np.abs(results[0])


def _gradient(results: Planes) -> Planes:
    # Half: a step of 127 grey levels or more, whose Sobel response is 4 × 127, is drawn white.
    return np.sqrt(results[0] ** 2 + results[1] ** 2) / 2


_BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
_SHARPEN = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
_SOBEL = np.outer([1, 2, 1], [-1, 0, 1])
_LAPLACE = np.array([[1, 1, 1], [1, -8, 1], [1, 1, 1]])


def _filter(name: str, kernels: Sequence[Any], view: Callable[[Planes], Planes]) -> Filter:
    return Filter(name, np.asarray(kernels, np.float32), view)


# All weights are whole numbers, or whole numbers over 256: float32 sums of them are exact.
FILTERS = (
    _filter("blur", [_BINOMIAL], _first),
    _filter("sharpen", [_SHARPEN], _first),
    _filter("sobel", [_SOBEL, _SOBEL.T], _gradient),
    _filter("laplace", [_LAPLACE], _size),
)


def load_photos() -> Iterator[Photo]:
    """Yield the pictures that matplotlib ships: a portrait in colour, a scan of a head."""
    portrait: Any = cbook.get_sample_data("grace_hopper.jpg")
    with portrait as file:
        colour = np.asarray(Image.open(file).convert("RGB"))
    yield Photo("grace_hopper", colour.transpose(2, 0, 1))
    scan: Any = cbook.get_sample_data("s1045.ima.gz")
    with scan as file:
        grey = np.frombuffer(file.read(), np.uint16).reshape(1, 256, 256)
    yield Photo("head_scan", grey * 255.0 // grey.max())


def layer_of(photo: Photo, filter_: Filter) -> Layer:
    """Return the filter as a depthwise layer over the framed picture."""
    planes, height, width = photo.planes.shape
    per_plane, kernel = filter_.kernels.shape[:2]
    return Layer(
        name=f"{photo.name}.{filter_.name}",
        network="photograph",
        batch=1,
        in_channels=planes,
        height=height + 2 * FRAME,
        width=width + 2 * FRAME,
        out_channels=planes * per_plane,
        kernel=kernel,
        padding=kernel // 2,
        groups=planes,
    )


def arrays_of(photo: Photo, filter_: Filter, layer: Layer) -> Data:
    """Return the arrays of a layer; of a cut, the window in the middle of the picture."""
    framed = np.pad(photo.planes, ((0, 0), (FRAME, FRAME), (FRAME, FRAME)), mode="edge")
    top, left = (framed.shape[1] - layer.height) // 2, (framed.shape[2] - layer.width) // 2
    window = framed[:, top : top + layer.height, left : left + layer.width]
    return Data(
        x=np.ascontiguousarray(window[None], np.float32),
        weight=np.tile(filter_.kernels, (len(framed), 1, 1))[:, None],
        bias=np.zeros(layer.out_channels, np.float32),
        grad_output=np.zeros(0, np.float32),  # pictures only go forward
    )


def seen(filter_: Filter, photo: Photo, y: Planes) -> Planes:
    """Return the picture in grey levels, without its frame."""
    planes = photo.planes.shape[0]
    # In float64, so that a view adds no rounding of its own.
    results = y[0].astype(np.float64).reshape(planes, -1, *y.shape[2:]).swapaxes(0, 1)
    inner = slice(FRAME, -FRAME)
    return np.clip(filter_.view(results[:, :, inner, inner]), 0, 255)


def grey_levels(view: Planes) -> Pixels:
    # Many exact values lie halfway between two grey levels. Rounding a hair (2**-10) before
    # halfway, where no multiple of 1/256 lies, makes the last bit of a sum irrelevant.
    return np.floor(view + 0.5 + 2.0**-10).astype(np.uint8)
