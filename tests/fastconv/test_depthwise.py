"""depthwise: every stencil, both lanes, and the seams where tiles overlap."""

from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import isa, tuning
from fastconv.problem import ConvProblem
from tests.comparing import assert_equal
from tests.support import contenders, plan_of, tuned
from tests.walking import in_one_test

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")


def _assert_equal(x_shape, weight_shape, dtype=np.float32, **options):
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, x_shape).astype(dtype)
    weight = rng.integers(-4, 5, weight_shape).astype(dtype)
    bias = rng.integers(-4, 5, weight_shape[0]).astype(dtype)
    expected = fastconv.conv2d(x, weight, bias, backend="loops_literal", **options)
    out = np.full_like(expected, np.nan)
    fastconv.conv2d(x, weight, bias, backend="depthwise", out=out, **options)
    assert_equal(out, expected, f"y of {x_shape}, {weight_shape}, {options}")


@in_one_test
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stride", [1, 2, (1, 3)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 5), (7, 7), (2, 3), (1, 9), (4, 4)])
@pytest.mark.parametrize("size", [7, 14, 19, 37])
def test_kernels_strides_and_sizes(kernel, stride, size, dtype):
    padding = ((kernel[0] // 2, 1), (2, kernel[1] // 2))
    _assert_equal(
        (2, 5, size, size + 1), (5, 1, *kernel), dtype,
        groups=5, stride=stride, padding=padding,
    )  # fmt: skip


@in_one_test
@pytest.mark.parametrize("width", range(1, 70))
def test_every_length_of_row(width):
    _assert_equal((1, 2, 5, width), (2, 1, 3, 3), groups=2, padding=1)
    _assert_equal((1, 2, 5, width), (2, 1, 3, 3), groups=2, padding=1, stride=2)


@in_one_test
@pytest.mark.parametrize("height", range(1, 12))
def test_every_number_of_rows(height):
    _assert_equal((1, 3, height, 21), (3, 1, 5, 5), groups=3, padding=2)


@in_one_test
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("width", [9, 16, 21, 40, 64, 71])
def test_nothing_leaks_in_from_the_neighbouring_rows_and_planes(width, kernel, stride):
    """Padding is selected, not stored: what lies where it would be must not be multiplied."""
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, (1, 3, 11, width)).astype(np.float32)
    x[:, [0, 2]] = np.nan
    x[:, 1, :2] = np.inf
    weight = rng.integers(1, 5, (3, 1, kernel, kernel)).astype(np.float32)
    options = {"groups": 3, "padding": kernel // 2, "stride": stride}
    y = fastconv.conv2d(x, weight, backend="depthwise", **options)
    rows = slice((2 + kernel // 2 + stride - 1) // stride, None)  # which do not see the infinite
    expected = fastconv.conv2d(x, weight, backend="loops_literal", **options)
    assert np.isfinite(expected[:, 1, rows]).all()
    np.testing.assert_array_equal(y[:, 1, rows], expected[:, 1, rows])


@in_one_test
@pytest.mark.parametrize("padding", [((0, 2), (0, 0)), ((4, 4), (1, 1)), ((0, 0), (2, 2))])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (4, 33), (2, 65)])
def test_planes_at_the_ends_of_the_tensor(size, padding):
    """Their strips would be loaded from outside of it; small ones come to lie there together."""
    for kernel, stride in ((3, 1), (3, 2), (5, 2)):
        if all(n + sum(p) >= kernel for n, p in zip(size, padding, strict=True)):
            _assert_equal((2, 3, *size), (6, 1, kernel, kernel), groups=3, padding=padding,
                          stride=stride)  # fmt: skip


@in_one_test
@pytest.mark.parametrize("channels", [1, 7, 8, 15, 16, 17, 33])
@pytest.mark.parametrize("size", [1, 3, 4, 7, 13])
@pytest.mark.parametrize("stride", [1, 2])
def test_channels_in_the_lanes(channels, size, stride):
    with tuned(CHANNELS_NARROW=100.0):
        _assert_equal(
            (2, channels, size, size + 2), (channels, 1, 3, 3),
            groups=channels, padding=((0, 2), (3, 0)), stride=stride, dilation=(1, 2),
        )  # fmt: skip


@in_one_test
@pytest.mark.parametrize("channels", [1, 2, 32])
@pytest.mark.parametrize("kernel", [3, 5, 7, 4])
def test_few_filters_of_many_channels(channels, kernel):
    _assert_equal((2, channels, 20, 41), (1, channels, kernel, kernel), padding=kernel // 2)
    _assert_equal((1, 2 * channels, 9, 18), (4, channels, kernel, kernel), groups=2, padding=3)


@in_one_test
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("size", [(5, 3), (9, 16), (20, 41), (64, 64)])
def test_rows_that_are_brought_near_first_change_no_bit(size, kernel, stride, dtype):
    """Of images that lie far away; as few filters as one, and several, which share the rows."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, *size)).astype(dtype)
    options = {"groups": 3, "padding": kernel // 2, "stride": stride, "backend": "depthwise"}

    def results(filters):
        weight = np.linspace(-1, 1, filters * kernel**2, dtype=dtype)
        weight = weight.reshape(filters, 1, kernel, kernel)
        y = fastconv.conv2d(x, weight, **options)
        return y, *fastconv.conv2d_backward(y, x, weight, **options)

    for filters in (3, 6):
        with tuned(SLIDE_FAR_BYTES=2**60):
            near = results(filters)
        with tuned(SLIDE_FAR_BYTES=0, STENCIL_ROWS_BYTES=100, WEIGHTS_ROWS_BYTES=100):
            far = results(filters)
        # the rows of a block of a weight gradient decide how it is summed
        for result, expected in zip(far[:2], near[:2], strict=True):
            np.testing.assert_array_equal(result, expected)
        with tuned(SLIDE_FAR_BYTES=0):
            np.testing.assert_array_equal(results(filters)[2], near[2])


def test_only_large_images_are_brought_near():
    for size, far in ((224, True), (56, False)):
        shape = (1, 64, size, size)
        problem = ConvProblem.create(shape, (64, 1, 3, 3), padding=1, groups=64)
        assert plan_of("stencil_slide", problem, "forward").blocks.far is far
        assert plan_of("weights_slide", problem, "weight-grad").blocks.far is far


def _chosen(operation, x_shape, weight_shape, **options):
    problem = ConvProblem.create(x_shape, weight_shape, **options)
    return plan_of("auto", problem, operation).implementation.name


def test_many_channels_are_left_to_the_tiles_of_a_product(monkeypatch):
    monkeypatch.setattr(tuning, "RECKONED_VECTOR_BYTES", ())  # by the rules alone
    in_place = "gemm_pixels" if isa.name == "baseline" else "gemm_columns"
    for channels, filters, kernel, options, name in (
        (512, 1, 3, {}, "gemm_pixels"),
        (16, 2, 3, {}, "stencil_rows"),  # rows of the output share what is loaded
        (16, 2, 3, {"stride": 2}, "gemm_pixels"),
        (1, 2, 3, {"stride": (1, 2)}, "stencil_rows"),
        (16, 2, 3, {"dilation": 2}, "stencil_rows"),
        (64, 2, 1, {}, in_place),
        (64, 1, 7, {}, "gemm_pixels"),
    ):
        shapes = (1, channels, 56, 56), (filters, channels, kernel, kernel)
        assert _chosen("forward", *shapes, padding=kernel // 2, **options) == name, shapes
    assert _chosen("forward", (1, 256, 8, 8), (1, 256, 7, 7), padding=3) == "stencil_rows"


def test_a_weight_gradient_slides_where_its_sums_stay_in_registers():
    """And where rows are too short to be copied for so few taps."""
    many = isa.kernels.vector_values(4) == 16
    for kernel, size, stride, name in (
        (3, 112, 1, "weights_slide"), (3, 28, 2, "weights_slide"),
        (3, 112, 2, "weights_slide" if many else "weights_rows"),
        (5, 14, 1, "weights_slide" if many else "weights_rows"), (7, 14, 2, "weights_rows"),
    ):  # fmt: skip
        shapes = (1, 64, size, size), (64, 1, kernel, kernel)
        options = {"groups": 64, "padding": kernel // 2, "stride": stride}
        assert _chosen("weight-grad", *shapes, **options) == name, (shapes, stride)


CUT_SMALL = {"STENCIL_ROWS_BYTES": 100, "STENCIL_FEWEST_ROWS": 3, "FLOPS_WORTH_A_THREAD": 1}


@in_one_test
@pytest.mark.parametrize("kernel", [(5, 5), (4, 4)])  # sliding, and from bands
def test_blocks_and_threads_do_not_change_a_bit(kernel):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 20, 40, 15)).astype(np.float32)
    weight = rng.standard_normal((20, 1, *kernel)).astype(np.float32)
    options = {"groups": 20, "padding": 2, "backend": "depthwise", "activation": "tanh"}
    with tuned(CHANNELS_NARROW=0):
        whole = fastconv.conv2d(x, weight, **options)
    with tuned(CHANNELS_NARROW=0, **CUT_SMALL):
        for count in (1, 2):
            with fastconv.num_threads(count):
                np.testing.assert_array_equal(fastconv.conv2d(x, weight, **options), whole)
                np.testing.assert_array_equal(fastconv.conv2d(x[1], weight, **options), whole[1])
    # nor does it with the channels in the lanes
    with tuned(CHANNELS_NARROW=100.0, CHANNELS_FEW_COLUMNS=100):
        np.testing.assert_array_equal(fastconv.conv2d(x, weight, **options), whole)


@in_one_test
@pytest.mark.parametrize("padding", [1, 2, ((6, 5), (2, 1)), ((5, 4), (1, 2))])
@pytest.mark.parametrize("height", [40, 41])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_in_blocks_of_rows(stride, height, padding):
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, (2, 1, height, 37)).astype(np.float32)
    weight = rng.integers(-4, 5, (1, 1, 5, 5)).astype(np.float32)
    options = {"padding": padding, "stride": stride}
    grad = fastconv.conv2d(x, weight, backend="loops", **options)
    expected = fastconv.conv2d_backward(grad, x, weight, backend="loops", **options)
    for count in (1, 2):
        with tuned(WEIGHTS_ROWS_BYTES=500, **CUT_SMALL), fastconv.num_threads(count):
            found = fastconv.conv2d_backward(grad, x, weight, backend="depthwise", **options)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


@in_one_test
@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "options"),
    [
        ((1, 1, 64, 349000), (1, 1, 3, 3), {"stride": 2, "padding": 1}),
        ((1, 1, 4096, 4096), (1, 1, 3, 3), {"stride": 2, "padding": 1}),
        ((1, 16, 7, 7), (16, 1, 3, 3), {"groups": 16, "padding": ((0, 1000), (0, 1000))}),
        ((1, 2000, 200, 200), (1, 2000, 3, 3), {"stride": 2, "padding": 1}),
        ((1, 8, 9, 400000), (8, 8, 3, 3), {"stride": 2, "padding": 1}),
    ],
)
def test_the_scratch_of_gradients_is_bounded(x_shape, weight_shape, options):
    """A few MiB a thread: what is read, and as much again for results that are spread."""
    problem = ConvProblem.create(x_shape, weight_shape, dtype=np.dtype(np.float32), **options)
    for backend in contenders():
        for direction in ("input-grad", "weight-grad"):
            plan = plan_of(backend.name, problem, direction)
            if plan is not None and backend.name != "im2col":
                assert plan.scratch_bytes <= 2 * 9 * 2**20, (backend.name, direction)


def test_one_filter_of_many_channels_needs_bounded_scratch():
    explanation = fastconv.explain((1, 2000, 64, 64), (1, 2000, 3, 3), padding=1)
    assert explanation.scratch_bytes <= explanation.threads * 5 * 2**20
    refused = fastconv.explain((1, 5000, 8, 200), (1, 5000, 3, 3))
    assert "where the limit is 4 MiB" in refused.refusals["depthwise"]


@in_one_test
@pytest.mark.parametrize("width", [1, 4, 9, 16, 17, 31, 32, 33, 35, 70])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_gradients_at_stride_2_in_place(kernel, width):
    """Even and odd widths, paddings and rows: what strips and last rows may write differs."""
    rng = np.random.default_rng(0)
    for height, padding, dtype in product((6, 11), range(5), (np.float32, np.float64)):
        if min(height, width) + 2 * padding < kernel:
            continue
        x = rng.integers(-4, 5, (2, 3, height, width)).astype(dtype)
        weight = rng.integers(-4, 5, (3, 1, kernel, kernel)).astype(dtype)
        options = {"stride": 2, "padding": padding, "groups": 3}
        grad = fastconv.conv2d(x, weight, backend="loops", **options)
        for needs in ((True, False, False), (False, True, False)):
            expected = fastconv.conv2d_backward(
                grad, x, weight, needs=needs, backend="loops", **options
            )
            found = fastconv.conv2d_backward(
                grad, x, weight, needs=needs, backend="depthwise", **options
            )
            for name, one, other in zip(found._fields, found, expected, strict=True):
                if other is not None:
                    assert_equal(one, other, f"grads.{name} of {height=}, {padding=}, {dtype=}")


@in_one_test
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_gradients_take_nothing_from_the_neighbouring_planes(kernel, stride):
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, (1, 3, 12, 37)).astype(np.float32)
    weight = rng.integers(-4, 5, (3, 1, kernel, kernel)).astype(np.float32)
    options = {"stride": stride, "padding": kernel // 2, "groups": 3}
    grad = fastconv.conv2d(x, weight, **options)
    expected = fastconv.conv2d_backward(grad, x, weight, backend="loops", **options)
    x[:, [0, 2]] = grad[:, [0, 2]] = np.nan
    found = fastconv.conv2d_backward(grad, x, weight, backend="depthwise", **options)
    np.testing.assert_array_equal(found[0][:, 1], expected[0][:, 1])
    np.testing.assert_array_equal(found[1][1], expected[1][1])
