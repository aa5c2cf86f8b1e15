"""conv_transpose2d and its gradients: check → find the convolution that is transposed → run it."""

from __future__ import annotations

from typing import SupportsIndex

import numpy.typing as npt

from .call import find_transposed
from .conv import Conv2dGrads, sums_of_channels
from .levels import Level, level_of
from .problem.arguments import Pair, parse_needs
from .problem.operands import Array, check_array, check_dtypes_agree
from .problem.padding import PaddingInNumbers

__all__ = ["conv_transpose2d", "conv_transpose2d_backward"]


def conv_transpose2d(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *,
    stride: Pair = 1,
    padding: PaddingInNumbers = 0,
    output_padding: Pair = 0,
    dilation: Pair = 1,
    groups: SupportsIndex = 1,
    backend: str = "auto",
    accuracy: Level | None = None,
    out: Array | None = None,
) -> Array:
    r"""Set a bank of kernels down at every pixel, as a transposed convolution layer does.

    .. math::
        Y_{n,k,h,w} = b_k + \sum_{c,r,s} W_{c,k,r,s}\,
                      X_{n,\,c,\,(h + P - r D)/S,\,(w + P - s D)/S}

    where the sum takes those taps only whose quotients are whole and inside the image.

    Parameters
    ----------
    x : array_like, (N, C, H, W) or (C, H, W)
        float32 or float64; computed as such.
    weight : array_like, (C, K/groups, R, S)
        Of the same dtype.
    bias : array_like, (K,), optional
        Of the same dtype.
    stride : int or (int, int)
        Pixels of the output from one kernel to the next: vertical, horizontal.
    padding : int, (int, int) or ((int, int), (int, int))
        Rows and columns that are left out of the output: everywhere, (vertical, horizontal) or
        ((top, bottom), (left, right)).
    output_padding : int or (int, int)
        Rows and columns more at the bottom and right; fewer than `stride` or `dilation`.
    dilation : int or (int, int)
        Pixels of the output from one tap of the kernel to the next.
    groups : int
        Divides both C and K; output group g sees only input group g.
    backend : str
        "auto" or one of `backends()`.
    accuracy : {None, "strict", "default", "fast"}
        Which algorithms may compute it; see `set_accuracy`, whose setting None is.
    out : ndarray, optional
        Where to write; the shape and dtype of the result, sharing no memory with the operands.

    Returns
    -------
    ndarray, (N, K, OH, OW) or (K, OH, OW)
        `out` where it was given.
        ``OH = (H-1)·stride - top - bottom + (R-1)·dilation + output_padding + 1``.

    Raises
    ------
    TypeError
        For a dtype other than float32 and float64, dtypes that differ, options of a wrong type.
    ValueError
        For shapes or options that make no transposed convolution, or an `out` that cannot take the
        result. Nothing has been written then.
    MemoryError
        If the result or a buffer cannot be allocated.

    See Also
    --------
    conv2d_backward : whose gradient of x this is, for the same weights.

    Notes
    -----
    Also called fractionally strided convolution and, wrongly, deconvolution: it is the transpose of
    the linear map that `conv2d` is, ⟨conv_transpose2d(x), y⟩ = ⟨x, conv2d(y)⟩, not its inverse.

    With accuracy "strict" every result is within (T + 3)·u·(Σ|W||X| + |b|) of the exact sum of its
    T ≤ C/groups·R·S products and the bias, where u is half the spacing of numbers at 1; of long
    sums far nearer, as of `conv2d`. With the others, kernels of 3, 5 and 7 at stride 1 may take
    fewer multiplications, whose errors are relative to the largest pixels near. What is infinite or
    NaN spoils only results whose sum holds it.

    References
    ----------
    V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016, chapter 4;
    ``torch.nn.ConvTranspose2d``.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> twice = np.ones((1, 1, 2, 2))
    >>> fastconv.conv_transpose2d(np.array([[[1.0, 2.0], [3.0, 4.0]]]), twice, stride=2)
    array([[[1., 1., 2., 2.],
            [1., 1., 2., 2.],
            [3., 3., 4., 4.],
            [3., 3., 4., 4.]]])
    """
    x_array = check_array("x", x)
    w_array = check_array("weight", weight)
    b_array = None if bias is None else check_array("bias", bias)
    call = find_transposed(
        x_array.shape, w_array.shape, None if b_array is None else b_array.shape,
        check_dtypes_agree(x=x_array, weight=w_array, bias=b_array),
        stride, padding, output_padding, dilation, groups, backend,
        level_of(accuracy),
    ).input_grad  # fmt: skip
    return call(x_array, w_array, None, b_array, out)


