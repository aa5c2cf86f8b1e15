"""The roofline: what the machine allows a layer, and what of it is reached.

A layer that needs few bytes for its work is held up by the multipliers, one that needs many by the
memory: at so many FLOPs per byte no more than bandwidth times that can be done in a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.measuring.results import Measurement, Results
from benchmarks.problems.layer import Layer
from benchmarks.reporting import rivals
from benchmarks.reporting.charts import LIBRARIES, OURS
from benchmarks.reporting.figures import LEGEND_ROW, PAGE, WIDE, page_style, quiet, tip

KINDS = {"dense": "o", "1×1": "s", "grouped": "D", "depthwise": "^"}


def least_bytes(layer: Layer, direction: str) -> int:
    """Return the bytes of everything read and written in float32, each once."""
    x, weight, y = map(prod, (layer.x_shape, layer.weight_shape, layer.output_shape))
    if direction == "step":
        # image and weights are read, and so are as many gradients written
        return 4 * (2 * (x + weight) + y + layer.out_channels)
    return 4 * (x + weight + y + (layer.out_channels if direction == "forward" else 0))


def intensity(measurement: Measurement) -> float:
    """Return FLOPs per byte of what was run."""
    layer = Layer(**measurement.problem)
    return measurement.flops / least_bytes(layer, measurement.direction)


def kind(layer: Layer) -> str:
    if layer.groups > 1:
        return "depthwise" if layer.groups == layer.in_channels else "grouped"
    return "1×1" if layer.kernel_size == (1, 1) else "dense"


def draw(results: Results, direction: str, width: float) -> Figure | None:
    """Draw every layer under its roof, fastconv filled and the fastest of the others hollow."""
    peak, memory, cache = (
        results.peak_gflops,
        results.bandwidth("memory"),
        results.bandwidth("cache"),
    )
    rows = [row for row in rivals.rows(results, direction) if row.ours is not None]
    if not peak or not memory or not cache or not rows:
        return None
    legend = 0.2 + LEGEND_ROW * (2 if width >= WIDE else 4)
    height = legend + 0.45 * width + 1.0
    with matplotlib.rc_context(page_style(PAGE)):
        figure = Figure(figsize=(width, height))
        left = 0.55
        axes = figure.add_axes(
            (left / width, 0.5 / height, 1 - (left + 0.15) / width, 1 - (legend + 0.55) / height)
        )
        quiet(axes, PAGE)
        points: list[tuple[float, float]] = []
        for row in rows:
            layer = row.info.layer
            for measurement, colour, filled in (
                (row.best, LIBRARIES[0], False),
                (row.ours, OURS[0], True),
            ):
                if measurement is None:
                    continue
                point = intensity(measurement), measurement.gflops
                points.append(point)
                mark = axes.plot(
                    *point,
                    KINDS[kind(layer)],
                    color=colour,
                    mfc=colour if filled else "none",
                    ms=6,
                    mew=1.3,
                )[0]
                who = results.label(measurement.contestant)
                at = f"{point[0]:.3g} FLOP per byte, {point[1]:.3g} GFLOP/s"
                tip(mark, f"{layer.name}, {who}: {at}")
        low, high = min(x for x, _ in points) / 1.5, max(x for x, _ in points) * 1.5
        for bandwidth, style in ((memory, "-"), (cache, (0, (2, 3)))):
            # the slope up to where it meets the peak, then the peak itself
            corner = min(max(peak / bandwidth, low), high)
            xs = [low, corner, high]
            ys = [min(peak, bandwidth * x) for x in xs]
            axes.plot(xs, ys, color=PAGE.ink, lw=1, ls=style, zorder=1)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(low, high)
        axes.set_ylim(min(y for _, y in points) / 1.6, max(peak, *(y for _, y in points)) * 1.6)
        axes.set_xlabel("FLOPs per byte, each operand counted once")
        axes.set_title("GFLOP/s", loc="left", fontsize=9)
        number = matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:g}")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(number)
            axis.set_minor_locator(matplotlib.ticker.NullLocator())
        figure.legend(
            handles=_legend(rows, peak, memory, cache),
            loc="upper left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.1,
            ncols=4 if width >= WIDE else 2,
            frameon=False,
            columnspacing=1.2,
        )
    return figure


def _legend(rows: Sequence[rivals.Row], peak: float, memory: float, cache: float) -> list[Line2D]:
    kinds = {kind(row.info.layer) for row in rows}
    ours = Line2D([], [], ls="", marker="o", color=OURS[0], label="fastconv (auto)")
    best = Line2D([], [], ls="", marker="o", color=LIBRARIES[0], mfc="none", label="best other")
    roof = Line2D([], [], color=PAGE.ink, lw=1, label=f"{peak:.0f} GFLOP/s, {memory:.0f} GB/s")
    caches = Line2D([], [], color=PAGE.ink, lw=1, ls=(0, (2, 3)), label=f"caches: {cache:.0f} GB/s")
    marks = [
        Line2D([], [], ls="", marker=marker, color=PAGE.ink, mfc="none", label=name)
        for name, marker in KINDS.items()
        if name in kinds
    ]
    others = [best] if any(row.best for row in rows) else []
    return [ours, *others, roof, caches, *marks]
