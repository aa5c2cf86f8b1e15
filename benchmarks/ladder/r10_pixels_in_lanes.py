"""fastconv's product, pixels in the lanes: only the rows of a unit are copied, into its scratch."""

from __future__ import annotations

from benchmarks.ladder import products
from benchmarks.ladder.package import calls, refusal
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import BASELINE, Rung
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

BACKEND = "gemm_pixels"


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    return products.pixels_in_lanes(layer, direction, rates, BASELINE)


RUNG = Rung(
    name="pixels in the lanes",
    changed="fastconv's: the same product, from bands of a few rows in a thread's scratch",
    went="a copy of the whole image",
    calls=calls(BACKEND),
    seconds=seconds,
    rough_gflops=30.0,
    instruction_set=BASELINE,
    backend=BACKEND,
    refusal=refusal(BACKEND),
)
