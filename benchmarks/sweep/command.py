"""``python -m benchmarks sweep``: all that are able take turns; then the table, the file.

The file is written again and again on the way, so that who ends it early has what was measured. A
later run goes on where it ended (``--resume``), in pieces as long as one likes (``--minutes``).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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

from benchmarks.arguments import (
    Commands,
    Room,
    UsageError,
    add_common,
    add_quick,
    directions,
    positive_float,
    run_folder,
)
from benchmarks.measuring import machine
from benchmarks.measuring.files import ResultsError, load
from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.starting import start
from benchmarks.measuring.turns import in_turn
from benchmarks.problems.directions import MARKS, Direction
from benchmarks.problems.layer import Layer
from benchmarks.sweep import table
from benchmarks.sweep.problems import COUNT, QUICK_COUNT, problems
from benchmarks.sweep.results import AGAIN, SweepResults, SweepTiming
from benchmarks.sweep.summary import NEAR
from benchmarks.sweep.tasks import SIDES, Side

__all__ = ["ROOM", "begun", "differs", "measure", "passes", "run", "show"]

TASKS = "benchmarks.sweep.tasks"
ROUNDS, QUICK_ROUNDS = 3, 2
# All problems come up so many times: a neighbour who was at work at one time may not be at another.
# The first rounds of a problem are over within a tenth of a second, all of which somebody on the
# same core's other thread may have made twice as long (0.74 ms where 0.31 was met later).
PASSES, QUICK_PASSES = 2, 1
# Who is near the fastest has more turns after these: until a time is settled, which is when the
# least of all has been met so often, within so much of it. At the most so many rounds, and seconds.
MET, MET_WITHIN = 3, 0.02
# Who is not settled yet is near if it is no further than that: its time may have been disturbed in
# all of the first turns.
UNSETTLED_NEAR = 0.5
MOST_ROUNDS, QUICK_MOST_ROUNDS = 60, 2
MOST_SECONDS = 1.0
# Who is reckoned to take longer, in seconds of a call, is not timed; and who has been at it for so
# long after a few turns has no more.
LONGEST_CALL, QUICK_LONGEST_CALL = 0.3, 0.03
LONG_SECONDS, LONG_ROUNDS = 0.1, 2
# What the machine does is measured again and again, as the times are; the best counts of either.
# The file is written as often.
RATES_EVERY = 10


def add_parser(commands: Commands) -> None:
    """Add the parser of this command."""
    parser = commands.add_parser(
        "sweep",
        help="predict and time every backend on problems of all sizes; writes sweep.json",
        description="Every backend that is able, on 120 problems of all sizes, beside what the "
        "model in explain() predicts. Shows how often it names the fastest, how far off it is, and "
        "how often auto takes the fastest; writes sweep.json on the way, and prints its path as "
        "the last line. About five minutes for each direction.",
    )
    parser.set_defaults(run=_run, takes=("threads", "output", "quick", "direction"))
    add_common(parser, "sweep")
    add_quick(parser, "a few problems, to see that it works; in seconds")
    parser.add_argument(
        "--direction",
        type=directions,
        default=argparse.SUPPRESS,
        metavar="NAMES",
        help="forward, input-grad, weight-grad, several separated by commas, or all "
        "(default: forward)",
    )
    parser.add_argument(
        "--minutes", type=positive_float, metavar="M", help="end after so many, with what there is"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the sweep.json in --output, of the same "
        "threads and directions",
    )  # fmt: skip


def _run(options: argparse.Namespace) -> int:
    swept = [direction for direction in options.direction if direction != "step"]
    if not swept:
        raise UsageError("--direction: sweep takes single operations, not step")
    folder = run_folder(options, "-sweep")
    results = begun(options.threads, swept, quick=options.quick)
    if options.resume:
        results = _resumed(folder / results.FILE, results)
    return run(folder, results, minutes=options.minutes, quick=options.quick)


def begun(
    threads: int, directions: Sequence[Direction] = ("forward",), *, quick: bool = False
) -> SweepResults:
    """Return a sweep of which nothing is measured yet.

    Parameters
    ----------
    threads
        The same for everyone.
    directions
        Which of forward, input-grad and weight-grad.
    quick
        Whether a few of the problems will do.
    """
    return SweepResults(
        created=datetime.now().isoformat(timespec="seconds"),
        threads=threads,
        machine=machine.describe(),
        problems=problems(QUICK_COUNT if quick else COUNT),
        directions=list(directions),
    )


def passes(*, quick: bool) -> int:
    """Return how often every problem comes up."""
    return QUICK_PASSES if quick else PASSES


def _resumed(path: Path, asked: SweepResults) -> SweepResults:
    """Return the sweep of a file, if it is of what is asked for.

    Raises
    ------
    UsageError
        If it is not, or there is none.
    """
    try:
        results = load(path, SweepResults)
    except ResultsError as error:
        raise UsageError(f"--resume: {error}") from error
    other = differs(results, asked)
    if other:
        raise UsageError(f"--resume: {path} is a sweep {other}")
    return results


def differs(results: SweepResults, asked: SweepResults) -> str:
    """Return in what one sweep is another than what is asked for, or nothing."""
    for what in ("threads", "directions", "problems"):
        if getattr(results, what) != getattr(asked, what):
            return f"of other {what}"
    return "" if machine.is_same(results.machine, asked.machine) else "of another machine"


def run(
    folder: Path, results: SweepResults, *, minutes: float | None = None, quick: bool = False
) -> int:
    """Measure, write the file into a folder, show the table; 1 where a backend failed.

    Parameters
    ----------
    folder
        Where sweep.json goes.
    results
        As `begun`, or as a file has them: then what is missing is measured.
    minutes
        After how many it ends, if it has not; None for all of it.
    quick
        Whether a few turns will do.
    """
    console = Console(highlight=False)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    path = folder / results.FILE
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=None)

        def told(text: str, turns: int) -> None:
            progress.update(task, description=text, total=turns, completed=results.turns)

        measure(path, results, told, minutes=minutes, quick=quick)
    return show(results, path)


def measure(
    path: Path, results: SweepResults, told: Callable[[str, int], None], *,
    minutes: float | None = None, quick: bool = False,
) -> None:  # fmt: skip
    """Measure what is missing, and write the file on the way, however it ends.

    Parameters
    ----------
    path
        Of the file.
    results, minutes, quick
        As `run` takes them.
    told
        What comes up next, of how many turns in all.
    """
    points = [(layer, direction) for direction in results.directions for layer in results.problems]
    turns = points * passes(quick=quick)
    with ExitStack() as stack:
        stack.callback(results.save, path.parent, path.name)  # whatever ends it
        stack.enter_context(_counting(results))
        processes, infos = start(SIDES, results.threads, TASKS, stack)
        results.failures += [f"{info.label}: {info.missing}" for info in infos if info.missing]
        end = perf_counter() + 60 * minutes if minutes else math.inf
        for number, (layer, direction) in enumerate(turns[results.turns :]):
            if perf_counter() > end:
                break
            told(f"{layer.name}{MARKS[direction]}", len(turns))
            if number % RATES_EVERY == 0:
                _rates(results, processes)
                results.save(path.parent, path.name)
            _measure(results, processes, layer, direction, quick=quick)
            results.turns += 1
        try:
            for _ in processes:  # so that each knows what the other has found
                _rates(results, processes)
            _predict_again(results, processes, points)
        except Failed as failure:
            results.failures.append(f"predicting once more: {failure}")


@contextmanager
def _counting(results: SweepResults) -> Iterator[None]:
    """Add the seconds of what is done to those of the run."""
    began = perf_counter()
    try:
        yield
    finally:
        results.seconds += perf_counter() - began


def show(results: SweepResults, path: Path) -> int:
    """Show a run and where its file is; 1 where something failed, or nobody was timed."""
    table.show(results, Console(highlight=False))
    print(path.resolve())
    return 1 if results.failures or not results.points() else 0


def _rates(results: SweepResults, processes: list[Process[Side]]) -> None:
    """Measure the rates once more; the best of all times are those of the results."""
    for process in processes:
        with suppress(Failed):  # who has died is told of where it does its work
            results.rates = process.ask("rates", known=results.rates)


def _predict_again(
    results: SweepResults, processes: list[Process[Side]], points: list[tuple[Layer, Direction]]
) -> None:  # fmt: skip
    """Replace the predictions by those of the best rates that were measured."""
    timings = {(one.problem, one.direction, one.backend): one for one in results.timings}
    for process in processes:
        for layer, direction in points:
            for one in process.ask("predict", layer=layer, direction=direction):
                for backend in (one.backend, one.backend + AGAIN):
                    timing = timings.get((one.problem, one.direction, backend))
                    if timing is not None:
                        timing.predicted, timing.stages = one.predicted, one.stages


def _known(results: SweepResults, timings: list[SweepTiming]) -> list[SweepTiming]:
    """Return those of an earlier pass in place of new ones, which are added to the results."""
    earlier = {(one.problem, one.direction, one.backend): one for one in results.timings}
    known = []
    for one in timings:
        found = earlier.get((one.problem, one.direction, one.backend))
        if found is None:
            results.timings.append(one)
        known.append(found or one)
    return known


def _measure(
    results: SweepResults, processes: list[Process[Side]], layer: Layer, direction: Direction, *,
    quick: bool,
) -> None:  # fmt: skip
    """Let all who are able, and quick enough, take turns at a problem."""
    longest = QUICK_LONGEST_CALL if quick else LONGEST_CALL
    sides: list[tuple[Process[Side], list[SweepTiming]]] = []
    for process in processes:
        try:
            timings = _known(results, process.ask("predict", layer=layer, direction=direction))
            running = [timing for timing in timings if timing.predicted <= longest]
            backends = [timing.backend for timing in running]
            process.ask("prepare", layer=layer, direction=direction, backends=backends)
        except Failed as failure:
            results.failures.append(f"{layer.name}{MARKS[direction]}: {failure}")
            continue
        sides.append((process, running))
    _add_control(results, sides)
    before = {id(timing): len(timing.times) for _, running in sides for timing in running}

    def is_through(timing: SweepTiming) -> bool:
        done = timing.times[before[id(timing)] :]
        return len(done) >= LONG_ROUNDS and sum(done) > LONG_SECONDS

    for round_ in range(QUICK_ROUNDS if quick else ROUNDS):
        _round(results, sides, round_, is_through)
    _settle(results, sides, QUICK_MOST_ROUNDS if quick else MOST_ROUNDS)


def _add_control(
    results: SweepResults, sides: Sequence[tuple[Process[Side], list[SweepTiming]]]
) -> None:  # fmt: skip
    """Have whom the model names take part under a second name."""
    everyone = [(timing.predicted, running) for _, running in sides for timing in running]
    if not everyone:
        return
    _, beside = min(everyone, key=lambda pair: pair[0])
    named = min(beside, key=lambda timing: timing.predicted)
    name = named.backend + AGAIN
    known = next(
        (
            one
            for one in results.timings
            if (one.problem, one.direction, one.backend) == (named.problem, named.direction, name)
        ),
        None,
    )
    if known is None:
        known = replace(named, backend=name, times=[])
        results.timings.append(known)
    beside.append(known)


def _settle(
    results: SweepResults, sides: Sequence[tuple[Process[Side], list[SweepTiming]]], rounds: int
) -> None:
    """Give those near the fastest more turns, until it is settled what each of them takes.

    Who is near is asked anew in every round: somebody may turn out to be faster yet.
    """
    end = perf_counter() + MOST_SECONDS
    for round_ in range(rounds):
        timed = [timing for _, running in sides for timing in running if timing.times]
        fastest = min((timing.best for timing in timed), default=0.0)
        near = [timing for timing in timed if timing.best <= _reach(timing) * fastest]
        # One who has nobody near needs no more; nor do several of whom each is settled.
        if len(near) < 2 or all(map(_is_settled, near)) or perf_counter() > end:
            return
        _round(results, sides, round_, _others({id(timing) for timing in near}))


def _others(some: Collection[int]) -> Callable[[SweepTiming], bool]:
    """Return whether somebody is none of these."""
    return lambda timing: id(timing) not in some


def _reach(timing: SweepTiming) -> float:
    """Return how many times the fastest somebody may take and be near: more if it may yet fall."""
    return 1 + (NEAR if _is_settled(timing) else UNSETTLED_NEAR)


def _is_settled(timing: SweepTiming) -> bool:
    """Whether the least of its times is no chance: others of them are about the same."""
    least = sorted(timing.times)[:MET]
    return len(least) == MET and least[-1] <= (1 + MET_WITHIN) * least[0]


def _round(
    results: SweepResults, sides: Sequence[tuple[Process[Side], list[SweepTiming]]], round_: int,
    leaves_out: Callable[[SweepTiming], bool],
) -> None:  # fmt: skip
    """Let everybody have a turn who is not left out; who fails has none any more."""
    for process, running in sides:
        # Who comes first after the other side finds the caches cold, and perhaps another core.
        for timing in in_turn(running, round_):
            if leaves_out(timing):
                continue
            try:
                backend = timing.backend.removesuffix(AGAIN)
                timing.times.append(process.ask("sample", backend=backend))
            except Failed as failure:
                results.failures.append(
                    f"{timing.backend} of {timing.problem}{MARKS[timing.direction]}: {failure}"
                )
                running.remove(timing)


ROOM = Room(add_parser, SweepResults, show)
