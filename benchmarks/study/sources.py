"""What parts say of where their figures are from, and keep of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any, Protocol

from benchmarks.measuring.results import Checked, ContestantInfo
from benchmarks.reporting.sentences import count

__all__ = ["machine_text", "thin", "who_was_there"]


class _Run(Protocol):
    created: str
    threads: int
    machine: dict[str, Any]


def machine_text(results: _Run) -> str:
    """Return processor, threads and day."""
    return f"{results.machine['cpu']}, {count(results.threads, 'thread')}, {results.created[:10]}"


def who_was_there(contestants: Iterable[ContestantInfo]) -> str:
    """Return the sentences that name the libraries that took part, and those that did not."""
    libraries = [info for info in contestants if info.kind == "library"]
    here = [f"{info.label} {info.version}" for info in libraries if not info.missing]
    absent = [f"{info.label} ({info.missing})" for info in libraries if info.missing]
    text = [f"Here were {', '.join(here)}."] if here else []
    text += [f"Not here: {', '.join(absent)}."] if absent else []
    return " ".join(text)


def thin(contestants: Iterable[ContestantInfo], timings: Iterable[Checked]) -> None:
    """Leave out what no table tells: thousands of times would fill the repository."""
    for one in contestants:
        one.pools = []
    for timing in timings:
        if len(timing.times) > 3:
            timing.times = statistics.quantiles(timing.times, n=4, method="inclusive")
            timing.times = [float(f"{time:.4g}") for time in timing.times]
