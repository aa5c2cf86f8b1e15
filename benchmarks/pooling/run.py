"""Everyone pools everything in turns; what comes out is a table and pooling.json."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from benchmarks.contestants import Contestant
from benchmarks.measuring import machine, turns
from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.results import Measurement
from benchmarks.pooling.contestants import POOLERS
from benchmarks.pooling.problems import POOLINGS, Pooling
from benchmarks.problems.directions import MARKS, Direction

__all__ = ["FILE", "ratio", "run"]

FILE = "pooling.json"
DIRECTIONS: tuple[Direction, ...] = ("forward", "input-grad")
OURS = POOLERS[0].name
ROUNDS = 5


def run(
    threads: int, seconds: float, folder: Path, poolings: Sequence[Pooling] = POOLINGS
) -> list[Measurement]:
    """Measure, show the table, write the file, and return what was measured.

    Parameters
    ----------
    threads
        The same for everyone.
    seconds
        For all of it.
    folder
        Where pooling.json goes; made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    problems = [(pooling, direction) for pooling in poolings for direction in DIRECTIONS]
    measurements: list[Measurement] = []
    with ExitStack() as stack, Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=len(problems))
        processes = []
        for contestant in POOLERS:
            missing = contestant.missing()
            if missing:
                console.print(f"{contestant.label}: {missing} ({contestant.pip_command()})")
                continue
            process = Process(contestant, threads)
            stack.callback(process.close)
            processes.append(process)
        for pooling, direction in problems:
            progress.update(task, description=f"{pooling.name}{MARKS[direction]}")
            measured = _prepare(processes, pooling, direction)
            running = [pair for pair in zip(processes, measured, strict=True)
                       if pair[1].status == "ok"]  # fmt: skip
            turns.take(running, ROUNDS, seconds / len(problems))
            measurements += measured
            progress.advance(task)
    console.print(_table(poolings, measurements, threads))
    for m in measurements:
        if m.status == "failed":
            console.print(f"[red]{m.contestant} failed on {m.layer}: {escape(m.reason)}[/]")
        elif not m.exact:
            console.print(f"[red]{m.contestant} differs on {m.layer}{MARKS[m.direction]}[/]")
    written = {
        "created": datetime.now().isoformat(timespec="seconds"),
        "threads": threads,
        "machine": machine.describe(),
        "poolings": [asdict(pooling) for pooling in poolings],
        "measurements": [asdict(measurement) for measurement in measurements],
    }
    (folder / FILE).write_text(json.dumps(written, indent=1), "utf-8")
    return measurements


def _prepare(
    processes: Sequence[Process[Contestant]], pooling: Pooling, direction: Direction
) -> list[Measurement]:
    """Make everyone ready, and compare what they return with what most of them do."""
    arrays = pooling.arrays()
    measured, answers = [], []
    for process in processes:
        m = Measurement(pooling.name, direction, process.contestant.name)
        measured.append(m)
        try:
            first = process.ask("prepare", layer=pooling, direction=direction, data=arrays)
            answers.append((m, first.outputs[0]))
        except Failed as failure:
            m.status, m.reason = "failed", str(failure)
    if answers:
        middle = np.median([answer for _, answer in answers], axis=0)
        for m, answer in answers:
            m.exact = bool(np.allclose(answer, middle, rtol=1e-5, atol=1e-6))
    return measured


def ratio(measurements: Sequence[Measurement], pooling: str, direction: str) -> float | None:
    """Return how many times as fast we are as the better layout of PyTorch."""
    seconds = {
        m.contestant: m.seconds
        for m in measurements
        if m.timed and (m.layer, m.direction) == (pooling, direction)
    }
    others = [time for name, time in seconds.items() if "torch" in name]
    return min(others) / seconds[OURS] if others and OURS in seconds else None


def _table(poolings: Sequence[Pooling], measurements: Sequence[Measurement], threads: int) -> Table:
    noun = "thread" if threads == 1 else "threads"
    table = Table(title=f"Microseconds of a call, {threads} {noun}, float32", title_justify="left")
    for title in ("pooling", "what"):
        table.add_column(title)
    for contestant in POOLERS:
        table.add_column(contestant.label, justify="right")
    table.add_column("ratio", justify="right")
    ratios = []
    for pooling in poolings:
        for direction in DIRECTIONS:
            cells = [f"{pooling.name}{MARKS[direction]}"]
            cells.append(f"{pooling.kind} {pooling.kernel}×{pooling.kernel} s{pooling.stride}")
            for contestant in POOLERS:
                times = [
                    m.seconds
                    for m in measurements
                    if m.timed
                    and (m.layer, m.direction, m.contestant)
                    == (pooling.name, direction, contestant.name)
                ]
                cells.append(f"{1e6 * times[0]:.1f}" if times else "–")
            found = ratio(measurements, pooling.name, direction)
            if found is not None:
                ratios.append(found)
            table.add_row(*cells, "–" if found is None else f"{found:.2f}")
    if ratios:
        mean = statistics.geometric_mean(ratios)
        table.caption = (
            f"ratio: PyTorch's better layout / fastconv; {mean:.2f} by geometric mean, "
            f"{min(ratios):.2f} at the least"
        )
        table.caption_justify = "left"
    return table
