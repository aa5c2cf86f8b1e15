"""Results that zero padding has spoilt, found and computed again.

    y      0 · w   where a window is over the edge          NaN if w is infinite or NaN
    dx     0 · w   where a tap comes from beyond the output
    dw     dy · 0  where a window is over the edge, and x · 0 between the rows of a band

Padding contributes nothing. But most kernels multiply its zeros like pixels, since that is fastest,
and the same where the other factor is finite. Where it is not, it leaves a NaN, and always does:
what is none is right, and so is one where a NaN meets a pixel. What else is NaN and meets padding
is computed again as it is defined, by the plain loops, which leave the padding out. Whether there
is any is seen at little cost:

    weights    all finite: nothing is spoilt               a pass over them
    border     no result there is NaN: nothing is either   a pass over these

The shorter one comes first; the kernel that has just run may have looked already. It is asked after
every call that pads, whatever has computed it: so this holds of every backend, and of the pieces of
a problem. The choice of an algorithm does not depend on data.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property, reduce
from typing import NamedTuple

import numpy as np

from . import isa
from .algorithms import definition, loops
from .algorithms.implementation import Operation
from .problem import Axis, ConvProblem
from .problem.axis import ceil_div
from .problem.operands import Array

__all__ = ["Mender", "mender"]

# To look at a value in a column, in a cache line of its own, takes as long as at so many in a row.
_VALUES_IN_A_ROW = 4


class _Inner(NamedTuple):
    """The results along an axis that meet no padding: from the first to before the end."""

    first: int
    end: int


def mender(operation: Operation, problem: ConvProblem) -> Mender | None:
    """Return what mends the results of a problem, or None if none of them meets padding."""
    if operation == "weight-grad":
        return _WeightMender(problem) if _meets_zeros(problem) else None
    found = _ImageMender(operation, problem)
    return found if found.border else None


def _meets_zeros(problem: ConvProblem) -> bool:
    """Whether the gradient of a weight meets padding, or what lies between the rows of a band."""
    return any(
        axis.kernel > 1 or axis.before > 0 or axis.after > 0
        for axis in (problem.rows, problem.columns)
    )


def _of_outputs(axis: Axis) -> _Inner:
    first = min(axis.outputs, max(0, ceil_div(axis.before, axis.stride)))
    end = (axis.size + axis.before - axis.span) // axis.stride + 1
    return _Inner(first, max(first, min(axis.outputs, end)))


def _of_pixels(axis: Axis) -> _Inner:
    first = min(axis.size, max(0, axis.span - 1 - axis.before))
    end = (axis.outputs - 1) * axis.stride - axis.before + 1
    return _Inner(first, max(first, min(axis.size, end)))


class Mender(ABC):
    """Mends the results of one operation of one problem."""

    def __init__(self, operation: Operation, problem: ConvProblem) -> None:
        self._operation = operation
        self._problem = problem

    @abstractmethod
    def __call__(
        self, first: Array, second: Array, bias: Array | None, result: Array, threads: int
    ) -> None:
        """Mend a result, if it needs that; the operands are those that it was computed from."""

    def _compute(
        self, first: Array, second: Array, bias: Array | None, result: Array, begin: int, end: int,
        threads: int,
    ) -> None:  # fmt: skip
        """Compute units of a result as they are defined."""
        compute = definition.compute_units if isa.kernels is None else loops.compute_units
        with np.errstate(all="ignore"):  # infinities and NaN flow through
            compute(
                self._operation, self._problem, first, second, bias, result, begin, end, threads
            )


class _ImageMender(Mender):
    """Of images: forward passes and gradients of the input.

    Attributes
    ----------
    border : int
        How many results meet padding.
    """

    def __init__(self, operation: Operation, problem: ConvProblem) -> None:
        super().__init__(operation, problem)
        is_forward = operation == "forward"
        shape = problem.output_shape if is_forward else problem.x_shape
        inner = [
            _of_outputs(axis) if is_forward else _of_pixels(axis)
            for axis in (problem.rows, problem.columns)
        ]
        (top, bottom), (left, right) = inner
        self._planes = math.prod(shape[:2]), *shape[2:]
        self._edges = top, bottom, left, right
        inside = math.prod(shape[:2]) * (bottom - top) * (right - left)
        self.border = math.prod(shape) - inside
        self._border_first = self.border * _VALUES_IN_A_ROW < math.prod(problem.weight_shape)

    def __call__(
        self, first: Array, second: Array, bias: Array | None, result: Array, threads: int
    ) -> None:
        """Mend y or dx."""
        if self._border_first:
            if not self._has_nan(result) or _is_finite(second):
                return
        elif _is_finite(second) or not self._has_nan(result):
            return
        _, height, _ = self._planes
        top, bottom, left, right = self._edges
        for number, plane in enumerate(result.reshape(self._planes)):
            spoilt = np.isnan(plane)
            spoilt[top:bottom, left:right] = False
            if spoilt.any():
                spoilt &= ~self._right(second, number)
            rows = np.flatnonzero(spoilt.any(axis=1))
            if not rows.size:
                continue
            # all rows from the first to the last of them, and what was right as it was
            begin, end = int(rows[0]), int(rows[-1]) + 1
            kept = plane[begin:end].copy()
            self._compute(
                first, second, bias, result, number * height + begin, number * height + end,
                threads,
            )  # fmt: skip
            np.copyto(plane[begin:end], kept, where=~spoilt[begin:end])

    def _right(self, weight: Array, number: int) -> Array:
        """Return where in a plane a NaN of its weights meets a pixel: it belongs there."""
        problem = self._problem
        if self._operation == "forward":
            taps = weight[number % problem.out_channels]
        else:
            filters = problem.out_channels_per_group
            group, within = divmod(number % problem.in_channels, problem.in_channels_per_group)
            taps = weight[group * filters : (group + 1) * filters, within]
        rows, columns = self._meetings
        found: Array = rows.T @ np.isnan(taps).any(axis=0) @ columns
        return found

    @cached_property
    def _meetings(self) -> list[Array]:
        """Of rows and of columns: which tap meets a pixel for which results."""
        of_outputs = self._operation == "forward"
        found = []
        for axis in (self._problem.rows, self._problem.columns):
            meets = np.zeros((axis.kernel, axis.outputs if of_outputs else axis.size), bool)
            for tap in range(axis.kernel):
                outputs, pixels = definition.meet(axis, tap)
                meets[tap, outputs if of_outputs else pixels] = True
            found.append(meets)
        return found

    def _has_nan(self, result: Array) -> bool:
        """Whether a result that meets padding is NaN."""
        if isa.kernels is not None:
            found: bool = isa.kernels.border_has_nan(
                result, result.itemsize, *self._planes, *self._edges
            )
            return found
        top, bottom, left, right = self._edges
        middle = result[..., top:bottom, :]
        edges = (
            result[..., :top, :], result[..., bottom:, :], middle[..., :left], middle[..., right:],
        )  # fmt: skip
        return any(np.isnan(edge).any() for edge in edges)


class _WeightMender(Mender):
    """Of weights, each of which sums over pixels that padding is next to."""

    def __init__(self, problem: ConvProblem) -> None:
        super().__init__("weight-grad", problem)
        operands = math.prod(problem.x_shape) + math.prod(problem.output_shape)
        self._result_first = math.prod(problem.weight_shape) <= operands

    def __call__(
        self, first: Array, second: Array, bias: Array | None, result: Array, threads: int
    ) -> None:
        """Mend dw."""
        if self._result_first and _is_finite(result):
            return
        if _is_finite(first) and _is_finite(second):
            return
        spoilt = np.flatnonzero(np.isnan(result) & ~self._right(first, second))
        runs = np.split(spoilt, np.flatnonzero(np.diff(spoilt) != 1) + 1)
        for run in runs if spoilt.size else ():
            self._compute(first, second, None, result, int(run[0]), int(run[-1]) + 1, threads)

    def _right(self, grad: Array, x: Array) -> Array:
        """Return of which weights a NaN of the image or the gradient meets a pixel of the other."""
        problem = self._problem
        of_x, of_grad = (reduce(np.logical_or, map(np.isnan, images)) for images in (x, grad))
        found = np.empty(problem.weight_shape, bool)
        for r, s in np.ndindex(problem.weight_shape[2:]):
            (rows, pixel_rows), (columns, pixel_columns) = (
                definition.meet(axis, tap)
                for axis, tap in ((problem.rows, r), (problem.columns, s))
            )
            channels = of_x[:, pixel_rows, pixel_columns].any(axis=(1, 2))
            filters = of_grad[:, rows, columns].any(axis=(1, 2))
            grouped = filters.reshape(problem.groups, -1, 1) | channels.reshape(
                problem.groups, 1, -1
            )
            found[:, :, r, s] = grouped.reshape(problem.weight_shape[:2])
        return found


def _is_finite(array: Array) -> bool:
    """Whether all values are."""
    if isa.kernels is not None:
        found: bool = isa.kernels.is_finite(array, array.itemsize)
        return found
    return array.size == 0 or bool(np.isfinite(array.min()) and np.isfinite(array.max()))
