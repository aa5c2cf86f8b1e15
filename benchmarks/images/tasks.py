"""What is asked of a contestant in its process: prepare a call, sample it."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from benchmarks.images.cases import Array, Case
from benchmarks.images.contestants import Filterer, find
from benchmarks.measuring.tasks import Sampling


def create(name: str, threads: int) -> ImageTasks:
    """Return what a process does for the contestant of that name."""
    return ImageTasks(find(name), threads)


@dataclass(frozen=True)
class FirstResult:
    """The filtered image, and the seconds that it took."""

    image: Array
    seconds: float


class ImageTasks(Sampling[Filterer]):
    """The case at hand."""

    def prepare(self, case: Case, image: Array, kernel: Array) -> FirstResult:
        """Make a case ready and call it once."""
        self.call = self.contestant.prepare(case, image, kernel)
        start = perf_counter()
        result = self.call()
        self.last_seconds = perf_counter() - start
        return FirstResult(result, self.last_seconds)
