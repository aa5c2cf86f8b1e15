"""The command line."""

from __future__ import annotations

import argparse
import math
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
from benchmarks.ladder import climb
from benchmarks.ladder import command as ladder
from benchmarks.ladder.results import LadderResults
from benchmarks.ladder.rung import DIRECTIONS as LADDER_DIRECTIONS
from benchmarks.lenet import command as lenet
from benchmarks.lenet import digits
from benchmarks.lenet.contestants import Trainer, all_trainers
from benchmarks.lenet.results import LenetResults
from benchmarks.measuring.files import ResultsError, load, newest
from benchmarks.measuring.machine import usable_cores
from benchmarks.measuring.results import Results
from benchmarks.measuring.runner import Runner
from benchmarks.pooling import command as pooling
from benchmarks.pooling.results import PoolingResults
from benchmarks.problems.directions import DIRECTIONS, Direction
from benchmarks.problems.layer import Layer
from benchmarks.problems.layers import LAYERS
from benchmarks.problems.presets import DEFAULT, FULL, QUICK, Preset
from benchmarks.reporting import charts, compare, report, sentences
from benchmarks.reporting.terminal import Terminal
from benchmarks.stages import command as stages
from benchmarks.stages.results import StageResults
from benchmarks.study import command as study
from benchmarks.study.markers import MarkerError
from benchmarks.sweep import command as sweep
from benchmarks.sweep.results import SweepResults

RESULTS_FOLDER = Path(__file__).parent / "results"
REPORT_FILE = "report.html"
PICTURES_FOLDER = "pictures"
GALLERY_FILE = Path(__file__).parent / "gallery.png"
PICTURE_HELP = "also save the headline chart"

Someone = TypeVar("Someone", Contestant, Trainer)


