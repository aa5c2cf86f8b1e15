"""How accurate the results of a call shall be at the least.

    accuracy= of the call  >  accuracy(level) around it  >  set_accuracy(level)  >  "default"

Images by spectra (image/fft.py) have errors relative to a block of them: "strict" has none of that,
"default" may.

Algorithms with fewer multiplications (algorithms/winograd.py) add and subtract values of the whole
tile before they multiply, so their errors are relative to the largest of what is near, and not to
each result's own sum.

    "strict"    every result within the componentwise bound that `conv2d` states: none of them
    "default"   also what has, on normal data, a relative error (L2) of at most twice that of the
                direct sums, or 2e-6 in float32 and 4e-15 in float64, whichever is larger
    "fast"      all

Beside a number that is finite but far larger than the others, a mask of -1e9 say, results of the
same tile lose what is a millionth of it, though their own windows may not hold it: "strict" is for
such images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias, cast, get_args

from .problem.arguments import shown

__all__ = ["Level", "accuracy", "allows", "get_accuracy", "level_of", "set_accuracy"]

Level: TypeAlias = Literal["strict", "default", "fast"]

_LEVELS: tuple[Level, ...] = get_args(Level)  # each allows what those before it do

_of_process: Level = "default"
_of_context: ContextVar[Level | None] = ContextVar("fastconv_accuracy", default=None)


def get_accuracy() -> Level:
    """Return how accurate a call that does not say itself would be now.

    Returns
    -------
    {"strict", "default", "fast"}
    """
    return _of_context.get() or _of_process


def set_accuracy(level: Level) -> None:
    """Set how accurate the calls of this process are, where they do not say.

    Parameters
    ----------
    level : {"strict", "default", "fast"}
        "strict": every result within the componentwise bound that `conv2d` or `convolve2d` states
        for direct sums. "default": also images by spectra, and algorithms with fewer
        multiplications whose relative error, in the L2 norm and on normal
        data, is at most twice that of direct sums, or 2e-6 in float32 and 4e-15 in float64,
        whichever is larger. "fast": all there are.

    Notes
    -----
    Their errors are relative to the largest pixels near. Beside a finite number far larger than the
    others, such as a mask of -1e9, results lose what is a millionth of it even where their own
    window does not hold it. ("strict" is for that. What is infinite or NaN spoils only what sees
    it, at every level.)

    Raises
    ------
    ValueError
        For another level.
    """
    global _of_process
    _of_process = _parse("level", level)


def accuracy(level: Level) -> AbstractContextManager[None]:
    """Set how accurate the calls inside a ``with`` block are, where they do not say.

    The setting holds for the thread or asynchronous task that entered the block.

    Parameters
    ----------
    level : {"strict", "default", "fast"}
        See `set_accuracy`.

    Raises
    ------
    ValueError
        For another level.
    """
    return _at(_parse("level", level))


@contextmanager
def _at(level: Level) -> Iterator[None]:
    token = _of_context.set(level)
    try:
        yield
    finally:
        _of_context.reset(token)


def level_of(accuracy: object) -> Level:
    """Return the level of a call: what it was given, or the setting if that is None."""
    return get_accuracy() if accuracy is None else _parse("accuracy", accuracy)


def allows(level: Level, needed: Level) -> bool:
    """Whether a call at a level may be computed by what needs another one."""
    return _LEVELS.index(needed) <= _LEVELS.index(level)


def _parse(name: str, level: object) -> Level:
    if not isinstance(level, str) or level not in _LEVELS:
        raise ValueError(f"{name} must be one of {list(_LEVELS)}, not {shown(level)}")
    return cast(Level, level)
