"""The parts of the study: what is run for it, and what its results say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from benchmarks.compilers.part import CompilersPart
from benchmarks.ladder import charts, climb
from benchmarks.ladder import command as ladder
from benchmarks.ladder.results import LadderResults
from benchmarks.ladder.rows import COLUMNS, rows
from benchmarks.ladder.table import noise_sentence
from benchmarks.maps.part import MapsPart
from benchmarks.measuring.files import ResultsError, load
from benchmarks.measuring.machine import is_same
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from benchmarks.problems.layers import LAYERS
from benchmarks.reporting.figures import PAPER, WIDE
from benchmarks.reporting.sentences import count
from benchmarks.reporting.templating import figure
from benchmarks.study import tables
from benchmarks.study.call_stages import StagesPart
from benchmarks.study.columns import ColumnsPart
from benchmarks.study.comparison import ComparisonPart, few_taps
from benchmarks.study.errors import ErrorsPart
from benchmarks.study.images_part import ImagesPart
from benchmarks.study.markdown import line
from benchmarks.study.model import ModelPart
from benchmarks.study.network_part import NetworkPart
from benchmarks.study.pooling_part import PoolingPart
from benchmarks.study.saving import save_chart
from benchmarks.study.traffic import TrafficPart
from benchmarks.sweep.problems import UNSEEN_SEED

__all__ = ["PARTS", "LadderPart", "Part"]

# Told what happens next, of how many steps in all.
Told = Callable[[str, int], None]


class Part(Protocol):
    """Something that is run for the study. Its file is ``<name>.json``."""

    @property
    def name(self) -> str:
        """What it is called, in markers and files."""

    def is_there(self, folder: Path, machine: Mapping[str, Any], threads: int, quick: bool) -> bool:
        """Whether a folder has its results, of this machine, these threads and this effort."""

    def run(self, folder: Path, threads: int, quick: bool, told: Told) -> None:
        """Run it, and write its file."""

    def draw(self, folder: Path) -> None:
        """Draw its charts, from its file, beside it."""

    def texts(self, folder: Path) -> dict[str, str]:
        """Return what its file says: what a marker may name → what then stands there."""


class LadderPart:
    """A climb of one layer in one direction."""

    def __init__(self, layer: str, direction: Direction = "forward") -> None:
        self.layer: Layer = next(one for one in LAYERS if one.name == layer)
        self.direction: Direction = direction
        self.name = f"ladder-{layer}" + ("" if direction == "forward" else f".{direction}")

    def is_there(self, folder: Path, machine: Mapping[str, Any], threads: int, quick: bool) -> bool:
        try:
            results = self._load(folder)
        except ResultsError:
            return False
        found = results.the_layer, results.direction, results.threads, results.is_quick
        return is_same(results.machine, machine) and found == (
            self.layer,
            self.direction,
            threads,
            quick,
        )

    def run(self, folder: Path, threads: int, quick: bool, told: Told) -> None:
        effort = climb.QUICK if quick else climb.FULL
        results = ladder.measure(self.layer, self.direction, threads, effort, told)
        results.save(folder, f"{self.name}.json")

    def draw(self, folder: Path) -> None:
        save_chart(charts.draw(self._load(folder), WIDE, PAPER), folder / f"{self.name}.svg")

    def texts(self, folder: Path) -> dict[str, str]:
        """Return the table by the part's name, and each figure as ``<name>.<rung>.<figure>``."""
        results = self._load(folder)
        found = {self.name: _table(results), f"{self.name}.cpu": results.machine["cpu"]}
        if results.noise is not None:
            found[f"{self.name}.noise"] = f"{100 * results.noise:.0f} %"
        for row in rows(results):
            rung = f"{self.name}.{row.step.rung.replace(' ', '-')}"
            found |= {
                f"{rung}.gflops": figure(row.step.gflops),
                f"{rung}.predicted": row.predicted,
                f"{rung}.of-peak": f"{row.of_peak} %",
                f"{rung}.before": row.before,
                f"{rung}.instructions": row.instructions,
                f"{rung}.error": row.error,
            }
        return found

    def _load(self, folder: Path) -> LadderResults:
        return load(folder / f"{self.name}.json", LadderResults)


FEW_TAPS = tuple(layer for layer in LAYERS if few_taps(layer))
VGG = tuple(layer for layer in LAYERS if layer.network == "VGG-16")

