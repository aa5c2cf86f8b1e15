"""What a run shows in the terminal: progress, a table a family, who is missing."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.images.cases import Case, Family
from benchmarks.images.results import AUTO, ImageResults

TITLES: dict[Family, str] = {
    "dense": "one kernel that does not separate, 1 photograph, zeros beyond",
    "gaussian": "Gaussians, the photograph reflected beyond",
    "bank": "a bank of kernels on one photograph, zeros beyond",
}


def tables(results: ImageResults) -> list[Table]:
    """Return a table for each family of cases: milliseconds, and how many times fastconv's."""
    return [_table(results, family) for family in TITLES if results.of(family)]


def _table(results: ImageResults, family: Family) -> Table:
    cases = results.of(family)
    who = [
        info
        for info in results.present
        if any(results.find(case.name, info.name) for case in cases)
    ]
    side = f"{cases[0].side}×{cases[0].side}"
    table = Table(
        title=f"{side} float32, {TITLES[family]}: milliseconds, and times fastconv's",
        title_justify="left",
    )
    table.add_column("", justify="left", no_wrap=True)
    for case in cases:
        table.add_column(case.name, justify="right")
    for info in who:
        cells = []
        for case in cases:
            timing = results.find(case.name, info.name)
            ratio = results.ratio(case.name, info.name)
            if timing is None:
                cells.append("–")
            elif info.name == AUTO or ratio is None:
                cells.append(milliseconds(timing.seconds))
            else:
                colour = "green" if ratio > 1 else "red"
                shown = f"[{colour}]{times(ratio)}[/]"
                cells.append(f"{milliseconds(timing.seconds)}\n{shown}")
        table.add_row(info.label, *cells)
    chosen = [results.chosen.get(case.name, "") for case in cases]
    if any(chosen):
        table.add_row("[dim]auto takes[/]", *(f"[dim]{one}[/]" for one in chosen))
    return table


def milliseconds(seconds: float) -> str:
    value = 1e3 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def times(ratio: float) -> str:
    return f"{ratio:.2f}×" if ratio < 10 else f"{ratio:.0f}×"


def show_case(results: ImageResults, case: Case, console: Console) -> None:
    """Say what went wrong in a case that has just been measured."""
    for timing in results.timings:
        if timing.case != case.name:
            continue
        if timing.status == "failed":
            console.print(
                f"[red]{case.name}: {timing.contestant} failed: {escape(timing.reason)}[/]"
            )
        elif not timing.correct:
            console.print(
                f"[red]{case.name}: {timing.contestant} is NOT correct, and its time does not "
                f"count: error {timing.error:.3g} u·max Σ|w||x|, at most {timing.allowed_error:g}[/]"
            )


def show_end(results: ImageResults, console: Console) -> None:
    """Show the tables, and what would add who is missing."""
    for table in tables(results):
        console.print(table)
    if results.all_correct:
        console.print("All results are equal to float64's within their bounds.")
    absent: dict[str, list[str]] = {}
    for info in results.absent:
        absent.setdefault(info.absence, []).append(info.label)
    for absence, labels in absent.items():
        console.print(f"[yellow]{', '.join(labels)}: {escape(absence)}[/]")
