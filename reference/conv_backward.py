"""The gradients of a convolution layer, as their definitions read."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from reference.activation import check_activation, derivative
from reference.arrays import FloatArray, as_batch, check_shape, float64_view, writable_view
from reference.boundaries import Source
from reference.conv import check_backend
from reference.geometry import IntOrPair, Layer, Padding, layer_sizes
from reference.padding_modes import source_of


class Conv2dGrads(NamedTuple):
    """The gradients with respect to each input of the layer; None where not asked for."""

    x: FloatArray | None
    weight: FloatArray | None
    bias: FloatArray | None


def conv2d_backward(
    grad_output: FloatArray,
    x: FloatArray,
    weight: FloatArray,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    activation: str | None = None,
    output: FloatArray | None = None,
    needs: tuple[bool, bool, bool] = (True, True, True),
    backend: str = "auto",
) -> Conv2dGrads:
    """Gradients of a number E that depends on Y = `reference.conv2d` (x, weight, bias).

    With the strides S, dilations D, padding P and group of filter k as in the forward pass::

        dE/dZ[n,k,i,j] = dE/dY[n,k,i,j] f'(Z[n,k,i,j])

        dE/db[k]       = sum_n sum_i sum_j  dE/dZ[n,k,i,j]

        dE/dW[k,c,r,s] = sum_n sum_i sum_j  dE/dZ[n,k,i,j] X[n, c, i S + r D - P, j S + s D - P]

        dE/dX[n,c,h,w] = sum_k sum_r sum_s  W[k,c,r,s] dE/dZ[n,k,i,j]
                         over the i, j with  i S + r D - P = h  and  j S + s D - P = w

    The last is the full convolution of dE/dZ, spread out by the stride, with the kernel: a true
    convolution, whose kernel index runs against the image, which is the correlation of the
    forward pass with the kernel rotated by 180 degrees.  The weight gradient rotates nothing.

    Parameters
    ----------
    grad_output : ndarray of float32 or float64
        dE/dY, of the shape that the forward pass returned.
    x, weight, stride, padding, dilation, groups, padding_mode, activation, backend
        As given to the forward pass.
    output : ndarray of float32 or float64, optional
        Y as the forward pass returned it; required with an activation, whose derivative is
        expressed through it.
    needs : (bool, bool, bool), default all True
        Which of the gradients of x, weight and bias to compute.

    Returns
    -------
    Conv2dGrads
        x : of the shape and dtype of `x`.  Zero where the kernel never reaches.
        weight : of the shape and dtype of `weight`.
        bias : (K,), of the dtype of `weight`.

        Each summed in float64 and rounded once.

    Raises
    ------
    ValueError
        If shapes do not fit together, an argument has no such value, or `output` is missing.
    TypeError
        If an array is neither float32 nor float64.

    References
    ----------
    I. Goodfellow, Y. Bengio and A. Courville, "Deep Learning", section 9.5;
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning",
    arXiv:1603.07285, chapter 4 (the transposed convolution).
    """
    check_backend(backend)
    check_activation(activation)
    images = as_batch("x", x, 4)
    X = float64_view("x", images)
    W = float64_view("weight", weight)
    layer = layer_sizes(images.shape, weight.shape, stride, padding, dilation, groups)
    source = source_of(padding_mode, layer.rows, layer.columns)
    output_shape = (*x.shape[:-3], layer.filters, layer.rows.out, layer.columns.out)
    check_shape("grad_output", grad_output, output_shape)
    dY = float64_view("grad_output", as_batch("grad_output", grad_output, 4))
    if activation is None:
        dZ = dY
    elif output is None:
        raise ValueError(f"output, what the forward pass returned, is needed for {activation!r}")
    else:
        check_shape("output", output, output_shape)
        Y = float64_view("output", as_batch("output", output, 4))
        dZ = _before_activation(dY, Y, activation)

    need_x, need_weight, need_bias = needs
    return Conv2dGrads(
        x=_input(dZ, W, layer, source).astype(x.dtype).reshape(x.shape) if need_x else None,
        weight=_weight(dZ, X, layer, source).astype(weight.dtype) if need_weight else None,
        bias=_bias(dZ, layer).astype(weight.dtype) if need_bias else None,
    )


def _before_activation(
    dY: memoryview[float], Y: memoryview[float], activation: str
) -> memoryview[float]:
    """dE/dZ = dE/dY f'(Z), element by element."""
    shape = cast("tuple[int, ...]", dY.shape)
    dZ = writable_view(np.empty(shape))
    for at in np.ndindex(shape):
        dZ[at] = dY[at] * derivative(Y[at], activation)
    return dZ


