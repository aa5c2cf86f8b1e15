"""Planning asked about problems far larger than any test could compute.

Whatever halves, walks or counts while a call is laid out has to end, soon, for every size there is:
the worst fault so far, a weight gradient that never returned, hid behind a threshold that no small
problem crosses.
"""

import pytest

import fastconv

# A unit of these weight gradients has a single channel whose kernel alone is beyond what a block
# of taps should be: there is nothing left to halve.
KERNELS_BEYOND_A_BLOCK = {
    "patch embedding": ((8, 3, 224, 224), (64, 3, 16, 16), {"stride": 16}),
    "one channel": ((1, 1, 100, 100), (1, 1, 15, 15), {}),
    "few filters": ((1, 1, 28, 28), (8, 1, 21, 21), {"padding": 10}),
    "audio filters": ((4, 1, 1, 16_000), (32, 1, 1, 251), {}),
    "depthwise": ((2, 4, 64, 64), (4, 1, 31, 31), {"groups": 4, "padding": 15}),
}


@pytest.mark.parametrize("name", KERNELS_BEYOND_A_BLOCK)
@pytest.mark.parametrize("backend", ["auto", *fastconv.backends()])
def test_the_weight_gradient_of_a_large_kernel_is_planned(name, backend):
    x_shape, weight_shape, options = KERNELS_BEYOND_A_BLOCK[name]
    explanation = fastconv.explain(
        x_shape, weight_shape, direction="weight-grad", backend=backend, **options
    )
    assert explanation.scratch_bytes < 64 * 2**20
