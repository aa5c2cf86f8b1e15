"""Filtering: what `convolve2d` computes, without its data, and how the arrays are arranged for it.

Everything is one correlation of N images with K kernels of one channel, of which a convolution's
are flipped. An axis of H pixels and R taps has, by mode, so many positions before the image:

    full     R-1                              H + R - 1 outputs
    same     R//2          of a convolution   H               the earlier middle tap of an even
             (R-1)//2      of a correlation                   kernel is the middle one
    valid    0                                H - R + 1

That is what scipy.signal does. Of odd kernels, "same" is also what scipy.ndimage does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np

from ..problem import Axis
from ..problem.arguments import parse_int, shown
from ..problem.convolution import check_size
from ..problem.operands import Array
from ..problem.padding import Pads

__all__ = ["MODES", "Arrangement", "Filtering", "Mode", "arrange", "check_is_stack"]

MODES = ("full", "same", "valid")
# Of NumPy 2, and before.
_MOST_AXES = 64 if hasattr(np, "long") else 32
# Grey, grey with opacity, red-green-blue, and that with opacity.
_MOST_CHANNELS = 4
Mode: TypeAlias = Literal["full", "same", "valid"]


@dataclass(frozen=True)
class Filtering:
    """N images under K kernels, as a correlation.

    Attributes
    ----------
    images, filters : int
        N, K.
    rows, columns : Axis
        H under R taps, W under S taps, at stride 1.
    kind : str
        What is beyond the edge, as `problem.extension` names it.
    fillvalue : float
    dtype : numpy.dtype
        float32 or float64.
    """

    images: int
    filters: int
    rows: Axis
    columns: Axis
    kind: str
    fillvalue: float
    dtype: np.dtype[Any]

    @cached_property
    def pads(self) -> Pads:
        """((top, bottom), (left, right))."""
        return (self.rows.before, self.rows.after), (self.columns.before, self.columns.after)

    @cached_property
    def is_zero_beyond(self) -> bool:
        """Whether there is nothing but zeros beyond the edge, or nothing is read there."""
        return (self.kind == "fill" and self.fillvalue == 0) or self.pads == ((0, 0), (0, 0))

    @property
    def x_shape(self) -> tuple[int, int, int]:
        """(N, H, W)."""
        return self.images, self.rows.size, self.columns.size

    @property
    def kernel_shape(self) -> tuple[int, int, int]:
        """(K, R, S)."""
        return self.filters, self.rows.kernel, self.columns.kernel

    @cached_property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(N, K, OH, OW)."""
        return self.images, self.filters, self.rows.outputs, self.columns.outputs

    @property
    def taps(self) -> int:
        """R·S."""
        return self.rows.kernel * self.columns.kernel

    @property
    def flops(self) -> int:
        """Floating-point operations of the definition."""
        return 2 * self.taps * math.prod(self.output_shape)


@dataclass(frozen=True)
class Arrangement:
    """Which operand is the image, and where the axes of the result come from.

    Attributes
    ----------
    exchanged : bool
        Whether in2 is the image and in1 the kernel: "valid" with a larger in2, and "full" where
        zeros are beyond the edge and in1 has fewer values than two passes of in2 have taps.
    channel_axis : int or None
        Of in1, not negative.
    images, filters : int
    rows, columns : Axis
    stacked : tuple of int
        The extents that come before the rows in y, the channels last, then the filters of a bank.
    order : tuple of int
        Of the axes of y, stacked, those of the result.
    """

    exchanged: bool
    channel_axis: int | None
    images: int
    filters: int
    rows: Axis
    columns: Axis
    stacked: tuple[int, ...]
    order: tuple[int, ...]

    @cached_property
    def stacked_shape(self) -> tuple[int, ...]:
        """The shape of the result before its axes are put in order."""
        return (*self.stacked, self.rows.outputs, self.columns.outputs)

    @cached_property
    def result_shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        shape = self.stacked_shape
        return tuple(shape[axis] for axis in self.order)

    @cached_property
    def in_order(self) -> bool:
        """Whether the result is y as it lies."""
        return not self.exchanged and self.order == tuple(range(len(self.order)))

    def arrange(self, in1: Array, in2: Array) -> tuple[Array, Array]:
        """Return the images (N, H, W) and kernels (K, R, S)."""
        if in1.ndim == in2.ndim == 2:  # as usual
            return (in2[None], in1[None]) if self.exchanged else (in1[None], in2[None])
        if self.channel_axis is not None:
            in1 = np.moveaxis(in1, self.channel_axis, -3)
        # the count said out loud: of an empty stack -1 could be anything
        images = math.prod(in1.shape[:-2])
        in1 = in1.reshape(images, *in1.shape[-2:])
        in2 = in2.reshape(math.prod(in2.shape[:-2]), *in2.shape[-2:])
        return (in2, in1) if self.exchanged else (in1, in2)

    def planes_of(self, result: Array) -> Array | None:
        """Return the result as a view (N, K, OH, OW), or None where it is none, or a turned one."""
        if self.exchanged:
            return None
        images = self.stacked[:-1] if self.filters > 1 else self.stacked
        if sum(extent > 1 for extent in images) > 1:
            return None  # axes that do not lie beside each other are no one axis
        stacked = result.transpose(np.argsort(self.order))
        shape = self.images, self.filters, self.rows.outputs, self.columns.outputs
        return stacked.reshape(shape)

    def result(self, y: Array, turned: bool) -> Array:
        """Return y (N, K, OH, OW) as a view with the axes of the result.

        `turned` says to turn it by half a turn, as a correlation with exchanged operands is.
        """
        if self.exchanged:
            y = y.swapaxes(0, 1)
            if turned:
                y = y[..., ::-1, ::-1]
        return y.reshape(self.stacked_shape).transpose(self.order)


