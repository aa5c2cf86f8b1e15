"""Problems of real size, exact on integers: what small ones cannot show.

Blocks, parts, pieces and rows longer than any cache come into play only here. Each problem has a
time limit, since the fault to look for next to a wrong sum is a call that does not return.

The truth is not computed value by value, which would take longer than all calls. A convolution is
linear in images, filters and channels, so that sums of them, each times a number drawn for it, have
to come out as well (Freivalds' check of a product, 1977):

    Σ b[n]·a[k]·y[n, k, i, j]  =  the convolution of  Σ b[n]·x[n]  with  Σ a[k]·w[k]

for every pixel, and so on for the gradients. No number is zero: a single wrong value always shows.
Several in the same pixel would have to cancel out, by numbers that nobody knew who computed them.
"""

import faulthandler
from typing import NamedTuple

import numpy as np
import pytest

import fastconv
from fastconv import planning
from tests.large_problems import computable_problem

PROBLEMS = 200
OPERATIONS = ("forward", "input-grad", "weight-grad")
SECONDS = 60  # hundreds of times what the largest takes


@pytest.fixture(autouse=True)
def _time_limit():
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def _integers(rng, shape, problem):
    """Return integers whose sums of products all fit the significand of float32."""
    return rng.integers(-2, 3, shape, dtype=np.int8).astype(problem.dtype)


def _options(problem):
    return {
        "stride": problem.stride, "padding": problem.padding, "dilation": problem.dilation,
        "groups": problem.groups,
    }  # fmt: skip


def _assert_equal(actual, expected, problem, what):
    if np.array_equal(actual, expected):
        return
    at = tuple(int(i) for i in np.argwhere(actual != expected)[0])
    raise AssertionError(
        f"{what} of {problem}: {np.sum(actual != expected)} of {actual.size} differ, "
        f"the first at {at}: {actual[at]}, not {expected[at]}"
    )


@pytest.mark.parametrize("seed", range(PROBLEMS))
def test_integers_come_out_exactly(seed):
    """All three operations by `auto`, on one thread and on two in turn, some by another backend.

    The adjoint identities hold as well, in float64: they know nothing of NumPy's columns, of which
    the truth is made.
    """
    problem = computable_problem(seed)
    assert 1e7 < problem.flops < 2e9
    rng = np.random.default_rng(seed)
    x = _integers(rng, problem.x_shape, problem)
    weight = _integers(rng, problem.weight_shape, problem)
    grad = _integers(rng, problem.output_shape, problem)
    data = Operands(x, weight, grad)
    factors = Factors.draw(rng, problem)
    combined = factors.of_operands(data)
    truth = {way: _compute(way, problem, combined[way], "im2col") for way in OPERATIONS}
    products = set()
    for number, way in enumerate(OPERATIONS):
        threads = 1 + (seed + number) % 2
        with fastconv.num_threads(threads):
            for backend in ("auto", *(_another(problem, seed) if seed % 3 == 0 else ())):
                result = _compute(way, problem, data, backend)
                assert result.dtype == problem.dtype
                if not np.array_equal(factors.of_result(way, result), truth[way]):
                    what = f"{way} by {backend!r} on {threads} threads"
                    _assert_equal(result, _compute(way, problem, data, "im2col"), problem, what)
                    raise AssertionError(f"{what} of {problem}: as wrong as by im2col")
                products.add(_inner(result, {"forward": grad, "input-grad": x}.get(way, weight)))
    assert len(products) == 1, f"the adjoint identities of {problem}"


def _inner(a, b):
    parts = zip(_in_parts(a.ravel()), _in_parts(b.ravel()), strict=True)
    return float(sum(np.dot(*pair) for pair in parts))


# Copied to float64 so many at a time, they stay in a cache: whole copies take as long as all sums.
VALUES_AT_ONCE = 2**15


