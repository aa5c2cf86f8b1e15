"""im2col as tutorials write it: index arrays gather every window, one product does the work."""

from __future__ import annotations

from typing import Any

from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import Array, Rung
from benchmarks.ladder.windows import column_values
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from reference import tutorial


def forward(layer: Layer, data: Data) -> Array:
    return tutorial.conv2d(data.x, data.weight, data.bias, **_options(layer))


def input_grad(layer: Layer, data: Data) -> Array:
    grads = tutorial.conv2d_backward(
        data.grad_output, data.x, data.weight, **_options(layer), needs=(True, False, False)
    )
    assert grads.x is not None
    return grads.x


def weight_grad(layer: Layer, data: Data) -> Array:
    grads = tutorial.conv2d_backward(
        data.grad_output, data.x, data.weight, **_options(layer), needs=(False, True, False)
    )
    assert grads.weight is not None
    return grads.weight


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    """Return the gathering (or scattering) of all columns by index, and the product."""
    by_index = rates.of("scattered value" if direction == "input-grad" else "gathered value")
    return column_values(layer) * by_index + rates.product_seconds(layer.flops)


def refusal(layer: Layer, direction: Direction) -> str | None:
    if (layer.groups, layer.dilation) != (1, 1):
        return "the tutorial has neither groups nor dilation"
    if not isinstance(layer.padding, int):
        return "the tutorial has one padding for both axes"
    return None


def _options(layer: Layer) -> dict[str, Any]:
    return {"stride": layer.stride, "padding": layer.padding}


RUNG = Rung(
    name="index im2col",
    changed="every window gathered by index arrays, then one matrix product",
    went="the interpreter",
    calls={"forward": forward, "input-grad": input_grad, "weight-grad": weight_grad},
    seconds=seconds,
    rough_gflops=10.0,
    refusal=refusal,
)
