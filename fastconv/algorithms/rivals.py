"""Kernels that do the same with fewer multiplications, by tiles of different sizes.

Whoever is reckoned to need the fewest cycles does it, if that is less than direct sums need:

    able and allowed     tiles of 2: 3.1     4: 2.2     6: not at this accuracy     direct: 5.0
                                             └── chosen
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from ..levels import allows
from .compiled import Kernel, not_built
from .implementation import Chooser, Plan, Refusal, Request

__all__ = ["Rival"]


class Rival(Kernel):
    """One of them.

    Attributes
    ----------
    tiles : str
        Its tiles, in words.
    """

    tiles: str
    gain = 0.95

    @property
    @abstractmethod
    def rivals(self) -> Sequence[Rival]:
        """All that do the same, this one among them."""

    @abstractmethod
    def cycles(self, request: Request) -> float:
        """Return about how many cycles it needs: by what decides about bits, and nothing else."""

    @abstractmethod
    def most_cycles(self, request: Request) -> tuple[float, float]:
        """Return how many cycles it may need to be chosen, and how many direct sums need."""

    def unsuited(self, request: Request) -> str | None:
        """Return what needs fewer cycles than this, or None."""
        own = self.cycles(request)
        most, direct = self.most_cycles(request)
        if own > most:
            return f"it would take {own / direct:.0%} of the cycles of direct sums"
        return self._ahead(request, own)

    def out_of_place(self, request: Request) -> str | None:
        """Return who of the others needs fewer cycles: of them the model knows no more."""
        return self._ahead(request, self.cycles(request))

    def plan(self, request: Request, choose: Chooser) -> Plan | Refusal:
        """Return as `Kernel` does; where the family is forced, still its best."""
        if request.forced and request.backend in self.families and not_built() is None:
            reason = self.unable(request.piece)
            if reason is None:
                reason = self._ahead(request, self.cycles(request))
                if reason is not None:
                    return Refusal(reason, able=True)
        return super().plan(request, choose)

    def _ahead(self, request: Request, own: float) -> str | None:
        """Return who of the others needs fewer cycles than one's own."""
        for other in self.rivals:
            if (
                other is not self
                and allows(request.accuracy, other.level)
                and other.unable(request.piece) is None
                and other.cycles(request) < own
            ):
                return f"{other.tiles} are ahead"
        return None
