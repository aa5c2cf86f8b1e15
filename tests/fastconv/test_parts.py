"""Images cut into parts where a large dilation puts most taps into the padding."""

import numpy as np
import pytest

import fastconv
from fastconv import isa
from fastconv.parts import find_parts
from fastconv.problem import ConvProblem
from tests.support import is_able, usable_backends

CASES = [  # image, kernel, options
    ((12, 13), (3, 3), {"dilation": 6, "padding": 6}),
    ((12, 13), (3, 2), {"dilation": (5, 9), "padding": ((4, 7), (9, 3)), "stride": (2, 1)}),
    ((5, 1), (3, 3), {"dilation": (2, 10), "padding": ((8, 15), (13, 13)), "stride": (1, 2)}),
    ((1, 1), (3, 3), {"dilation": 3, "padding": 12}),  # parts that no tap reaches
    ((16, 9), (4, 4), {"dilation": (7, 5), "padding": ((14, 9), (12, 11)), "stride": (3, 2)}),
]


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(("size", "kernel", "options"), CASES)
def test_parts_are_the_whole(size, kernel, options, groups, dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, (2, 6, *size)).astype(dtype)
    weight = rng.integers(-4, 5, (18, 6 // groups, *kernel)).astype(dtype)
    bias = rng.integers(-4, 5, 18).astype(dtype)
    options = {**options, "groups": groups}
    problem = ConvProblem.create(x.shape, weight.shape, dtype=x.dtype, **options)
    assert find_parts(problem)
    expected = fastconv.conv2d(x, weight, bias, activation="relu", backend="loops", **options)
    grad = fastconv.conv2d(x, weight, backend="loops", **options)
    dx = fastconv.conv2d_backward(
        grad, x, weight, needs=(True, False, False), backend="loops", **options
    )[0]
    for backend in usable_backends():
        if is_able(backend, problem, "forward"):
            plan = fastconv.plan_conv2d(
                weight, bias, activation="relu", backend=backend.name, **options
            )
            out = np.full_like(expected, np.nan)
            plan(x, out=out)
            np.testing.assert_array_equal(out, expected, backend.name)
        if is_able(backend, problem, "input-grad"):
            found = fastconv.conv2d_backward(
                grad, x, weight, needs=(True, False, False), backend=backend.name, **options
            )[0]
            np.testing.assert_array_equal(found, dx, backend.name)


def test_the_parts_cover_every_pixel_once():
    for size, kernel, options in CASES:
        problem = ConvProblem.create((1, 1, *size), (1, 1, *kernel), dtype=np.dtype("f"), **options)
        seen = np.zeros((problem.out_height, problem.out_width), int)
        for part in find_parts(problem):
            seen[slice(*part.rows), slice(*part.columns)] += 1
        assert (seen == 1).all()


def test_a_kernel_of_many_taps_is_not_cut_into_thousands():
    problem = ConvProblem.create(
        (1, 1, 64, 64), (1, 1, 64, 64), dtype=np.dtype("f"), dilation=2, padding=64
    )  # fmt: skip
    assert find_parts(problem) == ()


def test_what_has_little_padding_stays_whole():
    for options in ({"padding": 1}, {"dilation": 2, "padding": 2}, {"dilation": 12}):
        problem = ConvProblem.create(
            (1, 4, 28, 28), (4, 4, 3, 3), dtype=np.dtype("f"), **options
        )  # fmt: skip
        assert find_parts(problem) == ()
