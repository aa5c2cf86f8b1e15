"""The command line: a run of layers, what was run earlier, and the rooms' commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import arguments
from benchmarks.arguments import (
    Commands,
    Room,
    UsageError,
    ask_for_folder_of,
    chosen,
    chosen_layers,
    directions,
    positive_int,
    run_folder,
)
from benchmarks.contestants import all_contestants
from benchmarks.images import command as images
from benchmarks.images import gallery
from benchmarks.images.results import ImageResults
from benchmarks.ladder import command as ladder
from benchmarks.lenet import command as lenet
from benchmarks.lenet.results import LenetResults
from benchmarks.maps import command as maps
from benchmarks.maps import where
from benchmarks.measuring.files import ResultFile, ResultsError, load, newest
from benchmarks.measuring.machine import usable_cores
from benchmarks.measuring.results import Results
from benchmarks.measuring.runner import Runner
from benchmarks.pooling import command as pooling
from benchmarks.problems.layers import LAYERS
from benchmarks.problems.presets import DEFAULT, FULL, QUICK
from benchmarks.reporting import charts, compare, report, sentences
from benchmarks.reporting.terminal import Terminal
from benchmarks.stages import command as stages
from benchmarks.stages.results import StageResults
from benchmarks.study import command as study
from benchmarks.sweep import command as sweep

__all__ = ["ROOMS", "main"]

# Each with a command of its own, in the order of the help.
ROOMS: tuple[Room, ...] = (
    images.ROOM,
    gallery.ROOM,
    lenet.ROOM,
    ladder.ROOM,
    maps.ROOM,
    where.ROOM,
    study.ROOM,
    pooling.ROOM,
    sweep.ROOM,
    stages.ROOM,
)

REPORT_FILE = "report.html"
PICTURES_FOLDER = "pictures"
PICTURE_HELP = "also save the headline chart"


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 1 where results differ."""
    parser = _parser()
    options = parser.parse_args(words)
    try:
        _refuse_what_nobody_reads(options, parser.parse_args([]))
        if options.picture:
            ask_for_folder_of(options.picture, "--picture")
        return int(options.run(options))
    except (UsageError, ResultsError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print("interrupted; no report was written", file=sys.stderr)
        return 130


def _refuse_what_nobody_reads(options: argparse.Namespace, usual: argparse.Namespace) -> None:
    """Raise where something stands before a command that it does not take."""
    if options.run is usual.run:
        return
    for name, value in vars(usual).items():
        taken = name in ("run", "takes", "command", *options.takes)
        if not taken and getattr(options, name) != value:
            raise UsageError(f"--{name}: {options.command} does not take it")


def _layers(options: argparse.Namespace) -> int:
    if options.list:
        _list_choices()
        return 0
    preset = QUICK if options.quick else FULL if options.full else DEFAULT
    layers = chosen_layers(options.layers or ",".join(preset.layers))
    contestants = chosen(all_contestants(), options.backends)
    folder = run_folder(options)
    with (
        Terminal() as terminal,
        Runner(
            contestants,
            layers,
            options.direction,
            preset,
            options.threads,
            folder / PICTURES_FOLDER,
        ) as runner,
    ):
        terminal.expect(runner.steps())
        results = runner.run(terminal.step, terminal.row_done)
    results.save(folder)
    terminal.finish(results)
    return _write_report(results, folder, options)


def _write_report(results: Results, folder: Path, options: argparse.Namespace) -> int:
    """Write the report of layers, with the newest runs of all that has a section in it."""
    path = folder / REPORT_FILE
    page = report.render(
        results,
        folder / PICTURES_FOLDER,
        newest(arguments.RESULTS_FOLDER, ImageResults),
        newest(arguments.RESULTS_FOLDER, LenetResults),
        newest(arguments.RESULTS_FOLDER, StageResults),
    )
    path.write_text(page, "utf-8")
    if options.picture:
        charts.save_picture(results, options.picture)
    print(path.resolve())
    return 0 if sentences.all_equal(results) else 1


def _compare(options: argparse.Namespace) -> int:
    before, after = (load(path, Results) for path in (options.before, options.after))
    compare.show(before, after, Console(highlight=False))
    return 0


def _report(options: argparse.Namespace) -> int:
    """Show an earlier run again, by what its file says that it is."""
    path: Path = options.results
    shows = _kinds()
    results = load(path, Results, *shows)
    if isinstance(results, Results):
        return _write_report(results, path.parent, options)
    if options.picture:
        raise UsageError(f"--picture: {path} is {results.KIND!r}, the chart is of layers")
    return shows[type(results)](results, path)


def _kinds() -> dict[type[ResultFile], Callable[[Any, Path], int]]:
    """Return the kinds of results that rooms write → what shows them again."""
    shows = {room.results: room.show for room in ROOMS if room.results and room.show}
    return dict(sorted(shows.items(), key=lambda pair: pair[0].KIND))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Every implementation of convolution that is here, on layers of published "
        "networks and on photographs. Writes an HTML report and results.json; prints the path "
        "of the report as its last line. The newest full runs of `images`, `lenet` and `stages` "
        "below benchmarks/results have a section in it.",
        epilog="Options may stand before a command that takes them or behind it. The exit status "
        "is 1 where results differ or something of fastconv failed, 2 where something is missing.",
    )
    parser.set_defaults(run=_layers, takes=())
    parser.add_argument(
        "--layers",
        metavar="NAMES",
        help="names or patterns, separated by commas, e.g. 'resnet50.*,unet.64_256', or 'all'",
    )
    parser.add_argument(
        "--backends",
        metavar="NAMES",
        help="contestants, names or patterns separated by commas, e.g. 'loops,torch*'",
    )
    parser.add_argument(
        "--threads",
        type=positive_int,
        default=usable_cores(),
        help="the same for everyone (default: the %(default)s cores here)",
    )
    parser.add_argument(
        "--direction",
        type=directions,
        default="forward",
        metavar="NAMES",
        help="forward, input-grad, weight-grad, step (the gradients of image, weights and bias "
        "together), several separated by commas, or all (default: forward)",
    )
    speed = parser.add_mutually_exclusive_group()
    speed.add_argument(
        "--quick", action="store_true", help="a few layers, one round; under 20 seconds"
    )
    speed.add_argument(
        "--full",
        action="store_true",
        help="all layers, more rounds, larger cuts; about a quarter of an hour",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="default: benchmarks/results/<date-time>"
    )
    parser.add_argument("--list", action="store_true", help="show layers and contestants, and end")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help=PICTURE_HELP)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_earlier_runs(commands)
    for room in ROOMS:
        room.add_parser(commands)
    return parser


