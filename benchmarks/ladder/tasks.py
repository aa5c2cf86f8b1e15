"""What is asked of a rung in its process: prepare a layer, sample it, and what the machine does."""

from __future__ import annotations

from benchmarks.ladder import rates
from benchmarks.ladder.climber import find
from benchmarks.ladder.rates import Rates
from benchmarks.measuring.tasks import Tasks

__all__ = ["LadderTasks", "create"]


def create(name: str, threads: int) -> LadderTasks:
    """Return what a process does for the rung of that name."""
    return LadderTasks(find(name), threads)


class LadderTasks(Tasks):
    """The layer at hand, and the machine."""

    def rates(self) -> Rates:
        """Return what Python, NumPy and typed loops do here."""
        measured = rates.measure_numpy()
        rates.measure_typed(measured)
        return measured

    def peak(self, threads: int) -> dict[str, float]:
        """Return the peak of this process's instruction set, by number of threads."""
        return rates.measure_peak(threads)
