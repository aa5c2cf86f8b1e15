"""im2col and col2im, and the im2col backend's bounded buffer."""

import os
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
import reference
from benchmarks.problems.layers import LAYERS
from fastconv.algorithms.im2col import column_buffer_bytes
from fastconv.columns import Tile, add_columns, fill_columns
from tests import by_taps
from tests.comparing import assert_equal
from tests.laws import on_each_able_backend
from tests.support import (
    CASES,
    DTYPES,
    EDGE_CASES,
    EXACT_CASES,
    case_id,
    forget_calls,
    integer_operands,
    layer_cases,
    peak_memory,
    truth_by,
)
from tests.walking import in_one_test

COLUMN_OPTIONS = ("stride", "padding", "dilation")


@in_one_test
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_im2col_and_col2im_equal_the_reference(case):
    options = {k: v for k, v in case.options.items() if k in COLUMN_OPTIONS}
    x, kernel = integer_operands(case, "float64").x, case.weight_shape[2:]
    true_columns = reference.im2col(x, kernel, **options)
    true_image = reference.col2im(true_columns, x.shape[-2:], kernel, **options)
    for dtype in DTYPES:
        columns = fastconv.im2col(x.astype(dtype), kernel, **options)
        assert columns.dtype == dtype
        assert columns.flags.c_contiguous
        assert_equal(columns, true_columns, f"columns in {dtype}")
        image = fastconv.col2im(columns, x.shape[-2:], kernel, **options)
        assert_equal(image, true_image, f"image in {dtype}")


def test_im2col_by_hand():
    image = np.arange(1.0, 10.0).reshape(1, 3, 3)
    np.testing.assert_array_equal(
        fastconv.im2col(image, 2), [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]]
    )


def test_col2im_counts_how_often_a_pixel_was_seen():
    seen = fastconv.col2im(np.ones((9, 9)), (5, 5), 3)
    np.testing.assert_array_equal(
        seen[0],
        [[1, 2, 3, 2, 1], [2, 4, 6, 4, 2], [3, 6, 9, 6, 3], [2, 4, 6, 4, 2], [1, 2, 3, 2, 1]],
    )


def test_a_convolution_is_the_product_with_the_columns():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 3, 6, 7)), rng.standard_normal((4, 3, 3, 2))
    columns = fastconv.im2col(x, (3, 2), padding=1, stride=2)
    product = weight.reshape(4, -1) @ columns
    y = fastconv.conv2d(x, weight, padding=1, stride=2)
    np.testing.assert_allclose(product.reshape(y.shape), y, rtol=0, atol=1e-13)


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(*[st.tuples(st.integers(0, 5), st.integers(0, 5))] * 2),
    channels=st.integers(1, 3),
)
@settings(max_examples=150)
def test_col2im_is_the_adjoint_of_im2col(size, kernel, stride, dilation, padding, channels):
    """⟨im2col(x), c⟩ = ⟨x, col2im(c)⟩, in exact integers."""
    fits = all(
        n + sum(pad) >= (k - 1) * step + 1
        for n, pad, k, step in zip(size, padding, kernel, dilation, strict=True)
    )
    if not fits:
        return
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 10, (2, channels, *size)).astype(float)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    columns = fastconv.im2col(x, kernel, **options)
    other = rng.integers(-9, 10, columns.shape).astype(float)
    image = fastconv.col2im(other, size, kernel, **options)
    assert np.vdot(columns, other) == np.vdot(x, image)


def test_a_tile_is_a_part_of_the_columns():
    """Any range of taps and outputs, padding and strides included."""
    problem = fastconv.ConvProblem.create(
        (1, 2, 5, 6), (1, 2, 3, 4), stride=(2, 1), padding=((1, 3), (4, 2)), dilation=(1, 2)
    )
    rng = np.random.default_rng(0)
    x = rng.integers(1, 9, (2, 5, 6)).astype(float)
    shape = (2, 3, 4, problem.out_height, problem.out_width)
    options = {name: getattr(problem, name) for name in COLUMN_OPTIONS}
    columns = fastconv.im2col(x, (3, 4), **options).reshape(shape)
    tile = Tile(slice(1, 3), slice(0, 2), slice(1, 3), slice(2, 5))
    part = np.full((2, 2, 2, 2, 3), np.nan)
    fill_columns(problem, x, part, tile)
    np.testing.assert_array_equal(part, columns[(slice(None), *tile)])
    back = np.zeros_like(x)
    add_columns(problem, part, back, tile)
    assert np.vdot(back, x) == np.vdot(part, part)


