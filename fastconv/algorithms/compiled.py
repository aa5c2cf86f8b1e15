"""What the implementations around compiled kernels share: how a kernel is found, described and run.

A kernel is told of a problem by one object with names, a `Description`, which it reads once. What
it returns knows its units and its scratch. It is run on ranges of units that take some ten
milliseconds, between which Python looks for Ctrl-C; where a single unit is more than that, the
kernel asks inside it (kernels/interrupt.pxi).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import isa, tuning
from ..problem import ConvProblem, Piece
from ..problem.operands import Array
from .implementation import Chooser, Implementation, Plan, Refusal, Request, Run

__all__ = [
    "LINE_BYTES",
    "NOT_BUILT",
    "Description",
    "Kernel",
    "at_line",
    "at_line_in",
    "beyond_limit",
    "kernel",
    "not_built",
    "scratch_of_threads",
    "steps",
    "vector_bytes",
    "vector_values",
]


class Description(NamedTuple):
    """All that a compiled kernel is told.

    Attributes
    ----------
    kernel : str
        Its name in the table of kernels/.
    piece : Piece
    blocks : tuple
        How much of the piece is a unit, by name.
    """

    kernel: str
    piece: Piece
    blocks: Any

    @property
    def problem(self) -> ConvProblem:
        """The piece's."""
        return self.piece.problem


LINE_BYTES = 64
NOT_BUILT = "it needs the compiled kernels, and this is pure Python (see show_config)"


def not_built() -> Refusal | None:
    """Return why no compiled kernel can run here, or None."""
    if isa.kernels is None:
        return Refusal(NOT_BUILT)
    return None


# kernel(name) returns a function of the compiled module for this processor; isa/baseline.pyi lists
# them. Not a function of its own, since planning asks it for a vector's length again and again.
kernel: Callable[[str], Callable[..., Any]] = partial(getattr, isa.kernels)


def vector_bytes() -> int:
    """Return how many bytes a vector has, by which numbers in tuning.py differ."""
    return int(kernel("vector_values")(1))


def vector_values(problem: ConvProblem) -> int:
    """Return how many values of the problem's dtype a vector has."""
    values: int = kernel("vector_values")(problem.dtype.itemsize)
    return values


def beyond_limit(what: str, needed: int) -> str | None:
    """Return the refusal of what needs more scratch than a thread may take, or None."""
    most = tuning.MOST_SCRATCH_BYTES
    if needed <= most:
        return None
    return f"{what} {needed / 2**20:.1f} MiB, where the limit is {most // 2**20} MiB"


def steps(units: int, flops: int, threads: int, flops_per_step: int) -> int:
    """Return of how many units a call of a kernel shall be: a bounded amount of work."""
    step = max(1, flops_per_step * units // max(flops, 1))
    return step + -step % threads  # so that no thread goes without


class Kernel(Implementation):
    """An implementation that is one compiled kernel: what it can, what suits it, its blocks.

    Attributes
    ----------
    compiled : str
        The class of the compiled module that it is run by: "Images" or "Weights".
    entry : str
        Its name in the table of kernels/: its own, unless several share a kernel.
    general : bool
        Whether it takes what it is unsuited for where its family is forced. A kernel that is for
        some problems alone leaves that to the family's others; asked for by its own name, it does.
    """

    compiled = "Images"
    general = True

    @property
    def entry(self) -> str:
        return self.name

    def plan(self, request: Request, choose: Chooser) -> Plan | Refusal:
        """Return the kernel, cut into blocks and ready to run, or why not."""
        missing = not_built()
        if missing is not None:
            return missing
        reason = self.unable(request.piece)
        if reason is not None:
            return Refusal(reason)
        if request.contending:
            reason = self.out_of_place(request)
        elif not request.forced or not (self.general or request.backend == self.name):
            reason = self.unsuited(request)
        else:
            reason = None
        if reason is not None:
            return Refusal(reason, able=True)
        blocks = self.blocks(request)
        description = Description(self.entry, request.piece, blocks)
        made = kernel(self.compiled)(description)
        run, scratch_bytes = self.make_run(made, description, request.threads)
        prepare = self.make_prepare(request.piece)
        return Plan(
            self, request.piece, request.threads, run, scratch_bytes, blocks, prepare,
            operation=request.operation, prepared=request.prepared and prepare is not None,
        )  # fmt: skip

    @abstractmethod
    def unable(self, piece: Piece) -> str | None:
        """Return why it cannot compute a piece, or None."""

    @abstractmethod
    def unsuited(self, request: Request) -> str | None:
        """Return why another is the better choice, or None."""

    def out_of_place(self, request: Request) -> str | None:
        """Return why the model cannot tell how long it would take, or None.

        What it is unsuited for, unless a kernel knows better.
        """
        return self.unsuited(request)

    @abstractmethod
    def blocks(self, request: Request) -> tuple[Any, ...]:
        """Return how much of a piece is one unit."""

    def make_run(self, made: Any, description: Description, threads: int) -> tuple[Run, int]:
        """Return the function that runs the compiled object, and the scratch that it wants."""
        run_units, units = made.run, made.units
        step = steps(units, description.problem.flops, threads, tuning.FLOPS_PER_STEP)

        if units <= step:  # as usual: a call takes microseconds
            return (lambda *arrays: run_units(*arrays, 0, units, threads)), scratch_of_threads(
                made, threads
            )

        def run(*arrays: Array | None) -> bool:
            finite = False
            for first in range(0, units, step):
                finite = run_units(*arrays, first, min(first + step, units), threads)
            return finite

        return run, scratch_of_threads(made, threads)

    def make_prepare(self, piece: Piece) -> Callable[[Array], Array] | None:
        """Return the function for `Plan.prepare`."""
        return None


def scratch_of_threads(made: Any, threads: int) -> int:
    """Return the bytes that a compiled object wants for so many threads."""
    return int(made.scratch_bytes) * threads


def at_line(size: int) -> Array:
    """Return so many bytes that begin at a cache line."""
    return at_line_in(np.empty(size + LINE_BYTES, np.uint8), size)


def at_line_in(memory: Array, size: int) -> Array:
    """Return so many bytes of those given, which are a line more, that begin at a cache line."""
    start = -memory.ctypes.data % LINE_BYTES
    return memory[start : start + size]
