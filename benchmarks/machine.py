"""The machine that a run was on: processor, caches, versions, threads, measured peak."""

from __future__ import annotations

import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any

import fastconv
from fastconv import isa

PEAK_SECONDS = 0.02
PEAK_TRIES = 5
DISTRIBUTIONS = (
    "numpy",
    "torch",
    "onnxruntime",
    "onnx",
    "scipy",
    "opencv-python-headless",
    "opencv-python",
    "matplotlib",
)


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
    """The most multiply-adds per second, by data type and number of threads.

    Whatever disturbs a measurement makes it too low, never too high. So it is taken again
    and again during a run, and the best counts.
    """

    def __init__(self, threads: int) -> None:
        self.gflops: dict[str, dict[str, float]] | None = None
        if isa.kernels is None:
            return
        self._iterations = {dtype: _iterations(dtype) for dtype in ("float32", "float64")}
        self._counts = sorted({1, threads})
        self.gflops = {
            dtype: {str(count): 0.0 for count in self._counts} for dtype in self._iterations
        }
        for _ in range(PEAK_TRIES):
            self.update()

    def update(self) -> None:
        """Measure everything once more."""
        if self.gflops is None:
            return
        for dtype, iterations in self._iterations.items():
            for count in self._counts:
                best = self.gflops[dtype][str(count)]
                self.gflops[dtype][str(count)] = max(best, _peak(dtype, iterations, count))


def _iterations(dtype: str) -> int:
    """Return a number of rounds that takes long enough to be timed."""
    iterations = 10_000
    while True:
        start = perf_counter()
        isa.kernels.fma_peak(dtype, iterations)  # type: ignore[union-attr]
        if perf_counter() - start > PEAK_SECONDS:
            return iterations
        iterations *= 2


def _peak(dtype: str, iterations: int, threads: int) -> float:
    """Return GFLOP/s of all threads at once, each on its own sums."""
    with ThreadPoolExecutor(threads) as pool:
        start = perf_counter()
        calls = [
            pool.submit(isa.kernels.fma_peak, dtype, iterations)  # type: ignore[union-attr]
            for _ in range(threads)
        ]
        flops = sum(call.result() for call in calls)
        return float(flops / (perf_counter() - start) / 1e9)
