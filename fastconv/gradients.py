"""Gradients: a convolution's problem, and how to run what its gradients are made of.

    shapes and options  →  ConvProblem  →  choose, for each gradient  →  run(grad, ...)

The counterpart of call.py, for conv2d_backward and the transposed convolution: what depends on
shapes and options alone is done once, and found again in a small cache that holds no user's data.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .algorithms.backend import Run, WeightRun
from .call import is_plain
from .problem import ConvProblem
from .registry import check_name, choose
from .threads import threads_for
from .transposed import TransposedProblem

__all__ = ["Gradients", "find_gradients", "find_transposed"]


class Gradients:
    """The gradients of one problem by one backend, or by "auto" the best for each.

    Every method chooses at its first call, and raises ValueError where the backend that was asked
    for by name cannot do it.
    """

    __slots__ = ("_backend", "_runs", "problem", "task")

    def __init__(self, problem: ConvProblem, backend: str) -> None:
        check_name(backend)
        self.problem = problem
        self.task = problem.unpadded
        self._backend = backend
        self._runs: dict[tuple[str, int], Any] = {}

    def forward(self) -> Run:
        """Return the function that fills y, whose gradient a transposed convolution starts from."""
        return self._find("forward")

    def input_grad(self) -> Run:
        """Return the function that fills dx."""
        return self._find("input-grad")

    def weight_grad(self) -> WeightRun:
        """Return the function that fills dw."""
        return self._find("weight-grad")

    def _find(self, direction: Any) -> Any:
        threads = threads_for(self.problem.flops)
        run = self._runs.get((direction, threads))
        if run is None:
            chosen = choose(self.task, self._backend, direction)
            make: Any = {
                "forward": chosen.forward,
                "input-grad": chosen.input_grad,
                "weight-grad": chosen.weight_grad,
            }[direction]
            if self.problem.is_empty:
                return None  # there is nothing to run
            run = self._runs[direction, threads] = make(self.task, threads)
        return run


def find_gradients(*key: Any) -> Gradients:
    """Return the gradients for shapes and options, from the cache where they are plain enough.

    Parameters
    ----------
    key
        x_shape, weight_shape, dtype, stride, padding, dilation, groups, padding_mode, activation,
        backend.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.
    """
    return (_cached if all(map(is_plain, key[3:])) else _make)(*key)


def find_transposed(*key: Any) -> tuple[TransposedProblem, Gradients]:
    """Return a transposed convolution, and the gradients of the convolution that it transposes.

    Parameters
    ----------
    key
        x_shape, weight_shape, bias_shape, dtype, stride, padding, output_padding, dilation, groups,
        backend.

    Raises
    ------
    TypeError, ValueError
        As `conv_transpose2d`.
    """
    return (_cached_transposed if all(map(is_plain, key[4:])) else _make_transposed)(*key)


def _make(
    x_shape: tuple[int, ...], weight_shape: tuple[int, ...], dtype: np.dtype[Any], stride: Any,
    padding: Any, dilation: Any, groups: Any, padding_mode: Any, activation: Any, backend: str,
) -> Gradients:  # fmt: skip
    problem = ConvProblem.create(
        x_shape, weight_shape, dtype=dtype, stride=stride, padding=padding, dilation=dilation,
        groups=groups, padding_mode=padding_mode, activation=activation,
    )  # fmt: skip
    return Gradients(problem, backend)


def _make_transposed(
    x_shape: tuple[int, ...], weight_shape: tuple[int, ...], bias_shape: tuple[int, ...] | None,
    dtype: np.dtype[Any], stride: Any, padding: Any, output_padding: Any, dilation: Any,
    groups: Any, backend: str,
) -> tuple[TransposedProblem, Gradients]:  # fmt: skip
    problem = TransposedProblem.create(
        x_shape, weight_shape, bias_shape, dtype=dtype, stride=stride, padding=padding,
        output_padding=output_padding, dilation=dilation, groups=groups,
    )  # fmt: skip
    return problem, Gradients(problem.convolution, backend)


_cached = lru_cache(maxsize=256)(_make)
_cached_transposed = lru_cache(maxsize=256)(_make_transposed)
