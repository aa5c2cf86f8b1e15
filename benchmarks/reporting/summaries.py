"""What each contestant did over all layers, and who had nothing to do."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.contestants.base import AUTO
from benchmarks.measuring.results import Measurement, Results, geometric_mean


@dataclass(frozen=True)
class Summary:
    """One contestant over all layers that it did."""

    contestant: str
    label: str
    layers: int
    gflops: float | None
    cuts: int
    incorrect: int
    failed: int


def summaries(results: Results, direction: str) -> list[Summary]:
    """Return one line per contestant that had something to do, fastest first."""
    lines = []
    for info in results.present:
        if info.kind == "control":
            continue
        mine = _of(results, info.name, direction)
        if all(m.status == "unsupported" for m in mine):
            continue
        timed = [m for m in mine if m.timed]
        lines.append(
            Summary(
                contestant=info.name,
                label=info.label,
                layers=len(timed),
                gflops=geometric_mean(m.gflops for m in timed),
                cuts=sum(m.is_cut for m in timed),
                incorrect=sum(not m.correct for m in timed),
                failed=sum(m.status == "failed" for m in mine),
            )
        )
    return sorted(lines, key=lambda line: -(line.gflops or 0))


def idle(results: Results, direction: str) -> list[str]:
    """Say of each contestant that had nothing to do why that is."""
    sentences = []
    for info in results.present:
        mine = _of(results, info.name, direction)
        # In runs before `auto` was timed itself, the backend that it takes stands for it.
        if info.name != AUTO and mine and all(m.status == "unsupported" for m in mine):
            reasons = "; ".join(dict.fromkeys(m.reason for m in mine))
            sentences.append(f"{info.label} does none of these layers: {reasons}.")
    return sentences


def _of(results: Results, contestant: str, direction: str) -> list[Measurement]:
    return [
        m for m in results.measurements if m.contestant == contestant and m.direction == direction
    ]
