"""fastconv, as its users call it: by itself, by a plan, by each backend that is usable here.

And by itself once more, as the control.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import fastconv
from benchmarks.contestants import internals
from benchmarks.contestants.base import (
    AUTO,
    Contestant,
    Run,
    one_array,
    only_forward,
    wanted_gradients,
)
from benchmarks.contestants.origins import FromFastconv
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction, needs
from benchmarks.problems.layer import Layer

# Only what is far slower than the rest needs to be known, to cut its layers to size.
SLOW: Mapping[str, float] = {"loops_literal": 1.4, "loops_rows": 7.0, "loops": 8.0}
USUAL_GFLOPS = 150.0


class FastconvBackend(FromFastconv, Contestant):
    """One backend of the registry."""

    def __init__(self, backend: internals.Backend) -> None:
        self.name = backend.name
        self.label = f"fastconv {backend.name}"
        self.about = backend.summary
        self.rough_gflops = SLOW.get(backend.name, USUAL_GFLOPS)

    def promise(self, layer: Layer, direction: Direction) -> tuple[float, bool]:
        return internals.promise(self.name, layer, direction)

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        return internals.refusal(self.name, layer, direction)

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        return _call(self.name, layer, direction, data)


class FastconvAuto(FromFastconv, Contestant):
    """What a user calls who names no backend: measured as it is, choice included."""

    name = AUTO
    label = "fastconv auto"
    about = "fastconv.conv2d and conv2d_backward, by the backends that fit the problem best"
    rough_gflops = USUAL_GFLOPS

    def promise(self, layer: Layer, direction: Direction) -> tuple[float, bool]:
        return internals.promise(AUTO, layer, direction)

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        return None

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        return _call(AUTO, layer, direction, data)


class FastconvAgain(FastconvAuto):
    """The control: what `FastconvAuto` calls, in a process of its own that takes its own turns."""

    kind = "control"
    name = "auto-again"
    label = "fastconv auto, again"
    about = "the same calls as fastconv auto: what their times differ by is the noise of a run"


class FastconvKernel(FastconvBackend):
    """One kernel by its own name, as inaccurate as it may be: for who compares kernels alone."""

    def promise(self, layer: Layer, direction: Direction) -> tuple[float, bool]:
        return internals.promise(self.name, layer, direction, level="fast")

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        return internals.refusal(self.name, layer, direction, "fast")

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        return _call(self.name, layer, direction, data, accuracy="fast")


class FastconvLevel(FastconvAuto):
    """What `FastconvAuto` calls, at a level of accuracy that is named."""

    def __init__(self, level: internals.Level) -> None:
        self.level: internals.Level = level
        self.name = f"auto-{level}"
        self.label = f"fastconv {level}"
        self.about = f"fastconv.conv2d and conv2d_backward with accuracy={level!r}"

    def promise(self, layer: Layer, direction: Direction) -> tuple[float, bool]:
        return internals.promise(AUTO, layer, direction, level=self.level)

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        return _call(AUTO, layer, direction, data, accuracy=self.level)


class FastconvPlan(FromFastconv, Contestant):
    """The backend that `auto` takes, with the weights packed ahead."""

    name = "plan"
    label = "fastconv plan"
    about = "fastconv.plan_conv2d: the backend that auto takes, weights packed before the calls"
    rough_gflops = USUAL_GFLOPS
    prepacks = True

    def promise(self, layer: Layer, direction: Direction) -> tuple[float, bool]:
        return internals.promise(AUTO, layer, direction, prepared=True)

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
    """Return a contestant for each backend, in order of choice."""
    return [FastconvBackend(backend) for backend in internals.backends()]


def fastconv_by_name() -> list[Contestant]:
    """Return those whom only a study asks for: each kernel, and each level of accuracy."""
    kernels = [FastconvKernel(kernel) for kernel in internals.kernels()]
    return [*kernels, FastconvLevel("strict"), FastconvLevel("fast")]


def chosen(layer: Layer, direction: Direction) -> str:
    """Return the contestant that runs what ``backend="auto"`` takes.

    The gradients of a step may each have another backend, so that no single one runs them all.
    """
    choices = internals.choices(layer, direction)
    return choices[0] if len(choices) == 1 else FastconvAuto.name


def _call(
    backend: str, layer: Layer, direction: Direction, data: Data,
    accuracy: internals.Level | None = None,
) -> Run:  # fmt: skip
    kwargs = {**layer.conv_kwargs(), "backend": backend, "accuracy": accuracy}
    if direction == "forward":
        return Run(lambda: fastconv.conv2d(data.x, data.weight, data.bias, **kwargs), one_array)
    kwargs["needs"] = needs(direction)
    return Run(
        lambda: fastconv.conv2d_backward(data.grad_output, data.x, data.weight, **kwargs),
        wanted_gradients,
    )