def conv_transpose2d_backward(
    grad_output: npt.ArrayLike,
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    *,
    stride: Pair = 1,
    padding: PaddingInNumbers = 0,
    output_padding: Pair = 0,
    dilation: Pair = 1,
    groups: SupportsIndex = 1,
    needs: tuple[bool, bool, bool] = (True, True, True),
    backend: str = "auto",
    accuracy: Level | None = None,
) -> Conv2dGrads:
    r"""Compute the gradients of `conv_transpose2d` with respect to its image, weights and bias.

    With E the loss, and outside of the output ∂E/∂Y = 0:

    .. math::
        \partial E/\partial b_k &= \sum_{n,h,w} \partial E/\partial Y_{n,k,h,w} \\
        \partial E/\partial W_{c,k,r,s} &= \sum_{n,i,j} X_{n,c,i,j}\,
            \partial E/\partial Y_{n,\,k,\,i S + r D - P,\,j S + s D - P} \\
        \partial E/\partial X_{n,c,i,j} &= \sum_{k,r,s} W_{c,k,r,s}\,
            \partial E/\partial Y_{n,\,k,\,i S + r D - P,\,j S + s D - P}

    The last is the convolution of ∂E/∂Y with the weights, whose transpose the layer is.

    Parameters
    ----------
    grad_output : array_like, (N, K, OH, OW) or (K, OH, OW)
        ∂E/∂Y, the gradient of the loss with respect to the layer's output.
    x, weight
        As given to `conv_transpose2d`, all of one dtype.
    stride, padding, output_padding, dilation, groups, backend, accuracy
        As given to `conv_transpose2d`.
    needs : (bool, bool, bool)
        Which gradients to compute: of x, weight, bias.

    Returns
    -------
    Conv2dGrads
        A named tuple ``(x, weight, bias)`` with the operands' shapes and dtype, None where not
        needed. An empty batch gives zeros for weight and bias.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv_transpose2d`; ValueError also for a gradient of the wrong shape.
    """
    g_array = check_array("grad_output", grad_output)
    x_array = check_array("x", x)
    w_array = check_array("weight", weight)
    calls = find_transposed(
        x_array.shape, w_array.shape, None,
        check_dtypes_agree(x=x_array, weight=w_array, grad_output=g_array),
        stride, padding, output_padding, dilation, groups, backend,
        level_of(accuracy),
    )  # fmt: skip
    convolution = calls.problem  # from the output to x
    shape = convolution.x_shape if x_array.ndim == 4 else convolution.x_shape[1:]
    if g_array.shape != shape:
        raise ValueError(f"grad_output must have the output's shape {shape}, not {g_array.shape}")
    wants_x, wants_weight, wants_bias = parse_needs(needs)
    forward = calls.forward if wants_x else None
    weight_grad = calls.weight_grad if wants_weight else None
    dx = dw = db = None
    if forward is not None:
        dx = forward(g_array, w_array)
    if weight_grad is not None:
        dw = weight_grad(x_array, g_array)
    if wants_bias:
        db = sums_of_channels(g_array, convolution.x_shape)
    return Conv2dGrads(dx, dw, db)
