"""What the reference is as a package: on its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import reference
from tests.comparing import assert_equal
from tests.support import views_of
from tests.walking import in_one_test


def test_it_does_not_import_what_it_judges():
    program = "import sys, reference; sys.exit('fastconv' in sys.modules)"
    root = Path(reference.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0


def test_every_public_name_exists():
    assert all(hasattr(reference, name) for name in reference.__all__)
    assert list(reference.__all__) == sorted(reference.__all__)


IMAGE = np.random.default_rng(0).integers(-9, 10, (2, 2, 5, 6)).astype(np.float64)
TAPS = np.random.default_rng(1).integers(-9, 10, (3, 2, 3, 3)).astype(np.float64)


@in_one_test
@pytest.mark.parametrize(
    "call",
    [
        lambda x: reference.conv2d(x, TAPS),
        lambda x: reference.conv2d_backward(np.ones((2, 3, 3, 4)), x, TAPS).weight,
        lambda x: reference.conv_transpose2d(x, TAPS[:2]),
        lambda x: reference.max_pool2d(x, 2),
        lambda x: reference.avg_pool2d_backward(x[..., :2, :3], x[..., :4, :6], 2),
        lambda x: reference.convolve2d(x, TAPS[0]),
        lambda x: reference.filters.gaussian(x),
        lambda x: reference.im2col(x, 3),
    ],
)
def test_arrays_may_lie_anyhow_in_memory(call):
    """Misaligned or byte-swapped ones too, which a memoryview cannot read."""
    expected = call(IMAGE)
    for name, view in views_of(IMAGE):
        if isinstance(view, np.ndarray):
            assert_equal(call(view), expected, name)
