"""Real pictures through blur, sharpen and edge kernels, by everyone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import cbook
from numpy.typing import NDArray
from PIL import Image

from benchmarks import data, truth
from benchmarks.contestants import Contestant
from benchmarks.data import Data
from benchmarks.layers import Layer
from benchmarks.process import Failed, Process, load_outputs
from benchmarks.results import PhotoResult

Planes = NDArray[Any]
Pixels = NDArray[np.uint8]

# Pixels at the border repeat outwards by this much before the convolution, so that zero padding
# darkens only a frame that is then cut away.
FRAME = 4
# For the report only; everything is compared at full size.
REPORT_SIDE = 360
# Everyone's picture of this one goes into the report.
SHOWN_BY_ALL = ("grace_hopper", "sobel")
LONGEST_CALL = 0.1


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


@dataclass(frozen=True)
class Case:
    """One filter on one picture, or on a window of it: the arrays on disk, and the answer."""

    layer: Layer
    is_cut: bool
    arrays: Path
    expected: Planes
    pixels: Pixels


class PhotoRun:
    """Every picture through every filter; what several contestants need is worked out once."""

    def __init__(self, folder: Path, pictures: Path) -> None:
        self._folder = folder
        self._pictures = pictures
        self._cases: dict[Layer, Case] = {}
        self._photos = list(load_photos())
        pictures.mkdir(parents=True, exist_ok=True)
        for photo in self._photos:
            _write(pictures / f"{photo.name}.jpg", photo.planes.astype(np.uint8))

    def measure(self, process: Process) -> list[PhotoResult]:
        """Filter all pictures with one contestant; write those that the report shows."""
        return [
            self._filtered(process, photo, filter_) for photo in self._photos for filter_ in FILTERS
        ]

    def _filtered(self, process: Process, photo: Photo, filter_: Filter) -> PhotoResult:
        contestant = process.contestant
        result = PhotoResult(photo.name, filter_.name, contestant.name)
        case = self._case(contestant, photo, filter_)
        result.is_cut = case.is_cut
        refusal = contestant.refusal(case.layer, "forward")
        if refusal:
            result.status, result.reason = "unsupported", refusal
            return result
        outputs = self._folder / "outputs.npz"
        try:
            process.ask(
                "prepare",
                layer=case.layer.as_dict(),
                direction="forward",
                results=str(outputs),
                arrays=str(case.arrays),
                integers=False,
            )
        except Failed as failure:
            result.status, result.reason = "failed", str(failure)
            return result
        view = _view(filter_, photo, load_outputs(outputs)[0])
        result.difference = float(np.abs(view - case.expected).max())
        pixels = _pixels(view)
        result.same_pixels = bool(np.array_equal(pixels, case.pixels))
        if contestant.kind == "fastconv" or (photo.name, filter_.name) == SHOWN_BY_ALL:
            _write(picture_path(self._pictures, photo.name, filter_.name, contestant.name), pixels)
        return result

    def _case(self, contestant: Contestant, photo: Photo, filter_: Filter) -> Case:
        whole = _layer(photo, filter_)
        layer = whole.cut(contestant.rough_gflops * 1e9 * LONGEST_CALL)
        if layer not in self._cases:
            arrays = _arrays(photo, filter_, layer)
            path = self._folder / f"photo{len(self._cases)}.npz"
            data.save(path, arrays)
            expected = _view(filter_, photo, truth.solve(layer, arrays, "forward").values[0])
            self._cases[layer] = Case(layer, layer != whole, path, expected, _pixels(expected))
        return self._cases[layer]


def picture_path(pictures: Path, photo: str, filter_: str, contestant: str) -> Path:
    return pictures / f"{photo}.{filter_}.{contestant}.jpg"


def _layer(photo: Photo, filter_: Filter) -> Layer:
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


def _arrays(photo: Photo, filter_: Filter, layer: Layer) -> Data:
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


def _view(filter_: Filter, photo: Photo, y: Planes) -> Planes:
    """Return the picture in grey levels, without its frame."""
    planes = photo.planes.shape[0]
    # In float64, so that a view adds no rounding of its own.
    results = y[0].astype(np.float64).reshape(planes, -1, *y.shape[2:]).swapaxes(0, 1)
    inner = slice(FRAME, -FRAME)
    return np.clip(filter_.view(results[:, :, inner, inner]), 0, 255)


def _pixels(view: Planes) -> Pixels:
    # Many exact values lie halfway between two grey levels. Rounding a hair (2**-10) before
    # halfway, where no multiple of 1/256 lies, makes the last bit of a sum irrelevant.
    return np.floor(view + 0.5 + 2.0**-10).astype(np.uint8)


def _write(path: Path, pixels: Pixels) -> None:
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    picture.thumbnail((REPORT_SIDE, REPORT_SIDE))
    picture.save(path, quality=85)
