"""Call: an operation of a problem, planned, and how to run it on arrays.

    shapes and options  →  problem  →  plan  →  Call  →  call(first, second, ...)  →  result

Everything that depends on shapes and options alone is done once; calls that come again find theirs
in a small cache, which holds no user's data. All operations go this way, and the transposed
convolution by the convolution that it transposes:

                     operation       first    second    result        its counterpart, transposed
    conv2d           forward         x        weight    y             dx, from dy
    dx               input-grad      dy       weight    dx            y, from x
    dw               weight-grad     dy       x         dw            dw, from x and dy
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from . import tuning
from .algorithms.implementation import Operation, Plan, Prediction, Run
from .levels import Level
from .machine import Machine
from .mending import mender
from .planning import check_name, plan
from .problem import ConvProblem, TransposedProblem
from .problem.operands import Array, check_out, is_prepared, prepare
from .problem.padding import pad_bytes
from .problem.slices import assign
from .remembering import forget_calls, remembered
from .results import empty
from .scratch import give_back, take
from .threads import threads_for

__all__ = [
    "Call",
    "Calls",
    "find_calls",
    "find_transposed",
    "forget_calls",
    "may_be_key",
    "remembered",
]


class Call:
    """One operation of one problem, ready to be called with the arrays it describes.

    Raises ValueError when it is made, where the backend that was asked for by name cannot do it.
    """

    def __init__(
        self, operation: Operation, problem: ConvProblem, backend: str, accuracy: Level, *,
        given_4d: bool, prepared: bool = False,
    ) -> None:  # fmt: skip
        self.operation = operation
        self.problem = problem
        self._backend = backend
        self._accuracy = accuracy
        self._prepared = prepared
        self._task = problem.unpadded
        self._flops = problem.flops
        x, weight, y = problem.x_shape, problem.weight_shape, problem.output_shape
        self._shapes = {
            "forward": (x, weight, y), "input-grad": (y, weight, x), "weight-grad": (y, x, weight),
        }[operation]  # fmt: skip
        self._given_4d = given_4d
        whole = self._shapes[2]
        self._shape = whole if given_4d or operation == "weight-grad" else whole[1:]
        self._mend = mender(operation, self._task)
        self._plans: dict[int, Plan] = {}
        self._runs: dict[int, tuple[Run, int]] = {}  # what of a plan every call needs
        self.plan()

    def plan(self) -> Plan:
        """Return the plan for as many threads as the call may use now."""
        return self._plan_for(threads_for(self._flops))

    def _plan_for(self, threads: int) -> Plan:
        found = self._plans.get(threads)
        if found is None:
            found = plan(
                self.operation, self._task, self._backend, threads, accuracy=self._accuracy,
                prepared=self._prepared,
            )  # fmt: skip
            # the run first: a thread that finds the plan shall find it
            self._runs[threads] = found.run, found.scratch_bytes
            self._plans[threads] = found
        return found

    def _run_for(self, threads: int) -> tuple[Run, int]:
        self._plan_for(threads)
        return self._runs[threads]

    @property
    def result_bytes(self) -> int:
        """Bytes of the result."""
        return math.prod(self._shape) * self.problem.dtype.itemsize

    def held_bytes(self) -> int:
        """Return what a call holds besides its operands and result, as they usually lie."""
        problem = self.problem
        if problem.is_empty:
            return 0
        scratch = self.plan().scratch_bytes
        if self._task is problem:
            return scratch
        itemsize = problem.dtype.itemsize
        padded = math.prod(self._task.x_shape) * itemsize
        if self.operation == "input-grad":
            return padded + scratch
        return padded + max(scratch, pad_bytes(problem.x_shape, problem.padding, itemsize))

    def predict(self, machine: Machine) -> Prediction:
        """Return how long the call is reckoned to take on a machine, by stage."""
        found = Prediction({"call": tuning.MODEL_CALLS * machine.call})
        if self.problem.is_empty:
            return found
        if self._task is not self.problem:
            size = 2 * math.prod(self._task.x_shape) * self.problem.dtype.itemsize
            found = Prediction({"pad": size / machine.bandwidth(size)}) + found
        return self.plan().predict(machine) + found

    def __call__(
        self, first: Array, second: Array, prepared: Array | None = None, bias: Array | None = None,
        out: Array | None = None,
    ) -> Array:  # fmt: skip
        """Compute into `out`, or into a new array.

        All that it takes is allocated before the first value is written.

        Parameters
        ----------
        first, second, bias
            Checked, but not yet prepared for a kernel.
        prepared
            The weights as the plan's `prepare` returns them, or None.
        out
            Not yet checked. Only what is computed from x and weight has one.
        """
        if out is not None:
            check_out(out, self._shape, self.problem.dtype, x=first, weight=second, bias=bias)
            return self.fill(out, first, second, prepared, bias)
        y = empty(self._shape, self.problem.dtype)
        self._fill(y, first, second, prepared, bias)
        return y

    def fill(
        self, out: Array, first: Array, second: Array, prepared: Array | None = None,
        bias: Array | None = None,
    ) -> Array:  # fmt: skip
        """Compute into an `out` that is known to take the result, and return it."""
        y = out if is_prepared(out) else np.empty(self._shape, self.problem.dtype)
        self._fill(y, first, second, prepared, bias)
        if out is not y:
            assign(out, y)
        return out

    def _fill(
        self, y: Array, first: Array, second: Array, prepared: Array | None, bias: Array | None
    ) -> None:
        if not self.problem.batch:
            if self.operation == "weight-grad":
                assign(y, 0)
            return
        first, second = prepare(first), prepare(second)
        threads = threads_for(self._flops)
        run, scratch_bytes = self._runs.get(threads) or self._run_for(threads)
        if bias is not None:
            bias = prepare(bias)
        if not self._given_4d:
            first, second, y = map(np.reshape, (first, second, y), self._shapes)
        target = y
        if self._task is not self.problem:
            if self.operation == "forward":
                first = self.problem.pad(first)
            elif self.operation == "weight-grad":
                second = self.problem.pad(second)
            else:
                target = np.empty(self._task.x_shape, self.problem.dtype)
        scratch = take(scratch_bytes) if scratch_bytes else None
        finite = run(first, second, prepared, bias, target, scratch)
        if not finite and self._mend is not None:
            self._mend(first, second, bias, target, threads)
        if scratch is not None:
            give_back(scratch)
        if target is not y:
            with np.errstate(all="ignore"):  # infinities and NaN flow through
                assign(y, self.problem.fold(target))


class Calls:
    """A problem's calls, each planned when it is first asked for."""

    def __init__(
        self, problem: ConvProblem, backend: str, accuracy: Level, *, given_4d: bool
    ) -> None:
        check_name(backend)
        self.problem = problem
        self._backend = backend
        self._accuracy = accuracy
        self._given_4d = given_4d

    def _make(self, operation: Operation, *, prepared: bool = False) -> Call:
        return Call(
            operation, self.problem, self._backend, self._accuracy, given_4d=self._given_4d,
            prepared=prepared,
        )  # fmt: skip

    @cached_property
    def forward(self) -> Call:
        """The call that fills y."""
        return self._make("forward")

    @cached_property
    def forward_prepared(self) -> Call:
        """The same for weights that its plan has prepared."""
        return self._make("forward", prepared=True)

    @cached_property
    def input_grad(self) -> Call:
        """The call that fills dx."""
        return self._make("input-grad")

    @cached_property
    def input_grad_prepared(self) -> Call:
        """The same for weights that its plan has prepared."""
        return self._make("input-grad", prepared=True)

    @cached_property
    def weight_grad(self) -> Call:
        """The call that fills dw."""
        return self._make("weight-grad")


def find_calls(*key: Any) -> Calls:
    """Return the calls for shapes and options, from the cache where they may be a key.

    Parameters
    ----------
    key
        x_shape, weight_shape, bias_shape, dtype, stride, padding, dilation, groups, padding_mode,
        activation, backend, accuracy.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.
    """
    # True and 1.0 would find what 1 has left in the cache, and so go unnoticed.
    return (_cached if may_be_key(key[4:]) else _make)(*key)


def find_transposed(*key: Any) -> Calls:
    """Return the calls of the convolution that a transposed convolution transposes.

    Parameters
    ----------
    key
        x_shape, weight_shape, bias_shape, dtype, stride, padding, output_padding, dilation, groups,
        backend, accuracy.

    Raises
    ------
    TypeError, ValueError
        As `conv_transpose2d`.
    """
    return (_cached_transposed if may_be_key(key[4:]) else _make_transposed)(*key)


def may_be_key(options: tuple[object, ...]) -> bool:
    """Whether options may be part of a key: nothing that equals another option but is not it."""
    kinds = set(map(type, options))
    if tuple not in kinds:
        return kinds <= _KINDS
    inner = (option for option in options if type(option) is tuple)
    return kinds - {tuple} <= _KINDS and all(map(may_be_key, inner))


_KINDS = frozenset({int, str, type(None)})


def _make(
    x_shape: tuple[int, ...], weight_shape: tuple[int, ...], bias_shape: tuple[int, ...] | None,
    dtype: np.dtype[Any], stride: Any, padding: Any, dilation: Any, groups: Any,
    padding_mode: Any, activation: Any, backend: str, accuracy: Level,
) -> Calls:  # fmt: skip
    problem = ConvProblem.create(
        x_shape, weight_shape, bias_shape, dtype=dtype, stride=stride, padding=padding,
        dilation=dilation, groups=groups, padding_mode=padding_mode, activation=activation,
    )  # fmt: skip
    return Calls(problem, backend, accuracy, given_4d=len(x_shape) == 4)


def _make_transposed(
    x_shape: tuple[int, ...], weight_shape: tuple[int, ...], bias_shape: tuple[int, ...] | None,
    dtype: np.dtype[Any], stride: Any, padding: Any, output_padding: Any, dilation: Any,
    groups: Any, backend: str, accuracy: Level,
) -> Calls:  # fmt: skip
    transposed = TransposedProblem.create(
        x_shape, weight_shape, bias_shape, dtype=dtype, stride=stride, padding=padding,
        output_padding=output_padding, dilation=dilation, groups=groups,
    )  # fmt: skip
    return Calls(transposed.convolution, backend, accuracy, given_4d=len(x_shape) == 4)


_cached = remembered(_make)
_cached_transposed = remembered(_make_transposed)
