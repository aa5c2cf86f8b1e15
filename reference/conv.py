"""The forward pass of a convolution layer, as its definition reads."""

from __future__ import annotations

import numpy as np

from reference.activation import activate, check_activation
from reference.arrays import (
    FloatArray,
    as_batch,
    check_shape,
    float64_view,
    result_array,
    writable_view,
)
from reference.geometry import IntOrPair, Padding, layer_sizes
from reference.padding_modes import source_of


def conv2d(
    x: FloatArray,
    weight: FloatArray,
    bias: FloatArray | None = None,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    activation: str | None = None,
    backend: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Convolution layer: every filter slides over the image, adds its bias, then the activation.

    ::

        Z[n,k,i,j] = b[k] + sum_c sum_r sum_s  W[k,c,r,s] X[n,c,h,w]
                            with h = i S_h + r D_h - P_top
                                 w = j S_w + s D_w - P_left
        Y[n,k,i,j] = f(Z[n,k,i,j])

    for an R x S kernel with strides S_h, S_w, dilations D_h, D_w and padding P.  With groups, the
    sum over c covers only the channels of the group of filter k.  The kernel is not flipped:
    mathematically this is a cross-correlation (see `reference.convolution`).

    Parameters
    ----------
    x : ndarray of float32 or float64
        Images (N, C, H, W), or one image (C, H, W).
    weight : ndarray of float32 or float64
        Filters (K, C / groups, R, S).
    bias : ndarray of float32 or float64, optional
        One number per filter, (K,).
    stride, dilation : int or (int, int), default 1
        For rows and columns, at least 1.
    padding : int, (int, int), ((top, bottom), (left, right)), "same" or "valid", default 0
        "same" makes ceil(H / stride) rows and pads the odd one at the bottom or right; "valid"
        is 0.
    groups : int, default 1
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the padding holds, see `reference.padding_modes`.
    activation : {None, "relu", "sigmoid", "tanh"}
    backend : {"auto", "reference"}
        Accepted so that calls to ``fastconv.conv2d`` can be repeated here.
    out : ndarray of the shape and dtype of the result, optional
        Filled and returned.

    Returns
    -------
    ndarray
        (N, K, OH, OW), or (K, OH, OW) for one image, with OH and OW from
        `reference.geometry.output_size`.  Summed in float64 and rounded once to the dtype of `x`.

    Raises
    ------
    ValueError
        If shapes do not fit together, the kernel is larger than the padded image, or an argument
        has no such value.
    TypeError
        If an array is neither float32 nor float64, or `out` has another dtype than `x`.

    References
    ----------
    ``torch.nn.Conv2d``; I. Goodfellow, Y. Bengio and A. Courville, "Deep Learning", section 9.1;
    ONNX operator ``Conv`` for "same" with a stride.
    """
    check_backend(backend)
    check_activation(activation)
    images = as_batch("x", x, 4)
    X = float64_view("x", images)
    W = float64_view("weight", weight)
    layer = layer_sizes(images.shape, weight.shape, stride, padding, dilation, groups)
    N, _, K, C_group, K_group, rows, columns = layer
    source = source_of(padding_mode, rows, columns)
    height, R, S_h, D_h, P_top, _, OH = rows
    width, S, S_w, D_w, P_left, _, OW = columns
    if bias is None:
        bias = np.zeros(K)
    b = float64_view("bias", bias)
    check_shape("bias", bias, (K,))
    result = result_array(out, (*x.shape[:-3], K, OH, OW), x.dtype)
    exact = np.empty((N, K, OH, OW))
    Y = writable_view(exact)

    for n in range(N):
        for k in range(K):
            first = k // K_group * C_group  # channel of the group that filter k belongs to
            for i in range(OH):
                for j in range(OW):
                    z = 0.0
                    for c in range(C_group):
                        for r in range(R):
                            h = source(i * S_h + r * D_h - P_top, height)
                            if h is None:
                                continue
                            for s in range(S):
                                w = source(j * S_w + s * D_w - P_left, width)
                                if w is None:
                                    continue
                                z += W[k, c, r, s] * X[n, first + c, h, w]
                    Y[n, k, i, j] = activate(z + b[k], activation)

    result[...] = exact.reshape(result.shape)
    return result


def check_backend(backend: str) -> None:
    """Refuse the name of a backend of ``fastconv``: there is only one way to be a definition.

    Raises
    ------
    ValueError
    """
    if backend not in ("auto", "reference"):
        raise ValueError(f'backend must be "auto" or "reference", got {backend!r}')
