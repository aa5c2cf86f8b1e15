"""A part of the study: what a call's time is made of, by the instructions of its stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring.files import ResultsError, load
from benchmarks.measuring.machine import is_same
from benchmarks.problems.layer import Layer
from benchmarks.stages import command as stages
from benchmarks.stages.results import LayerStages, StageResults
from benchmarks.study.markdown import line

__all__ = ["StagesPart"]

# The order in which a call goes through them.
ORDER = ("band", "pack", "transform", "product", "turn", "other", "everything else")


@dataclass(frozen=True)
class StagesPart:
    """Calls by one thread.

    Attributes
    ----------
    name : str
    layers : tuple of Layer
    """

    name: str
    layers: tuple[Layer, ...]

    def is_there(self, folder: Path, machine: Mapping[str, Any], threads: int, quick: bool) -> bool:
        try:
            results = self._load(folder)
        except ResultsError:
            return False
        there = [one.layer for one in results.layers]
        return is_same(results.machine, machine) and there == list(self._layers(quick))

    def run(
        self, folder: Path, threads: int, quick: bool, told: Callable[[str, int], None]
    ) -> None:
        layers = self._layers(quick)
        results = stages.measure(layers, lambda text: told(text, len(layers)))
        for one in results.layers:
            one.times, one.planned_times = [one.seconds], [one.seconds - one.packing_seconds]
        results.save(folder, f"{self.name}.json")

    def draw(self, folder: Path) -> None:
        """Draw nothing: the report of layers has bars of them."""

    def texts(self, folder: Path) -> dict[str, str]:
        """Return the table by the part's name, and each share as ``<name>.<layer>.<stage>``."""
        results = self._load(folder)
        found = {self.name: _table(results)}
        for one in results.layers:
            for stage in ORDER:
                name = f"{self.name}.{one.layer.name}.{stage.replace(' ', '-')}"
                found[name] = _share(one, stage)
        return found

    def _layers(self, quick: bool) -> tuple[Layer, ...]:
        return self.layers[: 1 if quick else None]

    def _load(self, folder: Path) -> StageResults:
        return load(folder / f"{self.name}.json", StageResults)


def _table(results: StageResults) -> str:
    present = [stage for stage in ORDER if any(stage in one.measured for one in results.layers)]
    lines = [
        line(["layer", "kernel", "ms", "reckoned", "more than a plan's", *present]),
        line(["---", "---"] + ["--:"] * (3 + len(present))),
    ]
    for one in results.layers:
        times = (one.seconds, sum(one.predicted.values()), one.packing_seconds)
        lines.append(
            line(
                [
                    f"{one.layer.name}, {one.layer.shape_text()}",
                    one.kernel,
                    *(f"{1e3 * seconds:.3g}" for seconds in times),
                    *(_share(one, stage) for stage in present),
                ]
            )
        )
    counted = all(one.is_counted for one in results.layers)
    sets = set().union(*(one.counted_with for one in results.layers))
    how = (
        f"Shares of instructions, counted by valgrind with {' and '.join(sorted(sets))}, of whose "
        "kernels another may be chosen"
        if counted
        else "Without valgrind packing alone is told apart, as the difference to a plan"
    )
    troubles = [f"{one.layer.name}: {one.trouble}" for one in results.layers if one.trouble]
    where = f"{results.machine['cpu']}, 1 thread, {results.created[:10]}. {how}."
    return "\n".join([*lines, "", where, *troubles])


def _share(one: LayerStages, stage: str) -> str:
    seconds = one.measured.get(stage)
    return "–" if seconds is None else f"{100 * seconds / one.seconds:.0f} %"
