"""Where fewer multiplications are at work: what is really done, and what it costs in accuracy.

direct FLOPs   those of the definition, by which everybody is counted
real FLOPs     twice the multiplications that the chosen kernel does: a product of transforms
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.contestants.base import AUTO
from benchmarks.measuring.results import LayerInfo, Measurement, Results

# Who multiplies as often as the definition says, to set an error beside.
DIRECT = ("gemm", "gemm_pixels", "depthwise")
# Rounding alone is no saving.
LEAST = 0.999


@dataclass(frozen=True)
class Saving:
    """A layer for which `auto` does so many of the definition's multiplications, as a part."""

    info: LayerInfo
    part: float
    ours: Measurement
    direct: Measurement | None

    @property
    def real_gflops(self) -> float:
        """Return 10⁹ operations a second that are really done."""
        return self.part * self.ours.gflops


def savings(results: Results, direction: str) -> list[Saving]:
    """Return the layers on which there is a saving, the largest first."""
    found = []
    for info in results.layers:
        # In runs before it was noted, nothing is said of it.
        part = info.multiplications.get(direction, 1.0)
        ours = results.find(info.name, direction, AUTO)
        if part < LEAST and ours is not None and ours.timed:
            found.append(Saving(info, part, ours, _direct(results, info, direction)))
    return sorted(found, key=lambda saving: saving.part)


def _direct(results: Results, info: LayerInfo, direction: str) -> Measurement | None:
    """Return the fastest that does all multiplications on the whole layer."""
    measured = [
        m
        for m in results.of(info.name, direction)
        if m.contestant in DIRECT and m.error is not None and not m.is_cut
    ]
    return max(measured, key=lambda m: m.gflops, default=None)
