"""Pooling layers, forward and backward, as their definitions read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from reference.arrays import (
    FloatArray,
    as_batch,
    check_shape,
    float64_view,
    result_array,
    writable_view,
)
from reference.boundaries import fill as zeros
from reference.conv import check_backend
from reference.geometry import Axis, IntOrPair, Padding, explicit_padding, pair

TapArray: TypeAlias = npt.NDArray[np.integer[Any]]

# A tap's number, from 0, is a byte up to so many taps of a window.
BYTE_TAPS = 256


class Pool(NamedTuple):
    """The sizes of a pooling layer, and whether its averages count the padding."""

    rows: Axis
    columns: Axis
    count_include_pad: bool


@overload
def max_pool2d(
    x: FloatArray, kernel: IntOrPair, *, stride: IntOrPair | None = ..., padding: Padding = ...,
    dilation: IntOrPair = ..., ceil_mode: bool = ..., return_taps: Literal[False] = ...,
    backend: str = ..., out: FloatArray | None = ...,
) -> FloatArray: ...  # fmt: skip


@overload
def max_pool2d(
    x: FloatArray, kernel: IntOrPair, *, stride: IntOrPair | None = ..., padding: Padding = ...,
    dilation: IntOrPair = ..., ceil_mode: bool = ..., return_taps: Literal[True],
    backend: str = ..., out: FloatArray | None = ...,
) -> tuple[FloatArray, TapArray]: ...  # fmt: skip


def max_pool2d(
    x: FloatArray,
    kernel: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_taps: bool = False,
    backend: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray | tuple[FloatArray, TapArray]:
    """The largest value that each window sees, in each plane.

    ::

        Y[n,c,i,j] = max of X[n,c,h,w]  over r, s  with h = i S_h + r D_h - P_top   inside the
                                                        w = j S_w + s D_w - P_left  image

    A NaN is larger than everything.

    Parameters
    ----------
    x : ndarray of float32 or float64
        Images (N, C, H, W), or one image (C, H, W).
    kernel : int or (int, int)
        Rows and columns of the window, R and S.
    stride : int or (int, int), optional
        `kernel` if not given.
    padding : int, (int, int) or ((top, bottom), (left, right)), default 0
    dilation : int or (int, int), default 1
    ceil_mode : bool, default False
        Whether a last window may hang over the end, by less than a stride, if it begins before
        the image ends.
    return_taps : bool, default False
        Whether to return r S + s of each maximum as well.
    backend : {"auto", "reference"}
    out : ndarray of the shape and dtype of the result, optional

    Returns
    -------
    ndarray of the dtype of `x`
        (N, C, OH, OW), or (C, OH, OW) for one image.
    taps : ndarray of the same shape
        With `return_taps`: uint8, or int64 for windows of more than 256 taps.  Of equal maxima
        that of the first in row order, of several NaNs of the last.

    Raises
    ------
    ValueError
        If an argument has no such value, no window fits, or one sees no pixel of the image.
    TypeError
        If an array is neither float32 nor float64, or `out` has another dtype than `x`.

    References
    ----------
    ``torch.nn.MaxPool2d``; ONNX operator ``MaxPool``.
    """
    check_backend(backend)
    images = as_batch("x", x, 4)
    X = float64_view("x", images)
    pool = _pool(images.shape, kernel, stride, padding, dilation, ceil_mode)
    exact = np.empty((*images.shape[:2], pool.rows.out, pool.columns.out))
    Y = writable_view(exact)
    taps = np.empty(exact.shape, _taps_dtype(pool))
    for n, c, i, j in np.ndindex(*exact.shape):
        h, w, tap = _place_of_maximum(X, pool, n, c, i, j)
        Y[n, c, i, j] = X[n, c, h, w]
        taps[n, c, i, j] = tap
    y = _rounded(exact, x, out)
    return (y, taps.reshape(y.shape)) if return_taps else y


def max_pool2d_backward(
    grad_output: FloatArray,
    x: FloatArray,
    kernel: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    taps: TapArray | None = None,
    backend: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """dE/dX of `max_pool2d`: the pixel that was the maximum gets the gradient of its window.

    ::

        dX[n,c,h,w] = sum of dY[n,c,i,j]  over the i, j whose maximum is at (h, w)

    Of equal maxima that is the first in row order, of several NaNs the last.  With `taps` it is
    where these say: one outside the image hands its gradient to nobody.

    Parameters
    ----------
    grad_output : ndarray of the dtype of `x`
        dE/dY, of the shape of Y.
    x, kernel, stride, padding, dilation, ceil_mode, backend, out
        As for `max_pool2d`; `out` is of the shape of `x`.
    taps : ndarray of the shape of Y, optional
        As `max_pool2d` returns them.

    Returns
    -------
    ndarray of the shape and dtype of `x`
        Summed in float64 and rounded once.

    Raises
    ------
    ValueError, TypeError
        As `max_pool2d`; ValueError also if `grad_output` has another shape than Y, either if
        `taps` are of another shape or dtype, or no taps of the window.

    References
    ----------
    ``torch.nn.MaxPool2d``, whose choices among equals these are.
    """
    check_backend(backend)
    images = as_batch("x", x, 4)
    X = float64_view("x", images)
    pool = _pool(images.shape, kernel, stride, padding, dilation, ceil_mode)
    gradients = _gradients(grad_output, images, pool)
    dY = float64_view("grad_output", gradients)
    exact = np.zeros(images.shape)
    dX = writable_view(exact)
    given = None if taps is None else _checked_taps(taps, grad_output, pool)
    for n, c, i, j in np.ndindex(*gradients.shape):
        if given is None:
            h, w, _ = _place_of_maximum(X, pool, n, c, i, j)
            dX[n, c, h, w] += dY[n, c, i, j]
        else:
            for h, w, tap in _pixels(pool, i, j):
                if tap == given[n, c, i, j]:
                    dX[n, c, h, w] += dY[n, c, i, j]
    return _rounded(exact, x, out)


def avg_pool2d(
    x: FloatArray,
    kernel: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    backend: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """The average of what each window sees, in each plane.

    ::

        Y[n,c,i,j] = 1 / T[i,j]  sum_r sum_s X[n,c,h,w]     with h = i S_h + r D_h - P_top
                                                                 w = j S_w + s D_w - P_left

    The sum is over what is inside the image.  T is how many r, s there are: with
    `count_include_pad` those inside image and padding, else those inside the image.

    Parameters
    ----------
    x, kernel, stride, padding, dilation, ceil_mode, backend, out
        As for `max_pool2d`.
    count_include_pad : bool, default True

    Returns
    -------
    ndarray of the dtype of `x`
        (N, C, OH, OW), or (C, OH, OW) for one image.  Summed and divided in float64 and rounded
        once.

    Raises
    ------
    ValueError, TypeError
        As `max_pool2d`.

    References
    ----------
    ``torch.nn.AvgPool2d``; ONNX operator ``AveragePool``.
    """
    check_backend(backend)
    images = as_batch("x", x, 4)
    X = float64_view("x", images)
    pool = _pool(images.shape, kernel, stride, padding, dilation, ceil_mode, count_include_pad)
    exact = np.empty((*images.shape[:2], pool.rows.out, pool.columns.out))
    Y = writable_view(exact)
    for n, c, i, j in np.ndindex(*exact.shape):
        total = 0.0
        for h, w, _ in _pixels(pool, i, j):
            total += X[n, c, h, w]
        Y[n, c, i, j] = total / _divisor(pool, i, j)
    return _rounded(exact, x, out)


def avg_pool2d_backward(
    grad_output: FloatArray,
    x: FloatArray,
    kernel: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    backend: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """dE/dX of `avg_pool2d`: every pixel of a window gets its share of the gradient.

    ::

        dX[n,c,h,w] = sum of dY[n,c,i,j] / T[i,j]  over the i, j whose window holds (h, w)

    Parameters
    ----------
    grad_output : ndarray of the dtype of `x`
        dE/dY, of the shape of Y.
    x, kernel, stride, padding, dilation, ceil_mode, count_include_pad, backend, out
        As for `avg_pool2d`; `out` is of the shape of `x`.

    Returns
    -------
    ndarray of the shape and dtype of `x`
        Summed in float64 and rounded once.

    Raises
    ------
    ValueError, TypeError
        As `avg_pool2d`; ValueError also if `grad_output` has another shape than Y.
    """
    check_backend(backend)
    images = as_batch("x", x, 4)
    pool = _pool(images.shape, kernel, stride, padding, dilation, ceil_mode, count_include_pad)
    gradients = _gradients(grad_output, images, pool)
    dY = float64_view("grad_output", gradients)
    exact = np.zeros(images.shape)
    dX = writable_view(exact)
    for n, c, i, j in np.ndindex(*gradients.shape):
        for h, w, _ in _pixels(pool, i, j):
            dX[n, c, h, w] += dY[n, c, i, j] / _divisor(pool, i, j)
    return _rounded(exact, x, out)


def global_avg_pool2d(
    x: FloatArray, *, backend: str = "auto", out: FloatArray | None = None
) -> FloatArray:
    """The average of each plane: `avg_pool2d` with the image as its only window.

    Parameters
    ----------
    x, backend, out
        As for `avg_pool2d`.

    Returns
    -------
    ndarray of the dtype of `x`
        (N, C, 1, 1), or (C, 1, 1) for one image.

    Raises
    ------
    ValueError, TypeError
        As `avg_pool2d`.

    References
    ----------
    ONNX operator ``GlobalAveragePool``.
    """
    height, width = as_batch("x", x, 4).shape[2:]
    return avg_pool2d(x, (height, width), backend=backend, out=out)


def global_avg_pool2d_backward(
    grad_output: FloatArray, x: FloatArray, *, backend: str = "auto", out: FloatArray | None = None
) -> FloatArray:
    """dE/dX of `global_avg_pool2d`: dY / (H W) everywhere.

    Parameters
    ----------
    grad_output, x, backend, out
        As for `avg_pool2d_backward`.

    Returns
    -------
    ndarray of the shape and dtype of `x`

    Raises
    ------
    ValueError, TypeError
        As `avg_pool2d_backward`.
    """
    height, width = as_batch("x", x, 4).shape[2:]
    return avg_pool2d_backward(grad_output, x, (height, width), backend=backend, out=out)


def _place_of_maximum(
    X: memoryview[float], pool: Pool, n: int, c: int, i: int, j: int
) -> tuple[int, int, int]:
    """(h, w, tap) of the largest value of a window: the first of equals, the last of NaNs."""
    place: tuple[int, int, int] | None = None
    best = 0.0
    for h, w, tap in _pixels(pool, i, j):
        value = X[n, c, h, w]
        if place is None or value > best or value != value:
            place, best = (h, w, tap), value
    assert place is not None, "a window without a pixel"
    return place


def _pixels(pool: Pool, i: int, j: int) -> Iterator[tuple[int, int, int]]:
    """(h, w, r S + s) of what window (i, j) sees of the image, in row order."""
    height, R, S_h, D_h, P_top, _, _ = pool.rows
    width, S, S_w, D_w, P_left, _, _ = pool.columns
    for r in range(R):
        h = zeros(i * S_h + r * D_h - P_top, height)
        if h is None:
            continue
        for s in range(S):
            w = zeros(j * S_w + s * D_w - P_left, width)
            if w is None:
                continue
            yield h, w, r * S + s


def _taps_dtype(pool: Pool) -> type[np.uint8] | type[np.int64]:
    return np.uint8 if pool.rows.kernel * pool.columns.kernel <= BYTE_TAPS else np.int64


def _checked_taps(taps: TapArray, grad_output: FloatArray, pool: Pool) -> TapArray:
    """The taps, as a batch."""
    if taps.shape != grad_output.shape:
        raise ValueError(f"taps must have shape {grad_output.shape}, not {taps.shape}")
    dtype, count = _taps_dtype(pool), pool.rows.kernel * pool.columns.kernel
    if taps.dtype != dtype:
        raise TypeError(f"taps must be {np.dtype(dtype)}, not {taps.dtype}")
    for tap in taps.flat:
        if not 0 <= tap < count:
            raise ValueError(f"taps must be from 0 to {count - 1}, not {tap}")
    return taps if taps.ndim == 4 else taps[None]


def _divisor(pool: Pool, i: int, j: int) -> int:
    """T[i,j], one axis after the other."""
    divisor = 1
    for axis, window in ((pool.rows, i), (pool.columns, j)):
        first = -axis.before if pool.count_include_pad else 0
        end = axis.size + axis.after if pool.count_include_pad else axis.size
        counted = 0
        for tap in range(axis.kernel):
            if first <= window * axis.stride + tap * axis.dilation - axis.before < end:
                counted += 1
        divisor *= counted
    return divisor


def _pool(
    x_shape: tuple[int, ...],
    kernel: IntOrPair,
    stride: IntOrPair | None,
    padding: Padding,
    dilation: IntOrPair,
    ceil_mode: bool,
    count_include_pad: bool = True,
) -> Pool:
    taps = pair("kernel", kernel, 1)
    steps = taps if stride is None else pair("stride", stride, 1)
    apart = pair("dilation", dilation, 1)
    pads = explicit_padding(padding)
    height, width = pair("image height and width", (x_shape[2], x_shape[3]), 1)
    rows = _axis("rows", height, taps[0], steps[0], apart[0], pads[0], ceil_mode)
    columns = _axis("columns", width, taps[1], steps[1], apart[1], pads[1], ceil_mode)
    return Pool(rows, columns, count_include_pad)


def _axis(
    name: str,
    size: int,
    kernel: int,
    stride: int,
    dilation: int,
    padding: tuple[int, int],
    ceil_mode: bool,
) -> Axis:
    """The windows along one axis, counted one after the other."""
    before, after = padding
    windows = 0
    while True:
        begin = windows * stride - before
        beyond = begin + (kernel - 1) * dilation + 1 - (size + after)
        if not (beyond < stride and begin < size if ceil_mode else beyond <= 0):
            break
        if not any(0 <= begin + tap * dilation < size for tap in range(kernel)):
            raise ValueError(
                f"window {windows} begins at {begin} of {size} {name} and sees none of them "
                f"(kernel {kernel}, dilation {dilation}, padding {before} and {after})"
            )
        windows += 1
    if windows == 0:
        raise ValueError(
            f"no window of {kernel} {name}, {dilation} apart, fits: the image has {size}, "
            f"padding {before} and {after}"
        )
    return Axis(size, kernel, stride, dilation, before, after, windows)


def _gradients(grad_output: FloatArray, images: FloatArray, pool: Pool) -> FloatArray:
    gradients = as_batch("grad_output", grad_output, 4)
    check_shape("grad_output", gradients, (*images.shape[:2], pool.rows.out, pool.columns.out))
    return gradients


def _rounded(exact: FloatArray, x: FloatArray, out: FloatArray | None) -> FloatArray:
    """The result, rounded to the dtype of `x`, without the batch axis if `x` has none."""
    result = result_array(out, exact.shape[4 - x.ndim :], x.dtype)
    result[...] = exact.reshape(result.shape)
    return result
