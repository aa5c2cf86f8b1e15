"""Calls that are kept: what they may share, and what must not be mistaken for each other."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastconv
from fastconv import call

X, WEIGHT = np.ones((1, 2, 5, 6), np.float32), np.ones((3, 2, 3, 3), np.float32)


@pytest.mark.parametrize("option", ["stride", "padding", "dilation", "groups"])
@pytest.mark.parametrize("impostor", [True, 1.0, (1, True), (1.0, 1), "1"])
def test_what_equals_an_int_is_not_found_in_its_place(option, impostor):
    fastconv.conv2d(X, WEIGHT, padding=1)
    with pytest.raises((TypeError, ValueError), match=option):
        fastconv.conv2d(X, WEIGHT, **{"padding": 1, option: impostor})


def test_lists_and_numpy_ints_are_taken_as_before():
    expected = fastconv.conv2d(X, WEIGHT, stride=2, padding=(1, 2))
    for stride, padding in (
        ([2, 2], [1, 2]),
        (np.int64(2), np.array([1, 2])),
        (2, [[1, 1], [2, 2]]),
    ):
        y = fastconv.conv2d(X, WEIGHT, stride=stride, padding=padding)
        np.testing.assert_array_equal(y, expected)


def test_equal_shapes_of_different_dtypes_have_calls_of_their_own():
    for dtype in (np.float32, np.float64, np.float32):
        y = fastconv.conv2d(X.astype(dtype), WEIGHT.astype(dtype))
        assert y.dtype == dtype


def test_one_image_and_a_batch_of_one_have_calls_of_their_own():
    assert fastconv.conv2d(X, WEIGHT).shape == (1, 3, 3, 4)
    assert fastconv.conv2d(X[0], WEIGHT).shape == (3, 3, 4)


def test_the_cache_is_bounded_and_holds_no_arrays():
    call.forget_calls()
    for height in range(3, 303):
        fastconv.conv2d(np.ones((1, 1, height, 3), np.float32), WEIGHT[:1, :1])
    info = call._cached.cache_info()
    assert info.currsize == info.maxsize == 256


def test_a_plan_remembers_a_bounded_number_of_sizes():
    plan = fastconv.plan_conv2d(WEIGHT[:1, :1])
    for height in range(3, 203):
        assert plan(np.ones((1, 1, height, 3), np.float32)).shape == (1, 1, height - 2, 1)
    assert len(plan._calls) <= 64


def test_a_plan_refuses_another_dtype_before_and_after_its_size_is_known():
    plan = fastconv.plan_conv2d(WEIGHT)
    for _ in range(2):
        with pytest.raises(TypeError, match="cast one"):
            plan(X.astype(np.float64))
        plan(X)


def test_a_plan_takes_any_layout_of_the_image():
    plan = fastconv.plan_conv2d(WEIGHT, padding=1)
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, (1, 2, 5, 6)).astype(np.float32)
    expected = fastconv.conv2d(x, WEIGHT, padding=1)
    swapped = x.astype(x.dtype.newbyteorder())
    strided = np.repeat(x, 2, axis=3)[..., ::2]
    backwards = np.ascontiguousarray(x[:, :, ::-1])[:, :, ::-1]
    for image in (x, swapped, strided, backwards, x.tolist() and np.asfortranarray(x)):
        np.testing.assert_array_equal(plan(image), expected)


def test_a_plan_can_be_pickled_before_and_after_it_is_called():
    """As joblib, multiprocessing and dask do; it pickles what it was given and nothing else."""
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(array.shape).astype(np.float32) for array in (X, WEIGHT))
    plan = fastconv.plan_conv2d(weight, np.ones(3, np.float32), padding=1, activation="relu")
    before = pickle.dumps(plan)
    expected = plan(x)
    after = pickle.dumps(plan)
    assert len(after) == len(before)
    for pickled in (before, after):
        copied = pickle.loads(pickled)
        np.testing.assert_array_equal(copied(x), expected)
        assert repr(copied) == repr(plan)


def test_a_plan_may_be_shared_among_threads():
    plan = fastconv.plan_conv2d(WEIGHT, padding=1)
    sizes = [(2, height, width) for height in range(1, 12) for width in range(1, 12)]
    images = [np.ones(size, np.float32) for size in sizes]
    expected = [fastconv.conv2d(image, WEIGHT, padding=1) for image in images]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for found, wanted in zip(pool.map(plan, images), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("kernel", "options", "sizes"),
    [
        ((3, 3), {"stride": 2, "padding": 12, "dilation": 12}, (224, 28, 57)),
        ((3, 3), {"padding": 12, "dilation": 12}, (150, 28, 7, 60)),
        ((3, 3), {"padding": 1}, (56, 7, 3, 1, 14)),
        ((7, 7), {"stride": 2, "padding": 3}, (1, 14, 3, 60, 2)),
        ((5, 5), {"stride": 3, "padding": 2, "groups": 4}, (1, 9, 2, 40)),
        ((1, 1), {}, (1, 7, 30)),
    ],
    ids=["strided, dilated", "dilated", "3x3", "7x7 strided", "groups", "1x1"],
)
def test_a_plan_serves_images_of_all_sizes_in_any_order(kernel, options, sizes):
    """What it has packed for one size may not be what the kernel of another reads."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-1, 2, (64, 64 // options.get("groups", 1), *kernel)).astype(np.float32)
    for order in (sizes, sizes[::-1]):
        plan = fastconv.plan_conv2d(weight, accuracy="strict", **options)
        for size in (*order, *order):
            x = rng.integers(-1, 2, (1, 64, size, size)).astype(np.float32)
            y = plan(x)
            expected = fastconv.conv2d(x, weight, backend="im2col", **options)
            np.testing.assert_array_equal(y, expected, f"{size} of {order}")
            dx = plan.input_grad(y, x.shape)
            expected = fastconv.conv2d_backward(
                y, x, weight, backend="im2col", needs=(True, False, False), **options
            ).x
            np.testing.assert_array_equal(dx, expected, f"gradient, {size} of {order}")


def test_a_plan_takes_whatever_image_the_call_takes():
    """What a backend can do depends on the image: a plan is not refused for one it may not see."""
    weight = np.ones((1, 1, 3, 3), np.float32)
    for backend in set(fastconv.backends()) - {"winograd"}:
        plan = fastconv.plan_conv2d(weight, padding=400, dilation=400, backend=backend)
        assert plan(np.ones((1, 1, 1), np.float32)).item() == 1
