"""What a climb found out, as written to ``ladder.json``."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmarks.ladder.rates import Rates
from benchmarks.measuring.files import ResultFile
from benchmarks.measuring.results import Checked, Status
from benchmarks.problems.layer import Layer

__all__ = ["LadderResults", "Step", "difference", "ratio"]


@dataclass
class Step(Checked):
    """One rung: who it is, what it should take, what it took."""

    UNIT: ClassVar = "u·(Σ|w||x|+|b|)"

    number: int
    rung: str
    """Its name; a twin's is another."""
    changed: str
    went: str
    threads: int
    instruction_set: str
    """That its process was told, or nothing."""
    twin_of: str = ""
    """Whom a control repeats, or nothing."""
    status: Status = "ok"
    reason: str = ""
    problem: dict[str, Any] = field(default_factory=dict)
    is_cut: bool = False
    flops: int = 0
    predicted: float | None = None
    """Seconds of a call, from the machine's rates; None where one of them is unknown."""
    times: list[float] = field(default_factory=list)
    """The median of each round."""
    quartiles: list[float] = field(default_factory=list)
    """Of all calls."""
    calls: int = 0
    extra_bytes: int | None = None
    error: float | None = None
    """Largest error against float64, in units of `UNIT`."""
    allowed_error: float | None = None
    relative_error: float | None = None
    """In the L2 norm, against float64."""
    exact: bool | None = None
    """Equal to the truth on integers; None where nobody promises it."""
    instructions: float | None = None
    """Of a multiply-add in the inner loop; None where they were not counted."""

    @property
    def correct(self) -> bool:
        """Within the allowed error, and exact where that is promised."""
        return super().correct and self.exact is not False

    @property
    def gflops(self) -> float:
        return self.flops / self.seconds / 1e9

    @property
    def predicted_gflops(self) -> float | None:
        return self.flops / self.predicted / 1e9 if self.predicted else None

    @property
    def spread(self) -> float:
        """How far apart the quartiles are, as a part of the median."""
        return (self.quartiles[1] - self.quartiles[0]) / self.seconds

    @property
    def cut_text(self) -> str:
        return Layer(**self.problem).shape_text()


@dataclass
class LadderResults(ResultFile):
    """One climb: a layer in a direction."""

    FILE: ClassVar = "ladder.json"
    KIND: ClassVar = "fastconv ladder"
    FORMAT: ClassVar = 1
    PARTS: ClassVar = {"steps": Step}

    layer: dict[str, Any]
    direction: str
    threads: int
    """Of the rungs that run on several."""
    is_quick: bool
    machine: dict[str, Any]
    rates: dict[str, Any] = field(default_factory=dict)
    """The fields of `benchmarks.ladder.rates.Rates`."""
    steps: list[Step] = field(default_factory=list)
    uncounted: str = ""
    """Why no instructions were counted, or nothing."""
    seconds: float = 0.0

    @property
    def the_layer(self) -> Layer:
        return Layer(**self.layer)

    @property
    def climbed(self) -> list[Step]:
        """The rungs whose times count, from the lowest to the highest."""
        return [step for step in self.steps if step.counts and not step.twin_of]

    @property
    def noise(self) -> float | None:
        """By how much, as a part, a rung differs from itself in three rounds of four at the most.

        A ratio of two rungs is the median of their rounds, which differs by less. The last round of
        four is left to whatever else the machine did.
        """
        found = []
        for twin in self.steps:
            other = self.find(twin.twin_of)
            if other is not None and twin.counts and other.counts:
                found += [difference(one) for one in _ratios(twin, other)]
        if len(found) < 2:
            return found[0] if found else None
        return statistics.quantiles(found, n=4, method="inclusive")[2]

    def find(self, rung: str) -> Step | None:
        """Return the rung of that name."""
        return next((step for step in self.steps if step.rung == rung), None)

    def before(self, step: Step) -> Step | None:
        """Return the rung below that was timed."""
        below = [one for one in self.climbed if one.number < step.number]
        return below[-1] if below else None

    def peak(self, threads: int) -> float | None:
        """Return the measured peak of so many threads in GFLOP/s, or None where unmeasured."""
        peaks = Rates(**self.rates).peaks.values()
        return max((peak[str(threads)] for peak in peaks if str(threads) in peak), default=None)

    @property
    def all_right(self) -> bool:
        """Whether no result is wrong, no rung failed, and some were timed."""
        wrong = any(
            s.status == "failed" or (s.error is not None and not s.correct) for s in self.steps
        )
        return bool(self.climbed) and not wrong


def difference(times: float) -> float:
    """Return by how much, as a part, what is so many times as fast is faster, or slower."""
    return max(times, 1 / times) - 1


def ratio(step: Step, other: Step) -> float:
    """Return how many times as fast a rung is as another: the median of their rounds."""
    return statistics.median(_ratios(step, other))


def _ratios(step: Step, other: Step) -> Sequence[float]:
    # Of the same round, so that what slowed the machine down for a while slowed both.
    speed = step.flops / other.flops
    return [speed * theirs / ours for ours, theirs in zip(step.times, other.times, strict=False)]
