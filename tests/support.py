"""What the tests of several files share: problems, data, and what they know of fastconv inside.

What is no part of fastconv's interface, tests of more than one file reach through this one.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache
from typing import Any, Protocol
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest

import fastconv
import reference
from benchmarks.problems.layers import LAYERS
from fastconv import call, planning, tuning
from fastconv.algorithms.implementation import Accuracy, Operation, Plan
from fastconv.threads import threads_for
from tests import by_taps

Array = npt.NDArray[Any]

DTYPES = ("float32", "float64")

# The naive reference does a few million products a second; all that the tests compare is a few
# hundred small problems.
REFERENCE_FLOPS = 200_000


@dataclass(frozen=True)
class Case:
    """One convolution, named for what is particular about it."""

    name: str
    x_shape: tuple[int, ...]
    weight_shape: tuple[int, int, int, int]
    options: dict[str, Any] = field(default_factory=dict)
    bias: bool = True

    def __hash__(self) -> int:
        return hash(self.name)

    @cached_property
    def problem(self) -> fastconv.ConvProblem:
        """Its shapes and options, checked."""
        return fastconv.ConvProblem.create(self.x_shape, self.weight_shape, **self.options)

    @property
    def task(self) -> fastconv.ConvProblem:
        """What the backends are asked to compute for it."""
        return self.problem.unpadded


class AnyCase(Protocol):
    """A convolution, or a transposed one."""

    name: str

    @property
    def task(self) -> fastconv.ConvProblem:
        """What the backends are asked to compute for it."""


def layer_cases(flops: float = REFERENCE_FLOPS) -> Iterator[Case]:
    """Yield the layers, cut to so much work: of those that are the same then, the first alone."""
    seen = set()
    for layer in LAYERS:
        cut = layer.cut(flops)
        problem = replace(cut, name="", network="")
        if problem not in seen:
            seen.add(problem)
            yield Case(layer.name, cut.x_shape, cut.weight_shape, cut.conv_kwargs())


EDGE_CASES = (
    Case("one_pixel", (1, 1, 1, 1), (1, 1, 1, 1)),
    Case("one_output", (1, 2, 5, 4), (3, 2, 5, 4)),
    Case("single_image", (2, 6, 5), (3, 2, 3, 3), {"padding": 1}),
    Case("no_bias", (2, 3, 6, 7), (4, 3, 3, 3), {"padding": 1}, bias=False),
    Case("row_kernel", (2, 3, 5, 19), (4, 3, 1, 7), {"padding": (0, 3)}),
    Case("column_kernel", (2, 3, 19, 5), (4, 3, 7, 1), {"padding": (3, 0)}),
    Case("even_kernel", (2, 3, 8, 9), (4, 3, 2, 4), {"padding": (1, 2)}),
    Case("row_of_vector_length", (1, 2, 3, 16), (3, 2, 3, 3), {"padding": 1}),
    Case("row_of_vector_length_and_one", (1, 2, 3, 17), (3, 2, 3, 3), {"padding": 1}),
    Case("row_short_of_vector_length", (1, 2, 3, 15), (3, 2, 3, 3), {"padding": 1}),
    Case("long_row", (1, 2, 2, 131), (2, 2, 2, 5)),
    Case("stride_2", (2, 3, 9, 11), (4, 3, 3, 3), {"stride": 2, "padding": 1}),
    Case("stride_beyond_kernel", (1, 3, 11, 13), (2, 3, 2, 2), {"stride": (5, 4)}),
    Case("stride_leaves_rows_unread", (1, 2, 10, 12), (3, 2, 3, 3), {"stride": (4, 5)}),
    Case("unequal_strides", (2, 2, 9, 12), (3, 2, 3, 2), {"stride": (1, 3), "padding": (1, 0)}),
    Case("dilation_2", (2, 3, 9, 10), (4, 3, 3, 3), {"dilation": 2, "padding": 2}),
    Case("unequal_dilations", (1, 2, 11, 9), (2, 2, 3, 3), {"dilation": (4, 1), "padding": 1}),
    Case("dilation_mostly_in_padding", (1, 2, 5, 6), (3, 2, 3, 3), {"dilation": 9, "padding": 9}),
    Case("stride_and_dilation", (1, 3, 12, 13), (2, 3, 3, 3),
         {"stride": (2, 3), "dilation": (3, 2), "padding": 3}),
    Case("padding_beyond_kernel", (2, 2, 4, 5), (3, 2, 3, 2), {"padding": (5, 6)}),
    Case("asymmetric_padding", (2, 2, 5, 6), (3, 2, 3, 3), {"padding": ((0, 3), (4, 1))}),
    Case("asymmetric_stride_2", (1, 2, 6, 7), (3, 2, 3, 3),
         {"padding": ((2, 0), (0, 3)), "stride": 2}),
    Case("same", (2, 2, 7, 8), (3, 2, 4, 3), {"padding": "same"}),
    Case("same_stride_2", (2, 2, 7, 8), (3, 2, 3, 5), {"padding": "same", "stride": 2}),
    Case("same_dilated", (1, 2, 7, 8), (3, 2, 2, 3), {"padding": "same", "dilation": (3, 2)}),
    Case("valid", (2, 2, 7, 8), (3, 2, 3, 3), {"padding": "valid"}),
    Case("two_groups", (2, 4, 6, 7), (6, 2, 3, 3), {"groups": 2, "padding": 1}),
    Case("groups_widen", (1, 3, 6, 7), (6, 1, 3, 3), {"groups": 3, "padding": 1, "stride": 2}),
    Case("groups_narrow", (1, 8, 6, 7), (2, 4, 2, 2), {"groups": 2}),
    Case("depthwise_1x1", (2, 5, 4, 4), (5, 1, 1, 1), {"groups": 5}),
    Case("pointwise", (2, 5, 6, 7), (3, 5, 1, 1)),
    Case("pointwise_strided", (2, 5, 6, 7), (3, 5, 1, 1), {"stride": 2}),
    Case("pointwise_padded", (2, 5, 4, 5), (3, 5, 1, 1), {"padding": 1}),
    Case("reflect", (2, 3, 6, 7), (4, 3, 3, 3), {"padding": 2, "padding_mode": "reflect"}),
    Case("reflect_to_the_edge", (1, 2, 4, 5), (2, 2, 3, 3),
         {"padding": ((3, 1), (2, 4)), "padding_mode": "reflect", "stride": 2}),
    Case("replicate", (2, 3, 4, 5), (4, 3, 3, 3),
         {"padding": ((6, 0), (1, 7)), "padding_mode": "replicate"}),
    Case("circular", (2, 4, 4, 5), (4, 2, 3, 3),
         {"padding": ((4, 3), (0, 5)), "padding_mode": "circular", "groups": 2, "dilation": 2}),
    Case("same_reflect", (1, 2, 7, 8), (3, 2, 3, 5),
         {"padding": "same", "padding_mode": "reflect", "stride": 2}),
    Case("alexnet_kernel", (1, 3, 27, 23), (2, 3, 11, 11), {"stride": 4, "padding": 2}),
    Case("relu", (2, 3, 6, 7), (4, 3, 3, 3), {"padding": 1, "activation": "relu"}),
    Case("sigmoid", (2, 3, 6, 7), (4, 3, 3, 3), {"padding": 1, "activation": "sigmoid"}),
    Case("tanh_no_bias", (2, 3, 6, 7), (4, 3, 3, 3), {"stride": 2, "activation": "tanh"},
         bias=False),
)  # fmt: skip

CASES = (*EDGE_CASES, *layer_cases())
# What can be compared exactly: sums of small integers, but no exponential of them.
EXACT_CASES = tuple(c for c in CASES if c.options.get("activation") not in ("sigmoid", "tanh"))


def problem_of(case: Case) -> fastconv.ConvProblem:
    return case.problem


@dataclass(frozen=True)
class Backend:
    """What ``backend=`` may be, and what it promises of its sums."""

    name: str
    accuracy: Accuracy


@cache
def families() -> tuple[Backend, ...]:
    """Return what `backends()` lists here, in order of choice."""
    return tuple(Backend(f.name, f.accuracy("fast")) for f in planning.usable_families())


@cache
def contenders() -> tuple[Backend, ...]:
    """Return the families, and every kernel that is not all of its family.

    A law is tried on each kernel by itself: as one of a family it would be left out wherever
    another one of the family is the better choice.
    """
    found = {backend.name: backend for backend in families()}
    for implementations in planning.IMPLEMENTATIONS.values():
        for implementation in implementations:
            if set(implementation.families) & set(fastconv.backends()):
                name = implementation.name
                found.setdefault(name, Backend(name, implementation.accuracy))
    return tuple(found.values())


_ask = planning.ask
_ask_once = lru_cache(maxsize=4096)(_ask)


@contextmanager
def planned_once() -> Iterator[None]:
    """Plan inside no problem twice: for who asks whether it can be done, and for who then does it.

    Plans are the same however often they are asked for, and take longer than the computations of
    most cases. Not inside of `forget_calls`, where others may be right.
    """
    with mock.patch.object(planning, "ask", _ask_once):
        yield


def plan_of(backend: str, task: fastconv.ConvProblem, operation: Operation) -> Plan | None:
    """Return how a backend would compute a problem without padding modes, None if it cannot."""
    threads = threads_for(task.flops)
    answer = planning.ask(operation, task, backend, threads, accuracy="fast", prepared=False)
    return answer if isinstance(answer, Plan) else None


def contract_of(backend: Backend, task: fastconv.ConvProblem, operation: Operation) -> Accuracy:
    """Return what a backend promises of this very problem, which may be more than of any."""
    plan = plan_of(backend.name, task, operation)
    return backend.accuracy if plan is None else plan.accuracy


@cache
def task_in(case: AnyCase, dtype: str) -> fastconv.ConvProblem:
    """Return what the backends are asked to compute for a case in a dtype.

    To all who ask the same object, which remembers what planning has worked out of it.
    """
    return replace(case.task, dtype=np.dtype(dtype))


_abilities: dict[tuple[str, fastconv.ConvProblem, Operation], bool] = {}


def is_able(backend: Backend, task: fastconv.ConvProblem, operation: Operation) -> bool:
    """Say whether a backend can compute a problem without padding modes.

    The answer is kept, as all laws of a case ask for it, and it takes longer than most of these
    computations do; but not into or out of `forget_calls`, inside of which others may be right.
    """
    question = backend.name, task, operation
    if question not in _abilities:
        _abilities[question] = plan_of(*question) is not None
    return _abilities[question]


# The backends that compute all there is, forward and backward; what else there is, the tables show.
GENERAL_BACKENDS = [
    backend
    for backend in families()
    if all(
        is_able(backend, case.task, direction)
        for case in CASES
        for direction in ("forward", "input-grad", "weight-grad")
    )
]
on_each_general_backend = pytest.mark.parametrize(
    "backend", GENERAL_BACKENDS, ids=lambda backend: backend.name
)


def case_id(case: Case) -> str:
    return case.name


@dataclass(frozen=True)
class Operands:
    x: Array
    weight: Array
    bias: Array | None
    grad_output: Array


def integer_operands(case: Case, dtype: str, seed: int = 0) -> Operands:
    """Return integers so small that every sum of every product is exact in float32."""
    return _operands(case, lambda rng, shape: rng.integers(-4, 5, shape).astype(dtype), seed)


def random_operands(case: Case, dtype: str, seed: int = 0) -> Operands:
    return _operands(case, lambda rng, shape: rng.standard_normal(shape).astype(dtype), seed)


def _operands(case: Case, draw: Any, seed: int) -> Operands:
    rng = np.random.default_rng(seed)
    x, weight = draw(rng, case.x_shape), draw(rng, case.weight_shape)
    bias = draw(rng, case.weight_shape[:1]) if case.bias else None
    output_shape = problem_of(case).output_shape[4 - len(case.x_shape) :]
    return Operands(x, weight, bias, draw(rng, output_shape))


def without_activation(case: Case) -> dict[str, Any]:
    return {name: value for name, value in case.options.items() if name != "activation"}


@cache
def integer_truth(case: Case) -> tuple[Array, reference.Conv2dGrads]:
    """Return the reference's output and gradients on `integer_operands`, in float64."""
    return truth_by(reference, case, integer_operands(case, "float64"))


