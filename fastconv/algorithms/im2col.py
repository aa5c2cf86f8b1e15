"""The im2col backend: NumPy alone, complete, in bounded memory.

Per image and group, with M = K/groups, N = OH·OW, K = T = C/groups·R·S of a matrix product:

    forward        y [M x N]   =  weight [M x T] @ columns [T x N]
    weight grad    dw [M x T] +=  grad [M x N] @ columns.T [N x T]       summed over images
    input grad     columns' [T x N] = weight.T [T x M] @ grad [M x N],   then col2im

The column matrix is never written whole. A tile of it takes as much of the loops

    n | group | i | j | c | r | s          images, groups, output rows and columns, taps

as fits the limit, filled from the innermost outwards: usually all taps of many rows. Only where a
single column is larger than the limit are the taps cut as well, and their products added up.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator
from typing import NamedTuple, cast

import numpy as np

from ..activation import activate
from ..columns import add_windows, windows, zero_pad
from ..problem import ConvProblem
from .backend import Array, Backend

__all__ = ["IM2COL", "column_buffer_bytes", "column_buffer_limit"]

_DEFAULT_LIMIT_MIB = 64


def column_buffer_limit() -> int:
    """Return the most bytes of columns at a time: FASTCONV_IM2COL_MIB in bytes, 64 MiB unless set.

    Raises
    ------
    ValueError
        If the environment variable is not a positive number.
    """
    text = os.environ.get("FASTCONV_IM2COL_MIB")
    if not text:
        return _DEFAULT_LIMIT_MIB * 2**20
    try:
        limit = int(float(text) * 2**20)
    except (ValueError, OverflowError):
        limit = 0
    if limit < 1:
        raise ValueError(f"FASTCONV_IM2COL_MIB must be a positive number of MiB, not {text!r}")
    return limit


class _Outputs(NamedTuple):
    """A tile of the output: ranges of images, groups, rows and columns."""

    n: slice
    group: slice
    i: slice
    j: slice

    def pixels(self, problem: ConvProblem) -> slice:
        """Return the tile's outputs as one run of the flattened plane.

        They are one run since a tile that does not span the row is a single row high.
        """
        first = self.i.start * problem.out_width + self.j.start
        last = (self.i.stop - 1) * problem.out_width + self.j.stop
        return slice(first, last)


class _Taps(NamedTuple):
    """A tile of the products: ranges of a group's channels, kernel rows and kernel columns."""

    c: slice
    r: slice
    s: slice


def _loop_extents(problem: ConvProblem) -> tuple[int, ...]:
    return (
        problem.batch, problem.groups, problem.out_height, problem.out_width,
        problem.in_channels_per_group, problem.kernel_height, problem.kernel_width,
    )  # fmt: skip


