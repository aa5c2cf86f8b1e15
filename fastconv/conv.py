"""conv2d, its gradients and its plan: check → find the call → run it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from copy import deepcopy
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
import numpy.typing as npt

from . import tuning
from .algorithms.bias_grad import bias_grad
from .algorithms.rectified import can_rectify, rectified
from .call import Call, Calls, find_calls
from .levels import Level, level_of
from .planning import check_usable
from .problem import ConvProblem
from .problem.activation import Activation, multiply_derivative
from .problem.arguments import Pair, parse_needs
from .problem.convolution import parse_image_shape
from .problem.operands import Array, check_array, check_dtypes_agree, copied, prepare
from .problem.padding import Padding, PaddingMode

__all__ = ["Conv2dGrads", "Conv2dPlan", "conv2d", "conv2d_backward", "plan_conv2d"]


class Conv2dGrads(NamedTuple):
    """The gradients of one convolution; None where one was not asked for."""

    x: Array | None
    weight: Array | None
    bias: Array | None


def conv2d(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: SupportsIndex = 1,
    padding_mode: PaddingMode = "zeros",
    activation: Activation = None,
    backend: str = "auto",
    accuracy: Level | None = None,
    out: Array | None = None,
) -> Array:
    r"""Convolve images with a bank of kernels, as a convolution layer of a CNN does.

    .. math::
        Y_{n,k,i,j} = f\Big(b_k + \sum_{c,r,s} W_{k,c,r,s}\,
                      X_{n,\,c,\,i S + r D - P,\,j S + s D - P}\Big)

    Parameters
    ----------
    x : array_like, (N, C, H, W) or (C, H, W)
        float32 or float64; computed as such.
    weight : array_like, (K, C/groups, R, S)
        Of the same dtype.
    bias : array_like, (K,), optional
        Of the same dtype.
    stride : int or (int, int)
        Pixels from one window to the next: vertical, horizontal.
    padding : int, (int, int), ((int, int), (int, int)), "same" or "valid"
        Pixels around the image: everywhere, (vertical, horizontal) or
        ((top, bottom), (left, right)). "same" gives ceil(H / stride) rows, an odd extra one added
        at the bottom or right (ONNX SAME_UPPER); "valid" is none.
    dilation : int or (int, int)
        Pixels from one tap of the kernel to the next.
    groups : int
        Divides both C and K; output group g sees only input group g. ``groups=C`` is depthwise.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the padding pixels hold.
    activation : {None, "relu", "sigmoid", "tanh"}
        The function f, applied while the results are still in cache.
    backend : str
        "auto" or one of `backends()`.
    accuracy : {None, "strict", "default", "fast"}
        Which algorithms may compute it; None is the setting of `set_accuracy`, which says what the
        levels mean.
    out : ndarray, optional
        Where to write; the shape and dtype of the result, sharing no memory with the operands.

    Returns
    -------
    ndarray, (N, K, OH, OW) or (K, OH, OW)
        `out` where it was given. ``OH = (top + H + bottom - (R-1)·dilation - 1) // stride + 1``.

    Raises
    ------
    TypeError
        For a dtype other than float32 and float64, dtypes that differ, options of a wrong type.
    ValueError
        For shapes or options that make no convolution, or an `out` that cannot take the result.
        Nothing has been written then.
    MemoryError
        If the result or a buffer cannot be allocated.

    See Also
    --------
    plan_conv2d : for calling the same layer often.
    explain : which backend is chosen, and why.

    Notes
    -----
    As everywhere in deep learning this is a correlation: the kernel is not flipped.

    Before the activation, with accuracy "strict" every result is within (T + 3)·u·(Σ|W||X| + |b|)
    of the exact sum of its T = C/groups·R·S products and the bias, where u is half the spacing of
    numbers at 1. Long sums are far nearer, since products are summed in blocks: on normal float32
    data within 2.6e-7 of the result in the L2 norm up to T = 18,000. With the others, kernels of 3,
    5 and 7 at stride 1 may take fewer multiplications, whose errors are relative to the largest
    pixels near: on normal float32 data up to 1.6e-6 of the result in the L2 norm with "default",
    8e-6 with "fast". Which algorithm it is depends on shapes and options, and on whether a plan has
    prepared the weights, but on neither batch nor threads nor data; `explain` tells it.

    Pixels of zero padding contribute nothing, whatever the weights are: an infinite or NaN weight
    spoils only outputs for which it meets a pixel of the image.

    References
    ----------
    V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016; A. Lavin,
    S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> image = np.arange(16.0).reshape(1, 4, 4)
    >>> edges = np.array([[[[-1.0, 0.0, 1.0]]]])
    >>> fastconv.conv2d(image, edges)
    array([[[2., 2.],
            [2., 2.],
            [2., 2.],
            [2., 2.]]])
    """
    x_array = check_array("x", x)
    w_array = check_array("weight", weight)
    b_array = None if bias is None else check_array("bias", bias)
    call = find_calls(
        x_array.shape, w_array.shape, None if b_array is None else b_array.shape,
        check_dtypes_agree(x=x_array, weight=w_array, bias=b_array),
        stride, padding, dilation, groups, padding_mode, activation, backend, level_of(accuracy),
    ).forward  # fmt: skip
    return call(x_array, w_array, None, b_array, out)


def conv2d_backward(
    grad_output: npt.ArrayLike,
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: SupportsIndex = 1,
    padding_mode: PaddingMode = "zeros",
    activation: Activation = None,
    output: npt.ArrayLike | None = None,
    needs: tuple[bool, bool, bool] = (True, True, True),
    backend: str = "auto",
    accuracy: Level | None = None,
) -> Conv2dGrads:
    r"""Compute the gradients of `conv2d` with respect to its image, weights and bias.

    With E the loss and ∂E/∂Z = ∂E/∂Y · f′(Z) the gradient before the activation:

    .. math::
        \partial E/\partial b_k &= \sum_{n,i,j} \partial E/\partial Z_{n,k,i,j} \\
        \partial E/\partial W_{k,c,r,s} &= \sum_{n,i,j} \partial E/\partial Z_{n,k,i,j}\,
            X_{n,\,c,\,i S + r D - P,\,j S + s D - P} \\
        \partial E/\partial X_{n,c,h,w} &= \sum_{k,r,s} W_{k,c,r,s}\,
            \partial E/\partial Z_{n,\,k,\,(h + P - r D)/S,\,(w + P - s D)/S}

    where the last sum takes those taps only whose quotients are whole and inside the output.

    Parameters
    ----------
    grad_output : array_like, (N, K, OH, OW) or (K, OH, OW)
        ∂E/∂Y, the gradient of the loss with respect to the layer's output.
    x, weight
        As given to `conv2d`, all of one dtype.
    stride, padding, dilation, groups, padding_mode, activation, backend, accuracy
        As given to `conv2d`.
    output : array_like, same shape as grad_output
        What `conv2d` returned; needed with an activation, whose derivative is computed from it.
    needs : (bool, bool, bool)
        Which gradients to compute: of x, weight, bias.

    Returns
    -------
    Conv2dGrads
        A named tuple ``(x, weight, bias)`` with the operands' shapes and dtype, None where not
        needed. Pixels that no window reached have a gradient of exactly zero; an empty batch gives
        zeros for weight and bias.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`; ValueError also for a gradient or output of the wrong shape.

    Notes
    -----
    Zero padding contributes nothing to any gradient, whatever it meets: what is infinite or NaN
    spoils only those sums above that hold it.

    With accuracy other than "strict" the gradient of the image may take fewer multiplications where
    `conv2d` may, and with the same errors; so may that of the weights of 3×3 kernels at stride 1,
    whose errors are relative to what is largest near each pixel: on normal float32 data up to
    1.4e-6 of the result in the L2 norm with "default", 6e-6 with "fast".

    References
    ----------
    I. Goodfellow, Y. Bengio, A. Courville, "Deep Learning", 2016, section 9.5.
    """
    g_array = check_array("grad_output", grad_output)
    x_array = check_array("x", x)
    w_array = check_array("weight", weight)
    y_array = None if output is None else check_array("output", output)
    calls = find_calls(
        x_array.shape, w_array.shape, None,
        check_dtypes_agree(x=x_array, weight=w_array, grad_output=g_array, output=y_array),
        stride, padding, dilation, groups, padding_mode, activation, backend, level_of(accuracy),
    )  # fmt: skip
    problem = calls.problem
    check_outputs(problem, x_array.ndim, g_array, y_array)
    wants_x, wants_weight, wants_bias = parse_needs(needs)
    # All that are wanted are planned, and may be refused, before the first is computed.
    input_grad = calls.input_grad if wants_x else None
    weight_grad = calls.weight_grad if wants_weight else None
    grad, db = g_array, None
    if wants_x or wants_weight or wants_bias:
        grad, db = _before_activation(problem, g_array, y_array, wants_bias=wants_bias)
    dx = dw = None
    if input_grad is not None:
        dx = input_grad(grad, w_array)
    if weight_grad is not None:
        dw = weight_grad(grad, x_array)
    return Conv2dGrads(dx, dw, db)


def check_outputs(problem: ConvProblem, ndim: int, grad: Array, output: Array | None) -> None:
    """Refuse a gradient or outputs of another shape, and outputs that are missing."""
    shape = problem.output_shape if ndim == 4 else problem.output_shape[1:]
    activation = problem.activation
    if grad.shape != shape:
        raise ValueError(f"grad_output must have the output's shape {shape}, not {grad.shape}")
    if activation is not None and output is None:
        raise ValueError(f"output, what conv2d returned, is needed with activation={activation!r}")
    if output is not None and output.shape != shape:
        raise ValueError(f"output must have shape {shape}, not {output.shape}")


def before_activation(problem: ConvProblem, grad: Array, output: Array | None) -> Array:
    """Return the gradient before the activation, ∂E/∂Z."""
    return _before_activation(problem, grad, output, wants_bias=False)[0]


def _before_activation(
    problem: ConvProblem, grad: Array, output: Array | None, *, wants_bias: bool
) -> tuple[Array, Array | None]:
    """Return the same, and where it is wanted ∂E/∂b: of a rectifier both in one go."""
    shape = problem.output_shape
    if problem.activation == "relu" and output is not None and can_rectify() and grad.size:
        db = np.empty(shape[1], problem.dtype) if wants_bias else None
        dz = rectified(grad.reshape(shape), output.reshape(shape), db)
        return dz.reshape(grad.shape), db
    if output is not None:
        with np.errstate(all="ignore"):  # infinities and NaN flow through
            grad = multiply_derivative(problem.activation, grad, output)
    return grad, sums_of_channels(grad, shape) if wants_bias else None


def sums_of_channels(grad: Array, shape: tuple[int, int, int, int]) -> Array:
    """Return the gradient of a bias, (K,), from that of an output of such a shape."""
    db = np.zeros(shape[1], grad.dtype.newbyteorder("="))
    if shape[0]:
        bias_grad(prepare(grad).reshape(shape), db)
    return db


class Conv2dPlan:
    """A convolution layer with its weights, to be called on many images.

    Made by `plan_conv2d`, which checked whatever does not depend on the image. At the first call
    the weights are brought into the form that the chosen backend reads fastest, and kept: as many
    bytes as they have, or those of winograd, up to seven times as many and 160 MiB. It may be
    shared among threads, and pickled: what is pickled is what it was made of.
    """

    def __init__(
        self, weight: Array, bias: Array | None, backend: str, accuracy: Level,
        options: dict[str, Any],
    ) -> None:  # fmt: skip
        self._weight = weight
        self._bias = bias
        self._backend = backend
        self._accuracy = accuracy
        self._options = options
        self._calls: dict[tuple[int, ...], tuple[Call, Array | None]] = {}
        self._gradients: dict[tuple[int, ...], tuple[Call, Array | None]] = {}
        self._prepared: dict[Hashable, Array] = {}

    def __call__(self, x: npt.ArrayLike, out: Array | None = None) -> Array:
        """Convolve `x`.

        Parameters
        ----------
        x : array_like, (N, C, H, W) or (C, H, W)
            Of the weights' dtype; any batch and image size.
        out : ndarray, optional
            As for `conv2d`.

        Returns
        -------
        ndarray, (N, K, OH, OW) or (K, OH, OW)

        Raises
        ------
        TypeError, ValueError, MemoryError
            As `conv2d`.
        """
        x_array = check_array("x", x)
        found = self._calls.get(x_array.shape)
        if found is None or x_array.dtype is not self._weight.dtype:
            calls = self._calls_for(
                x_array.shape, check_dtypes_agree(x=x_array, weight=self._weight)
            )
            found = self._keep(self._calls, x_array.shape, calls.forward_prepared)
        call, prepared = found
        return call(x_array, self._weight, prepared, self._bias, out)

    def input_grad(
        self,
        grad_output: npt.ArrayLike,
        x_shape: Sequence[int],
        *,
        output: npt.ArrayLike | None = None,
    ) -> Array:
        """Compute the gradient of the image: what `conv2d_backward` does, by prepared weights.

        Parameters
        ----------
        grad_output : array_like, (N, K, OH, OW) or (K, OH, OW)
            ∂E/∂Y, the gradient of the loss with respect to what the plan returned.
        x_shape : tuple of int
            Of the image that it was called with: with a stride, several have the same outputs.
        output : array_like, same shape as grad_output
            What the plan returned; needed with an activation.

        Returns
        -------
        ndarray, x_shape

        Raises
        ------
        TypeError, ValueError, MemoryError
            As `conv2d_backward`.
        """
        grad = check_array("grad_output", grad_output)
        y = None if output is None else check_array("output", output)
        dtype = check_dtypes_agree(weight=self._weight, grad_output=grad, output=y)
        shape = parse_image_shape(x_shape)
        calls = self._calls_for(shape, dtype)
        check_outputs(calls.problem, len(shape), grad, y)
        found = self._gradients.get(shape)
        if found is None:
            found = self._keep(self._gradients, shape, calls.input_grad_prepared)
        call, prepared = found
        return call(before_activation(calls.problem, grad, y), self._weight, prepared)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what it was given: all else is made again, where it is unpickled."""
        return Conv2dPlan, (
            self._weight, self._bias, self._backend, self._accuracy, self._options
        )  # fmt: skip

    def _calls_for(self, x_shape: tuple[int, ...], dtype: np.dtype[Any]) -> Calls:
        bias_shape = None if self._bias is None else self._bias.shape
        return find_calls(
            x_shape, self._weight.shape, bias_shape, dtype, *self._options.values(), self._backend,
            self._accuracy,
        )  # fmt: skip

    def _keep(
        self, kept: dict[tuple[int, ...], tuple[Call, Array | None]], shape: tuple[int, ...],
        call: Call,
    ) -> tuple[Call, Array | None]:  # fmt: skip
        """Return the call for such images, and the weights prepared for its implementation."""
        plan = call.plan()
        prepared = None
        if plan.prepare is not None:
            # Images of another size may be cut up, or be left a phase alone, by the same kernel.
            piece = plan.leaf.piece
            taps = piece.problem.rows.kernel, piece.problem.columns.kernel
            key = call.operation, plan.leaf.implementation.name, taps, piece.weights
            prepared = self._prepared.get(key)
            if prepared is None:
                prepared = self._prepared[key] = plan.prepare(self._weight)
        if len(kept) >= tuning.MOST_IMAGE_SIZES:
            kept.clear()
        found = kept[shape] = call, prepared
        return found

    def __repr__(self) -> str:
        """Return the weights' shape and the options on one line."""
        options = ", ".join(f"{name}={value!r}" for name, value in self._options.items())
        weight = f"weight {self._weight.shape} {self._weight.dtype}"
        return (
            f"Conv2dPlan({weight}, {options}, backend={self._backend!r}, "
            f"accuracy={self._accuracy!r})"
        )


def plan_conv2d(
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: SupportsIndex = 1,
    padding_mode: PaddingMode = "zeros",
    activation: Activation = None,
    backend: str = "auto",
    accuracy: Level | None = None,
) -> Conv2dPlan:
    """Prepare a layer once that will be called often: ``plan(x)``.

    Parameters
    ----------
    weight, bias, stride, padding, dilation, groups, padding_mode, activation, backend
    accuracy
        As for `conv2d`. The weights are copied: changing the arrays later does not change the plan,
        nor does another setting of the accuracy. With accuracy other than "strict" a plan, for
        which weights are prepared, may take another algorithm than the call, and so other bits.

    Returns
    -------
    Conv2dPlan
        Call it with an image of any size that the weights fit.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`, for what is wrong whatever the image.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> blur = fastconv.plan_conv2d(np.full((1, 1, 3, 3), 1 / 9), padding="same")
    >>> blur(np.ones((1, 5, 5))).shape
    (1, 5, 5)
    """
    w_array = check_array("weight", weight)
    b_array = None if bias is None else check_array("bias", bias)
    dtype = check_dtypes_agree(weight=w_array, bias=b_array)
    options: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "padding_mode": padding_mode,
        "activation": activation,
    }
    ConvProblem.create_for_any_image(
        w_array.shape, None if b_array is None else b_array.shape, dtype=dtype, **options
    )
    check_usable(backend)
    level = level_of(accuracy)
    # Copies, all of them: what a plan computes does not change with the caller's variables.
    return Conv2dPlan(
        copied(w_array),
        None if b_array is None else copied(b_array),
        backend,
        level,
        deepcopy(options),
    )
