"""Lengths for which an FFT is fast."""

from __future__ import annotations

from functools import lru_cache

from ..problem.axis import ceil_div

__all__ = ["fast_length"]


@lru_cache(maxsize=1024)
def fast_length(least: int) -> int:
    """Return the smallest even 2^a·3^b·5^c that is at least so large; 1 stays 1."""
    if least <= 1:
        return 1
    best = 2 ** (least - 1).bit_length()
    fives = 1
    while fives < best:
        threes = fives
        while threes < best:
            twos = 2 ** max(1, (ceil_div(least, threes) - 1).bit_length())
            best = min(best, threes * twos)
            threes *= 3
        fives *= 5
    return best
