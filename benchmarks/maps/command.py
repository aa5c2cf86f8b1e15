"""``python -m benchmarks maps``: all cells take turns; then the file, the table, the page."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from benchmarks.arguments import Commands, Room, add_common, add_quick, run_folder
from benchmarks.contestants import internals
from benchmarks.maps import page, regions, table
from benchmarks.maps.atlas import BY_NAME, IM2COL, LOOPS, MAPS, Map
from benchmarks.maps.results import Cell, LayerCaches, LayerColumns, MapsResults
from benchmarks.maps.taking import Sides
from benchmarks.measuring import machine
from benchmarks.measuring.process import Failed
from benchmarks.problems.layer import Layer
from benchmarks.problems.layers import LAYERS

__all__ = ["PAGE_FILE", "ROOM", "measure", "run", "show"]

PAGE_FILE = "maps.html"
# Of several threads whoever else works on the machine counts: there are more turns to choose from.
ROUNDS, ROUNDS_OF_THREADS, QUICK_ROUNDS = 5, 15, 1
# Who is reckoned to take so many times as long as the fastest is not timed, but for im2col and
# plain loops, which are what the maps are about; nor is whose call is reckoned to take longer.
HOPELESS = 3.0
ALWAYS = (LOOPS.backend, IM2COL.backend)
LONGEST_CALL, QUICK_LONGEST_CALL = 0.2, 0.004
# Every so many cells the rates are measured again; the best counts.
RATES_EVERY = 24

# Whose columns are measured: windows that overlap much, little and not at all, many channels, few.
COLUMNS = (
    "resnet50.conv1", "resnet50.res2_1x1", "resnet50.res2_3x3", "resnet50.res5_3x3",
    "vgg16.conv1_2", "googlenet.5x5_35", "convnext.dw96_56", "alexnet.conv1",
)  # fmt: skip
# Whose calls are timed with cold caches.
CACHES = ("resnet50.res2_3x3", "resnet50.res4_1x1", "resnet50.res5_3x3", "mobilenetv2.dw192_28")


def add_parser(commands: Commands) -> None:
    """Add the parser of this command."""
    parser = commands.add_parser(
        "maps",
        help="map where loops, im2col, the packed product, stencils and Winograd are ahead",
        description="Times everybody who may win on eight maps of 6×6 layers, and draws who was "
        "the fastest, under the lines where the model says that this changes; im2col's memory, "
        "and cold caches. Shows a table, writes maps.json and an HTML page, and prints the path "
        "of the page as its last line. A minute or two.",
    )
    parser.set_defaults(run=_run, takes=("threads", "output", "quick"))
    add_common(parser, "maps")
    add_quick(parser, "a corner of each map, to see that it works; in seconds")


def _run(options: argparse.Namespace) -> int:
    return run(run_folder(options, "-maps"), options.threads, quick=options.quick)


def run(folder: Path, threads: int, *, quick: bool = False) -> int:
    """Measure, write file and page into a folder, show the table; 1 where somebody failed.

    Parameters
    ----------
    folder
        Where maps.json and maps.html go.
    threads
        Of the maps of all threads.
    quick
        Whether a corner of each map will do.
    """
    console = Console(highlight=False)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=None)

        def told(text: str, steps: int) -> None:
            progress.update(task, description=f"{text:.44}", total=steps, advance=1)

        results = measure(threads, told, quick=quick)
    results.save(folder)
    return show(results, folder / results.FILE)


def show(results: MapsResults, path: Path) -> int:
    """Show a run, and write its page beside its file; 1 where somebody failed."""
    table.show(results, Console(highlight=False))
    page_path = path.parent / PAGE_FILE
    page_path.write_text(page.render(results), "utf-8")
    print(page_path.resolve())
    return 0 if results.all_right else 1


def measure(
    threads: int, told: Callable[[str, int], None], *, quick: bool = False,
    maps: Sequence[Map] = MAPS,
) -> MapsResults:  # fmt: skip
    """Measure everything; `told` what happens next, of how many steps."""
    began = perf_counter()
    results = MapsResults(
        created=datetime.now().isoformat(timespec="seconds"),
        threads=threads,
        is_quick=quick,
        machine=machine.describe(),
    )
    # With one core, all threads are one.
    maps = [one for one in maps if threads > 1 or not one.all_threads]
    steps = sum(len(_points(one, quick=quick)) for one in maps) + len(COLUMNS) + len(CACHES)

    def step(text: str) -> None:
        told(text, steps)

    for all_threads in (False, True):
        some = [one for one in maps if one.all_threads is all_threads]
        if not some:
            continue
        with ExitStack() as stack:
            sides = Sides(threads if all_threads else 1, stack)
            results.failures += sides.failures
            try:
                rates = sides.rates()
                for one in some:
                    _map(results, sides, one, step, quick=quick)
                if not all_threads:
                    results.rates = rates
                    _columns(results, sides, step)
                    _caches(results, sides, step, quick=quick)
            except Failed as failure:
                results.failures.append(str(failure))
    results.seconds = perf_counter() - began
    return results


def _points(one: Map, *, quick: bool) -> list[tuple[int, int, Layer]]:
    """Return the cells of a map."""
    xs, ys = (axis.values[:2] if quick else axis.values for axis in (one.x, one.y))
    points = [(x, y, one.layer(x, y)) for y in ys for x in xs]
    return [(x, y, layer) for x, y, layer in points if layer is not None]


def _map(
    results: MapsResults, sides: Sides, one: Map, step: Callable[[str], None], *, quick: bool
) -> None:
    """Measure the cells of a map, then reckon them and the points between them."""
    points = _points(one, quick=quick)
    cells = []
    for number, (x, y, layer) in enumerate(points):
        step(f"{one.name}: {layer.name}")
        if number % RATES_EVERY == 0:
            sides.rates()
        able = [timing for timing in sides.everybody(layer) if timing.backend in BY_NAME]
        longest = QUICK_LONGEST_CALL if quick else LONGEST_CALL
        least = min(timing.predicted for timing in able)
        asked = [
            timing
            for timing in able
            if timing.predicted <= longest
            and (timing.predicted <= HOPELESS * least or timing.backend in ALWAYS)
        ]
        usual = ROUNDS if sides.threads == 1 else ROUNDS_OF_THREADS
        rounds = QUICK_ROUNDS if quick else usual
        # Whom the model names takes part twice: what the two differ by is this run's noise.
        named = min(asked, key=lambda timing: timing.predicted, default=None)
        control = [] if named is None else [replace(named, times=[])]
        results.failures += sides.take([*asked, *control], layer, "forward", rounds)
        times, again = (
            {timing.backend: timing.best for timing in timings if timing.times}
            for timings in (asked, control)
        )
        cells.append((layer, Cell(one.name, x, y, times, {}, again)))
    predicted = sides.reckon([layer for layer, _ in cells])
    for layer, cell in cells:
        cell.predicted = {
            name: seconds for name, seconds in predicted[layer.name].items() if name in BY_NAME
        }
    results.cells += [cell for _, cell in cells]
    layers = regions.grid(one)
    fine = [layer for row in layers for layer in row if layer is not None]
    results.regions[one.name] = regions.lines(layers, sides.reckon(fine))


def _columns(results: MapsResults, sides: Sides, step: Callable[[str], None]) -> None:
    """Measure what making the column matrix takes."""
    for layer in _layers(COLUMNS):
        step(f"columns: {layer.name}")
        n, c, h, w = layer.x_shape
        results.columns.append(
            LayerColumns(
                layer.name, 4 * n * c * h * w, internals.columns_bytes(layer),
                float(f"{sides.columns(layer):.4g}"),
            )
        )  # fmt: skip


def _caches(
    results: MapsResults, sides: Sides, step: Callable[[str], None], *, quick: bool
) -> None:
    """Measure calls with cold caches and warm ones, by everybody who is no hopeless case."""
    longest = QUICK_LONGEST_CALL if quick else LONGEST_CALL
    for layer in _layers(CACHES):
        step(f"cold caches: {layer.name}")
        able = [
            timing
            for timing in sides.everybody(layer)
            if timing.backend in BY_NAME and timing.predicted <= longest
        ]
        results.failures += sides.take(able, layer, "forward", 1)
        for timing in able:
            if timing.times:
                cold, warm = (float(f"{value:.4g}") for value in sides.cold(timing))
                results.caches.append(LayerCaches(layer.name, timing.backend, cold, warm))


def _layers(names: Sequence[str]) -> list[Layer]:
    return [layer for layer in LAYERS if layer.name in names]


ROOM = Room(add_parser, MapsResults, show)
