"""conv2d: every backend, both dtypes, every case, against the reference."""

import numpy as np
import pytest

import fastconv
from tests.comparing import assert_equal, assert_within_bounds, unit_roundoff
from tests.laws import on_each_able_backend
from tests.support import (
    CASES,
    DTYPES,
    EXACT_CASES,
    Case,
    contract_of,
    integer_operands,
    integer_truth,
    on_each_general_backend,
    poisoned,
    poisoned_allocations,
    random_magnitude,
    random_operands,
    random_truth,
    task_in,
    views_of,
)

every_dtype = pytest.mark.parametrize("dtype", DTYPES)


# Sums of integers in one of the dtypes, those of random data in the other: `in_turn`.
@on_each_able_backend(EXACT_CASES, exact=True, in_turn=0)
def test_integers_come_out_exactly(case, backend, dtype):
    data = integer_operands(case, dtype)
    truth, _ = integer_truth(case)
    out = poisoned(truth.shape, dtype)
    y = fastconv.conv2d(
        data.x, data.weight, data.bias, backend=backend.name, out=out, **case.options
    )
    assert y is out
    assert_equal(out, truth, "y")


@on_each_able_backend(CASES, in_turn=1)
def test_random_data_stays_within_the_error_bounds(case, backend, dtype):
    data = random_operands(case, dtype)
    truth, _ = random_truth(case, dtype)
    with poisoned_allocations():
        y = fastconv.conv2d(data.x, data.weight, data.bias, backend=backend.name, **case.options)
    assert y.dtype == dtype
    magnitude, _ = random_magnitude(case)
    if case.options.get("activation") in ("sigmoid", "tanh"):
        magnitude = magnitude + 4  # the activation's own few roundings of a value below 1
    terms = int(np.prod(case.weight_shape[1:]))
    contract = contract_of(backend, task_in(case, dtype), "forward")
    assert_within_bounds(y, truth, magnitude, terms, contract, "y")


@on_each_general_backend
def test_hand_worked_3x3(backend):
    x = np.arange(1.0, 10.0).reshape(1, 3, 3)
    weight = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    # 1·1 + 2·2 + 3·4 + 4·5 = 37, and so on
    y = fastconv.conv2d(x, weight, np.array([100.0]), backend=backend.name)
    np.testing.assert_array_equal(y, [[[137.0, 147.0], [167.0, 177.0]]])


@on_each_general_backend
def test_hand_worked_stride_padding_and_relu(backend):
    x = np.array([[[1.0, -2.0, 3.0, -4.0]]])
    weight = np.array([[[[1.0, 0.0, -1.0]]]])
    # padded row 0 1 -2 3 -4 0, windows at 0 and 2: 0 - (-2) = 2, -2 - (-4) = 2; less 2.5: clipped
    y = fastconv.conv2d(
        x, weight, padding=(0, 1), stride=(1, 2), activation="relu", backend=backend.name
    )
    np.testing.assert_array_equal(y, [[[2.0, 2.0]]])
    y = fastconv.conv2d(
        x, weight, np.array([-2.5]), padding=(0, 1), stride=(1, 2), activation="relu",
        backend=backend.name,
    )  # fmt: skip
    np.testing.assert_array_equal(y, [[[0.0, 0.0]]])


@on_each_general_backend
def test_a_batch_is_its_images_bit_for_bit(backend):
    case = Case("batch", (5, 6, 13, 17), (8, 6, 3, 3), {"padding": 1})
    data = random_operands(case, "float32")
    whole = fastconv.conv2d(data.x, data.weight, data.bias, padding=1, backend=backend.name)
    for n, image in enumerate(data.x):
        alone = fastconv.conv2d(image, data.weight, data.bias, padding=1, backend=backend.name)
        np.testing.assert_array_equal(whole[n], alone)


@on_each_general_backend
def test_an_empty_batch_gives_an_empty_result(backend):
    x, weight = np.empty((0, 3, 5, 5), np.float32), np.ones((4, 3, 3, 3), np.float32)
    y = fastconv.conv2d(x, weight, backend=backend.name)
    assert y.shape == (0, 4, 3, 3)
    assert y.dtype == np.float32


@on_each_general_backend
@every_dtype
def test_nan_reaches_just_the_windows_that_hold_it(backend, dtype):
    x = np.ones((1, 2, 7, 8), dtype)
    x[0, 1, 3, 4] = np.nan
    y = fastconv.conv2d(x, np.ones((2, 2, 3, 3), dtype), padding=1, backend=backend.name)
    expected = np.zeros((7, 8), bool)
    expected[2:5, 3:6] = True
    np.testing.assert_array_equal(np.isnan(y[0, 0]), expected)
    np.testing.assert_array_equal(np.isnan(y[0, 1]), expected)


@on_each_general_backend
def test_relu_keeps_nan(backend):
    y = fastconv.conv2d(
        np.full((1, 1, 1), np.nan), np.ones((1, 1, 1, 1)), activation="relu", backend=backend.name
    )
    assert np.isnan(y).all()


@on_each_general_backend
@every_dtype
def test_activations_saturate_without_nan_or_warning(backend, dtype):
    z = np.array([[[-1e4, -100.0, 0.0, 100.0, 1e4]]], dtype)
    one = np.ones((1, 1, 1, 1), dtype)
    for activation, expected in (("sigmoid", [0, 0, 0.5, 1, 1]), ("tanh", [-1, -1, 0, 1, 1])):
        y = fastconv.conv2d(z, one, activation=activation, backend=backend.name)
        np.testing.assert_allclose(y[0, 0], expected, rtol=0, atol=unit_roundoff(dtype))


