"""The input gradient as convolutions: one for each phase of the image's pixels.

    dx[c, h] = Σ over k, r of  w[k, c, r] · grad[k, (h + P - r·D) / S]      where that is whole

(one axis; the other is the same). Image rows h = row + i·S, for one `row` below S, are a phase. The
taps whose quotients are whole there are every so-and-so-many-th one, and seen from the last to the
first they read rows of the gradient at fixed distances: a convolution at stride 1.

    stride 2, kernel 3, padding 1        phase 0: h = 0 2 4 ..    tap 1
                                         phase 1: h = 1 3 5 ..    taps 2, 0
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from .parts import Part, cut
from .problem import ConvProblem

__all__ = ["find_phases"]


class _Axis(NamedTuple):
    """One axis of a phase."""

    first: int  # pixel of the image
    pixels: int
    last_tap: int
    tap_step: int  # from one of its taps to the next
    taps: int
    dilation: int  # rows of the gradient from one tap to the next
    before: int  # padding in front of the gradient; negative where its first rows are not read


@lru_cache(maxsize=256)
def find_phases(problem: ConvProblem) -> tuple[Part, ...]:
    """Return what a problem's input gradient is made of, what has the most taps first.

    A phase is every stride-th row and column of the image: their problem is one from the gradient
    (N, K, OH, OW) to these pixels of (N, C, H, W).
    """
    rows, columns = (_axes(problem, axis) for axis in (0, 1))
    phases = [_phase(problem, *axes) for axes in product(rows, columns)]
    parts = [part for phase in phases for part in cut(phase) or [phase]]
    return tuple(
        sorted(parts, key=lambda part: part.problem.taps if part.problem else 0, reverse=True)
    )


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


def _phase(problem: ConvProblem, row: _Axis, column: _Axis) -> Part:
    rows = (row.first, problem.height, problem.stride[0])
    columns = (column.first, problem.width, problem.stride[1])
    if row.taps == 0 or column.taps == 0:
        return Part(None, rows, columns)
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
    return Part(convolution, rows, columns, order, target)


def _pads(axis: _Axis, size: int) -> tuple[int, int]:
    """Return the padding with which so many rows of the gradient give the phase its rows."""
    window = (axis.taps - 1) * axis.dilation + 1
    return axis.before, axis.pixels + window - 1 - size - axis.before
