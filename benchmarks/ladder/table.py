"""What a climb shows in the terminal: what went wrong, the table, the noise, who is missing."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.ladder.results import LadderResults
from benchmarks.ladder.rows import COLUMNS, NOTES, rows
from benchmarks.reporting.sentences import count

__all__ = ["noise_sentence", "show"]

# Characters from which on there is room for the last column.
WIDE = 130
# In two lines where they are longer than what stands below.
TITLES = {"predicted": "pre-\ndicted", COLUMNS[-1]: COLUMNS[-1]}


def show(results: LadderResults, console: Console) -> None:
    """Show the table, whatever went wrong, and what is missing."""
    for step in results.steps:
        if step.trouble:
            console.print(f"[red]{step.rung} {escape(step.trouble)}[/]")
    layer = results.the_layer
    console.print(
        f"[bold]{layer.name}, {layer.shape_text()}, {results.direction}, float32; one thread, "
        f"{count(results.threads, 'thread')} from 'threads' on[/]"
    )
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    columns = COLUMNS if console.width >= WIDE else COLUMNS[:-1]
    for title in columns:
        is_text = title in (COLUMNS[0], COLUMNS[-1])
        table.add_column(
            TITLES.get(title, title.replace(" ", "\n")),
            justify="left" if is_text else "right",
            no_wrap=title == COLUMNS[0],
        )
    for row in rows(results):
        cells = [escape(cell) for cell in row.cells]
        if row.is_noise:
            cells[4] = f"[dim]{cells[4]}[/]"
        table.add_row(*cells[: len(columns)])
    console.print(table)
    for note in NOTES:
        console.print(f"[dim]{note}[/]")
    console.print(noise_sentence(results))
    if results.uncounted:
        console.print(f"[yellow]no instructions: {escape(results.uncounted)}[/]")
    for step in results.steps:
        if step.status == "unsupported" and not step.twin_of:
            console.print(f"[yellow]{step.number} {step.rung}: {escape(step.reason)}[/]")
    if results.all_right:
        console.print("All results are equal to float64's within their bounds.")


def noise_sentence(results: LadderResults) -> str:
    """Say how far a rung was from itself."""
    twins = [step.twin_of for step in results.steps if step.twin_of and step.counts]
    if results.noise is None or not twins:
        return "No rung was compared with itself: this run's noise is not known."
    return (
        f"Noise: {' and '.join(twins)}, each as two processes like any other two, differed by up "
        f"to {100 * results.noise:.0f} % in three rounds of four."
    )
