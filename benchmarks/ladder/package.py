"""The rungs that fastconv has: its public functions, one backend named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import fastconv
from benchmarks.contestants import internals
from benchmarks.contestants.base import wanted_gradients
from benchmarks.ladder.rung import Array, Call
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction, needs
from benchmarks.problems.layer import Layer

__all__ = ["calls", "refusal"]


def calls(backend: str) -> Mapping[Direction, Call]:
    """Return what computes each direction by a backend."""

    def options(layer: Layer) -> dict[str, Any]:
        return {**layer.conv_kwargs(), "backend": backend}

    def forward(layer: Layer, data: Data) -> Array:
        return fastconv.conv2d(data.x, data.weight, data.bias, **options(layer))

    def gradient(direction: Direction) -> Call:
        def call(layer: Layer, data: Data) -> Array:
            grads = fastconv.conv2d_backward(
                data.grad_output, data.x, data.weight, **options(layer), needs=needs(direction)
            )
            (wanted,) = wanted_gradients(grads)
            return wanted

        return call

    gradients: tuple[Direction, ...] = ("input-grad", "weight-grad")
    return {"forward": forward, **{direction: gradient(direction) for direction in gradients}}


def refusal(backend: str) -> Callable[[Layer, Direction], str | None]:
    """Return what says why a backend does not do a problem."""

    def why(layer: Layer, direction: Direction) -> str | None:
        if not internals.is_compiled():
            return "this installation has no compiled kernels"
        return internals.refusal(backend, layer, direction)

    return why
