"""ConvProblem: everything about one convolution but its data.

It is made once per call, from shapes and options as the user gave them; whatever is wrong with them
is said here, before any array is touched. After it, nobody checks or computes a shape again.

    x (N, C, H, W)    weight (K, C/groups, R, S)    y (N, K, OH, OW)

    OH = (top + H + bottom - ((R-1)·dilation + 1)) // stride + 1         (the same for OW)

Seen as a matrix product, one per image and group (M x N x K of the BLAS books):

                              T = C/groups·R·S taps
    y  [K/groups x OH·OW]  =  weight [K/groups x T]  @  columns [T x OH·OW]
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .activation import Activation, check_activation
from .arguments import parse_int, parse_pair, shown
from .axis import Axis
from .operands import Array, check_dtype
from .padding import PaddingMode, Pads, check_mode, fold_image, pad_image, parse_padding

__all__ = ["ConvProblem", "check_size", "dilated", "parse_image_shape", "parse_shape"]

_FLOAT32 = np.dtype(np.float32)
_LARGEST_ARRAY = 2**63 - 1  # bytes


@dataclass(frozen=True)
class ConvProblem:
    """One 2-D convolution: its shapes and options, valid by construction.

    Make one with `ConvProblem.create`; the constructor itself trusts its arguments.

    Attributes
    ----------
    batch, in_channels, out_channels : int
        N, C, K.
    rows, columns : Axis
        H under R taps, W under S taps, with stride, dilation and padding.
    groups : int
        Both channel counts are cut into this many parts that do not see each other.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
    activation : {None, "relu", "sigmoid", "tanh"}
    dtype : numpy.dtype
        float32 or float64.
    has_bias : bool
    """

    batch: int
    in_channels: int
    out_channels: int
    rows: Axis
    columns: Axis
    groups: int = 1
    padding_mode: PaddingMode = "zeros"
    activation: Activation = None
    dtype: np.dtype[Any] = _FLOAT32
    has_bias: bool = False

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
        dilation: object = 1,
        groups: object = 1,
        padding_mode: PaddingMode = "zeros",
        activation: Activation = None,
    ) -> ConvProblem:
        """Check shapes and options, as `conv2d` takes them, and return the problem they pose.

        Raises
        ------
        TypeError
            For an option or dtype of the wrong type.
        ValueError
            For values that do not make a convolution; the message names the argument and values.
        """
        x_shape = parse_image_shape(x_shape)
        weight_shape = parse_shape("weight", weight_shape, (4,), "(K, C/groups, R, S)")
        batch, channels, height, width = x_shape if len(x_shape) == 4 else (1, *x_shape)
        out_channels, _, kernel_height, kernel_width = weight_shape

        groups = parse_int("groups", groups, 1)
        _check_groups(groups, x_shape, weight_shape, channels)
        if bias_shape is not None:
            bias_shape = _parse_ints("bias", bias_shape)
            if bias_shape != (out_channels,):
                raise ValueError(
                    f"bias must have shape ({out_channels},), one value for each output channel "
                    f"of weight {weight_shape}, not {bias_shape}"
                )
        stride = parse_pair("stride", stride, 1)
        dilation = parse_pair("dilation", dilation, 1)
        span = dilated((kernel_height, kernel_width), dilation)
        pads = parse_padding(padding, (height, width), span, stride)
        check_mode(padding_mode, pads, (height, width))
        check_activation(activation)

        rows, columns = (
            Axis(size, taps, step, apart, before, after)
            for size, taps, step, apart, (before, after) in zip(
                (height, width), (kernel_height, kernel_width), stride, dilation, pads, strict=True
            )
        )
        problem = cls(
            batch, channels, out_channels, rows, columns, groups, padding_mode, activation,
            check_dtype("dtype", dtype), bias_shape is not None,
        )  # fmt: skip
        problem._check_kernel_fits()
        problem._check_sizes_fit()
        return problem

    @classmethod
    def create_for_any_image(
        cls,
        weight_shape: Sequence[int],
        bias_shape: Sequence[int] | None = None,
        *,
        padding: object = 0,
        dilation: object = 1,
        groups: object = 1,
        padding_mode: PaddingMode = "zeros",
        **options: Any,
    ) -> ConvProblem:
        """Check weights and options before any image is known.

        Returns the problem of the smallest image that they take.
        """
        weight_shape = parse_shape("weight", weight_shape, (4,), "(K, C/groups, R, S)")
        groups = parse_int("groups", groups, 1)
        spans = dilated(weight_shape[2:], parse_pair("dilation", dilation, 1))
        pads = parse_padding(padding, (1, 1), (1, 1), (1, 1))
        copied = {"reflect": 1, "circular": 0}.get(str(padding_mode))  # pixels beside its copies
        height, width = (
            max(1, span - sum(pad), 0 if copied is None else max(pad) + copied)
            for span, pad in zip(spans, pads, strict=True)
        )
        return cls.create(
            (1, weight_shape[1] * groups, height, width),
            weight_shape,
            bias_shape,
            padding=padding,
            dilation=dilation,
            groups=groups,
            padding_mode=padding_mode,
            **options,
        )

    @cached_property
    def height(self) -> int:
        """H."""
        return self.rows.size

    @cached_property
    def width(self) -> int:
        """W."""
        return self.columns.size

    @cached_property
    def kernel_height(self) -> int:
        """R."""
        return self.rows.kernel

    @cached_property
    def kernel_width(self) -> int:
        """S."""
        return self.columns.kernel

    @cached_property
    def out_height(self) -> int:
        """OH."""
        return self.rows.outputs

    @cached_property
    def out_width(self) -> int:
        """OW."""
        return self.columns.outputs

    @cached_property
    def stride(self) -> tuple[int, int]:
        """Vertical, horizontal."""
        return self.rows.stride, self.columns.stride

    @cached_property
    def dilation(self) -> tuple[int, int]:
        """Vertical, horizontal."""
        return self.rows.dilation, self.columns.dilation

    @cached_property
    def padding(self) -> Pads:
        """((top, bottom), (left, right))."""
        return (self.rows.before, self.rows.after), (self.columns.before, self.columns.after)

    @property
    def span(self) -> tuple[int, int]:
        """Rows and columns of the image that the dilated kernel spans."""
        return self.rows.span, self.columns.span

    @property
    def padded_size(self) -> tuple[int, int]:
        """Height and width of the padded image."""
        return self.rows.padded, self.columns.padded

    @cached_property
    def x_shape(self) -> tuple[int, int, int, int]:
        """(N, C, H, W)."""
        return self.batch, self.in_channels, self.height, self.width

    @cached_property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(K, C/groups, R, S)."""
        return (
            self.out_channels,
            self.in_channels_per_group,
            self.kernel_height,
            self.kernel_width,
        )

    @cached_property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(N, K, OH, OW)."""
        return self.batch, self.out_channels, self.out_height, self.out_width

    @cached_property
    def in_channels_per_group(self) -> int:
        """C / groups."""
        return self.in_channels // self.groups

    @cached_property
    def out_channels_per_group(self) -> int:
        """K / groups."""
        return self.out_channels // self.groups

    @cached_property
    def taps(self) -> int:
        """Products that make one output: C/groups · R · S."""
        return self.in_channels_per_group * self.kernel_height * self.kernel_width

    @cached_property
    def flops(self) -> int:
        """Floating-point operations of one forward pass.

        A multiplication and an addition per tap and output, taps that fall into the padding
        included, as every library counts; bias and activation are not counted.
        """
        return 2 * self.taps * math.prod(self.output_shape)

    @property
    def bytes(self) -> int:
        """Bytes of x, weight, bias and y, each counted once: the least that must move."""
        elements = (
            math.prod(self.x_shape)
            + math.prod(self.weight_shape)
            + self.out_channels * self.has_bias
            + math.prod(self.output_shape)
        )
        return elements * self.dtype.itemsize

    @property
    def im2col_bytes(self) -> int:
        """Bytes of the whole column matrix, N · C·R·S · OH·OW, that an untiled im2col writes."""
        rows = self.in_channels * self.kernel_height * self.kernel_width
        return self.batch * rows * self.out_height * self.out_width * self.dtype.itemsize

    @cached_property
    def is_pointwise(self) -> bool:
        """Whether the image itself already is its own column matrix (1x1, stride 1, no padding)."""
        return self.rows == Axis(self.height, 1) and self.columns == Axis(self.width, 1)

    @property
    def is_empty(self) -> bool:
        """Whether there is no image, hence nothing to compute."""
        return self.batch == 0

    @cached_property
    def unpadded(self) -> ConvProblem:
        """The problem that is left for a backend: padding, where there is any, is with zeros."""
        if self.padding_mode == "zeros":
            return self
        rows, columns = (
            replace(axis, size=axis.padded, before=0, after=0) for axis in (self.rows, self.columns)
        )
        return replace(self, rows=rows, columns=columns, padding_mode="zeros")

    def pad(self, x: Array) -> Array:
        """Return x as `unpadded` wants it: itself, or a padded copy."""
        if self.unpadded is self:
            return x
        return pad_image(x, self.padding, self.padding_mode)

    def fold(self, padded_grad: Array) -> Array:
        """Return the gradient of x from the gradient of `pad(x)`: the adjoint of `pad`."""
        if self.unpadded is self:
            return padded_grad
        return fold_image(padded_grad, self.padding, self.padding_mode)

    def __str__(self) -> str:
        """Return the problem on one line, leaving out what is at its default."""
        (top, bottom), (left, right) = self.padding
        options = [
            f"{self.kernel_height}×{self.kernel_width}",
            self.stride != (1, 1) and f"stride {self.stride}",
            self.padding != ((0, 0), (0, 0)) and f"padding (({top}, {bottom}), ({left}, {right}))",
            self.padding_mode != "zeros" and self.padding_mode,
            self.dilation != (1, 1) and f"dilation {self.dilation}",
            self.groups != 1 and f"{self.groups} groups",
            self.has_bias and "bias",
            self.activation,
        ]
        listed = ", ".join(str(option) for option in options if option)
        arrow = f"{_times(self.x_shape)} → {_times(self.output_shape)}"
        return f"{self.dtype} {arrow}, {listed}"

    def _check_kernel_fits(self) -> None:
        for axis, kernel, span, padded in zip(
            ("height", "width"), self.weight_shape[2:], self.span, self.padded_size, strict=True
        ):
            if span > padded:
                raise ValueError(
                    f"weight does not fit into x: a kernel of {axis} {kernel} with dilation spans "
                    f"{span}, the padded image has {axis} {padded} "
                    f"(x {self.x_shape}, weight {self.weight_shape}, padding {self.padding})"
                )

    def _check_sizes_fit(self) -> None:
        padded = (self.batch, self.in_channels, *self.padded_size)
        for name, shape in (
            ("x, padded", padded), ("weight", self.weight_shape), ("the output", self.output_shape),
        ):  # fmt: skip
            check_size(name, shape, self.dtype)


def check_size(name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Refuse a shape whose bytes no address can count; NumPy counts an empty batch as one."""
    if math.prod(max(1, extent) for extent in shape) * dtype.itemsize > _LARGEST_ARRAY:
        raise ValueError(f"{name} would have shape {shape}: larger than any array can be")


