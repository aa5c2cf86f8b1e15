"""A run: every contestant on every case, taking turns, one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

import fastconv
from benchmarks.images import truth
from benchmarks.images.cases import Case
from benchmarks.images.contestants import Filterer
from benchmarks.images.results import ImageResults, Timing
from benchmarks.measuring import machine, turns
from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.starting import start

TASKS = "benchmarks.images.tasks"
# Who takes longer is called no more: what came out of the first call is its time.
ONCE_IS_ENOUGH_SECONDS = 0.5

Step = Callable[[str], None]
CaseDone = Callable[[ImageResults, Case], None]


@dataclass(frozen=True)
class Pace:
    """How long a run may take, and in how many turns."""

    name: str
    rounds: int
    seconds_each: float
    """For one contestant on one case, all turns together."""


QUICK = Pace("quick", rounds=1, seconds_each=0.02)
DEFAULT = Pace("default", rounds=5, seconds_each=0.4)


class ImageRunner:
    """One run with its workers; use it as a context, so that they end with it."""

    def __init__(
        self, contestants: Sequence[Filterer], cases: Sequence[Case], pace: Pace, threads: int
    ) -> None:
        self.contestants = contestants
        self.cases = cases
        self.pace = pace
        self.threads = threads
        self._processes: list[Process[Filterer]] = []
        self._stack = ExitStack()

    def __enter__(self) -> ImageRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def steps(self) -> int:
        """Return how often `run` will call `step`."""
        here = [one for one in self.contestants if one.missing() is None]
        return 1 + sum(1 + sum(case.family in one.families for one in here) for case in self.cases)

    def run(self, step: Step, case_done: CaseDone) -> ImageResults:
        began = perf_counter()
        step("starting")
        self._processes, infos = start(self.contestants, self.threads, TASKS, self._stack)
        results = ImageResults(
            created=datetime.now().isoformat(timespec="seconds"),
            preset=self.pace.name,
            threads=self.threads,
            machine=machine.describe(),
            cases=list(self.cases),
            contestants=infos,
        )
        for case in self.cases:
            results.chosen[case.name] = _strategy(case)
            results.timings += self._measure(case, step)
            case_done(results, case)
        results.seconds = perf_counter() - began
        return results

    def _measure(self, case: Case, step: Step) -> list[Timing]:
        """Check everyone's result of one case, then let them take turns."""
        timings = []
        running: list[tuple[Process[Filterer], Timing]] = []
        for process in self._processes:
            if case.family not in process.contestant.families:
                continue
            step(f"{case.name}: {process.contestant.label}")
            timing = self._prepare(process, case)
            timings.append(timing)
            if timing.status == "ok" and timing.correct and not timing.times:
                running.append((process, timing))
        step(f"{case.name}: taking turns")
        turns.take(running, self.pace.rounds, self.pace.seconds_each * len(running))
        return timings

    def _prepare(self, process: Process[Filterer], case: Case) -> Timing:
        contestant = process.contestant
        timing = Timing(case.name, contestant.name)
        try:
            first = process.ask("prepare", case=case, image=case.image(), kernel=case.kernel())
            timing.error = float(f"{truth.solve(case).error(first.image):.4g}")
        except (Failed, ValueError) as failure:
            timing.status, timing.reason = "failed", str(failure)
            return timing
        timing.allowed_error = truth.allowed_error(case, transforms=contestant.transforms)
        if first.seconds > ONCE_IS_ENOUGH_SECONDS:
            timing.times.append(float(f"{first.seconds:.4g}"))
        return timing


def _strategy(case: Case) -> str:
    """Return what fastconv takes by itself."""
    explained = fastconv.explain_convolve2d(
        case.image(), case.kernel(), "same", "symm" if case.reflects else "fill"
    )
    return explained.way
