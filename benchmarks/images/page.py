"""The page of a run: curves over the kernel's size, a table for each family of cases."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from benchmarks.images import table
from benchmarks.images.cases import Case, Family
from benchmarks.images.results import AUTO, ImageResults
from benchmarks.reporting import figures, sentences
from benchmarks.reporting.charts import LIBRARIES, OURS
from benchmarks.reporting.figures import PAGE, WIDE, page_style
from benchmarks.reporting.templating import environment

HEIGHT = 4.3
# From the left to the right end of a label, in inches.
LABELS = 1.75
# Labels of curves that end at the same height are moved apart by this part of the height.
APART = 0.062


def render(results: ImageResults) -> str:
    """Return the page of a run."""
    return (
        environment()
        .get_template("images.html.j2")
        .render(
            results=results,
            machine=results.machine,
            title=title(results),
            images=Shown(results, heading="h2"),
        )
    )


class Shown:
    """A run as templates/filters.html.j2 asks for it, in the page and in the report of layers."""

    auto = AUTO
    milliseconds = staticmethod(table.milliseconds)
    times = staticmethod(table.times)

    def __init__(self, results: ImageResults, heading: str) -> None:
        self.results = results
        self.heading = heading
        self.sentence = sentence(results)
        self.machine = sentences.machine_text(results.machine)
        self.colours = colours(results)

    def families(self) -> list[tuple[Family, str]]:
        """Return the families of the run's cases, and what they are."""
        return [(family, text) for family, text in table.TITLES.items() if self.results.of(family)]

    def chart(self, family: Family) -> Markup | None:
        """Return the curves of a family, for wide and for narrow windows."""
        return figures.twice(lambda width: curves(self.results, family, width), family)


def title(results: ImageResults) -> str:
    """Return what the page is about."""
    sizes = [case.size for case in results.of("dense")]
    if not sizes:
        return "Filtering images"
    return (
        f"Filtering images with kernels of {min(sizes)}×{min(sizes)} to {max(sizes)}×{max(sizes)}"
    )


def sentence(results: ImageResults) -> str:
    """Say how long others take for kernels that do not separate, of the time of fastconv."""
    parts = []
    for name, label in (
        ("opencv-filter2d", "OpenCV's filter2D"),
        ("ndimage-convolve", "scipy.ndimage.convolve"),
        ("signal-convolve2d", "scipy.signal.convolve2d"),
        ("signal-fftconvolve", "scipy.signal.fftconvolve"),
    ):
        found = [results.ratio(case.name, name) for case in results.of("dense")]
        ratios = [ratio for ratio in found if ratio is not None]
        if ratios:
            lowest, highest = table.times(min(ratios)), table.times(max(ratios))
            parts.append(f"{label} {lowest} to {highest}")
    if not parts:
        return ""
    return f"Times that others take, in units of fastconv's: {'; '.join(parts)}."


def colours(results: ImageResults) -> dict[str, str]:
    """Return a colour for each contestant: fastconv warm, libraries cool, as in the report."""
    palettes = {"fastconv": iter(OURS), "library": iter((*LIBRARIES, "#7d8bb0"))}
    return {info.name: next(palettes[info.kind]) for info in results.contestants}


def curves(results: ImageResults, family: Family, width: float) -> Figure:
    """Draw milliseconds over the kernel's size, both logarithmic, a curve for each contestant."""
    cases = results.of(family)
    palette = colours(results)
    with matplotlib.rc_context(page_style(PAGE)):
        figure = Figure(figsize=(width, HEIGHT))
        left, bottom = 0.55, 0.55
        wide = (width - left - LABELS) / width
        axes = figure.add_axes((left / width, bottom / HEIGHT, wide, 1 - (bottom + 0.1) / HEIGHT))
        figures.quiet(axes, PAGE)
        axes.set_xscale("log")
        axes.set_yscale("log")
        ends: list[tuple[float, float, str, str]] = []
        for info in reversed(results.present):
            known = [(case.size, results.find(case.name, info.name)) for case in cases]
            points = [(size, 1e3 * timing.seconds) for size, timing in known if timing is not None]
            if not points:
                continue
            sizes, values = zip(*points, strict=True)
            is_auto = info.name == AUTO
            axes.plot(
                sizes,
                values,
                "-" if info.kind == "library" or is_auto else "--",
                color=palette[info.name],
                lw=3 if is_auto else 1.6,
                zorder=4 if is_auto else 3,
            )
            for size, value in points:
                mark = axes.plot(
                    size,
                    value,
                    "o",
                    color=palette[info.name],
                    ms=5 if is_auto else 3.5,
                    zorder=4 if is_auto else 3,
                )[0]
                figures.tip(mark, f"{size}×{size}, {info.label}: {value:.3g} ms")
            ends.append((sizes[-1], values[-1], info.label, palette[info.name]))
        axes.set_xticks([case.size for case in cases], _size_labels(cases, width))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("rows and columns of the kernel")
        axes.set_ylabel("milliseconds")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        figure.draw_without_rendering()
        places = [axes.transAxes.inverted().transform(axes.transData.transform(end[:2]))[1]
                  for end in ends]  # fmt: skip
        for place, (_, _, label, colour) in zip(_moved_apart(places), ends, strict=True):
            axes.text(
                1.02, place, label, transform=axes.transAxes, color=colour, va="center_baseline",
                fontweight="bold" if colour == palette[AUTO] else "normal",
            )  # fmt: skip
    return figure


def _size_labels(cases: Sequence[Case], width: float) -> list[str]:
    """Return the sizes; where they are many on little room, only some."""
    labels = [f"{case.size}" for case in cases]
    crowded = len(cases) > 6
    every = 2 if crowded and width < WIDE else 1
    return [label if place % every == 0 else "" for place, label in enumerate(labels)]


def _moved_apart(places: Sequence[float]) -> list[float]:
    """Return heights near those given, in their order, no two closer than `APART`."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    moved = list(places)
    for lower, upper in pairwise(order):
        moved[upper] = max(moved[upper], moved[lower] + APART)
    # What has been pushed up comes down by half of it, so that the labels stay with their curves.
    excess = max((moved[n] - places[n] for n in order), default=0.0) / 2
    return [place - excess for place in moved]
