"""A part of the study: how far results are from float64, by how much is summed and by whom.

    relative error in the L2 norm    ‖result - truth‖ / ‖truth‖, of normal data

The largest error of a table of layers depends on one unlucky result; this one hardly changes from
one draw to the next. No time is taken, so that a busy machine does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmarks.contestants import everybody
from benchmarks.measuring import machine as machines
from benchmarks.measuring import truth
from benchmarks.measuring.files import ResultFile, ResultsError, load
from benchmarks.measuring.process import Failed
from benchmarks.measuring.results import ContestantInfo
from benchmarks.measuring.starting import start
from benchmarks.problems import data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from benchmarks.study import error_chart
from benchmarks.study.markdown import line
from benchmarks.study.saving import save_chart

__all__ = ["ErrorColumn", "ErrorsPart", "ErrorsResults", "ProblemErrors"]

TASKS = "benchmarks.measuring.tasks"
QUICK_PROBLEMS = 2
# What errors of float32 are read in.
UNIT = 1e-7


@dataclass
class ProblemErrors:
    """A problem: contestant → its relative error; of nobody who refused."""

    problem: dict[str, Any]
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def layer(self) -> Layer:
        return Layer(**self.problem)


@dataclass
class ErrorsResults(ResultFile):
    """One run."""

    FILE: ClassVar = "errors.json"
    KIND: ClassVar = "fastconv errors"
    FORMAT: ClassVar = 1
    PARTS: ClassVar = {"problems": ProblemErrors, "contestants": ContestantInfo}

    machine: dict[str, Any]
    direction: Direction
    problems: list[ProblemErrors] = field(default_factory=list)
    contestants: list[ContestantInfo] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def all_right(self) -> bool:
        """Whether nobody of ours failed, and nobody is out by more than a thousandth."""
        errors = [error for one in self.problems for error in one.errors.values()]
        return not self.failures and all(error < 1e-3 for error in errors)


@dataclass(frozen=True)
class ErrorColumn:
    """Some contestants under one title, of whom one at the most does a problem.

    Attributes
    ----------
    key, title : str
        What markers call it, and readers.
    patterns : tuple of str
        Names of contestants, or patterns of them.
    """

    key: str
    title: str
    patterns: tuple[str, ...]

    def has(self, contestant: str) -> bool:
        return any(fnmatchcase(contestant, pattern) for pattern in self.patterns)

    def of(self, errors: Mapping[str, float]) -> float | None:
        """Return the error of who did it, the smallest of several; None of nobody."""
        return min((error for name, error in errors.items() if self.has(name)), default=None)


@dataclass(frozen=True, kw_only=True)
class ErrorsPart:
    """Problems in one direction, in rows, and contestants in columns.

    Attributes
    ----------
    name : str
    direction : str
    problems : tuple of Layer
        Named by what stands in the first column.
    columns : tuple of ErrorColumn
    drawn : bool
        Whether there is a chart: errors by how many products are summed, of the first kernel.
    """

    name: str
    direction: Direction
    problems: tuple[Layer, ...]
    columns: tuple[ErrorColumn, ...]
    drawn: bool = False

    def is_there(self, folder: Path, machine: Mapping[str, Any], threads: int, quick: bool) -> bool:
        try:
            results = self._load(folder)
        except ResultsError:
            return False
        wanted = [layer.as_dict() for layer in self._problems(quick)]
        there = [one.layer.as_dict() for one in results.problems]
        return machines.is_same(results.machine, machine) and there == wanted

    def run(
        self, folder: Path, threads: int, quick: bool, told: Callable[[str, int], None]
    ) -> None:
        problems = self._problems(quick)
        contestants = [one for one in everybody() if any(c.has(one.name) for c in self.columns)]
        results = ErrorsResults(
            created=datetime.now().isoformat(timespec="seconds"),
            machine=machines.describe(),
            direction=self.direction,
        )
        with ExitStack() as stack:
            processes, results.contestants = start(contestants, threads, TASKS, stack)
            for layer in problems:
                told(layer.name, len(problems))
                found = ProblemErrors(layer.as_dict())
                results.problems.append(found)
                (value,) = truth.solve(layer, data.make(layer), self.direction).values
                for process in processes:
                    one = process.contestant
                    if one.refusal(layer, self.direction) is not None:
                        continue
                    try:
                        first = process.ask("prepare", layer=layer, direction=self.direction)
                    except Failed as failure:
                        results.failures.append(f"{one.label} of {layer.name}: {failure}")
                        continue
                    error = np.linalg.norm(first.outputs[0] - value) / np.linalg.norm(value)
                    found.errors[one.name] = float(f"{error:.3g}")
        results.save(folder, f"{self.name}.json")

    def draw(self, folder: Path) -> None:
        if self.drawn:
            results = self._load(folder)
            kernel = results.problems[0].layer.kernel
            series = {
                column.title: [
                    (one.layer.products, error)
                    for one in results.problems
                    if one.layer.kernel == kernel and (error := column.of(one.errors)) is not None
                ]
                for column in self._present(results)
            }
            save_chart(error_chart.draw(series), folder / f"{self.name}.svg")

    def texts(self, folder: Path) -> dict[str, str]:
        """Return the table by the part's name, and each error as ``<name>.<problem>.<column>``."""
        results = self._load(folder)
        columns = self._present(results)
        lines = [
            line([self._first, *(column.title for column in columns)]),
            line(["---"] + ["--:"] * len(columns)),
        ]
        found: dict[str, str] = {}
        for one in results.problems:
            errors = {column: column.of(one.errors) for column in self.columns}
            lines.append(line([one.layer.name, *(_shown(errors[column]) for column in columns)]))
            slug = one.layer.name.replace(", ", "-").replace(" ", "").replace("×", "x")
            found |= {f"{self.name}.{slug}.{c.key}": _shown(error) for c, error in errors.items()}
        found[self.name] = "\n".join([*lines, "", self._where(results)])
        return found

    @property
    def _first(self) -> str:
        return "batch × channels, image" if self.direction == "weight-grad" else "kernel, channels"

    def _where(self, results: ErrorsResults) -> str:
        """Return the sentence under the table."""
        libraries = [info for info in results.contestants if info.kind == "library"]
        here = [f"{info.label} {info.version}" for info in libraries if not info.missing]
        absent = [f"{info.label} ({info.missing})" for info in libraries if info.missing]
        text = (
            f"{results.direction}, relative error in the L2 norm in 1e-7, normal data, float32; "
            f"{results.machine['cpu']}, {results.created[:10]}."
        )
        if here:
            text += f" Here were {', '.join(here)}."
        if absent:
            text += f" Not here: {', '.join(absent)}."
        return " ".join([text, *results.failures])

    def _present(self, results: ErrorsResults) -> list[ErrorColumn]:
        """Return the columns in which anything stands."""
        return [
            column
            for column in self.columns
            if any(column.of(one.errors) is not None for one in results.problems)
        ]

    def _problems(self, quick: bool) -> Sequence[Layer]:
        return self.problems[: QUICK_PROBLEMS if quick else None]

    def _load(self, folder: Path) -> ErrorsResults:
        return load(folder / f"{self.name}.json", ErrorsResults)


def _shown(error: float | None) -> str:
    return "–" if error is None else f"{error / UNIT:.3g}"
