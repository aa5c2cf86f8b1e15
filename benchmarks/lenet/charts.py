"""The page's charts: how it learned, and what an epoch costs everyone."""

from __future__ import annotations

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.contestants.base import AUTO
from benchmarks.lenet.results import Cost, LenetResults
from benchmarks.reporting import figures
from benchmarks.reporting.charts import LIBRARIES, OURS, RUNGS
from benchmarks.reporting.figures import PAGE, WIDE

COLOURS = {"fastconv": OURS[0], "rung": RUNGS[0], "library": LIBRARIES[0]}


def learning(results: LenetResults, width: float) -> Figure:
    """Draw the loss and the share of wrong answers after each epoch, beside or below another."""
    side_by_side = width >= WIDE
    with matplotlib.rc_context(figures.page_style(PAGE)):
        figure = Figure(figsize=(width, 2.9 if side_by_side else 5.0), layout="constrained")
        parts = figure.subplots(1, 2) if side_by_side else figure.subplots(2, 1)
        numbers = [epoch.number for epoch in results.epochs]
        panels: tuple[tuple[Axes, list[float], str, str], ...] = (
            (
                parts[0],
                [epoch.loss for epoch in results.epochs],
                "mean loss of the epoch, logarithmic",
                OURS[0],
            ),
            (
                parts[1],
                [100 * (1 - epoch.accuracy) for epoch in results.epochs],
                "per cent of the test digits wrong, logarithmic",
                LIBRARIES[0],
            ),
        )
        for axes, values, title, shade in panels:
            figures.quiet(axes, PAGE)
            axes.plot(numbers, values, color=shade, lw=2)
            for number, value in zip(numbers, values, strict=True):
                mark = axes.plot(number, value, "o", color=shade, ms=3.5)[0]
                figures.tip(mark, f"epoch {number}: {value:.3g}, {title.split(',')[0]}")
            if min(values) > 0:
                axes.set_yscale("log")
                axes.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:g}"))
            axes.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
            axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(8, integer=True))
            axes.set_title(title, loc="left", fontsize=9, color=PAGE.ink)
            axes.set_xlabel("epoch")
            axes.set_xlim(right=numbers[-1] + 0.09 * len(numbers))  # room for the last figure
            axes.annotate(
                f"{values[-1]:.3g}", (numbers[-1], values[-1]), xytext=(6, 0),
                textcoords="offset points", va="center", color=shade, fontweight="bold",
                annotation_clip=False,
            )  # fmt: skip
    return figure


def costs(results: LenetResults, width: float) -> Figure:
    """Draw the seconds of an epoch, the slowest above, hollow where they are extrapolated."""
    timed = results.timed
    names, notes, height = 1.75, 0.75, 0.3 * len(timed)
    with matplotlib.rc_context(figures.page_style(PAGE)):
        figure = Figure(figsize=(width, height + 0.55))
        axes = figure.add_axes(
            (
                names / width,
                0.5 / (height + 0.55),
                (width - names - notes) / width,
                height / (height + 0.55),
            )
        )
        figures.quiet(axes, PAGE, "x")
        axes.set_xscale("log")
        seconds = [results.epoch_seconds(cost) for cost in timed]
        # bars of a logarithm have no natural beginning: a third of the shortest
        start = min(seconds) / 3
        for place, (cost, value) in enumerate(zip(timed, seconds, strict=True)):
            hollow = results.is_extrapolated(cost)
            shade = colour(cost)
            bar = axes.barh(
                place, value - start, left=start, height=0.62, color="none" if hollow else shade,
                edgecolor=shade, lw=1.3,
            )[0]  # fmt: skip
            figures.tip(bar, f"{cost.label}: {duration(value)} an epoch")
            figures.write_note(axes, 0.08, place, duration(value), PAGE.ink, ha="left")
        axes.set_yticks(range(len(timed)), [cost.label for cost in timed])
        axes.set_ylim(len(timed) - 0.5, -0.5)
        axes.set_xlim(start, max(seconds) * 1.05)
        axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:g}"))
        axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        axes.set_xlabel("seconds an epoch, logarithmic")
    return figure


def duration(seconds: float) -> str:
    """Write a time as one reads it aloud."""
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 100:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def colour(cost: Cost) -> str:
    """Return the colour of a contestant: what `auto` takes apart from the other backends."""
    return OURS[1] if cost.kind == "fastconv" and cost.name != AUTO else COLOURS[cost.kind]
