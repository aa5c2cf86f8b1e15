"""The transposed convolution and its gradients, as their definitions read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference.arrays import (
    FloatArray,
    as_batch,
    check_shape,
    float64_view,
    result_array,
    writable_view,
)
from reference.conv import check_backend
from reference.conv_backward import Conv2dGrads
from reference.geometry import IntOrPair, Layer, Padding
from reference.transposed_geometry import transposed_layer_sizes


def conv_transpose2d(
    x: FloatArray,
    weight: FloatArray,
    bias: FloatArray | None = None,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    output_padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    backend: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Transposed convolution: every pixel sets the kernel down on the result, times its value.

    ::

        Y = b[k] everywhere, and then for all n, c, i, j, k, r, s

        Y[n,k,h,w] += W[c,k,r,s] X[n,c,i,j]     with  h = i S_h + r D_h - P_top
                                                      w = j S_w + s D_w - P_left

    wherever Y has such a position.  With groups, k covers only the channels of the group of c.
    Leaving b aside, this is the gradient of a convolution with respect to its input: the linear
    map transposed, and not inverted.

    Parameters
    ----------
    x : ndarray of float32 or float64
        Images (N, C, H, W), or one image (C, H, W).
    weight : ndarray of float32 or float64
        Kernels (C, K / groups, R, S): the weights of the convolution that is transposed.
    bias : ndarray of float32 or float64, optional
        One number per channel of the result, (K,).
    stride, dilation : int or (int, int), default 1
        For rows and columns, at least 1.
    padding : int, (int, int) or ((top, bottom), (left, right)), default 0
        Rows and columns that are left out of the result.
    output_padding : int or (int, int), default 0
        Rows and columns more at the bottom and right, fewer than the stride or the dilation.
    groups : int, default 1
    backend : {"auto", "reference"}
        Accepted so that calls to ``fastconv.conv_transpose2d`` can be repeated here.
    out : ndarray of the shape and dtype of the result, optional
        Filled and returned.

    Returns
    -------
    ndarray
        (N, K, OH, OW), or (K, OH, OW) for one image, with OH and OW from
        `reference.transposed_geometry.transposed_output_size`.  Summed in float64 and rounded once
        to the dtype of `x`.

    Raises
    ------
    ValueError
        If shapes do not fit together, nothing is left of the result, or an argument has no such
        value.
    TypeError
        If an array is neither float32 nor float64, or `out` has another dtype than `x`.

    References
    ----------
    ``torch.nn.ConvTranspose2d``; V. Dumoulin and F. Visin, "A guide to convolution arithmetic for
    deep learning", arXiv:1603.07285, chapter 4.
    """
    check_backend(backend)
    images = as_batch("x", x, 4)
    X = float64_view("x", images)
    W = float64_view("weight", weight)
    layer = transposed_layer_sizes(
        images.shape, weight.shape, stride, padding, output_padding, dilation, groups
    )
    N, K, C, K_group, C_group, rows, columns = layer
    OH, R, S_h, D_h, P_top, _, height = rows
    OW, S, S_w, D_w, P_left, _, width = columns
    if bias is None:
        bias = np.zeros(K)
    b = float64_view("bias", bias)
    check_shape("bias", bias, (K,))
    result = result_array(out, (*x.shape[:-3], K, OH, OW), x.dtype)
    exact = np.empty((N, K, OH, OW))
    Y = writable_view(exact)

    for n, k, h, w in np.ndindex(exact.shape):
        Y[n, k, h, w] = b[k]

    for n in range(N):
        for c in range(C):
            first = c // C_group * K_group  # channel of the result that the group begins with
            for i in range(height):
                for j in range(width):
                    for k in range(K_group):
                        for r in range(R):
                            h = i * S_h + r * D_h - P_top
                            if not 0 <= h < OH:
                                continue
                            for s in range(S):
                                w = j * S_w + s * D_w - P_left
                                if not 0 <= w < OW:
                                    continue
                                Y[n, first + k, h, w] += W[c, k, r, s] * X[n, c, i, j]

    result[...] = exact.reshape(result.shape)
    return result