class UsageError(Exception):
    """The command line asks for what is not there; the message says what."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 1 where results differ."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        _refuse_what_nobody_reads(options, parser.parse_args([]))
        if options.picture:
            _ask_for_folder_of(options.picture, "--picture")
        return int(options.run(options))
    except (UsageError, ResultsError, MarkerError) as error:
        parser.error(str(error))
    except digits.DigitsError as error:
        print(error, file=sys.stderr)
        return 2
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
    layers = _chosen_layers(options.layers, preset)
    contestants = _chosen(all_contestants(), options.backends)
    folder = _folder(options)
    with (
        Terminal() as terminal,
        Runner(contestants, layers, options.direction, preset, options.threads) as runner,
    ):
        terminal.expect(runner.steps())
        results = runner.run(terminal.step, terminal.row_done, folder / PICTURES_FOLDER)
    results.save(folder)
    terminal.finish(results)
    return _write_report(results, folder, options)


def _write_report(results: Results, folder: Path, options: argparse.Namespace) -> int:
    """Write the report of layers, with the newest runs of all that has a section in it."""
    path = folder / REPORT_FILE
    page = report.render(
        results,
        folder / PICTURES_FOLDER,
        newest(RESULTS_FOLDER, ImageResults),
        newest(RESULTS_FOLDER, LenetResults),
        newest(RESULTS_FOLDER, StageResults),
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
    results = load(
        path, Results, ImageResults, LadderResults, LenetResults, PoolingResults, StageResults,
        SweepResults,
    )  # fmt: skip
    if isinstance(results, Results):
        return _write_report(results, path.parent, options)
    if options.picture:
        raise UsageError(f"--picture: {path} is {results.KIND!r}, the chart is of layers")
    if isinstance(results, ImageResults):
        return images.write_page(results, path.parent)
    if isinstance(results, LenetResults):
        return lenet.write_page(results, path.parent)
    if isinstance(results, SweepResults):
        return sweep.show(results, path)
    if isinstance(results, StageResults):
        return stages.show(results, path)
    if isinstance(results, LadderResults):
        return ladder.show(results, path.parent)
    assert isinstance(results, PoolingResults)
    return pooling.show(results, path)


def _images(options: argparse.Namespace) -> int:
    return images.run(_folder(options, "-images"), options.threads, quick=options.quick)


def _gallery(options: argparse.Namespace) -> int:
    _ask_for_folder_of(options.picture_file, "FILE.png")
    gallery.save(options.picture_file)
    print(options.picture_file.resolve())
    return 0


def _lenet(options: argparse.Namespace) -> int:
    trainers = _chosen(all_trainers(), options.backends)
    training, test = digits.load(options.digits or digits.find())
    return lenet.run(_folder(options, "-lenet"), options, trainers, training, test)


def _pooling(options: argparse.Namespace) -> int:
    return pooling.run(_folder(options, "-pooling"), options.threads, options.seconds)


def _sweep(options: argparse.Namespace) -> int:
    swept = [direction for direction in options.direction if direction != "step"]
    if not swept:
        raise UsageError("--direction: sweep takes single operations, not step")
    folder = _folder(options, "-sweep")
    return sweep.run(folder, options.threads, swept, quick=options.quick)


def _stages(options: argparse.Namespace) -> int:
    layers = _chosen_layers(options.layers or stages.LAYERS, DEFAULT)
    return stages.run(_folder(options, "-stages"), layers)


def _ladder(options: argparse.Namespace) -> int:
    if len(options.direction) != 1 or options.direction[0] not in LADDER_DIRECTIONS:
        raise UsageError(f"--direction: one of {', '.join(LADDER_DIRECTIONS)}, for a ladder")
    (name, *others) = _matching("layer", [layer.name for layer in LAYERS], options.layer)
    if others:
        raise UsageError(f"--layer: one at a time, not {', '.join([name, *others])}")
    layer = next(layer for layer in LAYERS if layer.name == name)
    effort = climb.QUICK if options.quick else climb.FULL
    folder = _folder(options, "-ladder")
    return ladder.run(folder, layer, options.direction[0], options.threads, effort)


def _study(options: argparse.Namespace) -> int:
    """Into a folder that is named goes a copy of the study; else the repository's is written."""
    folder, document = study.FOLDER, study.DOCUMENT
    if options.output is not None:
        folder, document = options.output, options.output / study.DOCUMENT.name
    elif options.quick:
        raise UsageError("--quick: name a folder by --output; the repository keeps full runs")
    folder.mkdir(parents=True, exist_ok=True)
    return study.run(
        folder,
        document,
        study.Options(options.threads, options.quick, options.again, options.render),
    )


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
    filtering = commands.add_parser(
        "images", help="filter photographs, beside OpenCV and SciPy; writes images.html"
    )
    filtering.set_defaults(run=_images, takes=("threads", "output", "quick"))
    _add_common(filtering, "images")
    _add_quick(filtering, "small photographs, few kernels; in seconds")
    showing = commands.add_parser("gallery", help="draw what each filter does to a photograph")
    showing.set_defaults(run=_gallery, takes=())
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
    learning.set_defaults(run=_lenet, takes=("threads", "output", "quick", "backends"))
    _add_common(learning, "lenet")
    _add_quick(learning, "a few digits, to see that it works; in seconds")
    lenet.add_arguments(learning, positive_int)
    climbing = commands.add_parser(
        "ladder",
        help="compute a layer in one way after another, from the definition to the peak",
        description="Climbs from loops in Python to the peak of the processor, each rung one "
        "change, predicted and measured. Shows a table, writes ladder.json and an HTML page, and "
        "prints the path of the page as its last line.",
    )
    climbing.set_defaults(run=_ladder, takes=("threads", "output", "quick", "direction"))
    _add_common(climbing, "ladder")
    _add_quick(climbing, "a smaller cut for most, and nothing is counted; in seconds")
    climbing.add_argument(
        "--layer", metavar="NAME", default=ladder.LAYER, help="default: %(default)s"
    )
    climbing.add_argument(
        "--direction",
        type=directions,
        metavar="NAME",
        default=argparse.SUPPRESS,
        help=f"one of {', '.join(LADDER_DIRECTIONS)} (default: forward)",
    )
    studying = commands.add_parser(
        "study",
        help="run all that the study is made of, and write its tables into STUDY.md",
        description="Runs what has not been run on this machine yet, one part after the other, and "
        "writes what stands between markers in benchmarks/STUDY.md. An interrupted study goes on "
        "where it was. Results and charts go to benchmarks/results/study.",
    )
    studying.set_defaults(run=_study, takes=("threads", "output", "quick"))
    _add_common(studying, "study", "benchmarks/results/study, and STUDY.md where it is")
    _add_quick(studying, "to see that it works; needs --output")
    effort = studying.add_mutually_exclusive_group()
    effort.add_argument("--again", action="store_true", help="run what is there, too")
    effort.add_argument("--render", action="store_true", help="run nothing, write from the files")
    pools = commands.add_parser(
        "pooling",
        help="pool by maxima and means, beside PyTorch; writes pooling.json",
        description="The poolings of published networks and their gradients, by fastconv, by its "
        "NumPy and by PyTorch in both memory layouts. Shows a table, writes pooling.json, and "
        "prints its path as the last line.",
    )
    pools.set_defaults(run=_pooling, takes=("threads", "output"))
    _add_common(pools, "pooling")
    pools.add_argument(
        "--seconds", type=positive_float, default=30.0, help="for all of it (default: %(default)g)"
    )
    sweeping = commands.add_parser(
        "sweep",
        help="predict and time every backend on problems of all sizes; writes sweep.json",
        description="Every backend that is able, on 120 problems of all sizes, beside what the "
        "model in explain() predicts. Shows how often it names the fastest, how far off it is, and "
        "how often auto takes the fastest; writes sweep.json, and prints its path as the last "
        "line. About four minutes for each direction.",
    )
    sweeping.set_defaults(run=_sweep, takes=("threads", "output", "quick", "direction"))
    _add_common(sweeping, "sweep")
    _add_quick(sweeping, "a few problems, to see that it works; in seconds")
    sweeping.add_argument(
        "--direction",
        type=directions,
        default=argparse.SUPPRESS,
        metavar="NAMES",
        help="forward, input-grad, weight-grad, several separated by commas, or all "
        "(default: forward)",
    )
    staging = commands.add_parser(
        "stages",
        help="what the time of a call is made of; writes stages.json, which reports show",
        description="Times calls on some layers by one thread, and shares them out among copying, "
        "packing, transforms and the product by the instructions of each, which valgrind counts "
        "where it is installed; else packing alone, as the difference to a plan.",
    )
    staging.set_defaults(run=_stages, takes=("layers", "output"))
    staging.add_argument(
        "--layers",
        metavar="NAMES",
        default=argparse.SUPPRESS,
        help=f"names or patterns, as for a run (default: {stages.LAYERS})",
    )
    _add_output(staging, "stages")
    return parser


