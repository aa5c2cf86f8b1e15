"""Everyone trains the same network on the same batches, taking turns, one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contestants.base import AUTO
from benchmarks.lenet.contestants import Batch, State, Trainer, steps_of
from benchmarks.lenet.digits import Digits
from benchmarks.lenet.network import Recipe, batches, lenet
from benchmarks.lenet.results import Cost, LenetResults, Part
from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.turns import in_turn

TASKS = "benchmarks.lenet.tasks"
# Whose epoch takes as many times as long as a turn has but one: it is far from everybody's race.
SLOW = 3


@dataclass(frozen=True)
class Effort:
    """How long everyone is measured."""

    rounds: int = 15
    seconds: float = 1.5
    """The longest turn: who needs more for an epoch is extrapolated."""
    enough: float = 6.0
    """After so many seconds in all somebody has no further turn. The fast have all rounds: what
    takes a core away for a while takes longer than a turn of theirs."""
    steps: int = 10
    """Whose losses are compared; of a contestant with tiny batches two."""


QUICK = Effort(rounds=1, seconds=0.1, steps=2)


def compare(
    trainers: Sequence[Trainer],
    digits: Digits,
    recipe: Recipe,
    threads: int,
    effort: Effort,
    results: LenetResults,
    step: Callable[[str], None],
) -> None:
    """Fill in what an epoch costs everyone, whether losses agree, and where our time goes."""
    rng = np.random.default_rng(recipe.seed)
    epoch = [
        (_without_ties(x, rng), labels)
        for x, labels in batches(digits, recipe.batch, recipe.shift, rng)
    ]
    state = lenet(recipe.seed).state_dict()
    with ExitStack() as stack:
        runs: list[tuple[Process[Trainer], Cost]] = []
        for trainer in trainers:
            step(f"starting {trainer.label}")
            process = _started(trainer, threads, state, epoch, recipe, effort, results)
            if process is not None:
                stack.callback(process.close)
                runs.append((process, results.costs[-1]))
        for number in range(effort.rounds):
            for process, cost in in_turn(runs, number):
                if cost.status == "ok" and not _has_enough(cost, effort, results):
                    step(f"an epoch by {cost.label}")
                    _take_turn(process, cost, effort)
        for process, cost in runs:
            if cost.name == AUTO and cost.status == "ok":
                step("where the time goes")
                _look_inside(process, effort, results)


def _without_ties(x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Add a little noise, so that no window has its maximum twice.

    Wherever strokes are evenly white, convolutions have equal results side by side, and the
    rounding of sums, which matrix products round by their place, would choose which of them gets
    the gradient: losses would differ by a thousandth after ten steps, and nobody be wrong.
    """
    return x + 0.1 * rng.random(x.shape, np.float32)


def _started(
    trainer: Trainer,
    threads: int,
    state: State,
    epoch: Sequence[Batch],
    recipe: Recipe,
    effort: Effort,
    results: LenetResults,
) -> Process[Trainer] | None:
    """Start a trainer and compare its first losses, or enter why it takes no part."""
    cost = Cost(trainer.name, trainer.label, trainer.kind, trainer.about)
    results.costs.append(cost)
    missing = trainer.missing()
    if missing is not None:
        cost.status, cost.reason = "unsupported", missing
        cost.pip_command = trainer.pip_command()
        return None
    mine, count = epoch, effort.steps
    if trainer.most_images is not None:
        size, count = trainer.most_images, min(2, effort.steps)
        mine = [(x[:size], labels[:size]) for x, labels in epoch[:count]]
    cost.batch = len(mine[0][1])
    process = Process(trainer, threads, TASKS)
    try:
        cost.version = process.ask("version")
        cost.losses = process.ask("begin", state=state, batches=mine, recipe=recipe, count=count)
    except Failed as failure:
        cost.status, cost.reason = "failed", str(failure)
        process.close()
        return None
    truth = _losses_in_float64(state, mine[:count], recipe)
    # of losses that are no numbers none, which Python's own maximum might pass over
    cost.difference = float(np.max(np.abs(np.array(cost.losses) / truth - 1)))
    return process


def _losses_in_float64(state: State, epoch: Sequence[Batch], recipe: Recipe) -> list[float]:
    network = lenet(0, np.float64)
    network.load_state_dict({name: value.astype(np.float64) for name, value in state.items()})
    exact: Any = [(x.astype(np.float64), labels) for x, labels in epoch]
    return [step() for step in steps_of(network, exact, recipe)]


def _has_enough(cost: Cost, effort: Effort, results: LenetResults) -> bool:
    """Whether it has had turns for long enough, or one and an epoch takes very long."""
    if not cost.times:
        return False
    spent = sum(cost.times) * cost.images
    return spent > effort.enough or results.epoch_seconds(cost) > SLOW * effort.seconds


def _take_turn(process: Process[Trainer], cost: Cost, effort: Effort) -> None:
    try:
        images, seconds = process.ask("sample", seconds=effort.seconds)
    except Failed as failure:
        cost.status, cost.reason = "failed", str(failure)
        return
    cost.images = max(cost.images, images)
    cost.times.append(seconds / images)


def _look_inside(process: Process[Trainer], effort: Effort, results: LenetResults) -> None:
    try:
        parts, results.single_step_seconds = process.ask("parts", seconds=effort.seconds)
    except Failed:
        return  # there is no such section, then
    results.parts = [Part(name, seconds) for name, seconds in parts.items()]
    results.step_seconds = sum(parts.values())
