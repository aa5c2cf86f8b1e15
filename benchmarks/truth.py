"""The answer in float64, and how far a float32 answer is from it.

One kernel tap at a time: a tap sees a strided view of the padded image, and the sum over the
channels of a group is a matrix product. It shares no code with fastconv or the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Data
from benchmarks.layers import Layer

Direction = Literal["forward", "backward"]
Array64 = NDArray[np.float64]

UNIT_ROUNDOFF = 2.0**-24  # of float32


@dataclass(frozen=True)
class Truth:
    """Exact-enough results of one problem, and the scale that their errors are measured in.

    `values` is (y,) forward and (grad_x, grad_weight, grad_bias) backward. `magnitudes` are
    the same sums over absolute values, Σ|w||x|+|b|, and `terms` how many values a sum has, the
    bias among them: whatever the order of summation, the error is at most ``(terms + 2)·u`` times
    the magnitude, to first order (Higham, Accuracy and Stability of Numerical Algorithms,
    chapter 3).
    """

    values: tuple[Array64, ...]
    magnitudes: tuple[Array64, ...]
    terms: tuple[int, ...]

    def error(self, results: tuple[NDArray[Any], ...]) -> tuple[float, float]:
        """Return error and bound in units of u·(Σ|w||x|+|b|), of the result nearest to it."""
        errors = [
            (_error(result, value, magnitude), terms + 2.0)
            for result, value, magnitude, terms in zip(
                results, self.values, self.magnitudes, self.terms, strict=True
            )
        ]
        return max(errors, key=lambda error: error[0] / error[1])

    def equals(self, results: tuple[NDArray[Any], ...]) -> bool:
        """Whether every result has exactly these values."""
        return all(
            np.array_equal(result, value)
            for result, value in zip(results, self.values, strict=True)
        )


def solve(layer: Layer, data: Data, direction: Direction) -> Truth:
    """Convolve in float64, once with the numbers themselves and once with their sizes."""
    solver = _forward if direction == "forward" else _backward
    arrays = {name: array.astype(np.float64) for name, array in vars(data).items()}
    sizes = {name: np.abs(array) for name, array in arrays.items()}
    n, k, p, q = layer.output_shape
    if direction == "forward":
        terms: tuple[int, ...] = (layer.products + 1,)
    else:
        filters = k // layer.groups * layer.weight_shape[2] * layer.weight_shape[3]
        terms = (filters, n * p * q, n * p * q)
    return Truth(solver(layer, **arrays), solver(layer, **sizes), terms)


def _forward(
    layer: Layer, x: Array64, weight: Array64, bias: Array64, grad_output: Array64
) -> tuple[Array64, ...]:
    n, k, p, q = layer.output_shape
    g = layer.groups
    y = np.zeros((n, g, k // g, p * q))
    grouped = weight.reshape(g, k // g, -1, *layer.kernel_size)
    for r, s, view in _taps(layer, _pad(layer, x)):
        y += grouped[..., r, s] @ view.reshape(n, g, -1, p * q)
    return (y.reshape(n, k, p, q) + bias[:, None, None],)


def _backward(
    layer: Layer, x: Array64, weight: Array64, bias: Array64, grad_output: Array64
) -> tuple[Array64, ...]:
    n, k, p, q = layer.output_shape
    g = layer.groups
    padded = _pad(layer, x)
    grad_padded = np.zeros_like(padded)
    grad_weight = np.zeros((g, k // g, layer.in_channels // g, *layer.kernel_size))
    grouped = weight.reshape(grad_weight.shape)
    grad_y = grad_output.reshape(n, g, k // g, p * q)
    taps = zip(_taps(layer, padded), _taps(layer, grad_padded), strict=True)
    for (r, s, view), (_, _, grad_view) in taps:
        columns = view.reshape(n, g, -1, p * q)
        grad_weight[..., r, s] = (grad_y @ columns.swapaxes(-1, -2)).sum(axis=0)
        grad_columns = grouped[..., r, s].swapaxes(-1, -2) @ grad_y
        grad_view += grad_columns.reshape(grad_view.shape)
    top, left = layer.padding_size
    grad_x = grad_padded[:, :, top : top + layer.height, left : left + layer.width]
    return grad_x, grad_weight.reshape(weight.shape), grad_output.sum(axis=(0, 2, 3))


def _pad(layer: Layer, x: Array64) -> Array64:
    rows, columns = layer.padding_size
    return np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)))


def _taps(layer: Layer, padded: Array64) -> Iterator[tuple[int, int, Array64]]:
    """Yield row, column and the view of the padded image that this tap meets at each output."""
    _, _, p, q = layer.output_shape
    for r, s in product(*map(range, layer.kernel_size)):
        top, left = r * layer.dilation, s * layer.dilation
        rows = slice(top, top + (p - 1) * layer.stride + 1, layer.stride)
        columns = slice(left, left + (q - 1) * layer.stride + 1, layer.stride)
        yield r, s, padded[:, :, rows, columns]


def _error(result: NDArray[Any], value: Array64, magnitude: Array64) -> float:
    if result.shape != value.shape:
        raise ValueError(f"result has shape {result.shape}, the truth {value.shape}")
    difference = np.abs(result - value)
    if not np.isfinite(difference).all():
        return float("inf")
    # Where nothing is summed the only right answer is zero: any difference is infinitely wrong.
    with np.errstate(divide="ignore", invalid="ignore"):
        units = difference / (UNIT_ROUNDOFF * magnitude)
    return float(np.where(difference == 0, 0.0, units).max())
