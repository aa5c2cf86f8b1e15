"""The project's own question, layer by layer: time against extra memory.

ms │ × definition
   │▼ loops
   │▲            ■ tutorial's columns
   │      ◆ columns in tiles        nobody on this layer is both faster and smaller
   │   ★╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌          than those on the line
   └────────────────────────
     0        1       100 MB beyond image, weights and result
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from benchmarks.measuring.results import LayerInfo, Results
from benchmarks.problems.layer import Layer
from benchmarks.reporting import rivals
from benchmarks.reporting.figures import LEGEND_ROW, PAGE, WIDE, page_style, quiet, svg, tip, twice
from benchmarks.reporting.ways import WAYS, Place, Way, places

# Where nothing is held: left of all that is, since a logarithm has no zero.
NOTHING_MB = 0.002
# Drawn at their height are those up to so many times the fastest; who takes longer is at the top.
SLOWEST = 1000
PANEL_WIDTH, PANEL_HEIGHT = 3.1, 2.6
LINE = (0, (2, 2))


class Tradeoff:
    """The panels of a run in one direction, one for each layer that somebody did."""

    def __init__(self, results: Results, direction: str) -> None:
        self.direction = direction
        ratios = {row.info.name: row.im2col_ratio for row in rivals.rows(results, direction)}
        self._shares = {name: 1 / ratio if ratio else None for name, ratio in ratios.items()}
        self._layers: list[LayerInfo] = []
        self._places: dict[str, list[Place]] = {}
        # Those first where fastconv is behind im2col, or least ahead of it.
        for info in sorted(results.layers, key=lambda info: ratios[info.name] or inf):
            known = [p for p in places(results, info, direction) if p.bytes is not None]
            if len(known) > 1:
                self._layers.append(info)
                self._places[info.name] = known
        everything = [place for known in self._places.values() for place in known]
        self._most = max(map(_megabytes, everything), default=1.0)
        self.ways = [way for way in WAYS if any(place.way is way for place in everything)]

    @property
    def first(self) -> list[LayerInfo]:
        """One layer of each kind: of these the one where fastconv is least ahead of im2col."""
        found: dict[str, LayerInfo] = {}
        for info in self._layers:
            found.setdefault(kind(info.layer), info)
        return list(found.values())

    @property
    def further(self) -> list[LayerInfo]:
        """The other layers."""
        return [info for info in self._layers if info not in self.first]

    @property
    def rows(self) -> list[tuple[LayerInfo, float | None, dict[str, Place | None]]]:
        """Each layer, fastconv's part of the time of im2col, and where each way stands on it."""
        return [
            (info, self._shares[info.name], self._by_way(self._places[info.name]))
            for info in self._layers
        ]

    def _by_way(self, found: Sequence[Place]) -> dict[str, Place | None]:
        return {
            way.label: next((place for place in found if place.way is way), None)
            for way in self.ways
        }

    def legend(self) -> Markup | None:
        """Return what all panels have in common, for wide and for narrow windows."""
        return twice(lambda width: legend(self.ways, width), f"ways {self.direction}")

    def panel(self, info: LayerInfo) -> Markup:
        """Return the panel of a layer."""
        figure = draw(info, self._places[info.name], self._most)
        return Markup(svg(figure, f"tradeoff {self.direction} {info.name}"))


def kind(layer: Layer) -> str:
    """Return what kind of layer it is, as far as that decides who is fast."""
    if layer.groups > 1:
        return "depthwise" if layer.groups == layer.in_channels else "grouped"
    if layer.kernel_size == (1, 1):
        return "1×1"
    if layer.stride > 1:
        return "strided"
    return "3×3" if layer.kernel_size == (3, 3) else "other kernels"


def draw(info: LayerInfo, found: Sequence[Place], most: float) -> Figure:
    """Draw a layer, a mark in it for each way to convolve, up to `most` MB."""
    with matplotlib.rc_context(page_style(PAGE)):
        figure = Figure(figsize=(PANEL_WIDTH, PANEL_HEIGHT))
        left, bottom, right, top = 0.6, 0.45, 0.05, 0.6
        axes = figure.add_axes(
            (
                left / PANEL_WIDTH,
                bottom / PANEL_HEIGHT,
                1 - (left + right) / PANEL_WIDTH,
                1 - (bottom + top) / PANEL_HEIGHT,
            )
        )
        quiet(axes, PAGE)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(NOTHING_MB / 2, most * 2)
        fastest = min(place.seconds for place in found)
        slowest = max(place.seconds for place in found if place.seconds <= SLOWEST * fastest)
        axes.set_ylim(1e3 * fastest / 1.7, 1e3 * slowest * 2.5)
        _draw_front(axes, found, most)
        for order, place in enumerate(found):
            _draw_place(axes, info, place, order, 1e3 * slowest * 2.5)
        _write_title(axes, info, found)
        _write_scales(axes)
    return figure


