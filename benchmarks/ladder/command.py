"""``python -m benchmarks ladder``: climb, then the table, the file, the page."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from benchmarks.arguments import (
    Commands,
    Room,
    UsageError,
    add_common,
    add_quick,
    chosen_layers,
    directions,
    run_folder,
)
from benchmarks.ladder import climb, page, table
from benchmarks.ladder.climber import all_climbers
from benchmarks.ladder.results import LadderResults
from benchmarks.ladder.rung import DIRECTIONS
from benchmarks.measuring import machine
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

__all__ = ["LAYER", "PAGE_FILE", "ROOM", "measure", "run", "show"]

# Whose layer is climbed unless another is named.
LAYER = "resnet50.res2_3x3"
PAGE_FILE = "ladder.html"


def add_parser(commands: Commands) -> None:
    """Add the parser of this command."""
    parser = commands.add_parser(
        "ladder",
        help="compute a layer in one way after another, from the definition to the peak",
        description="Climbs from loops in Python to the peak of the processor, each rung one "
        "change, predicted and measured. Shows a table, writes ladder.json and an HTML page, and "
        "prints the path of the page as its last line.",
    )
    parser.set_defaults(run=_run, takes=("threads", "output", "quick", "direction"))
    add_common(parser, "ladder")
    add_quick(parser, "a smaller cut for most, and nothing is counted; in seconds")
    parser.add_argument("--layer", metavar="NAME", default=LAYER, help="default: %(default)s")
    parser.add_argument(
        "--direction",
        type=directions,
        metavar="NAME",
        default=argparse.SUPPRESS,
        help=f"one of {', '.join(DIRECTIONS)} (default: forward)",
    )


def _run(options: argparse.Namespace) -> int:
    if len(options.direction) != 1 or options.direction[0] not in DIRECTIONS:
        raise UsageError(f"--direction: one of {', '.join(DIRECTIONS)}, for a ladder")
    (layer, *others) = chosen_layers(options.layer)
    if others:
        names = ", ".join(one.name for one in (layer, *others))
        raise UsageError(f"--layer: one at a time, not {names}")
    effort = climb.QUICK if options.quick else climb.FULL
    folder = run_folder(options, "-ladder")
    return run(folder, layer, options.direction[0], options.threads, effort)


def run(
    folder: Path, layer: Layer, direction: Direction, threads: int, effort: climb.Effort
) -> int:
    """Climb, write file and page into a folder, show the table; 1 where a result is wrong.

    Parameters
    ----------
    folder
        Where ladder.json and ladder.html go.
    layer, direction
        What is computed.
    threads
        Of the rungs that run on several.
    effort
        How long it may take.
    """
    console = Console(highlight=False)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def told(text: str, steps: int) -> None:
            progress.update(task, description=f"{text:.40}", total=steps, advance=1)

        results = measure(layer, direction, threads, effort, told)
    results.save(folder)
    return show(results, folder)


def measure(
    layer: Layer,
    direction: Direction,
    threads: int,
    effort: climb.Effort,
    told: Callable[[str, int], None],
) -> LadderResults:
    """Climb, and return what was found out; `told` what happens next, of how many steps."""
    began = perf_counter()
    results = LadderResults(
        created=datetime.now().isoformat(timespec="seconds"),
        layer=layer.as_dict(),
        direction=direction,
        threads=threads,
        is_quick=effort is climb.QUICK,
        machine=machine.describe(),
    )
    with climb.Climb(all_climbers(), layer, direction, effort, threads) as climbing:
        climbing.run(results, lambda text: told(text, climbing.steps()))
    results.seconds = perf_counter() - began
    return results


def show(results: LadderResults, folder: Path) -> int:
    """Show a climb, and write its page into a folder; 1 where a result is wrong."""
    table.show(results, Console(highlight=False))
    path = folder / PAGE_FILE
    path.write_text(page.render(results), "utf-8")
    print(path.resolve())
    return 0 if results.all_right else 1


ROOM = Room(add_parser, LadderResults, lambda results, path: show(results, path.parent))
