"""How many threads a call may use.

    num_threads(n) around the call  >  set_num_threads(n)  >  what OpenMP would use by itself

OpenMP's own count (OMP_NUM_THREADS, the cores this process may run on, threadpoolctl's limits)
is never exceeded. After a fork the child runs on one thread: the threads of the parent's OpenMP
team do not exist there, and GNU's OpenMP would wait for them for ever. (A child made by a bare
os.fork() that imports fastconv only then cannot be told from any other process; multiprocessing's
children can.)

The `im2col` backend is NumPy: its threads are those of NumPy's BLAS, set by OPENBLAS_NUM_THREADS or
threadpoolctl.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

from . import isa, tuning
from .problem.arguments import parse_int

__all__ = ["get_num_threads", "num_threads", "set_num_threads", "threads_for", "worth_waking"]

_of_process: int | None = None
_of_context: ContextVar[int | None] = ContextVar("fastconv_num_threads", default=None)


def _born_by_fork() -> bool:
    """Whether multiprocessing forked this process before fastconv was imported."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and type(process.current_process()).__name__ == "ForkProcess"


_forked = _born_by_fork()


def _after_fork_in_child() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def get_num_threads() -> int:
    """Return how many threads a large enough call would use now."""
    if _forked or isa.kernels is None:
        return 1
    most: int = isa.kernels.max_threads()
    wanted = _of_context.get() or _of_process
    return most if wanted is None else min(wanted, most)


def set_num_threads(n: int) -> None:
    """Set how many threads the calls of this process may use.

    Parameters
    ----------
    n : int
        At least 1. More than OpenMP's own limit (see `get_num_threads` before any setting) has no
        further effect.

    Raises
    ------
    TypeError, ValueError
        If `n` is not an int or is less than 1.
    """
    global _of_process
    _of_process = parse_int("n", n, 1)


def num_threads(n: int) -> AbstractContextManager[None]:
    """Set how many threads the calls inside a ``with`` block may use.

    The setting holds for the thread or asynchronous task that entered the block.

    Parameters
    ----------
    n : int
        At least 1.

    Raises
    ------
    TypeError, ValueError
        If `n` is not an int or is less than 1.
    """
    return _limited_to(parse_int("n", n, 1))


@contextmanager
def _limited_to(n: int) -> Iterator[None]:
    token = _of_context.set(n)
    try:
        yield
    finally:
        _of_context.reset(token)


def threads_for(flops: int) -> int:
    """Return how many threads work of this size is worth waking."""
    return 1 if flops < 2 * tuning.FLOPS_WORTH_A_THREAD else worth_waking(get_num_threads(), flops)


def worth_waking(threads: int, flops: int) -> int:
    """Return how many of so many threads a piece of work keeps busy, at least 1."""
    return max(1, min(threads, flops // tuning.FLOPS_WORTH_A_THREAD))
