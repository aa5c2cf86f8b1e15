"""A climb that nobody made: figures chosen by hand, and the rates of no machine."""

from __future__ import annotations

from benchmarks.ladder.climber import AGAIN, CONTROLS
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.results import LadderResults, Step
from tests.benchmarks import made_up

RATES = Rates(
    {
        "interpreted product": 1e-7, "gathered value": 1e-9, "scattered value": 1e-8,
        "chained product": 1e-9, "instruction": 1e-10,
        "row start, stride 1": 1e-8, "row value, stride 1": 1e-10, "row start, stride 2": 1e-8,
        "row value, stride 2": 1e-9,
    },
    {"1000": 50.0, "1000000": 10.0},
    100.0,
    {"baseline": {"1": 50.0, "2": 90.0}, "avx2": {"1": 100.0, "2": 190.0}},
    threads=2,
)  # fmt: skip


def made_up_climb() -> LadderResults:
    """Return a climb of four rungs and a twin, of one layer."""
    layer = made_up.LAYER
    machine = {**made_up.MACHINE, "fastconv": {"fastconv": "1.0"}}
    results = LadderResults(
        "2026-01-01T00:00:00", layer.as_dict(), "forward", 2, False, machine,
        rates=vars(RATES),
    )  # fmt: skip
    for number, (name, gflops, threads) in enumerate(
        (("definition", 0.01, 1), (CONTROLS[0], 10.0, 1), ("third", 10.5, 1), ("last", 90.0, 2)),
        start=1,
    ):
        seconds = layer.flops / gflops / 1e9
        results.steps.append(
            Step(
                number, name, "a change", "a bottleneck", threads, "", problem=layer.as_dict(),
                flops=layer.flops, predicted=seconds / 2, times=[seconds] * 3,
                quartiles=[seconds, seconds], calls=9, extra_bytes=10**6, error=1.0,
                allowed_error=3.0, relative_error=1e-7, exact=True, instructions=0.25,
            )
        )  # fmt: skip
    twin = Step(**{**vars(results.steps[1]), "rung": CONTROLS[0] + AGAIN, "twin_of": CONTROLS[0]})
    twin.times = [1.02 * twin.times[0], 0.9 * twin.times[0], twin.times[0]]
    results.steps.append(twin)
    return results
