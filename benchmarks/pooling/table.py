"""What a run shows in the terminal: what went wrong, the table, who is missing."""

from __future__ import annotations

import statistics

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.pooling.problems import MARKS, Direction, Pooling
from benchmarks.pooling.results import PoolingResults
from benchmarks.reporting.sentences import count

__all__ = ["SHORT", "show"]

# Above a column, so that the table fits into 80.
SHORT = {
    "auto": "fastconv",
    "numpy": "its\nNumPy",
    "torch": "PyTorch",
    "torch-channels-last": "PyTorch\nch.-last",
}


def show(results: PoolingResults, console: Console) -> None:
    """Show the table, whatever went wrong, and what would add who is missing."""
    for timing in results.timings:
        if timing.trouble:
            where = f"{timing.pooling}{MARKS[timing.direction]}: {timing.contestant}"
            console.print(f"[red]{where} {escape(timing.trouble)}[/]")
    console.print(f"[bold]Microseconds of a call, {count(results.threads, 'thread')}, float32[/]")
    console.print(_table(results))
    ratios = [ratio for *_, ratio in _rows(results) if ratio is not None]
    if ratios:
        console.print(
            "ratio: PyTorch's better layout / fastconv; geometric mean "
            f"{statistics.geometric_mean(ratios):.2f}, lowest {min(ratios):.2f}"
        )
    console.print("·t: with taps, which are written beside the maxima and read on the way back")
    if results.all_right:
        console.print("All results are equal to float64's within their bounds.")
    absent: dict[str, list[str]] = {}
    for info in results.absent:
        absent.setdefault(info.absence, []).append(info.label)
    for absence, labels in absent.items():
        console.print(f"[yellow]{', '.join(labels)}: {escape(absence)}[/]")


def _table(results: PoolingResults) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("pooling", "what"):
        table.add_column(title)
    for info in results.present:
        table.add_column(SHORT[info.name], justify="right")
    table.add_column("ratio", justify="right")
    for pooling, direction, ratio in _rows(results):
        found = [results.find(pooling.name, direction, info.name) for info in results.present]
        table.add_row(
            pooling.name + MARKS[direction],
            pooling.window_text,
            *("–" if timing is None else f"{1e6 * timing.seconds:.1f}" for timing in found),
            "–" if ratio is None else f"{ratio:.2f}",
        )
    return table


def _rows(results: PoolingResults) -> list[tuple[Pooling, Direction, float | None]]:
    return [
        (pooling, direction, results.ratio(pooling.name, direction))
        for pooling in results.poolings
        for direction in pooling.directions
    ]