def _add_earlier_runs(commands: Any) -> None:
    comparing = commands.add_parser("compare", help="show two earlier runs side by side")
    comparing.set_defaults(run=_compare, takes=())
    comparing.add_argument("before", type=Path, metavar="A.json")
    comparing.add_argument("after", type=Path, metavar="B.json")
    reporting = commands.add_parser(
        "report",
        help="draw the report of an earlier run again",
        description="Draws the page of an earlier run again, beside its file, or shows its table: "
        "of layers, images, ladder, lenet, pooling, stages or sweep, as the file says. The "
        "newest full runs of `images`, `lenet` and `stages` below benchmarks/results have a "
        "section in the report of layers.",
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


# Without defaults of their own, which would replace what stands before the command.
def _add_common(parser: argparse.ArgumentParser, name: str, output: str = "") -> None:
    parser.add_argument(
        "--threads",
        type=positive_int,
        default=argparse.SUPPRESS,
        help="the same for everyone (default: all cores)",
    )
    _add_output(parser, name, output)


def _add_output(parser: argparse.ArgumentParser, name: str, output: str = "") -> None:
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        default=argparse.SUPPRESS,
        help=f"default: {output or f'benchmarks/results/<date-time>-{name}'}",
    )


def _add_quick(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--quick", action="store_true", default=argparse.SUPPRESS, help=text)


def _ask_for_folder_of(path: Path, argument: str) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"{argument}: there is no folder {path.parent}")


def _folder(options: argparse.Namespace, ending: str = "") -> Path:
    """Make the folder of a run, and return it."""
    date = f"{datetime.now():%Y-%m-%d-%H%M%S}"
    folder: Path = options.output or RESULTS_FOLDER / f"{date}{ending}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output: {folder} cannot be a folder: {error.strerror}") from error
    return folder


def positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def positive_float(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number, not {text}")
    return number


def directions(text: str) -> tuple[Direction, ...]:
    names = DIRECTIONS if text == "all" else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in DIRECTIONS:
            raise argparse.ArgumentTypeError(
                f"no direction is called {name!r}; there are {', '.join(DIRECTIONS)}"
            )
    return tuple(direction for direction in DIRECTIONS if direction in names)


def _chosen_layers(patterns: str | None, preset: Preset) -> list[Layer]:
    names = [layer.name for layer in LAYERS]
    chosen = _matching("layer", names, patterns) if patterns else list(preset.layers)
    return [layer for layer in LAYERS if layer.name in chosen]


def _chosen(everyone: list[Someone], patterns: str | None) -> list[Someone]:
    if not patterns:
        return everyone
    chosen = _matching("backend", [one.name for one in everyone], patterns)
    return [one for one in everyone if one.name in chosen]


def _matching(what: str, names: Sequence[str], patterns: str) -> list[str]:
    chosen: list[str] = []
    for pattern in patterns.split(","):
        everything = pattern.strip() == "all"
        found = [name for name in names if everything or fnmatchcase(name, pattern.strip())]
        if not found:
            raise UsageError(
                f"no {what} is called {pattern.strip()!r}; there are {', '.join(names)}"
            )
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
