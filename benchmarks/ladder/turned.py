"""The gradient of an image at stride 1 is a layer itself: of the gradient, with the kernel turned.

    ∂E/∂X[h] = Σᵣ W[r] · ∂E/∂Z[h - r]        an image padded by D·(R - 1) - P, filters and channels
                                             of a group in each other's place

So that whoever computes layers computes such gradients as well (STUDY.md, chapter 1).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.ladder.rung import Array, Call
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

__all__ = ["gradient", "refusal", "turned"]


def turned(layer: Layer, direction: Direction) -> Layer:
    """Return the layer whose output is what is asked for of this one."""
    if direction != "input-grad":
        return layer
    _, channels, height, width = layer.output_shape
    rows, columns = _padding(layer)
    return replace(
        layer, in_channels=channels, out_channels=layer.in_channels, height=height, width=width,
        padding=(rows, columns),
    )  # fmt: skip


def gradient(forward: Call) -> Call:
    """Return what computes the gradient of an image by what computes layers."""

    def call(layer: Layer, data: Data) -> Array:
        other = turned(layer, "input-grad")
        bias = np.zeros(other.out_channels, np.float32)
        return forward(other, Data(data.grad_output, _turned(layer, data.weight), bias, data.x))

    return call


def refusal(layer: Layer, direction: Direction) -> str | None:
    """Return why a gradient is no such layer."""
    if direction != "input-grad":
        return None
    if layer.strides != (1, 1):
        return "with a stride the gradient of the image is several layers, one for each phase"
    if min(_padding(layer)) < 0:
        return "the gradient reaches beyond the image by more than a kernel"
    return None


def _padding(layer: Layer) -> tuple[int, int]:
    rows, columns = (
        layer.dilation * (taps - 1) - padding
        for taps, padding in zip(layer.kernel_size, layer.padding_size, strict=True)
    )
    return rows, columns


def _turned(layer: Layer, weight: Array) -> Array:
    """Return weights [K][C/G][R][S] as [C][K/G][R][S], both axes of the kernel backwards."""
    groups = layer.groups
    k, c, *kernel = weight.shape
    by_group = weight.reshape(groups, k // groups, c, *kernel).swapaxes(1, 2)
    swapped = by_group.reshape(groups * c, k // groups, *kernel)
    return np.ascontiguousarray(swapped[:, :, ::-1, ::-1])