def _add_earlier_runs(commands: Commands) -> None:
    comparing = commands.add_parser("compare", help="show two earlier runs side by side")
    comparing.set_defaults(run=_compare, takes=())
    comparing.add_argument("before", type=Path, metavar="A.json")
    comparing.add_argument("after", type=Path, metavar="B.json")
    kinds: list[type[ResultFile]] = [Results, *_kinds()]
    *names, last = [kind.KIND.removeprefix("fastconv ") for kind in kinds]
    reporting = commands.add_parser(
        "report",
        help="draw the report of an earlier run again",
        description="Draws the page of an earlier run again, beside its file, or shows its table: "
        f"of {', '.join(names)} or {last}, as the file says. The newest full runs of `images`, "
        "`lenet` and `stages` below benchmarks/results have a section in the report of layers.",
    )
    reporting.set_defaults(run=_report, takes=("picture",))
    reporting.add_argument("results", type=Path, metavar="results.json")
    reporting.add_argument(
        "--picture",
        type=Path,
        metavar="FILE.png",
        default=argparse.SUPPRESS,
        help=f"{PICTURE_HELP} of layers",
    )


def _list_choices() -> None:
    print("Layers:")
    for layer in LAYERS:
        print(f"  {layer.name:26} {layer.shape_text():40} {layer.flops / 1e9:7.3f} GFLOP")
    print("Contestants:")
    for contestant in all_contestants():
        missing = contestant.missing()
        state = f" ({missing}: {contestant.pip_command()})" if missing else ""
        print(f"  {contestant.name:26} {contestant.about}{state}")