@cache
def random_truth(case: Case, dtype: str) -> tuple[Array, reference.Conv2dGrads]:
    """Return the output and gradients of `random_operands` of a dtype, summed in float64."""
    data = random_operands(case, dtype)
    wide = Operands(*(None if a is None else a.astype(np.float64) for a in vars(data).values()))
    return truth_by(by_taps, case, wide)


@cache
def random_magnitude(case: Case) -> tuple[Array, reference.Conv2dGrads]:
    """Return the sums of the absolute products behind `random_truth`, before the activation.

    Those of float64; of operands that are rounded to float32 they differ by a ten-millionth, and
    the bounds of the error that they are part of are not meant to be that sharp.
    """
    data = random_operands(case, "float64")
    sizes = Operands(*(None if a is None else abs(a.astype(float)) for a in vars(data).values()))
    return truth_by(by_taps, replace(case, options=without_activation(case)), sizes)


def truth_by(module: Any, case: Case, data: Operands) -> tuple[Array, reference.Conv2dGrads]:
    """Return the output and gradients that `reference` computes, or `by_taps`."""
    y = module.conv2d(data.x, data.weight, data.bias, **case.options)
    output = y if case.options.get("activation") else None
    grads = module.conv2d_backward(
        data.grad_output, data.x, data.weight, output=output, **case.options
    )
    return y, grads


