"""Pooling: the maximum or the average of every window of every plane, and their gradients.

    x (N, C, H, W)         a b c d
                           e f g h     kernel 2, stride 2      max(a,b,e,f)  max(c,d,g,h)
                           ...                                 ...

As the convolutions: check → find the call → run it.
"""

from __future__ import annotations

from typing import Literal, overload

import numpy.typing as npt

from .pool_call import find_global_pool_calls, find_pool_calls
from .problem import PoolProblem
from .problem.arguments import Pair, parse_bool
from .problem.operands import Array, as_array, check_array, check_dtypes_agree
from .problem.padding import PaddingInNumbers
from .results import empty

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
]


@overload
def max_pool2d(
    x: npt.ArrayLike, kernel: Pair, *, stride: Pair | None = ..., padding: PaddingInNumbers = ...,
    dilation: Pair = ..., ceil_mode: bool = ..., return_taps: Literal[False] = ...,
    backend: str = ..., out: Array | None = ...,
) -> Array: ...  # fmt: skip


@overload
def max_pool2d(
    x: npt.ArrayLike, kernel: Pair, *, stride: Pair | None = ..., padding: PaddingInNumbers = ...,
    dilation: Pair = ..., ceil_mode: bool = ..., return_taps: Literal[True],
    backend: str = ..., out: Array | None = ...,
) -> tuple[Array, Array]: ...  # fmt: skip


def max_pool2d(
    x: npt.ArrayLike,
    kernel: Pair,
    *,
    stride: Pair | None = None,
    padding: PaddingInNumbers = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_taps: bool = False,
    backend: str = "auto",
    out: Array | None = None,
) -> Array | tuple[Array, Array]:
    r"""Take the maximum of each window, plane by plane.

    .. math::
        Y_{n,c,i,j} = \max_{r,s} X_{n,\,c,\,i S + r D - P,\,j S + s D - P}

    over those taps (r, s) that are inside the image.

    Parameters
    ----------
    x : array_like, (N, C, H, W) or (C, H, W)
        float32 or float64.
    kernel : int or (int, int)
        Rows and columns of the window: R, S.
    stride : int or (int, int), optional
        Pixels from one window to the next. The kernel's size if it is not given: windows lie side
        by side.
    padding : int, (int, int) or ((int, int), (int, int))
        Pixels around the image: everywhere, (vertical, horizontal) or
        ((top, bottom), (left, right)). They are never a candidate for the maximum. It may be more
        than half of the window, as in ONNX, but a window that sees no pixel at all is refused.
    dilation : int or (int, int)
        Pixels from one tap of the window to the next.
    ceil_mode : bool
        Whether the number of windows is rounded up and not down: the last one may then hang over
        the end of image and padding. It must begin inside the image or the padding before it;
        windows that would begin later are left out.
    return_taps : bool
        Whether to return as well at which tap of its window each maximum was found: what makes
        `max_pool2d_backward` faster, which then need not look at the image again.
    backend : {"auto", "loops", "numpy"}
        "loops" is compiled; "numpy" needs no compiler and is what "auto" takes where there are no
        compiled kernels.
    out : ndarray, optional
        Where to write; the shape and dtype of the result, sharing no memory with x.

    Returns
    -------
    ndarray, (N, C, OH, OW) or (C, OH, OW)
        ``OH = (top + H + bottom - (R-1)·dilation - 1) / stride + 1``, rounded down, or up with
        `ceil_mode`.
    taps : ndarray, of the same shape
        With `return_taps`: numbers r·S + s, in row order from 0. uint8, or int64 for windows of
        more than 256 taps. Always a new array.

    Raises
    ------
    TypeError
        For a dtype other than float32 and float64, options of a wrong type.
    ValueError
        For shapes or options that make no pooling, or an `out` that cannot take the result. Nothing
        has been written then.
    MemoryError
        If the result or a buffer cannot be allocated.

    See Also
    --------
    max_pool2d_backward : its gradient.

    Notes
    -----
    A NaN in a window wins. A window of -inf alone gives -inf. Which zero a window of 0.0 and -0.0
    gives is left open.

    Of equal maxima the tap is that of the first in row order, of several NaNs the last. PyTorch's
    ``return_indices`` gives pixels of the plane instead, which these are::

        r, s = np.divmod(taps.astype(np.int64), S)
        rows = np.arange(OH)[:, None] * stride + r * dilation - top
        columns = np.arange(OW) * stride + s * dilation - left
        indices = rows * W + columns

    References
    ----------
    ``torch.nn.functional.max_pool2d``; ONNX operator ``MaxPool``. Y. Boureau, J. Ponce, Y. LeCun,
    "A theoretical analysis of feature pooling in visual recognition", 2010.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.max_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
    array([[[ 5.,  7.],
            [13., 15.]]])
    >>> fastconv.max_pool2d([[[1.0, 2.0, 9.0], [3.0, 0.0, 9.0]]], (2, 3), return_taps=True)
    (array([[[9.]]]), array([[[2]]], dtype=uint8))
    """
    x_array = check_array("x", x)
    calls = find_pool_calls(
        x_array.shape, check_dtypes_agree(x=x_array), kernel, stride, padding, dilation, ceil_mode,
        True, backend,
    )  # fmt: skip
    if return_taps is False or not parse_bool("return_taps", return_taps):
        return calls.max(x_array, None, out)
    problem = calls.problem
    taps = empty(problem.output_shape[4 - x_array.ndim :], problem.taps_dtype)
    return calls.max_taps(x_array, None, out, taps), taps


