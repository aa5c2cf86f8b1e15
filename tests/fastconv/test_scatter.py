"""gemm_scatter: its tiles, their seams and halos, and the problems it is there for."""

from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import isa
from tests.comparing import assert_equal
from tests.support import poisoned, tuned
from tests.walking import in_one_test

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")

# Units of one pixel, one channel and several panels.
CUT_SMALL = {
    "SCATTER_BYTES": 1, "SCATTER_RESULT_BYTES": 1, "SCATTER_TAPS": 1, "FLOPS_WORTH_A_THREAD": 1,
}  # fmt: skip


def _operands(x_shape, weight_shape, dtype, **options):
    """Return grad, x, weight and dx by the loops, of integers."""
    rng = np.random.default_rng(0)
    x = np.zeros(x_shape, dtype)
    weight = rng.integers(-4, 5, weight_shape).astype(dtype)
    grad = rng.integers(-4, 5, fastconv.conv2d(x, weight, **options).shape).astype(dtype)
    return grad, x, weight, _gradient(grad, x, weight, backend="loops", **options)


def _gradient(grad, x, weight, backend="gemm_scatter", **options):
    needs = (True, False, False)
    return fastconv.conv2d_backward(grad, x, weight, needs=needs, backend=backend, **options).x


@in_one_test
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3), (5, 4), (9, 40)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 17), (4, 33), (16, 16)])
def test_kernels_strides_and_cuts(kernel, stride, dtype):
    """Windows apart, side by side and overlapping; the result cut off before, after, and not."""
    for padding, dilation in product((0, ((3, 0), (1, 5))), ((1, 1), (2, 3))):
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": 2}
        span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        x_shape = (2, 6, span[0] + 2 * stride[0] + 1, span[1] + 3 * stride[1])
        grad, x, weight, expected = _operands(x_shape, (10, 3, *kernel), dtype, **options)
        for numbers in ({}, CUT_SMALL):
            for count in (1, 2):
                with tuned(**numbers), fastconv.num_threads(count):
                    assert_equal(_gradient(grad, x, weight, **options), expected, "dx")


@in_one_test
@pytest.mark.parametrize("filters", [1, 2, 15, 16, 17, 70])
@pytest.mark.parametrize("channels", [1, 3, 65])
def test_every_number_of_channels_and_filters(channels, filters):
    options = {"stride": 4, "padding": 1}
    grad, x, weight, expected = _operands(
        (1, channels, 22, 23), (filters, channels, 4, 4), np.float32, **options
    )
    assert_equal(_gradient(grad, x, weight, **options), expected, "dx")


def test_neither_tiles_nor_threads_nor_the_batch_change_a_bit():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 5, 64, 70)).astype(np.float32)
    weight = rng.standard_normal((40, 5, 7, 9)).astype(np.float32)
    options = {"stride": (4, 5), "padding": (2, 3)}
    grad = rng.standard_normal(fastconv.conv2d(x, weight, **options).shape).astype(np.float32)
    whole = _gradient(grad, x, weight, **options)
    assert_equal(_gradient(grad[1:2], x[1:2], weight, **options), whole[1:2], "one image")
    # SCATTER_TAPS, which orders the sums, stays what it is
    for numbers in ({}, {"SCATTER_BYTES": 1}, {"SCATTER_RESULT_BYTES": 20_000}):
        for count in (1, 2):
            with tuned(FLOPS_WORTH_A_THREAD=1, **numbers), fastconv.num_threads(count):
                assert_equal(_gradient(grad, x, weight, **options), whole, f"dx, {numbers}")


# What made as many objects as the stride has phases, and what a product of phases is slow at.
WANTED = {
    "kernel as wide as the stride": ((1, 1, 2, 2), (1, 1, 400, 400), {"stride": 400}),
    "inverse short-time Fourier": ((1, 66, 1, 57), (66, 1, 1, 512), {"stride": (1, 128)}),
    "patches": ((2, 48, 14, 14), (48, 3, 16, 16), {"stride": 16}),
    "upsampling": ((1, 32, 20, 21), (32, 8, 4, 4), {"stride": 4}),
}


@in_one_test
@pytest.mark.parametrize("name", WANTED)
def test_auto_takes_it_for_many_phases_of_few_taps(name):
    x_shape, weight_shape, options = WANTED[name]
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, x_shape).astype(np.float32)
    weight = rng.integers(-4, 5, weight_shape).astype(np.float32)
    expected = fastconv.conv_transpose2d(x, weight, backend="loops", **options)
    out = poisoned(expected.shape, np.float32)
    fastconv.conv_transpose2d(x, weight, out=out, **options)
    assert_equal(out, expected, "y")
    shapes = expected.shape, weight_shape
    explanation = fastconv.explain(*shapes, direction="input-grad", **options)
    assert explanation.kernel == "gemm_scatter"
    assert explanation.scratch_bytes <= 2 * explanation.threads * 2**20


def test_outputs_far_apart_are_not_gathered():
    """A long image from a single output: gathering would multiply a zero a million times."""
    explanation = fastconv.explain(
        (8, 1, 1, 20_310), (64, 1, 1, 884), dilation=(1, 46), padding=((0, 0), (20_309, 0)),
        direction="input-grad",
    )  # fmt: skip
    assert explanation.kernel == "gemm_scatter"


def test_overlapping_windows_are_left_to_the_phases():
    explanation = fastconv.explain(
        (1, 64, 56, 56), (64, 64, 3, 3), padding=1, direction="input-grad"
    )
    assert explanation.kernel != "gemm_scatter"


def test_a_backend_asked_for_by_name_takes_it_only_where_it_is_suited():
    """Filters that leave lanes idle are no reason to add columns: `gemm` then is gemm_filters."""
    shapes = (1, 2, 20, 20), (3, 2, 3, 3)
    explanation = fastconv.explain(*shapes, direction="input-grad", backend="gemm")
    assert explanation.kernel == "gemm_filters"


def test_a_window_too_large_for_the_scratch_is_refused():
    with pytest.raises(ValueError, match="where the limit is 4 MiB"):
        fastconv.explain(
            (1, 1, 1, 9000), (9000, 1, 1, 3000), stride=(1, 1), direction="input-grad",
            backend="gemm_scatter",
        )  # fmt: skip
