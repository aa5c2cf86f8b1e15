"""What a call holds besides operands and result: as much as it says, and before the first write."""

import os
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

import fastconv
from tests.failing_allocations import fail_at
from tests.support import Case as _Case
from tests.support import (
    contenders,
    forget_calls,
    is_able,
    peak_memory,
    plan_of,
    problem_of,
    tuned,
)

MIB = 2**20

# Large enough that what is held is megabytes, small enough to be computed by the slowest.
HOLDING = [
    _Case("dense", (2, 24, 60, 60), (40, 24, 3, 3), {"padding": 1}),
    _Case("reflect", (4, 16, 120, 120), (8, 16, 3, 3), {"padding": 4, "padding_mode": "reflect"}),
    _Case("replicate", (2, 8, 90, 90), (8, 8, 3, 3),
          {"padding": ((0, 70), (60, 0)), "padding_mode": "replicate"}),
    _Case("circular", (2, 8, 90, 90), (8, 1, 5, 5),
          {"padding": 40, "padding_mode": "circular", "groups": 8}),
    _Case("sigmoid", (1, 8, 150, 150), (32, 8, 3, 3), {"padding": 1, "activation": "sigmoid"}),
    _Case("relu", (1, 8, 150, 150), (32, 8, 3, 3), {"padding": 1, "activation": "relu"}),
    _Case("tanh", (1, 8, 150, 150), (32, 8, 3, 3), {"padding": 1, "activation": "tanh"}),
    _Case("pointwise", (2, 96, 90, 90), (64, 96, 1, 1)),
    _Case("strided", (2, 32, 100, 100), (24, 32, 4, 4), {"stride": 2}),
    _Case("dilated", (1, 32, 60, 60), (24, 32, 3, 3), {"dilation": 25, "padding": 25}),
    _Case("depthwise", (1, 64, 100, 100), (64, 1, 3, 3), {"groups": 64, "padding": 1}),
    _Case("depthwise strided", (2, 64, 100, 100), (64, 1, 3, 3),
          {"groups": 64, "padding": 1, "stride": 2}),
    _Case("patches", (2, 3, 128, 128), (96, 3, 16, 16), {"stride": 16}),
    _Case("many weights", (1, 256, 8, 8), (512, 256, 3, 3), {"padding": 1}),
]  # fmt: skip


def _call(case, backend, direction):
    """Return a function that computes one result, and the bytes of this."""
    problem = problem_of(case)
    options = {**case.options, "backend": backend}
    x, weight = (np.ones(shape, np.float32) for shape in (case.x_shape, case.weight_shape))
    if direction == "forward":
        out = np.empty(problem.output_shape, np.float32)
        return (lambda: fastconv.conv2d(x, weight, **options)), out.nbytes
    grad = np.ones(problem.output_shape, np.float32)
    output = grad if case.options.get("activation") else None
    needs = direction == "input-grad", direction == "weight-grad", False
    result = x if direction == "input-grad" else weight
    return (
        lambda: fastconv.conv2d_backward(grad, x, weight, output=output, needs=needs, **options)
    ), result.nbytes


@pytest.fixture(autouse=True)
def _every_kernel_is_allowed_and_no_scratch_is_kept():
    with fastconv.accuracy("fast"), tuned(LEAST_KEPT_BYTES=2**62):
        yield


@pytest.mark.parametrize("direction", ["forward", "input-grad", "weight-grad"])
@pytest.mark.parametrize("case", HOLDING, ids=lambda case: case.name)
def test_a_call_holds_what_explain_says(case, direction):
    """Within 1 MiB, by every implementation that is able."""
    tried = 0
    for backend in contenders():
        if backend.name in ("loops_literal", "loops_rows"):  # as `loops`, in much more time
            continue
        if not is_able(backend, case.task, direction):
            continue
        explanation = fastconv.explain(
            case.x_shape, case.weight_shape, direction=direction, backend=backend.name,
            **case.options,
        )  # fmt: skip
        call, result_bytes = _call(case, backend.name, direction)
        if not tried:
            call()  # NumPy's own modules are loaded
        with peak_memory() as peak:
            call()
        held, said = peak.bytes - result_bytes, explanation.scratch_bytes
        assert abs(held - said) < MIB, (
            f"{backend.name} holds {held / MIB:.1f} MiB and says {said / MIB:.1f}"
        )
        tried += 1
    assert tried >= (1 if fastconv.backends() == ["im2col"] else 3)


