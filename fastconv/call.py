"""Call: a problem, the backend that was chosen for it, and how to run it on arrays.

    shapes and options  →  ConvProblem  →  choose  →  Call  →  call(x, weight, bias, out)  →  y

Everything that depends on shapes and options alone is done once, when the Call is made; calls that
come again find theirs in a small cache, which holds no user's data.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .algorithms.backend import Backend, Run
from .operands import Array, check_out, is_prepared, prepare
from .problem import ConvProblem
from .registry import choose
from .threads import threads_for

__all__ = ["Call", "find_call", "is_plain"]


class Call:
    """A convolution ready to be called with the arrays that its problem describes."""

    __slots__ = ("_flops", "_given_4d", "_runs", "_shape", "_task", "backend", "problem")

    def __init__(self, problem: ConvProblem, backend: Backend, *, given_4d: bool) -> None:
        self.problem = problem
        self.backend = backend
        self._task = problem.unpadded
        self._flops = problem.flops
        self._given_4d = given_4d
        self._shape = problem.output_shape if given_4d else problem.output_shape[1:]
        self._runs: dict[int, Run] = {}

    def __call__(
        self, x: Array, weight: Array, packed: Array | None, bias: Array | None, out: Array | None
    ) -> Array:
        """Compute into `out`, or into a new array.

        Parameters
        ----------
        x, weight, bias
            Checked, but not yet prepared for a kernel.
        packed
            The weights as `pack` returns them, or None.
        out
            Not yet checked.
        """
        problem = self.problem
        if out is None:
            y = result = np.empty(self._shape, problem.dtype)
        else:
            check_out(out, self._shape, problem.dtype, x=x, weight=weight, bias=bias)
            result = out
            y = out if is_prepared(out) else np.empty(self._shape, problem.dtype)
        if problem.batch:
            threads = threads_for(self._flops)
            run = self._runs.get(threads)
            if run is None:
                run = self._runs[threads] = self.backend.forward(self._task, threads)
            image, whole = prepare(x), y
            if not self._given_4d:
                image, whole = image.reshape(problem.x_shape), y.reshape(problem.output_shape)
            if self._task is not problem:
                image = problem.pad(image)
            run(image, prepare(weight), packed, None if bias is None else prepare(bias), whole)
        if result is not y:
            result[...] = y
        return result

    def pack(self, weight: Array) -> Array | None:
        """Return weights as the backend reads them fastest; None if that is as they are."""
        pack = self.backend.pack
        return None if pack is None else pack(self._task, weight)


def find_call(*key: Any) -> Call:
    """Return the call for shapes and options, from the cache where they are plain enough.

    Parameters
    ----------
    key
        x_shape, weight_shape, bias_shape, dtype, stride, padding, dilation, groups, padding_mode,
        activation, backend.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.
    """
    # True and 1.0 would find what 1 has left in the cache, and so go unnoticed.
    if all(map(is_plain, key[4:])):
        return _cached_call(*key)
    return _make_call(*key)


def is_plain(option: object) -> bool:
    """Whether an option may be part of a key: nothing that equals another option but is not it."""
    kind = type(option)
    if kind is tuple:
        return all(map(is_plain, option))  # type: ignore[call-overload]
    return kind is int or kind is str or option is None


def _make_call(
    x_shape: tuple[int, ...], weight_shape: tuple[int, ...], bias_shape: tuple[int, ...] | None,
    dtype: np.dtype[Any], stride: Any, padding: Any, dilation: Any, groups: Any,
    padding_mode: Any, activation: Any, backend: str,
) -> Call:  # fmt: skip
    problem = ConvProblem.create(
        x_shape, weight_shape, bias_shape, dtype=dtype, stride=stride, padding=padding,
        dilation=dilation, groups=groups, padding_mode=padding_mode, activation=activation,
    )  # fmt: skip
    return Call(problem, choose(problem.unpadded, backend), given_4d=len(x_shape) == 4)


_cached_call = lru_cache(maxsize=256)(_make_call)
