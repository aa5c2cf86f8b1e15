"""What a call costs before anything is computed: a layer so small that its work does not count."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from statistics import median
from timeit import Timer
from typing import Any

from benchmarks.problems.layer import Layer

TINY = Layer("tiny", "call overhead", 1, 1, 8, 8, 1, 3, padding=1)

WARM_UP_CALLS = 10
BATCHES = 25
BATCH_SECONDS = 0.002


def microseconds(call: Callable[[], Any]) -> float:
    """Return the time of one call: the median of batches that are long enough for the clock."""
    timer = Timer(call)
    timer.timeit(WARM_UP_CALLS)
    calls = ceil(BATCH_SECONDS * WARM_UP_CALLS / timer.timeit(WARM_UP_CALLS))
    return 1e6 * median(timer.repeat(BATCHES, calls)) / calls
