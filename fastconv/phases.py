"""Convolutions made of smaller ones: the phases of an input gradient, the parts of a padded image.

    dx[c, h] = Σ over k, r of  w[k, c, r] · grad[k, (h + P - r·D) / S]      where that is whole

(one axis; the other is the same). Image rows h = row + i·S, for one `row` below S, are a phase. The
taps whose quotients are whole there are every so-and-so-many-th one, and seen from the last to the
first they read rows of the gradient at fixed distances: a convolution at stride 1.

    stride 2, kernel 3, padding 1        phase 0: h = 0 2 4 ..    tap 1
                                         phase 1: h = 1 3 5 ..    taps 2, 0

With a large dilation most taps of most pixels fall into the padding. Rows and columns are then cut
where that changes, and every part is the convolution with the taps that it has left:

    28 rows, dilation 12, padding 12     rows 0..11: taps 1, 2    12..15: all    16..27: taps 0, 1
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from .problem import ConvProblem

__all__ = ["Phase", "find_parts", "find_phases"]

# Cutting pays where so much of the work is multiplying padding; below it, small parts and packing
# their weights cost more.
_SHARE_OF_PADDING = 0.3


class _Axis(NamedTuple):
    """One axis of a phase."""

    first: int  # pixel of the image
    pixels: int
    last_tap: int
    tap_step: int  # from one of its taps to the next
    taps: int
    dilation: int  # rows of the gradient from one tap to the next
    before: int  # padding in front of the gradient; negative where its first rows are not read


@dataclass(frozen=True)
class Phase:
    """Some pixels of the result, and the convolution they are.

    Attributes
    ----------
    problem : ConvProblem or None
        Of which these pixels are the output; its padding may be negative. None if no tap reaches
        them: they are zero, or the bias, the activation applied.
    rows, columns : (int, int, int)
        Where these pixels are: start, stop, step.
    order : tuple of int
        Where its taps lie among the weights: struct Weights of kernels/weights.pxi.
    target : tuple of int or None
        Where its results lie: struct Target of kernels/task.pxi. None where they are everything.
    """

    problem: ConvProblem | None
    rows: tuple[int, int, int]
    columns: tuple[int, int, int]
    order: tuple[int, ...] = ()
    target: tuple[int, ...] | None = None


@lru_cache(maxsize=256)
def find_phases(problem: ConvProblem) -> tuple[Phase, ...]:
    """Return what a problem's input gradient is made of, what has the most taps first.

    A phase is every stride-th row and column of the image: their problem is one from the gradient
    (N, K, OH, OW) to these pixels of (N, C, H, W).
    """
    rows, columns = (_axes(problem, axis) for axis in (0, 1))
    phases = [_phase(problem, *axes) for axes in product(rows, columns)]
    parts = [part for phase in phases for part in _cut(phase) or [phase]]
    return tuple(
        sorted(parts, key=lambda part: part.problem.taps if part.problem else 0, reverse=True)
    )


@lru_cache(maxsize=256)
def find_parts(problem: ConvProblem) -> tuple[Phase, ...]:
    """Return the parts that a forward pass is cut into, none if that does not pay."""
    plane = problem.kernel_height * problem.kernel_width
    order = (
        0, problem.out_channels_per_group * problem.taps, problem.taps, plane,
        problem.kernel_width, 1, problem.kernel_height, problem.kernel_width, plane,
        problem.out_channels * problem.taps,
    )  # fmt: skip
    whole = Phase(problem, (0, problem.out_height, 1), (0, problem.out_width, 1), order)
    return tuple(_cut(whole))


class _Span(NamedTuple):
    """Rows or columns of the output that the same taps reach."""

    first: int
    outputs: int
    first_tap: int
    taps: int


def _spans(problem: ConvProblem, axis: int) -> list[_Span]:
    size = (problem.height, problem.width)[axis]
    kernel = (problem.kernel_height, problem.kernel_width)[axis]
    outputs = (problem.out_height, problem.out_width)[axis]
    stride, dilation = problem.stride[axis], problem.dilation[axis]
    spans: list[_Span] = []
    for i in range(outputs):
        begin = i * stride - problem.padding[axis][0]  # where tap 0 reads
        first = min(kernel, max(0, -(begin // dilation)))
        taps = max(0, min(kernel, -((begin - size) // dilation)) - first)
        first = first if taps else 0
        if spans and spans[-1][2:] == (first, taps):
            spans[-1] = spans[-1]._replace(outputs=spans[-1].outputs + 1)
        else:
            spans.append(_Span(i, 1, first, taps))
    return spans


def _cut(phase: Phase) -> list[Phase]:
    """Return the parts of a phase, none if cutting does not pay."""
    problem = phase.problem
    if problem is None or problem.dilation == (1, 1):
        return []
    rows, columns = _spans(problem, 0), _spans(problem, 1)
    needed = sum(row.outputs * row.taps for row in rows) * sum(
        col.outputs * col.taps for col in columns
    )
    pixels = problem.out_height * problem.out_width
    kernel = problem.kernel_height * problem.kernel_width
    if needed > (1 - _SHARE_OF_PADDING) * pixels * kernel:
        return []
    return [_part(phase, problem, row, column) for row, column in product(rows, columns)]


def _part(phase: Phase, problem: ConvProblem, row: _Span, column: _Span) -> Phase:
    target = phase.target or (problem.out_height, problem.out_width, 0, 0, 1, 1)
    height, width, top, left, down, across = target
    top, left = top + row.first * down, left + column.first * across
    rows = (top, top + row.outputs * down, down)
    columns = (left, left + column.outputs * across, across)
    if row.taps == 0 or column.taps == 0:
        return Phase(None, rows, columns)
    part = replace(
        problem,
        kernel_height=row.taps,
        kernel_width=column.taps,
        padding=(_shifted(problem, 0, row), _shifted(problem, 1, column)),
    )
    first, group, filters, channel, from_row, from_column, _, _, plane, end = phase.order
    order = (
        first + row.first_tap * from_row + column.first_tap * from_column,
        group, filters, channel, from_row, from_column, row.taps, column.taps, plane, end,
    )  # fmt: skip
    return Phase(part, rows, columns, order, (height, width, top, left, down, across))


def _shifted(problem: ConvProblem, axis: int, span: _Span) -> tuple[int, int]:
    """Return the padding with which the output of a part is the span."""
    size = (problem.height, problem.width)[axis]
    stride, dilation = problem.stride[axis], problem.dilation[axis]
    before = problem.padding[axis][0] - span.first * stride - span.first_tap * dilation
    window = (span.taps - 1) * dilation + 1
    return before, (span.outputs - 1) * stride + window - size - before


def _axes(problem: ConvProblem, axis: int) -> list[_Axis]:
    size = (problem.height, problem.width)[axis]
    kernel = (problem.kernel_height, problem.kernel_width)[axis]
    stride, dilation = problem.stride[axis], problem.dilation[axis]
    before = problem.padding[axis][0]
    step = stride // math.gcd(stride, dilation)
    axes = []
    for first in range(min(stride, size)):
        earliest = range(min(kernel, step))
        taps = [r for r in earliest if (first + before - r * dilation) % stride == 0]
        count = -(-(size - first) // stride)
        if not taps:
            axes.append(_Axis(first, count, 0, step, 0, 1, 0))
            continue
        number = -(-(kernel - taps[0]) // step)
        last = taps[0] + (number - 1) * step
        axes.append(
            _Axis(
                first, count, last, step, number, dilation * step // stride,
                -((first + before - last * dilation) // stride),
            )
        )  # fmt: skip
    return axes


def _phase(problem: ConvProblem, row: _Axis, column: _Axis) -> Phase:
    rows = (row.first, problem.height, problem.stride[0])
    columns = (column.first, problem.width, problem.stride[1])
    if row.taps == 0 or column.taps == 0:
        return Phase(None, rows, columns)
    convolution = replace(
        problem,
        in_channels=problem.out_channels,
        height=problem.out_height,
        width=problem.out_width,
        out_channels=problem.in_channels,
        kernel_height=row.taps,
        kernel_width=column.taps,
        stride=(1, 1),
        dilation=(row.dilation, column.dilation),
        padding=(_pads(row, problem.out_height), _pads(column, problem.out_width)),
        activation=None,
        has_bias=False,
    )
    plane = problem.kernel_height * problem.kernel_width
    filters, channels = problem.in_channels_per_group, problem.out_channels_per_group
    order = (
        row.last_tap * problem.kernel_width + column.last_tap,
        channels * filters * plane, plane, filters * plane,
        -row.tap_step * problem.kernel_width, -column.tap_step,
        row.taps, column.taps, plane, problem.groups * channels * filters * plane,
    )  # fmt: skip
    target = None
    if problem.stride != (1, 1):
        target = (
            problem.height, problem.width, row.first, column.first, *problem.stride,
        )  # fmt: skip
    return Phase(convolution, rows, columns, order, target)


def _pads(axis: _Axis, size: int) -> tuple[int, int]:
    """Return the padding with which so many rows of the gradient give the phase its rows."""
    window = (axis.taps - 1) * axis.dilation + 1
    return axis.before, axis.pixels + window - 1 - size - axis.before
