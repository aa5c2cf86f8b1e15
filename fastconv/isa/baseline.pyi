"""The functions of every compiled module; avx2 and avx512 are the same for their processors.

Arrays are C-contiguous, aligned and of one dtype (float32 or float64), and of matching shapes,
which nobody checks. Each call computes the units [first, last) of its result: rows of y or dx,
single weights of dw, elements of db. The orders that are serial take `threads` as well, so that all
are called alike, and leave it. Any may raise KeyboardInterrupt, its result then half written.
"""

from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

# What is read of the objects that a problem is described by, each attribute once. A larger object
# that has them will do.

class Axis(Protocol):
    """Rows or columns: output i and tap r meet at i·stride + r·dilation - before."""

    @property
    def size(self) -> int: ...
    @property
    def kernel(self) -> int: ...
    @property
    def stride(self) -> int: ...
    @property
    def dilation(self) -> int: ...
    @property
    def before(self) -> int: ...
    @property
    def outputs(self) -> int: ...

class Problem(Protocol):
    """A convolution, its padding with zeros."""

    @property
    def batch(self) -> int: ...
    @property
    def groups(self) -> int: ...
    @property
    def in_channels_per_group(self) -> int: ...
    @property
    def out_channels_per_group(self) -> int: ...
    @property
    def rows(self) -> Axis: ...
    @property
    def columns(self) -> Axis: ...
    @property
    def activation(self) -> str | None: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...

# Images(description), for kernels "gemm_filters", "gemm_columns", "gemm_pixels", "gemm_taps",
# "gemm_scatter", "gemm_windows", "winograd", "winograd_few", "stencil_rows", "stencil_phases",
# "stencil_large", "stencil_channels", "stencil_slide" and "stencil_spread", reads:
#
#     description.kernel, .piece, .blocks
#     piece.problem       of which the piece is the result; for "stencil_spread" the convolution
#                         whose input gradient is computed
#     piece.weights       None: as they lie. Else .first, .group, .filter, .channel, .row, .column,
#                         .plane, .end: struct Taps of kernels/description.pxi
#     piece.output        None: everything. Else .height, .width, .first_row, .first_column,
#                         .row_step, .column_step: struct Output
#     blocks              .images, .rows, .channels, .filters
#
# Weights(description), for "weights_filters", "weights_pixels", "weights_planes", "weights_rows",
# "weights_slide", "weights_winograd_2", "weights_winograd_4" and "weights_winograd_6", reads:
#
#     description.kernel, .problem, .blocks
#     blocks              .rows, .channels, .filters, .parts; of tiles also .images, .columns

class Compiled:
    units: int
    scratch_bytes: int  # of one thread, at any address

class Images(Compiled):
    """Images made of an image: a piece of a problem, laid out for a kernel.

    Whether all weights, or all results, are finite is returned, whichever are fewer.
    """

    def __init__(self, description: Any) -> None: ...
    def run(
        self, x: Array, w: Array, panels: Array | None, bias: Array | None, y: Array,
        scratch: Array, first: int, last: int, threads: int,
    ) -> bool: ...  # fmt: skip

class Filters(Compiled):
    """Images under filters, laid out for "filter_direct", "filter_separable" or "filter_spectra".

    `description` has .kernel, .problem (a convolution of one channel), .blocks (.rows, .columns,
    .side, .step), .row_sources, .column_sources (of all that is seen, as
    `problem.extension.sources` gives them) and .fillvalue. `w` are kernels (K, R, S), or for
    "filter_separable" a column and a row of each filter, (K, R + S), and `levels` perhaps what is
    taken from the pixels of each image and added to its results; `spectra` are what
    `transform_filters` makes of the kernels.
    """

    def __init__(self, description: Any) -> None: ...
    def run(
        self, x: Array, w: Array, spectra: Array | None, levels: Array | None, y: Array,
        scratch: Array, first: int, last: int, threads: int,
    ) -> None: ...  # fmt: skip

class Weights(Compiled):
    """Weights made of two images: the weight gradient of a problem, laid out for a kernel.

    `dw` has room for `blocks.parts` copies of the weights, which are to be added up. Whether all of
    it is finite is returned; False where it is larger than what it is made of.
    """

    def __init__(self, description: Any) -> None: ...
    def run(
        self, grad: Array, x: Array, dw: Array, scratch: Array, first: int, last: int, threads: int
    ) -> bool: ...

