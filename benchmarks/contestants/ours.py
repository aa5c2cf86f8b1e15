"""fastconv's own backends, whichever are usable on this machine."""

from __future__ import annotations

from collections.abc import Mapping

import fastconv
from benchmarks.contestants.base import Contestant, Run, one_array, only_forward
from benchmarks.data import Data
from benchmarks.layers import Layer
from benchmarks.truth import Direction
from fastconv.algorithms.backend import Backend
from fastconv.problem import ConvProblem
from fastconv.registry import refusal, usable_backends

# Only what is far slower than the rest needs to be known, to cut its layers to size.
SLOW: Mapping[str, float] = {"loops_literal": 1.4, "loops_rows": 7.0, "loops": 8.0}
USUAL_GFLOPS = 150.0


class FastconvBackend(Contestant):
    """One backend of the registry."""

    kind = "fastconv"

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.name = backend.name
        self.label = f"fastconv {backend.name}"
        self.about = backend.summary
        self.rough_gflops = SLOW.get(backend.name, USUAL_GFLOPS)
        self.slack = backend.error_growth
        self.sums_exactly = backend.error_growth == 1

    def version(self) -> str:
        return str(fastconv.__version__)

    def set_threads(self, threads: int) -> None:
        fastconv.set_num_threads(threads)

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        problem = ConvProblem.create(
            layer.x_shape, layer.weight_shape, (layer.out_channels,), **layer.conv_kwargs()
        )
        return refusal(self.backend, problem, direction)

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        kwargs = layer.conv_kwargs()
        if direction == "forward":
            return Run(
                lambda: fastconv.conv2d(
                    data.x, data.weight, data.bias, backend=self.name, **kwargs
                ),
                one_array,
            )
        return Run(
            lambda: fastconv.conv2d_backward(
                data.grad_output, data.x, data.weight, backend=self.name, **kwargs
            ),
            lambda grads: (grads.x, grads.weight, grads.bias),
        )


class FastconvPlan(Contestant):
    """The backend that `auto` takes, with the weights packed ahead."""

    kind = "fastconv"
    name = "plan"
    label = "fastconv plan"
    about = "fastconv.plan_conv2d: the backend that auto takes, weights packed before the calls"
    rough_gflops = USUAL_GFLOPS
    prepacks = True

    def __init__(self) -> None:
        growth = max(backend.error_growth for backend in usable_backends())
        self.slack, self.sums_exactly = growth, growth == 1

    def version(self) -> str:
        return str(fastconv.__version__)

    def set_threads(self, threads: int) -> None:
        fastconv.set_num_threads(threads)

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        return only_forward(direction)

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        plan = fastconv.plan_conv2d(data.weight, data.bias, **layer.conv_kwargs())
        return Run(lambda: plan(data.x), one_array)


def fastconv_backends() -> list[Contestant]:
    return [FastconvBackend(backend) for backend in usable_backends()]
