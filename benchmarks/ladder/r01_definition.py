"""The definition: seven loops in Python, one product at a time."""

from __future__ import annotations

import reference
from benchmarks.ladder.rates import Rates
from benchmarks.ladder.rung import Array, Rung
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer


def forward(layer: Layer, data: Data) -> Array:
    return reference.conv2d(data.x, data.weight, data.bias, **layer.conv_kwargs())


def input_grad(layer: Layer, data: Data) -> Array:
    wanted = (True, False, False)
    grads = reference.conv2d_backward(
        data.grad_output, data.x, data.weight, **layer.conv_kwargs(), needs=wanted
    )
    assert grads.x is not None
    return grads.x


def weight_grad(layer: Layer, data: Data) -> Array:
    wanted = (False, True, False)
    grads = reference.conv2d_backward(
        data.grad_output, data.x, data.weight, **layer.conv_kwargs(), needs=wanted
    )
    assert grads.weight is not None
    return grads.weight


def seconds(layer: Layer, direction: Direction, rates: Rates) -> float:
    """Return one interpreted product after another."""
    return layer.flops / 2 * rates.of("interpreted product")


RUNG = Rung(
    name="definition",
    changed="seven nested loops in Python",
    went="nothing yet: it is there to be right",
    calls={"forward": forward, "input-grad": input_grad, "weight-grad": weight_grad},
    seconds=seconds,
    rough_gflops=0.005,
)
