"""What a run shows in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.stages.results import LayerStages, StageResults


def show(results: StageResults, console: Console) -> None:
    """Print a table for each layer."""
    for one in results.layers:
        console.print(_table(one))
        if one.trouble:
            console.print(f"[yellow]{escape(one.trouble)}[/]")


def _table(one: LayerStages) -> Table:
    how = (
        f"by instructions of {', '.join(sorted(one.counted_with))}"
        if one.is_counted
        else "by difference"
    )
    title = f"{one.layer.name}, {one.layer.shape_text()}: {one.kernel}, one thread"
    table = Table(title=title, title_justify="left")
    table.add_column("stage")
    table.add_column(f"ms, {how}", justify="right")
    table.add_column("share", justify="right")
    if one.predicted:
        table.add_column("ms, predicted", justify="right")
    measured = one.measured
    for stage in dict.fromkeys((*measured, *one.predicted)):
        seconds, predicted = measured.get(stage), one.predicted.get(stage)
        row = [
            stage,
            "–" if seconds is None else f"{1e3 * seconds:.3f}",
            "–" if seconds is None else f"{seconds / one.seconds:.0%}",
        ]
        if one.predicted:
            row.append("–" if predicted is None else f"{1e3 * predicted:.3f}")
        table.add_row(*row)
    table.add_section()
    total = ["a call", f"{1e3 * one.seconds:.3f}", ""]
    table.add_row(*total, *([f"{1e3 * sum(one.predicted.values()):.3f}"] if one.predicted else []))
    table.add_row("more than a plan's", f"{1e3 * one.packing_seconds:.3f}", "")
    return table
