"""What is asked of a contestant in its process: prepare a problem, call it, tell of itself."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any, Generic

import numpy as np

from benchmarks.contestants import Contestant, find
from benchmarks.contestants.base import Arrays, Someone
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


def create(name: str, threads: int) -> Tasks:
    """Return what a process does for the contestant of that name."""
    return Tasks(find(name), threads)


@dataclass(frozen=True)
class FirstCall:
    """What came out of a problem, and the memory that the call took beyond it where known."""

    outputs: Arrays
    extra_bytes: int | None


class Present(Generic[Someone]):
    """Somebody in a process, and what everybody can be asked there."""

    def __init__(self, contestant: Someone, threads: int) -> None:
        settle_allocator()
        self.contestant = contestant
        self.threads = threads
        contestant.set_threads(threads)

    def version(self) -> str:
        return self.contestant.version()

    def pools(self) -> list[dict[str, Any]]:
        return machine.thread_pools()


class Sampling(Present[Someone]):
    """A call at hand, and its times."""

    def __init__(self, contestant: Someone, threads: int) -> None:
        super().__init__(contestant, threads)
        self.call: Callable[[], Any] | None = None
        self.last_seconds = 0.0
        self._processor_seconds = self._sampled_seconds = 0.0

    def sample(self, seconds: float) -> list[float]:
        """Call again and again for that long, at least once; return the seconds of each call."""
        call = self.call
        assert call is not None, "sample comes after prepare"
        if self.last_seconds < WARM_UP_BELOW_SECONDS:
            call()
        times: list[float] = []
        gc.disable()
        began, processor = perf_counter(), process_time()
        end = began + seconds
        # Not timeit's loop: it would count freeing the result, which is the caller's to do.
        while not times or (perf_counter() < end and len(times) < MOST_SAMPLES):
            start = perf_counter()
            result = call()
            times.append(perf_counter() - start)
            del result
        self._processor_seconds += process_time() - processor
        self._sampled_seconds += perf_counter() - began
        gc.enable()
        self.last_seconds = times[-1]
        return times

    def cores_busy(self) -> float | None:
        """Return how many cores worked for this process on average while it was sampled.

        All of its threads count, whatever library they belong to, those that wait by spinning too.
        """
        if not self._sampled_seconds:
            return None
        return self._processor_seconds / self._sampled_seconds


class Tasks(Sampling[Contestant]):
    """The problem at hand, and what can be asked about it."""

    def prepare(
        self,
        layer: Layer,
        direction: Direction,
        *,
        data: Data | None = None,
        integers: bool = False,
    ) -> FirstCall:
        """Make a problem ready and call it once, on `data` or the numbers that everyone draws."""
        self.call = None  # frees the problem before
        arrays = make(layer, integers=integers) if data is None else data
        run = self.contestant.prepare(layer, direction, arrays, self.threads)
        self.call = run.call
        start = perf_counter()
        result, peak = peak_of_call(run.call)
        self.last_seconds = perf_counter() - start
        outputs = run.arrays(result)
        size = sum(output.nbytes for output in outputs)
        return FirstCall(outputs, None if peak is None else max(0, peak - size))

    def keeps_subnormals(self) -> bool:
        """Return whether it computes results below the smallest normal number, or zeros for them.

        Asked of a result, since it is up to each thread of a library what its processor does.
        """
        data = make(TINY)
        small = Data(
            np.full_like(data.x, 1e-25),
            np.full_like(data.weight, 1e-15),
            np.zeros_like(data.bias),
            data.grad_output,
        )
        run = self.contestant.prepare(TINY, "forward", small, self.threads)
        return bool(run.arrays(run.call())[0].all())

    def overhead(self) -> dict[str, float]:
        """Return the microseconds of calls that compute next to nothing."""
        calls = self.contestant.small_calls(TINY, make(TINY), self.threads)
        return {name: microseconds(call) for name, call in calls.items()}


def settle_allocator() -> None:
    """Have the allocator keep large arrays from call to call, whatever the process did before."""
    # glibc gives arrays above a threshold fresh pages in every call, and raises it to the largest
    # such array that was freed, up to 32 MiB. Without this it depends on what a process happened
    # to do before, up to a third of the time of a call.
    np.empty(31 * 2**20, np.uint8)
