"""The chart of a climb: a row for each rung, what it does, what it should, and the peak."""

from __future__ import annotations

import matplotlib
from matplotlib.figure import Figure

from benchmarks.ladder.results import LadderResults, Step
from benchmarks.reporting import figures
from benchmarks.reporting.charts import LIBRARIES, OURS, RUNGS
from benchmarks.reporting.figures import PAGE, Theme
from benchmarks.reporting.templating import figure as written

__all__ = ["colour", "draw"]

NAMES, NOTES, ROW_HEIGHT, HEAD, FOOT = 1.75, 0.75, 0.29, 0.35, 0.5  # inches


def colour(step: Step) -> str:
    """Return the colour of a rung: NumPy's and Python's, one thread's loops, all threads'."""
    if step.threads > 1:
        return OURS[2]
    return OURS[0] if step.instruction_set else LIBRARIES[0] if step.number > 1 else RUNGS[1]


def draw(results: LadderResults, width: float, theme: Theme = PAGE) -> Figure:
    """Draw the measured GFLOP/s as bars, hollow where of a cut, and the predicted ones as marks."""
    steps = results.climbed
    across, height = width - NAMES - NOTES, ROW_HEIGHT * len(steps)
    whole = HEAD + height + FOOT
    with matplotlib.rc_context(figures.page_style(theme)):
        figure = Figure(figsize=(width, whole))
        axes = figure.add_axes((NAMES / width, FOOT / whole, across / width, height / whole))
        figures.quiet(axes, theme, "x")
        axes.set_xscale("log")
        shown = [step.gflops for step in steps]
        shown += [step.predicted_gflops for step in steps if step.predicted_gflops]
        start, end = min(shown) / 2, max(shown) * 1.3
        for place, step in enumerate(steps):
            shade = colour(step)
            axes.barh(
                place, step.gflops - start, left=start, height=0.62, edgecolor=shade, lw=1.3,
                color="none" if step.is_cut else shade,
            )  # fmt: skip
            if step.predicted_gflops:
                axes.plot([step.predicted_gflops] * 2, [place - 0.4, place + 0.4],
                          color=theme.ink, lw=2)  # fmt: skip
            figures.write_note(axes, 0.08, place, written(step.gflops), theme.ink, ha="left")
        for threads in sorted({step.threads for step in steps}):
            peak = results.peak(threads)
            if peak is not None:
                axes.plot([peak] * 2, [-0.6, len(steps) - 0.4], color=theme.ink, lw=0.8,
                          ls=(0, (2, 3)))  # fmt: skip
                end = max(end, peak * 1.3)
        axes.set_yticks(range(len(steps)), [f"{step.number} {step.rung}" for step in steps])
        axes.set_ylim(len(steps) - 0.4, -0.6)
        axes.set_xlim(start, end)
        axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:g}"))
        axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        axes.set_xlabel("GFLOP/s of direct sums, logarithmic")
        title = "bars: measured, strokes: predicted, dotted: peak"
        figure.text(NAMES / width, 1 - 0.2 / whole, title, color=theme.ink, va="center",
                    ha="left" if width >= figures.WIDE else "center", fontsize=8)  # fmt: skip
    return figure
