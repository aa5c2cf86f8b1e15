"""A run: every contestant on every layer, taking turns, one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from time import perf_counter

import numpy as np

import fastconv
from benchmarks.contestants import Contestant, internals
from benchmarks.contestants.ours import chosen
from benchmarks.measuring import machine, truth
from benchmarks.measuring.filtering import PhotoRun
from benchmarks.measuring.overhead import TINY
from benchmarks.measuring.peak import PeakMeter
from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.results import ContestantInfo, LayerInfo, Measurement, Results
from benchmarks.measuring.truth import Truth
from benchmarks.problems import data
from benchmarks.problems.directions import DIRECTIONS, WORK, Direction
from benchmarks.problems.layer import Layer
from benchmarks.problems.presets import Preset

# Integers are compared on a cut: large enough to fill tiles and to have edges, yet the naive
# reference must get through, so that it gets a fraction of the time of its timed cut.
EXACT_MAX_FLOPS = 2e7
EXACT_SECONDS = 0.02
# Behind schedule or not: a median needs several calls of those that are quick.
SHORTEST_TURN_SECONDS = 0.02

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
    ) -> None:
        self.contestants = contestants
        self.layers = layers
        self.directions = directions
        self.preset = preset
        self.threads = threads
        self._processes: list[Process] = []
        self._infos: list[ContestantInfo] = []
        self._stack = ExitStack()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def steps(self) -> int:
        """Return how often `run` will call `step`."""
        present = sum(contestant.missing() is None for contestant in self.contestants)
        return 2 + present + len(self.layers) * len(self.directions) * (present + 1)

    def run(self, step: Step, row_done: RowDone, pictures: Path) -> Results:
        """Measure everything; `pictures` is the folder that the filtered photographs go to."""
        start = perf_counter()
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
        self._start_processes()
        results.contestants = self._infos
        results.layers = [_layer_info(layer, self.threads) for layer in self.layers]
        album = PhotoRun(pictures)
        for process in self._processes:
            step(f"photographs: {process.contestant.label}")
            results.photos += album.measure(process)
        step("call overhead")
        results.overheads = self._overheads()
        turns = [(layer, direction) for layer in self.layers for direction in self.directions]
        for turn, (layer, direction) in enumerate(turns):
            peak.update()
            left = self.preset.seconds - (perf_counter() - start)
            share = max(0.0, left) / (len(turns) - turn)
            results.measurements += self._measure(layer, direction, share, step)
            row_done(results, layer, direction)
        for process, info in zip(self._processes, results.present, strict=True):
            try:
                info.pools = process.ask("pools")
            except Failed:
                continue  # its failures are in the measurements already
        results.seconds = perf_counter() - start
        return results

    def _start_processes(self) -> None:
        """Start a worker for everyone who is here; they load their libraries side by side."""
        for contestant in self.contestants:
            info = ContestantInfo(
                contestant.name,
                contestant.label,
                contestant.kind,
                contestant.about,
                contestant.prepacks,
            )
            self._infos.append(info)
            missing = contestant.missing()
            if missing:
                info.missing, info.pip_command = missing, contestant.pip_command()
                continue
            process = Process(contestant, self.threads)
            self._stack.callback(process.close)
            self._processes.append(process)
        for process in list(self._processes):
            info = next(i for i in self._infos if i.name == process.contestant.name)
            try:
                info.version = process.ask("version")
            except Failed as failure:
                # Installing it once more would not help.
                info.missing = f"did not start: {failure}"
                self._processes.remove(process)

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
        running: list[tuple[Process, Measurement]] = []
        for process in self._processes:
            step(f"{layer.name}: {process.contestant.label}")
            measurement = self._prepare(process, layer, direction)
            measured.append(measurement)
            if measurement.status == "ok":
                running.append((process, measurement))
        step(f"{layer.name}: taking turns")
        left = seconds - (perf_counter() - start)
        turns = self.preset.rounds * max(1, len(running))
        turn_seconds = max(SHORTEST_TURN_SECONDS, left / turns)
        for round_ in range(self.preset.rounds):
            # Everyone starts a round in turn, so that what comes after whom changes.
            first = round_ % max(1, len(running))
            for process, measurement in running[first:] + running[:first]:
                if measurement.status == "ok":
                    _sample(process, measurement, turn_seconds)
        return measured

    def _prepare(self, process: Process, layer: Layer, direction: Direction) -> Measurement:
        contestant = process.contestant
        measurement = Measurement(layer.name, direction, contestant.name)
        refusal = contestant.refusal(layer, direction)
        if refusal:
            measurement.status, measurement.reason = "unsupported", refusal
            return measurement
        work = WORK[direction]
        flops_per_second = contestant.rough_gflops * 1e9 / work
        problem = layer.cut(flops_per_second * self.preset.longest_call)
        measurement.problem = problem.as_dict()
        measurement.is_cut = problem != layer
        measurement.flops = work * problem.flops
        try:
            small = layer.cut(min(EXACT_MAX_FLOPS, flops_per_second * EXACT_SECONDS))
            first = process.ask("prepare", layer=small, direction=direction, integers=True)
            exact = _solve(small, direction, integers=True).equals(first.outputs)
            # Who does not only multiply and add may still be exact, but owes it to nobody.
            measurement.exact = exact if exact or contestant.sums_exactly else None
            first = process.ask("prepare", layer=problem, direction=direction)
            error, bound = _solve(problem, direction, integers=False).error(first.outputs)
            measurement.error, measurement.allowed_error = error, contestant.slack * bound
            measurement.extra_bytes = first.extra_bytes
        except (Failed, ValueError) as failure:
            measurement.status, measurement.reason = "failed", str(failure)
        return measurement


def _sample(process: Process, measurement: Measurement, seconds: float) -> None:
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


def _layer_info(layer: Layer, threads: int) -> LayerInfo:
    return LayerInfo(
        problem=layer.as_dict(),
        output_bytes=4 * int(np.prod(layer.output_shape)),
        columns_bytes=internals.columns_bytes(layer),
        scratch_bytes=internals.scratch_bytes(layer, threads),
        chosen={direction: chosen(layer, direction) for direction in DIRECTIONS},
        explanation=str(fastconv.explain(layer.x_shape, layer.weight_shape, **layer.conv_kwargs())),
    )
