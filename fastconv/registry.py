"""The ordered list of backends, and the choice among them.

The first backend in the list that is able and suited wins; each other can say why it did not. To
add an algorithm, write its file in algorithms/ and enter it here: tests, benchmarks, `backends()`
and `explain()` find it in this list.
"""

from __future__ import annotations

from .algorithms.backend import Backend
from .algorithms.im2col import IM2COL
from .algorithms.loops import LOOPS, LOOPS_LITERAL, LOOPS_ROWS
from .problem import ConvProblem

__all__ = ["BACKENDS", "backends", "choose", "refusals", "usable_backends"]

BACKENDS: tuple[Backend, ...] = (LOOPS, IM2COL, LOOPS_ROWS, LOOPS_LITERAL)

_ANY_PROBLEM = ConvProblem(1, 1, 1, 1, 1, 1, 1)


def usable_backends() -> list[Backend]:
    """Return the backends that this installation can run, in order of choice."""
    return [backend for backend in BACKENDS if backend.unable(_ANY_PROBLEM) is None]


def backends() -> list[str]:
    """Return the names that ``backend=`` accepts here besides "auto", in order of choice.

    Returns
    -------
    list of str
    """
    return [backend.name for backend in usable_backends()]


def choose(problem: ConvProblem, name: str = "auto") -> Backend:
    """Return the backend called `name`, or for "auto" the first that is able and suited.

    Raises
    ------
    ValueError
        For a name that is not in the list, or a backend that cannot compute the problem.
    """
    for backend in BACKENDS:
        if name == "auto":
            if backend.unable(problem) is None and backend.unsuited(problem) is None:
                return backend
        elif name == backend.name:
            reason = backend.unable(problem)
            if reason is not None:
                raise ValueError(f"backend {name!r} cannot compute {problem}: {reason}")
            return backend
    names = ["auto", *(backend.name for backend in BACKENDS)]
    raise ValueError(f"backend must be one of {names}, not {name!r}")


def refusals(problem: ConvProblem, chosen: Backend) -> dict[str, str]:
    """Return, for every backend but the chosen one, why it was not chosen."""
    return {
        backend.name: backend.unable(problem)
        or backend.unsuited(problem)
        or f"'{chosen.name}' was chosen before it"
        for backend in BACKENDS
        if backend is not chosen
    }
