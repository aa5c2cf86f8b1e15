"""fastconv: fast 2-D convolution for NumPy in plain typed Cython loops.

The way of a call, which is also the way to read the package::

    conv2d(x, weight, bias, ...)                    conv.py
      │   dtypes                                    problem/operands.py
      ▼
    find_calls: seen before, or else                call.py
      │   ConvProblem: shapes and options, checked  problem/      two Axis and the channels
      │   choose → implementation.plan → Plan       planning.py → algorithms/     (tuning.py)
      │             a decomposition asks choose for its pieces in turn
      ▼
    Call: `out` checked or allocated, operands made contiguous, image padded, scratch allocated
      │
      ▼
    plan.run(first, second, prepared, bias, result, scratch)
      │                                             algorithms/
      ├── im2col.py: NumPy, columns, then a matrix product                columns.py
      ├── by_stride.py, by_padding.py: piece by piece                     decomposition.py
      └── gemm.py, gemm_taps.py, winograd.py, scatter.py, slide.py, stencil.py, large.py,
            weights.py, weights_winograd.py, loops.py
            compiled loops without the GIL          isa/ → kernels/
              └── one shell per instruction set around the same bodies
      │
      ▼
    mend: where a weight is not finite, what zero padding has spoilt        mending.py

conv2d_backward goes the same way, once for the gradient of x and once for that of the weights, and
so does conv_transpose2d, by the convolution that it transposes: one Call serves them all. The
poolings' way is as long but narrower: pool.py, pool_call.py, algorithms/pooling.py, kernels/pool_*.

convolve2d (images.py) makes such convolutions of images: of their parts, in two passes, or none,
where spectra are faster (image/). filters/ is built on the same passes.

Beside the way stand `explain` (explaining.py), which also predicts how long a call takes: from what
the machine does (rates.py), by what each implementation counts (algorithms/costs.py). Further
`show_config` (config.py), threads.py, levels.py (how accurate results shall be), scratch.py (what a
thread keeps) and remembering.py (what has been planned); above it `nn`, layers and networks made of
these functions (nn/).
"""

from . import filters, nn
from .columns import col2im, im2col
from .config import show_config
from .conv import Conv2dGrads, Conv2dPlan, conv2d, conv2d_backward, plan_conv2d
from .conv_transpose import conv_transpose2d, conv_transpose2d_backward
from .explaining import Explanation, explain
from .images import FilteringExplanation, convolve2d, correlate2d, explain_convolve2d
from .levels import accuracy, get_accuracy, set_accuracy
from .planning import backends
from .pool import (
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from .problem import ConvProblem
from .threads import get_num_threads, num_threads, set_num_threads

__all__ = [
    "Conv2dGrads",
    "Conv2dPlan",
    "ConvProblem",
    "Explanation",
    "FilteringExplanation",
    "accuracy",
    "avg_pool2d",
    "avg_pool2d_backward",
    "backends",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "convolve2d",
    "correlate2d",
    "explain",
    "explain_convolve2d",
    "filters",
    "get_accuracy",
    "get_num_threads",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
    "nn",
    "num_threads",
    "plan_conv2d",
    "set_accuracy",
    "set_num_threads",
    "show_config",
]

__version__ = "0.1.0"
