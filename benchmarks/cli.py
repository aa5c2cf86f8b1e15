"""The command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from benchmarks.contestants import Contestant, all_contestants
from benchmarks.images import command as images
from benchmarks.images import gallery
from benchmarks.images.results import ImageResults
from benchmarks.lenet import command as lenet
from benchmarks.lenet.contestants import Trainer, all_trainers
from benchmarks.lenet.digits import DigitsError
from benchmarks.lenet.results import newest
from benchmarks.measuring.machine import usable_cores
from benchmarks.measuring.results import Results, ResultsError
from benchmarks.measuring.runner import Runner
from benchmarks.pooling import run as pooling
from benchmarks.problems.directions import DIRECTIONS, Direction
from benchmarks.problems.layer import Layer
from benchmarks.problems.layers import LAYERS
from benchmarks.problems.presets import DEFAULT, FULL, QUICK, Preset
from benchmarks.reporting import charts, compare, report, sentences
from benchmarks.reporting.terminal import Terminal

RESULTS_FOLDER = Path(__file__).parent / "results"
RESULTS_FILE = "results.json"
REPORT_FILE = "report.html"
PICTURES_FOLDER = "pictures"
GALLERY_FILE = Path(__file__).parent / "gallery.png"

Someone = TypeVar("Someone", Contestant, Trainer)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 1 where results differ."""
    parser = _parser()
    options = parser.parse_args(arguments)
    picture = getattr(options, "picture", None)
    if picture and not picture.parent.is_dir():
        parser.error(f"--picture: there is no folder {picture.parent}")
    try:
        if options.command == "compare":
            before, after = Results.load(options.before), Results.load(options.after)
            compare.show(before, after, Console(highlight=False))
            return 0
        if options.command == "gallery":
            gallery.save(options.picture_file)
            print(options.picture_file.resolve())
            return 0
        if options.command == "images":
            folder = options.output or RESULTS_FOLDER / f"{datetime.now():%Y-%m-%d-%H%M%S}-images"
            _make_folder(parser, folder)
            return images.run(folder, options.threads, quick=options.quick)
        if options.command == "report" and options.results.name == images.RESULTS_FILE:
            return images.write_page(ImageResults.load(options.results), options.results.parent)
        if options.command == "pooling":
            folder = _folder(options)
            pooling.run(options.threads, options.seconds, folder)
            print((folder / pooling.FILE).resolve())
            return 0
        if options.command == "report":
            results, folder = Results.load(options.results), options.results.parent
        elif options.command == "lenet":
            trainers = _chosen(parser, all_trainers(), options.backends)
            print(lenet.run(options, trainers, RESULTS_FOLDER).resolve())
            return 0
        elif options.list:
            _list_choices()
            return 0
        else:
            folder = _folder(options)
            results = _run(parser, options, folder)
        beside = folder / images.RESULTS_FILE
        filtering = ImageResults.load(beside) if beside.exists() else None
    except ResultsError as error:
        parser.error(str(error))
    except DigitsError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; no report was written", file=sys.stderr)
        return 130
    path = folder / REPORT_FILE
    page = report.render(results, folder / PICTURES_FOLDER, filtering, newest(RESULTS_FOLDER))
    path.write_text(page, "utf-8")
    if picture:
        charts.save_picture(results, picture)
    print(path.resolve())
    return 0 if sentences.all_equal(results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Every implementation of convolution that is here, on layers of published "
        "networks and on photographs. Writes an HTML report and results.json; prints the path "
        "of the report as its last line.",
    )
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
    _add_picture(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    comparing = commands.add_parser("compare", help="show two earlier runs side by side")
    comparing.add_argument("before", type=Path, metavar="A.json")
    comparing.add_argument("after", type=Path, metavar="B.json")
    reporting = commands.add_parser("report", help="draw the report of an earlier run again")
    reporting.add_argument("results", type=Path, metavar="results.json")
    _add_picture(reporting)
    # Without defaults of their own: what stands before the command counts too.
    common: dict[str, Any] = {"default": argparse.SUPPRESS}
    filtering = commands.add_parser(
        "images", help="filter photographs, beside OpenCV and SciPy; writes images.html"
    )
    filtering.add_argument("--threads", type=positive_int, help="the same for everyone", **common)
    filtering.add_argument("--quick", action="store_true", help="small, in seconds", **common)
    filtering.add_argument("--output", type=Path, metavar="FOLDER", **common)
    showing = commands.add_parser("gallery", help="draw what each filter does to a photograph")
    showing.add_argument(
        "picture_file", type=Path, nargs="?", default=GALLERY_FILE, metavar="FILE.png"
    )
    learning = commands.add_parser(
        "lenet",
        help="train LeNet-5 on handwritten digits, and compare what an epoch costs everyone",
        description="Trains LeNet-5 on 4,000 handwritten digits and asks it about 1,000 others, "
        "then has every backend, plain loops and PyTorch train it for an epoch. Writes an HTML "
        "page, lenet.json and the weights; prints the path of the page as its last line.",
    )
    lenet.add_arguments(learning, positive_int)
    pools = commands.add_parser("pooling", help="compare poolings with PyTorch's")
    pools.add_argument("--threads", type=positive_int, default=usable_cores())
    pools.add_argument(
        "--seconds", type=float, default=30.0, help="for all of it (default: %(default)g)"
    )
    pools.add_argument(
        "--output", type=Path, metavar="FOLDER", help="default: benchmarks/results/<date-time>"
    )
    return parser


def _folder(options: argparse.Namespace) -> Path:
    folder: Path = options.output or RESULTS_FOLDER / f"{datetime.now():%Y-%m-%d-%H%M%S}"
    return folder


def _add_picture(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="also save the headline chart"
    )


def positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def directions(text: str) -> tuple[Direction, ...]:
    names = DIRECTIONS if text == "all" else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in DIRECTIONS:
            raise argparse.ArgumentTypeError(
                f"no direction is called {name!r}; there are {', '.join(DIRECTIONS)}"
            )
    return tuple(direction for direction in DIRECTIONS if direction in names)


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace, folder: Path) -> Results:
    preset = QUICK if options.quick else FULL if options.full else DEFAULT
    layers = _layers(parser, options.layers, preset)
    contestants = _chosen(parser, all_contestants(), options.backends)
    _make_folder(parser, folder)
    with (
        Terminal() as terminal,
        Runner(contestants, layers, options.direction, preset, options.threads) as runner,
    ):
        terminal.expect(runner.steps())
        results = runner.run(terminal.step, terminal.row_done, folder / PICTURES_FOLDER)
    results.save(folder / RESULTS_FILE)
    terminal.finish(results)
    return results


