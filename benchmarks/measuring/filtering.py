"""Every picture through every filter, by one contestant after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.contestants import Contestant
from benchmarks.measuring import truth
from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.results import PhotoResult
from benchmarks.problems.data import Data
from benchmarks.problems.layer import Layer
from benchmarks.problems.pictures import (
    FILTERS,
    Filter,
    Photo,
    Pixels,
    Planes,
    arrays_of,
    grey_levels,
    layer_of,
    load_photos,
    seen,
)

# For the report only; everything is compared at full size.
REPORT_SIDE = 360
# Everyone's picture of this one goes into the report.
SHOWN_BY_ALL = ("grace_hopper", "sobel")
LONGEST_CALL = 0.1


@dataclass(frozen=True)
class Case:
    """One filter on one picture, or on a window of it, and the answer."""

    layer: Layer
    is_cut: bool
    data: Data
    expected: Planes
    pixels: Pixels


class PhotoRun:
    """Every picture through every filter; what several contestants need is worked out once."""

    def __init__(self, pictures: Path) -> None:
        self._pictures = pictures
        self._cases: dict[Layer, Case] = {}
        self._photos = list(load_photos())
        pictures.mkdir(parents=True, exist_ok=True)
        for photo in self._photos:
            _write(pictures / f"{photo.name}.jpg", photo.planes.astype(np.uint8))

    def measure(self, process: Process[Contestant]) -> list[PhotoResult]:
        """Filter all pictures with one contestant; write those that the report shows."""
        return [
            self._filtered(process, photo, filter_) for photo in self._photos for filter_ in FILTERS
        ]

    def _filtered(self, process: Process[Contestant], photo: Photo, filter_: Filter) -> PhotoResult:
        contestant = process.contestant
        result = PhotoResult(photo.name, filter_.name, contestant.name)
        case = self._case(contestant, photo, filter_)
        result.is_cut = case.is_cut
        refusal = contestant.refusal(case.layer, "forward")
        if refusal:
            result.status, result.reason = "unsupported", refusal
            return result
        try:
            first = process.ask("prepare", layer=case.layer, direction="forward", data=case.data)
        except Failed as failure:
            result.status, result.reason = "failed", str(failure)
            return result
        view = seen(filter_, photo, first.outputs[0])
        result.difference = float(np.abs(view - case.expected).max())
        pixels = grey_levels(view)
        result.same_pixels = bool(np.array_equal(pixels, case.pixels))
        if contestant.kind == "fastconv" or (photo.name, filter_.name) == SHOWN_BY_ALL:
            _write(picture_path(self._pictures, photo.name, filter_.name, contestant.name), pixels)
        return result

    def _case(self, contestant: Contestant, photo: Photo, filter_: Filter) -> Case:
        whole = layer_of(photo, filter_)
        layer = whole.cut(contestant.rough_gflops * 1e9 * LONGEST_CALL)
        if layer not in self._cases:
            arrays = arrays_of(photo, filter_, layer)
            expected = seen(filter_, photo, truth.solve(layer, arrays, "forward").values[0])
            self._cases[layer] = Case(
                layer, layer != whole, arrays, expected, grey_levels(expected)
            )
        return self._cases[layer]


def picture_path(pictures: Path, photo: str, filter_: str, contestant: str) -> Path:
    return pictures / f"{photo}.{filter_}.{contestant}.jpg"


def _write(path: Path, pixels: Pixels) -> None:
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    picture.thumbnail((REPORT_SIDE, REPORT_SIDE))
    picture.save(path, quality=85)
