"""What the machine does in a second, measured on arrays that are no layer: predictions come of it.

    interpreted product    z += W[k, c, r, s] * X[n, c, h, w], by Python
    gathered value         of x[:, k, i, j], by NumPy and three arrays of indices
    scattered value        added by np.add.at
    NumPy's product        of two matrices of 512 rows, on one thread
    copies                 GB/s, read and written, of arrays of several sizes
    peaks                  multiply-adds in registers, of each instruction set and number of threads
    chained product        of a sum that waits for the product before (rates.pyx)
    row start, row value   of y[0:n] += w · x[0:n], from two lengths n (rates.pyx)
    instruction            of a small tile whose operands are near (rates.pyx, instructions.py)

Whatever disturbs a measurement makes it too slow, so the best of some tries counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.ladder import compiling
from benchmarks.ladder.instructions import of_tile
from benchmarks.measuring.peak import PeakMeter

__all__ = ["Rates", "UnknownRate", "measure_numpy", "measure_peak", "measure_typed"]

TRIES = 5
SHORTEST_SECONDS = 0.003
COPIED_BYTES = (16 * 2**10, 256 * 2**10, 2 * 2**20, 16 * 2**20, 128 * 2**20)
PRODUCT_SIZE = 512
ROW_LENGTHS = (16, 512)
# A tile of two vectors by two weights, over so many taps, in a loop as the rungs' are.
TILE_SPREAD, TILE_VECTORS, TILE_LOOP, TILE_TAPS = 2, 2, 8, 512
STRIDES = (1, 2)


class UnknownRate(Exception):
    """The machine was not asked, or could not be: no prediction is made from it."""


@dataclass
class Rates:
    """What was measured of a machine.

    Attributes
    ----------
    seconds : dict
        Of one of each of the things above that are counted, by name.
    copies : dict
        Bytes of an array, as text → GB/s, read and written.
    product_gflops : float
        Of NumPy's matrix product, one thread.
    peaks : dict
        Instruction set → number of threads, as text → GFLOP/s in float32.
    threads : int
        Of the rungs that run on several.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    copies: dict[str, float] = field(default_factory=dict)
    product_gflops: float = 0.0
    peaks: dict[str, dict[str, float]] = field(default_factory=dict)
    threads: int = 1

    def best_of(self, other: Rates) -> Rates:
        """Return the better of two measurements of the same: what disturbs makes them worse."""
        return Rates(
            {
                name: min(found.get(name, math.inf) for found in (self.seconds, other.seconds))
                for name in {**self.seconds, **other.seconds}
            },
            _highest(self.copies, other.copies),
            max(self.product_gflops, other.product_gflops),
            {
                name: _highest(self.peaks.get(name, {}), other.peaks.get(name, {}))
                for name in {**self.peaks, **other.peaks}
            },
            self.threads,
        )

    def of(self, name: str) -> float:
        """Return the seconds of one of these.

        Raises
        ------
        UnknownRate
        """
        if name not in self.seconds:
            raise UnknownRate(name)
        return self.seconds[name]

    def bandwidth(self, size: float) -> float:
        """Return bytes a second, read and written, of arrays of so many bytes."""
        known = sorted(map(int, self.copies))
        if not known:
            raise UnknownRate("copies")
        nearest = next((bytes_ for bytes_ in known if bytes_ >= size), known[-1])
        return 1e9 * self.copies[str(nearest)]

    def product_seconds(self, flops: float) -> float:
        """Return what NumPy's matrix product takes for so many operations."""
        if not self.product_gflops:
            raise UnknownRate("NumPy's product")
        return flops / self.product_gflops / 1e9

    def peak(self, instruction_set: str, threads: int = 1) -> float:
        """Return operations a second; of the widest set where none is named."""
        if not self.peaks:
            raise UnknownRate("peaks")
        if not instruction_set:
            return max(self.peak(name, threads) for name in self.peaks)
        try:
            return 1e9 * self.peaks[instruction_set][str(threads)]
        except KeyError:
            raise UnknownRate(f"peak of {instruction_set}, {threads}") from None