def _make_folder(parser: argparse.ArgumentParser, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--output: {folder} cannot be a folder: {error.strerror}")


def _layers(parser: argparse.ArgumentParser, patterns: str | None, preset: Preset) -> list[Layer]:
    names = [layer.name for layer in LAYERS]
    chosen = _matching(parser, "layer", names, patterns) if patterns else list(preset.layers)
    return [layer for layer in LAYERS if layer.name in chosen]


def _chosen(
    parser: argparse.ArgumentParser, everyone: list[Someone], patterns: str | None
) -> list[Someone]:
    if not patterns:
        return everyone
    chosen = _matching(parser, "backend", [one.name for one in everyone], patterns)
    return [one for one in everyone if one.name in chosen]


def _matching(
    parser: argparse.ArgumentParser, what: str, names: Sequence[str], patterns: str
) -> list[str]:
    chosen: list[str] = []
    for pattern in patterns.split(","):
        everything = pattern.strip() == "all"
        found = [name for name in names if everything or fnmatchcase(name, pattern.strip())]
        if not found:
            parser.error(f"no {what} is called {pattern.strip()!r}; there are {', '.join(names)}")
        chosen += found
    return chosen


def _list_choices() -> None:
    print("Layers:")
    for layer in LAYERS:
        print(f"  {layer.name:26} {layer.shape_text():40} {layer.flops / 1e9:7.3f} GFLOP")
    print("Contestants:")
    for contestant in all_contestants():
        missing = contestant.missing()
        state = f" ({missing}: {contestant.pip_command()})" if missing else ""
        print(f"  {contestant.name:26} {contestant.about}{state}")
