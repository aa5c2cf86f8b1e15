"""What a call costs before anything is computed: a layer so small that its work does not count."""

from __future__ import annotations

import gc
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.problems.layer import Layer

TINY = Layer("tiny", "call overhead", 1, 1, 8, 8, 1, 3, padding=1)

BATCHES = 25
BATCH_SECONDS = 0.002


def microseconds(call: Callable[[], Any]) -> float:
    """Return the time of one call: the median of batches that are long enough for the clock."""
    repetitions = 1
    while _seconds(call, repetitions) < BATCH_SECONDS:
        repetitions *= 2
    return 1e6 * median(_seconds(call, repetitions) for _ in range(BATCHES)) / repetitions


def _seconds(call: Callable[[], Any], repetitions: int) -> float:
    gc.disable()
    start = perf_counter()
    for _ in range(repetitions):
        call()
    seconds = perf_counter() - start
    gc.enable()
    return seconds
