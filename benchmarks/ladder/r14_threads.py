"""Threads: units of the result on all cores; nothing is summed across them."""

from __future__ import annotations

from benchmarks.ladder import products
from benchmarks.ladder.package import calls, refusal
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import Rung
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

BACKEND = "gemm"


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    return products.filters_in_lanes(layer, direction, rates, "", rates.threads)


RUNG = Rung(
    name="threads",
    changed="units of the result on all threads, of the widest instruction set",
    went="a single core",
    calls=calls(BACKEND),
    seconds=seconds,
    rough_gflops=150.0,
    backend=BACKEND,
    is_parallel=True,
    needs_threads=True,
    refusal=refusal(BACKEND),
)
