"""The inner loop along the row: a weight times a run of pixels (kernels/loops_units.pxi)."""

from __future__ import annotations

from benchmarks.ladder.package import calls, refusal
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import BASELINE, Rung
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

BACKEND = "loops_rows"


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    """Return a row's start and its values, for each product of a row of outputs."""
    stride = min(layer.stride, 2)
    rows = layer.flops / 2 / layer.output_shape[3]
    start, value = (rates.of(f"row {part}, stride {stride}") for part in ("start", "value"))
    return rows * (start + layer.output_shape[3] * value)


RUNG = Rung(
    name="rows",
    changed="the loop along the row is the innermost: the compiler makes vectors of it",
    went="the wait of each product for the sum before it",
    calls=calls(BACKEND),
    seconds=seconds,
    rough_gflops=5.0,
    instruction_set=BASELINE,
    backend=BACKEND,
    refusal=refusal(BACKEND),
)
