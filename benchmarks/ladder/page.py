"""The page of a climb."""

from __future__ import annotations

from markupsafe import Markup

from benchmarks.ladder import charts
from benchmarks.ladder.results import LadderResults, Step
from benchmarks.ladder.rows import COLUMNS, NOTES, rows
from benchmarks.ladder.table import noise_sentence
from benchmarks.reporting import figures
from benchmarks.reporting.templating import environment, figure

__all__ = ["headline", "render"]


def render(results: LadderResults) -> str:
    """Return the page of a climb."""
    return environment().get_template("ladder.html.j2").render(ladder=View(results))


def headline(results: LadderResults) -> str:
    """Say what the way up came to."""
    climbed = results.climbed
    if not climbed:
        return "No rung could be climbed"
    first, best = climbed[0], max(climbed, key=lambda step: step.gflops)
    layer = results.the_layer
    return (
        f"{layer.name}, {layer.shape_text()}: from {figure(first.gflops)} GFLOP/s "
        f"({first.rung}) to {figure(best.gflops)} ({best.rung})."
    )


class View:
    """What the template asks about a climb."""

    def __init__(self, results: LadderResults) -> None:
        self.results = results
        self.machine = results.machine
        self.headline = headline(results)
        self.columns = COLUMNS
        self.notes = NOTES
        self.rows = rows(results)
        self.noise = noise_sentence(results)
        self.absent = [
            step for step in results.steps if step.status == "unsupported" and not step.twin_of
        ]
        self.troubles = [step for step in results.steps if step.trouble]

    def chart(self) -> Markup | None:
        """Return the chart, for wide and for narrow windows."""
        if not self.results.climbed:
            return None
        return figures.twice(lambda width: charts.draw(self.results, width), "ladder")

    def colour(self, step: Step) -> str:
        return charts.colour(step)
