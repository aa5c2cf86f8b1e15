"""TransposedProblem: a transposed convolution without its data, and the convolution it transposes.

    x (N, C, H, W)    weight (C, K/groups, R, S)    y (N, K, OH, OW)

    OH = (H-1)·stride - top - bottom + (R-1)·dilation + output_padding + 1       (the same for OW)

Every pixel of x sets the kernel down on y, `stride` further than the pixel before it. Read the
other way, this is a convolution from y to x with the same weights. So there is nothing to compute
that the backends of a `ConvProblem` do not compute already:

    transposed convolution      its convolution
    y  from x                   gradient of the input from that of the output
    dx from dy                  output from input
    dw from dy and x            gradient of the weights from input and gradient of the output
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .arguments import parse_int, parse_pair
from .axis import Axis
from .convolution import ConvProblem, check_size, dilated, parse_image_shape, parse_shape
from .operands import check_dtype
from .padding import Pads, parse_padding_in_numbers

__all__ = ["TransposedProblem"]

_AXES = ("height", "width")


@dataclass(frozen=True)
class TransposedProblem:
    """One transposed convolution: its shapes and options, valid by construction.

    Make one with `TransposedProblem.create`; the constructor itself trusts its arguments.

    Attributes
    ----------
    x_shape : (int, int, int, int)
        (N, C, H, W).
    weight_shape : (int, int, int, int)
        (C, K/groups, R, S).
    stride, dilation, output_padding : (int, int)
        Vertical, horizontal.
    padding : ((int, int), (int, int))
        ((top, bottom), (left, right)).
    groups : int
    dtype : numpy.dtype
        float32 or float64.
    """

    x_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    stride: tuple[int, int]
    padding: Pads
    output_padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    dtype: np.dtype[Any]

    @classmethod
    def create(
        cls,
        x_shape: Sequence[int],
        weight_shape: Sequence[int],
        bias_shape: Sequence[int] | None = None,
        *,
        dtype: npt.DTypeLike = np.float32,
        stride: object = 1,
        padding: object = 0,
        output_padding: object = 0,
        dilation: object = 1,
        groups: object = 1,
    ) -> TransposedProblem:
        """Check shapes and options, as `conv_transpose2d` takes them, and return their problem.

        Raises
        ------
        TypeError
            For an option or dtype of the wrong type.
        ValueError
            For values that make no transposed convolution; the message names argument and values.
        """
        x_shape = parse_image_shape(x_shape)
        weight_shape = parse_shape("weight", weight_shape, (4,), "(C, K/groups, R, S)")
        groups = parse_int("groups", groups, 1)
        _check_channels(groups, x_shape, weight_shape)
        _check_bias(groups, bias_shape, weight_shape)
        problem = cls(
            x_shape if len(x_shape) == 4 else (1, *x_shape),
            weight_shape,
            parse_pair("stride", stride, 1),
            parse_padding_in_numbers(padding),
            parse_pair("output_padding", output_padding, 0),
            parse_pair("dilation", dilation, 1),
            groups,
            check_dtype("dtype", dtype),
        )
        problem._check_output_padding()
        problem._check_something_is_left()
        check_size("x", problem.x_shape, problem.dtype)
        check_size("weight", problem.weight_shape, problem.dtype)
        check_size("the output", problem.output_shape, problem.dtype)
        return problem

    @cached_property
    def reach(self) -> tuple[int, int]:
        """Rows and columns of the output before any padding is left out of it."""
        spans = dilated(self.weight_shape[2:], self.dilation)
        height, width = (
            (extent - 1) * stride + span + more
            for extent, stride, span, more in zip(
                self.x_shape[2:], self.stride, spans, self.output_padding, strict=True
            )
        )
        return height, width

    @cached_property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(N, K, OH, OW)."""
        height, width = (n - sum(pad) for n, pad in zip(self.reach, self.padding, strict=True))
        return self.x_shape[0], self.weight_shape[1] * self.groups, height, width

    @cached_property
    def convolution(self) -> ConvProblem:
        """The convolution whose input gradient this is: from `output_shape` to `x_shape`.

        An output padding of a stride or more, which a dilation allows, has room for windows that no
        pixel of x stands for. They are kept away by that much less padding at the bottom or right,
        which may get negative: rows and columns at the end that no window reads.
        """
        batch, channels, height, width = self.output_shape
        rows, columns = (
            Axis(size, taps, stride, apart, before, after - more // stride * stride)
            for size, taps, stride, apart, (before, after), more in zip(
                (height, width), self.weight_shape[2:], self.stride, self.dilation, self.padding,
                self.output_padding, strict=True,
            )
        )  # fmt: skip
        return ConvProblem(
            batch, channels, self.weight_shape[0], rows, columns, self.groups, dtype=self.dtype
        )

    def _check_output_padding(self) -> None:
        for axis, more, stride, dilation in zip(
            _AXES, self.output_padding, self.stride, self.dilation, strict=True
        ):
            if more >= max(stride, dilation):
                raise ValueError(
                    f"output_padding must be smaller than stride or dilation, not {more} in "
                    f"{axis}, where stride is {stride} and dilation {dilation}"
                )

    def _check_something_is_left(self) -> None:
        for axis, reach, pad in zip(_AXES, self.reach, self.padding, strict=True):
            if sum(pad) >= reach:
                raise ValueError(
                    f"padding {pad} leaves nothing of the output, which without it has {axis} "
                    f"{reach} (x {self.x_shape}, weight {self.weight_shape}, stride {self.stride}, "
                    f"dilation {self.dilation}, output_padding {self.output_padding})"
                )


def _check_channels(groups: int, x_shape: tuple[int, ...], weight_shape: tuple[int, ...]) -> None:
    channels = x_shape[-3]
    if channels != weight_shape[0]:
        raise ValueError(
            f"weight {weight_shape} takes {weight_shape[0]} channels, x {x_shape} has {channels}"
        )
    if channels % groups:
        raise ValueError(f"groups={groups} must divide the {channels} channels of x {x_shape}")


def _check_bias(
    groups: int, bias_shape: Sequence[int] | None, weight_shape: tuple[int, ...]
) -> None:
    channels = weight_shape[1] * groups
    if bias_shape is not None and tuple(bias_shape) != (channels,):
        raise ValueError(
            f"bias must have shape ({channels},), one value for each of the {channels} channels "
            f"that weight {weight_shape} makes with groups={groups}, not {tuple(bias_shape)}"
        )
