"""One step of training a network, as its definition reads: forward, loss, backward, descent.

::

    x --layer--> x --layer--> ... --layer--> Z --softmax--> P --log of the right class--> E

    dE/dZ back through the layers in the other order, each by its own formula,
    then for every parameter W with velocity V:   V := mu V + dE/dW + lambda W,   W := W - alpha V

A network is a list of `Step`; convolution and pooling are those of this package.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from reference.activation import ACTIVATIONS, activate, derivative
from reference.arrays import FloatArray, check_shape, float64_view, writable_view
from reference.conv import conv2d
from reference.conv_backward import conv2d_backward
from reference.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward

KINDS = ("conv2d", "max_pool2d", "avg_pool2d", "flatten", "linear", *ACTIVATIONS[1:])


class Step(NamedTuple):
    """One layer: what it does, with which options, and its parameters W and b, if it has any."""

    kind: str
    options: Mapping[str, Any] = MappingProxyType({})
    weight: FloatArray | None = None
    bias: FloatArray | None = None


class Trained(NamedTuple):
    """What a training step leaves: the loss before it, and by layer the new W, b and velocities.

    None in the place of a layer that has no parameters.
    """

    loss: float
    parameters: list[tuple[FloatArray, FloatArray] | None]
    velocities: list[tuple[FloatArray, FloatArray] | None]


def linear(x: FloatArray, weight: FloatArray, bias: FloatArray) -> FloatArray:
    """Fully connected layer::

        Y[n,k] = b[k] + sum_j W[k,j] X[n,j]

    Parameters
    ----------
    x : ndarray of float32 or float64, (N, J)
    weight : ndarray of float32 or float64, (K, J)
    bias : ndarray of float32 or float64, (K,)

    Returns
    -------
    ndarray, (N, K)
        Summed in float64 and rounded once to the dtype of `x`.

    Raises
    ------
    ValueError
        If shapes do not fit together.
    TypeError
        If an array is neither float32 nor float64.
    """
    X, W, b = float64_view("x", x), float64_view("weight", weight), float64_view("bias", bias)
    N, J = x.shape
    K = len(weight)
    check_shape("weight", weight, (K, J))
    check_shape("bias", bias, (K,))
    exact = np.empty((N, K))
    Y = writable_view(exact)
    for n in range(N):
        for k in range(K):
            y = b[k]
            for j in range(J):
                y += W[k, j] * X[n, j]
            Y[n, k] = y
    return exact.astype(x.dtype)


def linear_backward(
    grad_output: FloatArray, x: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gradients of a number E that depends on Y = `linear` (x, weight, bias)::

        dE/dX[n,j] = sum_k W[k,j] dE/dY[n,k]
        dE/dW[k,j] = sum_n dE/dY[n,k] X[n,j]
        dE/db[k]   = sum_n dE/dY[n,k]

    Parameters
    ----------
    grad_output : ndarray of float32 or float64, (N, K)
    x, weight
        As given to the forward pass.

    Returns
    -------
    (ndarray, ndarray, ndarray)
        The gradients of x, weight and bias, each summed in float64 and rounded once.

    Raises
    ------
    ValueError, TypeError
        As `linear`.
    """
    N, J = x.shape
    K = len(weight)
    check_shape("weight", weight, (K, J))
    check_shape("grad_output", grad_output, (N, K))
    dY = float64_view("grad_output", grad_output)
    X, W = float64_view("x", x), float64_view("weight", weight)
    exact_x, exact_w, exact_b = np.zeros((N, J)), np.zeros((K, J)), np.zeros(K)
    dX, dW, db = writable_view(exact_x), writable_view(exact_w), writable_view(exact_b)
    for n in range(N):
        for k in range(K):
            db[k] += dY[n, k]
            for j in range(J):
                dX[n, j] += W[k, j] * dY[n, k]
                dW[k, j] += dY[n, k] * X[n, j]
    return exact_x.astype(x.dtype), exact_w.astype(weight.dtype), exact_b.astype(weight.dtype)


def softmax_cross_entropy(logits: FloatArray, labels: list[int]) -> tuple[float, FloatArray]:
    """Loss of a batch and its gradient::

        log P[n,k] = Z[n,k] - M[n] - log sum_l exp(Z[n,l] - M[n])    with M[n] the largest of row n
        E          = - 1/N sum_n log P[n, t[n]]
        dE/dZ[n,k] = 1/N (P[n,k] - [k = t[n]])

    Parameters
    ----------
    logits : ndarray of float32 or float64, (N, K)
    labels : list of int
        The right class t[n] of each row.

    Returns
    -------
    (float, ndarray)
        E, and dE/dZ of the shape and dtype of `logits`.

    Raises
    ------
    ValueError
        If there is not one label for each row.
    """
    Z = float64_view("logits", logits)
    N, K = logits.shape
    if len(labels) != N:
        raise ValueError(f"labels must be one for each of {N} rows, got {len(labels)}")
    exact = np.empty((N, K))
    dZ = writable_view(exact)
    loss = 0.0
    for n in range(N):
        largest = max(Z[n, k] for k in range(K))
        log_sum = math.log(sum(math.exp(Z[n, k] - largest) for k in range(K)))
        for k in range(K):
            log_p = Z[n, k] - largest - log_sum
            right = 1.0 if k == labels[n] else 0.0
            loss -= right * log_p / N
            dZ[n, k] = (math.exp(log_p) - right) / N
    return loss, exact.astype(logits.dtype)


