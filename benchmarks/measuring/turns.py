"""One layer: everyone prepares it and is checked, then they take turns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import Any, Protocol, TypeVar

from benchmarks.contestants import Contestant
from benchmarks.measuring import truth
from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.results import Measurement, Status
from benchmarks.measuring.truth import Truth
from benchmarks.problems import data
from benchmarks.problems.directions import WORK, Direction
from benchmarks.problems.layer import Layer
from benchmarks.problems.presets import Preset

# Integers are compared on a cut: large enough to fill tiles and to have edges, yet the naive
# reference must get through, so that it gets a fraction of the time of its timed cut.
EXACT_MAX_FLOPS = 2e7
EXACT_SECONDS = 0.02
# Behind schedule or not: a median needs several calls of those that are quick.
SHORTEST_TURN_SECONDS = 0.02


Taking = TypeVar("Taking")


def in_turn(running: Sequence[Taking], round_: int) -> list[Taking]:
    """Return who runs in the order of this round.

    It is drawn anew for each, the same in each run. Who always comes after the same one finds what
    that has left, of the caches and of the processor's warmth, and is told apart from its own twin.
    """
    return Random(round_).sample(list(running), len(running))


class Sampled(Protocol):
    """What is noted of someone who takes turns."""

    status: Status
    reason: str
    times: list[float]


def prepare(
    process: Process[Contestant], layer: Layer, direction: Direction, preset: Preset
) -> Measurement:
    """Make a layer, or a cut that the contestant can do in time, ready, and check its result."""
    contestant = process.contestant
    measurement = Measurement(layer.name, direction, contestant.name)
    refusal = contestant.refusal(layer, direction)
    if refusal:
        measurement.status, measurement.reason = "unsupported", refusal
        return measurement
    work = WORK[direction]
    flops_per_second = contestant.rough_gflops * 1e9 / work
    problem = layer.cut(flops_per_second * preset.longest_call)
    measurement.problem = problem.as_dict()
    measurement.is_cut = problem != layer
    measurement.flops = work * problem.flops
    try:
        small = layer.cut(min(EXACT_MAX_FLOPS, flops_per_second * EXACT_SECONDS))
        first = process.ask("prepare", layer=small, direction=direction, integers=True)
        exact = _solve(small, direction, integers=True).equals(first.outputs)
        # Who does not only multiply and add may still be exact, but owes it to nobody.
        _, sums_exactly = contestant.promise(small, direction)
        measurement.exact = exact if exact or sums_exactly else None
        first = process.ask("prepare", layer=problem, direction=direction)
        error, bound = _solve(problem, direction, integers=False).error(first.outputs)
        slack, _ = contestant.promise(problem, direction)
        measurement.error, measurement.allowed_error = error, slack * bound
        measurement.extra_bytes = first.extra_bytes
    except (Failed, ValueError) as failure:
        measurement.status, measurement.reason = "failed", str(failure)
    return measurement


def take(running: Sequence[tuple[Process[Any], Sampled]], rounds: int, seconds: float) -> None:
    """Let those who are ready take turns for about so long, and note the times of their calls."""
    if not running:
        return
    turn_seconds = max(SHORTEST_TURN_SECONDS, seconds / (rounds * len(running)))
    for round_ in range(rounds):
        for process, measurement in in_turn(running, round_):
            if measurement.status == "ok":
                _sample(process, measurement, turn_seconds)


def _sample(process: Process[Any], measurement: Sampled, seconds: float) -> None:
    try:
        times = process.ask("sample", seconds=seconds)
    except Failed as failure:
        measurement.status, measurement.reason = "failed", str(failure)
        return
    measurement.times += [float(f"{time:.4g}") for time in times]


@lru_cache(maxsize=8)
def _solve(problem: Layer, direction: Direction, *, integers: bool) -> Truth:
    # Contestants of about the same speed get the same cut, one after the other.
    return truth.solve(problem, data.make(problem, integers=integers), direction)
