"""The two rungs below fastconv: the literal nested loops, and im2col as tutorials write it."""

from __future__ import annotations

import importlib

from benchmarks.contestants.base import Contestant, Run, one_array, wanted_gradients
from benchmarks.contestants.origins import FromRepository
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction, needs
from benchmarks.problems.layer import Layer


class Definition(FromRepository, Contestant):
    """A module of this repository with the signatures of fastconv."""

    def __init__(
        self, name: str, module: str, about: str, rough_gflops: float, *, plain_only: bool
    ) -> None:
        self.name = self.label = name
        self.module = module
        self.about = about
        self.rough_gflops = rough_gflops
        self.plain_only = plain_only

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        if self.plain_only and (layer.groups, layer.dilation) != (1, 1):
            return "neither groups nor dilation"
        if self.plain_only and not isinstance(layer.padding, int):
            return "only one padding for both axes"
        return None

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        module = importlib.import_module(self.module)
        kwargs = layer.conv_kwargs()
        if self.plain_only:
            kwargs = {name: kwargs[name] for name in ("stride", "padding")}
        if direction == "forward":
            return Run(lambda: module.conv2d(data.x, data.weight, data.bias, **kwargs), one_array)
        kwargs["needs"] = needs(direction)
        return Run(
            lambda: module.conv2d_backward(data.grad_output, data.x, data.weight, **kwargs),
            wanted_gradients,
        )


REFERENCE = Definition(
    "reference",
    "reference",
    "nested loops in plain Python, float64 sums: the definition",
    0.005,
    plain_only=False,
)
TUTORIAL = Definition(
    "tutorial",
    "reference.tutorial",
    "im2col and one matrix product, as tutorials write it",
    25.0,
    plain_only=True,
)
