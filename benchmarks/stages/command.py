"""``python -m benchmarks stages``: time calls and plans in turns, count instructions, show both."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

import fastconv
from benchmarks.arguments import Commands, Room, add_output, chosen_layers, run_folder
from benchmarks.contestants import Contestant
from benchmarks.contestants.ours import FastconvAuto, FastconvPlan
from benchmarks.measuring import machine, turns
from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.starting import start
from benchmarks.problems.layer import Layer
from benchmarks.problems.presets import Preset
from benchmarks.stages import counting, table
from benchmarks.stages.naming import stage_of
from benchmarks.stages.results import LayerStages, StageResults

__all__ = ["LAYERS", "ROOM", "measure", "run", "show"]

TASKS = "benchmarks.measuring.tasks"
# One of each kernel that is chosen most.
LAYERS = "resnet50.res2_3x3,resnet50.res3_1x1,resnet50.conv1,mobilenetv2.dw192_28"
SECONDS = 1.0
# Whole layers, whatever they take.
PRESET = Preset("stages", (), seconds=SECONDS, rounds=5, longest_call=1e6)


def add_parser(commands: Commands) -> None:
    """Add the parser of this command."""
    parser = commands.add_parser(
        "stages",
        help="what the time of a call is made of; writes stages.json, which reports show",
        description="Times calls on some layers by one thread, and shares them out among copying, "
        "packing, transforms and the product by the instructions of each, which valgrind counts "
        "where it is installed; else packing alone, as the difference to a plan.",
    )
    parser.set_defaults(run=_run, takes=("layers", "output"))
    parser.add_argument(
        "--layers",
        metavar="NAMES",
        default=argparse.SUPPRESS,
        help=f"names or patterns, as for a run (default: {LAYERS})",
    )
    add_output(parser, "stages")


def _run(options: argparse.Namespace) -> int:
    layers = chosen_layers(options.layers or LAYERS)
    return run(run_folder(options, "-stages"), layers)


def run(folder: Path, layers: Sequence[Layer]) -> int:
    """Measure, write the file into a folder, show the table; 1 where something went wrong."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    console = Console(highlight=False)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=len(layers))
        try:
            results = measure(
                layers, lambda name: progress.update(task, description=name, advance=1)
            )
        except Failed as failure:
            console.print(str(failure))
            return 1
    results.save(folder)
    return show(results, folder / results.FILE)


def measure(layers: Sequence[Layer], told: Callable[[str], None]) -> StageResults:
    """Measure the stages of layers; `told` which comes next.

    Raises
    ------
    Failed
        If fastconv does not start.
    """
    began = perf_counter()
    results = StageResults(datetime.now().isoformat(timespec="seconds"), machine.describe())
    everyone: list[Contestant] = [FastconvAuto(), FastconvPlan()]
    with ExitStack() as stack:
        processes, infos = start(everyone, 1, TASKS, stack)
        for info in infos:
            if info.missing:
                raise Failed(f"{info.label} {info.missing}")
        for layer in layers:
            told(layer.name)
            results.layers.append(_stages(processes, layer))
    results.seconds = perf_counter() - began
    return results


def show(results: StageResults, path: Path) -> int:
    """Show a run and where its file is; 1 where something went wrong."""
    table.show(results, Console(highlight=False))
    print(path.resolve())
    return 1 if any(one.trouble for one in results.layers) else 0


def _stages(processes: Sequence[Process[Contestant]], layer: Layer) -> LayerStages:
    measured = [turns.prepare(process, layer, "forward", PRESET) for process in processes]
    turns.take(list(zip(processes, measured, strict=True)), PRESET.rounds, SECONDS)
    call, plan = measured
    explained: Any
    with fastconv.num_threads(1):
        explained = fastconv.explain(layer.x_shape, layer.weight_shape, **layer.conv_kwargs())
    found = LayerStages(
        layer.as_dict(),
        explained.kernel,
        call.times or [float("nan")],
        plan.times or [float("nan")],
        # Not every version predicts.
        predicted=dict(getattr(explained, "stages", {})),
    )
    troubles = [m.reason or "is NOT correct" for m in measured if not (m.timed and m.correct)]
    if counting.is_here():
        try:
            found.instructions = _of_kernels(counting.instructions(layer))
        except (RuntimeError, subprocess.TimeoutExpired, OSError) as error:
            troubles.append(str(error))
    found.trouble = "; ".join(troubles)
    return found


def _of_kernels(instructions: dict[str, int]) -> dict[str, int]:
    """Leave out what is Python's, NumPy's and the system's, most of which loads a program."""
    return {name: count for name, count in instructions.items() if stage_of(name)}


ROOM = Room(add_parser, StageResults, show)