FAILING = [
    _Case("same", (2, 6, 14, 15), (4, 6, 3, 3), {"padding": 1, "activation": "sigmoid"}),
    _Case("strided", (2, 6, 14, 15), (4, 3, 3, 3),
          {"stride": 2, "groups": 2, "activation": "tanh"}),
    _Case("dilated", (1, 6, 12, 13), (5, 6, 3, 3),
          {"dilation": 6, "padding": 6, "activation": "relu"}),
    _Case("reflect", (2, 4, 9, 12), (6, 4, 3, 3), {"padding": 3, "padding_mode": "reflect"}),
    _Case("depthwise", (2, 8, 6, 40), (8, 1, 3, 3), {"groups": 8, "padding": 1}),
    _Case("pointwise", (2, 9, 11, 12), (7, 9, 1, 1)),
]  # fmt: skip


def _outs(shape):
    """Yield places for the result: as they usually lie, and as they do not."""
    yield np.full(shape, 7, np.float32)
    yield np.full((*shape[:-1], 2 * shape[-1]), 7, np.float32)[..., ::2]
    yield np.full(shape, 7, ">f4")


@pytest.mark.parametrize("case", FAILING, ids=lambda case: case.name)
def test_out_is_untouched_when_an_allocation_fails(case):
    """Whichever array it is that cannot be allocated, by every implementation that is able."""
    assert sum(_fail_each_allocation(case, backend.name) for backend in contenders()) > 0


@pytest.mark.parametrize("tile", ["of pixels", "of taps"])
@pytest.mark.parametrize("case", FAILING, ids=lambda case: case.name)
def test_nor_does_the_size_of_a_tile_matter(case, tile):
    """Neither where tiles are some whole columns nor where they are two thirds of a single one."""
    case = replace(case, x_shape=(1, *case.x_shape[1:3], min(case.x_shape[3], 14)))
    taps = case.weight_shape[1] * case.weight_shape[2] * case.weight_shape[3]
    size = 1000 if tile == "of pixels" else 4 * (2 * taps // 3)
    limit = {"FASTCONV_IM2COL_MIB": repr(size / MIB)}
    with mock.patch.dict(os.environ, limit), forget_calls():
        assert _fail_each_allocation(case, "im2col") > 0


def _fail_each_allocation(case, backend):
    """Fail every allocation of a call in turn, and return how many there were."""
    return sum(
        _fail_each_of(compute, np.empty(shape, np.float32), what)
        for compute, shape, what in _computations(case, backend)
    )


def _computations(case, backend):
    """Yield functions that fill an `out`, its shape, and what they are: forward and transposed."""
    problem = problem_of(case)
    rng = np.random.default_rng(0)
    x, weight, bias, grad = (
        rng.standard_normal(shape, np.float32)
        for shape in (case.x_shape, case.weight_shape, case.weight_shape[:1], problem.output_shape)
    )
    if plan_of(backend, case.task, "forward"):
        options = {**case.options, "backend": backend}
        yield (
            (lambda out: fastconv.conv2d(x, weight, bias, out=out, **options)),
            problem.output_shape,
            f"conv2d by {backend}",
        )
    linear = {name: value for name, value in case.options.items() if name != "activation"}
    if "padding_mode" not in linear and plan_of(backend, case.task, "input-grad"):
        shape = fastconv.conv_transpose2d(grad, weight, **linear).shape
        ones = np.ones(problem.in_channels, np.float32)
        yield (
            (
                lambda out: fastconv.conv_transpose2d(
                    grad, weight, ones, out=out, backend=backend, **linear
                )
            ),
            shape,
            f"conv_transpose2d by {backend}",
        )


def _fail_each_of(compute, usual, what):
    # as `out` usually lies, and as it does not: then the result is computed beside it
    apart = np.empty((*usual.shape[:-1], 2 * usual.shape[-1]), np.float32)[..., ::2]
    failed = 0
    for out in (usual, apart):
        out[...] = 7
        with fail_at(None) as state:
            compute(out)
        assert not (out == 7).all()
        for number in range(state.seen):
            out[...] = 7
            with pytest.raises(MemoryError), fail_at(number):
                compute(out)
            assert (out == 7).all(), (
                f"{what}: allocation {number} of {state.seen} failed after the first write"
            )
        failed += state.seen
    return failed
