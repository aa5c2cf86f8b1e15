"""What is asked of a trainer in its process: losses of some steps, an epoch's time, its parts."""

from __future__ import annotations

import gc
import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from benchmarks.lenet.contestants import Batch, State, Trainer, TrainingStep, find, steps_of
from benchmarks.lenet.network import Recipe, lenet
from benchmarks.measuring.tasks import Present
from fastconv import nn


def create(name: str, threads: int) -> Tasks:
    """Return what a process does for the trainer of that name."""
    return Tasks(find(name), threads)


class Tasks(Present[Trainer]):
    """The epoch that a trainer trains on, and what can be asked about it."""

    def __init__(self, trainer: Trainer, threads: int) -> None:
        super().__init__(trainer, threads)
        self.batches: Sequence[Batch] = ()
        self.steps: list[TrainingStep] = []

    def begin(self, state: State, batches: Sequence[Batch], recipe: Recipe, count: int) -> Any:
        """Take weights and the batches of an epoch, and return the losses of the first steps."""
        self.state, self.batches, self.recipe = state, batches, recipe
        self.steps = self.contestant.steps(state, batches, recipe)
        return [step() for step in self.steps[:count]]

    def sample(self, seconds: float) -> tuple[int, float]:
        """Train for an epoch, or as much of it as the time allows, at least a step.

        Returns
        -------
        (int, float)
            The images that were trained on, and the seconds.
        """
        images = 0
        gc.collect()
        gc.disable()
        start = perf_counter()
        for step, (_, labels) in zip(self.steps, self.batches, strict=True):
            step()
            images += len(labels)
            if perf_counter() - start > seconds:
                break
        passed = perf_counter() - start
        gc.enable()
        return images, passed

    def parts(self, seconds: float) -> tuple[dict[str, float], float]:
        """Return what of a step goes into each kind of layer, and the time of one-image steps.

        Only of fastconv.nn: each layer's `forward` and `backward` are timed from outside, and what
        of the step is in none of them is its loss, its optimiser, and Python.
        """
        spent: dict[str, float] = defaultdict(float)
        network = lenet(0)
        network.load_state_dict(self.state)
        network.use_backend(self.contestant.name)
        for layer in network.layers:
            _time_from_outside(layer, spent)
        steps = steps_of(network, self.batches, self.recipe)
        steps[0]()
        spent.clear()
        count, total = _repeat(steps, seconds)
        result = {name: time / count for name, time in spent.items()}
        result["loss, descent and the rest"] = (total - sum(spent.values())) / count
        alone = lenet(0)
        alone.load_state_dict(self.state)
        single = [(x[:1], labels[:1]) for x, labels in self.batches]
        steps = steps_of(alone, single, self.recipe)
        steps[0]()
        count, total = _repeat(steps, seconds / 2)
        return result, total / count


KINDS = {
    nn.Conv2d: "convolution, with its activation",
    nn.MaxPool2d: "pooling",
    nn.Linear: "fully connected",
}
OTHER_LAYERS = "activation, flattening"


def _time_from_outside(layer: nn.Layer, spent: dict[str, float]) -> None:
    kind = KINDS.get(type(layer), OTHER_LAYERS)

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any, **options: Any) -> Any:
            start = perf_counter()
            result = call(*arguments, **options)
            spent[kind] += perf_counter() - start
            return result

        return measured

    for name in ("forward", "backward"):
        setattr(layer, name, timed(getattr(layer, name)))


def _repeat(steps: Sequence[TrainingStep], seconds: float) -> tuple[int, float]:
    """Take steps for that long, at least one; return how many, and the seconds."""
    start = perf_counter()
    for count, step in enumerate(itertools.cycle(steps), start=1):
        step()
        passed = perf_counter() - start
        if passed > seconds:
            return count, passed
    raise AssertionError("there is no end of steps")
