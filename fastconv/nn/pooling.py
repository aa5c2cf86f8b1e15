"""Pooling layers: the maximum or the mean of each window, plane by plane. Nothing is trained."""

from __future__ import annotations

from typing import Any

from ..planning import check_usable
from ..pool import (
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from ..problem.arguments import Pair, parse_bool, parse_pair
from ..problem.operands import Array
from ..problem.padding import PaddingInNumbers, parse_padding_in_numbers
from .layer import Layer, checked_batch, in_short

__all__ = ["AvgPool2d", "GlobalAvgPool2d", "MaxPool2d"]


class _Pooling(Layer):
    """What all share: which of pooling's own backends computes."""

    def __init__(self) -> None:
        super().__init__()
        self._backend = "auto"

    def use_backend(self, backend: str) -> None:
        """Compute by NumPy where the network does, else by the best backend of pooling."""
        check_usable(backend)
        self._backend = "numpy" if backend == "im2col" else "auto"


class _Pool2d(_Pooling):
    """What those with a window share: it, and how it moves."""

    def __init__(self, kernel: Pair, **options: Any) -> None:
        super().__init__()
        self._kernel = parse_pair("kernel", kernel, 1)
        self._options = options | {
            "stride": None if options["stride"] is None else parse_pair(
                "stride", options["stride"], 1
            ),
            "dilation": parse_pair("dilation", options["dilation"], 1),
            "padding": parse_padding_in_numbers(options["padding"]),
        }  # fmt: skip
        for name in ("ceil_mode", "count_include_pad"):
            if name in options:
                self._options[name] = parse_bool(name, options[name])

    def __repr__(self) -> str:
        """Return the window, and the options that are not the usual ones."""
        usual = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False,
                 "count_include_pad": True}  # fmt: skip
        short = {name: in_short(value) for name, value in self._options.items()}
        unusual = "".join(f", {k}={v!r}" for k, v in short.items() if v != usual[k])
        return f"{type(self).__name__}({in_short(self._kernel)!r}{unusual})"


class MaxPool2d(_Pool2d):
    """The maximum of each window: `fastconv.max_pool2d`.

    Parameters
    ----------
    kernel, stride, padding, dilation, ceil_mode
        As of `fastconv.max_pool2d`; without a stride windows lie side by side.
    """

    def __init__(
        self,
        kernel: Pair,
        *,
        stride: Pair | None = None,
        padding: PaddingInNumbers = 0,
        dilation: Pair = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(
            kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
        )

    def forward(self, x: Array) -> Array:
        """Return the pooled images, (N, C, OH, OW), and keep where each maximum was found."""
        x = checked_batch(x)
        with self._results:
            y, taps = max_pool2d(
                x, self._kernel, **self._options, return_taps=True, backend=self._backend
            )
        self._kept = x, taps
        return y

    def predict(self, x: Array) -> Array:
        """Return the same, and keep nothing."""
        return max_pool2d(checked_batch(x), self._kernel, **self._options, backend=self._backend)

    def backward(self, grad_output: Array, *, needs_x: bool = True) -> Array | None:
        """Return ∂E/∂x: each window's gradient where its maximum was found."""
        grad, (x, taps) = self._recall(grad_output)
        if not needs_x:
            return None
        with self._results:
            return max_pool2d_backward(
                grad, x, self._kernel, **self._options, taps=taps, backend=self._backend
            )


class AvgPool2d(_Pool2d):
    """The mean of each window: `fastconv.avg_pool2d`.

    Parameters
    ----------
    kernel, stride, padding, dilation, ceil_mode, count_include_pad
        As of `fastconv.avg_pool2d`; without a stride windows lie side by side.
    """

    def __init__(
        self,
        kernel: Pair,
        *,
        stride: Pair | None = None,
        padding: PaddingInNumbers = 0,
        dilation: Pair = 1,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(
            kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
        )  # fmt: skip

    def forward(self, x: Array) -> Array:
        """Return the pooled images, (N, C, OH, OW)."""
        with self._results:
            y = self.predict(x)
        self._kept = (checked_batch(x),)
        return y

    def predict(self, x: Array) -> Array:
        """Return the same, and keep nothing."""
        return avg_pool2d(checked_batch(x), self._kernel, **self._options, backend=self._backend)

    def backward(self, grad_output: Array, *, needs_x: bool = True) -> Array | None:
        """Return ∂E/∂x: each window's gradient in equal parts."""
        grad, (x,) = self._recall(grad_output)
        if not needs_x:
            return None
        with self._results:
            return avg_pool2d_backward(
                grad, x, self._kernel, **self._options, backend=self._backend
            )


class GlobalAvgPool2d(_Pooling):
    """The mean of each plane, (N, C, 1, 1): `fastconv.global_avg_pool2d`."""

    def forward(self, x: Array) -> Array:
        """Return the means, (N, C, 1, 1)."""
        y = self.predict(x)
        self._kept = (checked_batch(x),)
        return y

    def predict(self, x: Array) -> Array:
        """Return the same, and keep nothing."""
        return global_avg_pool2d(checked_batch(x), backend=self._backend)

    def backward(self, grad_output: Array, *, needs_x: bool = True) -> Array | None:
        """Return ∂E/∂x: each plane's gradient in equal parts."""
        grad, (x,) = self._recall(grad_output)
        if not needs_x:
            return None
        with self._results:
            return global_avg_pool2d_backward(grad, x, backend=self._backend)
