"""A part of the study: how often the model names the fastest, from a sweep of drawn problems."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring.files import ResultsError
from benchmarks.problems.directions import MARKS, Direction
from benchmarks.problems.layer import Layer
from benchmarks.reporting.sentences import count
from benchmarks.study.markdown import line
from benchmarks.study.run_part import RunPart
from benchmarks.sweep import command as sweep
from benchmarks.sweep import summary
from benchmarks.sweep.problems import QUICK_COUNT, SEED, problems
from benchmarks.sweep.results import Point, SweepResults

__all__ = ["ModelPart"]

DIRECTIONS: tuple[Direction, ...] = ("forward", "input-grad", "weight-grad")
# Of the 120 that a sweep of its own has, so that a part stays below five minutes.
COUNT = 60
FURTHER = 0.1
MOST_ROWS = 8
HEAD = (
    "", "problems", "the model names the fastest, within 5 %", "10 %",
    "missed, but not told from noise", "what `auto` takes is, 5 %", "10 %",
    "prediction off, median",
)  # fmt: skip
MISSED = ("problem", "`auto` takes", "ms", "the fastest", "ms", "loses")


@dataclass(frozen=True, kw_only=True)
class ModelPart(RunPart[SweepResults]):
    """A sweep of all three directions; what is interrupted goes on at the problem where it was.

    Attributes
    ----------
    seed : int
        Of its problems.
    """

    kind = SweepResults
    seed: int = SEED

    def is_whole(self, results: SweepResults, *, quick: bool) -> bool:
        """Whether everybody had all turns on all problems."""
        layers = self._problems(quick)
        return (results.problems, results.turns) == (layers, _turns(layers, quick))

    def run(
        self, folder: Path, threads: int, quick: bool, told: Callable[[str, int], None]
    ) -> None:
        path = folder / f"{self.name}.json"
        results = sweep.begun(self.threads or threads, DIRECTIONS, quick=quick)
        results.problems = self._problems(quick)
        with suppress(ResultsError):
            earlier = self.load(folder)
            is_whole = self.is_there(folder, results.machine, threads, quick)
            if not is_whole and not sweep.differs(earlier, results):
                results = earlier
        for _ in range(results.turns):
            told("what was there", _turns(results.problems, quick))
        sweep.measure(path, results, told, quick=quick)
        results.timings = [timing for timing in results.timings if timing.times]
        for timing in results.timings:  # what tables tell
            timing.times, timing.stages = [timing.best], {}
        results.save(folder, path.name)

    def texts(self, folder: Path) -> dict[str, str]:
        """Return the table by the part's name, what `auto` loses, and each figure.

        ``<name>.<direction>.named``, ``.untold``, ``.chosen`` and ``.error``, in per cent;
        ``<name>.losses`` is a table; ``<name>.noise`` how often twins, who do the same, differ by
        more than 5 %.
        """
        results = self.load(folder)
        points = results.points()
        found = {self.name: self._table(results, points), f"{self.name}.losses": _losses(points)}
        for direction in (*DIRECTIONS, "all"):
            some = _of(points, direction)
            if some:
                figures = _figures(results, some)
                found[f"{self.name}.{direction}.named"] = figures[1]
                found[f"{self.name}.{direction}.untold"] = figures[3]
                found[f"{self.name}.{direction}.chosen"] = figures[4]
                found[f"{self.name}.{direction}.error"] = figures[6]
        twins = summary.noise(results)
        found[f"{self.name}.noise"] = f"{100 * (1 - summary.share_close(twins)):.0f} %"
        return found

    def _table(self, results: SweepResults, points: Sequence[Point]) -> str:
        lines = [line(HEAD), line(["---"] + ["--:"] * (len(HEAD) - 1))]
        lines += [
            line([direction, *_figures(results, some)])
            for direction in (*DIRECTIONS, "all")
            if (some := _of(points, direction))
        ]
        twins = summary.noise(results)
        same = (
            f" The same loops under two names, near the fastest, differ by more than 5 % on "
            f"{100 * (1 - summary.share_close(twins)):.0f} % of {count(len(twins), 'pair')}."
            if twins
            else ""
        )
        return "\n".join(
            [
                *lines,
                "",
                f"{results.machine['cpu']}, {count(results.threads, 'thread')}, "
                f"{results.created[:10]}; float32, the best of turns.{same}",
                *results.failures,
            ]
        )

    def _problems(self, quick: bool) -> list[Layer]:
        return problems(QUICK_COUNT if quick else COUNT, self.seed)


def _turns(layers: Sequence[Layer], quick: bool) -> int:
    """Return how many turns everybody has at so many problems."""
    return sweep.passes(quick=quick) * len(DIRECTIONS) * len(layers)


def _of(points: Sequence[Point], direction: str) -> list[Point]:
    return [point for point in points if direction in ("all", point.direction)]


def _figures(results: SweepResults, points: Sequence[Point]) -> list[str]:
    """Return what stands in the row of some points."""
    named = [point.loss(point.named) for point in points]
    chosen = [point.loss(one) for point in points if (one := point.chosen) is not None]
    errors = [abs(timing.error) for point in points for timing in point.timings]
    return [
        str(len(points)),
        *(_share(named, within) for within in (summary.CLOSE, FURTHER)),
        f"{100 * len(summary.untold(results, points)) / len(points):.0f} %",
        *(_share(chosen, within) for within in (summary.CLOSE, FURTHER)),
        f"{100 * statistics.median(errors):.0f} %",
    ]


def _share(losses: Sequence[float], within: float) -> str:
    if not losses:
        return "–"
    return f"{100 * sum(loss <= within for loss in losses) / len(losses):.0f} %"


def _losses(points: Sequence[Point]) -> str:
    """Return where `auto` loses most, in Markdown."""
    lines = [line(MISSED), line(["---", "---", "--:", "---", "--:", "--:"])]
    for loss, point in summary.worst_choices(points)[:MOST_ROWS]:
        chosen, winner = point.chosen, point.winner
        if chosen is None or loss <= summary.CLOSE:
            continue
        name = point.layer.name + MARKS[point.direction]
        times = [f"{1e3 * one.best:.3g}" for one in (chosen, winner)]
        cells = [name, chosen.kernel, times[0], winner.kernel, times[1], f"{100 * loss:.0f} %"]
        lines.append(line(cells))
    return "\n".join(lines)
