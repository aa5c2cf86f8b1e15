"""A climb: every rung is checked against float64, then all of them take turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np

from benchmarks.ladder import compiling, counting
from benchmarks.ladder.climber import Climber
from benchmarks.ladder.rates import Rates, UnknownRate
from benchmarks.ladder.results import LadderResults, Step
from benchmarks.ladder.rung import BASELINE
from benchmarks.measuring import truth
from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.starting import start
from benchmarks.measuring.truth import Truth
from benchmarks.measuring.turns import in_turn
from benchmarks.problems import data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

__all__ = ["FULL", "QUICK", "Climb", "Effort"]

TASKS = "benchmarks.ladder.tasks"
# Integers are compared on a cut that has edges and fills tiles, and that Python gets through.
EXACT_MAX_FLOPS = 2e7
EXACT_SECONDS = 0.02
SHORTEST_TURN_SECONDS = 0.02

Told = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How long a climb may take: turns in all, rounds of them, and a rung's longest call."""

    seconds: float
    rounds: int
    longest_call: float
    is_thorough: bool
    """Whether instructions are counted, which takes another minute, and the machine is measured
    again after the turns."""


FULL = Effort(seconds=60.0, rounds=9, longest_call=0.3, is_thorough=True)
QUICK = Effort(seconds=2.0, rounds=2, longest_call=0.01, is_thorough=False)


