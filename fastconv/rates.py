"""Measuring the machine that predictions are made for: once per process, when first asked.

It takes less than a tenth of a second, and is done when something is first predicted (`explain`):
nothing else needs it. Whatever disturbs a measurement makes it too slow, never too fast, so the
best of a few counts. machine.py says what the rates are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from time import perf_counter

import numpy as np

from . import isa, tuning
from .conv import conv2d
from .machine import Machine
from .problem.operands import Array

__all__ = ["measure", "the_machine"]

DTYPES = ("float32", "float64")

# A single measurement takes about so long; the best of so many counts, or of those in the time. A
# product waits for the threads of its BLAS: where others have the cores, a hundred times too long.
_SECONDS = 3e-4
_TRIES = 8
_FEWEST_TRIES = 4
_MOST_SECONDS = 5e-3
# What is copied, from and to: in the second-level cache of a core, and beyond any cache.
_CACHE_BYTES = 64 * tuning.KIB
_MEMORY_BYTES = 24 * tuning.MIB
# Extents of the product: large enough for the BLAS to be at its best, and over in a millisecond.
_PRODUCT_EXTENT = 192
# Values in a row that are added up, vector by vector.
_SUMMED = 32 * 1024


@cache
def the_machine() -> Machine:
    """Return the rates of this machine, measured when first asked."""
    return measure()


def measure() -> Machine:
    """Measure the rates of this machine."""
    return Machine(
        {} if isa.kernels is None else {name: _multiply_adds(name) for name in DTYPES},
        _latency(),
        _bandwidth(_CACHE_BYTES, 5),
        _bandwidth(_MEMORY_BYTES, 2),
        {name: _product(name) for name in DTYPES},
        _best(_smallest_call()),
        _best(_smallest_operation()),
    )


def _seconds(work: Callable[[], object], times: int) -> float:
    start = perf_counter()
    for _ in range(times):
        work()
    return (perf_counter() - start) / times


def _best(work: Callable[[], object]) -> float:
    """Return the seconds of something short, the best of a few; what it is slow at first is not."""
    work()
    best = _seconds(work, 1)
    times = max(1, int(_SECONDS / max(best, 1e-7)))
    end = perf_counter() + _MOST_SECONDS
    for tried in range(1, _TRIES + 1):
        best = min(best, _seconds(work, times))
        if tried >= _FEWEST_TRIES and perf_counter() > end:
            break
    return best


def _multiply_adds(dtype: str) -> float:
    assert isa.kernels is not None
    peak, rounds = isa.kernels.fma_peak, 1000
    flops: int = peak(dtype, rounds)
    return flops / _best(lambda: peak(dtype, rounds))


def _latency() -> float:
    """Return the seconds of an addition in a chain of them: the sum of a row has one such chain."""
    values = np.ones((1, 1, 1, _SUMMED), np.float32)
    if isa.kernels is None:
        return _best(values.sum) / _SUMMED
    total = np.empty(1, np.float32)
    add = isa.kernels.bias_grad_parallel
    steps: int = _SUMMED // isa.kernels.vector_values(values.itemsize)
    return _best(lambda: add(values, total, 0, 1, 1)) / steps


def _bandwidth(size: int, tries: int) -> float:
    """Return the bytes per second, read and written, of copying so many bytes."""
    source, target = np.ones(size // 4, np.float32), np.zeros(size // 4, np.float32)
    if isa.kernels is None:
        return 2 * size / min(_seconds(lambda: np.copyto(target, source), 1) for _ in range(tries))
    copy = isa.kernels.copy_rounds
    rounds = max(1, 2 * tuning.MIB // size)
    target[...] = source  # pages that are written for the first time take much longer
    seconds = min(_seconds(lambda: copy(target, source, rounds), 1) for _ in range(tries))
    return 2 * size * rounds / seconds


def _product(dtype: str) -> float:
    extent = _PRODUCT_EXTENT
    left, out = np.ones((extent, extent), dtype), np.empty((extent, extent), dtype)
    return 2 * extent**3 / _best(lambda: np.matmul(left, left, out=out))


def _smallest_call() -> Callable[[], Array]:
    x = np.ones((1, 1, 1, 1), np.float32)
    return lambda: conv2d(x, x)


def _smallest_operation() -> Callable[[], None]:
    source, target = np.ones((2, 2), np.float32), np.empty((3, 3), np.float32)
    return lambda: np.copyto(target[1:, 1:], source)