def _bias(dZ: memoryview[float], layer: Layer) -> NDArray[np.float64]:
    """dE/db: each bias is added at every position of every image."""
    result = np.empty(layer.filters)
    for k in range(layer.filters):
        total = 0.0
        for n in range(layer.batch):
            for i in range(layer.rows.out):
                for j in range(layer.columns.out):
                    total += dZ[n, k, i, j]
        result[k] = total
    return result


def _weight(
    dZ: memoryview[float], X: memoryview[float], layer: Layer, source: Source
) -> NDArray[np.float64]:
    """dE/dW: every product of the forward pass, collected by weight instead of by output."""
    N, _, K, C_group, K_group, rows, columns = layer
    height, R, S_h, D_h, P_top, _, OH = rows
    width, S, S_w, D_w, P_left, _, OW = columns
    result = np.empty((K, C_group, R, S))
    dW = writable_view(result)
    for k in range(K):
        first = k // K_group * C_group
        for c in range(C_group):
            for r in range(R):
                for s in range(S):
                    total = 0.0
                    for n in range(N):
                        for i in range(OH):
                            h = source(i * S_h + r * D_h - P_top, height)
                            if h is None:
                                continue
                            for j in range(OW):
                                w = source(j * S_w + s * D_w - P_left, width)
                                if w is None:
                                    continue
                                total += dZ[n, k, i, j] * X[n, first + c, h, w]
                    dW[k, c, r, s] = total
    return result


def _input(
    dZ: memoryview[float], W: memoryview[float], layer: Layer, source: Source
) -> NDArray[np.float64]:
    """dE/dX: the gradient of each pixel (p, q) of the padded image, given to its source (h, w).

    With padding other than zeros several (p, q) read from one (h, w), whose gradient is their sum.
    """
    N, C, _, C_group, K_group, rows, columns = layer
    height, R, S_h, D_h, P_top, P_bottom, OH = rows
    width, S, S_w, D_w, P_left, P_right, OW = columns
    result = np.zeros((N, C, height, width))
    dX = writable_view(result)
    for n in range(N):
        for c in range(C):
            group, c_in_group = divmod(c, C_group)
            for p in range(P_top + height + P_bottom):
                h = source(p - P_top, height)
                if h is None:
                    continue
                for q in range(P_left + width + P_right):
                    w = source(q - P_left, width)
                    if w is None:
                        continue
                    total = 0.0
                    for k in range(group * K_group, (group + 1) * K_group):
                        for r in range(R):
                            i = _spread_index(p - r * D_h, S_h, OH)
                            if i is None:
                                continue
                            for s in range(S):
                                j = _spread_index(q - s * D_w, S_w, OW)
                                if j is None:
                                    continue
                                total += W[k, c_in_group, r, s] * dZ[n, k, i, j]
                    dX[n, c, h, w] += total
    return result


def _spread_index(position: int, stride: int, out: int) -> int | None:
    """Which output stands at `position` once the outputs are spread `stride` apart, if any.

    ::

        stride 1    0 1 2        stride 3    0 . . 1 . . 2
    """
    i, between = divmod(position, stride)
    return i if between == 0 and 0 <= i < out else None
