"""The machine that a run was on: processor, caches, versions, threads, measured peaks."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import fastconv
from fastconv import isa

PEAK_SECONDS = 0.01
PEAK_TRIES = 5
# Copied from and to, each: what all threads have together lies far beyond the usual last cache, or
# what each of them has fits into its core's second one.
MEMORY_BYTES = 64 * 2**20
MEMORY_BYTES_OF_A_THREAD = 8 * 2**20
CACHE_BYTES_OF_A_THREAD = 128 * 2**10
DISTRIBUTIONS = (
    "numpy",
    "torch",
    "onnxruntime",
    "onnx",
    "openvino",
    "ncnn",
    "scipy",
    "opencv-python-headless",
    "opencv-python",
    "matplotlib",
)

Peaks = dict[str, dict[str, float]]
# What thread number so-and-so does; returns how many of them, FLOPs or bytes.
Work = Callable[[int], int]


def describe() -> dict[str, Any]:
    """Return everything a reader needs to judge or repeat the figures."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "caches": _caches(),
        "memory_bytes": _memory(),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": _versions(),
        "fastconv": fastconv.show_config(mode="dicts"),
        # Others at work on the same cores are the commonest reason for odd figures.
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_pools() -> list[dict[str, Any]]:
    """Return the thread pools that the libraries loaded here have, as threadpoolctl sees them."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    fields = ("user_api", "internal_api", "num_threads", "version", "architecture")
    return [{name: pool[name] for name in fields if name in pool} for pool in threadpool_info()]


def _cpu_name() -> str:
    try:
        from cpuinfo import get_cpu_info
    except ImportError:
        return platform.processor() or platform.machine()
    return str(get_cpu_info().get("brand_raw") or platform.machine())


def _caches() -> dict[str, str]:
    """Return the caches that the first core sees, where Linux tells."""
    caches = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (
            (folder / name).read_text().strip() for name in ("level", "type", "size")
        )
        caches[f"L{level} {kind.lower()}"] = size
    return caches


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _versions() -> dict[str, str]:
    versions = {}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


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
        if isa.kernels is None:
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
        return isa.kernels.fma_peak(dtype, iterations)  # type: ignore[union-attr]

    iterations = _long_enough(work)
    return lambda _thread: work(iterations)


def _copies(size: int, threads: int) -> Work:
    """Copy arrays of so many bytes, a pair for each thread."""
    values = size // 4
    pairs = [(np.zeros(values, np.float32), np.ones(values, np.float32)) for _ in range(threads)]

    def work(thread: int, rounds: int) -> int:
        target, source = pairs[thread]
        return isa.kernels.copy_rounds(target, source, rounds)  # type: ignore[union-attr]

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
