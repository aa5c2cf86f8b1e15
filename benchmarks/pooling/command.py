"""``python -m benchmarks pooling``: everyone pools in turns; then the table, the file."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from benchmarks.arguments import Commands, Room, add_common, positive_float, run_folder
from benchmarks.measuring import machine, turns
from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.starting import start
from benchmarks.pooling import table, truth
from benchmarks.pooling.contestants import Pooler, all_contestants
from benchmarks.pooling.problems import MARKS, POOLINGS, Direction, Pooling
from benchmarks.pooling.results import PoolingResults, PoolTiming

__all__ = ["ROOM", "run", "show"]

TASKS = "benchmarks.pooling.tasks"
ROUNDS = 5


def add_parser(commands: Commands) -> None:
    """Add the parser of this command."""
    parser = commands.add_parser(
        "pooling",
        help="pool by maxima and means, beside PyTorch; writes pooling.json",
        description="The poolings of published networks and their gradients, by fastconv, by its "
        "NumPy and by PyTorch in both memory layouts. Shows a table, writes pooling.json, and "
        "prints its path as the last line.",
    )
    parser.set_defaults(run=_run, takes=("threads", "output"))
    add_common(parser, "pooling")
    parser.add_argument(
        "--seconds", type=positive_float, default=30.0, help="for all of it (default: %(default)g)"
    )


def _run(options: argparse.Namespace) -> int:
    return run(run_folder(options, "-pooling"), options.threads, options.seconds)


def run(folder: Path, threads: int, seconds: float, poolings: Sequence[Pooling] = POOLINGS) -> int:
    """Measure, write the file into a folder, show the table; 1 where a result is wrong.

    Parameters
    ----------
    folder
        Where pooling.json goes.
    threads
        The same for everyone.
    seconds
        For all of it.
    poolings
        What is pooled.
    """
    console = Console(highlight=False)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=None)
        results = measure(
            threads, seconds, poolings,
            lambda text, steps: progress.update(task, description=text, total=steps, advance=1),
        )  # fmt: skip
    results.save(folder)
    return show(results, folder / results.FILE)


def measure(
    threads: int, seconds: float, poolings: Sequence[Pooling], told: Callable[[str, int], None]
) -> PoolingResults:
    """Have everyone pool in turns; `told` hears what happens next, of how many steps in all."""
    began = perf_counter()
    problems = [(pooling, direction) for pooling in poolings for direction in pooling.directions]
    results = PoolingResults(
        created=datetime.now().isoformat(timespec="seconds"),
        threads=threads,
        machine=machine.describe(),
        poolings=list(poolings),
    )
    with ExitStack() as stack:
        processes, results.contestants = start(all_contestants(), threads, TASKS, stack)
        for pooling, direction in problems:
            told(f"{pooling.name}{MARKS[direction]}", len(problems))
            running = []
            for process in processes:
                timing = _prepared(process, pooling, direction)
                results.timings.append(timing)
                if timing.status == "ok" and timing.correct:
                    running.append((process, timing))
            turns.take(running, ROUNDS, seconds / len(problems))
    results.seconds = perf_counter() - began
    return results


def show(results: PoolingResults, path: Path) -> int:
    """Show a run and where its file is; 1 where a result is wrong, or nobody was timed."""
    table.show(results, Console(highlight=False))
    print(path.resolve())
    return 0 if results.all_right else 1


def _prepared(process: Process[Pooler], pooling: Pooling, direction: Direction) -> PoolTiming:
    """Make a contestant ready, and compare what it returns with the truth."""
    timing = PoolTiming(pooling.name, direction, process.contestant.name)
    exact = truth.solve(pooling)[direction.startswith("input-grad")]
    try:
        answer = process.ask("prepare", pooling=pooling, direction=direction)
        timing.error, timing.allowed_error = exact.error((answer,))
    except (Failed, ValueError) as failure:
        timing.status, timing.reason = "failed", str(failure)
    return timing


ROOM = Room(add_parser, PoolingResults, show)
