"""The photographs of the report, embedded as they are in the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from benchmarks.measuring.filtering import SHOWN_BY_ALL, picture_path
from benchmarks.measuring.results import PhotoResult, Results
from benchmarks.problems.pictures import FILTERS

# Of a picture that everybody has made, twice as many pixels as it is shown with.
STRIP_SIDE = 220


@dataclass(frozen=True)
class Picture:
    """A picture as the page embeds it, and what stands below it."""

    source: str
    caption: str
    tiny: bool = False


class Album:
    """The photographs of the report."""

    def __init__(self, results: Results, folder: Path) -> None:
        self._results = results
        self._folder = folder
        self.filters = [filter_.name for filter_ in FILTERS]
        self.photos = list(dict.fromkeys(result.photo for result in results.photos))
        self.contestants = [
            info
            for info in results.present
            if any(r.contestant == info.name and r.status != "unsupported" for r in results.photos)
        ]

    def series(self, photo: str) -> list[Picture]:
        """Return the original and the picture of every filter, by the first backend of ours."""
        pictures = [Picture(_embed(self._folder / f"{photo}.jpg"), "original")]
        ours = [info.name for info in self._results.present if info.kind == "fastconv"]
        for filter_ in self.filters:
            for name in ours:
                path = picture_path(self._folder, photo, filter_, name)
                result = self.result(photo, filter_, name)
                if path.exists() and result is not None and not result.is_cut:
                    pictures.append(Picture(_embed(path), filter_))
                    break
        return pictures

    def everyone(self) -> list[Picture]:
        """Return the same picture as each contestant made it."""
        pictures = []
        for info in self.contestants:
            path = picture_path(self._folder, *SHOWN_BY_ALL, info.name)
            result = self.result(*SHOWN_BY_ALL, info.name)
            if path.exists() and result is not None:
                pictures.append(Picture(_embed_small(path), info.label, tiny=result.is_cut))
        return pictures

    def result(self, photo: str, filter_: str, contestant: str) -> PhotoResult | None:
        wanted = (photo, filter_, contestant)
        return next(
            (r for r in self._results.photos if (r.photo, r.filter, r.contestant) == wanted), None
        )


def _embed(path: Path) -> str:
    return _source(path.read_bytes())


def _embed_small(path: Path) -> str:
    """Embed a picture with no more pixels than a strip of many shows."""
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        if max(picture.size) <= STRIP_SIDE:
            return _embed(path)
        picture.thumbnail((STRIP_SIDE, STRIP_SIDE))
        picture.save(buffer, "jpeg", quality=85)
    return _source(buffer.getvalue())


def _source(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
