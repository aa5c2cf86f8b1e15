"""The runner's side of a worker: start it, ask it, survive its death."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.contestants import Contestant

ROOT = Path(__file__).resolve().parents[2]
# Each library reads its own; all must be set before the library is loaded.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
ANSWER_WITHIN_SECONDS = 120.0
# Thread pools spin after a call in the hope of another one, OpenBLAS's for 100 ms: a worker whose
# turn it is not is stopped, so that it takes no time from the next. Windows has no such signals.
STOP: signal.Signals | None = getattr(signal, "SIGSTOP", None)
CONTINUE: signal.Signals | None = getattr(signal, "SIGCONT", None)


class Failed(Exception):
    """The worker raised or died; the message is what its user should read."""


class Process:
    """A long-lived worker of one contestant, started again after it died."""

    def __init__(self, contestant: Contestant, threads: int) -> None:
        self.contestant = contestant
        self.threads = threads
        self._start()

    def _start(self) -> None:
        environment = dict(os.environ)
        environment.update({name: str(self.threads) for name in THREAD_VARIABLES})
        self._errors: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in close()
        self._child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.measuring.worker",
                self.contestant.name,
                str(self.threads),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        self._pump = threading.Thread(
            target=_pump, args=(self._child.stdout, self._answers), daemon=True
        )
        self._pump.start()

    def ask(self, action: str, **arguments: Any) -> Any:
        """Send one request and return its answer.

        Raises
        ------
        Failed
            It raised, died or did not answer in time. The next request starts it afresh.
        """
        if self._child.poll() is not None:
            self.close()
            self._start()
        assert self._child.stdin is not None
        self._signal(CONTINUE)
        try:
            self._child.stdin.write(json.dumps({"action": action, **arguments}) + "\n")
            self._child.stdin.flush()
            line = self._answers.get(timeout=ANSWER_WITHIN_SECONDS)
        except (BrokenPipeError, queue.Empty):
            line = ""
        if not line:
            raise Failed(self._last_words())
        self._signal(STOP)
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["ok"]

    def close(self) -> None:
        """End the worker. By force, which a stopped one hears too: it has nothing to save."""
        self._child.kill()
        self._child.wait()
        self._pump.join()
        self._errors.close()
        if self._child.stdin is not None:
            with suppress(BrokenPipeError):
                self._child.stdin.close()

    def _signal(self, signal_: signal.Signals | None) -> None:
        if signal_ is not None:
            self._child.send_signal(signal_)

    def _last_words(self) -> str:
        try:
            code = self._child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            return f"no answer within {ANSWER_WITHIN_SECONDS:g} s"
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return f"process {_ending(code)}" + (f": {lines[-1]}" if lines else "")


def _ending(code: int) -> str:
    """Say how a process ended; a negative code is the signal that killed it."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _pump(stdout: IO[str], answers: queue.Queue[str]) -> None:
    # A thread, since reading a pipe with a timeout differs between operating systems.
    with stdout:
        for line in stdout:
            answers.put(line)
    answers.put("")


def load_outputs(path: Path) -> tuple[np.ndarray[Any, Any], ...]:
    """Read what a worker saved, and remove it."""
    with np.load(path) as arrays:
        outputs = tuple(arrays[name] for name in arrays.files)
    path.unlink()
    return outputs
