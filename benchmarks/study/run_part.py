"""What parts of the study share whose results are one file of a run with so many threads.

RunPart ── PoolingPart, ImagesPart, NetworkPart    another command of the benchmarks, once
└── ModelPart                               a sweep, which goes on where it was
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from benchmarks.measuring.files import ResultsError, load
from benchmarks.measuring.machine import is_same

__all__ = ["RunPart"]


class _Run(Protocol):
    threads: int
    machine: dict[str, Any]


Run = TypeVar("Run", bound=_Run)


@dataclass(frozen=True, kw_only=True)
class RunPart(ABC, Generic[Run]):
    """A run, and what its file says.

    Attributes
    ----------
    name : str
    threads : int or None
        Of everyone; None for as many as the study is run with.
    """

    name: str
    threads: int | None = None

    @property
    @abstractmethod
    def kind(self) -> type[Run]:
        """What the file is read as."""

    @abstractmethod
    def is_whole(self, results: Run, *, quick: bool) -> bool:
        """Whether results are of all problems, with such an effort."""

    def is_there(self, folder: Path, machine: Mapping[str, Any], threads: int, quick: bool) -> bool:
        try:
            results = self.load(folder)
        except ResultsError:
            return False
        return (
            is_same(results.machine, machine)
            and results.threads == (self.threads or threads)
            and self.is_whole(results, quick=quick)
        )

    def load(self, folder: Path) -> Run:
        kind: Any = self.kind  # a ResultFile too, which no type variable can say beside a protocol
        found: Run = load(folder / f"{self.name}.json", kind)
        return found

    def draw(self, folder: Path) -> None:
        """Draw nothing: tables are all there is."""
