"""Nothing is read beyond an operand: it ends where a page begins that nobody may touch."""

import ctypes
import mmap
import sys

import numpy as np
import pytest

import fastconv
from fastconv import isa
from tests.walking import in_one_test

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or isa.kernels is None, reason="pages of Linux, and compiled kernels"
)

# x and weight, without padding: images in place, in units of images and of rows that do not come
# out even, with pixels and filters that are no whole tiles; and what is copied before
SHAPES = [
    ((3, 14, 23, 21), (110, 14, 1, 1)),
    ((1, 37, 1, 1), (5, 37, 1, 1)),
    ((5, 19, 9, 11), (33, 19, 1, 1)),
    ((1, 9, 97, 3), (2, 9, 1, 1)),
    ((7, 12, 7, 7), (130, 12, 1, 1)),
    ((2, 3, 17, 13), (7, 3, 3, 3)),
    ((1, 16, 30, 31), (24, 16, 3, 3)),
]


def _before_a_wall(values):
    """Return a copy that ends with a page, and the mapping that holds it."""
    page = mmap.PAGESIZE
    size = -(-values.nbytes // page) * page
    memory = mmap.mmap(-1, size + page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    assert protect(start + size, page, 0) == 0
    copy = np.frombuffer(memory, values.dtype, values.size, size - values.nbytes)
    copy = copy.reshape(values.shape)
    copy[...] = values
    return copy, (protect, start + size, page)


@in_one_test
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shapes", SHAPES)
def test_operands_that_end_with_a_page_are_read_and_no_more(shapes, dtype):
    """By every kernel, forward and backward; a read beyond is a segmentation fault."""
    rng = np.random.default_rng(0)
    (x, x_wall), (weight, weight_wall) = (
        _before_a_wall(rng.integers(-4, 5, shape).astype(dtype)) for shape in shapes
    )
    expected = fastconv.conv2d(x.copy(), weight.copy(), backend="im2col")
    grad, grad_wall = _before_a_wall(expected)
    for backend in ("gemm_filters", "gemm_columns", "gemm_pixels", "gemm_taps", "loops", "auto"):
        try:
            y = fastconv.conv2d(x, weight, backend=backend, accuracy="strict")
        except ValueError:
            continue  # which says that it cannot
        np.testing.assert_array_equal(y, expected, backend)
        if backend in ("loops", "auto"):
            fastconv.conv2d_backward(grad, x, weight, backend=backend)
    for protect, start, size in (x_wall, weight_wall, grad_wall):
        assert protect(start, size, mmap.PROT_READ | mmap.PROT_WRITE) == 0


@in_one_test
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [*range(1, 40), 62, 63, 64, 65, 66, 67])
def test_every_second_pixel_is_taken_from_its_row_and_no_other(width, dtype, padding):
    """At the end of a row by vectors that begin one pixel before the first that they take."""
    rng = np.random.default_rng(width)
    x, (protect, wall, page) = _before_a_wall(rng.integers(-4, 5, (1, 2, 3, width)).astype(dtype))
    weight = np.array([[1, 0], [0, 1], [1, -1]], dtype)[..., None, None]
    padded = np.pad(x, [(0, 0), (0, 0), (padding,) * 2, (padding,) * 2])[:, :, ::2, ::2]
    y = fastconv.conv2d(x, weight, stride=2, padding=padding, backend="gemm_filters")
    expected = np.stack([padded[:, 0], padded[:, 1], padded[:, 0] - padded[:, 1]], axis=1)
    assert np.array_equal(y, expected)
    assert protect(wall, page, mmap.PROT_READ | mmap.PROT_WRITE) == 0
