"""What is asked of a contestant in its process: prepare a problem, call it, tell of itself."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.contestants import Contestant, Run, find
from benchmarks.contestants.base import Arrays
from benchmarks.measuring import machine
from benchmarks.measuring.memory import peak_of_call
from benchmarks.measuring.overhead import TINY, microseconds
from benchmarks.problems.data import Data, make
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

# A microsecond call would otherwise fill the result file with numbers nobody reads.
MOST_SAMPLES = 100
# Caches have gone cold while others had their turn; one call that nobody times warms them up,
# unless a single call is so long that its beginning does not matter.
WARM_UP_BELOW_SECONDS = 0.02


@dataclass(frozen=True)
class FirstCall:
    """What came out of a problem, and the memory that the call took beyond it where known."""

    outputs: Arrays
    extra_bytes: int | None


class Tasks:
    """The problem at hand, and what can be asked about it."""

    def __init__(self, contestant: Contestant, threads: int) -> None:
        self.contestant = contestant
        self.threads = threads
        contestant.set_threads(threads)
        settle_allocator()
        self.run: Run | None = None
        self.last_seconds = 0.0

    def version(self) -> str:
        return self.contestant.version()

    def prepare(
        self,
        layer: Layer,
        direction: Direction,
        *,
        data: Data | None = None,
        integers: bool = False,
    ) -> FirstCall:
        """Make a problem ready and call it once, on `data` or the numbers that everyone draws."""
        self.run = None  # frees the problem before
        arrays = make(layer, integers=integers) if data is None else data
        self.run = self.contestant.prepare(layer, direction, arrays, self.threads)
        start = perf_counter()
        result, peak = peak_of_call(self.run.call)
        self.last_seconds = perf_counter() - start
        outputs = self.run.arrays(result)
        size = sum(output.nbytes for output in outputs)
        return FirstCall(outputs, None if peak is None else max(0, peak - size))

    def sample(self, seconds: float) -> list[float]:
        """Call again and again for that long, at least once; return the seconds of each call."""
        assert self.run is not None, "sample comes after prepare"
        call = self.run.call
        if self.last_seconds < WARM_UP_BELOW_SECONDS:
            call()
        times: list[float] = []
        gc.disable()
        end = perf_counter() + seconds
        # Not timeit's loop: it would count freeing the result, which is the caller's to do.
        while not times or (perf_counter() < end and len(times) < MOST_SAMPLES):
            start = perf_counter()
            result = call()
            times.append(perf_counter() - start)
            del result
        gc.enable()
        self.last_seconds = times[-1]
        return times

    def overhead(self) -> dict[str, float]:
        """Return the microseconds of calls that compute next to nothing."""
        calls = self.contestant.small_calls(TINY, make(TINY), self.threads)
        return {name: microseconds(call) for name, call in calls.items()}

    def pools(self) -> list[dict[str, Any]]:
        return machine.thread_pools()


def start(name: str, threads: int) -> Tasks:
    """Return the tasks of a contestant, in its process."""
    return Tasks(find(name), threads)


def settle_allocator() -> None:
    """Have the allocator keep large arrays from call to call, whatever the process did before."""
    # glibc gives arrays above a threshold fresh pages in every call, and raises it to the largest
    # such array that was freed, up to 32 MiB. Without this it depends on what a process happened
    # to do before, up to a third of the time of a call.
    np.empty(31 * 2**20, np.uint8)
