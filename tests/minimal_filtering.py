"""Minimal filtering algorithms F(m, r) as exact matrices, from the numbers that kernels use."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from fastconv import isa


class Transforms(NamedTuple):
    """F(m, r) as matrices of Fractions: y = Aᵀ [(G g) ⊙ (Bᵀ d)].

    For a gradient of r weights by tiles of m, the weights are y and the tile is g: F(r, m).
    """

    data: Any
    taps: Any
    sums: Any

    def absolute(self) -> Transforms:
        """Return the matrices' absolute values, as arrays of float64."""
        return Transforms(*(np.abs(np.array(matrix, dtype=float)) for matrix in self))


def transforms(m: int, r: int) -> Transforms:
    """Build the matrices, as winograd_transforms.pxi says."""
    side = m + r - 1
    points, whole, others, scales = isa.kernels.transform_constants(side // 2 - 1)
    data = [[Fraction(0)] * side for _ in range(side)]
    taps = [[Fraction(0)] * r for _ in range(side)]
    sums = [[Fraction(0)] * side for _ in range(m)]
    for k, value in enumerate([*whole, 1]):
        data[0][2 * k] = data[-1][2 * k + 1] = Fraction(value)
    taps[0][0] = 1 / Fraction(whole[0])
    taps[-1][-1] = sums[0][0] = sums[-1][-1] = Fraction(1)
    for i, p in enumerate(map(Fraction, points)):
        q = [*map(Fraction, others[i]), Fraction(1)]
        norm = 2 * p * p * sum(value * p ** (2 * k) for k, value in enumerate(q))
        assert abs(Fraction(scales[i]) - 1 / norm) <= abs(1 / norm) * Fraction(1, 2**52)
        for row, point in ((2 * i + 1, p), (2 * i + 2, -p)):
            for k, value in enumerate(q):
                data[row][2 * k + 2] = value
                data[row][2 * k + 1] = point * value
            taps[row] = [point**k / norm for k in range(r)]
            for k in range(m):
                sums[k][row] = point**k
    return Transforms(data, taps, sums)


def assert_convolution(m: int, r: int) -> None:
    """Assert it for every pixel and every tap by itself, which is all there is: it is bilinear."""
    data, taps, sums = transforms(m, r)
    for j in range(m + r - 1):
        for tap in range(r):
            products = [data[x][j] * taps[x][tap] for x in range(m + r - 1)]
            for k in range(m):
                total = sum(a * b for a, b in zip(sums[k], products, strict=True))
                assert total == (j == k + tap)
