"""Workers that are no processes of their own, for tests of what is asked of them.

Starting one takes half a second of a core, most of it for libraries that the tests have loaded. The
main command, the sweep, the ladder, images and LeNet are run with real ones in one of their tests,
and what these alone do is tested in test_bench_process.py.
"""

from __future__ import annotations

import pickle
from importlib import import_module
from typing import Any

from benchmarks.contestants.base import Someone
from benchmarks.measuring.process import Failed, Process


class Inside(Process[Someone]):
    """What a process of that contestant would answer; questions and answers travel as bytes."""

    def _start(self) -> None:
        self._worker: Any = None

    def ask(self, task: str, **arguments: Any) -> Any:
        sent = pickle.dumps(arguments)
        try:
            if self._worker is None:
                module = import_module(self.tasks)
                self._worker = module.create(self.contestant.name, self.threads)
            answer = getattr(self._worker, task)(**pickle.loads(sent))
        except Exception as error:
            raise Failed(f"{type(error).__name__}: {error}") from None
        return pickle.loads(pickle.dumps(answer))

    def close(self) -> None:
        self._worker = None