def _draw_front(axes: Axes, found: Sequence[Place], most: float) -> None:
    corners = [(_megabytes(place), 1e3 * place.seconds) for place in _front(found)]
    if corners:
        corners.append((most * 2, corners[-1][1]))
        xs, ys = zip(*corners, strict=True)
        axes.step(xs, ys, where="post", color=PAGE.ink, lw=0.9, ls=LINE, zorder=2)


def _front(found: Sequence[Place]) -> Iterator[Place]:
    """Yield those whom nobody beats in both, by memory: of those who ran the whole layer."""
    fastest = inf
    for place in sorted(found, key=lambda place: (_megabytes(place), place.seconds)):
        if place.seconds < fastest and not place.measurement.is_cut:
            fastest = place.seconds
            yield place


def _draw_place(axes: Axes, info: LayerInfo, place: Place, order: int, top: float) -> None:
    milliseconds = 1e3 * place.seconds
    point = _megabytes(place), min(milliseconds, top / 1.3)
    way = place.way
    mark = axes.plot(
        *point,
        way.marker,
        color=way.colour,
        ms=_size(way),
        mew=1.4,
        mfc="none" if place.measurement.is_cut else way.colour,
        zorder=3 + order,
    )[0]
    tip(mark, f"{info.name}, {place.text}")
    if milliseconds > top:
        axes.annotate(
            f"↑ {_duration(place.seconds)}",
            point,
            xytext=(-7, 0),
            textcoords="offset points",
            ha="right",
            va="center_baseline",
            fontsize=8,
            color=PAGE.ink,
        )


def _write_title(axes: Axes, info: LayerInfo, found: Sequence[Place]) -> None:
    """Write which layer it is, and that all results are equal, as was seen."""
    exact = sum(place.measurement.exact is True for place in found)
    error = max(place.measurement.error or 0.0 for place in found)
    equal = f"{len(found)} equal: {exact} exactly on integers, error ≤ {error:.2g} u"
    for number, (text, size, weight) in enumerate(
        ((info.name, 9, "bold"), (info.layer.shape_text(), 8, "normal"), (equal, 8, "normal"))
    ):
        axes.annotate(
            text,
            (0, 1),
            xycoords="axes fraction",
            xytext=(-40, 33 - 12.5 * number),
            textcoords="offset points",
            fontsize=size,
            fontweight=weight,
            color=PAGE.ink,
            annotation_clip=False,
        )


def _write_scales(axes: Axes) -> None:
    axes.xaxis.set_major_locator(FixedLocator([NOTHING_MB, 0.01, 0.1, 1, 10, 100, 1000, 10000]))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: "0" if value == NOTHING_MB else f"{value:g}")
    )
    axes.set_xlabel("MB beyond image, weights and result", fontsize=8, labelpad=2)
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} ms"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_tick_params(labelsize=8, pad=2)


def legend(ways: Sequence[Way], width: float) -> Figure | None:
    """Draw who is who."""
    if not ways:
        return None
    columns = 5 if width >= WIDE else 2
    marks = [
        Line2D(
            [], [], ls="", marker=way.marker, color=way.colour, ms=_size(way), mew=1.4,
            label=way.label,
        )
        for way in ways
    ]  # fmt: skip
    front = Line2D([], [], color=PAGE.ink, lw=0.9, ls=LINE, label="none faster and smaller")
    with matplotlib.rc_context(page_style(PAGE)):
        figure = Figure(figsize=(width, 0.1 + LEGEND_ROW * -(-(len(ways) + 1) // columns)))
        figure.legend(
            handles=[*marks, front],
            loc="upper left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.1,
            ncols=columns,
            frameon=False,
            handletextpad=0.3,
            columnspacing=1.2,
        )
    return figure


def _size(way: Way) -> float:
    return 9 if way.marker == "*" else 6


def _megabytes(place: Place) -> float:
    return max((place.bytes or 0) / 1e6, NOTHING_MB)


def _duration(seconds: float) -> str:
    if seconds >= 100:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.0f} ms"
