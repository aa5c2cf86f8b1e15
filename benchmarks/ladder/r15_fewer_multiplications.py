"""Fewer multiplications: tiles are transformed, multiplied and transformed back (Winograd)."""

from __future__ import annotations

from benchmarks.ladder import products
from benchmarks.ladder.package import calls, refusal
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import Rung
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

BACKEND = "winograd"


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    return products.winograd(layer, direction, rates, rates.threads)


RUNG = Rung(
    name="fewer multiplications",
    changed="tiles transformed, multiplied and transformed back (Winograd)",
    went="the peak itself: GFLOP/s are still those of the definition",
    calls=calls(BACKEND),
    seconds=seconds,
    rough_gflops=200.0,
    backend=BACKEND,
    is_parallel=True,
    refusal=refusal(BACKEND),
)
