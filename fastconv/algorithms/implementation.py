"""What an algorithm is here: one object whose one method answers everything.

    implementation.plan(request, choose)  →  Plan      its kernel, blocks, scratch; how to run it
                                             Refusal   unable or unsuited, in a sentence

What accepts a problem is what runs and explains it, so these cannot disagree. Planning touches no
data and may be asked about any size. A decomposition plans the pieces that it makes with the
chooser it is handed, and is an implementation like any other.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from .. import isa, tuning
from ..levels import Level
from ..machine import Machine
from ..problem import ConvProblem, Piece
from ..problem.operands import Array

__all__ = [
    "Accuracy",
    "Chooser",
    "Implementation",
    "Operation",
    "Plan",
    "Prediction",
    "Refusal",
    "Request",
    "Run",
]

# What is computed from what:     forward       y  from x and the weights
#                                 input-grad    dx from the gradient of y and the weights
#                                 weight-grad   dw from the gradient of y and x
Operation: TypeAlias = Literal["forward", "input-grad", "weight-grad"]

# run(first, second, prepared, bias, result, scratch) fills the result: `first` and `second` as the
# operation lists them, `prepared` what the plan's `prepare` made of the weights or None, `bias` for
# the result's channels or None, `scratch` as many bytes as the plan wants, None if it wants none.
# It may return True: that it has seen all of the weights or the result to be finite (mending.py).
Run: TypeAlias = Callable[
    [Array, Array, Array | None, Array | None, Array, Array | None], bool | None
]


class Accuracy(NamedTuple):
    """What an implementation promises of its sums: its contract with whoever calls or tests it.

    Attributes
    ----------
    growth : float
        A sum of n products z is within ``growth · (n + 2) · u · Σ|z|`` of its exact value, before
        an activation, with u half the spacing of floating-point numbers at 1 (Higham, Accuracy and
        Stability of Numerical Algorithms, chapter 3); 1 for any order of summation, less for one
        in blocks. For an output, n is the taps and the bias.
    typical : float
        What errors of random data usually are, by root mean square: no more than so many times
        ``√(n + 2) · u`` times the size of the results.
    componentwise : bool
        Whether the growth holds of every single result with its own Σ|z|. If not, it holds with
        ``max|x| · Σ|w| + |b|`` in place of it: the largest pixel, the weights of the filter, and
        its bias; for the gradient of a weight ``max|x| · Σ|dy|``, over that of the filter's plane.
    exact_on_integers : bool
        Whether sums of integers that fit the significand come out exactly.
    """

    growth: float = 1.0
    typical: float = 1.0
    componentwise: bool = True
    exact_on_integers: bool = True

    @classmethod
    def in_blocks(cls, terms: int, *additions: int) -> Accuracy:
        """Return what holds of a sum of so many terms, in nested blocks that begin from zero.

        Parameters
        ----------
        terms : int
            n, of the whole sum.
        *additions : int
            The most of each level: terms of the innermost block, blocks of the next one, and so on.

        Notes
        -----
        No product takes part in more additions than all of these together, which stand in place of
        n in the bound, and of which the usual error has the root. Both are rounded up.
        """
        growth = min(1.0, (sum(additions) + 2) / (terms + 2))
        return cls(math.ceil(100 * growth) / 100, math.ceil(100 * math.sqrt(growth)) / 100)

    @classmethod
    def of_all(cls, contracts: Iterable[Accuracy]) -> Accuracy:
        """Return what holds of all of them."""
        all_contracts = list(contracts)
        if not all_contracts:
            return cls()  # nothing is computed
        growths, typical, componentwise, exact = zip(*all_contracts, strict=True)
        return cls(max(growths), max(typical), all(componentwise), all(exact))


@dataclass(frozen=True)
class Prediction:
    """How long something is reckoned to take, and with what.

    Attributes
    ----------
    stages : dict of str to float
        Name → seconds, in the order in which they come; those of the slowest thread.
    """

    stages: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Of all stages, which come one after the other."""
        return sum(self.stages.values())

    def shared(self, shares: Mapping[str, float]) -> Prediction:
        """Return it with stages that take so many times as long."""
        return Prediction(
            {name: shares.get(name, 1.0) * seconds for name, seconds in self.stages.items()}
        )

    def __add__(self, other: Prediction) -> Prediction:
        """Return what both take, one after the other, by stage."""
        stages = dict(self.stages)
        for name, seconds in other.stages.items():
            stages[name] = stages.get(name, 0.0) + seconds
        return Prediction(stages)


