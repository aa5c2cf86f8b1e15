"""What the maps say in a few numbers: a row for each of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.maps.atlas import IM2COL, WAYS, Map
from benchmarks.maps.results import Cell, MapsResults
from benchmarks.reporting.sentences import count
from benchmarks.sweep.summary import CLOSE

__all__ = [
    "COLUMNS",
    "MISS_COLUMNS",
    "Row",
    "miss_cells",
    "misses",
    "noise",
    "rows",
    "sentence",
    "show",
]

COLUMNS = ("map", "cells timed", "the fastest, on how many of them", "im2col ahead of loops",
           "im2col within 5 % of the fastest", "the model names it, within 5 %")  # fmt: skip

# Where the model is wrong.
MISS_COLUMNS = ("map", "cell", "the model names", "the fastest", "which loses")
MOST_MISSES = 8


@dataclass(frozen=True)
class Row:
    """A map in numbers.

    Attributes
    ----------
    wins : dict of str to int
        Backend → cells where it was the fastest, the most first.
    columns_first, columns_or_loops : int
        Cells where im2col was faster than plain loops, of those where both were timed.
    columns_close : int
        Cells where im2col was the fastest, but for noise.
    named : int
        Cells where the model names the fastest, or one as fast.
    """

    map: Map
    timed: int
    wins: dict[str, int]
    columns_first: int
    columns_or_loops: int
    columns_close: int
    named: int

    @property
    def cells(self) -> list[str]:
        """What stands in the columns."""
        wins = ", ".join(f"{name} {wins}" for name, wins in self.wins.items())
        return [
            self.map.title, str(self.timed), wins,
            f"{self.columns_first} of {self.columns_or_loops}", str(self.columns_close),
            f"{self.named} of {self.timed}",
        ]  # fmt: skip


def rows(results: MapsResults) -> list[Row]:
    """Return a row for each map."""
    return [_row(one, results.of(one.name)) for one in results.maps]


def _row(map_: Map, cells: Sequence[Cell]) -> Row:
    timed = [cell for cell in cells if cell.times]
    both = [ratio for cell in timed if (ratio := cell.im2col_to_loops) is not None]
    return Row(
        map_,
        len(timed),
        dict(Counter(cell.winner for cell in timed).most_common()),
        sum(ratio > 1 for ratio in both),
        len(both),
        sum(
            cell.times.get(IM2COL.backend, math.inf) <= (1 + CLOSE) * cell.times[cell.winner]
            for cell in timed
        ),
        sum(cell.is_named for cell in timed),
    )


def misses(results: MapsResults) -> list[Cell]:
    """Return the cells where somebody else is faster than whom the model names, worst first."""
    missed = [cell for cell in results.cells if cell.times and not cell.is_named]
    return sorted(missed, key=lambda cell: -cell.loss)[:MOST_MISSES]


def miss_cells(results: MapsResults, cell: Cell) -> list[str]:
    """Return what stands in the columns of a miss."""
    one = next(map_ for map_ in results.maps if map_.name == cell.map)
    return [
        one.title, one.text(cell.x, cell.y), cell.named, cell.winner,
        f"{cell.loss:.0%}",
    ]  # fmt: skip


def sentence(results: MapsResults) -> str:
    """Say who is ahead where, over all maps."""
    found = rows(results)
    timed = sum(row.timed for row in found)
    if not timed:
        return "Nobody was timed."
    columns = sum(row.columns_first for row in found)
    both = sum(row.columns_or_loops for row in found)
    close = sum(row.columns_close for row in found)
    named = sum(row.named for row in found)
    return (
        f"im2col is ahead of plain loops on {columns} of {count(both, 'layer')}, and the fastest "
        f"of all, within {CLOSE:.0%}, on {close} of {timed}; the model names the fastest, within "
        f"{CLOSE:.0%}, on {named}."
    )


def noise(results: MapsResults) -> str:
    """Say what a lead must be more than, to be one; nothing where nobody took part twice."""
    told = []
    for all_threads, threads in ((False, 1), (True, results.threads)):
        found = results.noise(all_threads=all_threads)
        if found is not None:
            told.append(
                f"with {count(threads, 'thread')} by {found.middle_text} typically, and by no more "
                f"than {found.text} in 19 of 20"
            )
    if not told:
        return ""
    return (
        "In each cell one took part twice, as two like all others; these differ "
        f"{'; '.join(told)}. Who leads by less has a paler cell."
    )


def show(results: MapsResults, console: Console) -> None:
    """Show what went wrong, and the maps in numbers."""
    for failure in results.failures:
        console.print(f"[red]{escape(failure)}[/]")
    console.print(_table(COLUMNS, [row.cells for row in rows(results)]))
    console.print(sentence(results))
    console.print(noise(results))
    missed = [miss_cells(results, cell) for cell in misses(results)]
    if missed:
        console.print(_table(MISS_COLUMNS, missed))
    console.print("; ".join(f"{way.backend}: {way.label}" for way in WAYS))


def _table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for title in titles:
        table.add_column(title)
    for line in lines:
        table.add_row(*line)
    return table
