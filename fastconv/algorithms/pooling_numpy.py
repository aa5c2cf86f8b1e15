"""Poolings in NumPy: one axis after the other, and for every tap of it one view of the outputs and
one of the pixels that they see.

    tap r:    y[:, rows]  meets  x[:, rows·stride + r·dilation - top]

Within one tap no pixel is seen twice, so that a single operation takes all of its outputs, also on
the way back; outputs that see padding there are not in the view. A window of R by S is R + S such
operations. Planes are taken a few at a time, whose values lie in a cache together; between
operations Python looks for Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from .. import tuning
from ..problem import PoolProblem
from ..problem.axis import Axis, ceil_div
from ..problem.operands import Array

__all__ = ["make_run"]

# Of a tap: the outputs that see a pixel with it, and these pixels.
Tap: TypeAlias = tuple[slice, slice]
# How some planes are done: step(first, second, result).
Step: TypeAlias = Callable[[Array, Array, Array], None]


def make_run(
    operation: str, problem: PoolProblem
) -> Callable[[Array, Array | None, Array, Array | None], None]:
    """Return the function that fills the result of an operation."""
    make_step = {
        "max-pool": _maxima, "max-pool-grad": _maxima_grad,
        "avg-pool": _averages, "avg-pool-grad": _averages_grad,
    }[operation]  # fmt: skip
    planes = problem.planes
    size = problem.rows.size * problem.columns.size
    together = max(1, tuning.POOL_NUMPY_VALUES // size)

    def run(first: Array, second: Array | None, result: Array, _scratch: Array | None) -> None:
        step = make_step(problem)
        arrays = (first, first if second is None else second, result)
        first, second, result = (array.reshape(planes, *array.shape[-2:]) for array in arrays)
        with np.errstate(all="ignore"):  # infinities and NaN flow through
            for begin in range(0, planes, together):
                some = slice(begin, begin + together)
                step(first[some], second[some], result[some])

    return run


def _taps(axis: Axis) -> list[Tap]:
    """Return the taps that see any pixel of the image."""
    last_begin = (axis.outputs - 1) * axis.stride - axis.before
    first = max(0, ceil_div(-last_begin, axis.dilation))
    end = min(axis.kernel, ceil_div(axis.size + axis.before, axis.dilation))
    taps = []
    for tap in range(first, end):
        offset = tap * axis.dilation - axis.before
        low = max(0, ceil_div(-offset, axis.stride))
        high = min(axis.outputs, ceil_div(axis.size - offset, axis.stride))
        if low < high:
            pixel = low * axis.stride + offset
            stop = (high - 1) * axis.stride + offset + 1
            taps.append((slice(low, high), slice(pixel, stop, axis.stride)))
    return taps


def _maxima(problem: PoolProblem) -> Step:
    vertical, horizontal = _taps(problem.rows), _taps(problem.columns)

    def step(x: Array, _: Array, y: Array) -> None:
        columns = np.full((*y.shape[:2], x.shape[2]), -np.inf, x.dtype)
        for outputs, pixels in vertical:
            view = columns[:, outputs]
            np.maximum(view, x[:, pixels], out=view)
        y[...] = -np.inf
        for outputs, pixels in horizontal:
            view = y[..., outputs]
            np.maximum(view, columns[..., pixels], out=view)

    return step


def _maxima_grad(problem: PoolProblem) -> Step:
    """Find where the maxima are, along the rows first: then the first in row order stays first."""
    vertical, horizontal = _taps(problem.rows), _taps(problem.columns)
    # At first the window's first pixel inside the image, which so keeps a window of -inf.
    first_rows, first_columns = _first_pixels(problem.rows), _first_pixels(problem.columns)
    height, width = problem.rows.size, problem.columns.size
    columns = np.arange(width)
    together = max(1, tuning.POOL_NUMPY_VALUES // (height * width))
    row_begins = np.arange(0, together * height * width, width).reshape(together, height, 1)

    def step(grad: Array, x: Array, dx: Array) -> None:
        shape = (len(x), height, grad.shape[2])
        best = np.full(shape, -np.inf, x.dtype)
        winner = np.empty(shape, np.intp)
        winner[...] = first_columns
        for outputs, pixels in horizontal:
            _challenge(best[..., outputs], winner[..., outputs], x[..., pixels], columns[pixels])
        # from here on, of all pixels of these planes
        winner += row_begins[: len(x)]
        best_of_rows = best.take(first_rows, axis=1)
        winner_of_rows = winner.take(first_rows, axis=1)
        for outputs, pixels in vertical:
            _challenge(
                best_of_rows[:, outputs], winner_of_rows[:, outputs], best[:, pixels],
                winner[:, pixels],
            )  # fmt: skip
        grads = grad.ravel().astype(np.float64)  # as which they are summed
        sums = np.bincount(winner_of_rows.ravel(), grads, dx.size)
        dx[...] = sums.reshape(dx.shape)

    return step


def _challenge(best: Array, winner: Array, seen: Array, pixels: Array) -> None:
    """Let what is seen take the place of what is smaller; a NaN, of anything."""
    wins = seen > best
    is_nan = seen != seen
    wins |= is_nan
    np.copyto(best, seen, where=wins)
    np.copyto(winner, pixels, where=wins)


def _first_pixels(axis: Axis) -> Array:
    """Return the first pixel of the image that each window sees."""
    begins = np.arange(axis.outputs) * axis.stride - axis.before
    return np.where(begins < 0, begins % axis.dilation, begins)


def _averages(problem: PoolProblem) -> Step:
    vertical, horizontal = _taps(problem.rows), _taps(problem.columns)
    divisors = _divisors(problem)

    def step(x: Array, _: Array, y: Array) -> None:
        columns = np.zeros((*y.shape[:2], x.shape[2]), x.dtype)
        for outputs, pixels in vertical:
            columns[:, outputs] += x[:, pixels]
        y[...] = 0
        for outputs, pixels in horizontal:
            y[..., outputs] += columns[..., pixels]
        y /= divisors

    return step


def _averages_grad(problem: PoolProblem) -> Step:
    vertical, horizontal = _taps(problem.rows), _taps(problem.columns)
    divisors = _divisors(problem)

    def step(grad: Array, _: Array, dx: Array) -> None:
        shares = grad / divisors
        columns = np.zeros((*grad.shape[:2], dx.shape[2]), dx.dtype)
        for outputs, pixels in horizontal:
            columns[..., pixels] += shares[..., outputs]
        dx[...] = 0
        for outputs, pixels in vertical:
            dx[:, pixels] += columns[:, outputs]

    return step


def _divisors(problem: PoolProblem) -> Array:
    """Return how many positions each window counts, (OH, OW)."""
    rows, columns = (
        _counts(axis, counted)
        for axis, counted in zip((problem.rows, problem.columns), problem.counted, strict=True)
    )
    divisors: Array = (rows[:, None] * columns).astype(problem.dtype)
    return divisors


def _counts(axis: Axis, counted: Sequence[int]) -> Array:
    """Return how many taps of each window are between two positions."""
    begins = np.arange(axis.outputs, dtype=np.float64) * axis.stride - axis.before
    first, end = (np.ceil((edge - begins) / axis.dilation) for edge in counted)
    counts: Array = np.minimum(end, axis.kernel) - np.maximum(first, 0)
    return counts
