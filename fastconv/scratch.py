"""Scratch that a thread keeps from one call to the next.

Memory of a megabyte or two is given back to the operating system when it is freed, or is not, by
the allocator's thresholds and what else lies at the end of the heap. Where it is, every call has
its pages made anew, which has doubled the time of a millisecond's layer. So each thread keeps one
buffer, the largest that it needed, up to `tuning.KEPT_SCRATCH_BYTES` for each of the threads that a
call may use, until it ends.
"""

from __future__ import annotations

import threading

import numpy as np

from . import tuning
from .problem.operands import Array
from .threads import get_num_threads

__all__ = ["give_back", "take"]


class _Kept(threading.local):
    buffer: Array | None = None


_kept = _Kept()


def take(size: int) -> Array:
    """Return so many bytes, of any content. Who is done with them gives them back.

    What is in use is not kept: a call inside of another one, from a signal's handler, has its own.
    """
    if size < tuning.LEAST_KEPT_BYTES:
        return np.empty(size, np.uint8)
    buffer, _kept.buffer = _kept.buffer, None
    if buffer is not None and buffer.nbytes >= size:
        return buffer[:size]
    del buffer  # before there is a larger one
    return np.empty(size, np.uint8)


def give_back(scratch: Array) -> None:
    """Keep what `take` returned for the next call of this thread, if it is worth it."""
    buffer = scratch if scratch.base is None else scratch.base
    most = tuning.KEPT_SCRATCH_BYTES * get_num_threads()
    if tuning.LEAST_KEPT_BYTES <= buffer.nbytes <= most:
        _kept.buffer = buffer