def max_pool2d_backward(
    grad_output: npt.ArrayLike,
    x: npt.ArrayLike,
    kernel: Pair,
    *,
    stride: Pair | None = None,
    padding: PaddingInNumbers = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    taps: npt.ArrayLike | None = None,
    backend: str = "auto",
    out: Array | None = None,
) -> Array:
    r"""Compute the gradient of `max_pool2d` with respect to its image.

    Each window hands its gradient to the pixel that was its maximum:

    .. math::
        \partial E/\partial X_{n,c,h,w} = \sum_{i,j} \partial E/\partial Y_{n,c,i,j}
            \ [(h, w) \text{ is the maximum of window } (i, j)]

    Parameters
    ----------
    grad_output : array_like, (N, C, OH, OW) or (C, OH, OW)
        ∂E/∂Y, of x's dtype.
    x, kernel, stride, padding, dilation, ceil_mode, backend
        As given to `max_pool2d`; with `taps`, of x only shape and dtype matter.
    taps : array_like, (N, C, OH, OW) or (C, OH, OW), optional
        As `max_pool2d` returned them with `return_taps`. Without them the maxima are found again.
    out : ndarray, optional
        Where to write; x's shape and dtype, sharing no memory with what is read.

    Returns
    -------
    ndarray, x's shape
        Pixels that are no window's maximum have a gradient of exactly zero.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_pool2d`; ValueError also for a gradient of the wrong shape, TypeError or ValueError
        for taps of another dtype or shape than there is for this window, or numbers beyond it.

    Notes
    -----
    Of equal maxima the first in row order gets the gradient, of several NaNs the last, both as in
    PyTorch. Overlapping windows add theirs, in an order that does not depend on threads. A window
    of -inf alone hands its gradient to its first pixel inside the image.

    Taps may be anybody's. A window whose tap lies in the padding hands its gradient to the padding,
    of which nothing is returned. Given `max_pool2d`'s own, the result has the bits that it has
    without them, for windows of up to 49 taps; of larger ones sums are in another order.

    References
    ----------
    ``torch.nn.functional.max_pool2d``.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.max_pool2d_backward([[[3.0]]], [[[1.0, 2.0], [2.0, 0.0]]], 2)
    array([[[0., 3.],
            [0., 0.]]])
    """
    g_array, x_array = check_array("grad_output", grad_output), check_array("x", x)
    calls = find_pool_calls(
        x_array.shape, check_dtypes_agree(x=x_array, grad_output=g_array), kernel, stride, padding,
        dilation, ceil_mode, True, backend,
    )  # fmt: skip
    _check_grad(calls.problem, g_array, x_array.ndim)
    if taps is None:
        return calls.max_grad(g_array, x_array, out)
    return calls.max_taps_grad(g_array, None, out, _check_taps(taps, calls.problem, g_array.shape))


