"""What is asked in a process: prepare a loop, and take a turn of it."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastconv
from benchmarks.compilers.work import Work
from benchmarks.ladder.package import calls
from benchmarks.measuring.tasks import settle_allocator
from benchmarks.pooling.contestants import find
from benchmarks.problems.data import make
from benchmarks.problems.layer import Layer

__all__ = ["Timing"]

# A turn takes about so long, or a call.
TURN_SECONDS = 0.02


class Timing:
    """A call at hand."""

    def __init__(self, threads: int) -> None:
        settle_allocator()
        fastconv.set_num_threads(threads)
        self._call: Callable[[], Any] | None = None

    def version(self) -> str:
        """Answer that it is ready."""
        return fastconv.__version__

    def prepare(self, work: Work) -> NDArray[np.float32]:
        """Make a loop ready, and return what it computes."""
        if isinstance(work.problem, Layer):
            layer, data, call = work.problem, make(work.problem), calls(work.loop)[work.direction]
            self._call = lambda: call(layer, data)
        else:
            direction: Any = work.direction  # poolings call both of theirs as layers do
            grad, x = work.problem.arrays()
            self._call = find("auto").prepare(work.problem, direction, grad, x).call
        result: NDArray[np.float32] = self._call()
        return result

    def sample(self) -> float:
        """Return the processor's seconds of a call: of several in a row, after one that warms up.

        Of the processor, since whoever else works on the machine would otherwise take part.
        """
        call = self._call
        assert call is not None, "sample comes after prepare"
        begin = process_time()
        call()
        times = max(1, int(TURN_SECONDS / max(process_time() - begin, 1e-6)))
        begin = process_time()
        for _ in range(times):
            call()
        return float(f"{(process_time() - begin) / times:.4g}")
