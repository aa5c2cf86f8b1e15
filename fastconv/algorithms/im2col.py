"""The im2col backend: NumPy alone, complete, in bounded memory.

Per image and group, with M = K/groups filters, P = OH·OW pixels, T = C/groups·R·S taps:

    forward        y [M x P]   =  weight [M x T] @ columns [T x P]
    weight grad    dw [M x T] +=  grad [M x P] @ columns.T [P x T]       summed over images
    input grad     columns' [T x P] = weight.T [T x M] @ grad [M x P],   then col2im

The column matrix is never written whole. A tile of it takes as much of the loops

    n | group | i | j | c | r | s          images, groups, output rows and columns, taps

as fits the limit, filled from the innermost outwards: usually all taps of many rows. Only where a
single column is larger than the limit are the taps cut as well, and their products added up.

A matrix product multiplies every weight with every pixel, zeros of the padding included: an
infinite weight makes NaN there, as inf·0 does. The loops, which skip the padding, do not.
"""

from __future__ import annotations

import itertools
import math
import os
from typing import NamedTuple

import numpy as np

from ..activation import activate
from ..columns import Tile, add_columns, fill_columns
from ..operands import Array
from ..problem import ConvProblem
from .backend import Backend, Run, WeightRun

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
        limit = float(text) * 2**20
    except ValueError:
        limit = 0
    if not 0 < limit < math.inf:
        raise ValueError(f"FASTCONV_IM2COL_MIB must be a positive number of MiB, not {text!r}")
    return math.ceil(limit)


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
    """The tiles of the columns of one image array, all in the same buffer, one at a time."""

    def __init__(self, problem: ConvProblem, image: Array) -> None:
        self._problem = problem
        # n, group, c, h, w: the same memory
        self._image = image.reshape(
            problem.batch, problem.groups, -1, problem.height, problem.width
        )
        size = column_buffer_bytes(problem) // problem.dtype.itemsize
        self._buffer = np.empty(size, problem.dtype)

    def read(self, outputs: _Outputs, taps: _Taps) -> Array:
        """Return the columns of a tile as matrices (images, groups, taps, pixels)."""
        if self._problem.is_pointwise:
            # The image is its own column matrix, but for the flattening of rows.
            flat = self._image.reshape(*self._image.shape[:3], -1)
            return flat[outputs.n, outputs.group, taps.c, outputs.pixels(self._problem)]
        columns = self._place(outputs, taps)
        part = self._image[outputs.n, outputs.group, taps.c]
        fill_columns(self._problem, part, columns, Tile(taps.r, taps.s, outputs.i, outputs.j))
        return _as_matrices(columns)

    def add_product(self, outputs: _Outputs, taps: _Taps, left: Array, right: Array) -> None:
        """Add the columns `left @ right` of a tile back onto the image."""
        part = self._image[outputs.n, outputs.group, taps.c]
        tile = Tile(taps.r, taps.s, outputs.i, outputs.j)
        if self._problem.is_pointwise:
            columns = (left @ right).reshape(self._shape(outputs, taps))
        else:
            columns = self._place(outputs, taps)
            np.matmul(left, right, out=_as_matrices(columns))
        add_columns(self._problem, columns, part, tile)

    def _place(self, outputs: _Outputs, taps: _Taps) -> Array:
        """Return the buffer in the shape of a tile: n, group, c, r, s, i, j."""
        shape = self._shape(outputs, taps)
        return self._buffer[: math.prod(shape)].reshape(shape)

    @staticmethod
    def _shape(outputs: _Outputs, taps: _Taps) -> list[int]:
        ranges = outputs.n, outputs.group, *taps, outputs.i, outputs.j
        return [part.stop - part.start for part in ranges]


def _as_matrices(columns: Array) -> Array:
    """Return columns n, group, c, r, s, i, j as n, group, c·r·s, i·j, the same memory."""
    images, groups, c, r, s, i, j = columns.shape
    return columns.reshape(images, groups, c * r * s, i * j)


def _grouped_weight(problem: ConvProblem, weight: Array) -> Array:
    """Return weight as (groups, K/groups, C/groups, R, S), the same memory."""
    return weight.reshape(problem.groups, -1, *weight.shape[1:])


