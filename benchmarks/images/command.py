"""``python -m benchmarks images``: run, show, write."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.arguments import Commands, Room, add_common, add_quick, run_folder
from benchmarks.images import page, table
from benchmarks.images.cases import Case, all_cases
from benchmarks.images.contestants import all_contestants
from benchmarks.images.results import ImageResults
from benchmarks.images.runner import DEFAULT, QUICK, ImageRunner

__all__ = ["PAGE_FILE", "ROOM", "run", "write_page"]

PAGE_FILE = "images.html"


def add_parser(commands: Commands) -> None:
    """Add the parser of this command."""
    parser = commands.add_parser(
        "images", help="filter photographs, beside OpenCV and SciPy; writes images.html"
    )
    parser.set_defaults(run=_run, takes=("threads", "output", "quick"))
    add_common(parser, "images")
    add_quick(parser, "small photographs, few kernels; in seconds")


def _run(options: argparse.Namespace) -> int:
    return run(run_folder(options, "-images"), options.threads, quick=options.quick)


def run(folder: Path, threads: int, *, quick: bool) -> int:
    """Measure, write results and page into `folder`; 1 where a result is wrong."""
    console = Console(highlight=False)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    runner = ImageRunner(
        all_contestants(), all_cases(quick=quick), QUICK if quick else DEFAULT, threads
    )
    with progress, runner:
        bar = progress.add_task("starting", total=runner.steps())

        def step(text: str) -> None:
            progress.update(bar, description=f"{text:.44}", advance=1)

        def case_done(results: ImageResults, case: Case) -> None:
            table.show_case(results, case, console)

        results = runner.run(step, case_done)
    results.save(folder)
    table.show_end(results, console)
    return write_page(results, folder)


def write_page(results: ImageResults, folder: Path) -> int:
    """Write the page of a run, print where it is; 1 where a result is wrong."""
    path = folder / PAGE_FILE
    path.write_text(page.render(results), "utf-8")
    print(path.resolve())
    return 0 if results.all_correct else 1


ROOM = Room(add_parser, ImageResults, lambda results, path: write_page(results, path.parent))
