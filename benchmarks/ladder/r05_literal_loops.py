"""The definition typed: the same seven loops in Cython (kernels/loops_literal.pxi)."""

from __future__ import annotations

from benchmarks.ladder.package import calls, refusal
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import BASELINE, Rung
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

BACKEND = "loops_literal"


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    """Return one product after another, since each waits for the sum of those before."""
    return layer.flops / 2 * rates.of("chained product")


RUNG = Rung(
    name="literal loops",
    changed="the seven loops of the definition again, typed and compiled",
    went="memory for columns, and the interpreter without them",
    calls=calls(BACKEND),
    seconds=seconds,
    rough_gflops=1.4,
    instruction_set=BASELINE,
    backend=BACKEND,
    refusal=refusal(BACKEND),
)
