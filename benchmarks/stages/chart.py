"""The bars of the report: what a call's time is made of, and what was predicted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reporting.figures import LEGEND_ROW, PAGE, WIDE, page_style, quiet, tip
from benchmarks.stages.results import LayerStages, StageResults

# As they come in a bar. A product is what is wanted, all else is around it; legible on white and on
# black.
COLOURS: Mapping[str, str] = {
    "band": "#62b0e8",
    "columns": "#2f7fd6",
    "pack": "#4a6fa5",
    "transform": "#8a63d2",
    "rows": "#c9a227",
    "product": "#e8590c",
    "everything else": "#e8590c",
    "turn": "#2b9f6b",
    "memory": "#14a3a8",
    "other": "#8a8f98",
    "call": "#b9a48a",
}
UNKNOWN = "#8a8f98"
ROW, NAMES = 0.3, 2.1


def draw(results: StageResults, width: float) -> Figure | None:
    """Draw a bar for each layer, and one below it for the prediction where there is one."""
    bars = [bar for one in results.layers for bar in _bars(one)]
    if not bars:
        return None
    stages = _in_order({stage for _, _, parts in bars for stage in parts})
    columns = 6 if width >= WIDE else 3
    legend = 0.1 + LEGEND_ROW * -(-len(stages) // columns)
    height = legend + ROW * len(bars) + 0.55
    with matplotlib.rc_context(page_style(PAGE)):
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes(
            (NAMES / width, 0.5 / height, 1 - (NAMES + 0.2) / width, ROW * len(bars) / height)
        )
        quiet(axes, PAGE, "x")
        for place, (_, name, parts) in enumerate(bars):
            _draw_bar(axes, place, name, parts)
        axes.set_yticks(range(len(bars)), [label for label, _, _ in bars])
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_xlabel("times what a call was measured to take")
        figure.legend(
            handles=[
                matplotlib.patches.Patch(color=COLOURS.get(stage, UNKNOWN), label=stage)
                for stage in stages
            ],
            loc="upper left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.1,
            ncols=columns,
            frameon=False,
            columnspacing=1.2,
        )
    return figure


def _bars(one: LayerStages) -> list[tuple[str, str, dict[str, tuple[float, float]]]]:
    """Return label, name and parts of a layer's bars: stage → share of a call, and seconds."""

    def parts(seconds: Mapping[str, float]) -> dict[str, tuple[float, float]]:
        return {
            stage: (seconds[stage] / one.seconds, seconds[stage]) for stage in _in_order(seconds)
        }

    name = one.layer.name
    bars = [(name, f"{name}, measured", parts(one.measured))]
    if one.predicted:
        bars.append(("predicted", f"{name}, predicted", parts(one.predicted)))
    return bars


def _in_order(stages: Iterable[str]) -> list[str]:
    """Return stages in the order of `COLOURS`, and behind them those that it does not know."""
    order = list(COLOURS)
    return sorted(stages, key=lambda stage: order.index(stage) if stage in order else len(order))


def _draw_bar(axes: Axes, place: int, name: str, parts: Mapping[str, tuple[float, float]]) -> None:
    left = 0.0
    for stage, (share, seconds) in parts.items():
        bar = axes.barh(
            place, share, left=left, height=0.7, color=COLOURS.get(stage, UNKNOWN)
        )[0]  # fmt: skip
        tip(bar, f"{name}, {stage}: {1e3 * seconds:.3g} ms, {share:.0%} of a call")
        left += share
