"""fastconv: fast 2-D convolution for NumPy in plain typed Cython loops.

The way of a call, which is also the way to read the package::

    conv2d(x, weight, bias, ...)                    conv.py
      │   dtypes                                    operands.py
      ▼
    find_call: seen before, or else                 call.py
      │  ConvProblem: shapes and options, checked   problem.py   (arguments, padding, activation)
      │  choose: first able and suited backend      registry.py
      ▼
    Call: `out` checked or allocated, operands      operands.py
      │   made contiguous, image padded             padding.py
      │   backend.forward(problem, threads), kept   algorithms/  (threads.py)
      ▼
    run(x, weight, packed, bias, y)                 algorithms/  im2col.py   gemm.py, depthwise.py,
      │                                                            │         loops.py
      ▼                                                            │           │ (blocks.py)
    NumPy: columns, then a matrix product           columns.py  ◄──┘           │
    compiled loops, without the GIL                 isa/  ◄────────────────────┘
      └── one shell per instruction set around the same bodies in kernels/

conv2d_backward goes the same way, with gradients.py in the place of call.py: a backend for the
gradient of x, and one for that of the weights. phases.py says how the former is a few convolutions,
parts.py how a convolution that is mostly padding is.

conv_transpose2d (conv_transpose.py) makes a TransposedProblem (transposed.py), finds in it the
convolution that it transposes, and has a backend compute the gradient of that one's input.

Beside the way stand `explain` (explaining.py) and `show_config` (config.py).
"""

from .columns import col2im, im2col
from .config import show_config
from .conv import Conv2dGrads, Conv2dPlan, conv2d, conv2d_backward, plan_conv2d
from .conv_transpose import conv_transpose2d, conv_transpose2d_backward
from .explaining import Explanation, explain
from .problem import ConvProblem
from .registry import backends
from .threads import get_num_threads, num_threads, set_num_threads

__all__ = [
    "Conv2dGrads",
    "Conv2dPlan",
    "ConvProblem",
    "Explanation",
    "backends",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "explain",
    "get_num_threads",
    "im2col",
    "num_threads",
    "plan_conv2d",
    "set_num_threads",
    "show_config",
]

__version__ = "0.1.0"