@contextmanager
def forget_calls() -> Iterator[None]:
    """Make no use inside of what was laid out before, nor afterwards of what is laid out inside."""
    call.forget_calls()
    try:
        with mock.patch(f"{__name__}._abilities", {}), mock.patch.object(planning, "ask", _ask):
            yield
    finally:
        call.forget_calls()


@contextmanager
def tuned(**numbers: object) -> Iterator[None]:
    """Change numbers of tuning.py inside, so that small problems cross what only large ones do."""
    with ExitStack() as stack:
        for name, number in numbers.items():
            stack.enter_context(mock.patch.object(tuning, name, number))
        stack.enter_context(forget_calls())
        yield


def assert_parts_share_bits(
    backend: str, grad: Array, x: Array, weight: Array, **options: Any
) -> None:
    """Check that pixels are cut into parts, and that threads do not change a bit of their sums."""
    problem = fastconv.ConvProblem.create(x.shape, weight.shape, **options)
    plan = plan_of(backend, problem, "weight-grad")
    assert plan is not None
    assert plan.blocks.parts > 1
    options |= {"backend": backend, "needs": (False, True, False)}
    results = []
    for count in (1, 2, 3):
        with fastconv.num_threads(count):
            results.append(fastconv.conv2d_backward(grad, x, weight, **options).weight)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def assert_first_filters(case: Case, filters: int, backend: str) -> None:
    """Compare the first so many filters of a case, called and planned, with the exact result."""
    data = integer_operands(case, "float32")
    weight, bias = data.weight[:filters], data.bias[:filters]
    expected = integer_truth(case)[0][:, :filters]
    plan = fastconv.plan_conv2d(weight, bias, backend=backend, **case.options)
    called = fastconv.conv2d(data.x, weight, bias, backend=backend, **case.options)
    for y in (called, plan(data.x)):
        np.testing.assert_array_equal(y, expected)