def dilated(kernel: Sequence[int], dilation: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns that a kernel spans once its taps are `dilation` apart."""
    return (kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def parse_shape(
    name: str, shape: Sequence[int], ranks: tuple[int, ...], form: str
) -> tuple[int, ...]:
    """Check the rank, and that only the batch may be empty."""
    parsed = _parse_ints(name, shape)
    if len(parsed) not in ranks:
        raise ValueError(f"{name} must be {form}, not {len(parsed)}-D with shape {parsed}")
    first = 1 if name == "x" and len(parsed) == 4 else 0
    if min(parsed) < 0:
        raise ValueError(f"{name} cannot have a negative extent: its shape is {parsed}")
    if min(parsed[first:]) < 1:
        batch = " (only the batch N may be 0)" if name == "x" else ""
        raise ValueError(f"{name} must not be empty{batch}: its shape is {parsed}")
    return parsed


def parse_image_shape(x_shape: Sequence[int]) -> tuple[int, ...]:
    """Return an image's, checked: (N, C, H, W) or (C, H, W)."""
    return parse_shape("x", x_shape, (4, 3), "(N, C, H, W) or (C, H, W)")


def _parse_ints(name: str, shape: Sequence[int]) -> tuple[int, ...]:
    try:
        parsed = tuple(map(operator.index, shape))
    except TypeError:
        raise TypeError(
            f"the shape of {name} must be a tuple of ints, not {shown(shape)}"
        ) from None
    if any(abs(extent) > _LARGEST_ARRAY for extent in parsed):
        raise ValueError(f"{name} would have shape {shown(parsed)}: larger than any array can be")
    return parsed


def _check_groups(
    groups: int, x_shape: tuple[int, ...], weight_shape: tuple[int, ...], channels: int
) -> None:
    out_channels, channels_per_group = weight_shape[:2]
    if channels % groups or out_channels % groups:
        raise ValueError(
            f"groups={groups} must divide the {channels} channels of x {x_shape} and the "
            f"{out_channels} output channels of weight {weight_shape}"
        )
    if channels_per_group * groups != channels:
        raise ValueError(
            f"weight {weight_shape} takes {channels_per_group}·groups = "
            f"{channels_per_group * groups} channels (groups={groups}), x {x_shape} has {channels}"
        )
