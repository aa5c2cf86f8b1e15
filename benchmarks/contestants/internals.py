"""All that the benchmarks know of fastconv beyond what it shows its users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

import fastconv
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from fastconv import isa, planning
from fastconv.algorithms.implementation import Accuracy, Operation, Plan, Refusal
from fastconv.problem import ConvProblem

# The operations that a direction is made of.
_PARTS: Mapping[Direction, tuple[Operation, ...]] = {
    "forward": ("forward",),
    "input-grad": ("input-grad",),
    "weight-grad": ("weight-grad",),
    "step": ("input-grad", "weight-grad"),
}


@dataclass(frozen=True)
class Backend:
    """One of fastconv's backends."""

    name: str
    summary: str


def backends() -> list[Backend]:
    """Return the backends that are usable on this machine, in order of choice."""
    return [Backend(family.name, family.summary) for family in planning.usable_families()]


def promise(
    name: str, layer: Layer, direction: Direction, *, prepared: bool = False
) -> tuple[float, bool]:
    """Return how many times the error of a plain sum is allowed, and if integers are exact.

    Where errors are relative to the largest pixels near, single results may be further off than by
    their own size: some times what is usual.
    """
    problem, level = _problem(layer), fastconv.get_accuracy()
    accuracy = Accuracy.of_all(
        planning.plan(part, problem, name, 1, accuracy=level, prepared=prepared).accuracy
        for part in _PARTS[direction]
    )
    slack = accuracy.growth if accuracy.componentwise else 4 * accuracy.typical
    return slack, accuracy.exact_on_integers


def refusal(name: str, layer: Layer, direction: Direction) -> str | None:
    """Return why a backend does not do all of a problem, or None."""
    problem = _problem(layer)
    for part in _PARTS[direction]:
        answer = planning.ask(part, problem, name, threads=1, accuracy=fastconv.get_accuracy())
        if isinstance(answer, Refusal):
            return answer.reason
    return None


def choices(layer: Layer, direction: Direction) -> tuple[str, ...]:
    """Return the backend that ``backend="auto"`` takes, for each part of the direction."""
    problem = _problem(layer)
    return tuple(
        planning.plan(part, problem, "auto", 1, accuracy=fastconv.get_accuracy()).family
        for part in _PARTS[direction]
    )


def scratch_bytes(layer: Layer, threads: int) -> dict[str, int]:
    """Return what each backend that can do the layer holds besides operands and result."""
    problem = _problem(layer)
    plans = {
        family.name: planning.ask("forward", problem, family.name, threads)
        for family in planning.usable_families()
    }
    return {name: plan.scratch_bytes for name, plan in plans.items() if isinstance(plan, Plan)}


def columns_bytes(layer: Layer) -> int:
    """Return the size of the whole column matrix of im2col."""
    return _problem(layer).im2col_bytes


def is_compiled() -> bool:
    """Whether there are kernels, here and now."""
    return isa.kernels is not None


def instruction_sets() -> list[str]:
    """Return the instruction sets that can be used here, the widest last."""
    return isa.available()


def multiply_adds(dtype: str, iterations: int) -> int:
    """Multiply and add in registers, and return how many operations that were."""
    assert isa.kernels is not None
    return isa.kernels.fma_peak(dtype, iterations)


def copies(target: NDArray[Any], source: NDArray[Any], rounds: int) -> int:
    """Copy again and again, and return how many bytes were read and written."""
    assert isa.kernels is not None
    return isa.kernels.copy_rounds(target, source, rounds)


def _problem(layer: Layer) -> ConvProblem:
    return ConvProblem.create(
        layer.x_shape, layer.weight_shape, (layer.out_channels,), **layer.conv_kwargs()
    )