def assert_refused(
    call: Callable[[], object], error: type[Exception], *words: str, out: object = None
) -> None:
    """Assert that a call raises this very error, in one line with these words, and spares `out`."""
    __tracebackhide__ = True
    before = out.tobytes() if isinstance(out, np.ndarray) else None
    with pytest.raises(error) as caught:
        call()
    assert caught.type is error, f"a subclass: {caught.type}"
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    if isinstance(out, np.ndarray):
        assert out.tobytes() == before, "out was written to"


class Peak:
    """The most bytes that were held at once, beyond those held before."""

    bytes = 0


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Measure what is allocated inside, by Python and NumPy."""
    peak = Peak()
    tracemalloc.start()
    try:
        yield peak
        _, peak.bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


def views_of(x: Array) -> Iterator[tuple[str, Any]]:
    """Yield arrays that equal x and lie in memory in every way but the plain one."""
    yield "fortran", np.asfortranarray(x)
    yield "negative strides", x[..., ::-1, ::-1].copy()[..., ::-1, ::-1]
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    yield "every other column", wide[..., ::2]
    yield "byte-swapped", x.astype(x.dtype.newbyteorder())
    raw = bytearray(x.nbytes + 1)
    misaligned = np.frombuffer(raw, x.dtype, x.size, offset=1).reshape(x.shape)
    misaligned[...] = x
    assert not misaligned.flags.aligned
    yield "misaligned", misaligned
    read_only = x.copy()
    read_only.setflags(write=False)
    yield "read-only", read_only
    yield "nested lists", x.astype(np.float64).tolist()


def poisoned(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an array of NaN: whatever a kernel forgets to write shows."""
    return np.full(shape, np.nan, dtype)


@contextmanager
def poisoned_allocations() -> Iterator[None]:
    """Make every np.empty hand out NaN, for the results that have no `out=`."""
    empty = np.empty

    def nan_filled(*args: Any, **kwargs: Any) -> Array:
        array = empty(*args, **kwargs)
        if array.dtype.kind == "f":
            array.fill(np.nan)
        return array

    with mock.patch.object(np, "empty", nan_filled):
        yield
