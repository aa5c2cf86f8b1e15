"""The product the other way round: filters in the lanes; a pixel is one number, from anywhere."""

from __future__ import annotations

from benchmarks.ladder import products
from benchmarks.ladder.package import calls, refusal
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import BASELINE, Rung
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

BACKEND = "gemm"


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    return products.filters_in_lanes(layer, direction, rates, BASELINE)


RUNG = Rung(
    name="filters in the lanes",
    changed="the same with filters in the lanes: a pixel is one number, which may lie anywhere",
    went="lanes that hang over the ends of rows",
    calls=calls(BACKEND),
    seconds=seconds,
    rough_gflops=30.0,
    instruction_set=BASELINE,
    backend=BACKEND,
    refusal=refusal(BACKEND),
)