def avg_pool2d(
    x: npt.ArrayLike,
    kernel: Pair,
    *,
    stride: Pair | None = None,
    padding: PaddingInNumbers = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    backend: str = "auto",
    out: Array | None = None,
) -> Array:
    r"""Take the average of each window, plane by plane.

    .. math::
        Y_{n,c,i,j} = \frac{1}{|T_{i,j}|} \sum_{r,s} X_{n,\,c,\,i S + r D - P,\,j S + s D - P}

    where the sum is over the taps inside the image, and T are those that are counted.

    Parameters
    ----------
    x, kernel, stride, padding, dilation, ceil_mode, backend, out
        As for `max_pool2d`; padding is zeros here.
    count_include_pad : bool
        Whether taps in the padding count in the divisor. Those where a window hangs over the end of
        the padding, as `ceil_mode` lets it, never do.

    Returns
    -------
    ndarray, (N, C, OH, OW) or (C, OH, OW)

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_pool2d`.

    See Also
    --------
    avg_pool2d_backward : its gradient.
    global_avg_pool2d : of whole planes.

    Notes
    -----
    Every result is within (T + 2)·u of the exact average of |x|, where T is the window's taps and u
    half the spacing of numbers at 1, as long as the sum of a window does not overflow. Integers
    whose sums fit the significand are summed exactly and divided once.

    References
    ----------
    ``torch.nn.functional.avg_pool2d``; ONNX operator ``AveragePool``.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> row = np.array([[[1.0, 2.0, 3.0, 4.0, 5.0]]])
    >>> fastconv.avg_pool2d(row, (1, 2), ceil_mode=True)
    array([[[1.5, 3.5, 5. ]]])
    """
    x_array = check_array("x", x)
    calls = find_pool_calls(
        x_array.shape, check_dtypes_agree(x=x_array), kernel, stride, padding, dilation, ceil_mode,
        count_include_pad, backend,
    )  # fmt: skip
    return calls.avg(x_array, None, out)


def avg_pool2d_backward(
    grad_output: npt.ArrayLike,
    x: npt.ArrayLike,
    kernel: Pair,
    *,
    stride: Pair | None = None,
    padding: PaddingInNumbers = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    backend: str = "auto",
    out: Array | None = None,
) -> Array:
    r"""Compute the gradient of `avg_pool2d` with respect to its image.

    Each window hands its gradient, divided as its average was, to all of its pixels:

    .. math::
        \partial E/\partial X_{n,c,h,w} = \sum_{i,j} \frac{1}{|T_{i,j}|}
            \partial E/\partial Y_{n,c,i,j}\ [(h, w) \text{ is in window } (i, j)]

    Parameters
    ----------
    grad_output : array_like, (N, C, OH, OW) or (C, OH, OW)
        ∂E/∂Y, of x's dtype.
    x, kernel, stride, padding, dilation, ceil_mode, count_include_pad, backend
        As given to `avg_pool2d`; of x only shape and dtype matter.
    out : ndarray, optional
        Where to write; x's shape and dtype, sharing no memory with grad_output.

    Returns
    -------
    ndarray, x's shape
        Pixels that no window reached have a gradient of exactly zero.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `avg_pool2d`; ValueError also for a gradient of the wrong shape.

    References
    ----------
    ``torch.nn.functional.avg_pool2d``.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.avg_pool2d_backward([[[1.0]]], np.zeros((1, 2, 2)), 2)
    array([[[0.25, 0.25],
            [0.25, 0.25]]])
    """
    g_array, x_array = check_array("grad_output", grad_output), check_array("x", x)
    calls = find_pool_calls(
        x_array.shape, check_dtypes_agree(x=x_array, grad_output=g_array), kernel, stride, padding,
        dilation, ceil_mode, count_include_pad, backend,
    )  # fmt: skip
    _check_grad(calls.problem, g_array, x_array.ndim)
    return calls.avg_grad(g_array, None, out)


