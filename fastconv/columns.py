"""im2col and col2im: the image as a matrix whose columns are the windows of the kernel.

    image (C, H, W)                     columns (C·R·S, OH·OW)

      a b c                               window at (0,0) (0,1) (1,0) (1,1)
      d e f     kernel 2x2, stride 1        r,s = 0,0   a     b     d     e
      g h i                                 r,s = 0,1   b     c     e     f
                                            r,s = 1,0   d     e     g     h
                                            r,s = 1,1   e     f     h     i

A convolution then is one matrix product; the price is that every pixel is written R·S times.

Seen by rows instead of columns: all windows' pixels under one tap (r, s) are one strided view of
the image. That is how both directions go about it, R·S views each. NumPy's sliding_window_view
would give all taps in a single view, but only of an image copied into its padding; and on the way
back the windows of one view overlap, so that sums would be lost.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .problem.arguments import Pair, parse_pair
from .problem.convolution import ConvProblem, check_size
from .problem.operands import Array, check_array, prepare
from .problem.padding import Padding
from .problem.slices import add, assign

__all__ = ["Tile", "add_columns", "col2im", "fill_columns", "im2col", "whole"]


class Tile(NamedTuple):
    """The part of the columns of some image: ranges of kernel rows and columns, output rows and
    columns.
    """

    r: slice
    s: slice
    i: slice
    j: slice


def whole(problem: ConvProblem) -> Tile:
    """Return the tile that is all of the columns."""
    extents = problem.kernel_height, problem.kernel_width, problem.out_height, problem.out_width
    return Tile(*(slice(0, extent) for extent in extents))


def _views(
    problem: ConvProblem, tile: Tile
) -> Iterator[tuple[tuple[int, int], tuple[slice, slice], tuple[slice, slice]]]:
    """Yield, for each tap of a tile, which outputs see a pixel of the image, and which pixels."""
    (top, _), (left, _) = problem.padding
    vertical = [
        _overlap(tile.i, r * problem.dilation[0] - top, problem.stride[0], problem.height)
        for r in range(tile.r.start, tile.r.stop)
    ]
    horizontal = [
        _overlap(tile.j, s * problem.dilation[1] - left, problem.stride[1], problem.width)
        for s in range(tile.s.start, tile.s.stop)
    ]
    for (r, rows), (s, columns) in itertools.product(enumerate(vertical), enumerate(horizontal)):
        (out_rows, image_rows), (out_columns, image_columns) = rows, columns
        yield (r, s), (out_rows, out_columns), (image_rows, image_columns)


def _overlap(outputs: slice, offset: int, stride: int, extent: int) -> tuple[slice, slice]:
    """Return the outputs whose pixel, output·stride + offset, is in [0, extent), and the pixels.

    The outputs are counted from the first of the tile.
    """
    first = max(outputs.start, -(offset // stride))
    last = min(outputs.stop, (extent - 1 - offset) // stride + 1)
    if first >= last:
        return slice(0, 0), slice(0, 0)
    pixels = slice(first * stride + offset, (last - 1) * stride + offset + 1, stride)
    return slice(first - outputs.start, last - outputs.start), pixels


def fill_columns(problem: ConvProblem, x: Array, columns: Array, tile: Tile) -> None:
    """Write a tile of the columns of x (..., H, W) into `columns` (..., r, s, i, j)."""
    for (r, s), (rows, cols), (image_rows, image_cols) in _views(problem, tile):
        plane = columns[..., r, s, :, :]
        plane[..., : rows.start, :] = 0
        plane[..., rows.stop :, :] = 0
        plane[..., rows, : cols.start] = 0
        plane[..., rows, cols.stop :] = 0
        assign(plane[..., rows, cols], x[..., image_rows, image_cols])


def add_columns(problem: ConvProblem, columns: Array, x: Array, tile: Tile) -> None:
    """Add a tile of columns (..., r, s, i, j) onto x (..., H, W): the adjoint of `fill_columns`.

    Within one tap no pixel is seen twice, so a single addition takes all of its outputs.
    """
    for (r, s), (rows, cols), (image_rows, image_cols) in _views(problem, tile):
        add(x[..., image_rows, image_cols], columns[..., r, s, rows, cols])


def im2col(
    x: npt.ArrayLike,
    kernel_size: Pair,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
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
    MemoryError
        If the matrix cannot be allocated.

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
    kernel = parse_pair("kernel_size", kernel_size, 1)
    problem = _column_problem(image.shape, kernel, image.dtype, stride, padding, dilation)
    positions = problem.out_height, problem.out_width
    shape = (*image.shape[:-2], *kernel, *positions)
    check_size("the column matrix", shape, problem.dtype)
    columns = np.empty(shape, problem.dtype)
    fill_columns(problem, image, columns, whole(problem))
    rows = problem.in_channels * kernel[0] * kernel[1]
    return columns.reshape(*image.shape[:-3], rows, positions[0] * positions[1])


def col2im(
    cols: npt.ArrayLike,
    output_size: tuple[int, int],
    kernel_size: Pair,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
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
    MemoryError
        If the image cannot be allocated.
    """
    matrix = check_array("cols", cols)
    if matrix.ndim not in (2, 3):
        raise ValueError(f"cols must be (N, C·R·S, OH·OW) or (C·R·S, OH·OW), not {matrix.shape}")
    size = parse_pair("output_size", output_size, 1)
    kernel = parse_pair("kernel_size", kernel_size, 1)
    channels, rest = divmod(matrix.shape[-2], kernel[0] * kernel[1])
    if rest or not channels:
        raise ValueError(
            f"cols {matrix.shape} must have a multiple of {kernel[0]}·{kernel[1]} rows for "
            f"kernel_size {kernel}"
        )
    image_shape = (*matrix.shape[:-2], channels, *size)
    problem = _column_problem(image_shape, kernel, matrix.dtype, stride, padding, dilation)
    positions = problem.out_height, problem.out_width
    if matrix.shape[-1] != positions[0] * positions[1]:
        raise ValueError(
            f"cols {matrix.shape} must have {positions[0]}·{positions[1]} columns for an image of "
            f"{size}, kernel_size {kernel}, stride {problem.stride}, padding {problem.padding}, "
            f"dilation {problem.dilation}"
        )
    image = np.zeros(image_shape, problem.dtype)
    windows = prepare(matrix).reshape(*image_shape[:-2], *kernel, *positions)
    add_columns(problem, windows, image, whole(problem))
    return image


def _column_problem(
    x_shape: tuple[int, ...],
    kernel: tuple[int, int],
    dtype: np.dtype[Any],
    stride: object,
    padding: object,
    dilation: object,
) -> ConvProblem:
    """Return the problem of one output channel whose columns these are."""
    return ConvProblem.create(
        x_shape,
        (1, max(x_shape[-3], 1), *kernel),
        dtype=dtype,
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
