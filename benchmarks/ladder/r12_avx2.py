"""The same loops compiled for AVX2 and fused multiply-adds."""

from __future__ import annotations

from benchmarks.ladder import products
from benchmarks.ladder.package import calls, refusal
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import Rung
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

BACKEND = "gemm"
INSTRUCTION_SET = "avx2"


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    return products.filters_in_lanes(layer, direction, rates, INSTRUCTION_SET)


RUNG = Rung(
    name="AVX2",
    changed="the same source compiled for vectors of 8 and fused multiply-adds",
    went="two operations for a multiply-add of four",
    calls=calls(BACKEND),
    seconds=seconds,
    rough_gflops=60.0,
    instruction_set=INSTRUCTION_SET,
    backend=BACKEND,
    refusal=refusal(BACKEND),
)
