"""weights_planes: the edges of its tiles, stretches and blocks, and where it is chosen."""

from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import isa, planning
from fastconv.problem import ConvProblem
from tests.comparing import assert_equal
from tests.support import assert_parts_share_bits, tuned
from tests.walking import in_one_test

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")

NAME = "weights_planes"
DTYPES = np.float32, np.float64


def _gradient(grad, x, weight_shape, backend, **options):
    weight = np.zeros(weight_shape, x.dtype)
    return fastconv.conv2d_backward(
        grad, x, weight, backend=backend, needs=(False, True, False), **options
    ).weight


def _assert_right(x_shape, filters, groups, dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, x_shape).astype(dtype)
    grad = rng.integers(-4, 5, (x_shape[0], filters, *x_shape[2:])).astype(dtype)
    weight_shape = filters, x_shape[1] // groups, 1, 1
    found, expected = (
        _gradient(grad, x, weight_shape, backend, groups=groups) for backend in (NAME, "loops")
    )
    assert_equal(found, expected, f"dw of {x_shape}, {filters} filters, {np.dtype(dtype)}")


@in_one_test
@pytest.mark.parametrize("filters", [1, 2, 3, 4, 5, 7, 9, 33])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 8, 11, 34])
def test_planes_end_anywhere_in_a_tile(channels, filters):
    for dtype in DTYPES:
        _assert_right((2, channels, 5, 7), filters, 1, dtype)


@in_one_test
@pytest.mark.parametrize("pixels", [*range(16, 36), 47, 48, 49, 113])
def test_stretches_end_anywhere_in_a_vector(pixels):
    for dtype in DTYPES:
        _assert_right((2, 6, 1, pixels), 3, 1, dtype)


@in_one_test
@pytest.mark.parametrize("groups", [1, 3])
def test_small_blocks_and_parts(groups):
    for planes, sums, few, parts in product((1, 900), (1, 5000), (1, 64), (0, 2**20)):
        with tuned(
            PLANES_BYTES=planes,
            WEIGHTS_SUMS_BYTES=dict.fromkeys((16, 32, 64), sums),
            PLANES_FEW=few,
            PLANES_PARTS_BYTES=parts,
        ):
            for channels, filters in ((9, 5), (3, 20)):
                _assert_right((3, channels * groups, 9, 10), filters * groups, groups, np.float32)


def test_threads_do_not_change_a_bit_where_pixels_are_cut_into_parts():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 8, 20, 21)).astype(np.float32)
    grad = rng.standard_normal((5, 4, 20, 21)).astype(np.float32)
    with tuned(PLANES_PARTS_BYTES=0, FLOPS_WORTH_A_THREAD=1):
        assert_parts_share_bits(NAME, grad, x, np.zeros((4, 8, 1, 1), np.float32))


def test_what_is_not_finite_stays_where_it_is():
    """A vector at the end of a stretch begins among pixels that were multiplied already."""
    x = np.ones((1, 3, 1, 21), np.float32)
    grad = np.ones((1, 2, 1, 21), np.float32)
    x[0, 1, 0, 9] = np.inf
    grad[0, 1, 0, 12] = np.nan
    found = _gradient(grad, x, (2, 3, 1, 1), NAME)
    expected = [[21, np.inf, 21], [np.nan, np.nan, np.nan]]
    np.testing.assert_array_equal(found[..., 0, 0], np.array(expected, np.float32))


@pytest.mark.skipif(isa.name == "baseline", reason="it was not measured there")
@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "groups"),
    [
        ((1, 256, 56, 56), (1, 256, 1, 1), 1),
        ((8, 64, 28, 28), (16, 16, 1, 1), 4),
        ((32, 3, 56, 56), (32, 3, 1, 1), 1),
        ((8, 512, 14, 14), (1, 512, 1, 1), 1),
    ],
)
def test_it_is_chosen_for_few_planes(x_shape, weight_shape, groups):
    problem = ConvProblem.create(x_shape, weight_shape, groups=groups)
    assert planning.plan("weight-grad", problem, "auto", 1).leaf.implementation.name == NAME