def measure_numpy() -> Rates:
    """Measure what needs Python and NumPy alone, on the threads that this process has."""
    rng = np.random.default_rng(0)
    rates = Rates()
    rates.seconds["interpreted product"] = _interpreted()
    image = rng.standard_normal((1, 64, 34, 34), np.float32)
    index = [np.arange(64)[:, None].repeat(1024, axis=1)]
    index += [rng.permutation(32)[np.arange(1024) // 32] + np.zeros((64, 1), int)]
    index += [np.arange(1024) % 32 + np.zeros((64, 1), int)]
    values = index[0].size
    where: Any = (slice(None), *index)
    rates.seconds["gathered value"] = _best(lambda: image[where]) / values
    added = np.ones((1, *index[0].shape), np.float32)
    rates.seconds["scattered value"] = _best(lambda: np.add.at(image, where, added)) / values
    left, right = rng.standard_normal((2, PRODUCT_SIZE, PRODUCT_SIZE), np.float32)
    rates.product_gflops = 2 * PRODUCT_SIZE**3 / _best(lambda: left @ right) / 1e9
    for size in COPIED_BYTES:
        # half of them are read, the other half written
        source, target = np.ones((2, size // 8), np.float32)
        seconds = _best(partial(np.copyto, target, source))
        rates.copies[str(size)] = size / seconds / 1e9
    return rates


def measure_typed(rates: Rates) -> None:
    """Add what the study's own extension measures; nothing where it cannot be compiled."""
    try:
        typed = compiling.extension("rates", "baseline")
    except compiling.CompileError:
        return
    x, y = np.ones((2, 2 * max(ROW_LENGTHS)), np.float32)
    steps = 4096
    rates.seconds["chained product"] = _best(lambda: typed.chain(x, steps)) / steps / len(x)
    panel, image = np.full(TILE_SPREAD * TILE_TAPS, 1e-3, np.float32), np.ones(2048, np.float32)
    offsets = np.arange(TILE_TAPS, dtype=np.intp)
    taps = _best(lambda: typed.tiles(panel, image, offsets, 64)) / 64 / TILE_TAPS
    rates.seconds["instruction"] = taps / of_tile(TILE_SPREAD, TILE_VECTORS, TILE_LOOP)
    for stride in STRIDES:
        short, long = (
            _best(partial(typed.rows, y, x, n, stride, steps)) / steps for n in ROW_LENGTHS
        )
        value = (long - short) / (ROW_LENGTHS[1] - ROW_LENGTHS[0])
        rates.seconds[f"row value, stride {stride}"] = value
        rates.seconds[f"row start, stride {stride}"] = max(0.0, short - ROW_LENGTHS[0] * value)


def measure_peak(threads: int) -> dict[str, float]:
    """Return the peak of this process's instruction set: number of threads → GFLOP/s."""
    meter = PeakMeter(threads)
    return {} if meter.gflops is None else meter.gflops["float32"]


def _highest(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {name: max(one.get(name, 0.0), other.get(name, 0.0)) for name in {**one, **other}}


def _interpreted() -> float:
    """Return the seconds of a product as the definition does it."""
    rng = np.random.default_rng(0)
    W: Any = rng.standard_normal((4, 4, 3, 3)).data
    X: Any = rng.standard_normal((1, 4, 6, 6)).data

    def products() -> float:
        z = 0.0
        for k in range(4):
            for c in range(4):
                for r in range(3):
                    for s in range(3):
                        h, w = r + 2, s + 2
                        if h < 0 or h >= 6 or w < 0 or w >= 6:
                            continue
                        z += W[k, c, r, s] * X[0, c, h, w]
        return z

    return _best(products) / (4 * 4 * 3 * 3)


def _best(call: Callable[[], Any]) -> float:
    """Return the seconds of a call: the best of some batches that are long enough to be timed."""
    calls = 1
    while True:
        start = perf_counter()
        for _ in range(calls):
            call()
        if perf_counter() - start > SHORTEST_SECONDS:
            break
        calls *= 2
    best = float("inf")
    for _ in range(TRIES):
        start = perf_counter()
        for _ in range(calls):
            call()
        best = min(best, perf_counter() - start)
    return best / calls
