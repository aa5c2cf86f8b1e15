"""The functions of every compiled module; avx2 and avx512 are the same for their processors.

Arrays are C-contiguous, aligned and of one dtype (float32 or float64), which Cython checks, and of
matching shapes, which nobody checks. `window` is (stride_h, stride_w, dilation_h, dilation_w, top,
left). `bias` has no element where there is no bias. Each call computes the units [first, last) of
its result: rows of y or dx, single weights of dw, elements of db. The orders that are serial take
`threads` as well, so that all are called alike, and leave it.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Window: TypeAlias = tuple[int, int, int, int, int, int]

class LoopForward(Protocol):
    def __call__(
        self, x: Array, w: Array, bias: Array, y: Array, window: Window, groups: int,
        activation: int, first: int, last: int, threads: int,
    ) -> None: ...  # fmt: skip

class WeightGradLoop(Protocol):
    def __call__(
        self, grad: Array, x: Array, dw: Array, window: Window, groups: int,
        first: int, last: int, threads: int,
    ) -> None: ...  # fmt: skip

class InputGrad(Protocol):
    def __call__(
        self, grad: Array, w: Array, dx: Array, window: Window, groups: int,
        first: int, last: int, threads: int,
    ) -> None: ...  # fmt: skip

forward_literal: LoopForward
forward_rows: LoopForward
forward_parallel: LoopForward
weight_grad_literal: WeightGradLoop
weight_grad_rows: WeightGradLoop
weight_grad_parallel: WeightGradLoop
input_grad_literal: InputGrad
input_grad_rows: InputGrad
input_grad_parallel: InputGrad

class Forward:
    """The forward pass of one problem, cut into blocks; see algorithms/blocks.py."""

    units: int
    scratch_values: int

    def __init__(
        self, is_double: bool, method: int, batch: int, groups: int, channels: int, filters: int,
        height: int, width: int, kernel_h: int, kernel_w: int, out_height: int, out_width: int,
        window: Window, activation: int, block_images: int, rows: int, block_channels: int,
        block_filters: int, order: tuple[int, ...] | None, target: tuple[int, ...] | None,
        empty: Callable[[int], Array],
    ) -> None: ...  # fmt: skip
    def run(
        self, x: Array, w: Array, panels: Array | None, bias: Array | None, y: Array,
        scratch: Array, first: int, last: int, threads: int,
    ) -> None: ...  # fmt: skip

class WeightGrad:
    """The weight gradient of one problem, cut into blocks; see algorithms/weight_grad.py."""

    units: int
    scratch_values: int

    def __init__(
        self, is_double: bool, method: int, batch: int, groups: int, channels: int, filters: int,
        height: int, width: int, kernel_h: int, kernel_w: int, out_height: int, out_width: int,
        window: Window, rows: int, block_channels: int, block_filters: int, parts: int,
        slides: bool, empty: Callable[[int], Array],
    ) -> None: ...  # fmt: skip
    def run(
        self, grad: Array, x: Array, dw: Array, scratch: Array, first: int, last: int, threads: int
    ) -> None: ...

def band_values(
    window: Window, kernel_h: int, kernel_w: int, out_width: int, rows: int, vector: int
) -> int: ...
def vector_values(itemsize: int) -> int: ...
def panel_filters(itemsize: int, lanes_are_pixels: bool) -> int: ...
def packed_values(filters: int, taps: int, itemsize: int, lanes_are_pixels: bool) -> int: ...
def pack_weights(
    is_double: bool, w: Array, panels: Array, groups: int, filters: int, taps: int,
    lanes_are_pixels: bool,
) -> None: ...  # fmt: skip
def bias_grad_parallel(grad: Array, db: Array, first: int, last: int, threads: int) -> None: ...
def has_openmp() -> bool: ...
def max_threads() -> int: ...
def fma_peak(dtype: str, iterations: int) -> int: ...
def copy_rounds(target: Array, source: Array, rounds: int) -> int: ...