class Request(NamedTuple):
    """What is asked of an implementation.

    Attributes
    ----------
    operation : {"forward", "input-grad", "weight-grad"}
    piece : Piece
        For the gradients, the convolution whose gradient it is, whole. Its padding is with zeros,
        and not in the image; its batch is never empty.
    threads : int
        At the most.
    backend : str
        "auto", a family, or an implementation's name: which ones may be chosen.
    forced : bool
        Whether an implementation shall plan what it is able to, suited or not.
    siblings : int
        Of how many pieces this is one. Cutting it further multiplies them.
    accuracy : {"strict", "default", "fast"}
        What the results shall have at the least; see levels.py.
    prepared : bool
        Whether the weights will be given as `Plan.prepare` makes them.
    contending : bool
        Whether it is for the model to say who is the fastest (reckoning.py): then only those refuse
        it of whom the model cannot tell.
    """

    operation: Operation
    piece: Piece
    threads: int
    backend: str = "auto"
    forced: bool = False
    siblings: int = 1
    accuracy: Level = "default"
    prepared: bool = False
    contending: bool = False

    @property
    def problem(self) -> ConvProblem:
        """The piece's."""
        return self.piece.problem


class Refusal(NamedTuple):
    """Why an implementation does not do it: unable to, or merely unsuited for it."""

    reason: str
    able: bool = False


@dataclass(frozen=True)
class Plan:
    """How an implementation will do it.

    Attributes
    ----------
    implementation : Implementation
    piece : Piece
    threads : int or None
        None where NumPy's BLAS decides.
    run : callable
        See `Run`. It allocates nothing; all buffers are the scratch. Safe to call from many threads
        at once with scratches of their own.
    scratch_bytes : int
        Of all threads.
    blocks : named tuple or None
        How the work is cut into units, by name.
    prepare : callable or None
        Given the weights, these as `run` reads them fastest, whatever the image; None where that is
        as they are.
    pieces : tuple of Plan
        Of a decomposition, what has the most taps first.
    operation : {"forward", "input-grad", "weight-grad"}
        Of the piece; those of a decomposition are forward passes.
    prepared : bool
        Whether the weights are given as `prepare` makes them.
    """

    implementation: Implementation
    piece: Piece
    threads: int | None
    run: Run
    scratch_bytes: int = 0
    blocks: Any = None
    prepare: Callable[[Array], Array] | None = None
    pieces: tuple[Plan, ...] = field(default=())
    operation: Operation = "forward"
    prepared: bool = False

    def predict(self, machine: Machine) -> Prediction:
        """Return how long it is reckoned to take on a machine, without what every call takes."""
        prediction = self.implementation.predict(self, machine)
        return prediction if self.pieces else prediction.shared(self._stage_shares())

    def _stage_shares(self) -> Mapping[str, float]:
        """Return what the stages take here of what the model's own instruction set takes."""
        made = "weights" if self.operation == "weight-grad" else "images"
        shares = tuning.MODEL_STAGES.get(isa.name or "", {}).get(made, {})
        return {**shares.get("", {}), **shares.get(self.implementation.name, {})}

    @property
    def leaf(self) -> Plan:
        """The plan that does most of the work: this one, or that of the first piece."""
        return self.pieces[0].leaf if self.pieces else self

    @property
    def family(self) -> str:
        """What `backend=` calls it; of a decomposition without a piece, its own name."""
        leaf = self.leaf.implementation
        return leaf.families[0] if leaf.families else leaf.name

    @property
    def accuracy(self) -> Accuracy:
        """The contract of the least accurate of what runs."""
        pieces = [piece.accuracy for piece in self.pieces]
        return Accuracy.of_all(pieces or [self.implementation.accuracy_of(self)])


Chooser: TypeAlias = Callable[[Request], "Plan | Refusal"]


class Implementation(ABC):
    """One algorithm with one kernel, or one way to cut a problem up.

    Attributes
    ----------
    name : str
        Its own.
    families : tuple of str
        The names by which ``backend=`` finds it, its own family first; of a decomposition none,
        since it does with any family what its pieces can be done with.
    accuracy : Accuracy
        Of all that it computes; `accuracy_of` may promise more of a single problem.
    level : {"strict", "default", "fast"}
        Of the calls that it may compute: those that ask for no more than it.
    contends : bool
        Whether the model may choose it, or tells how much longer it takes.
    gain : float
        The part of another's time that it may be reckoned to take, to be taken in its place.
    """

    name: str
    families: tuple[str, ...] = ()
    accuracy = Accuracy()
    level: Level = "strict"
    contends = True
    gain = 1.0

    @abstractmethod
    def plan(self, request: Request, choose: Chooser) -> Plan | Refusal:
        """Return how it would do what is asked, or why not."""

    @abstractmethod
    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return how long one of its plans is reckoned to take, without what every call takes."""

    def accuracy_of(self, plan: Plan) -> Accuracy:
        """Return the contract for one of its plans."""
        return self.accuracy

    def __repr__(self) -> str:
        """Return its name."""
        return f"<{self.name}>"
