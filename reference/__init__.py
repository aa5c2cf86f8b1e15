"""What every convolution in this repository has to compute, written beside its formula.

Nothing here is fast, on purpose: plain Python loops in the order of the indices, sums in
float64, one rounding at the end.  The package imports NumPy and never ``fastconv``; it works
out its own output sizes, so that one mistake cannot hide in both.

::

    activation.py      f and f'                   one number at a time
    padding_modes.py   where a padded index reads from
    geometry.py        padding forms, output size, one Axis per image axis
    arrays.py          float64 views that index like the formula, and the one rounding
        |
        +-- conv.py            Y = f(W * X + b)                  seven nested loops
        +-- conv_backward.py   dE/dX, dE/dW, dE/db               a few loops for each
        +-- conv_transpose.py  Y += W X, pixel by pixel          and its gradients; its sizes are in
        |                                                        transposed_geometry.py
        +-- columns.py         im2col and its adjoint col2im     (unfold, fold)
        +-- pool.py            max and mean of windows           and their gradients

    nn.py              one training step of a network: forward, loss, backward, descent
    convolution.py     (f * g)[n] = sum_m f[m] g[n - m]          what the word means in a textbook,
        |                                                        and the correlation layers compute
        +-- boundaries.py  what an image holds beyond its edge
        +-- images.py      the same of stacks of images, banks of kernels, channels
    filters.py         masks laid over photographs, as textbooks print them
    tutorial.py        the usual NumPy im2col lesson, without its usual mistakes

``conv2d``, ``conv2d_backward``, ``conv_transpose2d``, ``conv_transpose2d_backward``, ``im2col``,
``col2im``, ``convolve2d``, ``correlate2d`` and the poolings take the arguments of the functions of
the same name in ``fastconv``.  `tutorial` keeps the same names inside its own module:
``reference.tutorial.conv2d``; so does `nn`, whose counterpart is ``fastconv.nn``.
"""

from reference import filters, nn, tutorial
from reference.columns import col2im, im2col
from reference.conv import conv2d
from reference.conv_backward import Conv2dGrads, conv2d_backward
from reference.conv_transpose import conv_transpose2d, conv_transpose2d_backward
from reference.convolution import convolve1d, correlate1d
from reference.images import convolve2d, correlate2d
from reference.pool import (
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)

__all__ = [
    "Conv2dGrads",
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "convolve1d",
    "convolve2d",
    "correlate1d",
    "correlate2d",
    "filters",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
    "nn",
    "tutorial",
]
