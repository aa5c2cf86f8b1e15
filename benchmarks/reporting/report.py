"""The report: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from math import log10
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from benchmarks.contestants import all_contestants
from benchmarks.measuring.filtering import SHOWN_BY_ALL, picture_path
from benchmarks.measuring.overhead import TINY
from benchmarks.measuring.results import Measurement, PhotoResult, Results
from benchmarks.problems.directions import DIRECTIONS, WORK
from benchmarks.problems.pictures import FILTERS
from benchmarks.problems.presets import DEFAULT, FULL, QUICK
from benchmarks.reporting import analysis, charts, roofline

TEMPLATES = Path(__file__).parent / "templates"


def render(results: Results, pictures: Path) -> str:
    """Return the report of a run; `pictures` is the folder with its filtered photographs."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(figure=_figure, kilobytes=_kilobytes, count=analysis.count)
    sections = [_Section(results, direction) for direction in results.directions]
    return environment.get_template("report.html.j2").render(
        results=results,
        machine=results.machine,
        colours=charts.colours(results),
        equality=analysis.equality_sentence(results),
        warnings=analysis.warnings(results),
        sections=sections,
        has_choices=any(section.choices for section in sections),
        album=_Album(results, pictures),
        command=_command(results),
        scratch_columns=list(dict.fromkeys(n for i in results.layers for n in i.scratch_bytes)),
        tiny=TINY,
        heat=_heat,
        tilt=_tilt,
    )


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
        self.results = results
        self.sentence = analysis.speed_sentence(results, direction)
        self.rows = analysis.rows(results, direction)
        self.choices = analysis.choices(results, direction)
        self.has_rival = any(row.ratio is not None for row in self.rows)
        self.has_plan = any(row.planned_ratio is not None for row in self.rows)
        self.summaries = analysis.summaries(results, direction)
        self.idle = analysis.idle(results, direction)
        measured = {m.contestant for m in results.measurements if m.timed and self._mine(m)}
        self.columns = [info for info in results.present if info.name in measured]
        self.cuts = [m for m in results.measurements if self._mine(m) and m.timed and m.is_cut]
        self.failures = [m for m in results.measurements if self._mine(m) and m.status == "failed"]

    def _mine(self, measurement: Measurement) -> bool:
        return measurement.direction == self.direction

    def rival(self, rival: Measurement) -> str:
        return analysis.rival_label(self.results, rival)

    def cell(self, row: analysis.Row, contestant: str) -> Measurement | None:
        return self.results.find(row.info.name, self.direction, contestant)

    def best(self, row: analysis.Row) -> float:
        return max((m.gflops for m in self.results.of(row.info.name, self.direction)), default=1.0)

    def chart(self, name: str) -> Markup | None:
        """Return a chart twice, for wide and for narrow windows; CSS shows one of them."""
        draw: Callable[[Results, str, float], Figure | None] = (
            roofline.draw if name == "roofline" else getattr(charts, name)
        )
        drawn = []
        for size, width in (("wide", charts.WIDE), ("narrow", charts.NARROW)):
            figure = draw(self.results, self.direction, width)
            if figure is None:
                return None
            svg = charts.svg(figure, f"{name} {self.direction} {size}")
            drawn.append(f'<div class="{size}">{svg}</div>')
        return Markup("".join(drawn))


@dataclass(frozen=True)
class _Picture:
    """A picture as the page embeds it, and what stands below it."""

    source: str
    caption: str
    tiny: bool = False


class _Album:
    """The photographs of the report."""

    def __init__(self, results: Results, folder: Path) -> None:
        self._results = results
        self._folder = folder
        self.filters = [filter_.name for filter_ in FILTERS]
        self.photos = list(dict.fromkeys(result.photo for result in results.photos))
        self.contestants = [
            info
            for info in results.present
            if any(r.contestant == info.name and r.status != "unsupported" for r in results.photos)
        ]

    def series(self, photo: str) -> list[_Picture]:
        """Return the original and the picture of every filter, by the first backend of ours."""
        pictures = [_Picture(_embed(self._folder / f"{photo}.jpg"), "original")]
        ours = [info.name for info in self._results.present if info.kind == "fastconv"]
        for filter_ in self.filters:
            for name in ours:
                path = picture_path(self._folder, photo, filter_, name)
                result = self.result(photo, filter_, name)
                if path.exists() and result is not None and not result.is_cut:
                    pictures.append(_Picture(_embed(path), filter_))
                    break
        return pictures

    def everyone(self) -> list[_Picture]:
        """Return the same picture as each contestant made it."""
        pictures = []
        for info in self.contestants:
            path = picture_path(self._folder, *SHOWN_BY_ALL, info.name)
            result = self.result(*SHOWN_BY_ALL, info.name)
            if path.exists() and result is not None:
                pictures.append(_Picture(_embed(path), info.label, tiny=result.is_cut))
        return pictures

    def result(self, photo: str, filter_: str, contestant: str) -> PhotoResult | None:
        wanted = (photo, filter_, contestant)
        return next(
            (r for r in self._results.photos if (r.photo, r.filter, r.contestant) == wanted), None
        )


def _embed(path: Path) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()


def _figure(value: float) -> str:
    """Write a figure with three digits, never in powers of ten."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else "<0.001"


def _kilobytes(value: float) -> str:
    return _figure(value / 1e3) if value else "0"


def _heat(share: float) -> str:
    """Return the ground of a cell: full at the best of the row, gone at a hundredth of it."""
    strength = max(0.0, 1 + log10(share) / 2)
    return f"background: rgb(43 159 107 / {0.5 * strength**2:.2f})"


def _tilt(ratio: float) -> str:
    """Return the ground of a ratio: green above one, red below, stronger with the distance."""
    strength = min(1.0, abs(log10(ratio)) / log10(4))
    colour = "43 159 107" if ratio > 1 else "220 70 60"
    return f"background: rgb({colour} / {0.12 + 0.4 * strength:.2f})"
