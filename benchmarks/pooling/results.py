"""What a run found out, as written to ``pooling.json``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmarks.contestants.base import AUTO
from benchmarks.measuring.files import ResultFile
from benchmarks.measuring.results import Checked, ContestantInfo, Status
from benchmarks.pooling.problems import Direction, Pooling

__all__ = ["PoolTiming", "PoolingResults"]


@dataclass
class PoolTiming(Checked):
    """One contestant on one pooling in one direction."""

    UNIT: ClassVar = "u·Σ|w||x|"

    pooling: str
    direction: Direction
    contestant: str
    status: Status = "ok"
    reason: str = ""
    times: list[float] = field(default_factory=list)
    error: float | None = None
    """Largest error against float64, in units of `UNIT`."""
    allowed_error: float | None = None


@dataclass
class PoolingResults(ResultFile):
    """One run."""

    FILE: ClassVar = "pooling.json"
    KIND: ClassVar = "fastconv pooling"
    FORMAT: ClassVar = 1
    PARTS: ClassVar = {
        # JSON has no tuples, and a pooling is hashed
        "poolings": lambda **fields: Pooling(**{**fields, "x_shape": tuple(fields["x_shape"])}),
        "contestants": ContestantInfo,
        "timings": PoolTiming,
    }

    threads: int
    machine: dict[str, Any]
    poolings: list[Pooling] = field(default_factory=list)
    contestants: list[ContestantInfo] = field(default_factory=list)
    timings: list[PoolTiming] = field(default_factory=list)
    seconds: float = 0.0

    def find(self, pooling: str, direction: str, contestant: str) -> PoolTiming | None:
        """Return a timing that counts."""
        wanted = (pooling, direction, contestant)
        for timing in self.timings:
            if (timing.pooling, timing.direction, timing.contestant) == wanted and timing.counts:
                return timing
        return None

    def ratio(self, pooling: str, direction: str) -> float | None:
        """Return how many times as fast we are as the better layout of PyTorch."""
        ours = self.find(pooling, direction, AUTO)
        libraries = [info.name for info in self.contestants if info.kind == "library"]
        found = [self.find(pooling, direction, name) for name in libraries]
        others = [timing.seconds for timing in found if timing is not None]
        return min(others) / ours.seconds if others and ours is not None else None

    @property
    def present(self) -> list[ContestantInfo]:
        return [info for info in self.contestants if not info.missing]

    @property
    def absent(self) -> list[ContestantInfo]:
        return [info for info in self.contestants if info.missing]

    @property
    def all_right(self) -> bool:
        """Whether no result is wrong, nobody of ours failed, and somebody was timed."""
        kinds = {info.name: info.kind for info in self.contestants}
        wrong = any(t.error is not None and not t.correct for t in self.timings)
        failed = {t.contestant for t in self.timings if t.status == "failed"}
        failed |= {info.name for info in self.absent if info.is_broken}
        ours_failed = any(kinds[name] == "fastconv" for name in failed)
        return not wrong and not ours_failed and any(t.counts for t in self.timings)
