"""The fully connected layer, y = x Wᵀ + b, and Flatten, which makes rows of images for it."""

from __future__ import annotations

import math
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from ..algorithms import dense
from ..conv import conv2d
from ..problem.arguments import parse_int
from ..problem.operands import Array, check_array, check_dtypes_agree, prepare
from .initialisation import Rng
from .layer import Layer
from .weighted import Weighted

__all__ = ["Flatten", "Linear"]


class Linear(Weighted):
    r"""Every output is a weighted sum of all inputs: ``y = x @ W.T + b``.

    .. math::
        \partial E/\partial W = (\partial E/\partial y)^T x, \quad
        \partial E/\partial b = \sum_n \partial E/\partial y_n, \quad
        \partial E/\partial x = \partial E/\partial y\, W

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
        Whether b is there.
    initialisation : {"he", "glorot"}
        How W begins, see `he_normal` and `glorot_uniform`; b begins at zero.
    rng : numpy.random.Generator, int or None
        What W is drawn from.
    dtype : float32 or float64
    backend : str
        As of `fastconv.conv2d`.

    Attributes
    ----------
    weight : Parameter, (out_features, in_features)
    bias : Parameter, (out_features,), or None

    Notes
    -----
    The products are fastconv's own (algorithms/dense.py), for one reason: NumPy's ``@`` is that of
    its BLAS, whose float32 results differ in their last bits between 1 and 2 of its threads
    (OpenBLAS 0.3, from 64×84×120 on), while fastconv's do not. A backend that is asked for by name
    computes a convolution with 1×1 kernels in their place, of a single image whose channels are the
    features and whose pixels are the samples::

        x (N, I)  ─→  (1, I, 1, N)   ∗   W (O, I, 1, 1)   ─→   (1, O, 1, N)  ─→  y (N, O)
    """

    def __init__(
        self,
        in_features: SupportsIndex,
        out_features: SupportsIndex,
        *,
        bias: bool = True,
        initialisation: str = "he",
        rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
        backend: str = "auto",
    ) -> None:
        inputs = parse_int("in_features", in_features, 1)
        outputs = parse_int("out_features", out_features, 1)
        super().__init__(
            (outputs, inputs), bias=bias, initialisation=initialisation, rng=rng, dtype=dtype,
            backend=backend,
        )  # fmt: skip

    def forward(self, x: Array) -> Array:
        """Return x Wᵀ + b of rows (N, in_features): (N, out_features)."""
        with self._results:
            y = self.predict(x)
        self._kept = (check_array("x", x),)
        return y

    def predict(self, x: Array) -> Array:
        """Return the same, and keep nothing."""
        x = check_array("x", x)
        outputs, inputs = self.weight.value.shape
        if x.ndim != 2 or x.shape[1] != inputs:
            raise ValueError(f"x must be (N, {inputs}), not {x.shape}")
        check_dtypes_agree(x=x, weight=self.weight.value)
        if not len(x):
            return np.zeros((0, outputs), self.weight.value.dtype)
        if self._is_dense(x):
            return dense.outputs(x, self.weight.value, self._bias)
        image, kernels = _image(x), self._kernels
        backend = self._backend_for("forward", image, kernels, {})
        return _rows(conv2d(image, kernels, self._bias, backend=backend))

    def backward(self, grad_output: Array, *, needs_x: bool = True) -> Array | None:
        """Leave ∂E/∂W and ∂E/∂b in the parameters, and return ∂E/∂x."""
        grad, (x,) = self._recall(grad_output)
        weight, bias = self.weight, self.bias
        outputs = len(weight.value)
        if grad.shape != (len(x), outputs):
            shape = len(x), outputs
            raise ValueError(f"grad_output must have the output's shape {shape}, not {grad.shape}")
        check_dtypes_agree(weight=weight.value, grad_output=grad)
        if not len(x):
            weight.grad = np.zeros_like(weight.value)
            if bias is not None:
                bias.grad = np.zeros_like(bias.value)
            return np.zeros_like(x) if needs_x else None
        if self._is_dense(x):
            grad = prepare(grad)  # once for all
            with self._results:
                weight.grad = dense.weights(grad, x)
                if bias is not None:
                    bias.grad = dense.weights(grad, np.ones((len(grad), 1), grad.dtype))[:, 0]
                return dense.inputs(grad, weight.value) if needs_x else None
        grads = self._gradients(_image(grad), _image(x), self._kernels, {}, needs_x=needs_x)
        assert grads.weight is not None
        weight.grad = grads.weight.reshape(weight.value.shape)
        if bias is not None:
            bias.grad = grads.bias
        return None if grads.x is None else _rows(grads.x)

    def _is_dense(self, x: Array) -> bool:
        """Whether rows are multiplied as they lie: by "auto", asked for or in another's place."""
        backend = self._backend
        if backend != "auto":
            backend = self._backend_for("forward", _image(x), self._kernels, {})
        return backend == "auto" and dense.can_multiply()

    @property
    def _kernels(self) -> Array:
        return self.weight.value[:, :, None, None]

    def __repr__(self) -> str:
        """Return the features."""
        outputs, inputs = self.weight.value.shape
        return f"Linear({inputs}, {outputs})"


def _image(rows: Array) -> Array:
    """Return rows (N, F) as an image (1, F, 1, N): features are channels, samples are pixels."""
    return rows.T[None, :, None, :]


def _rows(image: Array) -> Array:
    """Return an image (1, F, 1, N) as rows (N, F)."""
    return image[0, :, 0, :].T


class Flatten(Layer):
    """Every sample as one row: (N, C, H, W) becomes (N, C·H·W)."""

    def forward(self, x: Array) -> Array:
        """Return the rows, a view of x where that is possible."""
        y = self.predict(x)
        self._kept = (check_array("x", x),)
        return y

    def predict(self, x: Array) -> Array:
        """Return the same, and keep nothing."""
        x = check_array("x", x)
        if x.ndim < 2:
            raise ValueError(f"x must be a batch (N, ...) of at least 2 axes, not {x.shape}")
        return x.reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, grad_output: Array, *, needs_x: bool = True) -> Array | None:
        """Return ∂E/∂x: the same numbers in the shape of x."""
        grad, (x,) = self._recall(grad_output)
        shape = len(x), math.prod(x.shape[1:])
        if grad.shape != shape:
            raise ValueError(f"grad_output must have the output's shape {shape}, not {grad.shape}")
        check_dtypes_agree(x=x, grad_output=grad)
        return grad.reshape(x.shape) if needs_x else None