def _tile_sizes(problem: ConvProblem, limit: int) -> list[int]:
    """Return how much of each loop a tile takes, outermost first."""
    room = max(1, limit // problem.dtype.itemsize)
    sizes = []
    for extent in reversed(_loop_extents(problem)):
        size = min(extent, room)
        # A loop that is cut leaves no room for those outside it: tiles stay runs of pixels.
        room = room // size if size == extent else 1
        sizes.append(size)
    return sizes[::-1]


def _tiles(problem: ConvProblem, limit: int) -> tuple[list[_Outputs], list[_Taps]]:
    ranges = [
        [slice(start, min(start + size, extent)) for start in range(0, extent, size)]
        for extent, size in zip(_loop_extents(problem), _tile_sizes(problem, limit), strict=True)
    ]
    outputs = [_Outputs(*tile) for tile in itertools.product(*ranges[:4])]
    return outputs, [_Taps(*tile) for tile in itertools.product(*ranges[4:])]


def column_buffer_bytes(problem: ConvProblem) -> int:
    """Return the bytes of columns that one call holds at a time; 0 where none are needed."""
    if problem.is_pointwise or problem.is_empty:
        return 0
    return math.prod(_tile_sizes(problem, column_buffer_limit())) * problem.dtype.itemsize


class _Columns:
    """Cuts tiles of the column matrix out of x, through one buffer that all tiles share."""

    def __init__(self, problem: ConvProblem, x: Array) -> None:
        self._problem = problem
        self._x = x.reshape(problem.batch, problem.groups, -1, problem.height, problem.width)
        self._buffer = np.empty(0, problem.dtype)
        self._padded_from: tuple[slice, slice] | None = None
        self._windows = self._buffer

    def tile(self, outputs: _Outputs, taps: _Taps) -> Array:
        """Return the columns of a tile, (images, groups, taps, pixels)."""
        if self._problem.is_pointwise:
            # The image is its own column matrix, but for the flattening of rows.
            flat = self._x.reshape(*self._x.shape[:3], -1)
            return flat[outputs.n, outputs.group, taps.c, outputs.pixels(self._problem)]
        if self._padded_from != (outputs.n, outputs.group):
            self._windows = self._buffer  # lets go of the last padded copy before the next
            part = zero_pad(self._x[outputs.n, outputs.group], self._problem.padding)
            self._windows = windows(part, self._problem)  # n, group, c, i, j, r, s
            self._padded_from = outputs.n, outputs.group
        view = self._windows[:, :, taps.c, outputs.i, outputs.j, taps.r, taps.s]
        view = view.transpose(0, 1, 2, 5, 6, 3, 4)
        if self._buffer.size < view.size:
            self._buffer = np.empty(view.size, self._problem.dtype)
        columns = self._buffer[: view.size].reshape(view.shape)
        np.copyto(columns, view)
        images, groups, c, r, s, i, j = view.shape
        return columns.reshape(images, groups, c * r * s, i * j)


def _grouped_weight(problem: ConvProblem, weight: Array) -> Array:
    """Return weight as (groups, K/groups, C/groups, R, S), the same memory."""
    return weight.reshape(problem.groups, -1, *weight.shape[1:])


def _as_matrices(weight: Array, group: slice, taps: _Taps) -> Array:
    """Return the taps of grouped weights as matrices (groups, K/groups, taps)."""
    part = weight[group, :, taps.c, taps.r, taps.s]
    return part.reshape(*part.shape[:2], -1)


def _planes(problem: ConvProblem, y: Array) -> Array:
    """Return y as (N, groups, K/groups, OH·OW), the same memory."""
    return y.reshape(problem.batch, problem.groups, problem.out_channels_per_group, -1)


def forward(problem: ConvProblem, x: Array, weight: Array, bias: Array | None, y: Array) -> None:
    """Fill y, a tile of outputs at a time."""
    outputs, taps = _tiles(problem, column_buffer_limit())
    columns = _Columns(problem, x)
    planes = _planes(problem, y)
    grouped = _grouped_weight(problem, weight)
    grouped_bias = None if bias is None else bias.reshape(problem.groups, -1, 1)
    for tile in outputs:
        block = planes[tile.n, tile.group, :, tile.pixels(problem)]
        np.matmul(
            _as_matrices(grouped, tile.group, taps[0]), columns.tile(tile, taps[0]), out=block
        )
        for more in taps[1:]:
            block += _as_matrices(grouped, tile.group, more) @ columns.tile(tile, more)
        if grouped_bias is not None:
            block += grouped_bias[tile.group]
        activate(problem.activation, block)


def backward(
    problem: ConvProblem,
    grad: Array,
    x: Array,
    weight: Array,
    dx: Array | None,
    dw: Array | None,
    db: Array | None,
) -> None:
    """Fill those of dx, dw and db that are wanted."""
    if dw is not None:
        _weight_grad(problem, grad, x, dw)
    if dx is not None:
        _input_grad(problem, grad, weight, dx)
    if db is not None:
        db[...] = grad.sum(axis=3).sum(axis=(0, 2), dtype=np.float64)


def _weight_grad(problem: ConvProblem, grad: Array, x: Array, dw: Array) -> None:
    outputs, taps = _tiles(problem, column_buffer_limit())
    columns = _Columns(problem, x)
    planes = _planes(problem, grad)
    grouped = _grouped_weight(problem, dw)
    grouped[...] = 0
    for tile, tap in itertools.product(outputs, taps):
        block = grouped[tile.group, :, tap.c, tap.r, tap.s]
        matrix = columns.tile(tile, tap)
        for image, plane in zip(matrix, planes[tile.n], strict=True):
            product = plane[tile.group, :, tile.pixels(problem)] @ image.swapaxes(-1, -2)
            block += product.reshape(block.shape)


def _input_grad(problem: ConvProblem, grad: Array, weight: Array, dx: Array) -> None:
    outputs, taps = _tiles(problem, column_buffer_limit())
    planes = _planes(problem, grad)
    grouped = _grouped_weight(problem, weight)
    images = dx.reshape(problem.batch, problem.groups, -1, problem.height, problem.width)
    for (n, group), tiles in _by_image(outputs):
        channels = problem.in_channels_per_group
        shape = (n.stop - n.start, group.stop - group.start, channels, *problem.padded_size)
        padded = np.zeros(shape, problem.dtype)
        for tile, tap in itertools.product(tiles, taps):
            block = planes[n, group, :, tile.pixels(problem)]
            columns = _as_matrices(grouped, group, tap).swapaxes(-1, -2) @ block
            _add_columns(problem, columns, padded, tile, tap)
        (top, _), (left, _) = problem.padding
        rows, cols = slice(top, top + problem.height), slice(left, left + problem.width)
        images[n, group] = padded[..., rows, cols]


def _by_image(outputs: list[_Outputs]) -> Iterator[tuple[tuple[slice, slice], list[_Outputs]]]:
    """Yield the tiles of the same images and groups together."""
    for key, tiles in itertools.groupby(outputs, lambda tile: (tile.n, tile.group)):
        yield key, list(tiles)


def _add_columns(
    problem: ConvProblem, columns: Array, padded: Array, tile: _Outputs, tap: _Taps
) -> None:
    """Add a tile of columns onto the padded image of its (images, groups)."""
    extents = [part.stop - part.start for part in (*tap, tile.i, tile.j)]
    first_row = tile.i.start * problem.stride[0]
    first_column = tile.j.start * problem.stride[1]
    add_windows(
        columns.reshape(*columns.shape[:2], *extents),
        cast(Array, padded[:, :, tap.c, first_row:, first_column:]),
        problem,
        (tap.r.start, tap.s.start),
    )


IM2COL = Backend(
    "im2col",
    "NumPy: the image rearranged into columns, tile by tile, then a matrix product",
    forward,
    backward,
    threading="blas",
)