def global_avg_pool2d(
    x: npt.ArrayLike, *, backend: str = "auto", out: Array | None = None
) -> Array:
    """Take the average of each whole plane.

    Parameters
    ----------
    x : array_like, (N, C, H, W) or (C, H, W)
        float32 or float64.
    backend, out
        As for `max_pool2d`.

    Returns
    -------
    ndarray, (N, C, 1, 1) or (C, 1, 1)

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_pool2d`.

    See Also
    --------
    global_avg_pool2d_backward : its gradient.

    References
    ----------
    ONNX operator ``GlobalAveragePool``. M. Lin, Q. Chen, S. Yan, "Network in network", 2013,
    section 3.2.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.global_avg_pool2d(np.arange(8.0).reshape(2, 2, 2)).ravel()
    array([1.5, 5.5])
    """
    x_array = check_array("x", x)
    calls = find_global_pool_calls(x_array.shape, check_dtypes_agree(x=x_array), backend)
    return calls.avg(x_array, None, out)


def global_avg_pool2d_backward(
    grad_output: npt.ArrayLike, x: npt.ArrayLike, *, backend: str = "auto", out: Array | None = None
) -> Array:
    """Compute the gradient of `global_avg_pool2d` with respect to its image.

    Parameters
    ----------
    grad_output : array_like, (N, C, 1, 1) or (C, 1, 1)
        ∂E/∂Y, of x's dtype.
    x : array_like, (N, C, H, W) or (C, H, W)
        As given to `global_avg_pool2d`; only shape and dtype matter.
    backend, out
        As for `avg_pool2d_backward`.

    Returns
    -------
    ndarray, x's shape
        Of every plane each pixel the same: its gradient / (H·W).

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `avg_pool2d_backward`.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.global_avg_pool2d_backward(np.ones((1, 1, 1)), np.zeros((1, 1, 4)))
    array([[[0.25, 0.25, 0.25, 0.25]]])
    """
    g_array, x_array = check_array("grad_output", grad_output), check_array("x", x)
    calls = find_global_pool_calls(
        x_array.shape, check_dtypes_agree(x=x_array, grad_output=g_array), backend
    )
    _check_grad(calls.problem, g_array, x_array.ndim)
    return calls.avg_grad(g_array, None, out)


def _check_grad(problem: PoolProblem, grad: Array, ndim: int) -> None:
    shape = problem.output_shape[4 - ndim :]
    if grad.shape != shape:
        raise ValueError(f"grad_output must have the output's shape {shape}, not {grad.shape}")


def _check_taps(taps: npt.ArrayLike, problem: PoolProblem, shape: tuple[int, ...]) -> Array:
    """Return the taps as an array of numbers that the window has, or say what is wrong."""
    array = as_array("taps", taps)
    window = f"of a window of {problem.rows.kernel}×{problem.columns.kernel}"
    if array.dtype.newbyteorder("=") != problem.taps_dtype:
        raise TypeError(
            f"taps has dtype {array.dtype}, but those {window} are {problem.taps_dtype}"
        )
    if array.shape != shape:
        raise ValueError(f"taps must have the output's shape {shape}, not {array.shape}")
    least = 0 if array.dtype.kind == "u" else int(array.min(initial=0))
    most = int(array.max(initial=0))
    if least < 0 or most >= problem.taps:
        wrong = least if least < 0 else most
        raise ValueError(f"taps must be 0 to {problem.taps - 1}, those {window}, not {wrong}")
    return array
