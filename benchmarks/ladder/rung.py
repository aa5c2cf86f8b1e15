"""What a rung is: its idea as a function, what it changed, what it should take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.ladder.rates import Rates
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

__all__ = ["BASELINE", "DIRECTIONS", "Array", "Call", "Prediction", "Rung", "nothing_refused"]

Array = NDArray[np.float32]
Call = Callable[[Layer, Data], Array]
"""Compute the result of a direction, for the numbers that everyone gets."""
Prediction = Callable[[Layer, Direction, Rates], float]
"""Seconds that a call should take, from what the machine was measured to do."""

BASELINE = "baseline"
# A ladder is of one result.
DIRECTIONS: tuple[Direction, ...] = ("forward", "input-grad", "weight-grad")


def nothing_refused(layer: Layer, direction: Direction) -> str | None:
    """Refuse no problem."""
    return None


@dataclass(frozen=True)
class Rung:
    """One way to compute a layer.

    Attributes
    ----------
    name : str
        In a word or three.
    changed : str
        What is different from the rung before.
    went : str
        The bottleneck that is gone.
    calls : mapping
        Direction → what computes it; a direction that is not there is not what the rung is about.
    seconds : Prediction
        What a call should take.
    rough_gflops : float
        Order of magnitude of its speed; only the size of its cut depends on it.
    instruction_set : str
        Of fastconv or of the study's extensions; "" for NumPy, which asks the processor itself, and
        for the widest that there is.
    backend : str
        Of fastconv, where it is one: its contract about errors holds.
    extension : str
        The study's own that has to be compiled.
    is_parallel : bool
        Whether it runs on the threads of the run; all others on one.
    needs_threads : bool
        Whether several threads are what it is about.
    refusal : callable
        Why it does not do a problem, or None.
    """

    name: str
    changed: str
    went: str
    calls: Mapping[Direction, Call]
    seconds: Prediction
    rough_gflops: float
    instruction_set: str = ""
    backend: str = ""
    extension: str = ""
    is_parallel: bool = False
    needs_threads: bool = False
    refusal: Callable[[Layer, Direction], str | None] = nothing_refused
