"""How exact long sums are: in blocks from zero, which nothing but the problem decides.

The figures are relative errors in the L2 norm on normal float32 data, a tenth above what is
measured (benchmarks/STUDY.md). A sum of as many products in a row has up to eleven times as much.
"""

import numpy as np
import pytest

import fastconv
from fastconv import isa, planning, tuning
from fastconv.algorithms.implementation import Accuracy
from tests.comparing import assert_equal
from tests.support import tuned

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")

on_both = pytest.mark.parametrize("name", ["gemm", "gemm_pixels"])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def relative_error(actual, truth):
    return np.linalg.norm(actual - truth) / np.linalg.norm(truth)


def wide(*arrays):
    return [array.astype(np.float64) for array in arrays]


@on_both
@pytest.mark.parametrize(
    ("channels", "kernel", "most"),
    [
        (16, 3, 1.7e-7), (64, 3, 2.0e-7), (512, 3, 2.4e-7), (2048, 3, 2.8e-7),
        (64, 1, 1.6e-7), (256, 1, 1.9e-7), (1024, 1, 2.1e-7), (4096, 1, 2.4e-7),
        (3, 7, 1.6e-7), (64, 7, 2.2e-7), (256, 7, 2.7e-7), (1, 31, 2.5e-7),
    ],
)  # fmt: skip
def test_the_error_of_long_sums(channels, kernel, most, name):
    x, weight = normal(1, channels, 9, 10), normal(20, channels, kernel, kernel, seed=1)
    grad = normal(1, channels, 9, 10, seed=2)
    options = {"padding": kernel // 2}
    truth = fastconv.conv2d(*wide(x, weight), backend="im2col", **options)
    y = fastconv.conv2d(x, weight, backend=name, **options)
    assert relative_error(y, truth) < most
    back = weight.swapaxes(0, 1).copy()
    needs, image = (True, False, False), np.zeros((1, 20, 9, 10))
    truth = fastconv.conv2d_backward(
        *wide(grad, image, back), backend="im2col", needs=needs, **options
    )
    grads = fastconv.conv2d_backward(
        grad, image.astype(np.float32), back, backend=name, needs=needs, **options
    )
    assert relative_error(grads.x, truth.x) < most


def test_the_error_of_columns_that_are_added():
    """The gradient of patches: every pixel is a single sum over 2048 filters."""
    x, weight, grad = normal(1, 3, 16, 16), normal(2048, 3, 4, 4), normal(1, 2048, 4, 4, seed=1)
    options = {"stride": 4, "needs": (True, False, False)}
    assert (
        fastconv.explain(x.shape, weight.shape, stride=4, direction="input-grad").kernel
        == "gemm_scatter"
    )
    truth = fastconv.conv2d_backward(*wide(grad, x, weight), backend="im2col", **options)
    grads = fastconv.conv2d_backward(grad, x, weight, **options)
    assert relative_error(grads.x, truth.x) < 2.6e-7


@pytest.mark.parametrize(
    ("channels", "kernel", "width"),
    [(300, (3, 3), 13), (700, (1, 1), 13), (3, (23, 29), 40), (40, (1, 3), 10_000)],
    ids=["channels", "pointwise", "within a channel", "long rows"],
)
def test_bits_depend_on_nothing_but_the_problem(channels, kernel, width):
    """Neither on the batch and a place in it, nor threads, lanes, packing and cache blocks."""
    height = kernel[0] + 3
    x, weight = normal(5, channels, height, width), normal(10, channels, *kernel, seed=1)
    expected = fastconv.conv2d(x, weight, backend="gemm", accuracy="strict")
    small = {
        "GEMM_BAND_BYTES": 2000, "GEMM_SUMS_BYTES": 3000, "GEMM_MOST_PIXELS": 24,
        "GEMM_MOST_FILTERS": 1, "FLOPS_WORTH_A_THREAD": 1,
    }  # fmt: skip
    for name in ("gemm_filters", "gemm_columns", "gemm_pixels"):
        plan = fastconv.plan_conv2d(weight, backend=name, accuracy="strict")
        assert_equal(plan(x[3]), expected[3])
        for threads in (1, 2):
            with fastconv.num_threads(threads), tuned(**small):
                y = fastconv.conv2d(x[1:4], weight, backend=name, accuracy="strict")
            assert_equal(y, expected[1:4])


def test_channels_of_a_block_are_a_question_of_the_problem_alone():
    """Small and huge ones, whatever the threads."""
    for channels, kernel, width in ((2048, 3, 7), (4096, 1, 10_000), (1, 31, 300), (64, 7, 3000)):
        made = {
            plan.blocks.channels
            for batch in (1, 2, 100)
            for threads in (1, 2, 64)
            for name in ("gemm_filters", "gemm_columns", "gemm_pixels")
            for plan in [
                planning.plan(
                    "forward",
                    fastconv.ConvProblem.create(
                        (batch, channels, width, width), (64, channels, kernel, kernel)
                    ),
                    name, threads,
                )
            ]
        }  # fmt: skip
        (block,) = made
        assert block * kernel * kernel <= max(tuning.GEMM_TAPS, kernel * kernel)


def test_a_plan_promises_what_its_blocks_make_of_a_sum():
    def promised(channels, kernel):
        return fastconv.explain(
            (1, channels, 64, 64), (64, channels, kernel, kernel), backend="gemm", accuracy="strict"
        ).accuracy

    assert promised(16, 1) == Accuracy()  # a single part: any order
    # 74 blocks of 28 channels, whose 252 taps are 2 parts of 126
    assert promised(2048, 3) == Accuracy.in_blocks(18432, 128, 2, 74)
    assert promised(2048, 3).growth == 0.02
    assert promised(2048, 3).typical == pytest.approx(0.11)
