"""PoolProblem: a pooling without its data: two axes of an image under a window, and its planes.

    x (N, C, H, W)    window R×S    y (N, C, OH, OW)

    OH = (top + H + bottom - ((R-1)·dilation + 1)) // stride + 1         (the same for OW)

With `ceil_mode` the division rounds up, as long as the last window begins inside the image or the
padding before it. That window may hang over the end of everything:

    5 pixels, kernel 2, stride 2       a b | c d | e .        . = nothing: no pixel, no padding

Every window sees a pixel of the image. So a maximum never needs a value for the padding, and no
divisor of an average is zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .arguments import parse_bool, parse_pair
from .axis import Axis, ceil_div
from .convolution import check_size, parse_image_shape
from .operands import check_dtype
from .padding import parse_padding_in_numbers

__all__ = ["PoolProblem"]

_AXES = ("height", "width")

# Taps of a window whose numbers fit a byte; see also kernels/pool.pxi.
_BYTE_TAPS = 256


@dataclass(frozen=True)
class PoolProblem:
    """One pooling: its shapes and options, valid by construction.

    Make one with `PoolProblem.create`; the constructor itself trusts its arguments.

    Attributes
    ----------
    batch, channels : int
        N, C.
    rows, columns : Axis
        H under R taps, W under S taps. Their last padding is what the windows reach, and not what
        was asked for: more where `ceil_mode` lets them hang over, less where they end before.
    counted : ((int, int), (int, int))
        For an average, the positions that its divisor counts, rows and columns: from the first of
        these to before the second. The image is from 0 to its size, padding lies around it.
    dtype : numpy.dtype
        float32 or float64.
    """

    batch: int
    channels: int
    rows: Axis
    columns: Axis
    counted: tuple[tuple[int, int], tuple[int, int]]
    dtype: np.dtype[Any]

    @classmethod
    def create(
        cls,
        x_shape: Sequence[int],
        kernel: object,
        *,
        dtype: npt.DTypeLike = np.float32,
        stride: object = None,
        padding: object = 0,
        dilation: object = 1,
        ceil_mode: object = False,
        count_include_pad: object = True,
    ) -> PoolProblem:
        """Check shapes and options, as `max_pool2d` takes them, and return the problem they pose.

        Raises
        ------
        TypeError
            For an option or dtype of the wrong type.
        ValueError
            For values that make no pooling; the message names the argument and values.
        """
        x_shape = parse_image_shape(x_shape)
        batch, channels, *image = x_shape if len(x_shape) == 4 else (1, *x_shape)
        taps = parse_pair("kernel", kernel, 1)
        steps = taps if stride is None else parse_pair("stride", stride, 1)
        pads = parse_padding_in_numbers(padding)
        apart = parse_pair("dilation", dilation, 1)
        ceil_mode = parse_bool("ceil_mode", ceil_mode)
        counts_padding = parse_bool("count_include_pad", count_include_pad)
        asked = [
            Axis(size, count, step, distance, before, after)
            for size, count, step, distance, (before, after) in zip(
                image, taps, steps, apart, pads, strict=True
            )
        ]
        rows, columns = (
            _reached(name, axis, ceil_mode=ceil_mode)
            for name, axis in zip(_AXES, asked, strict=True)
        )
        vertical, horizontal = (
            (-axis.before, axis.size + axis.after) if counts_padding else (0, axis.size)
            for axis in asked
        )
        problem = cls(
            batch, channels, rows, columns, (vertical, horizontal), check_dtype("dtype", dtype)
        )
        check_size("x", problem.x_shape, problem.dtype)
        check_size("the output", problem.output_shape, problem.dtype)
        return problem

    @classmethod
    def create_global(
        cls, x_shape: Sequence[int], *, dtype: npt.DTypeLike = np.float32
    ) -> PoolProblem:
        """Check the shape, and return the problem whose only window is the whole image."""
        x_shape = parse_image_shape(x_shape)
        return cls.create(x_shape, x_shape[-2:], dtype=dtype)

    @cached_property
    def planes(self) -> int:
        """N·C, which never meet."""
        return self.batch * self.channels

    @cached_property
    def x_shape(self) -> tuple[int, int, int, int]:
        """(N, C, H, W)."""
        return self.batch, self.channels, self.rows.size, self.columns.size

    @cached_property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(N, C, OH, OW)."""
        return self.batch, self.channels, self.rows.outputs, self.columns.outputs

    @cached_property
    def taps(self) -> int:
        """R·S, of a window."""
        return self.rows.kernel * self.columns.kernel

    @cached_property
    def taps_dtype(self) -> np.dtype[Any]:
        """What holds the number of a tap: uint8 up to 256 taps, int64 beyond."""
        return np.dtype(np.uint8 if self.taps <= _BYTE_TAPS else np.int64)

    @cached_property
    def work(self) -> int:
        """Comparisons or additions, and a step for every pixel that comes by."""
        seen = math.prod(
            min(axis.kernel, ceil_div(axis.size, axis.dilation))
            for axis in (self.rows, self.columns)
        )
        return math.prod(self.output_shape) * seen + math.prod(self.x_shape)

    def __str__(self) -> str:
        """Return the problem on one line."""
        arrow = " → ".join("×".join(map(str, s)) for s in (self.x_shape, self.output_shape))
        return (
            f"{self.dtype} {arrow}, {self.rows.kernel}×{self.columns.kernel}, "
            f"stride ({self.rows.stride}, {self.columns.stride})"
        )


