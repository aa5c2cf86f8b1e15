"""The report: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log10
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from benchmarks.contestants import all_contestants
from benchmarks.images.page import Shown
from benchmarks.images.results import ImageResults
from benchmarks.lenet.page import View
from benchmarks.lenet.results import LenetResults
from benchmarks.measuring.overhead import TINY
from benchmarks.measuring.results import Measurement, Results
from benchmarks.problems.directions import DIRECTIONS, WORK
from benchmarks.problems.presets import DEFAULT, FULL, QUICK
from benchmarks.reporting import (
    charts,
    fewer,
    figures,
    headline,
    noise,
    rivals,
    roofline,
    sentences,
    summaries,
)
from benchmarks.reporting.album import Album
from benchmarks.reporting.templating import environment, figure
from benchmarks.reporting.tradeoff import Tradeoff
from benchmarks.stages import chart
from benchmarks.stages.results import StageResults


def render(
    results: Results,
    pictures: Path,
    filtering: ImageResults | None = None,
    lenet: LenetResults | None = None,
    stages: StageResults | None = None,
) -> str:
    """Return the report of a run.

    Parameters
    ----------
    results, pictures
        The run, and the folder with its filtered photographs.
    filtering
        What ``python -m benchmarks images`` found, which has a section of its own.
    lenet
        The newest run of the whole network, if there has been one.
    stages
        The newest run of ``python -m benchmarks stages``, likewise.
    """
    made = environment()
    made.filters.update(kilobytes=_kilobytes)
    sections = [_Section(results, direction) for direction in results.directions]
    return made.get_template("report.html.j2").render(
        results=results,
        machine=results.machine,
        colours=charts.colours(results),
        equality=sentences.equality_sentence(results),
        warnings=sentences.warnings(results),
        sections=sections,
        has_choices=any(section.choices for section in sections),
        album=Album(results, pictures),
        images=None if filtering is None else Shown(filtering, heading="h3"),
        lenet=None if lenet is None else View(lenet),
        stages=stages,
        stages_chart=None if stages is None else _stages_chart(stages),
        command=_command(results),
        scratch_columns=list(dict.fromkeys(n for i in results.layers for n in i.scratch_bytes)),
        tiny=TINY,
        heat=_heat,
        tilt=_tilt,
    )


def _stages_chart(stages: StageResults) -> Markup | None:
    return figures.twice(lambda width: chart.draw(stages, width), "stages")


PRESETS = {preset.name: preset for preset in (QUICK, DEFAULT, FULL)}


def _command(results: Results) -> str:
    """Return the command line that repeats the run."""
    words = ["python -m benchmarks", f"--threads {results.threads}"]
    if results.preset != "default":
        words.append(f"--{results.preset}")
    if results.directions != ["forward"]:
        everything = set(results.directions) == set(DIRECTIONS)
        words.append(f"--direction {'all' if everything else ','.join(results.directions)}")
    layers = [info.name for info in results.layers]
    if set(layers) != set(PRESETS[results.preset].layers):
        words.append(f"--layers {','.join(layers)}")
    contestants = [info.name for info in results.contestants]
    if set(contestants) != {contestant.name for contestant in all_contestants()}:
        words.append(f"--backends {','.join(contestants)}")
    return " ".join(words)


class _Section:
    """What the template asks about one direction."""

    def __init__(self, results: Results, direction: str) -> None:
        self.direction = direction
        self.work = WORK[direction]
        # Of several directions not all is drawn, nor for telephones too: pages can be too large.
        self.is_alone = len(results.directions) == 1
        self.results = results
        self.headline = headline.headline(results, direction)
        self.losses = headline.losses(results, direction)
        self.sentence = sentences.speed_sentence(results, direction)
        self.noise = noise.noise(results, direction)
        self.tradeoff = Tradeoff(results, direction)
        self.savings = fewer.savings(results, direction)
        # What is lost comes first.
        self.rows = sorted(rivals.rows(results, direction), key=lambda row: row.ratio or inf)
        self.choices = rivals.choices(results, direction)
        self.has_rival = any(row.ratio is not None for row in self.rows)
        self.has_plan = any(row.planned_ratio is not None for row in self.rows)
        self.summaries = summaries.summaries(results, direction)
        self.idle = summaries.idle(results, direction)
        measured = {m.contestant for m in results.measurements if m.timed and self._mine(m)}
        self.columns = [
            info for info in results.present if info.name in measured and info.kind != "control"
        ]
        self.cuts = [m for m in results.measurements if self._mine(m) and m.timed and m.is_cut]
        self.failures = [m for m in results.measurements if self._mine(m) and m.status == "failed"]

    def _mine(self, measurement: Measurement) -> bool:
        return measurement.direction == self.direction

    def is_hidden(self, ratio: float) -> bool:
        """Whether a ratio is within the noise of the run."""
        return noise.is_hidden(self.noise, ratio)

    def rival(self, rival: Measurement) -> str:
        return rivals.rival_label(self.results, rival)

    def cell(self, row: rivals.Row, contestant: str) -> Measurement | None:
        return self.results.find(row.info.name, self.direction, contestant)

    def best(self, row: rivals.Row) -> float:
        return max((m.gflops for m in self.results.of(row.info.name, self.direction)), default=1.0)

    def chart(self, name: str) -> Markup | None:
        """Return the chart of that name, for wide and for narrow windows."""
        draw: Callable[[Results, str, float], Figure | None] = (
            roofline.draw if name == "roofline" else getattr(charts, name)
        )
        show = figures.twice if self.is_alone else figures.once
        return show(
            lambda width: draw(self.results, self.direction, width), f"{name} {self.direction}"
        )


def _kilobytes(value: float) -> str:
    return figure(value / 1e3) if value else "0"


def _heat(share: float) -> str:
    """Return the ground of a cell: full at the best of the row, gone at a hundredth of it."""
    strength = max(0.0, 1 + log10(share) / 2)
    return f"background: rgb(43 159 107 / {0.5 * strength**2:.2f})"


def _tilt(ratio: float) -> str:
    """Return the ground of a ratio: green above one, red below, stronger with the distance."""
    strength = min(1.0, abs(log10(ratio)) / log10(4))
    colour = "43 159 107" if ratio > 1 else "220 70 60"
    return f"background: rgb({colour} / {0.12 + 0.4 * strength:.2f})"
