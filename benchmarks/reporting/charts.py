"""The charts: one row per layer, one colour per contestant in all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.measuring.results import Measurement, Results
from benchmarks.reporting.figures import (
    PAGE,
    PAPER,
    WIDE,
    Notes,
    Series,
    Theme,
    draw_dots,
    layer_figure,
    tip,
    write_note,
)
from benchmarks.reporting.noise import is_hidden, noise
from benchmarks.reporting.rivals import NUMPY_IM2COL, NUMPY_IM2COL_LABEL, rows
from benchmarks.reporting.sentences import count
from benchmarks.reporting.ways import WAYS

# Legible on white and on black alike. fastconv is warm, the rungs grey, the libraries cool; the
# ways that the project is about have theirs in ways.py.
OURS = (
    "#e8590c", "#f2a20d", "#e2725b", "#a8324a", "#e599a8",
    "#8f4a1c", "#d6336c", "#b5651d", "#c9a227",
)  # fmt: skip
RUNGS = ("#8a8f98", "#6b7079")
LIBRARIES = ("#2f7fd6", "#62b0e8", "#8a63d2", "#2b9f6b", "#14a3a8", "#5a6fd8")

# The kernel accounts for memory in steps; smaller peaks are noise and share one place.
MEMORY_FLOOR_MB = 0.25


def colours(results: Results) -> dict[str, str]:
    """Return a colour for each contestant, the same in every chart of the run."""
    palette = {
        kind: iter(shades * 3)
        for kind, shades in (
            ("fastconv", OURS[1:]),
            ("rung", RUNGS),
            ("library", LIBRARIES),
            ("control", RUNGS),
        )
    }
    # `auto` comes first, then the plan, as in the headline; the backends in order of choice.
    known = {way.contestants[0]: way.colour for way in WAYS}
    return {
        info.name: known.get(info.name) or next(palette[info.kind]) for info in results.contestants
    }


def headline(results: Results, direction: str, width: float, theme: Theme = PAGE) -> Figure:
    """Draw fastconv as `auto` runs it against the others, with the ratio to the fastest.

    The layers that it loses come first.
    """
    layers = sorted(rows(results, direction), key=lambda row: row.ratio or math.inf)
    found = noise(results, direction)
    libraries = [info for info in results.present if info.kind == "library"]
    series = [_series(results, direction, info.name) for info in reversed(libraries)]
    # A mark, as it is no library, and only where it is a yardstick.
    everyones = Series(NUMPY_IM2COL_LABEL, RUNGS[1], marker="|")
    for row in layers:
        for rival in (row.rival, row.best):
            if rival is not None and rival.contestant in NUMPY_IM2COL:
                everyones.values[row.info.name] = rival.gflops
    ours = Series("fastconv (auto)", OURS[0])
    planned = Series("fastconv, packed ahead", OURS[1])
    calls, plans = Notes("call"), Notes("packed")
    for row in layers:
        for mine, measurement in ((ours, row.ours), (planned, row.planned)):
            if measurement is not None:
                mine.values[row.info.name] = measurement.gflops
                if measurement.is_cut:
                    mine.hollow.add(row.info.name)
        for notes, ratio in ((calls, row.ratio), (plans, row.planned_ratio)):
            if ratio is not None:
                notes.ratios[row.info.name] = ratio
                if is_hidden(found, ratio):
                    notes.hidden.add(row.info.name)
    # Too slow to be anybody's rival; it would only squeeze the others into a corner.
    fast = [s for s in series if s.values and max(s.values.values()) > 2]
    return draw_dots(
        [row.info.name for row in layers],
        [one for one in (everyones, *fast, planned, ours) if one.values],
        width,
        theme,
        label="GFLOP/s",
        unit="GFLOP/s",
        ceiling=results.peak_gflops,
        # A telephone has room for one column.
        notes=[notes for notes in (calls, plans) if notes.ratios][: 2 if width >= WIDE else 1],
    )


def speed(results: Results, direction: str, width: float) -> Figure:
    """Draw the speed of everyone."""
    series = [_series(results, direction, name) for name in _drawing_order(results)]
    return draw_dots(
        names(results),
        series,
        width,
        PAGE,
        label="GFLOP/s, logarithmic",
        unit="GFLOP/s",
        ceiling=results.peak_gflops,
    )


def fraction_of_peak(results: Results, direction: str, width: float) -> Figure | None:
    """Draw how much of the measured peak fastconv and the fastest of all others reach."""
    peak = results.peak_gflops
    if not peak:
        return None
    ours, rival = Series("fastconv (auto)", OURS[0]), Series("best other", LIBRARIES[0], marker="|")
    layers = rows(results, direction)
    order = names(results)
    for row in layers:
        for series, measurement in ((ours, row.ours), (rival, row.best)):
            if measurement is not None:
                series.values[row.info.name] = 100 * measurement.gflops / peak
    with layer_figure(order, width, PAGE, [rival, ours], margin=1.15) as (figure, axes):
        for name, value in ours.values.items():
            bar = axes.barh(order.index(name), value, height=0.55, color=ours.colour)[0]
            tip(bar, f"{name}, {ours.label}: {value:.3g} % of the peak")
        for series, inches in ((ours, 0.55), (rival, 1.1)):
            for name, value in series.values.items():
                place = order.index(name)
                if series is rival:
                    heights = [place - 0.38, place + 0.38]
                    line = axes.plot([value] * 2, heights, color=rival.colour, lw=2.5)[0]
                    tip(line, f"{name}, {rival.label}: {value:.3g} % of the peak")
                write_note(axes, inches, place, f"{value:.0f} %", series.colour, ha="right")
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
    return draw_dots(names(results), series, width, PAGE, label=label, unit="MB")


def error(results: Results, direction: str, width: float) -> Figure:
    """Draw the largest error of everyone against float64."""
    series = [
        _series(results, direction, name, lambda m: m.error) for name in _drawing_order(results)
    ]
    label = "largest error in units of u·(Σ|w||x|+|b|)"
    return draw_dots(names(results), series, width, PAGE, label=label, unit="u")


def save_picture(results: Results, path: Path) -> None:
    """Write the headline chart as a picture of its own, saying what it shows and where it ran."""
    direction = results.directions[0]
    figure = headline(results, direction, WIDE, PAPER)
    layers = count(len(results.layers), "layer")
    title = f"2-D convolution, {direction}, GFLOP/s of {layers}"
    threads = count(results.threads, "thread")
    where = f"{results.machine['cpu']}, {threads}, float32, {results.created[:10]}"
    top: dict[str, Any] = {"x": 0.012, "ha": "left", "va": "bottom", "color": PAPER.ink}
    figure.text(y=1.03, s=title, fontsize=13, fontweight="bold", **top)
    figure.text(y=1.008, s=where, fontsize=9, **top)
    figure.savefig(path, dpi=160, facecolor=PAPER.ground, bbox_inches="tight", pad_inches=0.15)


def names(results: Results) -> list[str]:
    """Return the layers in the order of the run."""
    return [info.name for info in results.layers]


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
