"""im2col and col2im: the order of the columns, and that one is the adjoint of the other."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from reference_cases import integers

from reference import col2im, conv2d, conv2d_backward, im2col
from tests.walking import in_one_test

windows = pytest.mark.parametrize(
    ("size", "kernel_size", "options"),
    [
        ((4, 5), 2, {}),
        ((6, 7), (3, 2), {"stride": (2, 3)}),
        ((3, 4), (2, 3), {"padding": (4, 1)}),
        ((3, 4), 2, {"padding": ((3, 0), (1, 4)), "stride": 2}),
        ((7, 8), (3, 2), {"dilation": (2, 3), "padding": 1}),
        ((5, 4), 3, {"padding": "same", "stride": 2}),
    ],
)


def test_by_hand():
    x = np.arange(1.0, 10.0).reshape(1, 3, 3)
    assert im2col(x, 2).tolist() == [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]]


def test_rows_are_channel_then_kernel_row_then_kernel_column():
    x = integers(1, 2, 3, 5, 6)
    cols = im2col(x, (2, 4))
    expected = sliding_window_view(x, (2, 4), axis=(2, 3)).transpose(0, 1, 4, 5, 2, 3)
    assert (cols == expected.reshape(2, 3 * 2 * 4, 4 * 3)).all()


def test_padding_is_zero():
    cols = im2col(np.ones((1, 1, 1)), 1, padding=((1, 0), (0, 2)))
    assert cols.tolist() == [[0, 0, 0, 1, 0, 0]]


def test_overlapping_windows_are_summed_on_the_way_back():
    counts = col2im(np.ones((4, 4)), (3, 3), 2)
    assert counts.tolist() == [[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]


@windows
def test_col2im_is_the_adjoint_of_im2col(size, kernel_size, options):
    x = integers(2, 2, 3, *size)
    cols = im2col(x, kernel_size, **options)
    other = integers(3, *cols.shape)
    assert (cols * other).sum() == (x * col2im(other, size, kernel_size, **options)).sum()


@windows
def test_a_layer_is_one_product_with_the_columns(size, kernel_size, options):
    x = integers(4, 2, 3, *size)
    kernel = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
    weight = integers(5, 4, 3, *kernel)
    y = conv2d(x, weight, **options)
    cols = im2col(x, kernel_size, **options)
    assert (y == (weight.reshape(4, -1) @ cols).reshape(y.shape)).all()

    g = integers(6, *y.shape)
    grads = conv2d_backward(g, x, weight, **options)
    g_matrix = g.reshape(2, 4, -1)
    grad_cols = weight.reshape(4, -1).T @ g_matrix
    assert (grads.x == col2im(grad_cols, size, kernel_size, **options)).all()
    grad_weight = (g_matrix @ cols.transpose(0, 2, 1)).sum(axis=0)
    assert (grads.weight == grad_weight.reshape(weight.shape)).all()


def test_one_image_needs_no_batch_axis():
    x = integers(7, 2, 4, 4)
    cols = im2col(x, 3)
    assert (cols == im2col(x[None], 3)[0]).all()
    assert (col2im(cols, (4, 4), 3) == col2im(cols[None], (4, 4), 3)[0]).all()


def test_dtype_is_kept_and_sums_are_rounded_once():
    assert im2col(np.zeros((1, 2, 2), np.float32), 1).dtype == np.float32
    # two windows of three taps on four pixels: pixel 1 is summed from two of them
    cols = np.array([[1.0, 2.0**24], [1.0, 1.0], [1.0, 1.0]], dtype=np.float32)
    image = col2im(cols, (1, 4), (1, 3))
    assert image.dtype == np.float32
    assert image.ravel().tolist() == [1.0, 2.0**24, 2.0, 1.0]


def test_no_images():
    cols = im2col(np.zeros((0, 2, 4, 4)), 3)
    assert cols.shape == (0, 18, 4)
    assert col2im(cols, (4, 4), 3).shape == (0, 2, 4, 4)


@in_one_test
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: im2col(np.zeros((4, 4)), 3), "x must have 4 axes"),
        (lambda: im2col(np.zeros((1, 4, 4)), 5), "kernel spans 5 rows"),
        (lambda: im2col(np.zeros((1, 4, 4)), 0), "kernel_size must be at least 1"),
        (lambda: col2im(np.zeros(4), (3, 3), 2), "cols must have 3 axes"),
        (lambda: col2im(np.zeros((5, 4)), (3, 3), 2), r"C \* 2 \* 2"),
        (lambda: col2im(np.zeros((4, 5)), (3, 3), 2), r"2 \* 2\)"),
        (lambda: col2im(np.zeros((0, 4)), (3, 3), 2), r"C \* 2 \* 2"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_other_dtypes_are_not_silently_converted():
    with pytest.raises(TypeError, match="x must be an array of float32 or float64"):
        im2col(np.zeros((1, 3, 3), dtype=int), 2)
    with pytest.raises(TypeError, match="cols must be an array of float32 or float64"):
        col2im(np.zeros((4, 4), dtype=int), (3, 3), 2)