class Climb:
    """The processes of a climb; use it as a context, so that they end with it."""

    def __init__(
        self,
        climbers: Sequence[Climber],
        layer: Layer,
        direction: Direction,
        effort: Effort,
        threads: int,
    ) -> None:
        self.climbers = climbers
        self.layer = layer
        self.direction = direction
        self.effort = effort
        self.threads = threads
        self._stack = ExitStack()

    def __enter__(self) -> Climb:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def steps(self) -> int:
        """Return how often `run` will tell what it does."""
        counted = 2 if self.effort.is_thorough else 0
        return 3 + len(self.climbers) + self.effort.rounds + counted

    def run(self, results: LadderResults, told: Told) -> None:
        """Measure everything into `results`.

        Parameters
        ----------
        results
            Of nothing yet.
        told
            Called with what happens next, `steps()` times.
        """
        told("starting")
        processes = self._start(results)
        told("what the machine does")
        rates = self._rates(processes)
        running = []
        for process in processes:
            told(process.contestant.name)
            step = _step(results, process.contestant)
            self._prepare(process, step)
            if step.status == "ok" and step.correct:
                running.append((process, step))
        self._take_turns(running, told)
        told("what the machine does")
        if self.effort.is_thorough:
            rates = rates.best_of(self._rates(processes))
        results.rates = asdict(rates)
        for step in results.steps:
            step.predicted = self._predicted(step, rates)
        self._count(results, told)

    def _start(self, results: LadderResults) -> list[Process[Climber]]:
        """Start a process for everyone who can climb here, and note everyone."""
        compiled = {one.rung.extension for one in self.climbers if one.rung.extension}
        compiling.prepare(sorted(compiled | {"rates"}), BASELINE)
        single = [one for one in self.climbers if not one.rung.is_parallel]
        parallel = [one for one in self.climbers if one.rung.is_parallel]
        ready: list[Process[Climber]] = []
        missing: dict[str, str] = {}
        for climbers, threads in ((single, 1), (parallel, self.threads)):
            started, infos = start(climbers, threads, TASKS, self._stack)
            ready += started
            missing |= {info.name: info.missing for info in infos if info.missing}
        for climber in self.climbers:
            rung = climber.rung
            step = Step(
                climber.number, climber.name, rung.changed, rung.went,
                self.threads if rung.is_parallel else 1, rung.instruction_set,
                twin_of=rung.name if climber.is_twin else "",
            )  # fmt: skip
            if climber.name in missing:
                step.status, step.reason = "unsupported", missing[climber.name]
            results.steps.append(step)
        return ready

    def _rates(self, processes: Sequence[Process[Climber]]) -> Rates:
        """Measure the machine: each instruction set in the process of a rung that has it."""
        rates = Rates(threads=self.threads)
        by_set: dict[str, Process[Climber]] = {}
        for process in processes:
            rung = process.contestant.rung
            if rung.backend and not rung.is_parallel:
                by_set.setdefault(rung.instruction_set, process)
        with suppress(Failed):  # predictions are missing then, and nothing else
            rates = processes[0].ask("rates")
            rates.threads = self.threads
            for name, process in by_set.items():
                peak = process.ask("peak", threads=self.threads)
                if peak:
                    rates.peaks[name] = peak
        return rates

    def _prepare(self, process: Process[Climber], step: Step) -> None:
        """Make the layer, or a cut that the rung can do in time, ready, and check its result."""
        climber = process.contestant
        refused = climber.refusal(self.layer, self.direction)
        if climber.rung.needs_threads and self.threads == 1:
            refused = "on one thread it is the rung below"
        if refused:
            step.status, step.reason = "unsupported", refused
            return
        speed = climber.rough_gflops * 1e9
        problem = self.layer.cut(speed * self.effort.longest_call)
        step.problem, step.is_cut = problem.as_dict(), problem != self.layer
        step.flops = problem.flops
        asked = {"direction": self.direction}
        try:
            small = self.layer.cut(min(EXACT_MAX_FLOPS, speed * EXACT_SECONDS))
            first = process.ask("prepare", layer=small, integers=True, **asked)
            exact = _solve(small, self.direction, integers=True).equals(first.outputs)
            # Who does not only multiply and add may still be exact, but owes it to nobody.
            _, sums_exactly = climber.promise(small, self.direction)
            step.exact = exact if exact or sums_exactly else None
            first = process.ask("prepare", layer=problem, **asked)
            solved = _solve(problem, self.direction, integers=False)
            error, bound = solved.error(first.outputs)
            slack, _ = climber.promise(problem, self.direction)
            step.error, step.allowed_error = error, slack * bound
            (result,), (value,) = first.outputs, solved.values
            step.relative_error = float(np.linalg.norm(result - value) / np.linalg.norm(value))
            step.extra_bytes = first.extra_bytes
        except (Failed, ValueError) as failure:
            step.status, step.reason = "failed", str(failure)

    def _take_turns(self, running: Sequence[tuple[Process[Climber], Step]], told: Told) -> None:
        """Have everyone's calls timed for about so long, a while each in every round."""
        rounds = self.effort.rounds
        seconds = max(SHORTEST_TURN_SECONDS, self.effort.seconds / (rounds * len(running) or 1))
        times: dict[str, list[float]] = {step.rung: [] for _, step in running}
        for round_ in range(rounds):
            told(f"taking turns, round {round_ + 1}")
            for process, step in in_turn(running, round_):
                if step.status != "ok":
                    continue
                try:
                    sampled = process.ask("sample", seconds=seconds)
                except Failed as failure:
                    step.status, step.reason = "failed", str(failure)
                    continue
                times[step.rung] += sampled
                step.times.append(float(f"{statistics.median(sampled):.4g}"))
        for _, step in running:
            taken = times[step.rung]
            step.calls = len(taken)
            if len(taken) > 1:
                low, _, high = statistics.quantiles(taken, n=4, method="inclusive")
                step.quartiles = [float(f"{value:.4g}") for value in (low, high)]
            else:
                step.quartiles = 2 * taken

    def _predicted(self, step: Step, rates: Rates) -> float | None:
        if not step.problem:
            return None
        rung = next(one.rung for one in self.climbers if one.name == step.rung)
        try:
            return float(f"{rung.seconds(Layer(**step.problem), self.direction, rates):.4g}")
        except UnknownRate:
            return None

    def _count(self, results: LadderResults, told: Told) -> None:
        """Count the instructions of those that were timed; by instruction set, a process each."""
        if not self.effort.is_thorough:
            results.uncounted = "a quick climb counts no instructions"
            return
        told("instructions")
        results.uncounted = counting.missing() or ""
        timed = {step.rung for step in results.climbed}
        rungs = [one.rung for one in self.climbers if one.name in timed]
        # What asks the processor itself is counted with the widest that valgrind knows.
        for name in () if results.uncounted else sorted({rung.instruction_set for rung in rungs}):
            together = [rung for rung in rungs if rung.instruction_set == name]
            found = counting.count(together, self.layer, self.direction, name)
            for rung, instructions in found.items():
                step = results.find(rung)
                assert step is not None
                step.instructions = float(f"{instructions:.4g}")
        told("instructions")


def _step(results: LadderResults, climber: Climber) -> Step:
    step = results.find(climber.name)
    assert step is not None
    return step


@lru_cache(maxsize=8)
def _solve(problem: Layer, direction: Direction, *, integers: bool) -> Truth:
    # Rungs of about the same speed get the same cut, one after the other.
    return truth.solve(problem, data.make(problem, integers=integers), direction)
