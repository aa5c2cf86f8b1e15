"""What each filter does to a photograph, as a picture with the lines of code that made it.

Signed results are drawn with grey for 0, so that both signs are seen; everything else in its own
colours, cut off at black and white as a screen does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.arguments import Commands, Room, ask_for_folder_of
from benchmarks.images.cases import Array
from benchmarks.problems.pictures import load_photos
from fastconv import filters

# The one in the repository.
FILE = Path(__file__).parents[1] / "gallery.png"

COLUMNS = 4
# The portrait at half its size, which leaves out the grain of the film, and what is shown of it.
HALVED = 2
TOP, LEFT, HEIGHT, WIDTH = 14, 30, 236, 200
# Every pixel of a result is one of the picture: nothing is resampled, so that nothing flickers.
DPI = 100
GAP, TITLE, MARGIN = 10, 42, 10
FONT_SIZE = 8.6


class Exhibit(NamedTuple):
    """A line of code and how its result is drawn."""

    code: str
    view: Callable[[Array], Array]


def _as_it_is(result: Array) -> Array:
    return result


def _grey_is_zero(gain: float) -> Callable[[Array], Array]:
    return lambda result: 127.5 + gain * result


def _times(gain: float) -> Callable[[Array], Array]:
    return lambda result: gain * result


EXHIBITS = (
    Exhibit("photo", _as_it_is),
    Exhibit("box(photo, 7, channel_axis=-1)", _as_it_is),
    Exhibit("gaussian(photo, 3, channel_axis=-1)", _as_it_is),
    Exhibit("sharpen(photo, 0.5, channel_axis=-1)", _as_it_is),
    Exhibit("unsharp_mask(photo, 2, channel_axis=-1)", _as_it_is),
    Exhibit("emboss(grey, 0.5)", _as_it_is),
    Exhibit("laplacian(grey)", _grey_is_zero(1.2)),
    Exhibit("sobel(photo, channel_axis=-1)", _times(2)),
    Exhibit("sobel(grey, axis=0)", _grey_is_zero(1)),
    Exhibit("sobel(grey, axis=1)", _grey_is_zero(1)),
    Exhibit("scharr(grey)", _times(2)),
    Exhibit("prewitt(grey)", _times(2)),
)


def add_parser(commands: Commands) -> None:
    """Add the parser of this command."""
    parser = commands.add_parser("gallery", help="draw what each filter does to a photograph")
    parser.set_defaults(run=_run, takes=())
    parser.add_argument("picture_file", type=Path, nargs="?", default=FILE, metavar="FILE.png")


def _run(options: argparse.Namespace) -> int:
    ask_for_folder_of(options.picture_file, "FILE.png")
    save(options.picture_file)
    print(options.picture_file.resolve())
    return 0


ROOM = Room(add_parser)


def save(path: Path) -> None:
    """Draw the gallery and write it as a PNG of a palette, which is small."""
    picture = Image.fromarray(pixels(draw()))
    picture.quantize(256, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)


def pixels(figure: Figure) -> Array:
    """Return a figure as (rows, columns, 3) of uint8."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def draw() -> Figure:
    """Draw the exhibits side by side, each pixel of them a pixel of the figure."""
    photo = detail()
    # As the eye weighs colours (ITU-R BT.601).
    grey = photo @ np.array([0.299, 0.587, 0.114])
    rows = -(-len(EXHIBITS) // COLUMNS)
    width = 2 * MARGIN + COLUMNS * WIDTH + (COLUMNS - 1) * GAP
    height = MARGIN + rows * (HEIGHT + TITLE)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    names = {name: getattr(filters, name) for name in filters.__all__}
    for place, exhibit in enumerate(EXHIBITS):
        row, column = divmod(place, COLUMNS)
        result = exhibit.view(eval(exhibit.code, {**names, "photo": photo, "grey": grey}))
        left = MARGIN + column * (WIDTH + GAP)
        bottom = height - (row + 1) * (HEIGHT + TITLE)
        axes = figure.add_axes(
            (left / width, bottom / height, WIDTH / width, HEIGHT / height), frameon=False
        )
        axes.set_axis_off()
        levels = np.clip(result + 0.5, 0, 255).astype(np.uint8)
        axes.imshow(levels, cmap="gray", vmin=0, vmax=255, interpolation="none", aspect="auto")
        figure.text(
            left / width, (bottom + HEIGHT + 5) / height, exhibit.code.replace(", ch", ",\n  ch"),
            family="monospace", fontsize=FONT_SIZE, color="#1c2733", va="bottom", linespacing=1.15,
        )  # fmt: skip
    return figure


def detail() -> Array:
    """Return the part of the portrait that is shown, (H, W, 3) of uint8."""
    portrait = Image.fromarray(next(load_photos()).planes.transpose(1, 2, 0)).reduce(HALVED)
    return np.asarray(portrait)[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH]