def arrange(
    in1_shape: Sequence[int], in2_shape: Sequence[int], mode: object, channel_axis: object,
    *, commutes: bool, flipped: bool, dtype: np.dtype[Any],
) -> Arrangement:  # fmt: skip
    """Check shapes and options as users give them.

    "full" exchanges operands only where it `commutes`: with zeros beyond the edge.

    Raises
    ------
    TypeError, ValueError
        Naming argument and values.
    """
    if not isinstance(mode, str) or mode not in MODES:
        raise ValueError(f"mode must be one of {MODES}, not {shown(mode)}")
    in1_shape, in2_shape = tuple(in1_shape), tuple(in2_shape)
    if len(in1_shape) < 2:
        raise ValueError(f"in1 must be (..., H, W), not {len(in1_shape)}-D with shape {in1_shape}")
    if len(in2_shape) not in (2, 3):
        raise ValueError(
            f"in2 must be (R, S) or a bank (K, R, S), not {len(in2_shape)}-D with shape {in2_shape}"
        )
    if len(in2_shape) == 3 and len(in1_shape) == _MOST_AXES:
        raise ValueError(
            f"in2 of shape {in2_shape} is a bank, which adds an axis to those of in1, and in1 has "
            f"the {_MOST_AXES} that an array can have"
        )
    channels = _parse_channel_axis(channel_axis, in1_shape)
    names = [f"stack {axis}" for axis in range(len(in1_shape) - (2 if channels is None else 3))]
    names += ["rows", "columns"]
    if channels is not None:
        names.insert(channels, "channels")
    extents = dict(zip(names, in1_shape, strict=True))
    size: tuple[int, ...] = extents["rows"], extents["columns"]
    kernel = in2_shape[-2:]
    if min(size) < 1 or extents.get("channels", 1) < 1:
        raise ValueError(f"in1 must not be empty (only a stack may be): its shape is {in1_shape}")
    if min(in2_shape) < 1:
        raise ValueError(f"in2 must not be empty: its shape is {in2_shape}")
    if channels is None:
        check_is_stack("in1", in1_shape)

    any_shorter = any(n < r for n, r in zip(size, kernel, strict=True))
    any_longer = any(n > r for n, r in zip(size, kernel, strict=True))
    if mode == "valid" and any_shorter and any_longer:
        raise ValueError(
            f"mode 'valid' needs one operand that is at least as large as the other in both "
            f"axes, not images of {size} and kernels of {kernel}"
        )
    is_tiny = mode == "full" and commutes and math.prod(size) <= sum(kernel)
    exchanged = any_shorter and not any_longer and (mode == "valid" or is_tiny)
    if exchanged:
        size, kernel = kernel, size
    rows, columns = (
        Axis(n, r, 1, 1, *_pads(mode, n, r, flipped)) for n, r in zip(size, kernel, strict=True)
    )
    stacked = [name for name in names if name.startswith("stack")]
    target = list(names)
    if channels is not None:
        stacked.append("channels")
    images = math.prod(extents[name] for name in stacked)
    filters = 1
    lengths = [extents[name] for name in stacked]
    if len(in2_shape) == 3:
        filters = in2_shape[0]
        stacked.append("filters")
        lengths.append(filters)
        target.insert(target.index("rows"), "filters")
    source = [*stacked, "rows", "columns"]
    made = Arrangement(
        exchanged, channels, images, filters, rows, columns, tuple(lengths),
        tuple(source.index(name) for name in target),
    )  # fmt: skip
    check_size("in1, extended", (images, rows.padded, columns.padded), dtype)
    check_size("the result", made.result_shape, dtype)
    return made


def check_is_stack(name: str, shape: tuple[int, ...]) -> None:
    """Refuse images of which nobody said where channels are, if the last axis may hold them.

    It may if it is as short as channels are few, 1 to 4, and the one before it, which would be
    that of the columns, is longer: a stack of 3×3 kernels passes, one of 9×3 images has to say
    what it is.
    """
    if len(shape) > 2 and shape[-1] <= _MOST_CHANNELS < shape[-2]:
        channels = "1 channel" if shape[-1] == 1 else f"{shape[-1]} channels"
        pixels = "1 pixel" if shape[-1] == 1 else f"{shape[-1]} pixels"
        raise ValueError(
            f"{name} of shape {shape} may be a photograph of {channels} or a stack of images "
            f"{pixels} wide: say which with channel_axis=-1 or channel_axis=0"
        )


def _parse_channel_axis(channel_axis: object, in1_shape: tuple[int, ...]) -> int | None:
    if channel_axis is None:
        return None
    rank = len(in1_shape)
    axis = parse_int("channel_axis", channel_axis, -(2**31), "an int or None")
    if not -rank <= axis < rank:
        raise ValueError(
            f"channel_axis must be one of the {rank} axes of in1 {in1_shape}, not {axis}"
        )
    if rank < 3:
        raise ValueError(
            f"channel_axis={axis} leaves no (..., H, W) of in1, which has shape {in1_shape}"
        )
    return axis % rank


def _pads(mode: str, size: int, kernel: int, flipped: bool) -> tuple[int, int]:
    if mode == "full":
        return kernel - 1, kernel - 1
    if mode == "valid":
        return 0, 0
    before = kernel // 2 if flipped else (kernel - 1) // 2
    return before, kernel - 1 - before
