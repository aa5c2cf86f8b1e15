"""The same loops compiled for AVX-512: vectors of 16, and 32 registers of them."""

from __future__ import annotations

from benchmarks.ladder import products
from benchmarks.ladder.package import calls, refusal
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import Rung
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

BACKEND = "gemm"
INSTRUCTION_SET = "avx512"


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    return products.filters_in_lanes(layer, direction, rates, INSTRUCTION_SET)


RUNG = Rung(
    name="AVX-512",
    changed="the same source compiled for vectors of 16 and 32 registers",
    went="8 lanes, and loads for a tile of 16 registers",
    calls=calls(BACKEND),
    seconds=seconds,
    rough_gflops=100.0,
    instruction_set=INSTRUCTION_SET,
    backend=BACKEND,
    refusal=refusal(BACKEND),
)
