"""What the comparison of compilers found out, as written to ``compilers.json``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmarks.measuring.files import ResultFile

__all__ = ["Built", "CompilersResults", "LoopTimes"]

# Loops compute the same sums in the same order; what is contracted into a multiply-add differs.
MOST_APART = 1e-5


@dataclass
class Built:
    """One compiler."""

    kind: str
    command: str
    version: str
    trouble: str = ""
    """Why there is no extension of it, or what went wrong in its process."""


@dataclass
class LoopTimes:
    """A loop on its problem."""

    name: str
    about: str
    loop: str
    problem: str
    amount: float
    """FLOPs, or bytes."""
    unit: str
    times: dict[str, list[float]] = field(default_factory=dict)
    """Compiler → seconds of a call, one for each turn."""
    apart: float | None = None
    """By how much the results differ: ‖a - b‖ / ‖a‖."""

    @property
    def is_wrong(self) -> bool:
        """Whether the results differ by more than rounding."""
        return self.apart is not None and not self.apart <= MOST_APART

    def rate(self, kind: str) -> float | None:
        """Return GFLOP/s, or GB/s, of a compiler's loop; None where there was none."""
        return self.amount / min(self.times[kind]) / 1e9 if self.times.get(kind) else None


@dataclass
class CompilersResults(ResultFile):
    """One comparison."""

    FILE: ClassVar = "compilers.json"
    KIND: ClassVar = "fastconv compilers"
    FORMAT: ClassVar = 1
    PARTS: ClassVar = {"compilers": Built, "loops": LoopTimes}

    machine: dict[str, Any]
    instruction_set: str
    is_quick: bool
    compilers: list[Built] = field(default_factory=list)
    loops: list[LoopTimes] = field(default_factory=list)

    @property
    def all_right(self) -> bool:
        """Whether nobody failed, and all compute the same."""
        troubles = [one.trouble for one in self.compilers if one.trouble]
        return bool(self.loops) and not troubles and not any(one.is_wrong for one in self.loops)

    @property
    def kinds(self) -> list[str]:
        """The compilers whose loops were timed."""
        return [one.kind for one in self.compilers if not one.trouble]