@on_each_general_backend
@every_dtype
def test_memory_layout_does_not_matter(backend, dtype):
    case = Case("layout", (2, 3, 5, 6), (4, 3, 3, 2), {"padding": 1})
    data = integer_operands(case, dtype)
    truth, _ = integer_truth(case)
    for name, x in views_of(data.x):
        if name == "nested lists" and dtype == "float32":
            continue  # lists of floats are float64
        for weight_name, weight in views_of(data.weight):
            if weight_name == "nested lists" and dtype == "float32":
                continue
            y = fastconv.conv2d(x, weight, data.bias, padding=1, backend=backend.name)
            np.testing.assert_array_equal(y, truth, err_msg=f"x {name}, weight {weight_name}")
            assert y.dtype.isnative


@on_each_general_backend
@every_dtype
def test_out_may_be_any_writable_view(backend, dtype):
    case = Case("out", (2, 3, 5, 6), (4, 3, 3, 2), {"padding": 1})
    data = integer_operands(case, dtype)
    truth, _ = integer_truth(case)
    for name, out in views_of(poisoned(truth.shape, dtype)):
        if name in ("read-only", "nested lists"):
            continue
        y = fastconv.conv2d(
            data.x, data.weight, data.bias, padding=1, backend=backend.name, out=out
        )
        assert y is out
        np.testing.assert_array_equal(out, truth, err_msg=name)


def test_out_between_the_operands_memory_is_accepted():
    buffer = np.ones((1, 1, 4, 8), np.float32)
    x, out = buffer[..., ::2], buffer[..., 1::2]
    fastconv.conv2d(x, np.full((1, 1, 1, 1), 3, np.float32), out=out)
    np.testing.assert_array_equal(out, np.full((1, 1, 4, 4), 3))
    np.testing.assert_array_equal(x, np.ones((1, 1, 4, 4)))


@on_each_general_backend
def test_operands_are_left_alone(backend):
    case = Case("inputs", (2, 3, 5, 6), (4, 3, 3, 2), {"padding": 1, "activation": "tanh"})
    data = random_operands(case, "float32")
    copies = data.x.copy(), data.weight.copy(), data.bias.copy()
    fastconv.conv2d(data.x, data.weight, data.bias, backend=backend.name, **case.options)
    for before, after in zip(copies, (data.x, data.weight, data.bias), strict=True):
        np.testing.assert_array_equal(before, after)


@on_each_general_backend
def test_a_plan_gives_what_the_call_gives(backend):
    case = Case("plan", (2, 4, 9, 8), (6, 2, 3, 3),
                {"padding": "same", "stride": 2, "groups": 2, "activation": "relu"})  # fmt: skip
    data = random_operands(case, "float32")
    plan = fastconv.plan_conv2d(data.weight, data.bias, backend=backend.name, **case.options)
    for x in (data.x, data.x[0], data.x[:, :, :5, 1:]):
        expected = fastconv.conv2d(x, data.weight, data.bias, backend=backend.name, **case.options)
        np.testing.assert_array_equal(plan(x), expected)
        out = poisoned(expected.shape, "float32")
        assert plan(x, out=out) is out
        np.testing.assert_array_equal(out, expected)


def test_a_plan_keeps_the_weights_it_was_given():
    weight, bias, stride = np.ones((1, 1, 1, 1)), np.zeros(1), [1, 1]
    plan = fastconv.plan_conv2d(weight, bias, stride=stride)
    weight[...], bias[...], stride[:] = 5, 7, [2, 2]
    np.testing.assert_array_equal(plan(np.ones((1, 2, 2))), np.ones((1, 2, 2)))


@on_each_general_backend
def test_infinities_of_the_image_reach_their_windows_without_a_warning(backend):
    x = np.ones((1, 1, 5, 5), np.float32)
    x[0, 0, 2, 2] = np.inf
    y = fastconv.conv2d(x, np.ones((9, 1, 3, 3), np.float32), backend=backend.name)
    assert np.isposinf(y).all()
    with np.errstate(all="raise"):
        y = fastconv.conv2d(x, -np.ones((9, 1, 1, 1), np.float32), backend=backend.name)
    assert np.isneginf(y[0, :, 2, 2]).all()
    assert np.isfinite(y).sum() == 9 * 24


@pytest.mark.parametrize("name", [n for n in fastconv.backends() if n.startswith("loops")])
def test_loops_skip_zero_padding_even_for_infinite_weights(name):
    weight = np.ones((1, 1, 3, 3))
    weight[0, 0, 0, 0] = np.inf
    y = fastconv.conv2d(np.ones((1, 1, 4, 4)), weight, padding=1, backend=name)
    assert not np.isnan(y).any()
    assert np.isinf(y[0, 0, 1:, 1:]).all()
    assert np.isfinite(y[0, 0, 0]).all()


@on_each_general_backend
def test_the_result_of_an_empty_batch_may_be_given_as_out_again(backend):
    x, weight = np.empty((0, 3, 5, 5), np.float32), np.ones((4, 3, 3, 3), np.float32)
    y = fastconv.conv2d(x, weight, backend=backend.name)
    assert fastconv.conv2d(x, weight, backend=backend.name, out=y) is y
