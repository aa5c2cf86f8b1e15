"""Small caches of what is planned, that are emptied all at once.

What is planned depends on shapes and options, and on the numbers of tuning.py and the environment,
which do not change while a program runs, but do in tests: then everything is planned anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

__all__ = ["forget_calls", "remembered"]

Planned = TypeVar("Planned")

_caches: list[Any] = []


def remembered(plan: Callable[..., Planned]) -> Callable[..., Planned]:
    """Return the function with a small cache, which `forget_calls` empties."""
    cached = lru_cache(maxsize=256)(plan)
    _caches.append(cached)
    return cached


def forget_calls() -> None:
    """Plan everything anew: after a change of tuning.py's numbers or the environment."""
    for cached in _caches:
        cached.cache_clear()
