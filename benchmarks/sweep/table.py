"""What a sweep shows in the terminal: how good the model is, and the choice, losing rows first."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.problems.directions import MARKS
from benchmarks.reporting.sentences import count
from benchmarks.sweep.results import Point, SweepResults, SweepTiming
from benchmarks.sweep.summary import (
    CLOSE,
    KernelError,
    kernel_errors,
    missed,
    noise,
    share_close,
    untold,
    worst_choices,
)

__all__ = ["show"]

MOST_ROWS = 8


def show(results: SweepResults, console: Console) -> None:
    """Show what went wrong, whom the model and the choice miss, and the errors by kernel."""
    for failure in results.failures:
        console.print(f"[red]{escape(failure)}[/]")
    points = results.points()
    if not points:
        return
    console.print(f"[bold]{count(len(points), 'problem')}, {count(results.threads, 'thread')}[/]")
    named = missed(points)
    console.print(
        f"The model names who is fastest, or within {CLOSE:.0%} of it, on "
        f"{share_close([loss for loss, _ in named]):.0%} of them; "
        f"what auto takes is on {share_close([loss for loss, _ in worst_choices(points)]):.0%}."
    )
    doubtful = untold(results, points)
    if doubtful:
        console.print(
            f"Of {count(len(doubtful), 'problem')} that it misses, the same loops under a second "
            "name were as fast as the fastest: these cannot be told from noise."
        )
    same = noise(results)
    if same:
        console.print(
            "The same loops under two names, near the fastest, are within "
            f"{CLOSE:.0%} of each other on {share_close(same):.0%} of {count(len(same), 'pair')}, "
            f"{statistics.median(same):.0%} apart in the median: what is below this is noise."
        )
    _show_losses(console, "the model names", named, lambda point: point.named)
    _show_losses(console, "auto takes", worst_choices(points), lambda point: point.chosen)
    errors = kernel_errors(results)
    everyone = [abs(timing.error) for timings in results.by_kernel().values() for timing in timings]
    console.print(f"Predictions are off by {statistics.median(everyone):.0%} in the median:")
    console.print(_errors(errors))


def _show_losses(
    console: Console, verb: str, losses: Sequence[tuple[float, Point]],
    of_point: Callable[[Point], SweepTiming | None],
) -> None:  # fmt: skip
    lost = [(loss, point) for loss, point in losses if loss > CLOSE][:MOST_ROWS]
    if not lost:
        return
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("problem", verb, "µs", "fastest", "µs", "loses"):
        table.add_column(title, justify="right" if title in ("µs", "loses") else "left")
    for loss, point in lost:
        taken, winner = of_point(point), point.winner
        assert taken is not None
        table.add_row(
            point.layer.name + MARKS[point.direction],
            taken.kernel, _microseconds(taken.best),
            winner.kernel, _microseconds(winner.best),
            f"{loss:.0%}",
        )  # fmt: skip
    console.print(table)


def _errors(errors: Sequence[KernelError]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("kernel")
    for title in ("timed", "median", "bias", "worst"):
        table.add_column(title, justify="right")
    table.add_column("there")
    for error in errors:
        worst = error.worst
        table.add_row(
            error.kernel, str(error.timed), f"{error.median:.0%}", f"{error.bias:+.0%}",
            f"{worst.predicted / worst.best:.2f}×", worst.problem + MARKS[worst.direction],
        )  # fmt: skip
    return table


def _microseconds(seconds: float) -> str:
    return f"{1e6 * seconds:.0f}"
