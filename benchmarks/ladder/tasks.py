"""What is asked of a rung in its process: prepare a layer, sample it, and what the machine does."""

from __future__ import annotations

import fastconv
from benchmarks.ladder import rates
from benchmarks.ladder.climber import find
from benchmarks.ladder.rates import Rates
from benchmarks.measuring.tasks import Tasks

__all__ = ["LadderTasks", "create"]


def create(name: str, threads: int) -> LadderTasks:
    """Return what a process does for the rung of that name."""
    climber = find(name)
    asked = climber.environment.get("FASTCONV_ISA")
    got = fastconv.show_config(mode="dicts")["instruction set"]
    if asked not in (None, got):  # fastconv was imported before the environment was set
        raise RuntimeError(f"its process has {got} where it should have {asked}")
    return LadderTasks(climber, threads)


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
