"""A part of the study: those who are named, each in a column, and how many times ours is ahead.

| layer | auto | direct | im2col | PyTorch | ours / im2col | ours / PyTorch |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.measuring.results import LayerInfo, Measurement, Results, geometric_mean
from benchmarks.reporting.figures import PAPER, WIDE, Notes, Series, draw_dots
from benchmarks.reporting.rivals import ratio
from benchmarks.study.layers_part import LayersPart, gflops, two_digits
from benchmarks.study.markdown import line
from benchmarks.study.saving import save_chart

__all__ = ["Column", "ColumnsPart", "Entry"]

# Of the columns, ours first.
COLOURS = (
    "#e8590c", "#2f7fd6", "#2b9f6b", "#8a63d2", "#c9a227", "#14a3a8", "#d6336c", "#8a939e",
    "#5b4636",
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """Some contestants under one title; of those who are able, the fastest counts.

    Attributes
    ----------
    key : str
        What markers call it.
    title : str
    patterns : tuple of str
        Names of contestants, or patterns of them.
    compared : bool
        Whether a column further right says how many times the first one is ahead of it.
    """

    key: str
    title: str
    patterns: tuple[str, ...]
    compared: bool = False

    def of(self, timed: Sequence[Measurement]) -> Measurement | None:
        """Return who counts for it among those who were timed on a layer, and are right."""
        found = [one for one in timed if one.correct and self._names(one.contestant)]
        return max(found, key=lambda one: (not one.is_cut, one.gflops), default=None)

    def _names(self, contestant: str) -> bool:
        return any(fnmatchcase(contestant, pattern) for pattern in self.patterns)


@dataclass(frozen=True)
class Entry:
    """A layer, and who counts for each column."""

    info: LayerInfo
    cells: dict[str, Measurement | None]

    def ratio(self, first: str, key: str) -> float | None:
        return ratio(self.cells[first], self.cells[key])


@dataclass(frozen=True, kw_only=True)
class ColumnsPart(LayersPart):
    """Layers in the order in which they are given, and a column for each who is named.

    Attributes
    ----------
    columns : tuple of Column
        The first is ours, with which the others are compared.
    drawn : bool
        Whether there is a chart: a row of dots for each layer.
    """

    columns: tuple[Column, ...]
    drawn: bool = False

    @property
    def wanted(self) -> tuple[str, ...]:
        return tuple(pattern for column in self.columns for pattern in column.patterns)

    def draw(self, folder: Path) -> None:
        if self.drawn:
            results = self.load(folder)
            save_chart(self._chart(results), folder / f"{self.name}.svg", tight=True)

    def texts(self, folder: Path) -> dict[str, str]:
        """Return the table by the part's name, its means and its cells.

        ``<name>.<column>`` is the geometric mean of how many times the first column is ahead,
        ``<name>.<column>.least`` the least, and ``<name>.<layer>.<column>`` GFLOP/s.
        """
        results = self.load(folder)
        entries = self.entries(results)
        found = {self.name: self._table(results, entries)}
        ours = self.columns[0].key
        for column in self.columns[1:]:
            ratios = [entry.ratio(ours, column.key) for entry in entries]
            there = [one for one in ratios if one is not None]
            found[f"{self.name}.{column.key}"] = two_digits(geometric_mean(there))
            found[f"{self.name}.{column.key}.least"] = two_digits(min(there, default=None))
        for entry in entries:
            for key, cell in entry.cells.items():
                found[f"{self.name}.{entry.info.name}.{key}"] = gflops(cell)
        return found

    def entries(self, results: Results) -> list[Entry]:
        """Return the rows of the table."""
        return [
            Entry(info, {column.key: column.of(timed) for column in self.columns})
            for info in results.layers
            for timed in [results.of(info.name, self.direction)]
        ]

    def further_head(self) -> list[str]:
        """Return the titles of what stands right of who is compared."""
        return []

    def further_cells(self, results: Results, entry: Entry) -> list[str]:
        """Return what stands there."""
        return []

    def _chart(self, results: Results) -> Figure:
        """Return the chart; ours on top, and how many times it is ahead at the right."""
        entries = self.entries(results)
        ours = self.columns[0]
        series = []
        for column, colour in reversed([*zip(self.columns, COLOURS, strict=False)]):
            cells = {entry.info.name: entry.cells[column.key] for entry in entries}
            there = {name: cell for name, cell in cells.items() if cell is not None}
            values = {name: cell.gflops for name, cell in there.items()}
            hollow = {name for name, cell in there.items() if cell.is_cut}
            series.append(Series(column.title, colour, values, hollow))
        notes = [
            Notes(
                column.title.split()[0],
                {
                    entry.info.name: ratio
                    for entry in entries
                    if (ratio := entry.ratio(ours.key, column.key)) is not None
                },
            )
            for column in self.columns
            if column.compared
        ]
        names = [entry.info.name for entry in entries]
        drawn = draw_dots(
            names, series, WIDE, PAPER, label="GFLOP/s of direct sums", unit="GFLOP/s",
            ceiling=results.peak_gflops, notes=notes,
        )  # fmt: skip
        drawn.axes[0].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        return drawn

    def _table(self, results: Results, entries: Sequence[Entry]) -> str:
        ours = self.columns[0]
        compared = [column for column in self.columns if column.compared]
        head = [column.title for column in self.columns]
        head += [f"{ours.title} / {column.title}" for column in compared] + self.further_head()
        lines = [line(["layer", *head]), line(["---"] + ["--:"] * len(head))]
        for entry in entries:
            cells = [_cell(cell) for cell in entry.cells.values()]
            cells += [two_digits(entry.ratio(ours.key, column.key)) for column in compared]
            cells += self.further_cells(results, entry)
            lines.append(line([f"{entry.info.name}, {entry.info.layer.shape_text()}", *cells]))
        cuts = any(one is not None and one.is_cut for e in entries for one in e.cells.values())
        text = f"{self.where(results)}{' ✂: a smaller cut of the layer.' if cuts else ''}"
        return "\n".join([*lines, "", text])


def _cell(measurement: Measurement | None) -> str:
    cut = " ✂" if measurement is not None and measurement.is_cut else ""
    return f"{gflops(measurement)}{cut}"
