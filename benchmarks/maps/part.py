"""The maps as a part of the study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.maps import charts, command, table
from benchmarks.maps.results import MapsResults
from benchmarks.measuring.files import ResultsError, load
from benchmarks.measuring.machine import is_same
from benchmarks.reporting.figures import PAPER, WIDE
from benchmarks.reporting.sentences import count
from benchmarks.reporting.templating import figure
from benchmarks.study.markdown import line
from benchmarks.study.saving import save_chart

__all__ = ["MapsPart"]


class MapsPart:
    """All maps, the columns and the caches."""

    name = "maps"

    def is_there(self, folder: Path, machine: Mapping[str, Any], threads: int, quick: bool) -> bool:
        try:
            results = self._load(folder)
        except ResultsError:
            return False
        found = results.threads, results.is_quick
        return is_same(results.machine, machine) and found == (threads, quick)

    def run(
        self, folder: Path, threads: int, quick: bool, told: Callable[[str, int], None]
    ) -> None:
        command.measure(threads, told, quick=quick).save(folder)

    def draw(self, folder: Path) -> None:
        """Draw all maps as maps.svg, and the columns and caches beside it."""
        results = self._load(folder)
        for name, drawn in (
            ("maps", charts.overview(results, PAPER)),
            ("maps-columns", charts.columns(results, WIDE, PAPER)),
            ("maps-caches", charts.caches(results, WIDE, PAPER)),
        ):
            if drawn is not None:
                save_chart(drawn, folder / f"{name}.svg")

    def texts(self, folder: Path) -> dict[str, str]:
        """Return the table as ``maps``, and each figure as ``maps.<map, layer>.<figure>``.

        Those of all maps together are ``maps.<figure>``.
        """
        results = self._load(folder)
        found = {
            self.name: _table(results),
            "maps-misses": _misses(results),
            "maps.sentence": table.sentence(results),
        }
        rows = table.rows(results)
        for name, counted, of in (
            ("im2col-ahead-of-loops", "columns_first", "columns_or_loops"),
            ("im2col-fastest", "columns_close", "timed"),
            ("named", "named", "timed"),
        ):
            some, all_ = (sum(getattr(row, each) for row in rows) for each in (counted, of))
            found[f"{self.name}.{name}"] = f"{some} of {all_}"
        for row in rows:
            prefix = f"maps.{row.map.name}"
            found |= {
                f"{prefix}.timed": str(row.timed),
                f"{prefix}.im2col-ahead-of-loops": f"{row.columns_first} of {row.columns_or_loops}",
                f"{prefix}.im2col-fastest": f"{row.columns_close} of {row.timed}",
                f"{prefix}.named": f"{row.named} of {row.timed}",
            }
            found |= {f"{prefix}.{name}": str(wins) for name, wins in row.wins.items()}
        for one in results.columns:
            prefix = f"maps.columns.{one.layer}"
            found[f"{prefix}.times"] = figure(one.columns_bytes / one.image_bytes)
            found[f"{prefix}.rate"] = figure(one.columns_bytes / one.seconds / 1e9)
        for each in results.caches:
            found[f"maps.caches.{each.layer}.{each.backend}"] = figure(each.cold / each.warm)
        return found

    def _load(self, folder: Path) -> MapsResults:
        return load(folder / MapsResults.FILE, MapsResults)


def _table(results: MapsResults) -> str:
    """Return the maps in numbers, in Markdown, and under it where they were measured."""
    lines = [line(table.COLUMNS), line(["---", "--:", "---", "--:", "--:", "--:"])]
    lines += [line(row.cells) for row in table.rows(results)]
    quick = ", a quick run" if results.is_quick else ""
    return "\n".join(
        [
            *lines,
            "",
            f"{results.machine['cpu']}, one thread, and {count(results.threads, 'thread')} where "
            f"it says all, {results.created[:10]}{quick}. {table.sentence(results)} "
            f"{table.noise(results)}".rstrip(),
        ]
    )


def _misses(results: MapsResults) -> str:
    """Return where the model is wrong, in Markdown."""
    lines = [line(table.MISS_COLUMNS), line(["---", "---", "---", "---", "--:"])]
    return "\n".join(
        [*lines, *(line(table.miss_cells(results, cell)) for cell in table.misses(results))]
    )
