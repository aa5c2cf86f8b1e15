"""A part of the study: the same loops by GCC and by Clang."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.compilers import found
from benchmarks.compilers.builds import built
from benchmarks.compilers.found import Compiler
from benchmarks.compilers.results import Built, CompilersResults, LoopTimes
from benchmarks.compilers.tasks import EXTENSION
from benchmarks.compilers.work import QUICK, WORK, Work
from benchmarks.contestants import internals
from benchmarks.contestants.origins import FromRepository
from benchmarks.ladder.compiling import CompileError
from benchmarks.measuring import machine as machines
from benchmarks.measuring.files import ResultsError, load
from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.results import geometric_mean
from benchmarks.measuring.starting import start
from benchmarks.reporting.templating import figure
from benchmarks.study.markdown import line

__all__ = ["CompilersPart"]

TASKS = "benchmarks.compilers.tasks"
ROUNDS, QUICK_ROUNDS = 9, 2
HEAD = ("loop", "kernel", "problem", "GCC", "Clang", "Clang / GCC")


class _Side(FromRepository):
    """A compiler as somebody who takes part."""

    def __init__(self, compiler: Built, extension: Path, instruction_set: str) -> None:
        self.name = self.label = compiler.kind
        self.about = f"{compiler.command} {compiler.version}"
        self.environment = {EXTENSION: str(extension), "FASTCONV_ISA": instruction_set}


class CompilersPart:
    """Compiled for AVX2, or for the widest there is below; by one thread."""

    name = "compilers"

    def is_there(self, folder: Path, machine: Mapping[str, Any], threads: int, quick: bool) -> bool:
        try:
            results = self._load(folder)
        except ResultsError:
            return False
        names = [one.name for one in results.loops]
        there = [one.name for one in _work(quick)] if results.kinds else []
        return machines.is_same(results.machine, machine) and names == there

    def run(
        self, folder: Path, threads: int, quick: bool, told: Callable[[str, int], None]
    ) -> None:
        here = found.compilers()
        usable = [name for name in internals.instruction_sets() if name in ("baseline", "avx2")]
        results = CompilersResults(
            datetime.now().isoformat(timespec="seconds"),
            machines.describe(),
            usable[-1] if usable else "",
            quick,
            [Built(one.kind, one.command, one.version) for one in here],
        )
        work = _work(quick)
        steps = len(here) + len(work)
        with ExitStack() as stack:
            sides = []
            for compiler, noted in zip(here, results.compilers, strict=True):
                told(f"{compiler.command} compiles", steps)
                side = _side(compiler, noted, results.instruction_set)
                if side is not None:
                    sides.append(side)
            processes, infos = start(sides, 1, TASKS, stack)
            missing = {info.name: info.missing for info in infos if info.missing}
            for noted in results.compilers:
                noted.trouble = noted.trouble or missing.get(noted.kind, "")
            for one in work if processes else ():
                told(one.name, steps)
                results.loops.append(_timed(processes, one, results.compilers, quick))
        results.save(folder)

    def draw(self, folder: Path) -> None:
        """Draw nothing: a table is all there is."""

    def texts(self, folder: Path) -> dict[str, str]:
        """Return the table by the part's name, and each figure.

        ``compilers.<loop>.<problem>.GCC``, ``.Clang`` and ``.ratio``, how many times as fast
        Clang's is; ``compilers.ratio`` is the geometric mean; ``compilers.<kind>`` its version.
        """
        results = self._load(folder)
        found = {self.name: _table(results), f"{self.name}.ratio": "–"}
        ratios = []
        for loop in results.loops:
            rates = [loop.rate(kind) for kind in ("GCC", "Clang")]
            name = f"{self.name}.{loop.name.replace(' ', '-')}"
            found |= {f"{name}.GCC": _figure(rates[0]), f"{name}.Clang": _figure(rates[1])}
            ratio = _ratio(loop)
            found[f"{name}.ratio"] = "–" if ratio is None else f"{ratio:.2f}"
            if ratio is not None:
                ratios.append(ratio)
        mean = geometric_mean(ratios)
        if mean is not None:
            found[f"{self.name}.ratio"] = f"{mean:.2f}"
        return found | {f"{self.name}.{one.kind}": one.version for one in results.compilers}

    def _load(self, folder: Path) -> CompilersResults:
        return load(folder / CompilersResults.FILE, CompilersResults)


def _work(quick: bool) -> Sequence[Work]:
    return QUICK if quick else WORK


def _side(compiler: Compiler, noted: Built, instruction_set: str) -> _Side | None:
    """Return a compiler with its extension; None where it made none, and why."""
    if not instruction_set:
        noted.trouble = "this installation has no compiled kernels to compare with"
        return None
    try:
        return _Side(noted, built(compiler, instruction_set), instruction_set)
    except CompileError as error:
        noted.trouble = str(error)
        return None


def _timed(
    processes: Sequence[Process[_Side]], work: Work, compilers: Sequence[Built], quick: bool
) -> LoopTimes:
    """Let all take turns at a loop; who fails is noted, and has no times."""
    noted = LoopTimes(work.name, work.about, work.loop, work.shape, work.amount, work.unit)
    running, values = [], []
    for process in processes:
        try:
            values.append(process.ask("prepare", work=work))
        except Failed as failure:
            _fail(compilers, process, work, failure)
            continue
        running.append(process)
    if len(values) == 2:
        one, other = values
        apart = np.linalg.norm(one - other) / np.linalg.norm(one)
        noted.apart = float(f"{apart:.2g}")
    for round_ in range(QUICK_ROUNDS if quick else ROUNDS):
        # Who comes first finds the caches cold.
        for process in running if round_ % 2 else [*reversed(running)]:
            try:
                seconds = process.ask("sample")
            except Failed as failure:
                _fail(compilers, process, work, failure)
                continue
            noted.times.setdefault(process.contestant.name, []).append(seconds)
    return noted


def _fail(compilers: Sequence[Built], process: Process[_Side], work: Work, failure: Failed) -> None:
    for one in compilers:
        if one.kind == process.contestant.name:
            one.trouble = f"{work.name}: {failure}"


def _ratio(loop: LoopTimes) -> float | None:
    """Return how many times as fast as GCC's loop Clang's is; None if one of them is wrong."""
    gcc, clang = loop.rate("GCC"), loop.rate("Clang")
    return None if gcc is None or clang is None or loop.is_wrong else clang / gcc


def _figure(rate: float | None) -> str:
    return "–" if rate is None else figure(rate)


def _table(results: CompilersResults) -> str:
    """Return the loops in Markdown, and under them by whom and where they were compiled."""
    lines = [line(HEAD), line(["---"] * 3 + ["--:"] * 3)]
    for loop in results.loops:
        ratio = _ratio(loop)
        rates = [loop.rate(kind) for kind in ("GCC", "Clang")]
        cells = ["–" if rate is None else f"{figure(rate)} {loop.unit}" for rate in rates]
        shown = "–" if ratio is None else f"{ratio:.2f}"
        if loop.is_wrong:
            shown = f"results differ by {loop.apart:.2g}"
        lines.append(line([loop.about, f"`{loop.loop}`", loop.problem, *cells, shown]))
    return "\n".join([*lines, "", _where(results)])


def _where(results: CompilersResults) -> str:
    """Return the sentences under the table: who compiled, how to add who was not here."""
    here = " and ".join(f"{one.kind} {one.version}" for one in results.compilers)
    text = (
        f"{results.machine['cpu']}, 1 thread, {results.instruction_set}, {results.created[:10]}"
        f"{', a quick run' if results.is_quick else ''}; the processor's time, the best of turns"
    )
    text += f"; compiled here by {here}." if here else "; no compiler was here."
    for kind, command in found.ADDED.items():
        if all(one.kind != kind for one in results.compilers):
            text += f" {kind} was not here; {command} adds it."
    for one in results.compilers:
        if one.trouble:
            text += f" {one.kind}: {one.trouble}."
    return text
