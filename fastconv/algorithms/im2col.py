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
infinite weight makes NaN there, as inf·0 does. Those results are computed again (mending.py).
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .. import tuning
from ..columns import Tile, add_columns, fill_columns
from ..machine import Machine, measured_here
from ..problem import ConvProblem
from ..problem.activation import activate
from ..problem.operands import Array
from ..problem.slices import add, assign
from .costs import of_bytes
from .implementation import (
    Chooser,
    Implementation,
    Plan,
    Prediction,
    Refusal,
    Request,
)

__all__ = ["IM2COL", "column_buffer_bytes", "column_buffer_limit"]


def column_buffer_limit() -> int:
    """Return the most bytes of columns at a time: FASTCONV_IM2COL_MIB in bytes, 64 MiB unless set.

    Raises
    ------
    ValueError
        If the environment variable is not a positive number.
    """
    text = os.environ.get("FASTCONV_IM2COL_MIB")
    if not text:
        return tuning.IM2COL_BYTES
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


def _tile_sizes(problem: ConvProblem, limit: int) -> tuple[int, ...]:
    """Return how much of each loop a tile takes, outermost first."""
    room = max(1, limit // problem.dtype.itemsize)
    sizes = []
    for extent in reversed(_loop_extents(problem)):
        size = min(extent, room)
        # A loop that is cut leaves no room for those outside it: tiles stay runs of pixels.
        room = room // size if size == extent else 1
        sizes.append(size)
    return tuple(sizes[::-1])


def column_buffer_bytes(problem: ConvProblem) -> int:
    """Return the bytes of columns that one call holds at a time; 0 where none are needed."""
    if problem.is_pointwise or problem.is_empty:
        return 0
    return math.prod(_tile_sizes(problem, column_buffer_limit())) * problem.dtype.itemsize


class _Tiling:
    """How the columns of a problem are cut into tiles, and the buffers that takes.

    Attributes
    ----------
    columns : int
        Values of the largest tile of columns; none where the image is its own column matrix.
    product : int
        Values of the largest product that has to be added to an earlier one.
    """

    def __init__(self, problem: ConvProblem, request: Request) -> None:
        self.problem = problem
        self.sizes = _tile_sizes(problem, column_buffer_limit())
        images, groups, i, j, c, r, s = self.sizes
        self.columns = 0 if problem.is_pointwise else math.prod(self.sizes)
        taps, pixels = c * r * s, i * j
        filters = groups * problem.out_channels_per_group
        if request.operation == "forward":
            self.product = images * filters * pixels if taps < problem.taps else 0
        elif request.operation == "weight-grad":
            self.product = filters * taps
        else:
            self.product = 0

    @property
    def bytes(self) -> int:
        """Bytes of all buffers."""
        return (self.columns + self.product) * self.problem.dtype.itemsize

    def outputs(self) -> Iterator[_Outputs]:
        """Yield the tiles of the output: lazily, there may be a million."""
        return itertools.starmap(_Outputs, itertools.product(*self._ranges(0, 4)))

    def taps(self) -> Iterator[_Taps]:
        """Yield the tiles of the products that make an output, usually one."""
        return itertools.starmap(_Taps, itertools.product(*self._ranges(4, 7)))

    def _ranges(self, begin: int, end: int) -> list[list[slice]]:
        """Return how each of some loops is cut."""
        extents = _loop_extents(self.problem)[begin:end]
        return [
            [slice(start, min(start + size, extent)) for start in range(0, extent, size)]
            for extent, size in zip(extents, self.sizes[begin:end], strict=True)
        ]


class _Buffers:
    """The columns of one image array, a tile at a time, and a product, in a call's scratch."""

    def __init__(self, tiling: _Tiling, image: Array, scratch: Array | None) -> None:
        problem = tiling.problem
        self._problem = problem
        # n, group, c, h, w: the same memory
        self._image = image.reshape(
            problem.batch, problem.groups, -1, problem.height, problem.width
        )
        empty = np.empty(0, problem.dtype)
        values = empty if scratch is None else scratch.view(problem.dtype)
        self._columns = values[: tiling.columns]
        self._product = values[tiling.columns :]

    def read(self, outputs: _Outputs, taps: _Taps) -> Array:
        """Return the columns of a tile as matrices (images, groups, taps, pixels)."""
        if self._problem.is_pointwise:
            return self.pixels(outputs, taps)
        columns = self._place(outputs, taps)
        part = self._image[outputs.n, outputs.group, taps.c]
        fill_columns(self._problem, part, columns, Tile(taps.r, taps.s, outputs.i, outputs.j))
        return _as_matrices(columns)

    def pixels(self, outputs: _Outputs, taps: _Taps) -> Array:
        """Return the image itself as such matrices: its own columns, where it is pointwise."""
        flat = self._image.reshape(*self._image.shape[:3], -1)
        return flat[outputs.n, outputs.group, taps.c, outputs.pixels(self._problem)]

    def place(self, outputs: _Outputs, taps: _Taps) -> Array:
        """Return room for the columns of a tile as matrices."""
        return _as_matrices(self._place(outputs, taps))

    def add(self, outputs: _Outputs, taps: _Taps) -> None:
        """Add the columns that were put into `place` back onto the image."""
        part = self._image[outputs.n, outputs.group, taps.c]
        tile = Tile(taps.r, taps.s, outputs.i, outputs.j)
        add_columns(self._problem, self._place(outputs, taps), part, tile)

    def product(self, shape: tuple[int, ...]) -> Array:
        """Return room for a product."""
        return self._product[: math.prod(shape)].reshape(shape)

    def _place(self, outputs: _Outputs, taps: _Taps) -> Array:
        """Return the buffer in the shape of a tile: n, group, c, r, s, i, j."""
        ranges = outputs.n, outputs.group, *taps, outputs.i, outputs.j
        shape = [part.stop - part.start for part in ranges]
        return self._columns[: math.prod(shape)].reshape(shape)


def _as_matrices(columns: Array) -> Array:
    """Return columns n, group, c, r, s, i, j as n, group, c·r·s, i·j, the same memory."""
    images, groups, c, r, s, i, j = columns.shape
    return columns.reshape(images, groups, c * r * s, i * j)


def _multiply(left: Array, right: Array, out: Array) -> None:
    """Do out = left @ right, some rows at a time, so that Ctrl-C need not wait for all of them."""
    rows, flops = out.shape[-2], 2 * out.size * left.shape[-1]
    if flops <= tuning.PRODUCT_FLOPS_PER_STEP:
        np.matmul(left, right, out=out)
        return
    step = max(1, rows * tuning.PRODUCT_FLOPS_PER_STEP // flops)
    for first in range(0, rows, step):
        some = slice(first, first + step)
        np.matmul(left[..., some, :], right, out=out[..., some, :])


def _grouped_weight(problem: ConvProblem, weight: Array) -> Array:
    """Return weight as (groups, K/groups, C/groups, R, S), the same memory."""
    return weight.reshape(problem.groups, -1, *weight.shape[1:])


def _weight_matrices(grouped: Array, group: slice, taps: _Taps) -> Array:
    """Return the taps of grouped weights as matrices (groups, K/groups, taps), the same memory.

    A tile of taps is a run of them, filled from the innermost loop, so that no copy is needed.
    """
    part = grouped[group, :, taps.c, taps.r, taps.s]
    return part.reshape(*part.shape[:2], -1)


def _planes(problem: ConvProblem, y: Array) -> Array:
    """Return y as (N, groups, K/groups, OH·OW), the same memory."""
    return y.reshape(problem.batch, problem.groups, problem.out_channels_per_group, -1)


# Infinities and NaN in the data are the caller's; they flow through without a warning.
@np.errstate(all="ignore")
def _forward(
    tiling: _Tiling, x: Array, weight: Array, bias: Array | None, y: Array, scratch: Array | None
) -> None:
    """Fill y, a tile of outputs at a time."""
    problem = tiling.problem
    buffers = _Buffers(tiling, x, scratch)
    planes = _planes(problem, y)
    grouped = _grouped_weight(problem, weight)
    grouped_bias = None if bias is None else bias.reshape(problem.groups, -1, 1)
    for tile in tiling.outputs():
        block = planes[tile.n, tile.group, :, tile.pixels(problem)]
        for number, taps in enumerate(tiling.taps()):
            matrices = _weight_matrices(grouped, tile.group, taps)
            if number == 0:
                _multiply(matrices, buffers.read(tile, taps), block)
            else:
                product = buffers.product(block.shape)
                _multiply(matrices, buffers.read(tile, taps), product)
                add(block, product)
        if grouped_bias is not None:
            add(block, grouped_bias[tile.group])
        activate(problem.activation, block)


@np.errstate(all="ignore")
def _input_grad(
    tiling: _Tiling, grad: Array, weight: Array, bias: Array | None, dx: Array,
    scratch: Array | None,
) -> None:  # fmt: skip
    """Fill dx: the columns' gradient, a tile at a time, added back onto the image."""
    problem = tiling.problem
    buffers = _Buffers(tiling, dx, scratch)
    planes = _planes(problem, grad)
    grouped = _grouped_weight(problem, weight)
    assign(dx, 0)
    for tile in tiling.outputs():
        block = planes[tile.n, tile.group, :, tile.pixels(problem)]
        for taps in tiling.taps():
            transposed = _weight_matrices(grouped, tile.group, taps).swapaxes(-1, -2)
            if problem.is_pointwise:
                _multiply(transposed, block, buffers.pixels(tile, taps))
            else:
                _multiply(transposed, block, buffers.place(tile, taps))
                buffers.add(tile, taps)
    if bias is not None:
        add(dx, bias[:, None, None])


@np.errstate(all="ignore")
def _weight_grad(
    tiling: _Tiling, grad: Array, x: Array, _bias: Array | None, dw: Array, scratch: Array | None
) -> None:
    """Fill dw, summing over images and tiles."""
    problem = tiling.problem
    buffers = _Buffers(tiling, x, scratch)
    planes = _planes(problem, grad)
    grouped = _grouped_weight(problem, dw)
    assign(dw, 0)
    for tile in tiling.outputs():
        for taps in tiling.taps():
            block = _weight_matrices(grouped, tile.group, taps)
            product = buffers.product(block.shape)
            matrices = buffers.read(tile, taps)
            for matrix, plane in zip(matrices, planes[tile.n], strict=True):
                pixels = plane[tile.group, :, tile.pixels(problem)]
                _multiply(pixels, matrix.swapaxes(-1, -2), product)
                add(block, product)


_RUNS = {"forward": _forward, "input-grad": _input_grad, "weight-grad": _weight_grad}


class _Im2col(Implementation):
    """All three operations, on any installation; how many threads is the BLAS's business."""

    name = "im2col"
    families = ("im2col",)

    def plan(self, request: Request, choose: Chooser) -> Plan | Refusal:
        """Return the tiles of the columns; only pieces of a problem are refused."""
        if not request.piece.is_whole:
            return Refusal("it computes whole results only")
        tiling = _Tiling(request.problem, request)
        fill = _RUNS[request.operation]

        def run(
            first: Array, second: Array, _prepared: Array | None, bias: Array | None,
            result: Array, scratch: Array | None,
        ) -> None:  # fmt: skip
            fill(tiling, first, second, bias, result, scratch)

        return Plan(self, request.piece, None, run, tiling.bytes, operation=request.operation)

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for the columns, a copy for each tap of a tile, and the BLAS's products."""
        problem, operation = plan.piece.problem, plan.operation
        sizes = _tile_sizes(problem, column_buffer_limit())
        extents = _loop_extents(problem)
        counts = [-(-extent // size) for extent, size in zip(extents, sizes, strict=True)]
        tiles = math.prod(counts)
        products = problem.batch * problem.groups * math.prod(counts[2:])  # of matrices
        columns = 0.0
        if not problem.is_pointwise:
            values = problem.im2col_bytes // problem.dtype.itemsize
            size = min(values, math.prod(sizes)) * problem.dtype.itemsize
            rows = values / min(problem.out_width, sizes[3])  # that NumPy copies one by one
            kind = tuning.MODEL_COLUMN_COPIES[operation]
            strided = tuning.MODEL_COLUMN_STRIDED if problem.columns.stride > 1 else 1.0
            of_tap = measured_here(tuning.MODEL_COLUMN_OPERATIONS)[operation]
            columns = (
                kind * strided * 2 * values * problem.dtype.itemsize / machine.bandwidth(2 * size)
                + rows * tuning.MODEL_COLUMN_ROW_OPERATIONS * machine.operation
                + tiles * sizes[5] * sizes[6] * of_tap * machine.operation
            )
        calls = products * tuning.MODEL_PRODUCT_OPERATIONS + tuning.MODEL_IM2COL_OPERATIONS
        if operation == "weight-grad":
            images = problem.batch * math.prod(counts[1:])
            calls += images * measured_here(tuning.MODEL_IMAGE_OPERATIONS)
        return Prediction(
            {
                "columns": columns,
                "product": _product_seconds(plan, machine),
                "memory": _memory_seconds(plan, machine),
                "call": machine.operation * calls,
            }
        )


def _is_vector(problem: ConvProblem) -> bool:
    """Whether the product is one of a matrix with a vector, which reads or writes it in a row."""
    return min(problem.out_channels_per_group, problem.taps) == 1


def _memory_seconds(plan: Plan, machine: Machine) -> float:
    """Return the seconds of operands and result through the caches, beside the products."""
    problem = plan.piece.problem
    if _is_vector(problem):  # whose product is nothing else
        return 0.0
    waited = tuning.MODEL_SMALL_MEMORY if _is_small(plan) else 1.0
    seconds = waited * of_bytes(problem.bytes, 1, machine)
    if plan.operation == "input-grad":  # which is set to zero before
        zeroed = math.prod(problem.x_shape) * problem.dtype.itemsize
        seconds += measured_here(tuning.MODEL_ZEROED_SHARE) * of_bytes(zeroed, 1, machine)
    return seconds


def _product_seconds(plan: Plan, machine: Machine) -> float:
    """Return the seconds of the BLAS's products.

    With a single filter or tap they read a matrix once, or write it, where what is summed over is
    single. Else they reach, the larger the matrices are, the more of the best rate.
    """
    problem = plan.piece.problem
    filters, taps = problem.out_channels_per_group, problem.taps
    pixels = problem.out_height * problem.out_width
    if _is_vector(problem):
        size = max(filters, taps) * pixels * problem.dtype.itemsize
        products = problem.batch * problem.groups
        summed = {"forward": taps, "input-grad": filters, "weight-grad": pixels}[plan.operation]
        if summed == 1:
            writes = measured_here(tuning.MODEL_VECTOR_WRITES)
            return products * writes * size / machine.bandwidth(size)
        read = products * size * (2 if filters == taps else 1)
        reads = measured_here(tuning.MODEL_VECTOR_READS)[plan.operation]
        return reads * read / machine.bandwidth(read)
    halves = measured_here(tuning.MODEL_PRODUCT_HALVES)
    if _is_small(plan):
        halves = tuning.MODEL_SMALL_PRODUCT_HALVES
    few, short, narrow = halves[plan.operation]
    reached = filters / (filters + few) * taps / (taps + short) * pixels / (pixels + narrow)
    return problem.flops / machine.product[problem.dtype.name] / reached


def _is_small(plan: Plan) -> bool:
    """Whether the BLAS multiplies matrices as they lie, without packing them."""
    problem = plan.piece.problem
    weights = problem.out_channels_per_group * problem.taps
    if plan.operation == "weight-grad" and weights > tuning.MODEL_SMALL_WEIGHTS:
        return False
    products = weights * problem.out_height * problem.out_width
    return products <= measured_here(tuning.MODEL_SMALL_PRODUCTS)


IM2COL = _Im2col()
