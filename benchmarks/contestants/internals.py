"""All that the benchmarks know of fastconv beyond what it shows its users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

import fastconv
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from fastconv import isa, planning, rates
from fastconv.algorithms.few import WINOGRAD_FEW
from fastconv.algorithms.gemm_taps import counted
from fastconv.algorithms.implementation import Accuracy, Operation, Plan, Prediction, Refusal
from fastconv.algorithms.winograd_tiles import tiling_of
from fastconv.call import Call
from fastconv.levels import Level as Level
from fastconv.machine import Machine
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


def kernels() -> list[Backend]:
    """Return the kernels of backends with several, each by the name that ``backend=`` takes."""
    summaries = {backend.name: backend.summary for backend in backends()}
    return [
        Backend(one.name, f"a kernel of {one.families[0]}: {summaries[one.families[0]]}")
        for one in {
            one.name: one
            for implementations in planning.IMPLEMENTATIONS.values()
            for one in implementations
        }.values()
        if one.families and one.name not in summaries and one.families[0] in summaries
    ]


@dataclass(frozen=True)
class Candidate:
    """A backend that is able to do a problem."""

    backend: str
    kernel: str
    chosen: bool
    """Whether it is what ``backend="auto"`` takes."""
    planned: Call

    def predict(self, rates: Machine) -> Prediction:
        """Return what the model says of a call, on a machine of such rates."""
        return self.planned.predict(rates)

    def ready(
        self, first: NDArray[Any], second: NDArray[Any], out: NDArray[Any] | None = None
    ) -> Callable[[], object]:
        """Return a call with arrays of the problem, and a result that is written again and again.

        The arrays are what the operation is computed from: `operands`. Whoever is compared with
        others writes into the same `out` (`result`): of large results it matters on which pages
        they lie, by more than one backend is ahead of the next.
        """
        written = self.planned(first, second, None, None, out)
        return lambda: self.planned(first, second, None, None, written)


def measure() -> Machine:
    """Return what this machine does, as the model would measure it now."""
    return rates.measure()


def machine_of(rates: Mapping[str, Any]) -> Machine:
    """Return the machine of rates as a file has them."""
    return Machine(**rates)


def candidates(layer: Layer, direction: Direction, *, on_blas: bool) -> list[Candidate]:
    """Return the backends that are able to do a problem.

    Parameters
    ----------
    direction
        One operation.
    on_blas
        Whether those on the threads of NumPy's BLAS, or those on others. "auto" is among them only
        where its plan is not that of a family.
    """
    problem, operation = _problem(layer), cast("Operation", direction)
    auto = _call(operation, problem, "auto")
    assert auto is not None  # im2col does everything
    families = planning.usable_families()
    blas = {family.name for family in families if family.threading == "blas"}
    calls = {family.name: _call(operation, problem, family.name) for family in families}
    found, is_of_family = [], False
    for name, call in {**calls, "auto": auto}.items():
        if call is None or (name == "auto" and is_of_family):
            continue
        chosen = _kernels(call.plan()) == _kernels(auto.plan())
        is_of_family = is_of_family or chosen
        if (name in blas) == on_blas:
            found.append(Candidate(name, call.plan().leaf.implementation.name, chosen, call))
    return found


def operands(layer: Layer, direction: Direction) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return random arrays that an operation is computed from."""
    problem, rng = _problem(layer), np.random.default_rng(0)
    x, weight, y = problem.x_shape, problem.weight_shape, problem.output_shape
    shapes = {"forward": (x, weight), "input-grad": (y, weight), "weight-grad": (y, x)}[direction]
    first, second = (
        rng.standard_normal(shape, np.float32).astype(problem.dtype, copy=False) for shape in shapes
    )
    return first, second


def result(layer: Layer, direction: Direction) -> NDArray[Any]:
    """Return an array for what an operation computes."""
    problem = _problem(layer)
    shapes = {
        "forward": problem.output_shape, "input-grad": problem.x_shape,
        "weight-grad": problem.weight_shape,
    }  # fmt: skip
    return np.empty(shapes[direction], problem.dtype)


def _call(operation: Operation, problem: ConvProblem, backend: str) -> Call | None:
    try:
        return Call(operation, problem, backend, fastconv.get_accuracy(), given_4d=True)
    except ValueError:  # it is not able to
        return None


def _kernels(plan: Plan) -> tuple[object, ...]:
    """Return what runs, for a comparison: the kernels of all pieces, and their blocks."""
    return plan.implementation.name, plan.blocks, *map(_kernels, plan.pieces)


def promise(
    name: str, layer: Layer, direction: Direction, *, prepared: bool = False,
    level: Level | None = None,
) -> tuple[float, bool]:  # fmt: skip
    """Return how many times the error of a plain sum is allowed, and if integers are exact.

    Where errors are relative to the largest pixels near, single results may be further off than by
    their own size: some times what is usual.
    """
    problem, level = _problem(layer), level or fastconv.get_accuracy()
    accuracy = Accuracy.of_all(
        planning.plan(part, problem, name, 1, accuracy=level, prepared=prepared).accuracy
        for part in _PARTS[direction]
    )
    slack = accuracy.growth if accuracy.componentwise else 4 * accuracy.typical
    return slack, accuracy.exact_on_integers


def refusal(
    name: str, layer: Layer, direction: Direction, level: Level | None = None
) -> str | None:
    """Return why a backend does not do all of a problem, or None."""
    problem, level = _problem(layer), level or fastconv.get_accuracy()
    for part in _PARTS[direction]:
        answer = planning.ask(part, problem, name, threads=1, accuracy=level)
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


def multiplications(layer: Layer, direction: Direction) -> float:
    """Return how many of the definition's multiplications ``backend="auto"`` does, as a part.

    Those of a product between transforms alone: transforms are additions and a few scalings.
    """
    problem = _problem(layer)
    plans = [
        planning.plan(part, problem, "auto", 1, accuracy=fastconv.get_accuracy())
        for part in _PARTS[direction]
    ]
    done = sum(_multiplications(leaf) for plan in plans for leaf in _leaves(plan))
    return done / (len(plans) * layer.flops / 2)


def _leaves(plan: Plan) -> Iterator[Plan]:
    if not plan.pieces:
        yield plan
    for piece in plan.pieces:
        yield from _leaves(piece)


def _multiplications(plan: Plan) -> float:
    """Return those of one kernel: the definition's, but for padding where that is left out.

    Of tiles a product for each place.
    """
    problem = plan.piece.problem
    if plan.implementation.name == "gemm_taps":
        places = problem.batch * counted(problem).needed
        return places * problem.in_channels_per_group * problem.out_channels
    if plan.family != "winograd":
        return problem.flops / 2
    if plan.implementation is WINOGRAD_FEW:
        return WINOGRAD_FEW.multiplications(problem)
    # What a tile has of outputs a side is called `side` where the outputs are weights.
    algorithm: Any = plan.implementation
    tiling = tiling_of(problem, getattr(algorithm, "outputs", None) or algorithm.side)
    tiles = problem.batch * tiling.down.tiles * tiling.across.tiles
    return tiles * tiling.values * problem.in_channels_per_group * problem.out_channels


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
        layer.x_shape, layer.weight_shape, (layer.out_channels,), dtype=layer.dtype,
        **layer.conv_kwargs(),
    )  # fmt: skip