def forward(network: list[Step], x: FloatArray) -> list[FloatArray]:
    """All that flows through the network: x, and what each layer makes of what came before.

    Parameters
    ----------
    network : list of Step
    x : ndarray of float32 or float64, (N, C, H, W)

    Returns
    -------
    list of ndarray
        One more than there are layers; the last holds the logits.

    Raises
    ------
    ValueError, TypeError
        As the layers' functions; for a kind of layer that is not defined here.
    """
    values = [x]
    for step in network:
        values.append(_forward(step, values[-1]))
    return values


def training_step(
    network: list[Step],
    x: FloatArray,
    labels: list[int],
    *,
    learning_rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    velocities: list[tuple[FloatArray, FloatArray] | None] | None = None,
) -> Trained:
    """One step of gradient descent on one batch.

    Parameters
    ----------
    network : list of Step
        Not changed.
    x : ndarray of float32 or float64, (N, C, H, W)
    labels : list of int
        The right class of each image.
    learning_rate, momentum, weight_decay : float
        alpha, mu and lambda.
    velocities : list, optional
        As the step before returned them; zero at the first.

    Returns
    -------
    Trained

    Raises
    ------
    ValueError, TypeError
        As `forward`.
    """
    values = forward(network, x)
    loss, grad = softmax_cross_entropy(values[-1], labels)
    parameters: list[tuple[FloatArray, FloatArray] | None] = [None] * len(network)
    after: list[tuple[FloatArray, FloatArray] | None] = [None] * len(network)
    for place in reversed(range(len(network))):
        step = network[place]
        grad, grads = _backward(step, grad, values[place], values[place + 1])
        if grads is None or step.weight is None or step.bias is None:
            continue
        before = velocities[place] if velocities is not None else None
        moved, speeds = [], []
        for number, W in enumerate((step.weight, step.bias)):
            V = np.zeros_like(W) if before is None else before[number]
            speed = _velocity(V, grads[number], W, momentum, weight_decay)
            speeds.append(speed)
            moved.append(_descended(W, speed, learning_rate))
        parameters[place] = moved[0], moved[1]
        after[place] = speeds[0], speeds[1]
    return Trained(loss, parameters, after)


def _velocity(
    V: FloatArray, dW: FloatArray, W: FloatArray, momentum: float, weight_decay: float
) -> FloatArray:
    """V := mu V + dE/dW + lambda W, number by number."""
    numbers = zip(V.ravel().tolist(), dW.ravel().tolist(), W.ravel().tolist(), strict=True)
    exact = [momentum * v + dw + weight_decay * w for v, dw, w in numbers]
    return np.array(exact, W.dtype).reshape(W.shape)


def _descended(W: FloatArray, V: FloatArray, learning_rate: float) -> FloatArray:
    """W := W - alpha V, number by number."""
    numbers = zip(W.ravel().tolist(), V.ravel().tolist(), strict=True)
    return np.array([w - learning_rate * v for w, v in numbers], W.dtype).reshape(W.shape)


def _forward(step: Step, x: FloatArray) -> FloatArray:
    kind, options = step.kind, step.options
    if kind == "conv2d":
        assert step.weight is not None
        return conv2d(x, step.weight, step.bias, **options)
    if kind == "linear":
        assert step.weight is not None
        assert step.bias is not None
        return linear(x, step.weight, step.bias)
    if kind == "max_pool2d":
        return max_pool2d(x, **options)
    if kind == "avg_pool2d":
        return avg_pool2d(x, **options)
    if kind == "flatten":
        return x.reshape(len(x), -1)
    if kind in ACTIVATIONS:
        exact = [activate(z, kind) for z in x.ravel().tolist()]
        return np.array(exact, x.dtype).reshape(x.shape)
    raise ValueError(f"a layer must be one of {KINDS}, got {kind!r}")


def _backward(
    step: Step, grad: FloatArray, x: FloatArray, y: FloatArray
) -> tuple[FloatArray, tuple[FloatArray, FloatArray] | None]:
    """dE/dx of a layer, and the gradients of its parameters where it has some."""
    kind, options = step.kind, step.options
    if kind == "conv2d":
        assert step.weight is not None
        dx, dw, db = conv2d_backward(grad, x, step.weight, output=y, **options)
        assert dx is not None
        assert dw is not None
        assert db is not None
        return dx, (dw, db)
    if kind == "linear":
        assert step.weight is not None
        dx, dw, db = linear_backward(grad, x, step.weight)
        return dx, (dw, db)
    if kind == "max_pool2d":
        return max_pool2d_backward(grad, x, **options), None
    if kind == "avg_pool2d":
        return avg_pool2d_backward(grad, x, **options), None
    if kind == "flatten":
        return grad.reshape(x.shape), None
    numbers = zip(grad.ravel().tolist(), y.ravel().tolist(), strict=True)
    exact = [g * derivative(one, kind) for g, one in numbers]
    return np.array(exact, x.dtype).reshape(x.shape), None