def _weight_matrices(grouped: Array, group: slice, taps: _Taps) -> Array:
    """Return the taps of grouped weights as matrices (groups, K/groups, taps)."""
    part = grouped[group, :, taps.c, taps.r, taps.s]
    return part.reshape(*part.shape[:2], -1)


def _planes(problem: ConvProblem, y: Array) -> Array:
    """Return y as (N, groups, K/groups, OH·OW), the same memory."""
    return y.reshape(problem.batch, problem.groups, problem.out_channels_per_group, -1)


def forward(problem: ConvProblem, _threads: int) -> Run:
    """Return the function that fills y; how many threads it takes is the BLAS's business."""

    def run(x: Array, weight: Array, _packed: Array | None, bias: Array | None, y: Array) -> None:
        _fill(problem, x, weight, bias, y)

    return run


# Infinities and NaN in the data are the caller's; they flow through without a warning.
@np.errstate(all="ignore")
def _fill(problem: ConvProblem, x: Array, weight: Array, bias: Array | None, y: Array) -> None:
    """Fill y, a tile of outputs at a time."""
    outputs, taps = _tiles(problem, column_buffer_limit())
    columns = _Columns(problem, x)
    planes = _planes(problem, y)
    grouped = _grouped_weight(problem, weight)
    grouped_bias = None if bias is None else bias.reshape(problem.groups, -1, 1)
    for tile in outputs:
        block = planes[tile.n, tile.group, :, tile.pixels(problem)]
        first = _weight_matrices(grouped, tile.group, taps[0])
        np.matmul(first, columns.read(tile, taps[0]), out=block)
        for more in taps[1:]:
            block += _weight_matrices(grouped, tile.group, more) @ columns.read(tile, more)
        if grouped_bias is not None:
            block += grouped_bias[tile.group]
        activate(problem.activation, block)


def input_grad(problem: ConvProblem, _threads: int) -> Run:
    def run(
        grad: Array, weight: Array, _packed: Array | None, bias: Array | None, dx: Array
    ) -> None:
        _fill_input_grad(problem, grad, weight, dx)
        if bias is not None:
            with np.errstate(all="ignore"):
                dx += bias[:, None, None]

    return run


@np.errstate(all="ignore")
def _fill_input_grad(problem: ConvProblem, grad: Array, weight: Array, dx: Array) -> None:
    outputs, taps = _tiles(problem, column_buffer_limit())
    planes = _planes(problem, grad)
    columns = _Columns(problem, dx)
    grouped = _grouped_weight(problem, weight)
    dx[...] = 0
    for tile, tap in itertools.product(outputs, taps):
        transposed = _weight_matrices(grouped, tile.group, tap).swapaxes(-1, -2)
        block = planes[tile.n, tile.group, :, tile.pixels(problem)]
        columns.add_product(tile, tap, transposed, block)


def weight_grad(problem: ConvProblem, _threads: int) -> WeightRun:
    return lambda grad, x, dw: _fill_weight_grad(problem, grad, x, dw)


@np.errstate(all="ignore")
def _fill_weight_grad(problem: ConvProblem, grad: Array, x: Array, dw: Array) -> None:
    outputs, taps = _tiles(problem, column_buffer_limit())
    planes = _planes(problem, grad)
    columns = _Columns(problem, x)
    grouped = _grouped_weight(problem, dw)
    grouped[...] = 0
    for tile, tap in itertools.product(outputs, taps):
        block = grouped[tile.group, :, tap.c, tap.r, tap.s]
        matrices = columns.read(tile, tap)
        for matrix, plane in zip(matrices, planes[tile.n], strict=True):
            product = plane[tile.group, :, tile.pixels(problem)] @ matrix.swapaxes(-1, -2)
            block += product.reshape(block.shape)


def _scratch(problem: ConvProblem, _threads: int) -> int:
    return column_buffer_bytes(problem)


IM2COL = Backend(
    "im2col",
    "NumPy: the image rearranged into columns, tile by tile, then a matrix product",
    forward,
    input_grad,
    weight_grad,
    threading="blas",
    scratch_bytes=_scratch,
    input_grad_bytes=_scratch,
    weight_grad_bytes=_scratch,
)
