"""The error bounds themselves: tight enough that a mistake cannot hide."""

import numpy as np
import pytest

import fastconv
from tests.comparing import assert_within_bounds
from tests.support import Case, random_operands


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_dropped_tap_of_thousands_is_noticed(dtype):
    case = Case("deep", (1, 512, 7, 7), (2, 512, 3, 3))
    data = random_operands(case, dtype)
    wide = data.x.astype(np.float64), data.weight.astype(np.float64)
    truth = fastconv.conv2d(*wide, backend="im2col")
    magnitude = fastconv.conv2d(*map(abs, wide), backend="im2col")
    terms = 512 * 9
    good = fastconv.conv2d(data.x, data.weight, backend="im2col")
    assert_within_bounds(good, truth, magnitude, terms)
    data.weight[:, 300, 1, 2] = 0
    dropped = fastconv.conv2d(data.x, data.weight, backend="im2col")
    with pytest.raises(AssertionError, match="error"):
        assert_within_bounds(dropped, truth, magnitude, terms)


def test_single_precision_passed_off_as_double_is_noticed():
    case = Case("wide", (1, 64, 9, 9), (4, 64, 3, 3))
    data = random_operands(case, "float64")
    truth = fastconv.conv2d(data.x, data.weight, backend="im2col")
    magnitude = fastconv.conv2d(abs(data.x), abs(data.weight), backend="im2col")
    single = fastconv.conv2d(
        data.x.astype(np.float32), data.weight.astype(np.float32), backend="im2col"
    ).astype(np.float64)
    with pytest.raises(AssertionError, match="error"):
        assert_within_bounds(single, truth, magnitude, 64 * 9)
