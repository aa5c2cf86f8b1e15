"""The masks of the textbooks against SciPy, which has them in pieces."""

import numpy as np
import pytest
from scipy import ndimage

from reference import filters
from tests.walking import in_one_test

BOUNDARIES = ("reflect", "mirror", "nearest", "wrap", "constant")


def noise(*shape):
    return np.random.default_rng(7).standard_normal(shape)


def assert_close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("boundary", BOUNDARIES)
class TestAgainstSciPy:
    def test_any_mask_even_larger_than_the_image(self, boundary):
        for shape in ((1, 1), (2, 3), (5, 4)):
            mask = noise(6, 7)
            theirs = ndimage.correlate(noise(*shape), mask, mode=boundary, cval=0.5)
            assert_close(
                filters.lay(mask.tolist(), noise(*shape), boundary=boundary, cval=0.5), theirs
            )

    def test_box(self, boundary):
        for size in (1, 2, 3, 4, (2, 5)):
            theirs = ndimage.uniform_filter(noise(6, 7), size, mode=boundary)
            assert_close(filters.box(noise(6, 7), size, boundary=boundary), theirs)

    def test_gaussian(self, boundary):
        for sigma in (0, 0.7, 1.0, (0.5, 1.5)):
            theirs = ndimage.gaussian_filter(noise(6, 7), sigma, mode=boundary)
            assert_close(filters.gaussian(noise(6, 7), sigma, boundary=boundary), theirs)

    def test_laplacian(self, boundary):
        theirs = ndimage.laplace(noise(6, 7), mode=boundary)
        assert_close(filters.laplacian(noise(6, 7), boundary=boundary), theirs)

    @in_one_test
    @pytest.mark.parametrize("axis", [0, 1])
    def test_derivatives(self, boundary, axis):
        for name, divisor in (("sobel", 4), ("prewitt", 3)):
            theirs = getattr(ndimage, name)(noise(6, 7), axis, mode=boundary) / divisor
            assert_close(getattr(filters, name)(noise(6, 7), axis, boundary=boundary), theirs)


def test_the_sums_of_the_masks():
    for mask in (filters.LAPLACIAN, filters.SOBEL_DOWN, filters.SCHARR_RIGHT, filters.PREWITT_DOWN):
        assert np.sum(mask) == pytest.approx(0, abs=1e-15)
    for mask in (
        filters.sharpen_mask(1.5), filters.emboss_mask(0.5), filters.box_mask(4, 3),
        filters.gaussian_mask(1.0, 2.0, 4.0),
    ):  # fmt: skip
        assert np.sum(mask) == pytest.approx(1)


def test_the_masks_to_the_right_are_those_down_turned_over():
    for name in ("SOBEL", "SCHARR", "PREWITT"):
        down, right = (np.array(getattr(filters, f"{name}_{way}")) for way in ("DOWN", "RIGHT"))
        assert (down == right.T).all()


def test_each_channel_is_a_plane():
    photograph = noise(4, 5, 3)
    blurred = filters.box(photograph, channel_axis=-1)
    for channel in range(3):
        assert (blurred[..., channel] == filters.box(photograph[..., channel])).all()
