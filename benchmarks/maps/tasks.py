"""What is asked in a process: what is reckoned of everybody, turns, and calls with cold caches."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from time import perf_counter

import numpy as np

import fastconv
from benchmarks.contestants import internals
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from benchmarks.sweep.results import SweepTiming
from benchmarks.sweep.tasks import SIDES, SweepTasks

__all__ = ["SIDES", "create"]

# What sweeps the caches: more than the last of them holds in most machines.
SWEPT_VALUES = 24 * 2**20
COLD_CALLS = 5


def create(name: str, threads: int) -> MapTasks:
    """Return what a process does for the side of that name."""
    return MapTasks(next(side for side in SIDES if side.name == name), threads)


class MapTasks(SweepTasks):
    """As in a sweep; predictions are asked of one side for both, so that they are of one mind."""

    def reckon(self, layers: Sequence[Layer], direction: Direction) -> list[dict[str, float]]:
        """Return what a call is reckoned to take on each problem: backend → seconds."""
        return [
            {
                one.backend: float(f"{one.predict(self._rates).seconds:.3g}")
                for on_blas in (False, True)
                for one in internals.candidates(layer, direction, on_blas=on_blas)
            }
            for layer in layers
        ]

    def everybody(self, layer: Layer, direction: Direction) -> list[SweepTiming]:
        """Return what is reckoned of everybody who is able, of both sides, with the stages."""
        found = []
        for on_blas in (False, True):
            for one in internals.candidates(layer, direction, on_blas=on_blas):
                stages = one.predict(self._rates).stages
                found.append(
                    SweepTiming(
                        layer.name, direction, one.backend, one.kernel, sum(stages.values()),
                        dict(stages), one.chosen,
                    )
                )  # fmt: skip
        return found

    def cold(self, backend: str) -> tuple[float, float]:
        """Return the seconds of a call after the caches were swept by other data, and without.

        Medians of `COLD_CALLS` each, the second kind right after another call.
        """
        call, clock = self._calls[backend], self._clock
        others = np.zeros(SWEPT_VALUES, np.float32)
        cold: list[float] = []
        warm: list[float] = []
        for _ in range(COLD_CALLS):
            others += 1
            for times in (cold, warm):
                start = clock()
                call()
                times.append(clock() - start)
        return statistics.median(cold), statistics.median(warm)

    def columns(self, layer: Layer) -> float:
        """Return the seconds that the whole column matrix takes to be made, the best of a few."""
        x = np.random.default_rng(0).standard_normal(layer.x_shape, np.float32)
        best = float("inf")
        for _ in range(COLD_CALLS):
            start = perf_counter()
            made = fastconv.im2col(
                x, layer.kernel_size, stride=layer.stride, padding=layer.padding_size,
                dilation=layer.dilation,
            )  # fmt: skip
            best = min(best, perf_counter() - start)
            del made
        return best
