"""What a run found out, as written to ``lenet.json``."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmarks.contestants.base import AUTO
from benchmarks.measuring.files import Embedded
from benchmarks.measuring.results import Status

# Sums in another order move a float32 loss by a few of its last bits, ten steps by some more.
SAME_LOSS = 2e-5


@dataclass
class Epoch:
    """One epoch: the mean loss while it ran, the accuracy on the test digits after it."""

    number: int
    loss: float
    accuracy: float
    seconds: float


@dataclass
class Cost:
    """What an epoch costs one contestant."""

    name: str
    label: str
    kind: str
    about: str
    status: Status = "ok"
    reason: str = ""
    pip_command: str = ""
    version: str = ""
    batch: int = 0
    images: int = 0
    """The most that were trained on in one turn: if fewer than an epoch's, it is extrapolated."""
    times: list[float] = field(default_factory=list)
    """Seconds an image, of each turn."""
    losses: list[float] = field(default_factory=list)
    difference: float | None = None
    """The largest of these losses' relative differences from float64."""

    @property
    def timed(self) -> bool:
        return self.status == "ok" and bool(self.times)

    @property
    def is_same(self) -> bool:
        """Whether its losses are those of float64 to rounding."""
        return self.difference is not None and self.difference <= SAME_LOSS

    @property
    def counts(self) -> bool:
        """Whether there is a time, of a training that was right."""
        return self.timed and self.is_same

    @property
    def seconds_per_image(self) -> float:
        return statistics.median(self.times)


@dataclass
class Part:
    """The time of one kind of work in a training step, in seconds."""

    name: str
    seconds: float


@dataclass
class LenetResults(Embedded):
    """One run."""

    FILE: ClassVar = "lenet.json"
    KIND: ClassVar = "fastconv lenet"
    FORMAT: ClassVar = 2
    PARTS: ClassVar = {"epochs": Epoch, "costs": Cost, "parts": Part}

    threads: int
    machine: dict[str, Any]
    recipe: dict[str, Any]
    train_images: int
    test_images: int
    is_quick: bool = False
    epochs: list[Epoch] = field(default_factory=list)
    training_seconds: float = 0.0
    confusion: list[list[int]] = field(default_factory=list)
    """Rows are what a digit is, columns what it was taken for."""
    pictures: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By what they show; each with its source, a data URI, and what stands below it."""
    costs: list[Cost] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    step_seconds: float = 0.0
    """A step of the fastest backend, as its parts were measured."""
    single_step_seconds: float = 0.0
    """A step on a single image, which is nearly all Python."""
    seconds: float = 0.0

    @property
    def is_full(self) -> bool:
        return self.is_trained and not self.is_quick

    @property
    def is_trained(self) -> bool:
        return bool(self.epochs)

    @property
    def accuracy(self) -> float:
        return self.epochs[-1].accuracy

    def cost(self, name: str) -> Cost | None:
        return next((cost for cost in self.costs if cost.name == name), None)

    def epoch_seconds(self, cost: Cost) -> float:
        return cost.seconds_per_image * self.train_images

    def is_extrapolated(self, cost: Cost) -> bool:
        return cost.images < self.train_images

    @property
    def timed(self) -> list[Cost]:
        """Who was measured, the slowest first."""
        return sorted(
            (cost for cost in self.costs if cost.timed), key=lambda cost: -cost.seconds_per_image
        )

    def fastest(self, kind: str) -> Cost | None:
        """Return the fastest of a kind whose losses are right: wrong ones may cost less."""
        return next((c for c in reversed(self.timed) if c.kind == kind and c.counts), None)

    @property
    def all_right(self) -> bool:
        """Whether no loss is wrong, none of fastconv failed, and somebody was timed, if asked."""
        wrong = any(cost.difference is not None and not cost.is_same for cost in self.costs)
        failed = any(cost.status == "failed" and cost.kind != "library" for cost in self.costs)
        return not wrong and not failed and (bool(self.timed) or not self.costs)

    @property
    def ratio(self) -> float | None:
        """How many times as fast our epoch is as the fastest library's, where there is one."""
        ours, theirs = self.cost(AUTO), self.fastest("library")
        if ours is None or not ours.counts or theirs is None:
            return None
        return theirs.seconds_per_image / ours.seconds_per_image