def _in_parts(values, at_once=VALUES_AT_ONCE):
    """Yield all values in float64, so many of the last axis at a time."""
    for start in range(0, values.shape[-1], at_once):
        yield values[..., start : start + at_once].astype(np.float64)


class Operands(NamedTuple):
    x: np.ndarray
    weight: np.ndarray
    grad: np.ndarray


# As large as these are sums of any of the operations exact in float64, whose integers end at 2^53.
MOST = 31


class Factors(NamedTuple):
    """What images (N,), filters (G, K/G) and channels (G, C/G) are multiplied by."""

    images: np.ndarray
    filters: np.ndarray
    channels: np.ndarray

    @classmethod
    def draw(cls, rng, problem):
        groups = problem.groups
        assert problem.flops * (2 * MOST) ** 2 < 2**53
        return cls(
            *(
                rng.integers(1, MOST + 1, shape) * rng.choice((-1.0, 1.0), shape)
                for shape in (
                    problem.batch, (groups, problem.out_channels // groups),
                    (groups, problem.in_channels // groups),
                )
            )
        )  # fmt: skip

    def of_operands(self, data):
        """Return the operands of each operation whose result is that of `of_result`."""
        x, grad = (_summed(array[None], self.images[None]) for array in (data.x, data.grad))
        by_group = data.weight.reshape(*self.filters.shape, *data.weight.shape[1:])
        filters = _summed(by_group, self.filters)
        channels = np.einsum("gkc...,gc->gk...", by_group, self.channels)
        channels = channels.reshape(len(data.weight), 1, *data.weight.shape[2:])
        pixels = _over(data.x, self.channels)
        outputs = _over(data.grad, self.filters)
        return {
            "forward": Operands(x, filters, None),
            "input-grad": Operands(np.empty((1, *pixels.shape[1:])), channels, grad),
            "weight-grad": Operands(
                pixels, np.empty((len(filters), 1, *filters.shape[2:])), outputs
            ),
        }

    def of_result(self, way, result):
        if way == "weight-grad":
            by_group = result.reshape(*self.filters.shape, *result.shape[1:])
            return np.einsum("gc...,gc->g...", _summed(by_group, self.filters), self.channels)[
                :, None
            ]
        factors = self.filters if way == "forward" else self.channels
        return _over(_summed(result[None], self.images[None]), factors)


def _summed(arrays, factors):
    """Return Σ over j of factors[i, j] · arrays[i, j]."""
    flat = arrays.reshape(*factors.shape, -1)
    parts = _in_parts(flat, max(64, VALUES_AT_ONCE // factors.size))
    sums = [np.matmul(factors[:, None], part) for part in parts]
    return np.concatenate(sums, axis=-1).reshape(len(factors), *arrays.shape[2:])


def _over(planes, factors):
    """Return the sums of each group's planes, (N, G, H, W), of planes (N, channels, H, W)."""
    return np.stack([_summed(image[None], factors) for image in planes])


def _compute(way, problem, data, backend):
    # exact on integers; test_winograd.py has what is not
    options = {**_options(problem), "backend": backend, "accuracy": "strict"}
    if way == "forward":
        return fastconv.conv2d(data.x, data.weight, **options)
    needs = way == "input-grad", way == "weight-grad", False
    dx, dw, _ = fastconv.conv2d_backward(data.grad, data.x, data.weight, needs=needs, **options)
    return dx if way == "input-grad" else dw


def _another(problem, seed):
    """Return a compiled backend that is able to do all three, another one for every seed."""
    able = []
    for name in ("depthwise", "gemm", "gemm_pixels"):
        plans = [planning.ask(way, problem, name, 2) for way in OPERATIONS]
        if all(isinstance(plan, planning.Plan) and _work(plan) < 3e9 for plan in plans):
            able.append(name)
    return able[seed // 3 % len(able) :][:1] if able else []


def _work(plan):
    """Return the products that a plan computes: of pieces of a gradient, padding included."""
    return sum(map(_work, plan.pieces)) if plan.pieces else plan.piece.problem.flops
