"""conv2d_backward: the reference, central differences, the adjoint identity, the edges."""

import numpy as np
import pytest

import fastconv
import reference
from tests.comparing import DIRECT, assert_equal, assert_within_bounds
from tests.laws import on_each_able_backend
from tests.support import (
    CASES,
    DTYPES,
    EXACT_CASES,
    GENERAL_BACKENDS,
    Case,
    contract_of,
    integer_operands,
    integer_truth,
    on_each_general_backend,
    poisoned_allocations,
    random_magnitude,
    random_operands,
    random_truth,
    task_in,
    without_activation,
)
from tests.walking import in_one_test

every_dtype = pytest.mark.parametrize("dtype", DTYPES)
GRADIENTS = ("input-grad", "weight-grad")
LINEAR_CASES = [case for case in CASES if "activation" not in case.options]


def _gradients(case, data, backend, output=None):
    with poisoned_allocations():
        return fastconv.conv2d_backward(
            data.grad_output, data.x, data.weight, output=output, backend=backend.name,
            **case.options,
        )  # fmt: skip


# Sums of integers in one of the dtypes, those of random data in the other: `in_turn`.
@on_each_able_backend(EXACT_CASES, *GRADIENTS, exact=True, in_turn=0)
def test_integers_come_out_exactly(case, backend, dtype):
    data = integer_operands(case, dtype)
    y, truth = integer_truth(case)
    output = y.astype(dtype) if "activation" in case.options else None
    grads = _gradients(case, data, backend, output)
    for name, actual, expected in zip(truth._fields, grads, truth, strict=True):
        assert actual.dtype == dtype
        assert_equal(actual, expected, f"grads.{name}")


@on_each_able_backend(LINEAR_CASES, *GRADIENTS, in_turn=1)
def test_random_data_stays_within_the_error_bounds(case, backend, dtype):
    data = random_operands(case, dtype)
    y, truth = random_truth(case, dtype)
    grads = _gradients(case, data, backend)
    _, magnitudes = random_magnitude(case)
    outputs = y.size // case.weight_shape[0]
    kernel = case.weight_shape[2] * case.weight_shape[3]
    filters = case.weight_shape[0] // case.options.get("groups", 1)
    # A pixel that fills padding too (replicate: all of one side) collects all of its copies.
    copies = 1
    if case.options.get("padding_mode", "zeros") != "zeros":
        copies = outputs
    terms = {"x": filters * kernel * copies, "weight": outputs, "bias": outputs}
    task = task_in(case, dtype)
    contracts = {
        "x": contract_of(backend, task, "input-grad"),
        "weight": contract_of(backend, task, "weight-grad"),
        "bias": DIRECT,
    }
    for name, actual, expected, magnitude in zip(
        truth._fields, grads, truth, magnitudes, strict=True
    ):
        assert_within_bounds(
            actual, expected, magnitude, terms[name], contracts[name], f"grads.{name}"
        )


@on_each_able_backend(LINEAR_CASES, *GRADIENTS, dtypes=["float64"])
def test_adjoint_identity(case, backend, dtype):
    """⟨conv(x, w), g⟩ = ⟨x, dx⟩ = ⟨w, dw⟩, whatever computes them."""
    data = random_operands(case, dtype, seed=1)
    options = {**without_activation(case), "backend": backend.name}
    y = fastconv.conv2d(data.x, data.weight, **options)
    grads = fastconv.conv2d_backward(data.grad_output, data.x, data.weight, **options)
    forward = np.vdot(y, data.grad_output)
    scale = np.linalg.norm(y) * np.linalg.norm(data.grad_output)
    assert abs(np.vdot(data.x, grads.x) - forward) <= 1e-13 * scale
    assert abs(np.vdot(data.weight, grads.weight) - forward) <= 1e-13 * scale


@on_each_able_backend(CASES, *GRADIENTS, dtypes=["float64"])
def test_central_differences(case, backend, dtype):
    """The slope of the loss along a random direction is the gradient's component along it."""
    data = random_operands(case, dtype, seed=2)
    if case.options.get("activation") == "relu":
        data.bias[...] = 20  # away from the corner at zero, where no difference is a slope
    options = {**case.options, "backend": backend.name}
    rng = np.random.default_rng(3)
    bias = np.zeros(case.weight_shape[0]) if data.bias is None else data.bias
    operands = (data.x, data.weight, bias)
    y = fastconv.conv2d(*operands, **options)
    output = y if "activation" in case.options else None
    grads = fastconv.conv2d_backward(
        data.grad_output, data.x, data.weight, output=output, **options
    )
    step = 1e-5
    for position, grad in enumerate(grads):
        direction = rng.standard_normal(operands[position].shape)
        direction /= np.linalg.norm(direction)

        def loss(distance, position=position, direction=direction):
            moved = list(operands)
            moved[position] = moved[position] + distance * direction
            return np.vdot(fastconv.conv2d(*moved, **options), data.grad_output)

        slope = (loss(step) - loss(-step)) / (2 * step)
        scale = 1 + np.linalg.norm(y) * np.linalg.norm(data.grad_output)
        assert abs(slope - np.vdot(grad, direction)) <= 1e-8 * scale


