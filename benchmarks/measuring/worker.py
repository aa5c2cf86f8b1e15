"""One contestant in a process of its own: ``python -m benchmarks.measuring.worker NAME THREADS``.

Reads one JSON request per line and answers with one JSON line, ``{"ok": …}`` or
``{"error": reason}``. The caller sets the environment variables for the thread count before the
process starts, hence before NumPy is imported.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

import numpy as np

from benchmarks.contestants import Contestant, Run, find
from benchmarks.measuring import machine
from benchmarks.measuring.memory import peak_of_call
from benchmarks.measuring.overhead import TINY, microseconds
from benchmarks.problems import data as data_module
from benchmarks.problems.layer import Layer

# A microsecond call would otherwise fill the result file with numbers nobody reads.
MOST_SAMPLES = 100
# Caches have gone cold while others had their turn; one call that nobody times warms them up,
# unless a single call is so long that its beginning does not matter.
WARM_UP_BELOW_SECONDS = 0.02


class Worker:
    """The problem at hand, and what can be asked about it."""

    def __init__(self, contestant: Contestant, threads: int) -> None:
        self.contestant = contestant
        self.threads = threads
        contestant.set_threads(threads)
        _settle_allocator()
        self.run: Run | None = None
        self.last_seconds = 0.0

    def hello(self) -> dict[str, Any]:
        return {"version": self.contestant.version()}

    def prepare(
        self,
        layer: dict[str, Any],
        direction: Any,
        results: str,
        arrays: str | None,
        integers: bool,
    ) -> dict[str, Any]:
        """Make a problem ready, call it once, save its results for comparison."""
        self.run = None
        problem = Layer(**layer)
        data = (
            data_module.load(Path(arrays))
            if arrays
            else data_module.make(problem, integers=integers)
        )
        self.run = self.contestant.prepare(problem, direction, data, self.threads)
        start = perf_counter()
        result, peak = peak_of_call(self.run.call)
        self.last_seconds = perf_counter() - start
        outputs = self.run.arrays(result)
        np.savez(results, *outputs)
        size = sum(output.nbytes for output in outputs)
        return {"extra_bytes": None if peak is None else max(0, peak - size)}

    def sample(self, seconds: float) -> dict[str, Any]:
        """Call again and again for that long, at least once; return the seconds of each call."""
        assert self.run is not None, "sample comes after prepare"
        call = self.run.call
        if self.last_seconds < WARM_UP_BELOW_SECONDS:
            call()
        times: list[float] = []
        gc.disable()
        end = perf_counter() + seconds
        while not times or (perf_counter() < end and len(times) < MOST_SAMPLES):
            start = perf_counter()
            result = call()
            times.append(perf_counter() - start)
            del result
        gc.enable()
        self.last_seconds = times[-1]
        return {"times": times}

    def overhead(self) -> dict[str, float]:
        """Return the microseconds of calls that compute next to nothing."""
        calls = self.contestant.small_calls(TINY, data_module.make(TINY), self.threads)
        return {name: microseconds(call) for name, call in calls.items()}

    def pools(self) -> list[dict[str, Any]]:
        return machine.thread_pools()


def main(name: str, threads: int) -> None:
    answers = _private_stdout()
    worker = Worker(find(name), threads)
    for line in sys.stdin:
        request = json.loads(line)
        action: Callable[..., Any] = getattr(worker, request.pop("action"))
        print(json.dumps(_answer(action, request)), file=answers, flush=True)


def _settle_allocator() -> None:
    # glibc gives arrays above a threshold fresh pages in every call, and raises it to the largest
    # such array that was freed, up to 32 MiB. Without this it depends on what a process happened
    # to do before, up to a third of the time of a call.
    np.empty(31 * 2**20, np.uint8)


def _answer(action: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"ok": action(**arguments)}
    except Exception as error:  # reported in the table; the run goes on
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}


def _private_stdout() -> TextIO:
    """Keep stdout for the answers: what a library prints goes to stderr instead."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
