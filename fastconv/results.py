"""Results whose memory a layer takes again, once nobody holds the array any more.

A megabyte that is freed goes back to the operating system, as a rule, and comes again page by page,
each cleared when it is first written: of a training step of LeNet that was a tenth. Frameworks keep
what is freed. NumPy does not; but a layer, called again and again, can keep its own results:

    with layer's Arena:   empty(shape, dtype)  →  one of an earlier step, if it is no longer held
    else:                 empty(shape, dtype)  →  numpy.empty

Whether it is held the count of its references tells: a view, a list or a tensor that shares its
memory has one as well. So whoever keeps a result, keeps it.

Large results of numpy.empty begin at a cache line, which NumPy does not see to: it is usually 16
bytes before or behind one, and then each vector of 64 bytes that is stored is two stores. (Not so
those of a layer: a view of a view would not count as a reference to it.)
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import tuning
from .algorithms.compiled import LINE_BYTES
from .problem.operands import Array

__all__ = ["Arena", "empty"]

# Of the same shape: what the last step returned is held while the next one is computed.
_MOST_ALIKE = 2


class _Entered(threading.local):
    """Of a thread: the arenas that it is inside of, the innermost last."""

    def __init__(self) -> None:
        self.arenas: list[Arena] = []


_entered = _Entered()


def empty(shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """Return an array of any content, by the present arena, if there is one; else by numpy.empty.

    Raises
    ------
    MemoryError
    """
    arenas = _entered.arenas
    if arenas:
        return arenas[-1].take(tuple(shape), dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < tuning.RESULTS_AT_LINES_BYTES:
        return np.empty(shape, dtype)
    memory = np.empty(size + LINE_BYTES, np.uint8)
    return np.ndarray(shape, dtype, memory, -memory.__array_interface__["data"][0] % LINE_BYTES)


class Arena:
    """What one layer, or optimiser, keeps of its results. A context: inside of it `empty` asks it.

    It holds two arrays of each shape, the last ones, as long as the layer lives. Copied or pickled
    it is a new one.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[tuple[int, ...], np.dtype[Any]], list[Array]] = {}

    def __enter__(self) -> None:
        _entered.arenas.append(self)

    def __exit__(self, *_: object) -> None:
        _entered.arenas.pop()

    def __reduce__(self) -> tuple[type[Arena], tuple[()]]:
        """Return how to make another: what is kept is worth nothing elsewhere."""
        return Arena, ()

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return an array of any content that nobody else has."""
        if math.prod(shape) * dtype.itemsize < tuning.LEAST_KEPT_BYTES or not _COUNTS:
            return np.empty(shape, dtype)  # an allocator keeps these by itself
        alike = self._kept.setdefault((shape, dtype), [])
        found = _unheld(alike)
        if found is None:
            if len(alike) == _MOST_ALIKE:
                del alike[0]
            found = np.empty(shape, dtype)
            alike.append(found)
            return found
        if not found.flags.writeable:  # as the values of parameters are
            found.setflags(write=True)
        if found.shape == shape and found.dtype == dtype and found.flags.carray:
            return found
        self._kept.pop((shape, dtype))  # whoever had it has changed it
        return np.empty(shape, dtype)


def _unheld(arrays: list[Array]) -> Array | None:
    """Return the first array to which only the list refers."""
    for array in arrays:
        if sys.getrefcount(array) == _UNHELD:
            return array
    return None


def _count_of_unheld() -> int:
    """Return the count that `_unheld` finds: of the list, its own, and what asking adds."""
    for array in [np.empty(1)]:
        return sys.getrefcount(array)
    raise AssertionError("a list of one array has one")


# Where threads do not take turns, or nobody counts, nothing is kept.
_COUNTS = hasattr(sys, "getrefcount") and getattr(sys, "_is_gil_enabled", lambda: True)()
_UNHELD = _count_of_unheld() if _COUNTS else 0
