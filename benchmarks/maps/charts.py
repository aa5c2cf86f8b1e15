"""The charts: maps whose cells are measured and whose lines are reckoned, columns, cold caches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from benchmarks.maps.atlas import BY_NAME, IM2COL, WAYS, Map
from benchmarks.maps.regions import ALL, COLUMNS_OR_LOOPS, PARTS
from benchmarks.maps.results import Cell, MapsResults
from benchmarks.reporting.figures import (
    PAGE,
    WIDE,
    Series,
    Theme,
    draw_dots,
    page_style,
    quiet,
    tip,
)

__all__ = ["caches", "columns", "draw", "overview"]

# Inches: of a map, and around it.
MAP, LEFT, BELOW, ABOVE = 3.4, 0.62, 0.55, 0.12
# Who is not ahead by more than noise is paler; so, and without a frame, is what was not timed.
SURE, CLOSE_BY, NOT_TIMED = 0.85, 0.5, 0.2


def draw(results: MapsResults, one: Map, theme: Theme = PAGE) -> Figure:
    """Draw a map, a letter and by how much the fastest leads in each cell."""
    width, height = LEFT + MAP + 0.1, BELOW + MAP + ABOVE
    with matplotlib.rc_context(page_style(theme)):
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes(
            (LEFT / width, BELOW / height, MAP / width, MAP / height)
        )  # fmt: skip
        _fill(axes, results, one, theme, has_texts=True)
        axes.set_xlabel(one.x.name)
        axes.set_ylabel(one.y.name)
    return figure


def overview(results: MapsResults, theme: Theme) -> Figure:
    """Draw all maps beside each other, for paper."""
    maps = results.maps
    across = 4
    down = -(-len(maps) // across)
    width, height = WIDE, 0.65 + 2.6 * down
    with matplotlib.rc_context({**page_style(theme), "font.size": 7}):
        figure = Figure(figsize=(width, height))
        for place, one in enumerate(maps):
            row, column = divmod(place, across)
            axes = figure.add_axes(
                (
                    (0.5 + column * (width - 0.1) / across) / width,
                    (height - 0.9 - row * 2.6 - 1.75) / height,
                    ((width - 0.1) / across - 0.6) / width,
                    1.75 / height,
                )
            )
            _fill(axes, results, one, theme, has_texts=False)
            axes.set_title(one.title.replace(", by ", "\nby "), fontsize=7, color=theme.ink)
            axes.set_xlabel(one.x.name, labelpad=1)
            axes.set_ylabel(one.y.name, labelpad=1)
        figure.legend(
            handles=[Patch(color=way.colour, label=f"{way.letter} {way.label}") for way in WAYS],
            loc="upper left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False,
        )  # fmt: skip
    return figure


def _fill(axes: Axes, results: MapsResults, one: Map, theme: Theme, *, has_texts: bool) -> None:
    """Fill axes with the cells of a map, and draw the model's lines over them."""
    quiet(axes, theme)
    axes.grid(visible=False)
    dots = []
    for row, y in enumerate(one.y.values):
        for column, x in enumerate(one.x.values):
            cell = results.find(one.name, x, y)
            if cell is not None:
                alpha = CLOSE_BY if results.is_close(one, cell) else SURE
                if not cell.times:
                    alpha = NOT_TIMED
                _cell(axes, one, cell, (column, row), theme, alpha, has_text=has_texts)
                if (cell.im2col_to_loops or 0) > 1:
                    dots.append((column + 0.37, row + 0.37))
    size = 3 if has_texts else 1.5
    axes.plot(*zip(*dots, strict=True) if dots else ([], []), "o", color=theme.ink, ms=size, mew=0)
    for what, style in ((ALL, "-"), (COLUMNS_OR_LOOPS, (0, (2, 1.5)))):
        lines = results.regions.get(one.name, {}).get(what, [])
        letters = np.array([list(line) for line in lines])
        for way in WAYS if what == ALL else (IM2COL,):
            _line(axes, one, letters == way.letter, theme, style)
    for ticks, labels, axis in (
        (axes.set_xticks, axes.set_xlim, one.x), (axes.set_yticks, axes.set_ylim, one.y),
    ):  # fmt: skip
        ticks(range(len(axis.values)), [str(value) for value in axis.values])
        labels(-0.5, len(axis.values) - 0.5)


