"""The child's side of a process: does what it is asked until its parent hangs up.

Nothing but the standard library is imported here, so that the environment is set, and what is
printed goes to the log, before NumPy or any other library is loaded.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

# Each library reads its own; all must be set before the library is loaded.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
PR_SET_PDEATHSIG = 1


def serve(
    connection: Connection,
    log: str,
    module: str,
    name: str,
    threads: int,
    environment: dict[str, str],
) -> None:
    """Receive (task, arguments) and send (whether it worked, answer or reason), again and again."""
    _end_with_parent()
    _write_to(log)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    os.environ.update(environment)
    tasks = import_module(module).create(name, threads)
    while True:
        try:
            task, arguments = connection.recv()
        except EOFError:
            return
        connection.send(_answer(getattr(tasks, task), arguments))


def _answer(task: Callable[..., Any], arguments: dict[str, Any]) -> tuple[bool, Any]:
    try:
        return True, task(**arguments)
    except Exception as error:  # reported in the table; the run goes on
        return False, f"{type(error).__name__}: {error}"


def _end_with_parent() -> None:
    # A parent that is killed kills nobody, and a child that is stopped or computes does not notice.
    # Elsewhere than on Linux it ends when it next listens.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _write_to(log: str) -> None:
    """Send to a file whatever C and Python print: the terminal is the parent's."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(file, stream.fileno())
    os.close(file)
