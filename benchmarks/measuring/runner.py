"""A run: every contestant on every layer, taking turns, one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from time import perf_counter

from benchmarks.contestants import Contestant
from benchmarks.measuring import machine, turns
from benchmarks.measuring.filtering import PhotoRun
from benchmarks.measuring.on_paper import on_paper
from benchmarks.measuring.overhead import TINY
from benchmarks.measuring.peak import PeakMeter
from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.results import ContestantInfo, Measurement, Results
from benchmarks.measuring.starting import start
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from benchmarks.problems.presets import Preset

TASKS = "benchmarks.measuring.tasks"

Step = Callable[[str], None]
"""Told what happens next; called `steps()` times in a run."""
RowDone = Callable[[Results, Layer, Direction], None]


class Runner:
    """One run with its workers; use it as a context, so that they end with it."""

    def __init__(
        self,
        contestants: Sequence[Contestant],
        layers: Sequence[Layer],
        directions: Sequence[Direction],
        preset: Preset,
        threads: int,
        pictures: Path | None = None,
    ) -> None:
        """Filtered photographs go to the folder `pictures`; without one, none are filtered."""
        self.contestants = contestants
        self.layers = layers
        self.directions = directions
        self.preset = preset
        self.threads = threads
        self.pictures = pictures
        self._processes: list[Process[Contestant]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def steps(self) -> int:
        """Return how often `run` will call `step`."""
        present = sum(contestant.missing() is None for contestant in self.contestants)
        albums = 0 if self.pictures is None else present
        return 2 + albums + len(self.layers) * len(self.directions) * (present + 1)

    def run(self, step: Step, row_done: RowDone) -> Results:
        """Measure everything."""
        began = perf_counter()
        step("machine")
        results = Results(
            created=datetime.now().isoformat(timespec="seconds"),
            preset=self.preset.name,
            threads=self.threads,
            directions=list(self.directions),
            machine=machine.describe(),
        )
        peak = PeakMeter(self.threads)
        results.machine["peak_gflops"] = peak.gflops
        results.machine["bandwidth"] = peak.bandwidth
        self._processes, results.contestants = start(
            self.contestants, self.threads, TASKS, self._stack
        )
        for contestant, info in zip(self.contestants, results.contestants, strict=True):
            info.prepacks = contestant.prepacks
        results.layers = [on_paper(layer, self.threads) for layer in self.layers]
        if self.pictures is not None:
            album = PhotoRun(self.pictures)
            for process in self._processes:
                step(f"photographs: {process.contestant.label}")
                if process.contestant.kind != "control":
                    results.photos += album.measure(process)
        step("call overhead")
        results.overheads = self._overheads()
        problems = [(layer, direction) for layer in self.layers for direction in self.directions]
        for number, (layer, direction) in enumerate(problems):
            peak.update()
            left = self.preset.seconds - (perf_counter() - began)
            share = max(0.0, left) / (len(problems) - number)
            results.measurements += self._measure(layer, direction, share, step)
            row_done(results, layer, direction)
        for process, info in zip(self._processes, results.present, strict=True):
            with suppress(Failed):  # its failures are in the measurements already
                _account(process, info)
        results.seconds = perf_counter() - began
        return results

    def _overheads(self) -> dict[str, float]:
        """Ask the libraries and, for all of fastconv, its plan."""
        found: dict[str, float] = {}
        for process in self._processes:
            contestant = process.contestant
            if contestant.kind != "library" and not contestant.prepacks:
                continue
            if contestant.refusal(TINY, "forward") is None:
                with suppress(Failed):  # it will fail on the layers as well, and be told of there
                    found |= process.ask("overhead")
        return found

    def _measure(
        self, layer: Layer, direction: Direction, seconds: float, step: Step
    ) -> list[Measurement]:
        """Prepare and check everyone on one layer, then let them take turns."""
        start = perf_counter()
        measured = []
        running: list[tuple[Process[Contestant], Measurement]] = []
        for process in self._processes:
            step(f"{layer.name}: {process.contestant.label}")
            measurement = turns.prepare(process, layer, direction, self.preset)
            measured.append(measurement)
            if measurement.status == "ok":
                running.append((process, measurement))
        step(f"{layer.name}: taking turns")
        turns.take(running, self.preset.rounds, seconds - (perf_counter() - start))
        return measured


def _account(process: Process[Contestant], info: ContestantInfo) -> None:
    """Note what threads a contestant has had, and what it does with very small numbers."""
    info.pools = process.ask("pools")
    info.cores_busy = process.ask("cores_busy")
    if process.contestant.refusal(TINY, "forward") is None:
        info.keeps_subnormals = process.ask("keeps_subnormals")