def _line(axes: Axes, one: Map, inside: NDArray[Any], theme: Theme, style: Any) -> None:
    """Draw the edge of a region of the fine grid."""
    fine = len(one.y.between(PARTS)), len(one.x.between(PARTS))
    # Of a run with other values in between there are none to be drawn.
    if inside.shape != fine or inside.all() or not inside.any():
        return
    # To the edges of the outer cells as at their centres.
    places = [
        [-0.5, *map(axis.place, axis.between(PARTS)), len(axis.values) - 0.5]
        for axis in (one.x, one.y)
    ]
    inside = np.pad(inside, 1, mode="edge")
    axes.contour(*places, inside.astype(float), levels=[0.5], colors=theme.ink, linewidths=1.1,
                 linestyles=[style])  # fmt: skip


def _cell(
    axes: Axes, one: Map, cell: Cell, place: tuple[int, int], theme: Theme, alpha: float, *,
    has_text: bool,
) -> None:  # fmt: skip
    way = BY_NAME[cell.winner]
    x, y = place
    patch = Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, color=way.colour, alpha=alpha, lw=0)
    axes.add_patch(patch)
    if has_text:
        tip(patch, tip_text(one, cell))
    if has_text:
        lead = "" if cell.lead is None else f"\n{cell.lead:.2g}×"
        axes.text(x, y, way.letter + lead, ha="center", va="center", fontsize=8, color=theme.ink)


def tip_text(one: Map, cell: Cell) -> str:
    """Say all that is known of a cell."""
    head = one.text(cell.x, cell.y)
    if not cell.times:
        return f"{head}: not timed; the model has {BY_NAME[cell.winner].label} ahead"
    times = sorted(cell.times.items(), key=lambda pair: pair[1])
    told = [
        f"{name} {_milliseconds(seconds)} ({_milliseconds(cell.predicted[name])} predicted)"
        for name, seconds in times
    ]
    return f"{head}: {', '.join(told)}"


def columns(results: MapsResults, width: float, theme: Theme = PAGE) -> Figure | None:
    """Draw the bytes of columns beside the image's, and at the right how fast they are made."""
    if not results.columns:
        return None
    image, whole = Series("the image", "#2f7fd6"), Series("its columns", IM2COL.colour, marker="D")
    for one in results.columns:
        name = f"{one.layer}, {one.columns_bytes / one.seconds / 1e9:.2g} GB/s"
        image.values[name] = one.image_bytes / 1e6
        whole.values[name] = one.columns_bytes / 1e6
    return draw_dots(
        list(image.values), [image, whole], width, theme, label="MB, logarithmic", unit="MB"
    )  # fmt: skip


def caches(results: MapsResults, width: float, theme: Theme = PAGE) -> Figure | None:
    """Draw how many times as long a call takes after the caches were swept."""
    if not results.caches:
        return None
    found: dict[str, Series] = {}
    names: Mapping[str, None] = dict.fromkeys(one.layer for one in results.caches)
    for one in results.caches:
        way = BY_NAME[one.backend]
        series = found.setdefault(one.backend, Series(way.backend, way.colour))
        series.values[one.layer] = one.cold / one.warm
    drawn = draw_dots(
        list(names), list(found.values()), width, theme,
        label="times a call with warm caches", unit="times",
    )  # fmt: skip
    # Not so far apart that it had to be logarithmic.
    drawn.axes[0].set_xscale("linear")
    return drawn


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"
