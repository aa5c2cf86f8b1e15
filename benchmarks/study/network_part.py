"""A part of the study: LeNet-5 learns digits, and what an epoch of that costs everyone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter

import numpy as np

import fastconv
from benchmarks.arguments import UsageError
from benchmarks.contestants.base import AUTO
from benchmarks.lenet import comparing, digits
from benchmarks.lenet.contestants import all_trainers
from benchmarks.lenet.network import Recipe
from benchmarks.lenet.results import Epoch, LenetResults
from benchmarks.lenet.training import train
from benchmarks.measuring import machine as machines
from benchmarks.reporting.templating import figure
from benchmarks.study.markdown import line
from benchmarks.study.run_part import RunPart
from benchmarks.study.sources import machine_text

__all__ = ["NetworkPart"]

QUICK_DIGITS, QUICK_EPOCHS = 40, 1


class NetworkPart(RunPart[LenetResults]):
    """Everyone who trains, in rows: seconds an epoch."""

    kind = LenetResults

    def is_whole(self, results: LenetResults, *, quick: bool) -> bool:
        """Whether the network was trained, with that effort."""
        return results.is_trained and results.is_quick == quick

    def run(
        self, folder: Path, threads: int, quick: bool, told: Callable[[str, int], None]
    ) -> None:
        began = perf_counter()
        recipe, effort = Recipe(), comparing.Effort()
        if quick:
            recipe, effort = replace(recipe, epochs=QUICK_EPOCHS), comparing.QUICK
        training, test = _made_up_digits() if quick else _digits()
        trainers = all_trainers()
        steps = recipe.epochs + len(trainers) * (1 + effort.rounds) + 1
        results = LenetResults(
            created=datetime.now().isoformat(timespec="seconds"),
            threads=self.threads or threads,
            machine=machines.describe(),
            recipe=asdict(recipe),
            train_images=len(training),
            test_images=len(test),
            is_quick=quick,
        )

        def epoch_done(epoch: Epoch) -> None:
            told(f"epoch {epoch.number}", steps)
            results.epochs.append(epoch)

        with fastconv.num_threads(results.threads):
            train(training, test, recipe, lambda: None, epoch_done)
        results.training_seconds = sum(epoch.seconds for epoch in results.epochs)
        comparing.compare(
            trainers, training, recipe, results.threads, effort, results,
            lambda text: told(text, steps),
        )  # fmt: skip
        results.seconds = perf_counter() - began
        results.save(folder, f"{self.name}.json")

    def texts(self, folder: Path) -> dict[str, str]:
        """Return the table by the part's name, and its figures.

        ``<name>.accuracy``, ``<name>.seconds`` of training, ``<name>.ratio``, the fastest library's
        epoch over ours, and ``<name>.<part>`` of a step, in per cent.
        """
        results = self.load(folder)
        found = {
            self.name: _table(results),
            f"{self.name}.accuracy": f"{100 * results.accuracy:.1f} %",
            f"{self.name}.seconds": figure(results.training_seconds),
            f"{self.name}.ratio": "–" if results.ratio is None else f"{results.ratio:.2f}",
        }
        for part in results.parts:
            share, key = part.seconds / results.step_seconds, part.name.partition(",")[0]
            found[f"{self.name}.{key.replace(' ', '-')}"] = f"{100 * share:.0f} %"
        return found


def _digits() -> tuple[digits.Digits, digits.Digits]:
    try:
        return digits.load(digits.find())
    except digits.DigitsError as error:
        raise UsageError(str(error)) from error


def _made_up_digits() -> tuple[digits.Digits, digits.Digits]:
    """Return noise, to see that everything works where no digits are."""
    rng = np.random.default_rng(0)
    images = rng.random((QUICK_DIGITS, 1, digits.SIDE, digits.SIDE)).astype(np.float32)
    some = digits.Digits(images, rng.integers(0, digits.CLASSES, QUICK_DIGITS))
    return some, some


def _table(results: LenetResults) -> str:
    ours = results.cost(AUTO)
    lines = [line(["who", "seconds an epoch", "/ ours", "losses differ from float64's by"])]
    lines.append(line(["---", "--:", "--:", "--:"]))
    for cost in results.timed:
        seconds = results.epoch_seconds(cost)
        cut = " ✂" if results.is_extrapolated(cost) else ""
        ratio = "–" if ours is None or not ours.counts else figure(
            cost.seconds_per_image / ours.seconds_per_image
        )  # fmt: skip
        difference = "–" if cost.difference is None else f"{cost.difference:.0e}"
        name = f"{cost.label} {cost.version}".strip() if cost.kind == "library" else cost.label
        lines.append(line([name, f"{figure(seconds)}{cut}", ratio, difference]))
    absent = [f"{one.label} ({one.reason})" for one in results.costs if not one.timed]
    last = results.epochs[-1]
    return "\n".join(
        [
            *lines,
            "",
            f"{machine_text(results)}; {results.train_images:,} digits in batches of "
            f"{results.recipe['batch']}, medians of turns. ✂: extrapolated from fewer images. "
            f"After {last.number} epochs it knows {100 * last.accuracy:.1f} % of "
            f"{results.test_images:,} digits that it never saw."
            + (f" Not here: {', '.join(absent)}." if absent else ""),
        ]
    )