def conv_transpose2d_backward(
    grad_output: FloatArray,
    x: FloatArray,
    weight: FloatArray,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    output_padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    needs: tuple[bool, bool, bool] = (True, True, True),
    backend: str = "auto",
) -> Conv2dGrads:
    """Gradients of a number E that depends on Y = `conv_transpose2d` (x, weight, bias).

    With the strides S, dilations D, padding P and group of c as in the forward pass::

        dE/db[k]       = sum_n sum_h sum_w  dE/dY[n,k,h,w]

        dE/dW[c,k,r,s] = sum_n sum_i sum_j  X[n,c,i,j] dE/dY[n, k, i S + r D - P, j S + s D - P]

        dE/dX[n,c,i,j] = sum_k sum_r sum_s  W[c,k,r,s] dE/dY[n, k, i S + r D - P, j S + s D - P]

    where positions outside of Y contribute nothing.  The last is the very convolution that the
    forward pass transposes, of dE/dY; the one before is the weight gradient of that convolution
    with dE/dY as its image and x as the gradient of its output.

    Parameters
    ----------
    grad_output : ndarray of float32 or float64
        dE/dY, of the shape that the forward pass returned.
    x, weight, stride, padding, output_padding, dilation, groups, backend
        As given to the forward pass.
    needs : (bool, bool, bool), default all True
        Which of the gradients of x, weight and bias to compute.

    Returns
    -------
    Conv2dGrads
        x : of the shape and dtype of `x`.
        weight : of the shape and dtype of `weight`.
        bias : (K,), of the dtype of `weight`.

        Each summed in float64 and rounded once; None where not asked for.

    Raises
    ------
    ValueError
        If shapes do not fit together, or an argument has no such value.
    TypeError
        If an array is neither float32 nor float64.
    """
    check_backend(backend)
    images = as_batch("x", x, 4)
    X = float64_view("x", images)
    W = float64_view("weight", weight)
    layer = transposed_layer_sizes(
        images.shape, weight.shape, stride, padding, output_padding, dilation, groups
    )
    output_shape = (*x.shape[:-3], layer.channels, layer.rows.size, layer.columns.size)
    check_shape("grad_output", grad_output, output_shape)
    dY = float64_view("grad_output", as_batch("grad_output", grad_output, 4))

    need_x, need_weight, need_bias = needs
    return Conv2dGrads(
        x=_input(dY, W, layer).astype(x.dtype).reshape(x.shape) if need_x else None,
        weight=_weight(dY, X, layer).astype(weight.dtype) if need_weight else None,
        bias=_bias(dY, layer).astype(weight.dtype) if need_bias else None,
    )


def _input(dY: memoryview[float], W: memoryview[float], layer: Layer) -> NDArray[np.float64]:
    """dE/dX: what every pixel added to the result, collected by pixel."""
    N, _, C, K_group, C_group, rows, columns = layer
    OH, R, S_h, D_h, P_top, _, height = rows
    OW, S, S_w, D_w, P_left, _, width = columns
    result = np.empty((N, C, height, width))
    dX = writable_view(result)
    for n in range(N):
        for c in range(C):
            first = c // C_group * K_group
            for i in range(height):
                for j in range(width):
                    total = 0.0
                    for k in range(K_group):
                        for r in range(R):
                            h = i * S_h + r * D_h - P_top
                            if not 0 <= h < OH:
                                continue
                            for s in range(S):
                                w = j * S_w + s * D_w - P_left
                                if not 0 <= w < OW:
                                    continue
                                total += W[c, k, r, s] * dY[n, first + k, h, w]
                    dX[n, c, i, j] = total
    return result


def _weight(dY: memoryview[float], X: memoryview[float], layer: Layer) -> NDArray[np.float64]:
    """dE/dW: the same products, collected by weight."""
    N, _, C, K_group, C_group, rows, columns = layer
    OH, R, S_h, D_h, P_top, _, height = rows
    OW, S, S_w, D_w, P_left, _, width = columns
    result = np.empty((C, K_group, R, S))
    dW = writable_view(result)
    for c in range(C):
        first = c // C_group * K_group
        for k in range(K_group):
            for r in range(R):
                for s in range(S):
                    total = 0.0
                    for n in range(N):
                        for i in range(height):
                            h = i * S_h + r * D_h - P_top
                            if not 0 <= h < OH:
                                continue
                            for j in range(width):
                                w = j * S_w + s * D_w - P_left
                                if not 0 <= w < OW:
                                    continue
                                total += X[n, c, i, j] * dY[n, first + k, h, w]
                    dW[c, k, r, s] = total
    return result


def _bias(dY: memoryview[float], layer: Layer) -> NDArray[np.float64]:
    """dE/db: each bias is added at every position of every result."""
    result = np.empty(layer.channels)
    for k in range(layer.channels):
        total = 0.0
        for n in range(layer.batch):
            for h in range(layer.rows.size):
                for w in range(layer.columns.size):
                    total += dY[n, k, h, w]
        result[k] = total
    return result