# A buffer of 1, 13, 52 or 524 values, in MiB here, cuts every loop there is: taps, columns, rows,
# groups, images. A product of one value takes as long as one of a hundred, and long loops are cut
# as short ones are: so no case is tried by more products than so many, a single value is for the
# smallest of the edge cases, and each layer is tried by one buffer, the next by the next.
LIMITS = (4e-6, 5e-5, 2e-4, 2e-3)
MOST_PRODUCTS = 250


def _limits_for(case):
    """Return the buffers that cut a case into no more products than that, the largest anyway."""
    *small, largest = LIMITS
    of_largest = case.task.im2col_bytes / 2**20 / MOST_PRODUCTS
    return (*(limit for limit in small if limit >= of_largest), largest)


LIMITS_OF = {case: _limits_for(case) for case in EDGE_CASES if case in EXACT_CASES}
for place, layer in enumerate(layer_cases(12_000)):
    usual = [limit for limit in _limits_for(layer) if limit != LIMITS[0]]
    LIMITS_OF[layer] = (usual[place % len(usual)],)


@on_each_able_backend(LIMITS_OF, among=["im2col"], dtypes=["float32"])
def test_results_do_not_depend_on_the_buffer(case, backend, dtype):
    data = integer_operands(case, dtype)
    truth, grads = truth_by(by_taps, case, integer_operands(case, "float64"))
    options = {**case.options, "backend": backend.name}
    for mebibytes in LIMITS_OF[case]:
        with mock.patch.dict(os.environ, FASTCONV_IM2COL_MIB=repr(mebibytes)), forget_calls():
            y = fastconv.conv2d(data.x, data.weight, data.bias, **options)
            output = y if "activation" in case.options else None
            actual = fastconv.conv2d_backward(
                data.grad_output, data.x, data.weight, output=output, **options
            )
        assert_equal(y, truth, f"y by {mebibytes} MiB")
        for name, got, expected in zip(grads._fields, actual, grads, strict=True):
            assert_equal(got, expected, f"grads.{name} by {mebibytes} MiB")


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_the_buffer_never_exceeds_its_limit(layer, monkeypatch):
    problem = fastconv.ConvProblem.create(layer.x_shape, layer.weight_shape, **layer.conv_kwargs())
    for mebibytes in (64, 1, 0.01):
        monkeypatch.setenv("FASTCONV_IM2COL_MIB", str(mebibytes))
        assert column_buffer_bytes(problem) <= mebibytes * 2**20
        assert column_buffer_bytes(problem) <= problem.im2col_bytes


def test_a_column_larger_than_the_limit_is_cut_as_well(monkeypatch):
    monkeypatch.setenv("FASTCONV_IM2COL_MIB", "0.001")
    problem = fastconv.ConvProblem.create((1, 1024, 40, 40), (1, 1024, 40, 40))
    assert column_buffer_bytes(problem) <= 1048


def test_memory_really_stays_bounded(monkeypatch):
    """What NumPy allocates in a call is the output and the buffer, no padded copy of the image."""
    monkeypatch.setenv("FASTCONV_IM2COL_MIB", "1")
    x = np.ones((4, 16, 64, 64), np.float32)
    weight = np.ones((16, 16, 3, 3), np.float32)
    problem = fastconv.ConvProblem.create(x.shape, weight.shape, padding=1)
    assert problem.im2col_bytes == 9 * 2**20
    with peak_memory() as peak, forget_calls():
        fastconv.conv2d(x, weight, padding=1, backend="im2col")
    assert peak.bytes <= x.nbytes + 2**20 + 100_000  # the output is as large as x


def test_far_padding_takes_no_memory():
    x, weight = np.ones((1, 1, 2, 2), np.float32), np.ones((1, 1, 3, 3), np.float32)
    with peak_memory() as peak:
        y = fastconv.conv2d(x, weight, padding=4000, stride=4000, backend="im2col")
    np.testing.assert_array_equal(y[0, 0], [[0, 0], [0, 4]])
    assert peak.bytes < 100_000


@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "inf", "-inf"])
def test_a_senseless_limit_is_refused(value, monkeypatch):
    monkeypatch.setenv("FASTCONV_IM2COL_MIB", value)
    with pytest.raises(ValueError, match="FASTCONV_IM2COL_MIB must be a positive number"):
        fastconv.conv2d(np.ones((1, 3, 3)), np.ones((1, 1, 2, 2)), backend="im2col")
