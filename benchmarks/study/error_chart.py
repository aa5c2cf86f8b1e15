"""The chart of errors: by how many products are summed, a line for each who summed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.figure import Figure

from benchmarks.reporting.figures import PAPER, WIDE, page_style, quiet

__all__ = ["draw"]

HEIGHT = 4.2
# Who is beside whom: far apart for people who see few colours, and on paper.
COLOURS = (
    "#8a939e", "#e8590c", "#d6336c", "#8a63d2", "#2f7fd6", "#2b9f6b", "#c9a227", "#14a3a8",
    "#5b4636",
)  # fmt: skip
MARKERS = "osD^vP*Xp"


def draw(series: Mapping[str, Sequence[tuple[int, float]]]) -> Figure:
    """Draw errors on logarithmic axes; lines of the same points are one, of several names.

    Parameters
    ----------
    series
        Title → products that are summed, and the relative error.
    """
    lines: dict[tuple[tuple[int, float], ...], list[str]] = {}
    for title, points in series.items():
        lines.setdefault(tuple(sorted(points)), []).append(title)
    with matplotlib.rc_context(page_style(PAPER)):
        figure = Figure(figsize=(WIDE, HEIGHT))
        axes = figure.add_axes((0.09, 0.12, 0.66, 0.83))
        quiet(axes, PAPER)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        for number, (points, titles) in enumerate(lines.items()):
            products, errors = zip(*points, strict=True)
            axes.plot(
                products,
                errors,
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                ms=5,
                lw=1.2,
                label=", ".join(titles),
            )
        axes.set_xlabel("products that are summed for a result")
        axes.set_ylabel("relative error (L2)")
        axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:g}"))
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure
