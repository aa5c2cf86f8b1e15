"""PoolCall: a pooling planned, and how to run it on arrays; what call.py is to the convolutions.

                    operation            first    x      taps       result
max_pool2d          max-pool             x                          y
  and the taps      max-pool-taps        x               written    y
its backward        max-pool-grad        dy       x                 dx
  by the taps       max-pool-taps-grad   dy              read       dx
avg_pool2d          avg-pool             x                          y
its backward        avg-pool-grad        dy                         dx
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from .algorithms.pooling import PoolOperation, PoolPlan, check_pool_backend, plan_pool
from .call import may_be_key, remembered
from .problem import PoolProblem
from .problem.operands import Array, check_out, is_prepared, prepare
from .problem.slices import assign
from .results import empty
from .scratch import give_back, take
from .threads import threads_for

__all__ = [
    "PoolCall",
    "PoolCalls",
    "find_global_pool_calls",
    "find_pool_calls",
]


class PoolCall:
    """One operation of one problem, ready to be called with the arrays it describes."""

    def __init__(
        self, operation: PoolOperation, problem: PoolProblem, backend: str, *, given_4d: bool
    ) -> None:
        self._operation = operation
        self._problem = problem
        self._backend = backend
        x, y = problem.x_shape, problem.output_shape
        self._whole = x if operation.endswith("grad") else y
        self._shape = self._whole if given_4d else self._whole[1:]
        self._plans: dict[int, PoolPlan] = {}

    def plan(self) -> PoolPlan:
        """Return the plan for as many threads as the call may use now."""
        threads = threads_for(self._problem.work)
        found = self._plans.get(threads)
        if found is None:
            found = plan_pool(self._operation, self._problem, self._backend, threads)
            self._plans[threads] = found
        return found

    def __call__(
        self, first: Array, x: Array | None, out: Array | None, taps: Array | None = None
    ) -> Array:
        """Compute into `out`, or into a new array.

        All that it takes is allocated before the first value is written.

        Parameters
        ----------
        first, x
            Checked, but not yet prepared for a kernel; x where an operation reads both.
        out
            Not yet checked.
        taps
            An array of our own that is filled in; or, of a gradient, checked.
        """
        problem = self._problem
        operation = self._operation
        plan = self.plan()
        if out is None:
            y = result = empty(self._shape, problem.dtype)
        else:
            if operation.endswith("grad"):
                check_out(out, self._shape, problem.dtype, grad_output=first, x=x, taps=taps)
            else:
                check_out(out, self._shape, problem.dtype, x=first)
            result = out
            in_place = plan.writes_last and is_prepared(out)
            y = out if in_place else np.empty(self._shape, problem.dtype)
        if problem.batch:
            x = None if x is None else prepare(x)
            taps = None if taps is None else prepare(taps)
            scratch = take(plan.scratch_bytes) if plan.scratch_bytes else None
            plan.run(prepare(first), x, taps, y, scratch)
            if scratch is not None:
                give_back(scratch)
        if result is not y:
            assign(result, y)
        return result


class PoolCalls:
    """A problem's calls, each made when it is first asked for."""

    def __init__(self, problem: PoolProblem, backend: str, *, given_4d: bool) -> None:
        check_pool_backend(backend)
        self.problem = problem
        self._backend = backend
        self._given_4d = given_4d

    def _make(self, operation: PoolOperation) -> PoolCall:
        return PoolCall(operation, self.problem, self._backend, given_4d=self._given_4d)

    @cached_property
    def max(self) -> PoolCall:
        """The call that fills y with maxima."""
        return self._make("max-pool")

    @cached_property
    def max_grad(self) -> PoolCall:
        """The call that fills dx, where y was maxima."""
        return self._make("max-pool-grad")

    @cached_property
    def max_taps(self) -> PoolCall:
        """The call that fills y with maxima, and an array with their taps."""
        return self._make("max-pool-taps")

    @cached_property
    def max_taps_grad(self) -> PoolCall:
        """The call that fills dx, where y was maxima whose taps are known."""
        return self._make("max-pool-taps-grad")

    @cached_property
    def avg(self) -> PoolCall:
        """The call that fills y with averages."""
        return self._make("avg-pool")

    @cached_property
    def avg_grad(self) -> PoolCall:
        """The call that fills dx, where y was averages."""
        return self._make("avg-pool-grad")


def find_pool_calls(*key: Any) -> PoolCalls:
    """Return the calls for shapes and options, from the cache where they may be a key.

    Parameters
    ----------
    key
        x_shape, dtype, kernel, stride, padding, dilation, ceil_mode, count_include_pad, backend.

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d`.
    """
    options, flags = (*key[2:6], *key[8:]), key[6:8]
    findable = may_be_key(options) and all(type(flag) is bool for flag in flags)
    return (_cached if findable else _make)(*key)


def find_global_pool_calls(
    x_shape: tuple[int, ...], dtype: np.dtype[Any], backend: str
) -> PoolCalls:
    """Return the calls of a pooling of whole planes."""
    return (_cached_global if type(backend) is str else _make_global)(x_shape, dtype, backend)


def _make(
    x_shape: tuple[int, ...], dtype: np.dtype[Any], kernel: Any, stride: Any, padding: Any,
    dilation: Any, ceil_mode: Any, count_include_pad: Any, backend: str,
) -> PoolCalls:  # fmt: skip
    problem = PoolProblem.create(
        x_shape, kernel, dtype=dtype, stride=stride, padding=padding, dilation=dilation,
        ceil_mode=ceil_mode, count_include_pad=count_include_pad,
    )  # fmt: skip
    return PoolCalls(problem, backend, given_4d=len(x_shape) == 4)


def _make_global(x_shape: tuple[int, ...], dtype: np.dtype[Any], backend: str) -> PoolCalls:
    problem = PoolProblem.create_global(x_shape, dtype=dtype)
    return PoolCalls(problem, backend, given_4d=len(x_shape) == 4)


_cached = remembered(_make)
_cached_global = remembered(_make_global)