def _reached(name: str, axis: Axis, *, ceil_mode: bool) -> Axis:
    """Return the axis with as much padding after the image as its windows reach.

    `name` is what errors call it.
    """
    outputs = axis.outputs
    if ceil_mode:
        outputs = ceil_div(axis.padded - axis.span, axis.stride) + 1
        begin_before_the_end = ceil_div(axis.before + axis.size, axis.stride)
        outputs = min(outputs, begin_before_the_end)
    if outputs < 1:
        raise ValueError(
            f"kernel does not fit into x: {axis.kernel} taps in {name}, {axis.dilation} apart, "
            f"span {axis.span}, the padded image has {name} {axis.padded} "
            f"(x has {axis.size}, padding {(axis.before, axis.after)})"
        )
    after = (outputs - 1) * axis.stride + axis.span - axis.size - axis.before
    reached = Axis(axis.size, axis.kernel, axis.stride, axis.dilation, axis.before, after)
    empty = _empty_window(reached)
    if empty is not None:
        begin = empty * axis.stride - axis.before
        raise ValueError(
            f"padding {(axis.before, axis.after)} leaves window {empty} in {name} without a pixel: "
            f"its {axis.kernel} taps, {axis.dilation} apart, are at {begin} to "
            f"{begin + axis.span - 1}, the image is at 0 to {axis.size - 1}"
        )
    return reached


def _empty_window(axis: Axis) -> int | None:
    """Return the number of a window that sees no pixel, or None.

    A window that begins inside the image sees one, one that begins after it none. One that begins
    before it sees the first pixel of its residue modulo the dilation, if it has a tap there and the
    image such a pixel: the first window is sought whose residue is none of the image's.
    """
    if axis.span <= axis.before:  # the first ends before the image
        return 0
    last = axis.outputs - 1
    if last * axis.stride - axis.before >= axis.size:
        return last
    if axis.dilation <= axis.size:
        return None
    residue = -axis.before % axis.dilation  # of window 0
    if residue >= axis.size:
        return 0
    window = _first_multiple(
        axis.stride % axis.dilation, axis.dilation, axis.size - residue, axis.dilation - 1 - residue
    )
    begin_before = min(axis.outputs, ceil_div(axis.before, axis.stride))
    return window if window is not None and window < begin_before else None


def _first_multiple(step: int, modulus: int, low: int, high: int) -> int | None:
    """Return the first n with low <= n·step mod modulus <= high, or None.

    0 < low <= high < modulus, and 0 <= step < modulus. Where the steps of the first turn pass over
    the interval, n·step = turns·modulus + (low to high) asks the same of the turns, modulo the
    step: as in Euclid's algorithm, after which there is no number left to ask about.
    """
    if step == 0:
        return None
    first = ceil_div(low, step)
    if first * step <= high:
        return first
    turns = _first_multiple(modulus % step, step, -high % step, -low % step)
    return None if turns is None else ceil_div(low + turns * modulus, step)
