"""Sizes: the forms an argument may take, one image axis, one layer."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Literal, NamedTuple, cast

IntOrPair = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] | Literal["same", "valid"]


class Axis(NamedTuple):
    """One axis of the image: a kernel of `kernel` taps visits it `out` times.

    Tap r at output i stands on position ``i * stride + r * dilation - before``, counted from the
    first real pixel.
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    out: int


class Layer(NamedTuple):
    """The sizes of one convolution layer, checked against each other."""

    batch: int
    channels: int
    filters: int
    channels_per_group: int
    filters_per_group: int
    rows: Axis
    columns: Axis


def pair(name: str, value: IntOrPair, minimum: int) -> tuple[int, int]:
    """`value` for the rows and for the columns; a single int serves both.

    Raises
    ------
    ValueError
        If there are not two values, or one is below `minimum`.
    TypeError
        If one is not an integer.
    """
    both = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(both) != 2:
        raise ValueError(f"{name} must be an int or a pair, got {value!r}")
    first, second = index(both[0]), index(both[1])
    if min(first, second) < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r}")
    return first, second


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Padding before and after that makes ceil(size / stride) outputs, the odd one after.

    Source: ONNX ``Conv``, ``auto_pad = SAME_UPPER``.
    """
    out = -(-size // stride)
    reach = (out - 1) * stride + (kernel - 1) * dilation + 1
    total = max(reach - size, 0)
    return total // 2, total - total // 2


def explicit_padding(padding: Padding) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) for every form of `padding` except "same".

    Raises
    ------
    ValueError
        If it has another form, or a number is negative.
    TypeError
        If a number is not an integer.
    """
    if isinstance(padding, str):
        if padding != "valid":
            raise ValueError(f'padding must be numbers, "same" or "valid", got {padding!r}')
        return (0, 0), (0, 0)
    if isinstance(padding, Sequence) and all(isinstance(side, Sequence) for side in padding):
        if len(padding) != 2:
            raise ValueError(f"padding must be ((top, bottom), (left, right)), got {padding!r}")
        top_bottom, left_right = cast("tuple[tuple[int, int], tuple[int, int]]", padding)
        return pair("padding", top_bottom, 0), pair("padding", left_right, 0)
    rows, columns = pair("padding", cast("IntOrPair", padding), 0)
    return (rows, rows), (columns, columns)


def output_size(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    """How many times the kernel fits, 0 or less if it never does.

    floor((size + padding - ((kernel - 1) * dilation + 1)) / stride) + 1

    where `padding` is both sides together.  Source: ``torch.nn.Conv2d``; V. Dumoulin and
    F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.
    """
    return (size + padding - ((kernel - 1) * dilation + 1)) // stride + 1


def image_axes(
    image_size: tuple[int, int],
    kernel_size: IntOrPair,
    stride: IntOrPair,
    padding: Padding,
    dilation: IntOrPair,
) -> tuple[Axis, Axis]:
    """The rows and the columns of an image under a kernel.

    Parameters
    ----------
    image_size : (int, int)
        H and W.
    kernel_size, stride, dilation : int or (int, int)
        At least 1.
    padding : int, (int, int), ((top, bottom), (left, right)), "same" or "valid"
        At least 0.  A pair is (rows, columns), the same on both sides.  "valid" is 0.
        "same" with a stride means ceil(size / stride) outputs.

    Returns
    -------
    rows, columns : Axis

    Raises
    ------
    ValueError
        If an argument has another form or is too small, or the kernel is larger than the padded
        image.
    TypeError
        If a number is not an integer.
    """
    height, width = pair("image height and width", image_size, 1)
    kernel_h, kernel_w = pair("kernel_size", kernel_size, 1)
    stride_h, stride_w = pair("stride", stride, 1)
    dilation_h, dilation_w = pair("dilation", dilation, 1)
    if padding == "same":
        top_bottom = same_padding(height, kernel_h, stride_h, dilation_h)
        left_right = same_padding(width, kernel_w, stride_w, dilation_w)
    else:
        top_bottom, left_right = explicit_padding(padding)
    rows = _axis("rows", height, kernel_h, stride_h, dilation_h, top_bottom)
    columns = _axis("columns", width, kernel_w, stride_w, dilation_w, left_right)
    return rows, columns


def layer_sizes(
    x_shape: tuple[int, int, int, int],
    weight_shape: tuple[int, ...],
    stride: IntOrPair,
    padding: Padding,
    dilation: IntOrPair,
    groups: int,
) -> Layer:
    """The sizes of the layer that `weight` makes of `x`.

    Parameters
    ----------
    x_shape : tuple
        (N, C, H, W).  N may be 0.
    weight_shape : tuple
        (K, C / groups, R, S).
    stride, padding, dilation
        As in `image_axes`.
    groups : int
        Filter k sees only the channels of group k // (K / groups).

    Returns
    -------
    Layer

    Raises
    ------
    ValueError
        If `weight` has not four axes, a size is 0, or C and K do not split into `groups` as the
        weight says; and as in `image_axes`.
    TypeError
        If a number is not an integer.
    """
    if len(weight_shape) != 4:
        raise ValueError(f"weight must be (K, C/groups, R, S), got shape {weight_shape}")
    batch, channels, height, width = x_shape
    filters, channels_per_group, kernel_h, kernel_w = weight_shape
    groups = index(groups)
    if groups < 1:
        raise ValueError(f"groups must be at least 1, got {groups}")
    if filters < 1 or filters % groups:
        raise ValueError(f"weight has {filters} filters, not a multiple of groups={groups}")
    if channels < 1 or channels != groups * channels_per_group:
        raise ValueError(
            f"x has {channels} channels, but weight {weight_shape} "
            f"with groups={groups} needs {groups * channels_per_group}"
        )
    rows, columns = image_axes((height, width), (kernel_h, kernel_w), stride, padding, dilation)
    return Layer(batch, channels, filters, channels_per_group, filters // groups, rows, columns)


def _axis(
    name: str, size: int, kernel: int, stride: int, dilation: int, padding: tuple[int, int]
) -> Axis:
    before, after = padding
    out = output_size(size, kernel, stride, dilation, before + after)
    if out < 1:
        raise ValueError(
            f"the kernel spans {(kernel - 1) * dilation + 1} {name} (size {kernel}, "
            f"dilation {dilation}), the padded image has only {size + before + after} "
            f"(size {size}, padding {before} and {after})"
        )
    return Axis(size, kernel, stride, dilation, before, after, out)
