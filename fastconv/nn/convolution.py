"""The convolution layer: y = f(W ∗ x + b)."""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from ..conv import Conv2dPlan, conv2d, plan_conv2d
from ..levels import Level, get_accuracy
from ..problem.activation import Activation
from ..problem.arguments import Pair, parse_int, parse_pair
from ..problem.operands import Array
from ..problem.padding import PADDING_FORMS, Padding, PaddingMode, parse_padding_in_numbers
from .initialisation import Rng
from .layer import checked_batch, in_short
from .weighted import Weighted

__all__ = ["Conv2d"]


class Conv2d(Weighted):
    """A bank of kernels, one for each channel of the output: `fastconv.conv2d` with its weights.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    kernel_size : int or (int, int)
        R and S.
    stride, padding, dilation, groups, padding_mode, activation, backend
        As of `fastconv.conv2d`. A fused activation is the same function as a layer of its own, and
        saves it the way through memory.
    bias : bool
        Whether b is there.
    initialisation : {"he", "glorot"}
        How W begins, see `he_normal` and `glorot_uniform`; b begins at zero.
    rng : numpy.random.Generator, int or None
        What W is drawn from: give the layers of a network one seeded Generator, in turn.
    dtype : float32 or float64
        Of weights and images.

    Attributes
    ----------
    weight : Parameter, (K, C/groups, R, S)
    bias : Parameter, (K,), or None

    Notes
    -----
    `predict` keeps a `fastconv.plan_conv2d`, whose weights are packed once, and makes a new one
    when the weights have changed. `forward` packs them at each call, since in training they change
    at each; and `backward` cannot use what `forward` has packed: the gradient of the image reads
    the weights the other way round, filters for channels and turned by 180 degrees, that of the
    weights does not read them at all. For the small weights of such layers packing is a few
    microseconds.
    """

    def __init__(
        self,
        in_channels: SupportsIndex,
        out_channels: SupportsIndex,
        kernel_size: Pair,
        *,
        stride: Pair = 1,
        padding: Padding = 0,
        dilation: Pair = 1,
        groups: SupportsIndex = 1,
        padding_mode: PaddingMode = "zeros",
        activation: Activation = None,
        bias: bool = True,
        initialisation: str = "he",
        rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
        backend: str = "auto",
    ) -> None:
        channels = parse_int("in_channels", in_channels, 1)
        filters = parse_int("out_channels", out_channels, 1)
        rows, columns = parse_pair("kernel_size", kernel_size, 1)
        parts = parse_int("groups", groups, 1)
        if channels % parts or filters % parts:
            raise ValueError(
                f"groups={parts} must divide in_channels={channels} and out_channels={filters}"
            )
        shape = filters, channels // parts, rows, columns
        super().__init__(
            shape, bias=bias, initialisation=initialisation, rng=rng, dtype=dtype, backend=backend
        )
        self._options: dict[str, object] = {
            "stride": parse_pair("stride", stride, 1),
            "padding": padding if isinstance(padding, str)
            else parse_padding_in_numbers(padding, PADDING_FORMS),
            "dilation": parse_pair("dilation", dilation, 1), "groups": parts,
            "padding_mode": padding_mode, "activation": activation,
        }  # fmt: skip
        self._plan: Conv2dPlan | None = None
        self._planned: tuple[Array, Array | None, str, Level] | None = None
        self._current_plan(backend)  # which checks the options

    def forward(self, x: Array) -> Array:
        """Return f(W ∗ x + b) of images (N, C, H, W): (N, K, OH, OW)."""
        x = checked_batch(x)
        weight, options = self.weight.value, self._options
        backend = self._backend_for("forward", x, weight, options)
        with self._results:
            y = conv2d(x, weight, self._bias, **options, backend=backend)  # type: ignore[arg-type]
        self._kept = x, y
        return y

    def predict(self, x: Array) -> Array:
        """Return the same, but for rounding, by prepared weights, and keep no images."""
        x = checked_batch(x)
        backend = self._backend_for("forward", x, self.weight.value, self._options)
        return self._current_plan(backend)(x)

    def backward(self, grad_output: Array, *, needs_x: bool = True) -> Array | None:
        """Leave ∂E/∂W and ∂E/∂b in the parameters, and return ∂E/∂x; see `conv2d_backward`."""
        grad, (x, y) = self._recall(grad_output)
        has_activation = self._options["activation"] is not None
        with self._results:
            grads = self._gradients(
                grad, x, self.weight.value, self._options, y if has_activation else None,
                needs_x=needs_x,
            )  # fmt: skip
        self.weight.grad = grads.weight
        if self.bias is not None:
            self.bias.grad = grads.bias
        return grads.x

    def _current_plan(self, backend: str) -> Conv2dPlan:
        """Return a plan with the current weights, which are never written to, only replaced."""
        made_of = self.weight.value, self._bias, backend, get_accuracy()
        plan = self._plan
        if plan is None or self._planned is None or not all(map(_is, made_of, self._planned)):
            weight, bias, *_ = made_of
            plan = plan_conv2d(weight, bias, **self._options, backend=backend)  # type: ignore[arg-type]
            self._plan, self._planned = plan, made_of
        return plan

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: neither the last batch nor the plan."""
        return super().__getstate__() | {"_plan": None, "_planned": None}

    def __repr__(self) -> str:
        """Return channels, kernel, and the options that are not the usual ones."""
        filters, channels, *kernel = self.weight.value.shape
        options = {"groups": 1, "stride": 1, "padding": 0, "dilation": 1, "padding_mode": "zeros"}
        short = {name: in_short(value) for name, value in self._options.items()}
        unusual = "".join(f", {k}={v!r}" for k, v in short.items() if v != options.get(k))
        groups = self._options["groups"]
        assert isinstance(groups, int)
        return f"Conv2d({channels * groups}, {filters}, {tuple(kernel)}{unusual})"


def _is(first: object, second: object) -> bool:
    return first is second
