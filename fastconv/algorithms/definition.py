"""Single results as they are defined, in NumPy: what loops.py is where nothing is compiled.

A unit is what it is there: a row of y or dx, a weight of dw. Nothing outside the image is touched.
"""

from __future__ import annotations

import numpy as np

from ..problem import Axis, ConvProblem
from ..problem.activation import activate
from ..problem.axis import ceil_div
from ..problem.operands import Array
from .implementation import Operation

__all__ = ["compute_units", "meet"]


def compute_units(
    operation: Operation, problem: ConvProblem, first: Array, second: Array, bias: Array | None,
    result: Array, begin: int, end: int, threads: int,
) -> None:  # fmt: skip
    """Compute the units [begin, end) of a result, by one thread however many there may be."""
    if operation == "weight-grad":
        weights = result.reshape(-1)
        for unit in range(begin, end):
            weights[unit] = _weight(problem, first, second, *_places(unit, result.shape))
        return
    rows = result.reshape(-1, result.shape[-1])
    for unit in range(begin, end):
        image, channel, row = _places(unit, result.shape[:3])
        rows[unit] = 0 if bias is None else bias[channel]
        if operation == "forward":
            _add_row_of_y(problem, first[image], second[channel], channel, row, rows[unit])
            activate(problem.activation, rows[unit])
        else:
            _add_row_of_dx(problem, first[image], second, channel, row, rows[unit])


def _places(unit: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(unit, shape)))


def _add_row_of_y(
    problem: ConvProblem, x: Array, weight: Array, filter_: int, row: int, y: Array
) -> None:
    channels = problem.in_channels_per_group
    begin = filter_ // problem.out_channels_per_group * channels
    for r in range(problem.rows.kernel):
        at = row * problem.rows.stride + r * problem.rows.dilation - problem.rows.before
        if not 0 <= at < problem.height:
            continue
        for s in range(problem.columns.kernel):
            outputs, pixels = meet(problem.columns, s)
            y[outputs] += np.einsum("c,cj->j", weight[:, r, s], x[begin:, at, pixels][:channels])


def _add_row_of_dx(
    problem: ConvProblem, grad: Array, weight: Array, channel: int, row: int, dx: Array
) -> None:
    filters = problem.out_channels_per_group
    group, within = divmod(channel, problem.in_channels_per_group)
    begin = group * filters
    for r in range(problem.rows.kernel):
        at = row + problem.rows.before - r * problem.rows.dilation
        if at % problem.rows.stride or not 0 <= at // problem.rows.stride < problem.out_height:
            continue
        seen = grad[begin : begin + filters, at // problem.rows.stride]
        for s in range(problem.columns.kernel):
            outputs, pixels = meet(problem.columns, s)
            taps = weight[begin : begin + filters, within, r, s]
            dx[pixels] += np.einsum("k,kj->j", taps, seen[:, outputs])


def _weight(
    problem: ConvProblem, grad: Array, x: Array, filter_: int, within: int, r: int, s: int
) -> float:
    group = filter_ // problem.out_channels_per_group
    channel = group * problem.in_channels_per_group + within
    (rows, pixel_rows), (columns, pixel_columns) = (
        meet(axis, tap) for axis, tap in ((problem.rows, r), (problem.columns, s))
    )
    return float(
        np.einsum(
            "nij,nij->", grad[:, filter_, rows, columns], x[:, channel, pixel_rows, pixel_columns]
        )
    )


def meet(axis: Axis, tap: int) -> tuple[slice, slice]:
    """Return the outputs that a tap reaches from inside the image, and the pixels it finds."""
    offset = tap * axis.dilation - axis.before
    first = max(0, ceil_div(-offset, axis.stride))
    end = min(axis.outputs, ceil_div(axis.size - offset, axis.stride))
    if first >= end:
        return slice(0), slice(0)
    last = (end - 1) * axis.stride + offset
    return slice(first, end), slice(first * axis.stride + offset, last + 1, axis.stride)
