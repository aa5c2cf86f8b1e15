"""The ordered list of backends, and the choice among them.

The first backend in the list that is available, able and suited wins; each other can say why it did
not. To add an algorithm, write its file in algorithms/ and enter it here: tests, benchmarks,
`backends()` and `explain()` find it in this list.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from .algorithms.backend import Backend
from .algorithms.depthwise import DEPTHWISE
from .algorithms.gemm import GEMM, GEMM_PIXELS
from .algorithms.im2col import IM2COL
from .algorithms.loops import LOOPS, LOOPS_LITERAL, LOOPS_ROWS
from .phases import find_phases
from .problem import ConvProblem

__all__ = [
    "BACKENDS",
    "Direction",
    "backends",
    "check_name",
    "choose",
    "refusal",
    "refusals",
    "usable_backends",
]

Direction: TypeAlias = Literal["forward", "input-grad", "weight-grad"]

BACKENDS: tuple[Backend, ...] = (
    DEPTHWISE, GEMM, GEMM_PIXELS, LOOPS, IM2COL, LOOPS_ROWS, LOOPS_LITERAL,
)  # fmt: skip


def usable_backends() -> list[Backend]:
    """Return the backends that this installation can run, in order of choice."""
    return [backend for backend in BACKENDS if backend.unavailable() is None]


def backends() -> list[str]:
    """Return the names that ``backend=`` accepts here besides "auto", in order of choice.

    Returns
    -------
    list of str
    """
    return [backend.name for backend in usable_backends()]


def refusal(backend: Backend, problem: ConvProblem, direction: Direction = "forward") -> str | None:
    """Return why a backend cannot compute a problem here, or None."""
    if direction == "forward":
        return backend.unavailable() or backend.unable(problem)
    if direction == "weight-grad":
        none = "it computes no weight gradient" if backend.weight_grad is None else None
        return none or backend.unavailable() or backend.weight_grad_unable(problem)
    none = "it computes no input gradient" if backend.input_grad is None else None
    reasons = (backend.unable(phase.problem) for phase in find_phases(problem) if phase.problem)
    return none or backend.unavailable() or next(filter(None, reasons), None)


def _unsuited(backend: Backend, problem: ConvProblem, direction: Direction) -> str | None:
    """Return why "auto" passes a backend over that could compute a problem, or None."""
    if direction == "weight-grad":
        return backend.weight_grad_unsuited(problem)
    if direction == "input-grad":
        return backend.unsuited(find_phases(problem)[0].problem or problem)
    return backend.unsuited(problem)


def choose(problem: ConvProblem, name: str = "auto", direction: Direction = "forward") -> Backend:
    """Return the backend called `name`, or for "auto" the first that is able and suited.

    Raises
    ------
    ValueError
        For a name that is not in the list, or a backend that cannot compute the problem.
    """
    check_name(name)
    for backend in BACKENDS:
        if name == "auto":
            if (
                refusal(backend, problem, direction) or _unsuited(backend, problem, direction)
            ) is None:
                return backend
        elif name == backend.name:
            reason = refusal(backend, problem, direction)
            if reason is not None:
                raise ValueError(f"backend {name!r} cannot compute {problem}: {reason}")
            return backend
    raise AssertionError("im2col computes everything")


def check_name(name: object) -> None:
    """Refuse what is neither "auto" nor the name of a backend."""
    if not isinstance(name, str) or name not in _names():
        raise ValueError(f"backend must be one of {_names()}, not {name!r}")


def refusals(
    problem: ConvProblem, name: str = "auto", direction: Direction = "forward"
) -> dict[str, str]:
    """Return, for every backend but the one that `choose` returns, why it was not chosen."""
    chosen = choose(problem, name, direction)
    passed_over = (
        f"'{chosen.name}' comes before it" if name == "auto" else f"'{name}' was asked for by name"
    )
    return {
        backend.name: refusal(backend, problem, direction)
        or _unsuited(backend, problem, direction)
        or passed_over
        for backend in BACKENDS
        if backend is not chosen
    }


def _names() -> list[str]:
    return ["auto", *(backend.name for backend in BACKENDS)]
