"""The reference's sums in float64, a tap at a time by NumPy: twenty times as fast as its loops.

A case is asked for often: of integers, of random data in both dtypes, of absolute values, of what
is not finite. The loops of `reference` say what integers come to, and that the sums here are the
same to the last bit (tests/fastconv/test_by_taps.py); what else a case comes to is computed here.
Sizes and positions are the reference's. Of a tap (r, s) let `out` be the outputs that see a pixel
by it, and `seen` these pixels::

    Z[out] += W[r, s] · X[seen]        sums by output: the forward pass
    X[seen] += W[r, s] · Z[out]        by pixel: the gradient of the image
    W[r, s] = Z[out] · X[seen]         by weight: the gradient of the weights
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reference import Conv2dGrads
from reference.activation import activate, derivative
from reference.geometry import Axis, Layer, layer_sizes
from reference.padding_modes import source_of
from reference.transposed_geometry import transposed_layer_sizes

Array = npt.NDArray[Any]
Option = Any
ALL = (True, True, True)


class Taps(NamedTuple):
    """A layer, and by which mode its padding is filled."""

    layer: Layer
    mode: str = "zeros"

    @property
    def groups(self) -> int:
        """Into how many the channels are cut."""
        return self.layer.channels // self.layer.channels_per_group

    def split(self, array: Array) -> Array:
        """Return an array of images with an axis of groups before that of the channels."""
        return array.reshape(len(array), self.groups, -1, *array.shape[2:])

    def __iter__(self) -> Iterator[tuple[Any, Any, Any]]:  # type: ignore[override]
        """Yield where each tap is in the weights, and which outputs see which pixels by it."""
        for r in range(self.layer.rows.kernel):
            i, h = self._seen(self.layer.rows, r)
            for s in range(self.layer.columns.kernel):
                j, w = self._seen(self.layer.columns, s)
                yield np.s_[..., r, s], np.s_[..., i[:, None], j], np.s_[..., h[:, None], w]

    def _seen(self, axis: Axis, tap: int) -> tuple[Array, Array]:
        source = source_of(self.mode)
        positions = (i * axis.stride + tap * axis.dilation - axis.before for i in range(axis.out))
        read = [
            (i, at) for i, p in enumerate(positions) if (at := source(p, axis.size)) is not None
        ]
        outputs, pixels = zip(*read, strict=True) if read else ((), ())
        return np.array(outputs, int), np.array(pixels, int)

    def outputs(self, x: Array, weight: Array) -> Array:
        """Return the sums by output, (N, K, OH, OW)."""
        layer = self.layer
        z = np.zeros((len(x), layer.filters, layer.rows.out, layer.columns.out))
        z_groups, x_groups = self.split(z), self.split(x)
        w_groups = weight.reshape(self.groups, -1, *weight.shape[1:])
        for tap, out, seen in self:
            z_groups[out] += np.einsum("gkc,ngchw->ngkhw", w_groups[tap], x_groups[seen])
        return z

    def pixels(self, z: Array, weight: Array) -> Array:
        """Return the sums by pixel, (N, C, H, W)."""
        layer = self.layer
        x = np.zeros((len(z), layer.channels, layer.rows.size, layer.columns.size))
        x_groups, z_groups = self.split(x), self.split(z)
        w_groups = weight.reshape(self.groups, -1, *weight.shape[1:])
        for tap, out, seen in self:  # one pixel may fill several places of the padding
            np.add.at(x_groups, seen, np.einsum("gkc,ngkij->ngcij", w_groups[tap], z_groups[out]))
        return x

    def weights(self, z: Array, x: Array) -> Array:
        """Return the sums by weight, (K, C/groups, R, S)."""
        layer = self.layer
        kernel = layer.rows.kernel, layer.columns.kernel
        w = np.zeros((layer.filters, layer.channels_per_group, *kernel))
        w_groups = w.reshape(self.groups, -1, *w.shape[1:])
        z_groups, x_groups = self.split(z), self.split(x)
        for tap, out, seen in self:
            w_groups[tap] = np.einsum("ngkij,ngcij->gkc", z_groups[out], x_groups[seen])
        return w


def _taps(
    x: Array, weight: Array, stride: Option = 1, padding: Option = 0, dilation: Option = 1,
    groups: int = 1, padding_mode: str = "zeros",
) -> Taps:  # fmt: skip
    layer = layer_sizes(x.shape, weight.shape, stride, padding, dilation, groups)
    return Taps(layer, padding_mode)


def _transposed_taps(
    x: Array, weight: Array, stride: Option = 1, padding: Option = 0, dilation: Option = 1,
    groups: int = 1, output_padding: Option = 0,
) -> Taps:  # fmt: skip
    return Taps(
        transposed_layer_sizes(
            x.shape, weight.shape, stride, padding, output_padding, dilation, groups
        )
    )


def _batch(array: Array) -> Array:
    return array.reshape(-1, *array.shape[-3:])


def _with_bias(y: Array, bias: Array | None, like: Array) -> Array:
    """Return outputs and their bias, with a batch if the image has one."""
    y = y if bias is None else y + bias[:, None, None]
    return y.reshape(*like.shape[:-3], *y.shape[1:])


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, *, activation: str | None = None,
    **options: Option,
) -> Array:  # fmt: skip
    """Compute what `reference.conv2d` does, of float64."""
    images = _batch(x)
    y = _with_bias(_taps(images, weight, **options).outputs(images, weight), bias, x)
    return y if activation is None else np.vectorize(activate)(y, activation)


def conv2d_backward(
    grad: Array, x: Array, weight: Array, *, activation: str | None = None,
    output: Array | None = None, needs: tuple[bool, bool, bool] = ALL, **options: Option,
) -> Conv2dGrads:  # fmt: skip
    """Compute what `reference.conv2d_backward` does, of float64."""
    if activation is not None:
        grad = grad * np.vectorize(derivative)(output, activation)
    images, dz = _batch(x), _batch(grad)
    taps = _taps(images, weight, **options)
    return Conv2dGrads(
        taps.pixels(dz, weight).reshape(x.shape) if needs[0] else None,
        taps.weights(dz, images) if needs[1] else None,
        dz.sum(axis=(0, 2, 3)) if needs[2] else None,
    )


def conv_transpose2d(
    x: Array, weight: Array, bias: Array | None = None, **options: Option
) -> Array:
    """Compute what `reference.conv_transpose2d` does, of float64."""
    images = _batch(x)
    y = _transposed_taps(images, weight, **options).pixels(images, weight)
    return _with_bias(y, bias, x)


def conv_transpose2d_backward(
    grad: Array, x: Array, weight: Array, **options: Option
) -> Conv2dGrads:
    """Compute what `reference.conv_transpose2d_backward` does, of float64."""
    images, dy = _batch(x), _batch(grad)
    taps = _transposed_taps(images, weight, **options)
    return Conv2dGrads(
        taps.outputs(dy, weight).reshape(x.shape),
        taps.weights(images, dy),
        dy.sum(axis=(0, 2, 3)),
    )
