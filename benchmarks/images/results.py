"""What a run found out, as written to ``images.json``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmarks.images.cases import Case, Family
from benchmarks.measuring.files import Embedded
from benchmarks.measuring.results import Checked, ContestantInfo, Status

AUTO = "fastconv-auto"


@dataclass
class Timing(Checked):
    """One contestant on one case."""

    UNIT: ClassVar = "u·max Σ|w||x|"

    case: str
    contestant: str
    status: Status = "ok"
    reason: str = ""
    times: list[float] = field(default_factory=list)
    error: float | None = None
    """Largest error against float64, in units of `UNIT`."""
    allowed_error: float | None = None


@dataclass
class ImageResults(Embedded):
    """One run."""

    FILE: ClassVar = "images.json"
    KIND: ClassVar = "fastconv images"
    FORMAT: ClassVar = 1
    PARTS: ClassVar = {"cases": Case, "contestants": ContestantInfo, "timings": Timing}

    preset: str
    threads: int
    machine: dict[str, Any]
    cases: list[Case] = field(default_factory=list)
    contestants: list[ContestantInfo] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    chosen: dict[str, str] = field(default_factory=dict)
    """Case → the strategy that fastconv takes for it."""
    seconds: float = 0.0

    @property
    def is_full(self) -> bool:
        return self.preset != "quick"

    def find(self, case: str, contestant: str) -> Timing | None:
        """Return a timing that counts."""
        return next(
            (
                timing
                for timing in self.timings
                if (timing.case, timing.contestant) == (case, contestant) and timing.counts
            ),
            None,
        )

    def of(self, family: Family) -> list[Case]:
        return [case for case in self.cases if case.family == family]

    def ratio(self, case: str, contestant: str) -> float | None:
        """Return how many times as long it takes as fastconv by itself."""
        ours, theirs = self.find(case, AUTO), self.find(case, contestant)
        return None if ours is None or theirs is None else theirs.seconds / ours.seconds

    @property
    def present(self) -> list[ContestantInfo]:
        return [info for info in self.contestants if not info.missing]

    @property
    def absent(self) -> list[ContestantInfo]:
        return [info for info in self.contestants if info.missing]

    @property
    def all_correct(self) -> bool:
        """Whether every result is right, and nobody failed, not even in a later turn."""
        return all(timing.correct and timing.status == "ok" for timing in self.timings)

    def trouble(self, case: str, contestant: str) -> str:
        """Return what went wrong there, or nothing."""
        found = (t for t in self.timings if (t.case, t.contestant) == (case, contestant))
        return next((timing.trouble for timing in found), "")

    @property
    def troubles(self) -> list[str]:
        """What went wrong anywhere, by what everyone is called."""
        labels = {info.name: info.label for info in self.contestants}
        return [
            f"{timing.case}: {labels[timing.contestant]} {timing.trouble}"
            for timing in self.timings
            if timing.trouble
        ]
