"""The functions of every compiled module; avx2 and avx512 are the same for their processors.

Arrays are C-contiguous, aligned and of one dtype (float32 or float64), which Cython checks, and of
matching shapes, which nobody checks. `window` is (stride_h, stride_w, dilation_h, dilation_w, top,
left). `bias` has no element where there is no bias. Each call computes the units [first, last) of
its result: rows of y or dx, single weights of dw, elements of db. The orders that are serial take
`threads` as well, so that all are called alike, and leave it.
"""

from typing import Any, Protocol, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Window: TypeAlias = tuple[int, int, int, int, int, int]

class Forward(Protocol):
    def __call__(
        self, x: Array, w: Array, bias: Array, y: Array, window: Window, groups: int,
        activation: int, first: int, last: int, threads: int,
    ) -> None: ...  # fmt: skip

class WeightGrad(Protocol):
    def __call__(
        self, grad: Array, x: Array, dw: Array, window: Window, groups: int,
        first: int, last: int, threads: int,
    ) -> None: ...  # fmt: skip

class InputGrad(Protocol):
    def __call__(
        self, grad: Array, w: Array, dx: Array, window: Window, groups: int,
        first: int, last: int, threads: int,
    ) -> None: ...  # fmt: skip

forward_literal: Forward
forward_rows: Forward
forward_parallel: Forward
weight_grad_literal: WeightGrad
weight_grad_rows: WeightGrad
weight_grad_parallel: WeightGrad
input_grad_literal: InputGrad
input_grad_rows: InputGrad
input_grad_parallel: InputGrad

def gemm_tile_rows() -> int: ...
def gemm_scratch(
    window: Window, kernel_h: int, kernel_w: int, out_width: int, rows: int,
    channels: int, itemsize: int,
) -> int: ...  # fmt: skip
def forward_gemm(
    x: Array, w: Array, bias: Array, y: Array, window: Window, groups: int,
    activation: int, rows: int, channels: int, filters: int, offsets: Array,
    scratch: Array, first: int, last: int, threads: int,
) -> None: ...  # fmt: skip
def bias_grad_parallel(grad: Array, db: Array, first: int, last: int, threads: int) -> None: ...
def has_openmp() -> bool: ...
def max_threads() -> int: ...
def fma_peak(dtype: str, iterations: int) -> int: ...