class Pools(Compiled):
    """A pooling, or its gradient, laid out for a kernel: one of kernels/pool_*.pxi.

    `description` has .kernel, .problem (.planes, .rows, .columns, .counted, .dtype), .blocks
    (.planes, .rows). `first` is the image, or the gradient of the output; then `x` is the image
    where the kernel reads it. `taps`, for the kernels whose name says so, are uint8, or int64 of
    windows of more than 256 taps: written beside maxima, read for a gradient.
    """

    def __init__(self, description: Any) -> None: ...
    def run(
        self, first: Array, x: Array | None, taps: Array | None, result: Array, scratch: Array,
        begin: int, end: int, threads: int,
    ) -> None: ...  # fmt: skip

class LoopForward(Protocol):
    def __call__(
        self, x: Array, w: Array, bias: Array, y: Array, problem: Problem, first: int, last: int,
        threads: int,
    ) -> None: ...  # fmt: skip

class WeightGradLoop(Protocol):
    def __call__(
        self, grad: Array, x: Array, dw: Array, problem: Problem, first: int, last: int,
        threads: int,
    ) -> None: ...  # fmt: skip

class InputGrad(Protocol):
    def __call__(
        self, grad: Array, w: Array, dx: Array, problem: Problem, first: int, last: int,
        threads: int,
    ) -> None: ...  # fmt: skip

# `bias` has no element where there is no bias.
forward_literal: LoopForward
forward_rows: LoopForward
forward_parallel: LoopForward
weight_grad_literal: WeightGradLoop
weight_grad_rows: WeightGradLoop
weight_grad_parallel: WeightGradLoop
input_grad_literal: InputGrad
input_grad_rows: InputGrad
input_grad_parallel: InputGrad

def bias_grad_parallel(grad: Array, db: Array, first: int, last: int, threads: int) -> None: ...

# A product of a fully connected layer: "outputs" from x, W and perhaps a bias, "inputs" from dy and
# W, "weights" from dy and x.
def dense(
    product: str, first: Array, second: Array, bias: Array | None, z: Array, samples: int,
    inputs: int, outputs: int, itemsize: int, threads: int,
) -> None: ...  # fmt: skip

# What a training step does value by value. `db` and `velocity` may be None.
def rectify(
    grad: Array, y: Array, target: Array, db: Array | None, images: int, channels: int,
    pixels: int, itemsize: int, threads: int,
) -> None: ...  # fmt: skip
def descend(
    w: Array, grad: Array, velocity: Array | None, is_moving: bool, target: Array, rate: float,
    momentum: float, decay: float, values: int, itemsize: int, threads: int,
) -> None: ...  # fmt: skip
def vector_values(itemsize: int) -> int: ...
def spectra_values(made: Filters) -> int: ...
def transform_filters(made: Filters, w: Array, spectra: Array) -> None: ...

# Rows and columns of a tile of "stencil_large" and the filters, under so many rows of taps.
def tile_shape(taps: int, itemsize: int) -> tuple[int, int]: ...
def pixels_in_place(problem: Problem) -> bool: ...
def band_values(problem: Problem, rows: int, vector: int = 1) -> int: ...
def panel_filters(kernel: str, itemsize: int) -> int: ...
def packed_values(description: Any) -> int: ...
def pack_weights(description: Any, w: Array, panels: Array) -> None: ...

# Of the kernel "gemm_taps": the weights tap by tap, as many as `packed_values` says.
def order_weights(description: Any, w: Array, panels: Array) -> None: ...

# Of the kernel "winograd": the weights as `run` reads them.
def transformed_values(description: Any) -> int: ...
def transform_weights(description: Any, w: Array, panels: Array, threads: int) -> None: ...

# Its panels of so many filters: how many, how many begin before a filter, and where one begins.
def panels_of_filters(filters: int, itemsize: int) -> int: ...
def panels_before_filter(filters: int, itemsize: int, filter: int) -> int: ...
def first_of_panel(filters: int, itemsize: int, panel: int) -> int: ...

# Of the kernel "winograd_few": values of its panels, making them, and the filters of one.
def few_panels_values(description: Any) -> int: ...
def make_few_weights(description: Any, w: Array, panels: Array) -> None: ...
def few_filters() -> int: ...
def transform_constants(
    pairs: int,
) -> tuple[list[float], list[float], list[list[float]], list[float]]: ...
def is_finite(array: Array, itemsize: int) -> bool: ...
def border_has_nan(
    array: Array,
    itemsize: int,
    planes: int,
    height: int,
    width: int,
    top: int,
    bottom: int,
    left: int,
    right: int,
) -> bool: ...
def has_openmp() -> bool: ...
def max_threads() -> int: ...
def fma_peak(dtype: str, iterations: int) -> int: ...
def copy_rounds(target: Array, source: Array, rounds: int) -> int: ...
