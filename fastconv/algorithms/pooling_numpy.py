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
# How some planes are done: step(first, other, result), the other being x or taps, if there is any.
Step: TypeAlias = Callable[[Array, Array, Array], None]


def make_run(
    operation: str, problem: PoolProblem
) -> Callable[[Array, Array | None, Array | None, Array, Array | None], None]:
    """Return the function that fills the result of an operation."""
    make_step = {
        "max-pool": _maxima, "max-pool-grad": _maxima_grad,
        "max-pool-taps": _maxima_and_taps, "max-pool-taps-grad": _grad_by_taps,
        "avg-pool": _averages, "avg-pool-grad": _averages_grad,
    }[operation]  # fmt: skip
    planes = problem.planes
    size = problem.rows.size * problem.columns.size
    together = max(1, tuning.POOL_NUMPY_VALUES // size)

    def run(
        first: Array, x: Array | None, taps: Array | None, result: Array, _scratch: Array | None
    ) -> None:
        step = make_step(problem)
        other = x if x is not None else taps if taps is not None else first
        arrays = first, other, result
        first, other, result = (array.reshape(planes, *array.shape[-2:]) for array in arrays)
        with np.errstate(all="ignore"):  # infinities and NaN flow through
            for begin in range(0, planes, together):
                some = slice(begin, begin + together)
                step(first[some], other[some], result[some])

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
    find = _find_pixels(problem)

    def step(grad: Array, x: Array, dx: Array) -> None:
        _hand_over(grad, find(x), dx)

    return step


def _maxima_and_taps(problem: PoolProblem) -> Step:
    find = _find_pixels(problem)
    row_begins, column_begins = map(_begins, (problem.rows, problem.columns))
    row_of, column_of = np.indices((problem.rows.size, problem.columns.size)).reshape(2, -1)

    def step(x: Array, taps: Array, y: Array) -> None:
        pixels = find(x)
        y[...] = x.ravel()[pixels]
        pixels %= len(row_of)  # of their own planes
        rows = row_of.take(pixels)
        columns = column_of.take(pixels)
        rows -= row_begins[:, None]
        columns -= column_begins
        rows //= problem.rows.dilation
        columns //= problem.columns.dilation
        rows *= problem.columns.kernel
        np.add(rows, columns, out=taps, casting="unsafe")

    return step


def _grad_by_taps(problem: PoolProblem) -> Step:
    row_begins, column_begins = map(_begins, (problem.rows, problem.columns))
    height, width = problem.rows.size, problem.columns.size

    def step(grad: Array, taps: Array, dx: Array) -> None:
        columns = taps.astype(np.int64)
        rows = columns.copy()
        rows //= problem.columns.kernel
        columns %= problem.columns.kernel
        rows *= problem.rows.dilation
        columns *= problem.columns.dilation
        rows += row_begins[:, None]
        columns += column_begins
        outside = (rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)
        rows += np.arange(0, len(dx) * height, height)[:, None, None]
        rows *= width
        rows += columns
        rows[outside] = dx.size
        _hand_over(grad, rows, dx)

    return step


def _begins(axis: Axis) -> Array:
    """Return where each window begins."""
    return np.arange(axis.outputs, dtype=np.int64) * axis.stride - axis.before


def _hand_over(grad: Array, pixels: Array, dx: Array) -> None:
    """Add up in dx what its pixels get of a gradient; of the pixel after the last, nothing."""
    grads = grad.ravel().astype(np.float64)  # as which they are summed
    sums = np.bincount(pixels.ravel(), grads, dx.size)
    dx[...] = sums[: dx.size].reshape(dx.shape)


def _find_pixels(problem: PoolProblem) -> Callable[[Array], Array]:
    """Return what finds of each window which pixel of these planes is its maximum.

    It goes along the rows first: then the first in row order stays the first.
    """
    vertical, horizontal = _taps(problem.rows), _taps(problem.columns)
    # At first the window's first pixel inside the image, which so keeps a window of -inf.
    first_rows, first_columns = _first_pixels(problem.rows), _first_pixels(problem.columns)
    height, width = problem.rows.size, problem.columns.size
    columns = np.arange(width)
    together = max(1, tuning.POOL_NUMPY_VALUES // (height * width))
    row_begins = np.arange(0, together * height * width, width).reshape(together, height, 1)

    def find(x: Array) -> Array:
        shape = (len(x), height, problem.columns.outputs)
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
        return winner_of_rows

    return find


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
