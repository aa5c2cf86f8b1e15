"""The most that the cores do: multiply-adds and copies per second."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np

from benchmarks.contestants import internals

PEAK_SECONDS = 0.01
PEAK_TRIES = 5
# Copied from and to, each: what all threads have together lies far beyond the usual last cache, or
# what each of them has fits into its core's second one.
MEMORY_BYTES = 64 * 2**20
MEMORY_BYTES_OF_A_THREAD = 8 * 2**20
CACHE_BYTES_OF_A_THREAD = 128 * 2**10

Peaks = dict[str, dict[str, float]]
# What thread number so-and-so does; returns how many of them, FLOPs or bytes.
Work = Callable[[int], int]


class PeakMeter:
    """The most that the cores do, by number of threads: multiply-adds and copies per second.

    Whatever disturbs a measurement makes it too low, never too high. So it is taken again
    and again during a run, and the best counts.

    Attributes
    ----------
    gflops : dict or None
        float32 and float64 → number of threads → GFLOP/s; None without compiled kernels.
    bandwidth : dict or None
        "memory" and "cache" → number of threads → GB/s, read and written; likewise.
    """

    def __init__(self, threads: int) -> None:
        self.gflops: Peaks | None = None
        self.bandwidth: Peaks | None = None
        if not internals.is_compiled():
            return
        self._counts = sorted({1, threads})
        self._works: list[tuple[Peaks, str, Work]] = []
        self.gflops, self.bandwidth = {}, {}
        for dtype in ("float32", "float64"):
            self._add(self.gflops, dtype, _multiply_adds(dtype))
        memory = max(MEMORY_BYTES // threads, MEMORY_BYTES_OF_A_THREAD)
        self._add(self.bandwidth, "memory", _copies(memory, threads))
        self._add(self.bandwidth, "cache", _copies(CACHE_BYTES_OF_A_THREAD, threads))
        for _ in range(PEAK_TRIES):
            self.update()

    def _add(self, peaks: Peaks, name: str, work: Work) -> None:
        peaks[name] = {str(count): 0.0 for count in self._counts}
        self._works.append((peaks, name, work))

    def update(self) -> None:
        """Measure everything once more."""
        if self.gflops is None:
            return
        for peaks, name, work in self._works:
            for count in self._counts:
                best = peaks[name][str(count)]
                peaks[name][str(count)] = max(best, _rate(work, count))


def _multiply_adds(dtype: str) -> Work:
    def work(iterations: int) -> int:
        return internals.multiply_adds(dtype, iterations)

    iterations = _long_enough(work)
    return lambda _thread: work(iterations)


def _copies(size: int, threads: int) -> Work:
    """Copy arrays of so many bytes, a pair for each thread."""
    values = size // 4
    pairs = [(np.zeros(values, np.float32), np.ones(values, np.float32)) for _ in range(threads)]

    def work(thread: int, rounds: int) -> int:
        target, source = pairs[thread]
        return internals.copies(target, source, rounds)

    rounds = _long_enough(lambda rounds: work(0, rounds))
    return lambda thread: work(thread, rounds)


def _long_enough(work: Callable[[int], int]) -> int:
    """Return a number of repetitions that takes long enough to be timed."""
    repetitions = 1
    while True:
        start = perf_counter()
        work(repetitions)
        if perf_counter() - start > PEAK_SECONDS:
            return repetitions
        repetitions *= 2


def _rate(work: Work, threads: int) -> float:
    """Return 10⁹ per second of all threads at once, each on its own data."""
    with ThreadPoolExecutor(threads) as pool:
        start = perf_counter()
        done = sum(pool.map(work, range(threads)))
        return done / (perf_counter() - start) / 1e9
