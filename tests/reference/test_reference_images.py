"""Boundaries, stacks, banks and channels of the reference, against NumPy and SciPy."""

import numpy as np
import pytest
import scipy.signal

import reference
from reference.boundaries import BOUNDARIES, source_at
from tests.walking import in_one_test

PADS = {"symm": "symmetric", "reflect": "symmetric", "mirror": "reflect", "nearest": "edge",
        "wrap": "wrap", "grid-wrap": "wrap", "grid-mirror": "symmetric"}  # fmt: skip


@in_one_test
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_positions_are_those_of_numpy_pad(boundary, size):
    read = [source_at(boundary)(position, size) for position in range(-13, size + 17)]
    if boundary in PADS:
        assert read == np.pad(np.arange(size), (13, 17), mode=PADS[boundary]).tolist()
    else:
        assert read == [None] * 13 + list(range(size)) + [None] * 17


@in_one_test
@pytest.mark.parametrize("operation", ["convolve2d", "correlate2d"])
@pytest.mark.parametrize("boundary", ["fill", "wrap", "symm"])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_scipy(mode, boundary, operation):
    rng = np.random.default_rng(0)
    for size, taps in (((4, 5), (2, 3)), ((3, 2), (4, 7)), ((5, 5), (3, 4)), ((1, 1), (1, 1))):
        x, k = rng.integers(-9, 10, size), rng.integers(-9, 10, taps)
        fillvalue = 4 if boundary == "fill" else 0
        expected = getattr(scipy.signal, operation)(x, k, mode, boundary, fillvalue)
        y = getattr(reference, operation)(x, k, mode, boundary, fillvalue)
        assert y.dtype == expected.dtype
        assert y.tolist() == expected.tolist()


def test_each_image_with_each_kernel_and_the_channels_where_they_were():
    rng = np.random.default_rng(1)
    photo, bank = rng.integers(0, 9, (4, 5, 3)), rng.integers(-2, 3, (2, 3, 3))
    y = reference.convolve2d(photo, bank, "same", channel_axis=-1)
    assert y.shape == (2, 4, 5, 3)
    for k in range(2):
        for c in range(3):
            one = scipy.signal.convolve2d(photo[..., c], bank[k], "same")
            assert (y[k, ..., c] == one).all()
    out = np.empty_like(y)
    assert reference.convolve2d(photo, bank, "same", channel_axis=-1, out=out) is out
    assert (out == y).all()
    assert reference.correlate2d(photo[:0], bank).shape == (0, 2, 7, 5)


def test_refusals():
    image, kernel = np.ones((3, 3)), np.ones((2, 2))
    with pytest.raises(ValueError, match="boundary must be one of"):
        reference.convolve2d(image, kernel, boundary="zeros")
    with pytest.raises(ValueError, match="backend must be"):
        reference.convolve2d(image, kernel, backend="fft")
    with pytest.raises(ValueError, match="out must have shape"):
        reference.correlate2d(image, kernel, out=np.ones((3, 3)))