# In the order of the chapters.
PARTS: tuple[Part, ...] = (
    LadderPart("resnet50.res2_3x3"),
    LadderPart("vgg16.conv4_2"),
    LadderPart("resnet50.res2_3x3", "weight-grad"),
    ColumnsPart(
        name="lanes", direction="forward", layers=tables.LANES, threads=1,
        columns=tables.OF_LANES, seconds=2.0,
    ),
    MapsPart(),
    ColumnsPart(
        name="input-grad", direction="input-grad", layers=(*tables.GRADIENTS, *tables.PATCHES),
        threads=1, columns=tables.OF_GRADIENTS, seconds=4.0, drawn=True,
    ),
    ColumnsPart(
        name="weight-grad", direction="weight-grad", layers=tables.GRADIENTS, threads=1,
        columns=tables.OF_GRADIENTS, seconds=4.0,
    ),
    TrafficPart(
        name="depthwise", direction="forward", layers=tables.DEPTHWISE, threads=1,
        columns=tables.KERNELS_OF_DEPTHWISE, drawn=True,
    ),
    ColumnsPart(
        name="tiles", direction="forward", layers=tables.TILES, threads=1,
        columns=tables.OF_TILES, seconds=5.0, drawn=True,
    ),
    ColumnsPart(
        name="weight-tiles", direction="weight-grad", layers=tables.WEIGHT_TILES, threads=1,
        columns=tables.OF_WEIGHT_TILES, seconds=5.0,
    ),
    ErrorsPart(
        name="errors-tiles", direction="forward", problems=tables.TILE_SUMS,
        columns=tables.ERRORS_OF_TILES,
    ),
    ErrorsPart(
        name="errors-weights", direction="weight-grad", problems=tables.WEIGHT_SUMS,
        columns=tables.ERRORS_OF_WEIGHTS,
    ),
    ErrorsPart(
        name="errors", direction="forward", problems=tables.LONG_SUMS, columns=tables.ERRORS,
        drawn=True,
    ),
    StagesPart("stages", tables.STAGES),
    ComparisonPart(name="few-taps.1", direction="forward", layers=FEW_TAPS, threads=1),
    ComparisonPart(name="few-taps.all", direction="forward", layers=FEW_TAPS),
    ComparisonPart(
        name="other-layers.1", direction="forward", layers=tables.OTHER_LAYERS, threads=1,
        seconds=4.0,
    ),
    ComparisonPart(
        name="other-layers.all", direction="forward", layers=tables.OTHER_LAYERS, seconds=4.0
    ),
    ComparisonPart(name="vgg-step", direction="step", layers=VGG),
    PoolingPart(name="pooling.1", threads=1),
    PoolingPart(name="pooling.all"),
    ImagesPart(name="images.1", threads=1),
    ImagesPart(name="images.all"),
    NetworkPart(name="network.1", threads=1),
    NetworkPart(name="network.all"),
    CompilersPart(),
    ModelPart(name="model.1", threads=1),
    ModelPart(name="model.unseen", threads=1, seed=UNSEEN_SEED),
    ModelPart(name="model.all"),
)  # fmt: skip


def _table(results: LadderResults) -> str:
    """Return the table of a climb in Markdown, and under it where it was measured."""
    name, *titles, went = COLUMNS
    titles = [name, "what changed", *titles, went]
    lines = [line(titles), line(["---"] * 2 + ["--:"] * 7 + ["---"])]
    climbed = {row.step.rung: row for row in rows(results)}
    for step in results.steps:
        if step.rung in climbed:
            name, *figures, went = climbed[step.rung].cells
            lines.append(line([name, step.changed, *figures, went]))
        elif step.status == "unsupported" and not step.twin_of:
            lines.append(line([f"{step.number} {step.rung}", step.reason, *["–"] * 8]))
    peaks = ", ".join(
        f"{name} {' and '.join(figure(peak) for peak in peaks.values())}"
        for name, peaks in results.rates["peaks"].items()
    )
    layer = results.the_layer
    return "\n".join(
        [
            f"`{layer.name}`, {layer.shape_text()}, {results.direction}:",
            "",
            *lines,
            "",
            f"{results.machine['cpu']}, {count(results.threads, 'thread')} from “threads” on, "
            f"{results.created[:10]}{', a quick run' if results.is_quick else ''}. Measured peaks "
            f"in GFLOP/s, by threads: {peaks}. {noise_sentence(results)}",
        ]
    )
