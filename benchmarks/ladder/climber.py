"""A rung as somebody who takes part: in a process of its own, as the contestants of other runs."""

from __future__ import annotations

import fastconv
from benchmarks.contestants import internals
from benchmarks.contestants.base import Contestant, Run, one_array
from benchmarks.contestants.origins import FromRepository
from benchmarks.ladder import compiling
from benchmarks.ladder.rung import Rung
from benchmarks.ladder.rungs import RUNGS
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

__all__ = ["AGAIN", "CONTROLS", "Climber", "all_climbers", "find"]

# Whose twins say how much two runs of the same differ, in turns with everyone else: of the loops
# and of the products, which wait for different things.
CONTROLS = ("rows", "filters in the lanes")
AGAIN = ", again"


class Climber(FromRepository, Contestant):
    """A rung, or its twin."""

    def __init__(self, number: int, rung: Rung, ending: str = "") -> None:
        self.number = number
        self.rung = rung
        self.name = self.label = rung.name + ending
        self.about = rung.changed
        self.rough_gflops = rung.rough_gflops
        if rung.backend and rung.instruction_set:
            self.environment = {"FASTCONV_ISA": rung.instruction_set}

    @property
    def is_twin(self) -> bool:
        """Whether it is there for the comparison with itself."""
        return self.name != self.rung.name

    def missing(self) -> str | None:
        """Return why it cannot take part here: no compiler, another processor; or None."""
        if self.rung.extension:
            try:
                compiling.extension(self.rung.extension, self.rung.instruction_set)
            except compiling.CompileError as error:
                return str(error)
        if self.rung.backend:
            if not internals.is_compiled():
                return "this installation has no compiled kernels"
            usable = internals.instruction_sets()
            if self.rung.instruction_set not in ("", *usable):
                return f"this processor, or this installation, has no more than {usable[-1]}"
        return super().missing()

    def promise(self, layer: Layer, direction: Direction) -> tuple[float, bool]:
        if self.rung.backend:
            return internals.promise(self.rung.backend, layer, direction)
        return super().promise(layer, direction)

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        if direction not in self.rung.calls:
            return f"the study has no {direction} of it"
        return self.rung.refusal(layer, direction)

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        call = self.rung.calls[direction]
        return Run(lambda: call(layer, data), one_array)

    def set_threads(self, threads: int) -> None:
        fastconv.set_num_threads(threads)


def all_climbers() -> list[Climber]:
    """Return every rung, from the lowest to the highest, and the twins behind them."""
    rungs = [Climber(number, rung) for number, rung in enumerate(RUNGS, start=1)]
    twins = [Climber(one.number, one.rung, AGAIN) for one in rungs if one.name in CONTROLS]
    return rungs + twins


def find(name: str) -> Climber:
    """Return the rung of that name, or its twin."""
    return next(climber for climber in all_climbers() if climber.name == name)
