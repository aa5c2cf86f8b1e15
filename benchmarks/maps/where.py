"""``python -m benchmarks where``: the place of a layer on the maps, and what is reckoned of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import arguments
from benchmarks.arguments import (
    Commands,
    Room,
    UsageError,
    add_threads,
    directions,
    positive_int,
)
from benchmarks.maps.axes import named
from benchmarks.maps.crossovers import MOST_FLOPS, along
from benchmarks.maps.place import Place
from benchmarks.maps.results import MapsResults
from benchmarks.maps.taking import Sides
from benchmarks.measuring.files import ResultsError, load
from benchmarks.measuring.process import Failed
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from benchmarks.reporting.sentences import count
from benchmarks.sweep.results import SweepTiming
from fastconv import ConvProblem
from fastconv.problem.padding import Padding

__all__ = ["ROOM", "newest_maps", "place", "predictions", "run", "show_places"]

DIRECTIONS: tuple[Direction, ...] = ("forward", "input-grad", "weight-grad")
DTYPES = ("float32", "float64")
# Of several threads whoever else works on the machine counts: there are more turns to choose from.
ROUNDS, ROUNDS_OF_THREADS = 5, 15
# Longer calls are not made, however patient one is.
LONGEST_CALL = 20.0
# A stage that takes less of a prediction is left out.
LEAST_SHARE = 0.02


def add_parser(commands: Commands) -> None:
    """Add the parser of this command."""
    parser = commands.add_parser(
        "where",
        help="where a layer lies on the maps, and what everybody would take for it",
        description="Shows the layer's place on each map that `maps` has drawn, how far it is "
        "along each axis until somebody else is reckoned to be ahead, and what the model says of "
        "everybody who is able; with --measure the times beside it, and how far off it is.",
    )
    parser.set_defaults(run=_run, takes=("threads", "direction"))
    parser.add_argument(
        "--x", type=shape, required=True, metavar="N,C,H,W", help="the shape of the images"
    )
    parser.add_argument(
        "--weight", type=shape, required=True, metavar="K,C/G,R,S", help="that of the weights"
    )
    for name in ("stride", "dilation"):
        parser.add_argument(
            f"--{name}", type=pair, default=1, metavar="N[,M]", help="both; or rows, columns"
        )
    parser.add_argument("--groups", type=positive_int, default=1, metavar="N")
    parser.add_argument(
        "--padding", type=padding, default=0, metavar="P",
        help="N everywhere; N,M of rows and columns; N,M,L,R above, below, left, right; same; "
        "or valid",
    )  # fmt: skip
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help="(default: %(default)s)")
    parser.add_argument(
        "--direction",
        type=directions,
        default=argparse.SUPPRESS,
        metavar="NAME",
        help=f"one of {', '.join(DIRECTIONS)} (default: forward)",
    )
    add_threads(parser)
    parser.add_argument("--measure", action="store_true", help="time everybody, in turns")


def shape(text: str) -> tuple[int, int, int, int]:
    parts = text.replace("x", ",").replace("×", ",").strip("()").split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"must be four positive numbers, like 1,64,56,56: {text}")
    n, c, h, w = map(int, parts)
    return n, c, h, w


def pair(text: str) -> tuple[int, int]:
    parts = _numbers(text)
    if len(parts) not in (1, 2) or not all(parts):
        raise argparse.ArgumentTypeError(f"must be N or N,M, positive, not {text}")
    return parts[0], parts[-1]


def padding(text: str) -> Padding:
    parts = _numbers(text)
    if text in ("same", "valid"):
        return text
    if len(parts) not in (1, 2, 4):
        raise argparse.ArgumentTypeError(f"must be N, N,M, N,M,L,R, same or valid, not {text}")
    if len(parts) == 4:
        return (parts[0], parts[1]), (parts[2], parts[3])
    return parts[0], parts[-1]


def _numbers(text: str) -> list[int]:
    """Return the numbers of a text, or none where it has anything else."""
    parts = [part.strip() for part in text.replace("×", ",").replace("x", ",").split(",")]
    return [int(part) for part in parts] if all(part.isdecimal() for part in parts) else []


def _run(options: argparse.Namespace) -> int:
    if len(options.direction) != 1 or options.direction[0] not in DIRECTIONS:
        raise UsageError(f"--direction: one of {', '.join(DIRECTIONS)}, of a single layer")
    try:
        layer = place(
            options.x, options.weight, stride=options.stride, padding=options.padding,
            dilation=options.dilation, groups=options.groups, dtype=options.dtype,
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error
    return run(layer, options.direction[0], options.threads, measure=options.measure)


def place(
    x_shape: tuple[int, int, int, int], weight_shape: tuple[int, int, int, int], **options: Any
) -> Layer:
    """Return the layer of such operands and options, which are those of `conv2d`, and the dtype.

    Raises
    ------
    ValueError
        If there is no such convolution, or none whose place could be told.
    """
    problem = ConvProblem.create(x_shape, weight_shape, **options)
    (batch, channels, height, width), (filters, _, *_) = x_shape, weight_shape
    rows, columns = problem.rows, problem.columns
    kernel = rows.kernel if rows.kernel == columns.kernel else (rows.kernel, columns.kernel)
    before = rows.before if rows.before == columns.before else (rows.before, columns.before)
    layer = Place(
        "", "where", batch, channels, height, width, filters, kernel, rows.stride, before,
        rows.dilation, problem.groups, columns.stride, columns.dilation,
        (rows.after - rows.before, columns.after - columns.before), options.get("dtype", DTYPES[0]),
    )  # fmt: skip
    if layer.flops > MOST_FLOPS:
        raise ValueError(
            f"{layer.shape_text()} is {layer.flops:.2g} FLOP: of more than {MOST_FLOPS:.0g} no map "
            "has anything near"
        )
    return named(layer)


def run(layer: Layer, direction: Direction, threads: int, *, measure: bool = False) -> int:
    """Show all that is known of a layer; 1 where somebody failed."""
    console = Console(highlight=False)
    console.print(
        f"[bold]{layer.name}[/], {direction}, {count(threads, 'thread')}: "
        f"{layer.flops / 1e9:.3g} GFLOP"
    )
    with ExitStack() as stack:
        sides = Sides(threads, stack)
        failures = list(sides.failures)
        try:
            sides.rates()
            timings = sides.everybody(layer, direction)
            if measure:
                with console.status("everybody takes turns"):
                    few = [one for one in timings if one.predicted <= LONGEST_CALL]
                    rounds = ROUNDS if threads == 1 else ROUNDS_OF_THREADS
                    failures += sides.take(few, layer, direction, rounds)
                    sides.rates()
                _predict_again(timings, sides.everybody(layer, direction))
            console.print(predictions(timings, is_measured=measure))
            lines = along(layer, lambda layers: sides.reckon(layers, direction))
        except Failed as failure:
            console.print(f"[red]{escape(str(failure))}[/]")
            return 1
    table = Table(title="Along each axis, by the model", title_justify="left")
    for title in ("", "here", "the fastest", "below", "above", "im2col"):
        table.add_column(title, justify="right" if title == "here" else "left")
    for line in lines:
        table.add_row(line.axis.name, str(line.value), line.ahead[line.value], *line.texts())
    console.print(table)
    if direction == "forward":
        show_places(layer, console)
    else:
        console.print("The maps are of forward passes.")
    for trouble in failures:
        console.print(f"[red]{escape(trouble)}[/]")
    return 1 if failures else 0


def predictions(timings: Sequence[SweepTiming], *, is_measured: bool) -> Table:
    """Return the table of everybody, the fastest first."""
    table = Table(title="Everybody who is able", title_justify="left")
    table.add_column("backend")
    table.add_column("kernel")
    for title in ("predicted", *(("measured", "off") if is_measured else ())):
        table.add_column(title, justify="right")
    table.add_column("made of, in the order of size")
    for one in sorted(timings, key=lambda one: one.best if one.times else one.predicted):
        cells = [_time(one.predicted)]
        if is_measured:
            cells += [_time(one.best), f"{one.error:+.0%}"] if one.times else ["too long", "–"]
        name = f"[bold]{one.backend}[/] (auto)" if one.chosen else one.backend
        table.add_row(name, one.kernel, *cells, _stages(one.stages, one.predicted))
    return table


def _predict_again(timings: Sequence[SweepTiming], later: Sequence[SweepTiming]) -> None:
    """Replace the predictions by those of the best rates that were measured."""
    for one, again in zip(timings, later, strict=True):
        one.predicted, one.stages = again.predicted, again.stages


def show_places(layer: Layer, console: Console) -> None:
    """Show the cell of each map that is the nearest, and who was ahead there."""
    results = newest_maps()
    if results is None:
        console.print(
            "Nobody has measured maps here: all of this is the model's. `python -m benchmarks "
            "maps` draws some, in a minute or two."
        )
        return
    table = Table(
        title=f"On the maps of {results.created[:10]}, {results.machine['cpu']}",
        title_justify="left",
    )
    for title in ("map", "the nearest cell", "ahead there", "by", "model", "but there"):
        table.add_column(title)
    nearest = sorted(results.maps, key=lambda one: len(one.differences(layer)))
    for one in nearest:
        x, y = one.cell(layer)
        cell = results.find(one.name, x, y)
        if cell is None:
            continue
        lead = "" if cell.lead is None else f"{cell.lead:.2f}×"
        if not cell.times:
            lead = "not timed"
        elif results.is_close(one, cell):
            lead = "a tie"
        threads = results.threads if one.all_threads else 1
        table.add_row(
            f"{one.title} ({count(threads, 'thread')})",
            one.text(x, y),
            cell.winner,
            lead,
            "the same" if cell.named == cell.winner else cell.named,
            ", ".join(one.differences(layer)) or "nothing differs",
        )
    console.print(table)


def newest_maps() -> MapsResults | None:
    """Return the latest full maps below benchmarks/results, the study's among them, or None."""
    found: list[MapsResults] = []
    for path in arguments.RESULTS_FOLDER.glob(f"*/{MapsResults.FILE}"):
        try:
            found.append(load(path, MapsResults))
        except ResultsError:
            continue  # of another version
    full = [run for run in found if not run.is_quick]
    return max(full or found, key=lambda run: run.created, default=None)


def _stages(stages: Mapping[str, float], whole: float) -> str:
    longest = sorted(stages.items(), key=lambda stage: -stage[1])
    return ", ".join(
        f"{name} {_time(seconds)}" for name, seconds in longest if seconds >= LEAST_SHARE * whole
    )


def _time(seconds: float) -> str:
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{1e6 * seconds:.3g} µs"


ROOM = Room(add_parser)
