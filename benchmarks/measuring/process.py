"""The parent's side of a process: start it, ask it, survive its death."""

from __future__ import annotations

import os
import signal
import tempfile
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Generic

from benchmarks.contestants.base import Someone
from benchmarks.measuring.worker import serve

ANSWER_WITHIN_SECONDS = 120.0
# Thread pools spin after a call in the hope of another one, OpenBLAS's for 100 ms: a worker whose
# turn it is not is stopped, so that it takes no time from the next. Windows has no such signals.
STOP: signal.Signals | None = getattr(signal, "SIGSTOP", None)
CONTINUE: signal.Signals | None = getattr(signal, "SIGCONT", None)


class Failed(Exception):
    """The worker raised or died; the message is what its user should read."""


class Process(Generic[Someone]):
    """A long-lived worker of one contestant, started again after it died.

    `tasks` is the module whose `create` makes what is asked there, of a name and a thread count.
    """

    def __init__(
        self, contestant: Someone, threads: int, tasks: str = "benchmarks.measuring.tasks"
    ) -> None:
        self.contestant = contestant
        self.tasks = tasks
        self.threads = threads
        self._start()

    def _start(self) -> None:
        file, log = tempfile.mkstemp(prefix="fastconv-benchmark-", suffix=".log")
        os.close(file)
        self._log = Path(log)
        # Spawned, not forked: the libraries' threads, and what they have loaded, are its own.
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._child = context.Process(
            target=serve,
            args=(
                theirs,
                log,
                self.tasks,
                self.contestant.name,
                self.threads,
                dict(self.contestant.environment),
            ),
            daemon=True,
        )
        self._child.start()
        self.pid = self._child.pid
        theirs.close()  # so that its death ends the connection
        self._heard = 0
        self._ended = False

    def ask(self, task: str, **arguments: Any) -> Any:
        """Have a method of what `tasks` makes called, and return its answer.

        Raises
        ------
        Failed
            It raised, did not answer in time, or has died since it last answered. The next request
            starts it afresh.
        """
        if self._ended:
            self._start()
        try:
            self._signal(CONTINUE)
            self._connection.send((task, arguments))
            answered = self._connection.poll(ANSWER_WITHIN_SECONDS)
            worked, answer = self._connection.recv() if answered else (False, "")
        except (EOFError, OSError):
            raise Failed(self._last_words()) from None
        if not answered:
            self.close()
            raise Failed(f"no answer within {ANSWER_WITHIN_SECONDS:g} s")
        self._signal(STOP)
        self._heard = self._log.stat().st_size
        if not worked:
            raise Failed(answer)
        return answer

    def close(self) -> None:
        """End the worker. By force, which a stopped one hears too: it has nothing to save."""
        if self._ended:
            return
        self._ended = True
        self._child.kill()
        self._child.join()
        self._child.close()
        self._connection.close()
        self._log.unlink()

    def _signal(self, signal_: signal.Signals | None) -> None:
        if signal_ is not None and self.pid is not None and self._child.is_alive():
            os.kill(self.pid, signal_)

    def _last_words(self) -> str:
        """Say how it died, and the last that it printed since it answered."""
        self._child.join(1)
        ending = _ending(self._child.exitcode)
        printed = self._log.read_bytes()[self._heard :].decode(errors="replace")
        self.close()
        return ": ".join([ending, *printed.strip().splitlines()[-1:]])


def _ending(code: int | None) -> str:
    """Say how a process ended; a negative code is the signal that killed it."""
    if code is None:
        return "process hung up"
    if code >= 0:
        return f"process ended with exit code {code}"
    try:
        return f"process was killed by {signal.Signals(-code).name}"
    except ValueError:  # one of the real-time signals, which have no names
        return f"process was killed by signal {-code}"
