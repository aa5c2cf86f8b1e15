"""What a run found out, as written to ``results.json``."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from benchmarks.measuring.files import LAYERS, ResultFile
from benchmarks.problems.layer import Layer

Status = Literal["ok", "unsupported", "failed"]


class Checked:
    """Properties of somebody's times that count only where the result was compared and is right."""

    UNIT: ClassVar[str]
    """Of the errors."""
    status: Status
    reason: str
    times: list[float]
    error: float | None
    allowed_error: float | None

    @property
    def correct(self) -> bool:
        """Whether the result was compared, and is within its bound."""
        if self.error is None or self.allowed_error is None:
            return False
        return self.error <= self.allowed_error

    @property
    def counts(self) -> bool:
        """Whether there is a time, of a result that is right."""
        return self.status == "ok" and self.correct and bool(self.times)

    @property
    def seconds(self) -> float:
        return statistics.median(self.times)

    @property
    def trouble(self) -> str:
        """What went wrong, or nothing."""
        if self.status == "failed":
            return f"failed: {self.reason}"
        if self.error is None or self.correct:
            return ""
        return (
            f"is NOT correct, its time does not count: error {self.error:.3g} {self.UNIT}, "
            f"at most {self.allowed_error:g}"
        )


@dataclass
class Measurement:
    """One contestant on one layer in one direction."""

    layer: str
    direction: str
    contestant: str
    status: Status = "ok"
    reason: str = ""
    problem: dict[str, Any] = field(default_factory=dict)
    is_cut: bool = False
    flops: int = 0
    times: list[float] = field(default_factory=list)
    extra_bytes: int | None = None
    error: float | None = None
    """Largest error against float64, in units of u·(Σ|w||x|+|b|)."""
    allowed_error: float | None = None
    exact: bool | None = None
    """Equal to the truth on integers; None where nobody promises it."""

    @property
    def seconds(self) -> float:
        return statistics.median(self.times)

    @property
    def quartiles(self) -> tuple[float, float]:
        if len(self.times) < 2:
            return self.times[0], self.times[0]
        low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return low, high

    @property
    def gflops(self) -> float:
        return self.flops / self.seconds / 1e9

    @property
    def timed(self) -> bool:
        return self.status == "ok" and bool(self.times)

    @property
    def correct(self) -> bool:
        """Within the allowed error, and exact where that is promised."""
        if self.error is None or self.allowed_error is None:
            return False
        return self.error <= self.allowed_error and self.exact is not False

    @property
    def cut_text(self) -> str:
        return Layer(**self.problem).shape_text()


@dataclass
class ContestantInfo:
    """Who took part, or why not."""

    name: str
    label: str
    kind: str
    about: str
    prepacks: bool = False
    """Whether it packs the weights ahead of the timed calls."""
    version: str = ""
    missing: str = ""
    pip_command: str = ""
    """What would add it; nothing where it is installed and its process did not start."""
    pools: list[dict[str, Any]] = field(default_factory=list)
    cores_busy: float | None = None
    """How many cores worked for its process on average while it was timed."""
    keeps_subnormals: bool | None = None
    """Whether results below the smallest normal number are computed, rather than made zeros."""

    @property
    def is_broken(self) -> bool:
        """Whether it is there, but could not take part."""
        return bool(self.missing) and not self.pip_command

    @property
    def absence(self) -> str:
        """Why it did not take part, and what to do about it where something can be done."""
        return self.missing + (f"; to add it: {self.pip_command}" if self.pip_command else "")


@dataclass
class LayerInfo:
    """A layer of the run, what it costs on paper, and what `auto` takes for it."""

    problem: dict[str, Any]
    output_bytes: int
    columns_bytes: int
    """The whole column matrix of im2col."""
    scratch_bytes: dict[str, int]
    """Backend of fastconv → what it holds in a forward call besides operands and result."""
    chosen: dict[str, str]
    """Direction → the contestant that runs the backend which `auto` takes."""
    explanation: str
    multiplications: dict[str, float] = field(default_factory=dict)
    """Direction → those that `auto` takes, as a part of the definition's."""

    @property
    def name(self) -> str:
        return str(self.problem["name"])

    @property
    def layer(self) -> Layer:
        return Layer(**self.problem)


@dataclass
class PhotoResult:
    """One contestant's filter of one picture."""

    photo: str
    filter: str
    contestant: str
    status: Status = "ok"
    reason: str = ""
    is_cut: bool = False
    difference: float | None = None
    """Largest difference from the float64 picture, in grey levels of 255."""
    same_pixels: bool | None = None


@dataclass
class Results(ResultFile):
    """One run."""

    FILE: ClassVar = "results.json"
    KIND: ClassVar = LAYERS
    FORMAT: ClassVar = 2
    PARTS: ClassVar = {
        "contestants": ContestantInfo,
        "layers": LayerInfo,
        "measurements": Measurement,
        "photos": PhotoResult,
    }

    preset: str
    threads: int
    directions: list[str]
    machine: dict[str, Any]
    contestants: list[ContestantInfo] = field(default_factory=list)
    layers: list[LayerInfo] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    photos: list[PhotoResult] = field(default_factory=list)
    overheads: dict[str, float] = field(default_factory=dict)
    """What is called → microseconds of a call that computes next to nothing."""
    seconds: float = 0.0

    def find(self, layer: str, direction: str, contestant: str) -> Measurement | None:
        return next(
            (
                m
                for m in self.measurements
                if (m.layer, m.direction, m.contestant) == (layer, direction, contestant)
            ),
            None,
        )

    def of(self, layer: str, direction: str) -> list[Measurement]:
        """Return the timed measurements of a layer."""
        return [
            m
            for m in self.measurements
            if m.layer == layer and m.direction == direction and m.timed
        ]

    @property
    def present(self) -> list[ContestantInfo]:
        return [info for info in self.contestants if not info.missing]

    @property
    def absent(self) -> list[ContestantInfo]:
        return [info for info in self.contestants if info.missing]

    def kind(self, contestant: str) -> str:
        return next(info.kind for info in self.contestants if info.name == contestant)

    def prepacks(self, contestant: str) -> bool:
        return next(info.prepacks for info in self.contestants if info.name == contestant)

    def label(self, contestant: str) -> str:
        return next(info.label for info in self.contestants if info.name == contestant)

    @property
    def peak_gflops(self) -> float | None:
        """The measured peak of this run's threads in float32, or None where unmeasured."""
        peaks = self.machine["peak_gflops"]
        return float(peaks["float32"][str(self.threads)]) if peaks else None

    def bandwidth(self, place: str) -> float | None:
        """GB/s copied in "memory" or "cache" by this run's threads, or None where unmeasured."""
        bandwidth = self.machine["bandwidth"]
        return float(bandwidth[place][str(self.threads)]) if bandwidth else None

    @property
    def spread(self) -> float | None:
        """How far apart the quartiles typically are, as a part of the median: the noise."""
        spreads = [
            (m.quartiles[1] - m.quartiles[0]) / m.seconds
            for m in self.measurements
            if m.timed and len(m.times) > 3
        ]
        return statistics.median(spreads) if spreads else None


def geometric_mean(values: Iterable[float]) -> float | None:
    """Return the geometric mean, or None of nothing."""
    found = list(values)
    return statistics.geometric_mean(found) if found else None
