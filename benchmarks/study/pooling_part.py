"""A part of the study: poolings and their gradients, beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import geometric_mean

from benchmarks.contestants.base import AUTO
from benchmarks.pooling import command
from benchmarks.pooling.problems import POOLINGS
from benchmarks.pooling.results import PoolingResults
from benchmarks.reporting.templating import figure
from benchmarks.study.markdown import line
from benchmarks.study.run_part import RunPart
from benchmarks.study.sources import machine_text, thin, who_was_there

__all__ = ["PoolingPart"]

SECONDS, QUICK_SECONDS = 60.0, 1.0
QUICK_POOLINGS = 1
WAYS = {
    "forward": "forward", "forward-taps": "with taps", "input-grad": "gradient",
    "input-grad-taps": "by taps",
}  # fmt: skip


class PoolingPart(RunPart[PoolingResults]):
    """Every pooling in every direction, in rows: our time, and how often PyTorch takes it."""

    kind = PoolingResults

    def is_whole(self, results: PoolingResults, *, quick: bool) -> bool:
        """Whether all poolings, or those of a quick run, are there."""
        return results.poolings == list(POOLINGS[: QUICK_POOLINGS if quick else len(POOLINGS)])

    def run(
        self, folder: Path, threads: int, quick: bool, told: Callable[[str, int], None]
    ) -> None:
        results = command.measure(
            self.threads or threads,
            QUICK_SECONDS if quick else SECONDS,
            POOLINGS[: QUICK_POOLINGS if quick else len(POOLINGS)],
            told,
        )
        thin(results.contestants, results.timings)
        results.save(folder, f"{self.name}.json")

    def texts(self, folder: Path) -> dict[str, str]:
        """Return the table by the part's name, and its ratios.

        ``<name>.<way>`` is the geometric mean of how many times we are ahead in a direction,
        ``<name>.mean`` that of all, ``<name>.least`` the least.
        """
        results = self.load(folder)
        found = {self.name: self._table(results)}
        ratios = {
            (pooling.name, way): ratio
            for pooling in results.poolings
            for way in pooling.directions
            if (ratio := results.ratio(pooling.name, way)) is not None
        }
        for way in WAYS:
            found[f"{self.name}.{way}"] = _mean([r for (_, w), r in ratios.items() if w == way])
        found[f"{self.name}.mean"] = _mean(list(ratios.values()))
        found[f"{self.name}.least"] = f"{min(ratios.values()):.2f}" if ratios else "–"
        return found

    def _table(self, results: PoolingResults) -> str:
        titles = [text for name in WAYS.values() for text in (f"{name}, µs", "PyTorch / ours")]
        lines = [line(["pooling", *titles]), line(["---"] + ["--:"] * len(titles))]
        for pooling in results.poolings:
            shape = "×".join(map(str, pooling.x_shape))
            cells = [f"{pooling.name}, {pooling.window_text}, {shape}"]
            for way in WAYS:
                timing = results.find(pooling.name, way, AUTO)
                ratio = results.ratio(pooling.name, way)
                cells.append("–" if timing is None else figure(1e6 * timing.seconds))
                cells.append("–" if ratio is None else f"{ratio:.2f}")
            lines.append(line(cells))
        return "\n".join(
            [
                *lines,
                "",
                f"{machine_text(results)}; medians of turns, against the better of PyTorch's two "
                f"layouts. {who_was_there(results.contestants)}",
            ]
        )


def _mean(ratios: list[float]) -> str:
    return f"{geometric_mean(ratios):.2f}" if ratios else "–"
