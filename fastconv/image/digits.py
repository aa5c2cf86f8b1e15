"""Integers by transforms: an image in digits so small that every sum is told from its neighbours.

    x = x₀ + 2^b·x₁ + ...         k∗x = k∗x₀ + 2^b·(k∗x₁) + ...

The error of a transform is a part of the norms of kernel and block (fft.py). Where it is less than
a quarter, rounding finds the integer that a sum is; where it is not, each digit's is. Digits are
from -2^(b-1) to 2^(b-1), one bit less than they would be without a sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..problem.operands import Array

__all__ = ["Digits", "digits_for"]

# More transforms than a direct sum would take, of any kernel that is transformed.
MOST_DIGITS = 4


class Digits(NamedTuple):
    """How many, and of how many bits."""

    number: int
    bits: int

    def of(self, values: Array) -> Iterator[Array]:
        """Yield the digits of whole float64 values, the lowest first."""
        for _ in range(self.number - 1):
            higher = np.rint(np.ldexp(values, -self.bits))
            yield values - np.ldexp(higher, self.bits)
            values = higher
        yield values

    def joined(self, sums: Iterable[Array]) -> Array:
        """Return the sum that those of the digits make, the highest first."""
        highest, *others = sums
        for one in others:
            highest = np.ldexp(highest, self.bits) + one
        return highest


def digits_for(largest: float, error: float) -> Digits | None:
    """Return the digits for integers up to `largest`, where those up to 1 are summed with an error.

    None if there would be too many.
    """
    if largest * error < 0.25:
        return Digits(1, 0)
    if error >= 0.125:
        return None
    bits = math.floor(math.log2(0.25 / error)) + 1
    if math.ldexp(error, bits - 1) >= 0.25:
        bits -= 1
    half = 2.0 ** (bits - 1)
    count = 1
    while largest > half:
        largest = math.floor(largest / 2**bits + 0.5)
        count += 1
        if count > MOST_DIGITS:
            return None
    return Digits(count, bits)
