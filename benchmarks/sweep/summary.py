"""What a sweep says of the model and of the choice, in a few numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.sweep.results import Point, SweepResults, SweepTiming

__all__ = [
    "CLOSE",
    "NEAR",
    "KernelError",
    "kernel_errors",
    "missed",
    "noise",
    "share_close",
    "untold",
    "worst_choices",
]

# As fast as the fastest: within so much of its time.
CLOSE = 0.05
# Near enough to the fastest to be taken for it; these have more turns.
NEAR = 0.1


class KernelError(NamedTuple):
    """How far off the predictions of an implementation are, in parts of the measured time."""

    kernel: str
    timed: int
    median: float
    """Of the errors without their signs."""
    bias: float
    """The median with the signs: above zero where it is reckoned to take too long."""
    worst: SweepTiming
    """The one that is furthest off, as a factor."""


def share_close(losses: Sequence[float]) -> float:
    """Return the part of losses that are within `CLOSE`; 1 of none."""
    return sum(loss <= CLOSE for loss in losses) / len(losses) if losses else 1.0


def noise(results: SweepResults) -> list[float]:
    """Return by how much twins differ, who do the same: what this run cannot tell apart.

    Of twins near the fastest, who alone decide, and alone have turns until they are settled.
    """
    fastest = {(point.layer.name, point.direction): point.winner.best for point in results.points()}
    return [
        max(one.best, other.best) / min(one.best, other.best) - 1
        for one, other in results.twins()
        if min(one.best, other.best) <= (1 + NEAR) * fastest[one.problem, one.direction]
    ]


def missed(points: Sequence[Point]) -> list[tuple[float, Point]]:
    """Return what is lost by taking whom the model names, the largest loss first."""
    return _sorted([(point.loss(point.named), point) for point in points])


def untold(results: SweepResults, points: Sequence[Point]) -> list[Point]:
    """Return where whom the model names was not the fastest, but its twin was as fast as that.

    It ran the same loops at the same times, so the miss cannot be told from noise. It stays one.
    """
    twins = {
        (one.problem, one.direction, one.predicted): min(one.best, other.best)
        for one, other in results.twins()
    }
    return [
        point
        for point in points
        if point.loss(point.named) > CLOSE
        and twins.get((point.layer.name, point.direction, point.named.predicted), math.inf)
        <= (1 + CLOSE) * point.winner.best
    ]


def worst_choices(points: Sequence[Point]) -> list[tuple[float, Point]]:
    """Return what is lost by taking what "auto" takes, the largest loss first."""
    return _sorted(
        [(point.loss(chosen), point) for point in points if (chosen := point.chosen) is not None]
    )


def kernel_errors(results: SweepResults) -> list[KernelError]:
    """Return the errors of each implementation that was timed."""
    return [
        KernelError(
            kernel,
            len(timings),
            statistics.median(abs(timing.error) for timing in timings),
            statistics.median(timing.error for timing in timings),
            max(timings, key=lambda timing: _factor(timing.error)),
        )
        for kernel, timings in results.by_kernel().items()
    ]


def _factor(error: float) -> float:
    """Return how many times too large or too small a prediction is."""
    return max(1 + error, 1 / (1 + error))


def _sorted(losses: list[tuple[float, Point]]) -> list[tuple[float, Point]]:
    return sorted(losses, key=lambda pair: pair[0], reverse=True)