@in_one_test
@on_each_general_backend
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_gradients_through_the_activation_are_those_of_the_reference(activation, backend):
    case = Case("activation", (2, 3, 6, 7), (4, 3, 3, 3), {"padding": 1, "activation": activation})
    data = random_operands(case, "float64")
    y = fastconv.conv2d(data.x, data.weight, data.bias, backend=backend.name, **case.options)
    arguments = data.grad_output, data.x, data.weight
    grads = fastconv.conv2d_backward(*arguments, output=y, backend=backend.name, **case.options)
    truth = reference.conv2d_backward(*arguments, output=y, **case.options)
    for actual, expected in zip(grads, truth, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


@in_one_test
@on_each_general_backend
@pytest.mark.parametrize("needs", [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)])
def test_needs_are_honoured(needs, backend):
    case = Case("needs", (2, 3, 6, 7), (4, 3, 3, 3), {"padding": 1})
    data = integer_operands(case, "float32")
    _, truth = integer_truth(case)
    needs = tuple(map(bool, needs))
    grads = fastconv.conv2d_backward(
        data.grad_output, data.x, data.weight, padding=1, needs=needs, backend=backend.name
    )
    for wanted, actual, expected in zip(needs, grads, truth, strict=True):
        if wanted:
            np.testing.assert_array_equal(actual, expected)
        else:
            assert actual is None


@in_one_test
@on_each_general_backend
def test_an_empty_batch_has_gradients_of_zero(backend):
    x, grad = np.empty((0, 3, 5, 5)), np.empty((0, 4, 3, 3))
    with poisoned_allocations():
        grads = fastconv.conv2d_backward(grad, x, np.ones((4, 3, 3, 3)), backend=backend.name)
    assert grads.x.shape == x.shape
    np.testing.assert_array_equal(grads.weight, np.zeros((4, 3, 3, 3)))
    np.testing.assert_array_equal(grads.bias, np.zeros(4))


@in_one_test
@on_each_general_backend
@every_dtype
def test_pixels_that_no_window_reached_have_gradient_zero(backend, dtype):
    x, weight = np.ones((1, 1, 10, 11), dtype), np.ones((1, 1, 2, 2), dtype)
    grad = np.ones((1, 1, 3, 3), dtype)
    with poisoned_allocations():
        dx = fastconv.conv2d_backward(grad, x, weight, stride=4, backend=backend.name).x
    reached = np.zeros((10, 11), dtype)
    for start in (0, 4, 8):
        for other in (0, 4, 8):
            reached[start : start + 2, other : other + 2] = 1
    np.testing.assert_array_equal(dx[0, 0], reached)


@in_one_test
@on_each_general_backend
def test_a_weight_seen_only_by_padding_has_gradient_zero(backend):
    x, weight = np.ones((1, 1, 1, 3)), np.ones((1, 1, 3, 3))
    with poisoned_allocations():
        dw = fastconv.conv2d_backward(
            np.ones((1, 1, 1, 3)), x, weight, padding=1, backend=backend.name
        ).weight
    np.testing.assert_array_equal(dw[0, 0], [[0, 0, 0], [2, 3, 2], [0, 0, 0]])


@in_one_test
@on_each_general_backend
def test_three_dimensional_operands_give_three_dimensional_gradients(backend):
    case = Case("single", (2, 6, 5), (3, 2, 3, 3))
    data = integer_operands(case, "float32")
    grads = fastconv.conv2d_backward(data.grad_output, data.x, data.weight, backend=backend.name)
    assert grads.x.shape == (2, 6, 5)


@in_one_test
@on_each_general_backend
def test_memory_layout_does_not_matter(backend):
    case = Case("layout", (2, 3, 6, 7), (4, 3, 3, 3), {"padding": 1})
    data = integer_operands(case, "float32")
    _, truth = integer_truth(case)
    swapped = [
        np.asfortranarray(a).astype(a.dtype.newbyteorder())
        for a in (data.grad_output, data.x, data.weight)
    ]
    for array in swapped:
        array.setflags(write=False)
    grads = fastconv.conv2d_backward(*swapped, padding=1, backend=backend.name)
    for actual, expected in zip(grads, truth, strict=True):
        np.testing.assert_array_equal(actual, expected)
        assert actual.dtype.isnative


@in_one_test
@on_each_general_backend
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_infinities_and_nan_flow_through_without_a_warning(activation, backend):
    x, weight = np.ones((1, 1, 3, 3)), np.ones((1, 1, 1, 1))
    grad = np.full((1, 1, 7, 7), np.inf)
    grad[..., ::2] = -np.inf
    output = np.ones((1, 1, 7, 7))
    output[0, 0, 3, 3] = np.nan
    grads = fastconv.conv2d_backward(
        grad, x, weight, padding=2, padding_mode="circular", activation=activation,
        output=output, backend=backend.name,
    )  # fmt: skip
    assert not np.isfinite(grads.bias).any()


def test_long_sums_keep_their_accuracy():
    """A bias gradient over half a million values, where float32 running sums drift."""
    grad = np.random.default_rng(0).random((8, 1, 256, 256), np.float32)
    exact = grad.sum(dtype=np.float64)
    for backend in GENERAL_BACKENDS:
        db = fastconv.conv2d_backward(
            grad, grad, np.ones((1, 1, 1, 1), np.float32), needs=(False, False, True),
            backend=backend.name,
        ).bias  # fmt: skip
        assert abs(db[0] - exact) <= 4 * np.finfo(np.float32).eps * exact
