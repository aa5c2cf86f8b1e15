"""Which tap of its window a maximum is, and the gradient by it: what test_pool.py does not ask."""

import functools

import numpy as np
import pytest

import fastconv
import reference
from fastconv.problem import PoolProblem
from tests.comparing import assert_equal
from tests.fastconv.test_pool import (
    CASES,
    DTYPES,
    PLAIN,
    Case,
    compiled,
    integers,
    on_each_backend,
    on_each_case,
    operands,
    output_shape,
)
from tests.support import poisoned_allocations, tuned
from tests.walking import in_one_test

# Of more taps than a byte can count, and exactly as many; more rows of windows than are gathered.
LARGE = (
    Case("256_taps", (1, 2, 18, 21), 16, {"stride": 1}),
    Case("257_taps", (1, 2, 4, 300), (1, 257), {"stride": (1, 3)}),
    Case("17x17", (1, 2, 20, 23), 17, {"stride": 2, "padding": 8}),
    Case("7x7_s1", (2, 2, 12, 30), 7, {"stride": 1, "padding": 3}),
    Case("8x7_s1", (2, 2, 12, 30), (8, 7), {"stride": 1, "padding": 3}),
    Case("far_apart", (1, 2, 70, 9), 2, {"stride": 1, "dilation": (60, 3), "padding": (20, 1)}),
)
ALL_CASES = (*CASES, *LARGE)


def maxima(case, x, **more):
    """Return y and taps."""
    return fastconv.max_pool2d(x, case.kernel, **case.options, **more, return_taps=True)


def gradient(case, grad, x, **more):
    return fastconv.max_pool2d_backward(grad, x, case.kernel, **case.options, **more)


@functools.cache
def truth(name, kind):
    """Return the reference's y, taps and gradient by them, in float64, of a case by its name."""
    case = next(case for case in ALL_CASES if case.name == name)
    grad, x = operands(case, kind, "float64", "max_pool2d_taps")
    y, taps = reference.max_pool2d(x, case.kernel, **case.options, return_taps=True)
    return y, taps, reference.max_pool2d_backward(grad, x, case.kernel, **case.options)


@in_one_test
@on_each_backend
@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("kind", ["integers", "spoiled"])
def test_taps_equal_the_reference(case, backend, kind):
    expected, taps, true_gradient = truth(case.name, kind)
    for dtype in DTYPES:
        grad, x = operands(case, kind, dtype, "max_pool2d_taps")
        with poisoned_allocations():
            y, found = maxima(case, x, backend=backend)
        assert_equal(y, expected)
        assert found.dtype == taps.dtype
        assert found.flags.c_contiguous
        assert_equal(found, taps)
        dx = gradient(case, grad, x, backend=backend, taps=taps)
        assert_equal(dx, gradient(case, grad, x, backend=backend))
        assert_equal(dx, true_gradient)


@functools.cache
def gradient_by_any_taps(name):
    """Return taps drawn at random, and the reference's gradient by them, in float64."""
    case = next(case for case in ALL_CASES if case.name == name)
    problem = PoolProblem.create(case.x_shape, case.kernel, **case.options)
    grad, x = integers(case, "float64")
    taps = np.random.default_rng(0).integers(0, problem.taps, grad.shape)
    taps = taps.astype(problem.taps_dtype)
    return taps, reference.max_pool2d_backward(grad, x, case.kernel, **case.options, taps=taps)


@in_one_test
@on_each_backend
@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: case.name)
def test_taps_may_be_anybodys(case, backend):
    """Those in the padding give to nobody, and x is not looked at."""
    taps, expected = gradient_by_any_taps(case.name)
    for dtype in DTYPES:
        grad, x = integers(case, dtype)
        room = np.full(x.size + 64, 7, dtype)
        out = room[32:-32].reshape(x.shape)
        dx = gradient(case, grad, np.full_like(x, np.nan), backend=backend, taps=taps, out=out)
        assert_equal(dx, expected)
        assert (room[:32] == 7).all()
        assert (room[-32:] == 7).all()


