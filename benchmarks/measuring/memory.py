"""How much memory one call really takes, beyond what was there before it.

The kernel's high-water mark of resident memory, reset before the call: it sees NumPy, OpenMP
scratch and the arenas of C++ libraries alike, which `tracemalloc` does not. Linux only; the
accounting is in pages kept per thread, so that a few hundred kilobytes are noise. Scratch that
a library keeps from an earlier call is not new and therefore not counted.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_HIGH_WATER_MARK = "5"


def peak_of_call(call: Callable[[], T]) -> tuple[T, int | None]:
    """Return the call's result and the peak growth in bytes, or None where it is unknown."""
    gc.collect()
    _return_free_memory()
    try:
        _CLEAR_REFS.write_text(_RESET_HIGH_WATER_MARK)
        before = _resident("VmRSS")
    except OSError:
        return call(), None
    result = call()
    return result, max(0, _resident("VmHWM") - before)


def _resident(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def _return_free_memory() -> None:
    # Otherwise glibc serves the call from pages that an earlier problem left resident.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
