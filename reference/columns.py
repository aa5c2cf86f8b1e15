"""im2col, every window of an image as a column, and col2im, its adjoint."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reference.arrays import FloatArray, as_batch, float64_view, writable_view
from reference.boundaries import fill as zeros
from reference.geometry import Axis, IntOrPair, Padding, image_axes


def im2col(
    x: FloatArray,
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
) -> FloatArray:
    """Copy what the kernel sees at each of its positions into one column.

    ::

        cols[n, (c R + r) S + s, i OW + j] = X[n, c, i S_h + r D_h - P_top, j S_w + s D_w - P_left]

    and 0 outside the image, so that a convolution is one matrix product:
    ``weight.reshape(K, C * R * S) @ cols``.

    Parameters
    ----------
    x : ndarray of float32 or float64
        Images (N, C, H, W), or one image (C, H, W).
    kernel_size : int or (int, int)
        R and S.
    stride, dilation : int or (int, int), default 1
    padding : int, (int, int), ((top, bottom), (left, right)), "same" or "valid", default 0

    Returns
    -------
    ndarray of the dtype of `x`
        (N, C R S, OH OW), or (C R S, OH OW) for one image.

    Raises
    ------
    ValueError
        If `x` has another rank, or as in `reference.geometry.image_axes`.
    TypeError
        If `x` is neither float32 nor float64.

    References
    ----------
    ``torch.nn.functional.unfold``; K. Chellapilla, S. Puri and P. Simard, "High performance
    convolutional neural networks for document processing", 2006.
    """
    images = as_batch("x", x, 4)
    N, C, H, W = images.shape
    rows, columns = image_axes((H, W), kernel_size, stride, padding, dilation)
    X = float64_view("x", images)
    result = np.zeros((N, C * rows.kernel * columns.kernel, rows.out * columns.out))
    cols = writable_view(result)
    for n in range(N):
        for tap, position, c, h, w in _places(C, rows, columns):
            cols[n, tap, position] = X[n, c, h, w]
    rounded: FloatArray = result.astype(x.dtype).reshape(x.shape[:-3] + result.shape[1:])
    return rounded


def col2im(
    cols: FloatArray,
    output_size: tuple[int, int],
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
) -> FloatArray:
    """Add every column back where `im2col` copied it from.

    ::

        X[n,c,h,w] = sum of cols[n, (c R + r) S + s, i OW + j]
                     over the r, s, i, j with  i S_h + r D_h - P_top = h
                                          and  j S_w + s D_w - P_left = w

    This is the adjoint (the transpose) of `im2col`, not its inverse: where windows overlap it
    sums.  What stood on the padding is dropped.

    Parameters
    ----------
    cols : ndarray of float32 or float64
        (N, C R S, L), or (C R S, L) for one image, with L = OH OW.
    output_size : (int, int)
        H and W of the image to make.
    kernel_size, stride, padding, dilation
        As given to `im2col`.

    Returns
    -------
    ndarray of the dtype of `cols`
        (N, C, H, W), or (C, H, W) for one image.  Summed in float64 and rounded once.

    Raises
    ------
    ValueError
        If `cols` has another rank, its rows are no multiple of R S, its columns are not one for
        each position, or as in `reference.geometry.image_axes`.
    TypeError
        If `cols` is neither float32 nor float64.

    References
    ----------
    ``torch.nn.functional.fold``.
    """
    batch = as_batch("cols", cols, 3)
    N, taps, L = batch.shape
    rows, columns = image_axes(output_size, kernel_size, stride, padding, dilation)
    C, rest = divmod(taps, rows.kernel * columns.kernel)
    if rest or C < 1 or rows.out * columns.out != L:
        raise ValueError(
            f"cols must be (N, C * {rows.kernel} * {columns.kernel}, {rows.out} * {columns.out}), "
            f"got shape {cols.shape}"
        )
    stacked = float64_view("cols", batch)
    result = np.zeros((N, C, rows.size, columns.size))
    X = writable_view(result)
    for n in range(N):
        for tap, position, c, h, w in _places(C, rows, columns):
            X[n, c, h, w] += stacked[n, tap, position]
    rounded: FloatArray = result.astype(cols.dtype).reshape(cols.shape[:-2] + result.shape[1:])
    return rounded


def _places(channels: int, rows: Axis, columns: Axis) -> Iterator[tuple[int, int, int, int, int]]:
    """(tap, position, c, h, w): which pixel each element of the columns is; none for padding."""
    height, R, S_h, D_h, P_top, _, OH = rows
    width, S, S_w, D_w, P_left, _, OW = columns
    for c in range(channels):
        for r in range(R):
            for s in range(S):
                for i in range(OH):
                    h = zeros(i * S_h + r * D_h - P_top, height)
                    if h is None:
                        continue
                    for j in range(OW):
                        w = zeros(j * S_w + s * D_w - P_left, width)
                        if w is None:
                            continue
                        yield (c * R + r) * S + s, i * OW + j, c, h, w
