"""How poolings are done: their list of implementations, and the choice among them.

    loops    the compiled kernels: kernels/pool_*.pxi
    numpy    views of the image, one a tap: pooling_numpy.py

It is a list of its own, beside that of planning.py: a pooling has no weights and no pieces, and a
name in that list is a promise that `conv2d` takes it. What is asked of an implementation is the
same: one method that returns a plan, or a refusal in a sentence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeAlias

from .. import tuning
from ..problem import Axis, PoolProblem
from ..problem.arguments import shown
from ..problem.operands import Array
from . import pooling_numpy
from .blocks import fewest_rows
from .compiled import kernel, not_built, scratch_of_threads
from .implementation import Refusal

__all__ = [
    "POOLINGS",
    "PoolImplementation",
    "PoolOperation",
    "PoolPlan",
    "check_pool_backend",
    "plan_pool",
]

PoolOperation: TypeAlias = Literal[
    "max-pool", "max-pool-taps", "max-pool-grad", "max-pool-taps-grad", "avg-pool", "avg-pool-grad"
]

# run(first, x, taps, result, scratch): `first` is x, or for a gradient that of y; `x` and `taps`
# are None but for the operations that read or write them: see pool_call.py.
PoolRun: TypeAlias = Callable[[Array, Array | None, Array | None, Array, Array | None], None]


@dataclass(frozen=True)
class PoolPlan:
    """How an implementation will do it.

    Attributes
    ----------
    implementation : PoolImplementation
    threads : int
    run : callable
        See `PoolRun`. Safe to call from many threads at once with scratches of their own.
    scratch_bytes : int
        Of all threads.
    blocks : named tuple or None
        How the work is cut into units, by name.
    writes_last : bool
        Whether it allocates nothing once it has begun to write, so that it may write to `out`.
    """

    implementation: PoolImplementation
    threads: int
    run: PoolRun
    scratch_bytes: int = 0
    blocks: Any = None
    writes_last: bool = True


class PoolImplementation(ABC):
    """One way to pool."""

    name: str

    @abstractmethod
    def plan(
        self, operation: PoolOperation, problem: PoolProblem, threads: int
    ) -> PoolPlan | Refusal:
        """Return how it would do what is asked, or why not."""

    def __repr__(self) -> str:
        """Return its name."""
        return f"<{self.name}>"


class PoolBlocks(NamedTuple):
    """How much of the result is one unit: whole planes, or rows of one plane."""

    planes: int
    rows: int


class PoolDescription(NamedTuple):
    """All that a compiled kernel is told."""

    kernel: str
    problem: PoolProblem
    blocks: PoolBlocks


class _Compiled(PoolImplementation):
    """The kernels, one for each operation, and for any window whatsoever the literal ones."""

    name = "loops"

    def plan(
        self, operation: PoolOperation, problem: PoolProblem, threads: int
    ) -> PoolPlan | Refusal:
        missing = not_built()
        if missing is not None:
            return missing
        name = _kernel_name(operation, problem)
        if name.endswith("pairs"):
            problem = _as_one_plane(problem)
        of_dx = operation.endswith("grad") and not name.endswith("pairs")
        rows = problem.rows.size if of_dx else problem.rows.outputs
        # A unit of a gradient finds the maxima, or spreads the averages, that reach into it from
        # before it: no fewer rows than half of those that it finds in vain.
        fewest = fewest_rows(problem.rows, problem.columns) * problem.rows.stride if of_dx else 1
        blocks = _blocks(problem, rows, threads, fewest)
        made = kernel("Pools")(PoolDescription(name, problem, blocks))
        if made.scratch_bytes > tuning.MOST_SCRATCH_BYTES:
            name = f"{operation.replace('-', '_')}_literal"
            made = kernel("Pools")(PoolDescription(name, problem, blocks))
        units, run_units = made.units, made.run

        def run(
            first: Array, x: Array | None, taps: Array | None, result: Array, scratch: Array | None
        ) -> None:
            run_units(first, x, taps, result, scratch, 0, units, threads)

        return PoolPlan(self, threads, run, scratch_of_threads(made, threads), blocks)


# Taps are numbered in float32, with room for halves.
_MOST_TAPS = 2**20


# What has kernels of its own for windows of 3x3, and how far apart these may be.
_OF_THREES: dict[PoolOperation, int] = {
    "max-pool-taps": 2, "max-pool-grad": 2, "avg-pool": 1, "avg-pool-grad": 1,
}  # fmt: skip


# What is done in strips where vectors are long, by the stride.
_IN_STRIPS: tuple[PoolOperation, ...] = ("max-pool-grad", "max-pool-taps-grad")
_STRIPS = {1: "same", 2: "halved"}


def _in_strips(operation: PoolOperation, problem: PoolProblem) -> bool:
    """Whether 3x3 windows give an image of the same size, or of half of it, of no short rows."""
    rows, columns = problem.rows, problem.columns
    lanes = max(8, kernel("vector_values")(problem.dtype.itemsize))
    return (
        operation in _IN_STRIPS
        and lanes >= tuning.POOL_STRIP_LANES
        and columns.outputs >= lanes
        and columns.size == columns.stride * columns.outputs
        and rows.outputs == -(-rows.size // rows.stride)
        and rows.stride == columns.stride in _STRIPS
        and all((axis.kernel, axis.dilation, axis.before) == (3, 1, 1) for axis in (rows, columns))
    )


def _kernel_name(operation: PoolOperation, problem: PoolProblem) -> str:
    """Return the kernel for windows of this kind."""
    name = operation.replace("-", "_")
    axes = problem.rows, problem.columns
    if operation.startswith("avg") and all(
        axis == Axis(axis.size, axis.size, axis.stride) for axis in axes
    ):
        return f"{name}_plane"
    if all(
        (axis.kernel, axis.stride, axis.dilation, axis.before) == (2, 2, 1, 0) and axis.after <= 0
        for axis in axes
    ):
        return f"{name}_pairs"
    if _in_strips(operation, problem):
        return f"{name}_{_STRIPS[problem.rows.stride]}"
    stride = min(problem.rows.stride, _OF_THREES.get(operation, 0))
    if all(
        (axis.kernel, axis.stride, axis.dilation) == (3, stride, 1) and axis.before <= 2
        for axis in axes
    ):
        return f"{name}_threes"
    most = _MOST_TAPS
    if operation == "max-pool-taps-grad":
        most = tuning.POOL_GATHERED_TAPS
        if problem.rows.span > most * problem.rows.stride:  # rows of windows above each other
            most = 0
    return name if problem.taps <= most else f"{name}_literal"


def _as_one_plane(problem: PoolProblem) -> PoolProblem:
    """Return planes that windows 2x2 fill as one, since their rows of windows follow each other.

    So are the planes of small images done together, and no vector ends with one of them.
    """
    rows, planes = problem.rows, max(1, problem.planes)
    if rows.size != 2 * rows.outputs:
        return problem
    tall = planes * rows.size
    return replace(
        problem, batch=1, channels=1, rows=Axis(tall, 2, 2), counted=((0, tall), problem.counted[1])
    )


def _blocks(problem: PoolProblem, rows: int, threads: int, fewest: int) -> PoolBlocks:
    """Return planes together where they are small, and rows of a plane where planes are few.

    `rows` are those of a plane that units are made of, `fewest` how many one may have.
    """
    planes = max(1, problem.planes)
    wanted = threads * tuning.UNITS_PER_THREAD
    if planes < wanted and threads > 1:
        bands = -(-wanted // planes)
        return PoolBlocks(1, max(tuning.POOL_FEWEST_ROWS, fewest, -(-rows // bands)))
    pixels = problem.rows.size * problem.columns.size
    return PoolBlocks(max(1, min(tuning.POOL_UNIT_PIXELS // pixels, planes // wanted)), rows)


class _NumPy(PoolImplementation):
    name = "numpy"

    def plan(
        self, operation: PoolOperation, problem: PoolProblem, threads: int
    ) -> PoolPlan | Refusal:
        return PoolPlan(self, 1, pooling_numpy.make_run(operation, problem), writes_last=False)


# In the order in which they are asked.
POOLINGS: tuple[PoolImplementation, ...] = (_Compiled(), _NumPy())


def check_pool_backend(name: object) -> None:
    """Refuse what is neither "auto" nor the name of an implementation."""
    names = ["auto", *(implementation.name for implementation in POOLINGS)]
    if not isinstance(name, str) or name not in names:
        raise ValueError(f"backend must be one of {names}, not {shown(name)}")


def plan_pool(
    operation: PoolOperation, problem: PoolProblem, backend: str, threads: int
) -> PoolPlan:
    """Return the plan of the first implementation that is asked for and able.

    Raises
    ------
    ValueError
        Where none is.
    """
    reason = ""
    for implementation in POOLINGS:
        if backend in ("auto", implementation.name):
            answer = implementation.plan(operation, problem, threads)
            if isinstance(answer, PoolPlan):
                return answer
            reason = answer.reason
    raise ValueError(f"backend {backend!r} cannot compute {problem}: {reason}")
