"""A convolution in parts, each a smaller convolution.

With a large dilation most taps of most pixels fall into the padding. Rows and columns are then cut
where that changes, and every part is the convolution with the taps that it has left:

    28 rows, dilation 12, padding 12     rows 0..11: taps 1, 2    12..15: all    16..27: taps 0, 1
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from .problem import ConvProblem

__all__ = ["Part", "cut", "find_parts"]

# Cutting pays where so much of the work is multiplying padding; below it, small parts and packing
# their weights cost more.
_SHARE_OF_PADDING = 0.3
# A kernel of many taps would make thousands, each with a few microseconds of its own.
_MOST_PARTS = 64


@dataclass(frozen=True)
class Part:
    """Some pixels of a result, and the convolution they are.

    Attributes
    ----------
    problem : ConvProblem or None
        Of which these pixels are the output; its padding may be negative. None if no tap reaches
        them: they are zero, or the bias, the activation applied.
    rows, columns : (int, int, int)
        Where these pixels are: start, stop, step.
    order : tuple of int
        Where its taps lie among the weights: struct Taps of kernels/description.pxi.
    target : tuple of int or None
        Where its results lie: struct Output there. None where they are everything.
    """

    problem: ConvProblem | None
    rows: tuple[int, int, int]
    columns: tuple[int, int, int]
    order: tuple[int, ...] = ()
    target: tuple[int, ...] | None = None


@lru_cache(maxsize=256)
def find_parts(problem: ConvProblem) -> tuple[Part, ...]:
    """Return the parts that a forward pass is cut into, none if that does not pay."""
    plane = problem.kernel_height * problem.kernel_width
    order = (
        0, problem.out_channels_per_group * problem.taps, problem.taps, plane,
        problem.kernel_width, 1, problem.kernel_height, problem.kernel_width, plane,
        problem.out_channels * problem.taps,
    )  # fmt: skip
    everything = Part(problem, (0, problem.out_height, 1), (0, problem.out_width, 1), order)
    return tuple(cut(everything))


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


def cut(whole: Part) -> list[Part]:
    """Return the parts of a part, none if cutting does not pay."""
    problem = whole.problem
    if problem is None or problem.dilation == (1, 1):
        return []
    rows, columns = _spans(problem, 0), _spans(problem, 1)
    needed = sum(row.outputs * row.taps for row in rows) * sum(
        col.outputs * col.taps for col in columns
    )
    pixels = problem.out_height * problem.out_width
    kernel = problem.kernel_height * problem.kernel_width
    many = len(rows) * len(columns) > _MOST_PARTS
    if many or needed > (1 - _SHARE_OF_PADDING) * pixels * kernel:
        return []
    return [_part(whole, problem, row, column) for row, column in product(rows, columns)]


def _part(whole: Part, problem: ConvProblem, row: _Span, column: _Span) -> Part:
    target = whole.target or (problem.out_height, problem.out_width, 0, 0, 1, 1)
    height, width, top, left, down, across = target
    top, left = top + row.first * down, left + column.first * across
    rows = (top, top + row.outputs * down, down)
    columns = (left, left + column.outputs * across, across)
    if row.taps == 0 or column.taps == 0:
        return Part(None, rows, columns)
    part = replace(
        problem,
        kernel_height=row.taps,
        kernel_width=column.taps,
        padding=(_shifted(problem, 0, row), _shifted(problem, 1, column)),
    )
    first, group, filters, channel, from_row, from_column, _, _, plane, end = whole.order
    order = (
        first + row.first_tap * from_row + column.first_tap * from_column,
        group, filters, channel, from_row, from_column, row.taps, column.taps, plane, end,
    )  # fmt: skip
    return Part(part, rows, columns, order, (height, width, top, left, down, across))


def _shifted(problem: ConvProblem, axis: int, span: _Span) -> tuple[int, int]:
    """Return the padding with which the output of a part is the span."""
    size = (problem.height, problem.width)[axis]
    stride, dilation = problem.stride[axis], problem.dilation[axis]
    before = problem.padding[axis][0] - span.first * stride - span.first_tap * dilation
    window = (span.taps - 1) * dilation + 1
    return before, (span.outputs - 1) * stride + window - size - before
