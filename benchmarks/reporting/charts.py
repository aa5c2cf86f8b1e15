"""The charts: one row per layer, one colour per contestant in all of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.measuring.results import Measurement, Results
from benchmarks.reporting import analysis

# Legible on white and on black alike. fastconv is warm, the rungs grey, the libraries cool.
OURS = (
    "#e8590c", "#f2a20d", "#d6336c", "#b5651d", "#e2725b",
    "#c9a227", "#a8324a", "#8f4a1c", "#e599a8",
)  # fmt: skip
RUNGS = ("#8a8f98", "#6b7079")
LIBRARIES = ("#2f7fd6", "#62b0e8", "#8a63d2", "#2b9f6b", "#14a3a8", "#5a6fd8")

WIDE, NARROW = 9.0, 4.4  # inches: a page, a telephone
ROW_HEIGHT = 0.27
LEGEND_ROW = 0.24
NAMES_MARGIN, NOTES_WIDTH = 1.85, 0.6

# The kernel accounts for memory in steps; smaller peaks are noise and share one place.
MEMORY_FLOOR_MB = 0.25


@dataclass(frozen=True)
class Theme:
    """Ink for text, a fainter one for rules, and the ground behind them."""

    ink: str
    faint: str
    ground: str


# In a page the two inks are placeholders that become CSS, so that they follow light and dark.
PAGE = Theme(ink="#010203", faint="#040506", ground="none")
PAPER = Theme(ink="#1c2733", faint="#c3cad3", ground="#ffffff")


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


def colours(results: Results) -> dict[str, str]:
    """Return a colour for each contestant, the same in every chart of the run."""
    palette = {"fastconv": iter(OURS * 3), "rung": iter(RUNGS * 3), "library": iter(LIBRARIES * 3)}
    # `auto` comes first, then the plan, as in the headline; the backends in order of choice.
    return {info.name: next(palette[info.kind]) for info in results.contestants}


def headline(results: Results, direction: str, width: float, theme: Theme = PAGE) -> Figure:
    """Draw fastconv as `auto` runs it against the others, with the ratio to the fastest."""
    rows = analysis.rows(results, direction)
    libraries = [info for info in results.present if info.kind == "library"]
    series = [_series(results, direction, info.name) for info in reversed(libraries)]
    # A mark, as it is no library, and only where it is a yardstick.
    everyones = Series(analysis.NUMPY_IM2COL_LABEL, RUNGS[1], marker="|")
    for row in rows:
        for rival in (row.rival, row.best):
            if rival is not None and rival.contestant in analysis.NUMPY_IM2COL:
                everyones.values[row.info.name] = rival.gflops
    ours = Series("fastconv (auto)", OURS[0])
    planned = Series("fastconv, packed ahead", OURS[1])
    calls, plans = Notes("call"), Notes("packed")
    for row in rows:
        for mine, measurement in ((ours, row.ours), (planned, row.planned)):
            if measurement is not None:
                mine.values[row.info.name] = measurement.gflops
                if measurement.is_cut:
                    mine.hollow.add(row.info.name)
        for notes, ratio in ((calls, row.ratio), (plans, row.planned_ratio)):
            if ratio is not None:
                notes.ratios[row.info.name] = ratio
    # Too slow to be anybody's rival; it would only squeeze the others into a corner.
    fast = [s for s in series if s.values and max(s.values.values()) > 2]
    return _dots(
        results,
        [one for one in (everyones, *fast, planned, ours) if one.values],
        width,
        theme,
        label="GFLOP/s",
        ceiling=results.peak_gflops,
        # A telephone has room for one column.
        notes=[notes for notes in (calls, plans) if notes.ratios][: 2 if width >= WIDE else 1],
    )


def speed(results: Results, direction: str, width: float) -> Figure:
    """Draw the speed of everyone."""
    series = [_series(results, direction, name) for name in _drawing_order(results)]
    return _dots(
        results, series, width, PAGE, label="GFLOP/s, logarithmic", ceiling=results.peak_gflops
    )


def fraction_of_peak(results: Results, direction: str, width: float) -> Figure | None:
    """Draw how much of the measured peak fastconv and the fastest of all others reach."""
    peak = results.peak_gflops
    if not peak:
        return None
    ours, rival = Series("fastconv (auto)", OURS[0]), Series("best other", LIBRARIES[0], marker="|")
    rows = analysis.rows(results, direction)
    names = [row.info.name for row in rows]
    for row in rows:
        for series, measurement in ((ours, row.ours), (rival, row.best)):
            if measurement is not None:
                series.values[row.info.name] = 100 * measurement.gflops / peak
    with _figure(results, width, PAGE, [rival, ours], margin=1.15) as (figure, axes):
        places = [names.index(name) for name in ours.values]
        axes.barh(places, list(ours.values.values()), height=0.55, color=ours.colour)
        for series, inches in ((ours, 0.55), (rival, 1.1)):
            for name, value in series.values.items():
                place = names.index(name)
                if series is rival:
                    axes.plot([value] * 2, [place - 0.38, place + 0.38], color=rival.colour, lw=2.5)
                _note(axes, inches, place, f"{value:.0f} %", series.colour, ha="right")
        axes.set_xlim(0, max([100.0, *ours.values.values(), *rival.values.values()]))
        axes.set_xlabel("per cent of the measured peak")
    return figure


def memory(results: Results, direction: str, width: float) -> Figure | None:
    """Draw the column matrix on paper and the memory really taken, whole layers only."""
    columns = Series("column matrix of im2col", PAGE.ink, marker="|")
    for info in results.layers:
        columns.values[info.name] = info.columns_bytes / 1e6
    series = [columns]
    for name in _drawing_order(results):
        measured = _series(results, direction, name, _megabytes)
        # A cut needs less memory than the layer: nothing to compare with the column matrix.
        measured.values = {k: v for k, v in measured.values.items() if k not in measured.hollow}
        measured.hollow.clear()
        if measured.values:
            series.append(measured)
    if len(series) == 1:
        return None
    label = f"MB beyond input and output, logarithmic (up to {MEMORY_FLOOR_MB:g}: not measurable)"
    if width < WIDE:
        label = "MB beyond input and output"
    return _dots(results, series, width, PAGE, label=label)


def error(results: Results, direction: str, width: float) -> Figure:
    """Draw the largest error of everyone against float64."""
    series = [
        _series(results, direction, name, lambda m: m.error) for name in _drawing_order(results)
    ]
    return _dots(results, series, width, PAGE, label="largest error in units of u·(Σ|w||x|+|b|)")


def svg(figure: Figure, name: str) -> str:
    """Return the figure as an SVG element whose ink is that of the page around it."""
    buffer = io.StringIO()
    # Identifiers are hashed with the name: they would clash between the charts of a page.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    text = text.replace(PAGE.ink, "currentColor").replace(PAGE.faint, "var(--rule)")
    return text[text.index("<svg") :]


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


def save_picture(results: Results, path: Path) -> None:
    """Write the headline chart as a picture of its own, saying what it shows and where it ran."""
    direction = results.directions[0]
    figure = headline(results, direction, WIDE, PAPER)
    layers = analysis.count(len(results.layers), "layer")
    title = f"2-D convolution, {direction}, GFLOP/s of {layers}"
    threads = analysis.count(results.threads, "thread")
    where = f"{results.machine['cpu']}, {threads}, float32, {results.created[:10]}"
    top: dict[str, Any] = {"x": 0.012, "ha": "left", "va": "bottom", "color": PAPER.ink}
    figure.text(y=1.03, s=title, fontsize=13, fontweight="bold", **top)
    figure.text(y=1.008, s=where, fontsize=9, **top)
    figure.savefig(path, dpi=160, facecolor=PAPER.ground, bbox_inches="tight", pad_inches=0.15)


def _drawing_order(results: Results) -> list[str]:
    """Return the contestants with fastconv's best-liked backend last, on top of all others."""
    of_kind = {
        kind: [info.name for info in results.present if info.kind == kind]
        for kind in ("rung", "library", "fastconv")
    }
    return [*of_kind["rung"], *reversed(of_kind["library"]), *reversed(of_kind["fastconv"])]


