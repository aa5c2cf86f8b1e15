"""What is asked in a process: who is able to do a problem, and turns of each.

Backends of the same threads share a process, which is stopped while the other has its turn: the
BLAS's threads go on looking for work after a call, and would take it from OpenMP's.

Of one thread it is the processor's time that counts, since whoever else works on the machine would
otherwise decide who wins; of several it cannot be, since they wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from time import perf_counter, process_time
from typing import Any

from benchmarks.contestants import internals
from benchmarks.contestants.origins import FromFastconv
from benchmarks.measuring.tasks import Present
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from benchmarks.sweep.results import SweepTiming

__all__ = ["SIDES", "Side", "create"]

# A turn takes about so long, or a call.
TURN_SECONDS = 0.002


class Side(FromFastconv):
    """The backends that run on the same kind of threads."""

    def __init__(self, name: str, about: str) -> None:
        self.name, self.label, self.about = name, name, about


SIDES = (
    Side("compiled", "backends on OpenMP's threads, or the caller's alone"),
    Side("numpy", "the backend on the threads of NumPy's BLAS"),
)


def create(name: str, threads: int) -> SweepTasks:
    """Return what a process does for the side of that name."""
    return SweepTasks(next(side for side in SIDES if side.name == name), threads)


class SweepTasks(Present[Side]):
    """The problem at hand, and who is able to do it."""

    def __init__(self, side: Side, threads: int) -> None:
        super().__init__(side, threads)
        self._calls: dict[str, Callable[[], object]] = {}
        self._clock = process_time if threads == 1 else perf_counter
        self._rates = internals.measure()

    def rates(self, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Measure once more what this machine does, and return the best of all times.

        What was `known` of it before, by another process, counts as well.
        """
        self._rates = self._rates.better_of(internals.measure())
        if known:
            self._rates = self._rates.better_of(internals.machine_of(known))
        return asdict(self._rates)

    def predict(self, layer: Layer, direction: Direction) -> list[SweepTiming]:
        """Return what is reckoned of everybody of this side, by the rates as they are known now."""
        found = []
        for one in self._candidates(layer, direction):
            prediction = one.predict(self._rates)
            stages = {name: _short(seconds) for name, seconds in prediction.stages.items()}
            found.append(
                SweepTiming(
                    layer.name, direction, one.backend, one.kernel, _short(prediction.seconds),
                    stages, one.chosen,
                )
            )  # fmt: skip
        return found

    def prepare(self, layer: Layer, direction: Direction, backends: Sequence[str]) -> None:
        """Make some of them ready to be called."""
        self._calls = {}  # frees the problem before
        first, second = internals.operands(layer, direction)
        out = internals.result(layer, direction)
        self._calls = {
            one.backend: one.ready(first, second, out)
            for one in self._candidates(layer, direction)
            if one.backend in backends
        }

    def _candidates(self, layer: Layer, direction: Direction) -> list[internals.Candidate]:
        on_blas = self.contestant.name == "numpy"
        return internals.candidates(layer, direction, on_blas=on_blas)

    def sample(self, backend: str) -> float:
        """Return the seconds of a call: of several in a row, after one that warms the caches."""
        call, clock = self._calls[backend], self._clock
        start = clock()
        call()
        first = clock() - start
        if first > TURN_SECONDS:
            return _short(first)
        times = max(1, int(TURN_SECONDS / max(first, 1e-6)))
        start = clock()
        for _ in range(times):
            call()
        return _short((clock() - start) / times)


def _short(seconds: float) -> float:
    """Return what is worth a place in the file."""
    return float(f"{seconds:.4g}")
