"""What a run found out, as written to ``stages.json``."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmarks.measuring.files import Embedded
from benchmarks.problems.layer import Layer
from benchmarks.stages.naming import by_stage, instruction_sets

PACK, REST = "pack", "everything else"


@dataclass
class LayerStages:
    """A layer: the times of its calls, and what they are made of."""

    problem: dict[str, Any]
    kernel: str
    times: list[float]
    """Seconds of calls."""
    planned_times: list[float]
    """Seconds of the calls of a plan, whose weights are packed already."""
    instructions: dict[str, int] = field(default_factory=dict)
    """Function → how many of its own in a call; none where they could not be counted."""
    predicted: dict[str, float] = field(default_factory=dict)
    """Stage → seconds, as `fastconv.explain` reckons; none where it does not."""
    trouble: str = ""

    @property
    def layer(self) -> Layer:
        return Layer(**self.problem)

    @property
    def seconds(self) -> float:
        return statistics.median(self.times)

    @property
    def packing_seconds(self) -> float:
        """What a call takes more than one of a plan, as seen from outside; 0 where it is noise."""
        return max(0.0, self.seconds - statistics.median(self.planned_times))

    @property
    def is_counted(self) -> bool:
        return bool(by_stage(self.instructions))

    @property
    def counted_with(self) -> set[str]:
        """The instruction sets that were counted: not every tool knows those of this processor."""
        return instruction_sets(self.instructions)

    @property
    def measured(self) -> dict[str, float]:
        """Stage → seconds: the time of a call, shared out by instructions or by difference."""
        counts = by_stage(self.instructions)
        if not counts:
            return {PACK: self.packing_seconds, REST: self.seconds - self.packing_seconds}
        whole = sum(counts.values())
        return {stage: self.seconds * count / whole for stage, count in counts.items()}


@dataclass
class StageResults(Embedded):
    """One run."""

    FILE: ClassVar = "stages.json"
    KIND: ClassVar = "fastconv stages"
    FORMAT: ClassVar = 1
    PARTS: ClassVar = {"layers": LayerStages}

    machine: dict[str, Any]
    layers: list[LayerStages] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_full(self) -> bool:
        return bool(self.layers)
