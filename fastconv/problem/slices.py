"""What NumPy does with large arrays, a slice at a time.

    a  ├── 16 MiB ──┼── 16 MiB ──┼ ─ ─ ┤        f(a[s], b[s]) for each, and Python looks for Ctrl-C
    b  ├────────────┼────────────┼ ─ ─ ┤

NumPy asks nobody until it is done with all of an array, and of gigabytes that takes seconds. Slices
are runs of a contiguous array: whole along the last axes, a range of one, single along the first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import tuning

__all__ = ["add", "assign", "at_once", "in_slices", "runs", "slices"]


def slices(shape: Sequence[int], itemsize: int) -> Iterator[tuple[slice, ...]]:
    """Yield the slices of an array of such a shape: one for each of its axes."""
    return runs(shape, max(1, tuning.NUMPY_BYTES_PER_STEP // itemsize))


def runs(shape: Sequence[int], room: int) -> Iterator[tuple[slice, ...]]:
    """Yield slices of at most so many values."""
    steps = []
    for extent in reversed(shape):
        step = max(1, min(extent, room))
        # An axis that is cut leaves no room for those before it: slices stay runs.
        room = room // step if step == extent else 1
        steps.append(step)
    return itertools.product(
        *(
            [slice(start, min(start + step, extent)) for start in range(0, extent, step)]
            for extent, step in zip(shape, reversed(steps), strict=True)
        )
    )


def in_slices(do: Callable[..., object], *arrays: npt.NDArray[Any]) -> None:
    """Call a function with slices of arrays of one shape, the first of which has the values."""
    first = arrays[0]
    if first.nbytes <= tuning.NUMPY_BYTES_PER_STEP:
        do(*arrays)
        return
    for some in slices(first.shape, first.itemsize):
        do(*(array[some] for array in arrays))


def assign(target: npt.NDArray[Any], source: npt.NDArray[Any] | float) -> None:
    """Do target[...] = source."""
    if target.nbytes <= tuning.NUMPY_BYTES_PER_STEP:  # NumPy broadcasts by itself, at once
        np.copyto(target, source)
        return
    in_slices(np.copyto, target, np.broadcast_to(source, target.shape))


def add(target: npt.NDArray[Any], source: npt.NDArray[Any]) -> None:
    """Do target += source."""
    if target.nbytes <= tuning.NUMPY_BYTES_PER_STEP:
        _add(target, source)
        return
    in_slices(_add, target, np.broadcast_to(source, target.shape))


def _add(target: npt.NDArray[Any], source: npt.NDArray[Any]) -> None:
    target += source


def at_once(values: int, itemsize: int) -> int:
    """Return how many of so many values a slice has at the most."""
    return min(values, max(1, tuning.NUMPY_BYTES_PER_STEP // itemsize))
