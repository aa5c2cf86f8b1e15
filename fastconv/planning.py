"""The list of implementations, and the choice among them.

For each operation the first in its list that is able and suited wins, unless another is reckoned to
be ahead of it (reckoning.py); every other can say why it did not. To add an algorithm, write its
file in algorithms/ and enter it here: tests, benchmarks, `backends()` and `explain()` find it in
this list.

    request  →  choose  →  implementation.plan(request, choose)  →  Plan
                  ▲                                   │
                  └── the pieces of a decomposition ──┘
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Literal, NamedTuple

from . import isa
from .algorithms.by_padding import BY_PADDING
from .algorithms.by_stride import BY_STRIDE
from .algorithms.compiled import NOT_BUILT
from .algorithms.few import WINOGRAD_FEW
from .algorithms.gemm import GEMM_COLUMNS, GEMM_FILTERS, GEMM_PIXELS
from .algorithms.gemm_taps import GEMM_TAPS
from .algorithms.im2col import IM2COL
from .algorithms.implementation import (
    Accuracy,
    Implementation,
    Operation,
    Plan,
    Refusal,
    Request,
)
from .algorithms.large import STENCIL_LARGE
from .algorithms.loops import LOOPS, LOOPS_LITERAL, LOOPS_ROWS
from .algorithms.scatter import GEMM_SCATTER
from .algorithms.slide import SLIDE, SPREAD
from .algorithms.stencil import STENCIL_CHANNELS, STENCIL_PHASES, STENCIL_ROWS
from .algorithms.weights import (
    WEIGHTS_FILTERS,
    WEIGHTS_PIXELS,
    WEIGHTS_PLANES,
    WEIGHTS_ROWS,
    WEIGHTS_SLIDE,
    WEIGHTS_TAPS,
)
from .algorithms.weights_winograd import (
    WEIGHTS_WINOGRAD_2,
    WEIGHTS_WINOGRAD_4,
    WEIGHTS_WINOGRAD_6,
)
from .algorithms.windows import GEMM_WINDOWS
from .algorithms.winograd import WINOGRAD
from .levels import Level, allows
from .problem import ConvProblem, Piece
from .problem.arguments import shown
from .reckoning import fastest, is_reckoned, seconds, whatever_is_asked
from .remembering import remembered

__all__ = [
    "FAMILIES",
    "IMPLEMENTATIONS",
    "Family",
    "answer_of",
    "ask",
    "backends",
    "check_name",
    "check_usable",
    "choose",
    "plan",
    "refusals",
    "usable_families",
]

# By operation, in the order in which they are asked.
IMPLEMENTATIONS: dict[Operation, tuple[Implementation, ...]] = {
    "forward": (
        BY_PADDING, STENCIL_PHASES, STENCIL_CHANNELS, SLIDE, STENCIL_LARGE, STENCIL_ROWS,
        WINOGRAD_FEW, *WINOGRAD, GEMM_TAPS, GEMM_COLUMNS, GEMM_FILTERS, GEMM_PIXELS, LOOPS, IM2COL,
        LOOPS_ROWS, LOOPS_LITERAL,
    ),
    "input-grad": (
        SPREAD, GEMM_SCATTER, GEMM_WINDOWS, BY_STRIDE, LOOPS, IM2COL, LOOPS_ROWS, LOOPS_LITERAL,
    ),
    "weight-grad": (
        WEIGHTS_ROWS, WEIGHTS_SLIDE, WEIGHTS_WINOGRAD_6, WEIGHTS_WINOGRAD_4, WEIGHTS_WINOGRAD_2,
        WEIGHTS_PLANES, WEIGHTS_TAPS, WEIGHTS_FILTERS, WEIGHTS_PIXELS, LOOPS, IM2COL, LOOPS_ROWS,
        LOOPS_LITERAL,
    ),
}  # fmt: skip


class Family(NamedTuple):
    """What a user can ask for by ``backend=``: implementations of one idea.

    Attributes
    ----------
    name : str
    summary : str
        One line for people.
    threading : {"openmp", "blas", "none"}
        Whose threads it runs on: fastconv's own, those of NumPy's BLAS, only the caller's.
    """

    name: str
    summary: str
    threading: Literal["openmp", "blas", "none"]

    def accuracy(self, level: Level) -> Accuracy:
        """Return the contract of the least accurate of its implementations that a level allows."""
        return Accuracy.of_all(
            implementation.accuracy
            for implementations in IMPLEMENTATIONS.values()
            for implementation in implementations
            if self.name in implementation.families and allows(level, implementation.level)
        )


FAMILIES = (
    Family(
        "depthwise", "stencils that read each pixel once for several rows of the output", "openmp"
    ),
    Family(
        "winograd",
        "fewer multiplications: tiles and kernels transformed, multiplied, transformed back",
        "openmp",
    ),
    Family(
        "gemm",
        "a matrix product that reads the image in place, mostly with filters in the lanes",
        "openmp",
    ),
    Family(
        "gemm_pixels",
        "the same product with pixels in the lanes: for few filters or few taps",
        "openmp",
    ),
    Family(
        "loops",
        "typed loops along the image rows, parallel over images, channels and rows",
        "openmp",
    ),
    Family(
        "im2col",
        "NumPy: the image rearranged into columns, tile by tile, then a matrix product",
        "blas",
    ),
    Family("loops_rows", "typed loops along the image rows, one thread", "none"),
    Family("loops_literal", "typed loops in the order of the definition, one thread", "none"),
)


def usable_families() -> list[Family]:
    """Return the families that this installation can run, in order of choice."""
    return [family for family in FAMILIES if family.threading == "blas" or isa.kernels is not None]


def backends() -> list[str]:
    """Return the names that ``backend=`` accepts here besides "auto", in order of choice.

    Returns
    -------
    list of str
    """
    return [family.name for family in usable_families()]


def choose(request: Request) -> Plan | Refusal:
    """Return the plan of who is reckoned to be the fastest, of all backends: see reckoning.py.

    Where nobody reckons, of the first implementation that is able and suited; where it is `forced`,
    of the first that is able if none is suited. The refusal is that of the one which was asked for
    by its own name, else of the last, the most general of its family: the last that is able, if any
    is.
    """
    if request.backend == "auto" and is_reckoned(request.problem):
        best = _fastest(whatever_is_asked(request))
        if best is not None:
            answer = answer_of(best, request._replace(contending=True))
            if isinstance(answer, Plan):
                return answer
    named = None
    unable: dict[Implementation, Refusal] = {}  # forced or not
    for forced in (False, True) if request.forced else (False,):
        refusal = Refusal(f"it computes no {request.operation}")
        asked = request if forced == request.forced else request._replace(forced=forced)
        for implementation in _in_turn(request.operation, request.backend, forced):
            answer = unable.get(implementation) or answer_of(implementation, asked)
            if isinstance(answer, Plan):
                return answer
            if not answer.able:
                unable[implementation] = answer
            if answer.able or not refusal.able:
                refusal = answer
            if implementation.name == request.backend:
                named = answer
    return named or refusal


# A piece of several problems, and what is asked in several ways, for plans and explanations.
@remembered
def _fastest(request: Request) -> Implementation | None:
    """Return who is reckoned to be the fastest, of all that contend; None if no rule names one."""
    contending = request._replace(contending=True)
    alone = {one: answer_of(one, contending) for one in IMPLEMENTATIONS[request.operation]}
    for one, answer in alone.items():
        if _is_suited(one, request, answer):
            return fastest(request, one, answer_of, alone)
    return None


def _is_suited(one: Implementation, request: Request, contending: Plan | Refusal) -> bool:
    """Whether the rules would take it, of which is known how it contends."""
    if isinstance(contending, Plan):
        if contending.pieces:  # cut up alike in any case
            return True
    elif not contending.able:
        return False
    return isinstance(answer_of(one, request), Plan)


def answer_of(implementation: Implementation, request: Request) -> Plan | Refusal:
    """Return how an implementation would do it, or why not: the accuracy asked for, before all."""
    if allows(request.accuracy, implementation.level):
        return implementation.plan(request, choose)
    return Refusal(
        f"its errors are larger than accuracy={request.accuracy!r} allows; "
        f"{implementation.level!r} does"
    )


@cache
def _in_turn(operation: Operation, backend: str, forced: bool) -> tuple[Implementation, ...]:
    """Return who is asked for what computes an operation by a backend, in order."""
    asked = [
        implementation
        for implementation in IMPLEMENTATIONS[operation]
        if backend in ("auto", implementation.name)
        or not implementation.families  # a decomposition asks for its pieces in turn
        or backend in implementation.families
    ]
    if forced:  # then pieces, which any kernel of a family may be right for, come first
        asked.sort(key=lambda one: bool(one.families))
    return tuple(asked)


def ask(
    operation: Operation, problem: ConvProblem, backend: str, threads: int, *,
    accuracy: Level = "default", forced: bool = True, prepared: bool = False,
) -> Plan | Refusal:  # fmt: skip
    """Return how a backend would do it, suited or not, or why it cannot.

    Parameters
    ----------
    problem
        Its padding is with zeros (`ConvProblem.unpadded`). An empty batch is planned as one image.
    backend
        "auto", a family, or the name of an implementation.
    accuracy, prepared
        See `Request`.
    """
    if problem.is_empty:
        problem = replace(problem, batch=1)
    forced = forced and backend != "auto"
    request = Request(
        operation, Piece(problem), threads, backend, forced, accuracy=accuracy, prepared=prepared
    )
    return choose(request)


def plan(
    operation: Operation, problem: ConvProblem, backend: str, threads: int, *,
    accuracy: Level = "default", prepared: bool = False,
) -> Plan:  # fmt: skip
    """Return how it is done; see `ask`.

    Raises
    ------
    ValueError
        For a backend that does not exist, or cannot compute the problem.
    """
    check_name(backend)
    answer = ask(operation, problem, backend, threads, accuracy=accuracy, prepared=prepared)
    if isinstance(answer, Refusal):
        raise ValueError(f"backend {backend!r} cannot compute {problem}: {answer.reason}")
    return answer


def check_name(name: object) -> None:
    """Refuse what is neither "auto", the name of a family, nor that of an implementation."""
    families, kernels = _names()
    if not isinstance(name, str) or name not in (*families, *kernels):
        raise ValueError(
            f"backend must be one of {families}, or one of their kernels {kernels}, "
            f"not {shown(name)}"
        )


@cache
def _names() -> tuple[list[str], list[str]]:
    """Return what `backend=` may be: families, and the kernels that are not all of theirs."""
    families = ["auto", *(family.name for family in FAMILIES)]
    kernels = {
        implementation.name
        for implementations in IMPLEMENTATIONS.values()
        for implementation in implementations
        if implementation.families
    }
    return families, sorted(kernels.difference(families))


def check_usable(backend: str) -> None:
    """Refuse a name as `check_name` does, and one that this installation cannot run at all."""
    check_name(backend)
    if isa.kernels is None and backend not in ("auto", *backends()):
        raise ValueError(f"backend {backend!r} cannot be used: {NOT_BUILT}")


def refusals(
    operation: Operation,
    problem: ConvProblem,
    backend: str,
    threads: int,
    accuracy: Level,
    chosen: Plan,
    *,
    prepared: bool = False,
) -> dict[str, str]:
    """Return, for every family but that of the plan that was chosen, why it was not."""
    passed_over = (
        f"'{chosen.family}' comes before it"
        if backend == "auto"
        else f"'{backend}' was asked for by name"
    )
    by_model = backend == "auto" and chosen.threads is not None and is_reckoned(problem)
    reasons = {}
    for family in FAMILIES:
        if family.name != chosen.family:
            reasons[family.name] = passed_over
            for forced in (True, False):  # what it is unable to, before what it is unsuited for
                answer = ask(
                    operation, problem, family.name, threads, accuracy=accuracy, forced=forced,
                    prepared=prepared,
                )  # fmt: skip
                if isinstance(answer, Refusal):
                    reasons[family.name] = answer.reason
                    break
                if by_model and answer.implementation.contends:
                    reasons[family.name] = _reckoned_against(answer, chosen)
                    break
    return reasons


def _reckoned_against(plan: Plan, chosen: Plan) -> str:
    """Return how long a plan is reckoned to take beside the one chosen, and why that if less."""
    times = seconds(plan) / seconds(chosen)
    told = f"it is reckoned to take {times:.3g} times as long as '{chosen.family}'"
    if times >= 1:
        return told
    if plan.threads is None:
        return f"{told}, but the BLAS sums in an order of its own"
    return f"{told}, which is too close, or not so of one image by one thread"
