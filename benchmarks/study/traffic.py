"""A part of the study for layers that memory holds up: beside who is fastest, the bytes moved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring.results import Measurement, Results
from benchmarks.problems.layer import Layer
from benchmarks.reporting.roofline import least_bytes
from benchmarks.reporting.templating import figure
from benchmarks.study.columns import ColumnsPart, Entry

__all__ = ["TrafficPart"]


@dataclass(frozen=True, kw_only=True)
class TrafficPart(ColumnsPart):
    """Of the first column also the bytes that it cannot do without, and how fast they went."""

    def texts(self, folder: Path) -> dict[str, str]:
        """Return as `ColumnsPart` does; further ``<name>.memory``, ``<name>.cache``: GB/s here."""
        results = self.load(folder)
        found = super().texts(folder)
        for place in ("memory", "cache"):
            bandwidth = results.bandwidth(place)
            found[f"{self.name}.{place}"] = "–" if bandwidth is None else figure(bandwidth)
        for entry in self.entries(results):
            rate, share = self._rates(results, entry)
            found[f"{self.name}.{entry.info.name}.rate"] = rate
            found[f"{self.name}.{entry.info.name}.share"] = share
        return found

    def further_head(self) -> list[str]:
        return ["FLOPs a byte", "MB", "GB/s", "% of memory's"]

    def further_cells(self, results: Results, entry: Entry) -> list[str]:
        layer = entry.info.layer
        moved = least_bytes(layer, self.direction)
        return [figure(layer.flops / moved), figure(moved / 1e6), *self._rates(results, entry)]

    def _rates(self, results: Results, entry: Entry) -> tuple[str, str]:
        """Return the GB/s of ours, and what part of what memory copies that is."""
        ours: Measurement | None = entry.cells[self.columns[0].key]
        bandwidth = results.bandwidth("memory")
        if ours is None:
            return "–", "–"
        layer = Layer(**ours.problem) if ours.is_cut else entry.info.layer
        rate = least_bytes(layer, self.direction) / ours.seconds / 1e9
        return figure(rate), "–" if bandwidth is None else f"{100 * rate / bandwidth:.0f}"