def _series(
    results: Results,
    direction: str,
    contestant: str,
    value: Callable[[Measurement], float | None] = lambda m: m.gflops,
) -> Series:
    series = Series(results.label(contestant), colours(results)[contestant])
    for info in results.layers:
        measurement = results.find(info.name, direction, contestant)
        if measurement is None or not measurement.timed:
            continue
        number = value(measurement)
        if number is not None and number > 0:
            series.values[info.name] = number
            if measurement.is_cut:
                series.hollow.add(info.name)
    return series


def _megabytes(measurement: Measurement) -> float | None:
    if measurement.extra_bytes is None:
        return None
    return max(measurement.extra_bytes / 1e6, MEMORY_FLOOR_MB)


def _dots(
    results: Results,
    series: Sequence[Series],
    width: float,
    theme: Theme,
    *,
    label: str,
    ceiling: float | None = None,
    notes: Sequence[Notes] = (),
) -> Figure:
    """Draw one row of dots per layer on a logarithmic axis, notes at the right end of the rows."""
    names = [info.name for info in results.layers]
    margin = 0.1 + NOTES_WIDTH * len(notes)
    with _figure(results, width, theme, series, margin) as (figure, axes):
        axes.set_xscale("log")
        for place, name in enumerate(names):
            values = [s.values[name] for s in series if name in s.values]
            if values:
                axes.plot([min(values), max(values)], [place, place], color=theme.faint, lw=1)
        for order, one in enumerate(series):
            for name, value in one.values.items():
                hollow = name in one.hollow
                axes.plot(
                    value,
                    names.index(name),
                    one.marker,
                    color=one.colour,
                    ms=10 if one.marker == "|" else 6.5,
                    mew=2 if one.marker == "|" else 1.4,
                    mfc="none" if hollow else one.colour,
                    zorder=3 + order,
                )
        if ceiling:
            axes.plot([ceiling] * 2, [-0.6, len(names)], color=theme.ink, lw=0.8, ls=(0, (2, 3)))
            axes.text(ceiling, -1, f"peak {ceiling:.0f}", ha="right", va="center", color=theme.ink)
        axes.set_xlabel(label)
        axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:g}"))
        axes.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        for number, column in enumerate(notes, start=1):
            inches = NOTES_WIDTH * number
            _note(axes, inches, -1, column.title, theme.ink, ha="right")
            for name, ratio in column.ratios.items():
                weight = "bold" if ratio > 1 else "normal"
                text = f"{ratio:.2f}×"
                _note(axes, inches, names.index(name), text, theme.ink, ha="right", weight=weight)
    return figure


def _note(axes: Axes, inches: float, place: float, text: str, colour: str, **style: Any) -> None:
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
def _figure(
    results: Results,
    width: float,
    theme: Theme,
    series: Sequence[Series],
    margin: float,
) -> Iterator[tuple[Figure, Axes]]:
    """Yield axes with a row per layer and `margin` inches for notes; the legend goes above."""
    names = [info.name for info in results.layers]
    columns = 5 if width >= WIDE else 2
    legend = 0.1 + LEGEND_ROW * -(-len(series) // columns)
    rows = ROW_HEIGHT * (len(names) + 0.8)
    height = legend + rows + 0.5
    with matplotlib.rc_context(page_style(theme)):
        figure = Figure(figsize=(width, height))
        across = width - NAMES_MARGIN - margin
        axes = figure.add_axes((NAMES_MARGIN / width, 0.5 / height, across / width, rows / height))
        axes.set_facecolor("none")
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -1.3)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.grid(axis="x", color=theme.faint, lw=0.5, alpha=0.6)
        axes.set_axisbelow(True)
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
