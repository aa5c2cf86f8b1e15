"""Figures with a row for each layer: dots on it, notes beside it, in the ink of a theme."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import matplotlib
from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDE, NARROW = 9.0, 4.4  # inches: a page, a telephone
ROW_HEIGHT = 0.27
LEGEND_ROW = 0.24
NAMES_MARGIN, NOTES_WIDTH = 1.85, 0.6


@dataclass(frozen=True)
class Theme:
    """Ink for text, a softer one for what counts less, a faint one for rules, and their ground."""

    ink: str
    soft: str
    faint: str
    ground: str


# In a page the inks are placeholders that become CSS, so that they follow light and dark.
PAGE = Theme(ink="#010203", soft="#020304", faint="#040506", ground="none")
PAPER = Theme(ink="#1c2733", soft="#8a939e", faint="#c3cad3", ground="#ffffff")
_CSS = {PAGE.ink: "currentColor", PAGE.soft: "var(--soft)", PAGE.faint: "var(--rule)"}


# Marks that say something are told to matplotlib as identifiers, which it escapes, and to a browser
# as titles.
_TIP = "tip: "
_TIPS = re.compile(f"<g id=([\"']){_TIP}(.*?)\\1>")

_FONTS = re.compile(r"font-family: [^;\"]*;? ?")
_NOT_TURNED = re.compile(r' transform="rotate\(-?0 [^"]*"')
_COORDINATES = re.compile(r' (?:x|y|d|transform)="[^"]*"')
_DIGITS = re.compile(r"(\.\d\d)\d+")
_BETWEEN = re.compile(r">\s+<")
# A mark at the edge of its axes may as well be whole.
_EMPTY = re.compile(r'<g id="[^"]*"/>')
# Only what is used again needs a name, and that is no group.
_NAMES = re.compile(r'<g id="[^"]*">')
# Said where the mark is defined.
_STROKES = re.compile(r'(<use [^>]*style="fill[^";]*); stroke: [^";]*; stroke-width: [\d.]*')
_CUT_MARKS = re.compile(r'<g clip-path="[^"]*">(<use [^>]*/>)</g>')


@dataclass
class Series:
    """Dots of one colour: row → value; `hollow` rows came from a cut."""

    label: str
    colour: str
    values: dict[str, float] = field(default_factory=dict)
    hollow: set[str] = field(default_factory=set)
    marker: str = "o"


@dataclass
class Notes:
    """A column of ratios to the right of the rows, and what stands above it."""

    title: str
    ratios: dict[str, float] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    """Whose ratio differs from 1 by no more than noise."""


def draw_dots(
    names: Sequence[str],
    series: Sequence[Series],
    width: float,
    theme: Theme,
    *,
    label: str,
    unit: str,
    ceiling: float | None = None,
    notes: Sequence[Notes] = (),
) -> Figure:
    """Draw one row of dots per layer on a logarithmic axis, notes at the right end of the rows."""
    margin = 0.1 + NOTES_WIDTH * len(notes)
    with layer_figure(names, width, theme, series, margin) as (figure, axes):
        axes.set_xscale("log")
        for place, name in enumerate(names):
            values = [s.values[name] for s in series if name in s.values]
            if values:
                axes.plot([min(values), max(values)], [place, place], color=theme.faint, lw=1)
        for order, one in enumerate(series):
            for name, value in one.values.items():
                hollow = name in one.hollow
                mark = axes.plot(
                    value,
                    names.index(name),
                    one.marker,
                    color=one.colour,
                    ms=10 if one.marker == "|" else 6.5,
                    mew=2 if one.marker == "|" else 1.4,
                    mfc="none" if hollow else one.colour,
                    zorder=3 + order,
                )[0]
                cut = ", of a cut" if hollow else ""
                tip(mark, f"{name}, {one.label}: {value:.3g} {unit}{cut}")
        if ceiling:
            axes.plot([ceiling] * 2, [-0.6, len(names)], color=theme.ink, lw=0.8, ls=(0, (2, 3)))
            axes.text(ceiling, -1, f"peak {ceiling:.0f}", ha="right", va="center", color=theme.ink)
        axes.set_xlabel(label)
        axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:g}"))
        axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        for number, column in enumerate(notes, start=1):
            inches = NOTES_WIDTH * number
            write_note(axes, inches, -1, column.title, theme.ink, ha="right")
            for name, ratio in column.ratios.items():
                is_hidden = name in column.hidden
                weight = "bold" if ratio > 1 and not is_hidden else "normal"
                text, ink = f"{ratio:.2f}×", theme.soft if is_hidden else theme.ink
                write_note(axes, inches, names.index(name), text, ink, ha="right", weight=weight)
    return figure


def write_note(
    axes: Axes, inches: float, place: float, text: str, colour: str, **style: Any
) -> None:
    """Write a note beside a row, so many inches right of the axes."""
    axes.annotate(
        text,
        (1, place),
        xycoords=("axes fraction", "data"),
        xytext=(72 * inches, 0),
        textcoords="offset points",
        va="center_baseline",
        color=colour,
        annotation_clip=False,
        **style,
    )


@contextmanager
def layer_figure(
    names: Sequence[str],
    width: float,
    theme: Theme,
    series: Sequence[Series],
    margin: float,
) -> Iterator[tuple[Figure, Axes]]:
    """Yield axes with a row per layer and `margin` inches for notes; the legend goes above."""
    columns = 5 if width >= WIDE else 2
    legend = 0.1 + LEGEND_ROW * -(-len(series) // columns)
    rows = ROW_HEIGHT * (len(names) + 0.8)
    height = legend + rows + 0.5
    with matplotlib.rc_context(page_style(theme)):
        figure = Figure(figsize=(width, height))
        across = width - NAMES_MARGIN - margin
        axes = figure.add_axes((NAMES_MARGIN / width, 0.5 / height, across / width, rows / height))
        quiet(axes, theme, "x")
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -1.3)
        yield figure, axes
        # What is drawn last lies on top and comes first in the legend.
        handles = [
            axes.plot([], [], one.marker, color=one.colour, mew=2, label=one.label)[0]
            for one in reversed(series)
            if one.values
        ]
        figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.1,
            ncols=columns,
            frameon=False,
            handletextpad=0.2,
            columnspacing=1.2,
        )


def tip(mark: Artist, text: str) -> None:
    """Have a mark say this on a page when it is pointed at or in focus."""
    mark.set_gid(_TIP + text)


def quiet(axes: Axes, theme: Theme, rules: Literal["both", "x", "y"] = "both") -> None:
    """Leave of the axes only faint rules, behind what is drawn."""
    axes.set_facecolor("none")
    axes.spines[:].set_visible(False)
    axes.tick_params(which="both", length=0)
    axes.grid(axis=rules, color=theme.faint, lw=0.5, alpha=0.6)
    axes.set_axisbelow(True)


def twice(draw: Callable[[float], Figure | None], name: str) -> Markup | None:
    """Return a chart for wide and for narrow windows; CSS shows one of them.

    Parameters
    ----------
    draw
        Makes the figure of a width in inches, or None where there is nothing to draw.
    name
        Of the chart: another for each one of a page.
    """
    drawn = []
    for size, width in (("wide", WIDE), ("narrow", NARROW)):
        figure = draw(width)
        if figure is None:
            return None
        drawn.append(f'<div class="{size}">{svg(figure, f"{name} {size}")}</div>')
    return Markup("".join(drawn))


def once(draw: Callable[[float], Figure | None], name: str) -> Markup | None:
    """Return a chart for wide windows, along which narrow ones can be moved."""
    figure = draw(WIDE)
    if figure is None:
        return None
    return Markup(f'<div class="scroll"><div class="broad">{svg(figure, name)}</div></div>')


def svg(figure: Figure, name: str) -> str:
    """Return the figure as an SVG element whose ink is that of the page around it."""
    buffer = io.StringIO()
    # Identifiers are hashed with the name: they would clash between the charts of a page.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    for ink, colour in _CSS.items():
        text = text.replace(ink, colour)
    text = _TIPS.sub(r'<g class="tip"><title>\2</title>', text)
    return _compact(text[text.index("<svg") :])


def _compact(text: str) -> str:
    """Leave out what matplotlib repeats, and digits that nobody sees: half of a page."""
    text = _FONTS.sub("", text)  # report.css names them once
    text = _NOT_TURNED.sub("", text)
    text = _COORDINATES.sub(lambda match: _DIGITS.sub(r"\1", match[0].replace("\n", " ")), text)
    text = _CUT_MARKS.sub(r"\1", _BETWEEN.sub("><", text))
    return _NAMES.sub("<g>", _EMPTY.sub("", _STROKES.sub(r"\1", text)))


def page_style(theme: Theme) -> dict[Any, Any]:
    """Return what matplotlib needs to know to write in the ink of a theme."""
    return {
        "font.family": "sans-serif",
        "font.size": 9,
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
    }
