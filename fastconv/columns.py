"""im2col and col2im: the image as a matrix whose columns are the windows of the kernel.

    image (C, H, W)                     columns (C·R·S, OH·OW)

      a b c                               window at (0,0) (0,1) (1,0) (1,1)
      d e f     kernel 2x2, stride 1        r,s = 0,0   a     b     d     e
      g h i                                 r,s = 0,1   b     c     e     f
                                            r,s = 1,0   d     e     g     h
                                            r,s = 1,1   e     f     h     i

A convolution then is one matrix product; the price is that every pixel is written R·S times.
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from .operands import check_array
from .padding import Pads, parse_pair
from .problem import ConvProblem

__all__ = ["add_windows", "col2im", "im2col", "windows", "zero_pad"]

Array: TypeAlias = npt.NDArray[Any]


def zero_pad(x: Array, pads: Pads) -> Array:
    """Return x (..., H, W) with zeros around it; x itself where there is no padding."""
    (top, bottom), (left, right) = pads
    if not (top or bottom or left or right):
        return x
    *outer, height, width = x.shape
    padded = np.zeros((*outer, height + top + bottom, width + left + right), x.dtype)
    padded[..., top : top + height, left : left + width] = x
    return padded


def windows(padded: Array, problem: ConvProblem) -> Array:
    """Return a read-only view (..., OH, OW, R, S) of a padded image (..., Hp, Wp)."""
    (stride_h, stride_w), (dilation_h, dilation_w) = problem.stride, problem.dilation
    view = np.lib.stride_tricks.sliding_window_view(padded, problem.window, axis=(-2, -1))
    return cast(Array, view[..., ::stride_h, ::stride_w, ::dilation_h, ::dilation_w])


def add_windows(
    grad: Array, padded: Array, problem: ConvProblem, first_tap: tuple[int, int] = (0, 0)
) -> None:
    """Add windows back onto the padded image they were cut from: the adjoint of `windows`.

    Parameters
    ----------
    grad
        (..., R', S', OH, OW), the taps first: one strided slice of the image takes all outputs of
        a tap at once, so that no two sums collide and R'·S' additions do the whole.
    padded
        (..., Hp, Wp), added to in place. May begin at the row of the first window in `grad`.
    first_tap
        The (r, s) of ``grad[..., 0, 0, :, :]``.
    """
    rows, columns, out_height, out_width = grad.shape[-4:]
    (stride_h, stride_w), (dilation_h, dilation_w) = problem.stride, problem.dilation
    for r in range(rows):
        top = (first_tap[0] + r) * dilation_h
        row_span = slice(top, top + (out_height - 1) * stride_h + 1, stride_h)
        for s in range(columns):
            left = (first_tap[1] + s) * dilation_w
            column_span = slice(left, left + (out_width - 1) * stride_w + 1, stride_w)
            padded[..., row_span, column_span] += grad[..., r, s, :, :]


def im2col(
    x: npt.ArrayLike,
    kernel_size: int | tuple[int, int],
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | Pads | str = 0,
    dilation: int | tuple[int, int] = 1,
) -> Array:
    """Rearrange the windows of an image into the columns of a matrix.

    Parameters
    ----------
    x : array_like, (N, C, H, W) or (C, H, W)
        float32 or float64.
    kernel_size : int or (int, int)
        R, S.
    stride, padding, dilation
        As in `conv2d`; the padding is with zeros.

    Returns
    -------
    ndarray, (N, C·R·S, OH·OW) or (C·R·S, OH·OW)
        Row ``(c·R + r)·S + s``, column ``i·OW + j`` is the pixel of channel c under tap (r, s) of
        the window at (i, j), as in ``torch.nn.functional.unfold``.

    Raises
    ------
    TypeError
        For a dtype other than float32 and float64 or options of the wrong type.
    ValueError
        For a kernel larger than the padded image, or options out of range.

    See Also
    --------
    col2im : the adjoint.

    References
    ----------
    K. Chellapilla, S. Puri, P. Simard, "High Performance Convolutional Neural Networks for
    Document Processing", 2006.
    """
    image = check_array("x", x)
    if image.ndim not in (3, 4):
        raise ValueError(f"x must be (N, C, H, W) or (C, H, W), not {image.shape}")
    problem = _column_problem(image.shape, kernel_size, image.dtype, stride, padding, dilation)
    view = windows(zero_pad(image, problem.padding), problem)  # ..., C, OH, OW, R, S
    taps_first = np.moveaxis(view, (-2, -1), (-4, -3))
    columns = np.array(taps_first, problem.dtype, order="C")
    rows = problem.in_channels * problem.kernel_height * problem.kernel_width
    return columns.reshape(*image.shape[:-3], rows, problem.out_height * problem.out_width)


def col2im(
    cols: npt.ArrayLike,
    output_size: tuple[int, int],
    kernel_size: int | tuple[int, int],
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | Pads | str = 0,
    dilation: int | tuple[int, int] = 1,
) -> Array:
    """Sum the columns of `im2col` back into an image: its adjoint.

    A pixel that stood in several windows gets the sum of its values there, so this does not undo
    `im2col`; the adjoint identity ⟨im2col(x), c⟩ = ⟨x, col2im(c)⟩ holds instead.

    Parameters
    ----------
    cols : array_like, (N, C·R·S, OH·OW) or (C·R·S, OH·OW)
        float32 or float64.
    output_size : (int, int)
        H, W of the image.
    kernel_size, stride, padding, dilation
        As given to `im2col`.

    Returns
    -------
    ndarray, (N, C, H, W) or (C, H, W)

    Raises
    ------
    TypeError
        For a dtype other than float32 and float64 or options of the wrong type.
    ValueError
        Where the shape of `cols` is not what `im2col` gives for these sizes.
    """
    matrix = check_array("cols", cols)
    if matrix.ndim not in (2, 3):
        raise ValueError(f"cols must be (N, C·R·S, OH·OW) or (C·R·S, OH·OW), not {matrix.shape}")
    height, width = parse_pair("output_size", output_size, 1)
    kernel_height, kernel_width = parse_pair("kernel_size", kernel_size, 1)
    channels, rest = divmod(matrix.shape[-2], kernel_height * kernel_width)
    if rest or not channels:
        raise ValueError(
            f"cols {matrix.shape} must have a multiple of {kernel_height}·{kernel_width} rows "
            f"for kernel_size {(kernel_height, kernel_width)}"
        )
    image_shape = (*matrix.shape[:-2], channels, height, width)
    problem = _column_problem(image_shape, kernel_size, matrix.dtype, stride, padding, dilation)
    positions = problem.out_height, problem.out_width
    if matrix.shape[-1] != positions[0] * positions[1]:
        raise ValueError(
            f"cols {matrix.shape} must have {positions[0]}·{positions[1]} columns for an image of "
            f"{(height, width)}, kernel_size {(kernel_height, kernel_width)}, stride "
            f"{problem.stride}, padding {problem.padding}, dilation {problem.dilation}"
        )
    shape = (*matrix.shape[:-2], channels, kernel_height, kernel_width, *positions)
    padded = np.zeros((*image_shape[:-2], *problem.padded_size), problem.dtype)
    add_windows(matrix.reshape(shape), padded, problem)
    (top, _), (left, _) = problem.padding
    return padded[..., top : top + height, left : left + width].copy()


def _column_problem(
    x_shape: tuple[int, ...],
    kernel_size: object,
    dtype: np.dtype[Any],
    stride: object,
    padding: object,
    dilation: object,
) -> ConvProblem:
    """Return the problem of one output channel whose columns these are."""
    channels = x_shape[-3]
    kernel = parse_pair("kernel_size", kernel_size, 1)
    return ConvProblem.create(
        x_shape,
        (1, max(channels, 1), *kernel),
        dtype=dtype,
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
