"""Everyone who may be the fastest takes turns at a problem."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.starting import start
from benchmarks.measuring.turns import in_turn
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from benchmarks.sweep.results import SweepTiming
from benchmarks.sweep.tasks import SIDES, Side

__all__ = ["Sides"]

TASKS = "benchmarks.maps.tasks"
# Who has been at it for so many seconds has no more turns.
LONG_SECONDS = 0.4


class Sides:
    """Two processes: backends on OpenMP's threads, and the one on those of NumPy's BLAS."""

    def __init__(self, threads: int, stack: ExitStack) -> None:
        self.threads = threads
        processes, infos = start(SIDES, threads, TASKS, stack)
        self.failures = [f"{info.label}: {info.missing}" for info in infos if info.missing]
        self._processes: dict[str, Process[Side]] = {
            process.contestant.name: process for process in processes
        }

    def rates(self) -> dict[str, Any]:
        """Measure once more what the machine does, and return the best of all times."""
        return dict(self._model().ask("rates"))

    def reckon(
        self, layers: Sequence[Layer], direction: Direction = "forward"
    ) -> dict[str, dict[str, float]]:
        """Return what a call is reckoned to take: name of the layer → backend → seconds."""
        found = self._model().ask("reckon", layers=layers, direction=direction)
        return {layer.name: seconds for layer, seconds in zip(layers, found, strict=True)}

    def everybody(self, layer: Layer, direction: Direction = "forward") -> list[SweepTiming]:
        """Return what is reckoned of everybody who is able, with the stages."""
        found: list[SweepTiming] = self._model().ask("everybody", layer=layer, direction=direction)
        return found

    def take(
        self, timings: Sequence[SweepTiming], layer: Layer, direction: Direction, rounds: int
    ) -> list[str]:
        """Let them take turns at a layer, note their times, and return what went wrong."""
        failures: list[str] = []
        sides: list[tuple[Process[Side], list[SweepTiming]]] = []
        for process, mine in self._by_process(timings):
            try:
                backends = [timing.backend for timing in mine]
                process.ask("prepare", layer=layer, direction=direction, backends=backends)
            except Failed as failure:
                failures.append(f"{layer.name}: {failure}")
                continue
            sides.append((process, mine))
        for round_ in range(rounds):
            for process, mine in sides:
                # Who comes first after the other side finds the caches cold.
                for timing in in_turn(mine, round_):
                    if timing.times and sum(timing.times) > LONG_SECONDS:
                        continue
                    try:
                        timing.times.append(process.ask("sample", backend=timing.backend))
                    except Failed as failure:
                        failures.append(f"{timing.backend} of {layer.name}: {failure}")
        return failures

    def cold(self, timing: SweepTiming) -> tuple[float, float]:
        """Return what a call of someone who has had a turn takes with cold caches, and warm."""
        ((process, _),) = self._by_process([timing])
        cold, warm = process.ask("cold", backend=timing.backend)
        return cold, warm

    def columns(self, layer: Layer) -> float:
        """Return the seconds that the column matrix of a layer takes to be made."""
        return float(self._model().ask("columns", layer=layer))

    def _model(self) -> Process[Side]:
        try:
            return self._processes[SIDES[0].name]
        except KeyError:
            raise Failed("; ".join(self.failures)) from None

    def _by_process(
        self, timings: Sequence[SweepTiming]
    ) -> list[tuple[Process[Side], list[SweepTiming]]]:
        found = []
        for name, process in self._processes.items():
            mine = [one for one in timings if (one.kernel == "im2col") == (name == "numpy")]
            if mine:
                found.append((process, mine))
        return found
