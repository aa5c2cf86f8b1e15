"""A part of the study made of layers: who takes turns at them, by the command of all runs.

    LayersPart ── ComparisonPart    ours beside the best of all others, losing rows first
              └── ColumnsPart       one column for each who is named: kernels, tiles, a library
                    └── TrafficPart     and the bytes that a layer has to move

What a file keeps is what tables tell: three times for each who took a turn, and nobody who refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.contestants import Contestant, everybody
from benchmarks.measuring.files import ResultsError, load
from benchmarks.measuring.machine import is_same
from benchmarks.measuring.results import Measurement, Results
from benchmarks.measuring.runner import Runner
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from benchmarks.problems.presets import Preset
from benchmarks.reporting.sentences import count
from benchmarks.reporting.templating import figure
from benchmarks.study.sources import who_was_there

__all__ = ["LIBRARIES", "LayersPart", "gflops", "two_digits"]

ROUNDS = 5
LONGEST_CALL = 0.25
QUICK_LAYERS, QUICK_SECONDS = 2, 2.0
LIBRARIES = ("torch*", "onnxruntime", "openvino", "ncnn")


@dataclass(frozen=True, kw_only=True)
class LayersPart(ABC):
    """Layers in one direction, and who else convolves.

    Attributes
    ----------
    name : str
    direction : str
    layers : tuple of Layer
    threads : int or None
        Of everyone; None for as many as the study is run with.
    seconds : float
        For a layer, all who take turns together.
    """

    ERRORS: ClassVar = "in units of u·(Σ|w||x|+|b|)"

    name: str
    direction: Direction
    layers: tuple[Layer, ...]
    threads: int | None = None
    seconds: float = 6.0

    @property
    @abstractmethod
    def wanted(self) -> tuple[str, ...]:
        """Names, or patterns of them, of who takes part."""

    @abstractmethod
    def texts(self, folder: Path) -> dict[str, str]:
        """Return what the file says: what a marker may name → what then stands there."""

    def is_there(self, folder: Path, machine: Mapping[str, Any], threads: int, quick: bool) -> bool:
        try:
            results = self.load(folder)
        except ResultsError:
            return False
        preset = self._preset(quick)
        found = results.threads, results.preset, [info.name for info in results.layers]
        asked = self.threads or threads, preset.name, list(preset.layers)
        return is_same(results.machine, machine) and found == asked

    def run(
        self, folder: Path, threads: int, quick: bool, told: Callable[[str, int], None]
    ) -> None:
        preset = self._preset(quick)
        layers = self.layers[: len(preset.layers)]
        with Runner(
            self.contestants(), layers, [self.direction], preset, self.threads or threads
        ) as runner:
            steps = runner.steps()
            results = runner.run(lambda text: told(text, steps), lambda *_: None)
        _thin_out(results)
        results.save(folder, f"{self.name}.json")

    def draw(self, folder: Path) -> None:  # noqa: B027 - not forgotten
        """Draw nothing: a table is all there is."""

    def contestants(self) -> list[Contestant]:
        """Return who takes part, absent ones included."""
        return [
            one
            for one in everybody()
            if any(fnmatchcase(one.name, pattern) for pattern in self.wanted)
        ]

    def load(self, folder: Path) -> Results:
        return load(folder / f"{self.name}.json", Results)

    def where(self, results: Results) -> str:
        """Return the sentences under a table: where, when, who was there and who was not."""
        is_quick = results.preset == self._preset(True).name
        text = (
            f"{results.machine['cpu']}, {count(results.threads, 'thread')}, {self.direction}, "
            f"{results.created[:10]}{', a quick run' if is_quick else ''}; GFLOP/s of direct sums, "
            f"medians of turns. {who_was_there(results.contestants)}"
        )
        return text.rstrip()

    def _preset(self, quick: bool) -> Preset:
        layers = tuple(layer.name for layer in self.layers)
        if quick:
            return Preset("study, quick", layers[:QUICK_LAYERS], QUICK_SECONDS, 1, LONGEST_CALL)
        return Preset("study", layers, self.seconds * len(layers), ROUNDS, LONGEST_CALL)


def gflops(measurement: Measurement | None) -> str:
    """Return the GFLOP/s of a measurement; a stroke where there is none."""
    return "–" if measurement is None else figure(measurement.gflops)


def two_digits(value: float | None) -> str:
    """Return a ratio with two digits behind the point; a stroke where there is none."""
    return "–" if value is None else f"{value:.2f}"


def _thin_out(results: Results) -> None:
    """Leave out what no table tells: thousands of times would fill the repository."""
    results.measurements = [one for one in results.measurements if one.status != "unsupported"]
    for info in results.layers:
        info.explanation = ""
    for one in results.contestants:
        one.pools = []
    for measurement in results.measurements:
        if measurement.timed:
            low, high = measurement.quartiles
            measurement.times = [low, measurement.seconds, high]
        if not measurement.is_cut:
            measurement.problem = {}
