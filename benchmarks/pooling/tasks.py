"""What is asked of a contestant in its process: prepare a pooling, sample it."""

from __future__ import annotations

from time import perf_counter

from benchmarks.measuring.tasks import Sampling
from benchmarks.pooling.contestants import Pooler, find
from benchmarks.pooling.problems import Array, Direction, Pooling


def create(name: str, threads: int) -> PoolingTasks:
    """Return what a process does for the contestant of that name."""
    return PoolingTasks(find(name), threads)


class PoolingTasks(Sampling[Pooler]):
    """The pooling at hand."""

    def prepare(self, pooling: Pooling, direction: Direction) -> Array:
        """Make a pooling of everybody's numbers ready and call it once."""
        run = self.contestant.prepare(pooling, direction, *pooling.arrays())
        self.call = run.call
        start = perf_counter()
        result = self.call()
        self.last_seconds = perf_counter() - start
        return run.arrays(result)[0]
