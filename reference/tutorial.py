"""The im2col lesson as courses teach it, in vectorised NumPy, without its usual mistakes.

The function names and the order of the columns are those of CS231n (Stanford, assignment 2,
``im2col.py``).  What copies of that lesson often get wrong, and where it is right here:

- a bias that does not broadcast over the positions, or does so along the wrong axis (`conv2d`);
- an assertion, or a silently wrong shape, where the stride does not divide the image: the output
  size is the floor, as in PyTorch, and the rows that no window uses have gradient exactly zero
  (`get_im2col_indices`, `col2im_indices`);
- ``padded[:, :, p:-p]``, which is empty for p = 0 (`col2im_indices`);
- overlapping windows that overwrite each other instead of adding up (`col2im_indices`);
- a backward pass that uses columns the forward pass never kept (`conv2d_backward`);
- gradients that hold for stride 1 only, or that rotate the kernel by 180 degrees in the weight
  gradient, where nothing is rotated (`conv2d_backward`).

This is the "tutorial im2col" step of the performance study, so it computes in the dtype of `x`,
unlike the rest of the package.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.activation import check_activation
from reference.arrays import FloatArray, check_dtype, check_shape
from reference.conv_backward import Conv2dGrads
from reference.geometry import output_size

Indices = NDArray[np.intp]


def get_im2col_indices(
    x_shape: tuple[int, int, int, int],
    field_height: int,
    field_width: int,
    padding: int = 1,
    stride: int = 1,
) -> tuple[Indices, Indices, Indices]:
    """Which channel, padded row and padded column each element of the columns reads.

    Parameters
    ----------
    x_shape : (int, int, int, int)
        (N, C, H, W) before padding.
    field_height, field_width : int
        R and S, the size of the kernel.
    padding, stride : int, default 1
        For both axes and all sides.

    Returns
    -------
    k : ndarray of intp, (C R S, 1)
    i, j : ndarray of intp, (C R S, OH OW)
        OH = floor((H + 2 padding - R) / stride) + 1, and OW likewise: rows at the bottom and
        columns at the right that no whole window reaches are left out.

    Raises
    ------
    ValueError
        If the kernel is larger than the padded image, or a number is too small.
    """
    channels = x_shape[1]
    out_height, out_width = _output_size(x_shape, field_height, field_width, padding, stride)
    within_row = np.tile(np.repeat(np.arange(field_height), field_width), channels)
    within_column = np.tile(np.arange(field_width), field_height * channels)
    window_row = stride * np.repeat(np.arange(out_height), out_width)
    window_column = stride * np.tile(np.arange(out_width), out_height)
    k = np.repeat(np.arange(channels), field_height * field_width)[:, None]
    return k, within_row[:, None] + window_row, within_column[:, None] + window_column


def im2col_indices(
    x: FloatArray, field_height: int, field_width: int, padding: int = 1, stride: int = 1
) -> FloatArray:
    """Every window of every image as a column.

    Parameters
    ----------
    x : ndarray
        (N, C, H, W).
    field_height, field_width, padding, stride : int
        As in `get_im2col_indices`.

    Returns
    -------
    ndarray of the dtype of `x`
        (C R S, OH OW N): ordered by position, then by image.

    Raises
    ------
    ValueError
        As in `get_im2col_indices`.
    """
    p = padding
    k, i, j = get_im2col_indices(x.shape, field_height, field_width, padding, stride)
    x_padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    cols = x_padded[:, k, i, j]
    taps = field_height * field_width * x.shape[1]
    ordered: FloatArray = cols.transpose(1, 2, 0).reshape(taps, -1)
    return ordered


def col2im_indices(
    cols: FloatArray,
    x_shape: tuple[int, int, int, int],
    field_height: int = 3,
    field_width: int = 3,
    padding: int = 1,
    stride: int = 1,
) -> FloatArray:
    """Add every column back where `im2col_indices` read it from.

    Parameters
    ----------
    cols : ndarray
        (C R S, OH OW N), ordered as by `im2col_indices`.
    x_shape : (int, int, int, int)
        (N, C, H, W) before padding.
    field_height, field_width, padding, stride : int
        As in `get_im2col_indices`.

    Returns
    -------
    ndarray of the dtype of `cols`
        (N, C, H, W).  Exactly zero where no window reaches.

    Raises
    ------
    ValueError
        If `cols` does not have that shape; and as in `get_im2col_indices`.
    """
    N, C, H, W = x_shape
    p = padding
    k, i, j = get_im2col_indices(x_shape, field_height, field_width, padding, stride)
    taps, positions = i.shape
    check_shape("cols", cols, (taps, positions * N))
    x_padded = np.zeros((N, C, H + 2 * p, W + 2 * p), dtype=cols.dtype)
    # `+=` with index arrays would keep only one of the values that fall on the same pixel.
    windows: Any = (slice(None), k, i, j)
    np.add.at(x_padded, windows, cols.reshape(taps, positions, N).transpose(2, 0, 1))
    # `p:-p` would be empty for p = 0.
    return x_padded[:, :, p : p + H, p : p + W]


def conv2d(
    x: FloatArray,
    weight: FloatArray,
    bias: FloatArray | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    activation: str | None = None,
) -> FloatArray:
    """The layer of `reference.conv2d` as one product of matrices, Z = W @ im2col(X) + b.

    Parameters
    ----------
    x : ndarray of float32 or float64
        (N, C, H, W).
    weight : ndarray of the dtype of `x`
        (K, C, R, S).
    bias : ndarray of the dtype of `x`, optional
        (K,).
    stride, padding : int, default 1 and 0
    dilation, groups, padding_mode
        Only 1, 1 and "zeros": the lesson stops there.
    activation : {None, "relu", "sigmoid", "tanh"}

    Returns
    -------
    ndarray of the dtype of `x`
        (N, K, OH, OW).

    Raises
    ------
    ValueError
        If shapes do not fit together, or an argument is outside the lesson.
    TypeError
        If the arrays are not all float32 or all float64.
    """
    _check_layer(x, weight, stride, padding, dilation, groups, padding_mode, activation)
    N, (K, _, R, S) = x.shape[0], weight.shape
    cols = im2col_indices(x, R, S, padding, stride)
    z = weight.reshape(K, -1) @ cols
    if bias is not None:
        _check_array("bias", bias, (K,), x.dtype)
        z += bias[:, None]  # one number per filter, over all positions of all images
    z = z.reshape(K, *_output_size(x.shape, R, S, padding, stride), N).transpose(3, 0, 1, 2)
    return np.ascontiguousarray(_activate(z, activation))


def conv2d_backward(
    grad_output: FloatArray,
    x: FloatArray,
    weight: FloatArray,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    activation: str | None = None,
    output: FloatArray | None = None,
    needs: tuple[bool, bool, bool] = (True, True, True),
) -> Conv2dGrads:
    """The gradients of `conv2d`: three products and sums over the same columns.

    ::

        dE/dZ = dE/dY f'(Z)        dE/dW = dE/dZ @ im2col(X).T
        dE/db = dE/dZ summed       dE/dX = col2im(W.T @ dE/dZ)

    The columns are made again from `x`, so that nothing has to be kept by the forward pass.

    Parameters
    ----------
    grad_output : ndarray of the dtype of `x`
        dE/dY, (N, K, OH, OW).
    x, weight, stride, padding, dilation, groups, padding_mode, activation
        As given to `conv2d`.
    output : ndarray, optional
        Y as `conv2d` returned it; required with an activation.
    needs : (bool, bool, bool), default all True
        Which of the gradients of x, weight and bias to compute.

    Returns
    -------
    Conv2dGrads
        Of the shapes of x, weight and bias, in their dtype; None where not needed.

    Raises
    ------
    ValueError
        If shapes do not fit together, an argument is outside the lesson, or `output` is missing.
    TypeError
        If the arrays are not all float32 or all float64.
    """
    _check_layer(x, weight, stride, padding, dilation, groups, padding_mode, activation)
    N, (K, _, R, S) = x.shape[0], weight.shape
    output_shape = (N, K, *_output_size(x.shape, R, S, padding, stride))
    _check_array("grad_output", grad_output, output_shape, x.dtype)
    grad_z = grad_output
    if activation is not None:
        if output is None:
            raise ValueError(f"output, what conv2d returned, is needed for {activation!r}")
        _check_array("output", output, output_shape, x.dtype)
        grad_z = grad_output * _derivative(output, activation)
    # The order of the columns: by position, then by image.
    grad_z = grad_z.transpose(1, 2, 3, 0).reshape(K, math.prod(output_shape) // K)

    grad_x = grad_weight = grad_bias = None
    if needs[0]:
        grad_cols = weight.reshape(K, -1).T @ grad_z
        grad_x = np.ascontiguousarray(col2im_indices(grad_cols, x.shape, R, S, padding, stride))
    if needs[1]:
        grad_weight = (grad_z @ im2col_indices(x, R, S, padding, stride).T).reshape(weight.shape)
    if needs[2]:
        grad_bias = grad_z.sum(axis=1)
    return Conv2dGrads(grad_x, grad_weight, grad_bias)


def _activate(z: FloatArray, activation: str | None) -> FloatArray:
    if activation == "relu":
        return np.maximum(z, 0)
    if activation == "sigmoid":
        return np.exp(-np.logaddexp(0, -z))  # 1 / (1 + exp(-z)) without its overflow
    if activation == "tanh":
        return np.tanh(z)
    return z


def _derivative(y: FloatArray, activation: str) -> FloatArray:
    if activation == "relu":
        return (y > 0).astype(y.dtype)
    if activation == "sigmoid":
        return y * (1 - y)
    return 1 - y * y


def _output_size(
    x_shape: tuple[int, ...], field_height: int, field_width: int, padding: int, stride: int
) -> tuple[int, int]:
    """(OH, OW), each floor((size + 2 padding - field) / stride) + 1."""
    for name, value, minimum in (("padding", padding, 0), ("stride", stride, 1)):
        if not isinstance(value, int | np.integer) or value < minimum:
            raise ValueError(f"{name} must be one int of at least {minimum}, got {value!r}")
    height, width = (
        output_size(size, field, stride, dilation=1, padding=2 * padding)
        for size, field in zip(x_shape[2:], (field_height, field_width), strict=True)
    )
    if height < 1 or width < 1:
        raise ValueError(
            f"the {field_height} x {field_width} kernel is larger than the image "
            f"{x_shape[2]} x {x_shape[3]} with padding {padding}"
        )
    return height, width


def _check_layer(
    x: FloatArray,
    weight: FloatArray,
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
    padding_mode: str,
    activation: str | None,
) -> None:
    """Refuse what is outside the lesson, by name, before anything is computed."""
    for name, value, only in (
        ("dilation", dilation, 1),
        ("groups", groups, 1),
        ("padding_mode", padding_mode, "zeros"),
    ):
        if value != only:
            raise ValueError(f"the tutorial knows only {name}={only!r}, got {value!r}")
    check_activation(activation)
    check_dtype("x", x)
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1]:
        raise ValueError(
            "x must be (N, C, H, W) and weight (K, C, R, S) with one C, "
            f"got shapes {x.shape} and {weight.shape}"
        )
    _check_array("weight", weight, weight.shape, x.dtype)
    _output_size(x.shape, weight.shape[2], weight.shape[3], padding, stride)


def _check_array(
    name: str, array: FloatArray, shape: tuple[int, ...], dtype: np.dtype[np.floating[Any]]
) -> None:
    check_shape(name, array, shape)
    if array.dtype != dtype:
        raise TypeError(f"{name} must have the dtype of x, {dtype}, got {array.dtype}")
