"""What the machine can do: the rates that predictions are made of, measured once per process.

    multiply-adds    the most that a core does in registers           kernels/peak.pxi
    latency          an addition that waits for the one before it
    bandwidth        an array copied onto another: within the second-level cache, and in memory
    product          a matrix product by NumPy's BLAS, on as many threads as that takes
    call, operation  the smallest convolution there is, and the smallest of NumPy's operations

It takes less than a tenth of a second, and is done when something is first predicted (`explain`):
nothing else needs it. Whatever disturbs a measurement makes it too slow, never too fast, so the
best of a few counts. `algorithms/costs.py` says what is made of the rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from time import perf_counter

import numpy as np

from . import isa, tuning
from .problem.operands import Array

__all__ = ["Machine", "measure", "the_machine"]

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


@dataclass(frozen=True)
class Machine:
    """The rates of a machine; tests make one by hand.

    Attributes
    ----------
    multiply_adds : mapping of str to float
        dtype → FLOP/s of one core: the most there is. Empty where nothing is compiled.
    latency : float
        Seconds from an addition to the next one that waits for it.
    cache, memory : float
        Bytes per second that a core copies, read and written: of what fits into its second-level
        cache, and of what lies in memory.
    product : mapping of str to float
        dtype → FLOP/s of a matrix product in NumPy, on all the threads that its BLAS takes.
    call : float
        Seconds of the smallest call: everything that does not depend on sizes.
    operation : float
        Seconds of NumPy's smallest operation on a slice of an array.
    """

    multiply_adds: Mapping[str, float]
    latency: float
    cache: float
    memory: float
    product: Mapping[str, float]
    call: float
    operation: float

    def bandwidth(self, size: float) -> float:
        """Return the bytes per second of copies among so many bytes.

        Between the second-level cache and memory lie caches of all kinds, which nobody asks about:
        from one rate to the other it goes in proportion to the logarithm of the size.
        """
        small, large = tuning.MODEL_CACHE_BYTES, tuning.MODEL_MEMORY_BYTES
        place = math.log(min(max(size, small), large) / small) / math.log(large / small)
        return math.exp((1 - place) * math.log(self.cache) + place * math.log(self.memory))

    def better_of(self, other: Machine) -> Machine:
        """Return the better of each rate, of two measurements of the same machine."""

        def faster(one: Mapping[str, float], another: Mapping[str, float]) -> dict[str, float]:
            return {name: max(rate, another[name]) for name, rate in one.items()}

        return Machine(
            faster(self.multiply_adds, other.multiply_adds),
            min(self.latency, other.latency),
            max(self.cache, other.cache),
            max(self.memory, other.memory),
            faster(self.product, other.product),
            min(self.call, other.call),
            min(self.operation, other.operation),
        )


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
    from .conv import conv2d

    x = np.ones((1, 1, 1, 1), np.float32)
    return lambda: conv2d(x, x)


def _smallest_operation() -> Callable[[], None]:
    source, target = np.ones((2, 2), np.float32), np.empty((3, 3), np.float32)
    return lambda: np.copyto(target[1:, 1:], source)
