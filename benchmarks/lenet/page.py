"""The page of a run, and what the report shows of the newest one."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from benchmarks.contestants.base import AUTO
from benchmarks.lenet import charts
from benchmarks.lenet.network import DEPARTURES
from benchmarks.lenet.results import Cost, LenetResults
from benchmarks.reporting import figures, sentences
from benchmarks.reporting.templating import environment

# Turns of one contestant on an idle machine differ by less.
CALM = 1.5


def render(results: LenetResults) -> str:
    """Return the page of a run."""
    return environment().get_template("lenet.html.j2").render(lenet=View(results))


def headline(results: LenetResults) -> str:
    """Say how well it does, and after how long."""
    wrong = round((1 - results.accuracy) * results.test_images)
    return (
        f"LeNet-5 reads {100 * results.accuracy:.1f} % of {results.test_images:,} handwritten "
        f"digits that it never saw, {wrong} of them wrong, after {results.training_seconds:.0f} s "
        "of training."
    )


def comparison(results: LenetResults) -> list[str]:
    """Say what an epoch costs, and whether everyone computed the same."""
    sentences = []
    ours, slow = results.cost(AUTO), results.cost("reference")
    if ours is not None and ours.counts:
        text = f"An epoch takes fastconv {charts.duration(results.epoch_seconds(ours))}"
        if slow is not None and slow.counts:
            times = slow.seconds_per_image / ours.seconds_per_image
            text += f", {times:,.0f} times less than plain loops"
        rival, ratio = results.fastest("library"), results.ratio
        if rival is not None and ratio is not None:
            text += (
                f", and {rival.label} {charts.duration(results.epoch_seconds(rival))}: "
                f"{ratio:.2f} times as long"
            )
        sentences.append(text + ".")
    sentences += [_agreement(results), _unrest(results)]
    return [sentence for sentence in sentences if sentence]


def _agreement(results: LenetResults) -> str:
    compared = [cost for cost in results.costs if cost.difference is not None]
    if not compared:
        return ""
    others = [cost.label for cost in compared if not cost.is_same]
    if others:
        return f"Losses of {', '.join(others)} are not those of float64 to rounding."
    largest = max(cost.difference or 0.0 for cost in compared)
    return (
        f"The first losses of all {len(compared)} are those of float64 to rounding: none is "
        f"off by more than {largest:.1g} of its value."
    )


def _unrest(results: LenetResults) -> str:
    """Say so where the turns of those in the race differ too much to be compared."""
    spreads = [max(cost.times) / min(cost.times) for cost in results.timed]
    largest = max(spreads, default=1.0)
    if largest < CALM:
        return ""
    return (
        f"The machine was busy: turns of the same contestant took up to {largest:.1f} times as "
        "long as others. Repeat it on an idle one before you compare."
    )


class View:
    """What the templates ask about a run."""

    def __init__(self, results: LenetResults) -> None:
        self.results = results
        self.recipe = results.recipe
        self.machine = results.machine
        self.machine_text = sentences.machine_text(results.machine)
        self.departures = DEPARTURES
        self.headline = headline(results) if results.is_trained else "What training LeNet-5 costs"
        self.sentences = comparison(results)
        self.wrong = results.pictures.get("wrong", [])
        self.wrong_count = sum(
            count
            for kind, row in enumerate(results.confusion)
            for answer, count in enumerate(row)
            if kind != answer
        )
        self.failures = [cost for cost in results.costs if cost.status == "failed"]
        right = [cost.seconds_per_image for cost in results.timed if cost.counts]
        self.fastest = min(right, default=1.0)

    def pictures(self, name: str) -> list[dict[str, Any]]:
        return self.results.pictures.get(name, [])

    def chart(self, name: str) -> Markup | None:
        """Return the chart of that name, for wide and for narrow windows."""
        draw = {"learning": charts.learning, "costs": charts.costs}[name]
        return figures.twice(lambda width: draw(self.results, width), f"lenet {name}")

    def seconds(self, cost: Cost) -> str:
        return charts.duration(self.results.epoch_seconds(cost))

    def colour(self, cost: Cost) -> str:
        return charts.colour(cost)

    def heat(self, count: int, row: list[int], *, right: bool) -> str:
        """Return the ground of a cell of the confusion matrix."""
        share = count / (sum(row) or 1)
        if right:
            return f"background: rgb(43 159 107 / {0.12 + 0.4 * share:.2f})"
        return f"background: rgb(220 70 60 / {min(0.75, 0.2 + 12 * share):.2f})" if count else ""

    @property
    def overhead(self) -> float | None:
        """The share of a step that one on a single image takes too, which is nearly all Python."""
        if not self.results.step_seconds:
            return None
        return self.results.single_step_seconds / self.results.step_seconds
