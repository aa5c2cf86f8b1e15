"""What a sweep found out, as written to ``sweep.json``."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, ClassVar

from benchmarks.measuring.files import ResultFile
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

__all__ = ["AGAIN", "Point", "SweepResults", "SweepTiming"]


# The fastest by the model takes part twice: what it differs from itself is the noise, near the
# fastest, where it matters.
AGAIN = ", again"


@dataclass
class SweepTiming:
    """One backend on one problem in one direction: what was reckoned, and what it took."""

    problem: str
    """The name of a `Layer`."""
    direction: Direction
    backend: str
    """A family; or "auto", where its plan is none of the families' own: pieces of several. With
    `AGAIN` behind it the control."""
    kernel: str
    """The implementation; of pieces, that of the largest."""
    predicted: float
    """Seconds of a call, by the model."""
    stages: dict[str, float] = field(default_factory=dict)
    """Its stages, in seconds."""
    chosen: bool = False
    """Whether it is what "auto" takes."""
    times: list[float] = field(default_factory=list)
    """Seconds of a call, one for each turn; none where it was reckoned to take too long."""

    @property
    def best(self) -> float:
        """The least of its times: whatever disturbs a turn makes it longer."""
        return min(self.times)

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def error(self) -> float:
        """How far off the prediction is, in parts of the measured time."""
        return self.predicted / self.best - 1


@dataclass(frozen=True)
class Point:
    """All that was timed of one problem in one direction: a point of the maps."""

    layer: Layer
    direction: Direction
    timings: tuple[SweepTiming, ...]

    @property
    def winner(self) -> SweepTiming:
        """Who was the fastest."""
        return min(self.timings, key=lambda timing: timing.best)

    @property
    def named(self) -> SweepTiming:
        """Whom the model names as the fastest."""
        return min(self.timings, key=lambda timing: timing.predicted)

    @property
    def chosen(self) -> SweepTiming | None:
        """What "auto" takes, if it was timed."""
        return next((timing for timing in self.timings if timing.chosen), None)

    def loss(self, timing: SweepTiming) -> float:
        """Return how much longer than the winner somebody took, in parts of its time."""
        return timing.best / self.winner.best - 1


@dataclass
class SweepResults(ResultFile):
    """One sweep."""

    FILE: ClassVar = "sweep.json"
    KIND: ClassVar = "fastconv sweep"
    FORMAT: ClassVar = 1
    INDENT: ClassVar = None
    PARTS: ClassVar = {"problems": Layer, "timings": SweepTiming}

    threads: int
    machine: dict[str, Any]
    rates: dict[str, Any] = field(default_factory=dict)
    """Those that the predictions are made of, as `fastconv.machine.Machine` names them."""
    problems: list[Layer] = field(default_factory=list)
    timings: list[SweepTiming] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What went wrong, in words."""
    seconds: float = 0.0
    directions: list[Direction] = field(default_factory=list)
    """In which the problems are swept."""
    turns: int = 0
    """How many have been taken: of all problems in all directions, and of all of them again."""

    def points(self) -> list[Point]:
        """Return the problems and directions of which anything was timed, in their order.

        Twins are one there, with the times of the first: by more turns it would seem the faster.
        """
        layers = {layer.name: layer for layer in self.problems}
        found: dict[tuple[str, Direction], list[SweepTiming]] = {}
        for group in self._groups():
            one = replace(
                group[0],
                chosen=any(timing.chosen for timing in group),
            )
            found.setdefault((one.problem, one.direction), []).append(one)
        return [
            Point(layers[name], direction, tuple(timings))
            for (name, direction), timings in found.items()
        ]

    def twins(self) -> list[tuple[SweepTiming, SweepTiming]]:
        """Return the pairs that run the same loops under two names, and so show the noise."""
        return [pair for group in self._groups() for pair in pairwise(group)]

    def _groups(self) -> Iterable[list[SweepTiming]]:
        """Return what was timed, twins together: of whom the model says the same in each stage."""
        found: dict[Any, list[SweepTiming]] = {}
        for timing in _timed(self.timings):
            key = timing.problem, timing.direction, timing.predicted, *timing.stages.items()
            found.setdefault(key, []).append(timing)
        return found.values()

    def by_kernel(self) -> dict[str, list[SweepTiming]]:
        """Return what was timed of each implementation, but for controls."""
        found: dict[str, list[SweepTiming]] = {}
        for timing in _timed(self.timings):
            if timing.backend.endswith(AGAIN):
                continue
            found.setdefault(timing.kernel, []).append(timing)
        return dict(sorted(found.items()))


def _timed(timings: Iterable[SweepTiming]) -> Iterable[SweepTiming]:
    return (timing for timing in timings if timing.times)
