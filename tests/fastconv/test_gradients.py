"""The gradients of hundreds of random problems: slopes, adjoints, and what nothing reaches.

None of it asks the reference: each law holds between the forward pass and the gradients alone. Half
of the problems are tried by slopes, the others by the identity that is exact, and some by what no
window reaches.
"""

from dataclasses import replace
from functools import cache

import numpy as np

import fastconv
from reference.padding_modes import source_of
from tests.comparing import assert_equal
from tests.laws import on_each_able_backend
from tests.random_problems import ACTIVATIONS, MODES, random_case
from tests.support import (
    Operands,
    integer_operands,
    is_able,
    poisoned_allocations,
    problem_of,
    random_operands,
    task_in,
    without_activation,
)

PROBLEMS = 320
# So many are a test of each law, and all tests of these run in one process (tests/conftest.py): few
# enough that what one law has planned of them is remembered when the next one asks.
TOGETHER = 4
RANDOM_CASES = [random_case(seed) for seed in range(PROBLEMS)]
LINEAR_CASES = [replace(case, options=without_activation(case)) for case in RANDOM_CASES]


def _some_of(cases, turn, parts):
    """Return one of so many parts of the groups that are tried together, and all with what is rare.

    That is a stride and a dilation of 1, which some kernels ask for.
    """
    chosen = []
    for first in range(0, PROBLEMS, TOGETHER):
        group = cases[first : first + TOGETHER]
        number = first // TOGETHER
        usual = any(case.options["stride"] == case.options["dilation"] == (1, 1) for case in group)
        # not every so-and-so-many-th alone: what is drawn depends on the seed
        if usual or (number + number // parts) % parts == turn:
            chosen += group
    return chosen


EMPTY_CASES = [replace(case, x_shape=(0, *case.x_shape[-3:])) for case in RANDOM_CASES[::4]]

# What a backend has to be able to do for the gradient of x, of weight and of bias.
DIRECTIONS = ("input-grad", "weight-grad", "forward")


def gradients_by(backend, case, data, output=None):
    """Return those of the gradients that a backend is able to compute, from poisoned memory."""
    task = task_in(case, str(data.x.dtype))
    needs = tuple(is_able(backend, task, direction) for direction in DIRECTIONS)
    with poisoned_allocations():
        return fastconv.conv2d_backward(
            data.grad_output, data.x, data.weight, output=output, needs=needs,
            backend=backend.name, **case.options,
        )  # fmt: skip


def _data_and_directions(case, rng):
    """Return operands in float64, a direction for each, a step, and the slope's error over Σ|g|.

    Without an activation the loss is linear in each operand, so
    that a difference over any step is the slope. The same holds between the corners of relu: there
    every sum of integers and a bias of a half is half an integer, and the step moves it by less
    than a half. Sigmoid and tanh are curved; sums around 1 keep them from being flat.
    """
    taps = problem_of(case).taps
    if case.options["activation"] == "relu":
        data = integer_operands(case, "float64")
        data = replace(data, bias=data.bias + 0.5)
        directions = [
            rng.integers(-1, 2, a.shape).astype(float) for a in (data.x, data.weight, data.bias)
        ]
        return data, directions, 2.0 ** -np.ceil(np.log2(16 * taps)), 1e-10 * taps
    data = random_operands(case, "float64")
    data = replace(data, weight=data.weight / np.sqrt(taps))
    directions = [rng.standard_normal(a.shape) for a in (data.x, data.weight, data.bias)]
    directions[1] /= np.sqrt(taps)
    if case.options["activation"] is None:
        return data, directions, 0.25, 1e-12 * taps
    return data, directions, 1e-4, 1e-7


@cache
def _slopes(case):
    """Return data, the slope of Σ g·y along a direction in each operand, and its tolerance."""
    seed = int(case.name.removeprefix("random_"))
    data, directions, step, tolerance = _data_and_directions(case, np.random.default_rng(seed))
    operands = data.x, data.weight, data.bias

    def loss(position, distance):
        moved = list(operands)
        moved[position] = moved[position] + distance * directions[position]
        return np.sum(data.grad_output * fastconv.conv2d(*moved, **case.options))

    slopes = [(loss(at, step) - loss(at, -step)) / (2 * step) for at in range(3)]
    return data, directions, slopes, tolerance * np.abs(data.grad_output).sum()


@on_each_able_backend(
    _some_of(RANDOM_CASES, 0, 2), *DIRECTIONS, able=any, dtypes=["float64"], together=TOGETHER
)
def test_central_differences(case, backend, dtype):
    """The slope of Σ g·y along a random direction in x, in weight, in bias."""
    data, directions, slopes, bound = _slopes(case)
    operands = data.x, data.weight, data.bias
    assert data.x.dtype == dtype
    output = fastconv.conv2d(*operands, **case.options) if case.options["activation"] else None
    grads = gradients_by(backend, case, data, output)
    for name, grad, direction, slope in zip(grads._fields, grads, directions, slopes, strict=True):
        if grad is not None:
            assert abs(slope - np.sum(grad * direction)) <= bound, name


@cache
def _integers(case, dtype):
    """Return operands and ⟨conv(x), g⟩, by which all backends are measured."""
    data = integer_operands(case, dtype)
    return data, _inner(
        fastconv.conv2d(data.x, data.weight, accuracy="strict", **case.options), data.grad_output
    )


@on_each_able_backend(
    _some_of(LINEAR_CASES, 1, 2), *DIRECTIONS, able=any, exact=True, together=TOGETHER, in_turn=0
)
def test_adjoint_identity_is_exact(case, backend, dtype):
    """⟨conv(x), g⟩ = ⟨x, dx⟩ = ⟨w, dw⟩ and ⟨1, g⟩ = db, to the last bit on integers."""
    data, forward = _integers(case, dtype)
    grads = gradients_by(backend, case, data)
    if grads.x is not None:
        assert grads.x.shape == data.x.shape
        assert _inner(data.x, grads.x) == forward
    if grads.weight is not None:
        assert _inner(data.weight, grads.weight) == forward
    if grads.bias is not None:
        sums = data.grad_output.sum(axis=(-1, -2)).reshape(-1, case.weight_shape[0]).sum(axis=0)
        assert_equal(grads.bias, sums, "grads.bias")
    assert {grad.dtype for grad in grads if grad is not None} == {np.dtype(dtype)}


def _inner(a, b):
    return float(np.sum(a.astype(np.float64) * b))


@cache
def _reached(case):
    """Return the pixels that some window holds, found by trying every tap of every window."""
    problem = problem_of(case)
    source = source_of(problem.padding_mode)
    masks = []
    for size, outputs, kernel, stride, dilation, (before, _) in zip(
        problem.x_shape[2:], problem.output_shape[2:], problem.weight_shape[2:], problem.stride,
        problem.dilation, problem.padding, strict=True,
    ):  # fmt: skip
        places = (i * stride + r * dilation - before for i in range(outputs) for r in range(kernel))
        mask = np.zeros(size, bool)
        mask[[at for at in (source(place, size) for place in places) if at is not None]] = True
        masks.append(mask)
    return np.outer(*masks)


@on_each_able_backend(
    _some_of(LINEAR_CASES, 1, 4), *DIRECTIONS, able=any, together=TOGETHER, in_turn=1
)
def test_the_gradient_is_exactly_zero_where_no_window_was(case, backend, dtype):
    data = random_operands(case, dtype)
    ones = Operands(data.x, np.ones_like(data.weight), None, np.ones_like(data.grad_output))
    reached = np.broadcast_to(_reached(case), data.x.shape)
    grads = gradients_by(backend, case, ones)
    if grads.x is not None:
        assert_equal(grads.x != 0, reached, "grads.x != 0")
    grads = gradients_by(backend, case, data)
    for name, grad in zip(grads._fields, grads, strict=True):
        assert grad is None or np.isfinite(grad).all(), name
    if grads.x is not None:
        assert not grads.x[~reached].any()


@on_each_able_backend(
    EMPTY_CASES, *DIRECTIONS, able=any, dtypes=["float32"], together=TOGETHER // 4
)
def test_an_empty_batch_has_gradients_of_zero(case, backend, dtype):
    data = random_operands(case, dtype)
    output = data.grad_output if case.options["activation"] else None
    grads = gradients_by(backend, case, data, output)
    if grads.x is not None:
        assert grads.x.shape == case.x_shape
    for name, grad, like in (
        ("weight", grads.weight, data.weight),
        ("bias", grads.bias, data.bias),
    ):
        if grad is not None:
            assert_equal(grad, np.zeros_like(like), f"grads.{name}")


def test_the_random_problems_are_of_every_kind():
    cases = RANDOM_CASES
    problems = [problem_of(case) for case in cases]

    def count(condition):
        return sum(map(condition, problems))

    assert PROBLEMS >= 300
    for mode in MODES:
        assert count(lambda p, mode=mode: p.padding_mode == mode) > 30
    for activation in ACTIVATIONS:
        assert count(lambda p, activation=activation: p.activation == activation) > 30
    assert count(lambda p: p.groups > 1) > 100
    assert count(lambda p: p.groups > 1 and p.in_channels_per_group == 1) > 30
    assert count(lambda p: p.out_channels_per_group > 16) > 30
    assert count(lambda p: max(map(max, p.padding)) > max(p.span)) > 50
    assert count(lambda p: p.padding[0][0] != p.padding[0][1]) > 100
    assert count(lambda p: p.stride[0] > p.span[0] and p.out_height > 1) > 10
    assert count(lambda p: (p.padded_size[0] - p.span[0]) % p.stride[0]) > 50
    assert count(lambda p: max(p.stride) > 1 and max(p.dilation) > 1) > 100
    assert sum(not _reached(case).all() for case in cases) > 100
    assert sum(len(case.x_shape) == 3 for case in cases) > 50
    assert sum(case.options["padding"] == "same" for case in cases) > 20
