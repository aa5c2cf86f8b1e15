"""The answer in float64, and how far a float32 answer is from it.

One kernel tap at a time: a tap sees a strided view of the padded image, and the sum over the
channels of a group is a matrix product. It shares no code with fastconv or the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems.data import Data
from benchmarks.problems.directions import RESULTS, Direction
from benchmarks.problems.layer import Layer

Array64 = NDArray[np.float64]

UNIT_ROUNDOFF = 2.0**-24  # of float32


@dataclass(frozen=True)
class Truth:
    """Exact-enough results of one problem, and the scale that their errors are measured in.

    `values` are the arrays of the direction, as `RESULTS` names them. `magnitudes` are the same
    sums over absolute values, Σ|w||x|+|b|, and `terms` how many values a sum has, the bias
    among them: whatever the order of summation, the error is at most ``(terms + 2)·u`` times
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
    arrays = {name: array.astype(np.float64) for name, array in vars(data).items()}
    wide = SimpleNamespace(**arrays)
    sizes = SimpleNamespace(**{name: np.abs(array) for name, array in arrays.items()})
    solvers = [SOLVERS[name] for name in RESULTS[direction]]
    return Truth(
        tuple(solver(layer, wide) for solver, _ in solvers),
        tuple(solver(layer, sizes) for solver, _ in solvers),
        tuple(terms(layer) for _, terms in solvers),
    )


def _output(layer: Layer, data: SimpleNamespace) -> Array64:
    n, k, p, q = layer.output_shape
    g = layer.groups
    y = np.zeros((n, g, k // g, p * q))
    weight = _grouped(layer, data.weight)
    for r, s, view in _taps(layer, _pad(layer, data.x)):
        y += weight[..., r, s] @ view.reshape(n, g, -1, p * q)
    return y.reshape(n, k, p, q) + data.bias[:, None, None]


def _input_grad(layer: Layer, data: SimpleNamespace) -> Array64:
    n, k, p, q = layer.output_shape
    g = layer.groups
    grad_padded = _pad(layer, np.zeros(layer.x_shape))
    grad_y = data.grad_output.reshape(n, g, k // g, p * q)
    weight = _grouped(layer, data.weight)
    for r, s, view in _taps(layer, grad_padded):
        view += (weight[..., r, s].swapaxes(-1, -2) @ grad_y).reshape(view.shape)
    top, left = layer.padding_size
    return grad_padded[:, :, top : top + layer.height, left : left + layer.width]


def _weight_grad(layer: Layer, data: SimpleNamespace) -> Array64:
    n, k, p, q = layer.output_shape
    g = layer.groups
    grad_weight = np.zeros(layer.weight_shape)
    grouped = _grouped(layer, grad_weight)
    grad_y = data.grad_output.reshape(n, g, k // g, p * q)
    for r, s, view in _taps(layer, _pad(layer, data.x)):
        columns = view.reshape(n, g, -1, p * q)
        grouped[..., r, s] = (grad_y @ columns.swapaxes(-1, -2)).sum(axis=0)
    return grad_weight


def _bias_grad(layer: Layer, data: SimpleNamespace) -> Array64:
    return data.grad_output.sum(axis=(0, 2, 3))


def _outputs_of_a_filter(layer: Layer) -> int:
    n, _, p, q = layer.output_shape
    return n * p * q


# Each array with how many terms are summed for one of its elements, at most.
SOLVERS: Mapping[
    str, tuple[Callable[[Layer, SimpleNamespace], Array64], Callable[[Layer], int]]
] = {
    "y": (_output, lambda layer: layer.products + 1),
    "grad_x": (
        _input_grad,
        lambda layer: layer.out_channels // layer.groups * prod(layer.kernel_size),
    ),
    "grad_weight": (_weight_grad, _outputs_of_a_filter),
    "grad_bias": (_bias_grad, _outputs_of_a_filter),
}


def _grouped(layer: Layer, weight: Array64) -> Array64:
    g = layer.groups
    return weight.reshape(g, layer.out_channels // g, -1, *layer.kernel_size)


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
