"""A part of the study: fastconv beside other libraries on layers of one kind, by one command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.contestants import all_contestants
from benchmarks.measuring.files import ResultsError, load
from benchmarks.measuring.results import Measurement, Results, geometric_mean
from benchmarks.measuring.runner import Runner
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from benchmarks.problems.layers import LAYERS
from benchmarks.problems.presets import Preset
from benchmarks.reporting.rivals import Row, ratio, rows
from benchmarks.reporting.sentences import count
from benchmarks.reporting.templating import figure
from benchmarks.study.markdown import line

__all__ = ["ComparisonPart", "few_taps"]

SECONDS_A_LAYER = 6.0
ROUNDS = 5
LONGEST_CALL = 0.25
# Our own: what `auto` takes, with weights as they are and packed ahead, and the direct product.
OURS = ("auto", "auto-again", "plan", "gemm")
LIBRARIES = ("torch*", "onnxruntime", "openvino", "ncnn")
HEAD = ("layer", "plan", "call", "direct", "best other", "other / plan", "call / PyTorch", "error")


def few_taps(layer: Layer) -> bool:
    """Whether fewer multiplications may be at work: small kernels at stride 1, ungrouped."""
    return (
        layer.stride in (1, (1, 1))
        and layer.groups == 1
        and set(layer.kernel_size) <= {1, 3, 5, 7}
        and layer.kernel_size != (1, 1)
    )


@dataclass(frozen=True)
class ComparisonPart:
    """Layers in one direction, and who else convolves.

    Attributes
    ----------
    name : str
    direction : str
    chosen : callable
        Which of all layers.
    threads : int or None
        Of everyone; None for as many as the study is run with.
    """

    name: str
    direction: Direction
    chosen: Callable[[Layer], bool]
    threads: int | None = None

    def is_there(self, folder: Path, machine: Mapping[str, Any], threads: int, quick: bool) -> bool:
        try:
            results = self._load(folder)
        except ResultsError:
            return False
        return (results.machine["cpu"], results.threads, results.preset) == (
            machine["cpu"], self.threads or threads, self._preset(quick).name,
        )  # fmt: skip

    def run(
        self, folder: Path, threads: int, quick: bool, told: Callable[[str, int], None]
    ) -> None:
        wanted = (*OURS, *LIBRARIES)
        contestants = [
            one
            for one in all_contestants()
            if any(fnmatchcase(one.name, pattern) for pattern in wanted)
        ]
        layers = self._layers()[: 2 if quick else None]
        with (
            TemporaryDirectory() as pictures,
            Runner(
                contestants, layers, [self.direction], self._preset(quick), self.threads or threads
            ) as runner,
        ):
            steps = runner.steps()
            results = runner.run(lambda text: told(text, steps), lambda *_: None, Path(pictures))
        results.photos = []
        for measurement in results.measurements:
            if measurement.timed:  # what tables tell; thousands of times would fill the repository
                low, high = measurement.quartiles
                measurement.times = [low, measurement.seconds, high]
        results.save(folder, f"{self.name}.json")

    def draw(self, folder: Path) -> None:
        """Draw nothing: a table is all there is."""

    def texts(self, folder: Path) -> dict[str, str]:
        """Return the table by the part's name, and its means as ``<name>.<mean>``."""
        results = self._load(folder)
        compared = rows(results, self.direction)
        means = {
            "planned": [row.planned_ratio for row in compared],
            "called": [ratio(row.ours, row.pytorch) for row in compared],
            "direct": [ratio(_plan(row), self._of(results, row, "gemm")) for row in compared],
        }
        found = {self.name: self._table(results, compared)}
        for name, ratios in means.items():
            there = [one for one in ratios if one is not None]
            found[f"{self.name}.{name}"] = _figure(geometric_mean(there))
            found[f"{self.name}.{name}.least"] = _figure(min(there, default=None))
        return found

    def _table(self, results: Results, compared: Sequence[Row]) -> str:
        """Return the table, lost rows first, and under it where it was measured."""
        lines = [line(HEAD), line(["---"] + ["--:"] * 3 + ["---"] + ["--:"] * 3)]
        for row in sorted(compared, key=lambda row: row.planned_ratio or 0.0):
            direct = self._of(results, row, "gemm")
            best = row.best
            lines.append(
                line(
                    [
                        f"{row.info.name}, {row.info.layer.shape_text()}",
                        *(_gflops(one) for one in (_plan(row), row.ours, direct)),
                        "–"
                        if best is None
                        else f"{results.label(best.contestant)} {_gflops(best)}",
                        _figure(ratio(_plan(row), best)),
                        _figure(ratio(row.ours, row.pytorch)),
                        f"{_error(_plan(row) or row.ours)} / {_error(best)}",
                    ]
                )
            )
        present = ", ".join(f"{info.label} {info.version}".strip() for info in results.present)
        return "\n".join(
            [
                *lines,
                "",
                f"{results.machine['cpu']}, {count(results.threads, 'thread')}, {self.direction}, "
                f"{results.created[:10]}; GFLOP/s of direct sums, medians of turns. Errors: the "
                "largest against float64, of ours / of the other, in units of u·(Σ|w||x|+|b|). "
                f"Here were {present}.",
            ]
        )

    def _of(self, results: Results, row: Row, contestant: str) -> Measurement | None:
        return next(
            (m for m in results.of(row.info.name, self.direction) if m.contestant == contestant),
            None,
        )

    def _layers(self) -> list[Layer]:
        return [layer for layer in LAYERS if self.chosen(layer)]

    def _preset(self, quick: bool) -> Preset:
        layers = tuple(layer.name for layer in self._layers())
        if quick:
            return Preset("study, quick", layers[:2], 2.0, 1, LONGEST_CALL)
        return Preset("study", layers, SECONDS_A_LAYER * len(layers), ROUNDS, LONGEST_CALL)

    def _load(self, folder: Path) -> Results:
        return load(folder / f"{self.name}.json", Results)


def _plan(row: Row) -> Measurement | None:
    """Return ours with weights packed ahead; gradients, which have no plan, as they are called."""
    return row.planned or row.ours


def _gflops(measurement: Measurement | None) -> str:
    return "–" if measurement is None else figure(measurement.gflops)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _error(measurement: Measurement | None) -> str:
    return "–" if measurement is None or measurement.error is None else f"{measurement.error:.2g}"