@compiled
@in_one_test
@on_each_case
def test_a_gradient_is_the_same_without_taps_and_on_numpy(case):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(case.x_shape, np.float32)
    grad = rng.standard_normal(output_shape(case), np.float32)
    _, taps = maxima(case, x)
    dx = gradient(case, grad, x, taps=taps)
    assert_equal(dx, gradient(case, grad, x))
    by_numpy = gradient(case, grad, x, taps=taps, backend="numpy")
    np.testing.assert_allclose(dx, by_numpy, rtol=1e-5, atol=1e-5)


@compiled
@in_one_test
@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: case.name)
def test_by_each_kernel(case):
    """Gathered by pixels or handed out by windows, in blocks of any size, and literally."""
    grad, x = integers(case, "float32")
    y, taps = maxima(case, x, backend="loops")
    dx = gradient(case, grad, x, taps=taps, backend="loops")
    for changed in (
        {"POOL_STRIP_LANES": 1},
        {"POOL_STRIP_LANES": 100, "POOL_GATHERED_TAPS": 0},
        {"POOL_STRIP_LANES": 100, "POOL_GATHERED_TAPS": 10_000},
        {"MOST_SCRATCH_BYTES": -1},
        {"POOL_UNIT_PIXELS": 1},
        {"FLOPS_WORTH_A_THREAD": 1, "POOL_FEWEST_ROWS": 1, "UNITS_PER_THREAD": 40},
    ):
        with tuned(**changed):
            other_y, other_taps = maxima(case, x, backend="loops")
            other_dx = gradient(case, grad, x, taps=taps, backend="loops")
        assert_equal(other_y, y, str(changed))
        assert_equal(other_taps, taps, str(changed))
        assert_equal(other_dx, dx, str(changed))


@compiled
def test_the_same_taps_on_any_number_of_threads():
    rng = np.random.default_rng(0)
    for case in CASES:
        x = rng.standard_normal(case.x_shape, np.float32)
        results = []
        for threads in (1, 2, 3):
            with tuned(FLOPS_WORTH_A_THREAD=1, POOL_FEWEST_ROWS=1), fastconv.num_threads(threads):
                results.append(maxima(case, x, backend="loops")[1].tobytes())
        assert results[0] == results[1] == results[2], case.name


@on_each_backend
@pytest.mark.parametrize("kernel", [3, 17])
def test_however_taps_lie_in_memory(backend, kernel):
    case = Case("", (2, 3, 20, 24), kernel, {"stride": 2, "padding": 1})
    grad, x = integers(case, "float32")
    _, taps = maxima(case, x)
    assert taps.dtype == (np.uint8 if kernel == 3 else np.int64)
    expected = gradient(case, grad, x)
    for view in (
        np.asfortranarray(taps),
        np.repeat(taps, 2, axis=3)[..., ::2],
        taps[..., ::-1, ::-1].copy()[..., ::-1, ::-1],
        taps.astype(taps.dtype.newbyteorder()),
        [*taps],
    ):
        assert_equal(gradient(case, grad, x, taps=view, backend=backend), expected)
    taps.setflags(write=False)
    assert_equal(gradient(case, grad, x, taps=taps, backend=backend), expected)


def test_out_may_be_the_image_where_it_is_not_read():
    grad, x = integers(PLAIN, "float32")
    _, taps = maxima(PLAIN, x)
    expected = gradient(PLAIN, grad, x)
    assert gradient(PLAIN, grad, x, taps=taps, out=x) is x
    assert_equal(x, expected)


def test_flat_positions_as_the_documentation_says():
    """They are PyTorch's indices, where it is there to be asked."""
    case = Case("", (2, 3, 15, 18), (3, 2), {"stride": (2, 3), "padding": (1, 1), "dilation": 2})
    _, x = integers(case, "float32")
    y, taps = maxima(case, x)
    rows, columns = np.divmod(taps.astype(np.int64), 2)
    rows = np.arange(y.shape[2])[:, None] * 2 + rows * 2 - 1
    columns = np.arange(y.shape[3]) * 3 + columns * 2 - 1
    indices = rows * 18 + columns
    planes = x.reshape(6, -1)
    assert_equal(np.take_along_axis(planes, indices.reshape(6, -1), 1).reshape(y.shape), y)
    torch = pytest.importorskip("torch")
    _, theirs = torch.nn.functional.max_pool2d(
        torch.from_numpy(x), case.kernel, **case.options, return_indices=True
    )
    assert_equal(indices, theirs.numpy())
