"""fastconv's own backends, whichever are usable on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import fastconv
from benchmarks.contestants.base import Contestant, Run, one_array, only_forward, wanted_gradients
from benchmarks.data import Data
from benchmarks.directions import Direction, needs
from benchmarks.layers import Layer
from fastconv import registry
from fastconv.algorithms.backend import Backend
from fastconv.problem import ConvProblem
from fastconv.registry import choose, refusal, usable_backends

# Only what is far slower than the rest needs to be known, to cut its layers to size.
SLOW: Mapping[str, float] = {"loops_literal": 1.4, "loops_rows": 7.0, "loops": 8.0}
USUAL_GFLOPS = 150.0


# What the registry calls a direction, or the parts of it.
_PARTS: Mapping[Direction, tuple[registry.Direction, ...]] = {
    "forward": ("forward",),
    "input-grad": ("input-grad",),
    "weight-grad": ("weight-grad",),
    "step": ("input-grad", "weight-grad"),
}


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
        problem = problem_of(layer)
        reasons = (refusal(self.backend, problem, part) for part in _PARTS[direction])
        return next((reason for reason in reasons if reason is not None), None)

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        return _call(self.name, layer, direction, data)


class FastconvAuto(Contestant):
    """What a user calls who names no backend: measured as it is, choice included."""

    kind = "fastconv"
    name = "auto"
    label = "fastconv auto"
    about = "fastconv.conv2d and conv2d_backward, by the backends that fit the problem best"
    rough_gflops = USUAL_GFLOPS

    def __init__(self) -> None:
        self.slack, self.sums_exactly = _worst_growth()

    def version(self) -> str:
        return str(fastconv.__version__)

    def set_threads(self, threads: int) -> None:
        fastconv.set_num_threads(threads)

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        return None

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        return _call(self.name, layer, direction, data)


class FastconvPlan(Contestant):
    """The backend that `auto` takes, with the weights packed ahead."""

    kind = "fastconv"
    name = "plan"
    label = "fastconv plan"
    about = "fastconv.plan_conv2d: the backend that auto takes, weights packed before the calls"
    rough_gflops = USUAL_GFLOPS
    prepacks = True

    def __init__(self) -> None:
        self.slack, self.sums_exactly = _worst_growth()

    def version(self) -> str:
        return str(fastconv.__version__)

    def set_threads(self, threads: int) -> None:
        fastconv.set_num_threads(threads)

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        return only_forward(direction)

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        plan = fastconv.plan_conv2d(data.weight, data.bias, **layer.conv_kwargs())
        return Run(lambda: plan(data.x), one_array)

    def small_calls(self, layer: Layer, data: Data, threads: int) -> dict[str, Callable[[], Any]]:
        """Return the ways to call fastconv, beside the allocation that most of them contain."""
        x, weight, bias, kwargs = data.x, data.weight, data.bias, layer.conv_kwargs()
        plan = fastconv.plan_conv2d(weight, bias, **kwargs)
        shape = layer.output_shape
        out = np.empty(shape, np.float32)
        return {
            "fastconv.conv2d": lambda: fastconv.conv2d(x, weight, bias, **kwargs),
            "fastconv plan": lambda: plan(x),
            "fastconv plan, out=": lambda: plan(x, out=out),
            "np.empty alone": lambda: np.empty(shape, np.float32),
        }


def fastconv_backends() -> list[Contestant]:
    return [FastconvBackend(backend) for backend in usable_backends()]


def problem_of(layer: Layer) -> ConvProblem:
    return ConvProblem.create(
        layer.x_shape, layer.weight_shape, (layer.out_channels,), **layer.conv_kwargs()
    )


def chosen(layer: Layer, direction: Direction) -> str:
    """Return the contestant that runs what ``backend="auto"`` takes.

    The gradients of a step may each have another backend, so that no single one runs them all.
    """
    if direction == "step":
        return FastconvAuto.name
    return choose(problem_of(layer), "auto", _PARTS[direction][0]).name


def scratch_bytes(layer: Layer, threads: int) -> dict[str, int]:
    """Return what each backend that can do the layer holds besides operands and result."""
    problem = problem_of(layer)
    return {
        backend.name: backend.scratch_bytes(problem.unpadded, threads)
        for backend in usable_backends()
        if refusal(backend, problem) is None
    }


def _call(backend: str, layer: Layer, direction: Direction, data: Data) -> Run:
    kwargs = {**layer.conv_kwargs(), "backend": backend}
    if direction == "forward":
        return Run(lambda: fastconv.conv2d(data.x, data.weight, data.bias, **kwargs), one_array)
    kwargs["needs"] = needs(direction)
    return Run(
        lambda: fastconv.conv2d_backward(data.grad_output, data.x, data.weight, **kwargs),
        wanted_gradients,
    )


def _worst_growth() -> tuple[float, bool]:
    """Return slack and exactness of whichever backend may be chosen."""
    growth = max(backend.error_growth for backend in usable_backends())
    return growth, growth == 1
