"""What a run shows while it works: a progress bar, a row per layer, a summary."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.measuring.results import Measurement, Results
from benchmarks.problems.directions import MARKS, Direction
from benchmarks.problems.layer import Layer
from benchmarks.reporting import headline, noise, rivals, sentences, summaries

# Widths are fixed, since rows appear one by one; together they fit into 80 columns.
COLUMNS = (
    ("layer", 27, "left"),
    ("auto takes", 11, "left"),
    ("GFLOP/s", 7, "right"),
    ("of peak", 7, "right"),
    ("best other", 15, "right"),
    ("ratio", 6, "right"),
)


class Terminal:
    """Progress at the bottom, finished rows above it; plain lines where there is no terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=None)
        self._headed = False

    def __enter__(self) -> Terminal:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def expect(self, steps: int) -> None:
        self._progress.update(self._task, total=steps)

    def step(self, text: str) -> None:
        self._progress.update(self._task, description=f"{text:.44}", advance=1)

    def row_done(self, results: Results, layer: Layer, direction: Direction) -> None:
        """Print the row of a layer that has just been finished."""
        if not self._headed:
            self._print_head(results)
            self._headed = True
        info = next(info for info in results.layers if info.name == layer.name)
        row = rivals.row(results, info, direction)
        name = layer.name + MARKS[direction]
        peak = results.peak_gflops
        ours = row.ours
        ratio = "–" if row.ratio is None else _ratio(row.ratio)
        colour = "green" if row.ratio is not None and row.ratio > 1 else "red"
        self._print_row(
            name,
            info.chosen[direction],
            _figure(ours),
            "–" if ours is None or peak is None else f"{ours.gflops / peak:.0%}",
            f"{_short(results, row.rival)} {_figure(row.rival)}" if row.rival else "–",
            ratio if row.ratio is None else f"[{colour}]{ratio}[/]",
        )
        for m in results.measurements:
            if (m.layer, m.direction) != (layer.name, direction):
                continue
            if m.status == "failed":
                self.console.print(f"  [red]{m.contestant} failed: {escape(m.reason)}[/]")
            elif m.status == "ok" and not m.correct:
                self.console.print(f"  [red]{m.contestant} is NOT correct: {_wrong(m)}[/]")

    def finish(self, results: Results) -> None:
        """Print the summary of the run."""
        for direction in results.directions:
            self.console.print()
            if summaries.summaries(results, direction):
                self.console.print(_summary(results, direction))
            for sentence in summaries.idle(results, direction):
                self.console.print(sentence)
            said = (
                headline.headline(results, direction),
                sentences.speed_sentence(results, direction),
            )
            for sentence in dict.fromkeys(said):
                self.console.print(sentence)
            found = noise.noise(results, direction)
            if found is not None:
                self.console.print(found.sentence)
        self.console.print(sentences.equality_sentence(results))
        for warning in sentences.warnings(results):
            self.console.print(f"[yellow]{escape(warning)}[/]")
        for info in results.absent:
            if not info.is_broken:  # who is broken has been warned of
                self.console.print(f"{info.label}: {info.absence}")

    def _print_head(self, results: Results) -> None:
        machine = results.machine
        peak = f", measured peak {results.peak_gflops:.0f} GFLOP/s" if results.peak_gflops else ""
        threads = sentences.count(results.threads, "thread")
        self.console.print(f"{machine['cpu']}, {threads}, float32{peak}")
        self.console.print("✂: a smaller cut of the layer, for those who would take too long")
        self._print_row(*(f"[bold]{title}[/]" for title, _, _ in COLUMNS))

    def _print_row(self, *cells: str) -> None:
        table = Table(show_header=False, box=None, padding=(0, 1, 0, 0))
        for _, width, justify in COLUMNS:
            table.add_column(width=width, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        table.add_row(*cells)
        self.console.print(table)


def _ratio(ratio: float) -> str:
    return f"{ratio:.2f}×" if ratio < 10 else f"{ratio:.0f}×"


def _figure(measurement: Measurement | None) -> str:
    if measurement is None:
        return "–"
    return f"{measurement.gflops:.1f}{'✂' if measurement.is_cut else ''}"


def _short(results: Results, measurement: Measurement) -> str:
    return {
        "torch-channels-last": "torch-cl",
        "torch-prepacked": "torch-pp",
        "onnxruntime": "onnxrt",
    }.get(measurement.contestant, measurement.contestant)


def _wrong(measurement: Measurement) -> str:
    if measurement.exact is False:
        return "integers differ"
    return f"error {measurement.error:.1f} u·(Σ|w||x|+|b|), at most {measurement.allowed_error:.0f}"


def _summary(results: Results, direction: str) -> Table:
    table = Table(title=f"{direction}, geometric mean over the layers that each one does")
    for title, justify in (
        ("contestant", "left"),
        ("layers", "right"),
        ("cut", "right"),
        ("GFLOP/s", "right"),
        ("results", "left"),
    ):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    for line in summaries.summaries(results, direction):
        table.add_row(
            line.label,
            str(line.layers),
            str(line.cuts),
            "–" if line.gflops is None else f"{line.gflops:.3g}",
            _verdict(line),
        )
    return table


def _verdict(line: summaries.Summary) -> str:
    problems: Sequence[str] = [
        text
        for count, text in (
            (line.incorrect, f"[red]{line.incorrect} NOT correct[/]"),
            (line.failed, f"[red]{line.failed} failed[/]"),
        )
        if count
    ]
    return ", ".join(problems) or "all correct"
