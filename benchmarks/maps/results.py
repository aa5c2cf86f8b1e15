"""What the maps were made of, as written to ``maps.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmarks.maps.atlas import IM2COL, LOOPS, MAPS, Map
from benchmarks.measuring.files import ResultFile
from benchmarks.reporting.noise import Noise
from benchmarks.sweep.summary import CLOSE

__all__ = ["Cell", "LayerCaches", "LayerColumns", "MapsResults"]


@dataclass
class Cell:
    """A point of a map where everybody who may win took turns."""

    map: str
    x: int
    y: int
    times: dict[str, float]
    """Backend → the least seconds of a call, of those that were timed."""
    predicted: dict[str, float]
    """Backend → seconds by the model, of all who are able."""
    again: dict[str, float] = field(default_factory=dict)
    """The control: the same seconds of one who took part twice, as two like all others."""

    @property
    def winner(self) -> str:
        """Who was the fastest; where nobody was timed, who is reckoned to be."""
        return fastest(self.times or self.predicted)

    @property
    def named(self) -> str:
        """Whom the model names, of those that were timed."""
        return fastest({name: self.predicted[name] for name in self.times} or self.predicted)

    @property
    def lead(self) -> float | None:
        """How many times as long the next one took; None where only one was timed."""
        times = sorted(self.times.values())
        return times[1] / times[0] if len(times) > 1 else None

    @property
    def loss(self) -> float:
        """How much longer whom the model names took than the fastest, in parts of its time."""
        return self.times[self.named] / self.times[self.winner] - 1

    @property
    def is_named(self) -> bool:
        """Whether whom the model names is the fastest, or as fast."""
        return self.loss <= CLOSE

    @property
    def im2col_to_loops(self) -> float | None:
        """How many times as long loops took; None unless both were timed."""
        if LOOPS.backend not in self.times or IM2COL.backend not in self.times:
            return None
        return self.times[LOOPS.backend] / self.times[IM2COL.backend]


@dataclass
class LayerColumns:
    """A layer and the column matrix that im2col makes of its image."""

    layer: str
    image_bytes: int
    columns_bytes: int
    seconds: float
    """That making it takes, whole, into fresh memory."""


@dataclass
class LayerCaches:
    """A layer by one backend: a call after the caches were swept, and one right after another."""

    layer: str
    backend: str
    cold: float
    warm: float


@dataclass
class MapsResults(ResultFile):
    """One run."""

    FILE: ClassVar = "maps.json"
    KIND: ClassVar = "fastconv maps"
    FORMAT: ClassVar = 1
    INDENT: ClassVar = None
    PARTS: ClassVar = {"cells": Cell, "columns": LayerColumns, "caches": LayerCaches}

    threads: int
    """Of the maps of all threads; the others are of one."""
    is_quick: bool
    machine: dict[str, Any]
    rates: dict[str, Any] = field(default_factory=dict)
    """Those that the predictions are made of, on one thread."""
    cells: list[Cell] = field(default_factory=list)
    regions: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Map → what of (see regions.py) → a line of letters for each value of y between the cells."""
    columns: list[LayerColumns] = field(default_factory=list)
    caches: list[LayerCaches] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What went wrong, in words."""
    seconds: float = 0.0

    @property
    def maps(self) -> list[Map]:
        """The maps of which there are cells."""
        there = {cell.map for cell in self.cells}
        return [one for one in MAPS if one.name in there]

    def of(self, name: str) -> list[Cell]:
        """Return the cells of a map."""
        return [cell for cell in self.cells if cell.map == name]

    def noise(self, *, all_threads: bool) -> Noise | None:
        """Return what the controls of one thread, or of all, differ by; None without any."""
        names = {one.name for one in self.maps if one.all_threads is all_threads}
        return Noise.of(
            {
                f"{cell.map} {cell.x} {cell.y}": seconds / cell.times[backend]
                for cell in self.cells
                if cell.map in names
                for backend, seconds in cell.again.items()
                if backend in cell.times
            }
        )

    def is_close(self, one: Map, cell: Cell) -> bool:
        """Whether the next one of a map's cell was as fast, but for noise."""
        found = self.noise(all_threads=one.all_threads)
        least = 1 + CLOSE if found is None else max(1 + CLOSE, found.factor)
        return cell.lead is not None and cell.lead <= least

    def find(self, name: str, x: int, y: int) -> Cell | None:
        """Return a cell of a map, or None where it was not measured."""
        return next((one for one in self.of(name) if (one.x, one.y) == (x, y)), None)

    @property
    def all_right(self) -> bool:
        """Whether there are maps, and nothing failed."""
        return bool(self.cells) and not self.failures


def fastest(seconds: Mapping[str, float]) -> str:
    """Return who takes the fewest seconds."""
    return min(seconds, key=lambda name: seconds[name])
