"""conv_transpose2d and its gradients: the reference, the convolution behind it, the edges."""

from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
import pytest

import fastconv
import reference
from fastconv.problem import TransposedProblem
from tests import by_taps
from tests.comparing import DIRECT, assert_equal, assert_within_bounds
from tests.laws import on_each_able_backend
from tests.random_problems import random_case
from tests.support import (
    DTYPES,
    Operands,
    contract_of,
    on_each_general_backend,
    poisoned,
    poisoned_allocations,
    task_in,
    views_of,
)
from tests.walking import in_one_test

every_dtype = pytest.mark.parametrize("dtype", DTYPES)


@dataclass(frozen=True)
class Case:
    """One transposed convolution, named for what is particular about it."""

    name: str
    x_shape: tuple[int, ...]
    weight_shape: tuple[int, int, int, int]
    options: dict[str, Any] = field(default_factory=dict)
    bias: bool = True

    def __hash__(self) -> int:
        return hash(self.name)

    @cached_property
    def problem(self):
        return TransposedProblem.create(self.x_shape, self.weight_shape, **self.options)

    @property
    def task(self):
        return self.problem.convolution

    @property
    def output_shape(self):
        return self.problem.output_shape[4 - len(self.x_shape) :]


CASES = (
    Case("one_pixel", (1, 1, 1, 1), (1, 1, 1, 1)),
    Case("plain", (2, 3, 5, 6), (3, 4, 3, 2)),
    Case("no_bias", (2, 3, 5, 6), (3, 4, 3, 3), bias=False),
    Case("single_image", (2, 4, 5), (2, 3, 3, 3), {"stride": 2}),
    Case("row_kernel", (1, 2, 3, 19), (2, 3, 1, 7), {"padding": (0, 3)}),
    Case("column_kernel", (1, 2, 19, 3), (2, 3, 7, 1), {"padding": (3, 0)}),
    Case("stride_1_padded", (2, 3, 6, 5), (3, 4, 3, 3), {"padding": 1}),
    Case("stride_2", (2, 3, 5, 6), (3, 4, 4, 4), {"stride": 2, "padding": 1}),
    Case("stride_2_output_padding", (2, 3, 5, 6), (3, 4, 3, 3),
         {"stride": 2, "padding": 1, "output_padding": 1}),
    Case("stride_3", (2, 2, 4, 5), (2, 3, 5, 4),
         {"stride": 3, "padding": 2, "output_padding": (0, 2)}),
    Case("stride_beyond_kernel", (1, 2, 4, 5), (2, 3, 2, 1), {"stride": (3, 4)}),
    Case("stride_beyond_kernel_output_padding", (1, 2, 4, 5), (2, 3, 1, 2),
         {"stride": (3, 4), "output_padding": (2, 3)}),
    Case("unequal_strides", (1, 2, 5, 7), (2, 3, 3, 2), {"stride": (1, 3), "padding": (1, 0)}),
    Case("dilation_2", (2, 2, 5, 6), (2, 3, 3, 3), {"dilation": 2, "padding": 2}),
    Case("stride_and_dilation", (1, 2, 4, 5), (2, 3, 3, 3),
         {"stride": (2, 3), "dilation": (3, 2), "padding": 3, "output_padding": (1, 2)}),
    Case("output_padding_of_a_stride", (1, 2, 4, 5), (2, 3, 2, 3),
         {"dilation": (3, 4), "output_padding": (1, 3)}),
    Case("output_padding_beyond_the_stride", (2, 2, 4, 5), (2, 3, 2, 3),
         {"stride": (2, 3), "dilation": (4, 6), "output_padding": (3, 5)}),
    Case("output_padding_beyond_the_stride_padded", (1, 2, 4, 5), (2, 3, 2, 3),
         {"stride": (1, 2), "dilation": (4, 5), "padding": ((1, 5), (0, 3)),
          "output_padding": (3, 4)}),
    Case("pointwise_output_padding", (2, 3, 4, 5), (3, 2, 1, 1),
         {"dilation": 3, "output_padding": (2, 1)}),
    Case("pointwise_output_padding_cut_off", (2, 3, 4, 5), (3, 2, 1, 1),
         {"dilation": 3, "output_padding": 2, "padding": ((0, 2), (0, 2))}),
    Case("asymmetric_padding", (2, 2, 5, 6), (2, 3, 3, 3), {"padding": ((0, 2), (1, 0))}),
    Case("asymmetric_stride_2", (1, 2, 5, 6), (2, 3, 3, 4),
         {"padding": ((2, 0), (0, 3)), "stride": 2, "output_padding": 1}),
    Case("padding_beyond_kernel", (1, 2, 9, 8), (2, 3, 3, 2), {"padding": (4, 3)}),
    Case("padding_beyond_kernel_on_one_side", (1, 2, 5, 6), (2, 3, 2, 3),
         {"padding": ((7, 0), (0, 8)), "stride": 2}),
    Case("padding_leaves_one_pixel", (1, 2, 4, 5), (2, 3, 3, 3), {"padding": ((3, 2), (0, 6))}),
    Case("two_groups", (2, 4, 5, 6), (4, 3, 3, 3), {"groups": 2, "padding": 1, "stride": 2}),
    Case("groups_narrow", (1, 8, 4, 5), (8, 1, 2, 2), {"groups": 2}),
    Case("depthwise", (2, 5, 6, 7), (5, 1, 3, 3), {"groups": 5, "padding": 1}),
    Case("depthwise_stride_2", (1, 16, 5, 6), (16, 1, 3, 3),
         {"groups": 16, "padding": 1, "stride": 2, "output_padding": 1}),
    Case("depthwise_output_padding_beyond_the_stride", (1, 17, 4, 3), (17, 1, 3, 2),
         {"groups": 17, "stride": 2, "dilation": 5, "output_padding": (4, 3)}),
    Case("depthwise_two_each", (1, 3, 4, 5), (3, 2, 3, 3), {"groups": 3, "stride": (2, 1)}),
    Case("pointwise", (2, 5, 6, 7), (5, 3, 1, 1)),
    Case("pointwise_strided", (2, 5, 4, 5), (5, 3, 1, 1), {"stride": 2, "output_padding": (1, 0)}),
    Case("long_row", (1, 2, 2, 131), (2, 2, 2, 5)),
    Case("long_row_stride_2", (1, 3, 2, 70), (3, 20, 2, 4), {"stride": 2, "padding": (0, 1)}),
    Case("many_channels", (1, 40, 4, 5), (40, 33, 3, 3), {"stride": 2, "padding": 1}),
    Case("decoder_of_dcgan", (2, 12, 4, 4), (12, 6, 4, 4), {"stride": 2, "padding": 1}),
)  # fmt: skip


def integers(case, dtype, seed=0):
    """Return integers so small that every sum of every product is exact in float32."""
    return _operands(case, lambda rng, shape: rng.integers(-4, 5, shape).astype(dtype), seed)


def normals(case, dtype, seed=0):
    return _operands(case, lambda rng, shape: rng.standard_normal(shape).astype(dtype), seed)


def _operands(case, draw, seed):
    rng = np.random.default_rng(seed)
    channels = case.problem.output_shape[1]
    return Operands(
        draw(rng, case.x_shape), draw(rng, case.weight_shape),
        draw(rng, (channels,)) if case.bias else None, draw(rng, case.output_shape),
    )  # fmt: skip


def convolution_options(case):
    """Return the options with which conv2d goes back; its first H rows and W columns are x's.

    An output padding of a stride or more has room for further windows, behind those.
    """
    return {name: value for name, value in case.options.items() if name != "output_padding"}


@cache
def integers_and_back(case, dtype):
    """Return `integers`, and what conv2d, going back, makes of their gradient."""
    data = integers(case, dtype)
    return data, _convolution(case, data)


def _convolution(case, data):
    """Return what conv2d, going back, makes of `grad_output`: the gradient of the image."""
    forward = fastconv.conv2d(
        data.grad_output, data.weight, accuracy="strict", **convolution_options(case)
    )
    return forward[..., : case.x_shape[-2], : case.x_shape[-1]]


def truth_by(module, case, data):
    """Return the output and gradients that `reference` computes, or `by_taps`, in float64."""
    x, weight, bias, grad = (
        None if a is None else a.astype(np.float64)
        for a in (data.x, data.weight, data.bias, data.grad_output)
    )
    y = module.conv_transpose2d(x, weight, bias, **case.options)
    return y, module.conv_transpose2d_backward(grad, x, weight, **case.options)


@cache
def integer_truth(case):
    return truth_by(reference, case, integers(case, "float64"))


@cache
def random_truth(case, dtype):
    """Return what `normals` come to, and their absolute values."""
    data = normals(case, dtype)
    sizes = Operands(*(None if a is None else abs(a) for a in vars(data).values()))
    return truth_by(by_taps, case, data), truth_by(by_taps, case, sizes)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_integers_by_taps_are_the_references(case):
    y, grads = truth_by(by_taps, case, integers(case, "float64"))
    truth, true_grads = integer_truth(case)
    for name, actual, expected in zip("yxwb", (y, *grads), (truth, *true_grads), strict=True):
        assert_equal(actual, expected, name)


# Two laws about the same, each in one of the dtypes: `in_turn`.
@on_each_able_backend(CASES, "forward", "input-grad", "weight-grad", exact=True, in_turn=0)
def test_integers_come_out_exactly(case, backend, dtype):
    data = integers(case, dtype)
    truth, _ = integer_truth(case)
    out = poisoned(truth.shape, dtype)
    y = fastconv.conv_transpose2d(
        data.x, data.weight, data.bias, backend=backend.name, out=out, **case.options
    )
    assert y is out
    assert_equal(out, truth, "y")


@on_each_able_backend(CASES, "forward", "input-grad", "weight-grad", exact=True, in_turn=1)
def test_integer_gradients_come_out_exactly(case, backend, dtype):
    data = integers(case, dtype)
    _, truth = integer_truth(case)
    with poisoned_allocations():
        grads = fastconv.conv_transpose2d_backward(
            data.grad_output, data.x, data.weight, backend=backend.name, **case.options
        )
    for name, actual, expected in zip(truth._fields, grads, truth, strict=True):
        assert actual.dtype == dtype
        assert_equal(actual, expected, f"grads.{name}")


@on_each_able_backend(CASES, "forward", exact=True)
def test_the_gradient_of_the_image_is_exact_by_every_forward_pass(case, backend, dtype):
    data = integers(case, dtype)
    _, truth = integer_truth(case)
    with poisoned_allocations():
        grads = fastconv.conv_transpose2d_backward(
            data.grad_output, data.x, data.weight, backend=backend.name,
            needs=(True, False, False), **case.options,
        )  # fmt: skip
    assert_equal(grads.x, truth.x, "grads.x")


@on_each_able_backend(CASES, "forward", "input-grad", "weight-grad", in_turn=1)
def test_random_data_stays_within_the_error_bounds(case, backend, dtype):
    data = normals(case, dtype)
    (y, grads), (size, sizes) = random_truth(case, dtype)
    with poisoned_allocations():
        actual = fastconv.conv_transpose2d(
            data.x, data.weight, data.bias, backend=backend.name, **case.options
        )
        actual_grads = fastconv.conv_transpose2d_backward(
            data.grad_output, data.x, data.weight, backend=backend.name, **case.options
        )
    convolution = case.problem.convolution
    kernel = convolution.kernel_height * convolution.kernel_width
    terms = convolution.out_channels_per_group * kernel + 1
    promised, *contracts = (
        contract_of(backend, task_in(case, dtype), way)
        for way in ("input-grad", "forward", "weight-grad")
    )
    assert_within_bounds(actual, y, size, terms, promised, "y")
    counts = convolution.taps, data.x[..., 0, :, :].size, data.grad_output[..., 0, :, :].size
    for name, *values, count, contract in zip(
        grads._fields, actual_grads, grads, sizes, counts, (*contracts, DIRECT), strict=True
    ):
        assert_within_bounds(*values, count, contract, f"grads.{name}")


@on_each_able_backend(CASES, "forward", "input-grad", "weight-grad", dtypes=["float32"])
def test_it_is_the_input_gradient_of_its_convolution(case, backend, dtype):
    """The further windows of `convolution_options`, if any, get a gradient of zero."""
    data = integers(case, dtype, seed=1)
    options = convolution_options(case)
    y = fastconv.conv_transpose2d(data.x, data.weight, backend=backend.name, **case.options)
    forward = fastconv.conv2d(data.grad_output, data.weight, **options)
    grad = np.zeros_like(forward)
    grad[..., : case.x_shape[-2], : case.x_shape[-1]] = data.x
    grads = fastconv.conv2d_backward(
        grad, data.grad_output, data.weight, needs=(True, False, False), backend=backend.name,
        **options,
    )  # fmt: skip
    assert_equal(y, grads.x, "y")


@on_each_able_backend(CASES, "forward", "input-grad", "weight-grad", exact=True, in_turn=0)
def test_adjoint_identity(case, backend, dtype):
    """⟨conv_transpose2d(x), y⟩ = ⟨x, conv2d(y)⟩ = ⟨x, dx⟩ = ⟨w, dw⟩, exactly."""
    data = integers(case, dtype, seed=2)
    y = fastconv.conv_transpose2d(data.x, data.weight, backend=backend.name, **case.options)
    back = _convolution(case, data)
    grads = fastconv.conv_transpose2d_backward(
        data.grad_output, data.x, data.weight, backend=backend.name, **case.options
    )
    products = ((y, data.grad_output), (data.x, back), (data.x, grads.x),
                (data.weight, grads.weight))  # fmt: skip
    assert len({float(np.sum(a * b, dtype=np.float64)) for a, b in products}) == 1


@on_each_able_backend(CASES, "forward", "input-grad", "weight-grad", dtypes=["float64"])
def test_central_differences(case, backend, dtype):
    """The slope of a random linear loss along a random direction, in all operands at once.

    The loss is a polynomial of second degree along it, so that the difference is the derivative.
    """
    data = normals(case, dtype, seed=3)
    options = {**case.options, "backend": backend.name}
    bias = np.zeros(case.problem.output_shape[1]) if data.bias is None else data.bias
    operands = data.x, data.weight, bias
    rng = np.random.default_rng(4)
    direction = [rng.standard_normal(a.shape) for a in operands]

    def loss(distance):
        moved = (a + distance * d for a, d in zip(operands, direction, strict=True))
        return np.vdot(fastconv.conv_transpose2d(*moved, **options), data.grad_output)

    slope = (loss(1 / 4) - loss(-1 / 4)) * 2
    grads = fastconv.conv_transpose2d_backward(data.grad_output, data.x, data.weight, **options)
    parts = [g * d for g, d in zip(grads, direction, strict=True)]
    scale = sum(np.abs(part).sum() for part in parts) + np.abs(data.grad_output).sum()
    assert abs(slope - sum(part.sum() for part in parts)) <= 1e-12 * scale


def _random_case(seed):
    """Return the transposed convolution with the kernel and options of a random convolution."""
    drawn, rng = random_case(seed), np.random.default_rng(seed)
    options = {name: drawn.options[name] for name in ("stride", "dilation", "groups")}
    out_channels, _, *kernel = drawn.weight_shape
    limits = map(max, options["stride"], options["dilation"])
    options["output_padding"] = tuple(int(rng.integers(limit)) for limit in limits)
    weight_shape = (drawn.x_shape[-3], out_channels // options["groups"], *kernel)
    reach = TransposedProblem.create(drawn.x_shape, weight_shape, **options).reach
    befores = [int(rng.integers(min(extent, 9))) for extent in reach]
    options["padding"] = tuple(
        (before, int(rng.integers(min(extent - before, 9))))
        for extent, before in zip(reach, befores, strict=True)
    )
    return Case(f"random_{seed}", drawn.x_shape, weight_shape, options)


RANDOM_CASES = [_random_case(seed) for seed in range(120)]


@on_each_able_backend(RANDOM_CASES, exact=True, together=8, in_turn=0)
def test_the_gradient_of_random_problems_is_their_convolution(case, backend, dtype):
    data, back = integers_and_back(case, dtype)
    with poisoned_allocations():
        grads = fastconv.conv_transpose2d_backward(
            data.grad_output, data.x, data.weight, needs=(True, False, False),
            backend=backend.name, **case.options,
        )  # fmt: skip
    assert_equal(grads.x, back, "grads.x")


@on_each_able_backend(
    RANDOM_CASES, "forward", "input-grad", "weight-grad", exact=True, together=8, in_turn=1
)
def test_adjoint_identity_of_random_problems(case, backend, dtype):
    data, back = integers_and_back(case, dtype)
    expected = np.sum(data.x * back, dtype=np.float64)
    arguments = {"backend": backend.name, **case.options}
    with poisoned_allocations():
        y = fastconv.conv_transpose2d(data.x, data.weight, **arguments)
        grads = fastconv.conv_transpose2d_backward(
            data.grad_output, data.x, data.weight, **arguments
        )
    assert np.sum(y * data.grad_output, dtype=np.float64) == expected
    assert_equal(grads.x, back, "grads.x")
    assert np.sum(data.weight * grads.weight, dtype=np.float64) == expected
    sums = data.grad_output.sum(axis=(-1, -2)).reshape(-1, y.shape[-3]).sum(axis=0)
    assert_equal(grads.bias, sums, "grads.bias")


@in_one_test
@on_each_general_backend
def test_an_empty_batch(backend):
    x, weight = np.empty((0, 3, 5, 5), np.float32), np.ones((3, 4, 3, 3), np.float32)
    options = {"stride": 2, "backend": backend.name}
    with poisoned_allocations():
        y = fastconv.conv_transpose2d(x, weight, **options)
        grads = fastconv.conv_transpose2d_backward(y, x, weight, **options)
    assert y.shape == (0, 4, 11, 11)
    assert y.dtype == np.float32
    assert fastconv.conv_transpose2d(x, weight, out=y, **options) is y
    assert grads.x.shape == x.shape
    np.testing.assert_array_equal(grads.weight, np.zeros(weight.shape))
    np.testing.assert_array_equal(grads.bias, np.zeros(4))


@in_one_test
@on_each_general_backend
@every_dtype
def test_what_no_kernel_reaches_is_the_bias_alone(backend, dtype):
    x, weight = np.ones((1, 1, 3, 3), dtype), np.ones((1, 2, 2, 1), dtype)
    for bias in (None, np.array([5, -3], dtype)):
        with poisoned_allocations():
            y = fastconv.conv_transpose2d(
                x, weight, bias, stride=4, output_padding=3, backend=backend.name
            )
        expected = np.zeros((2, 13, 12), dtype)
        for start in (0, 4, 8):
            expected[:, start : start + 2, ::4] = 1
        if bias is not None:
            expected += bias[:, None, None]
        np.testing.assert_array_equal(y[0], expected)


@in_one_test
@on_each_general_backend
@pytest.mark.parametrize("needs", [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)])
def test_needs_are_honoured(needs, backend):
    case = next(case for case in CASES if case.name == "stride_2")
    data = integers(case, "float64")
    _, truth = integer_truth(case)
    grads = fastconv.conv_transpose2d_backward(
        data.grad_output, data.x, data.weight, needs=tuple(map(bool, needs)),
        backend=backend.name, **case.options,
    )  # fmt: skip
    for wanted, actual, expected in zip(needs, grads, truth, strict=True):
        if wanted:
            np.testing.assert_array_equal(actual, expected)
        else:
            assert actual is None


@in_one_test
@on_each_general_backend
@every_dtype
def test_memory_layout_does_not_matter(backend, dtype):
    case = next(case for case in CASES if case.name == "stride_2_output_padding")
    data = integers(case, dtype)
    truth, true_grads = integer_truth(case)
    options = {**case.options, "backend": backend.name}
    views = zip(*map(views_of, (data.x, data.weight, data.grad_output)), strict=True)
    for (name, x), (_, weight), (_, grad) in views:
        if name == "nested lists" and dtype == "float32":
            continue  # lists of floats are float64
        for operands in ((x, data.weight), (data.x, weight), (x, weight)):
            y = fastconv.conv_transpose2d(*operands, data.bias, **options)
            np.testing.assert_array_equal(y, truth, err_msg=name)
            assert y.dtype.isnative
            grads = fastconv.conv_transpose2d_backward(grad, *operands, **options)
            for actual, expected in zip(grads, true_grads, strict=True):
                np.testing.assert_array_equal(actual, expected, err_msg=name)
                assert actual.dtype.isnative


@in_one_test
@on_each_general_backend
@every_dtype
def test_a_bias_may_lie_anywhere(backend, dtype):
    case = next(case for case in CASES if case.name == "stride_2")
    data = integers(case, dtype)
    truth, _ = integer_truth(case)
    options = {**case.options, "backend": backend.name}
    wide = np.repeat(data.bias, 3)[::-1]
    for bias in (wide[::-3], data.bias.astype(data.bias.dtype.newbyteorder())):
        y = fastconv.conv_transpose2d(data.x, data.weight, bias, **options)
        np.testing.assert_array_equal(y, truth)


@in_one_test
@on_each_general_backend
@every_dtype
def test_out_may_be_any_writable_view(backend, dtype):
    case = next(case for case in CASES if case.name == "stride_2_output_padding")
    data = integers(case, dtype)
    truth, _ = integer_truth(case)
    for name, out in views_of(poisoned(truth.shape, dtype)):
        if name in ("read-only", "nested lists"):
            continue
        y = fastconv.conv_transpose2d(
            data.x, data.weight, data.bias, backend=backend.name, out=out, **case.options
        )
        assert y is out
        np.testing.assert_array_equal(out, truth, err_msg=name)


@in_one_test
@on_each_general_backend
def test_operands_are_left_alone(backend):
    case = next(case for case in CASES if case.name == "two_groups")
    data = normals(case, "float32")
    operands = data.x, data.weight, data.bias, data.grad_output
    copies = [a.copy() for a in operands]
    options = {**case.options, "backend": backend.name}
    fastconv.conv_transpose2d(*operands[:3], **options)
    fastconv.conv_transpose2d_backward(data.grad_output, data.x, data.weight, **options)
    for before, after in zip(copies, operands, strict=True):
        np.testing.assert_array_equal(before, after)


@in_one_test
@on_each_general_backend
def test_an_image_alone_gives_the_same_bits_as_in_a_batch(backend):
    case = next(case for case in CASES if case.name == "stride_2")
    data = normals(case, "float32")
    options = {**case.options, "backend": backend.name}
    whole = fastconv.conv_transpose2d(data.x, data.weight, data.bias, **options)
    for n, image in enumerate(data.x):
        alone = fastconv.conv_transpose2d(image, data.weight, data.bias, **options)
        np.testing.assert_array_equal(whole[n], alone)


@in_one_test
@on_each_general_backend
def test_infinities_and_nan_flow_through_without_a_warning(backend):
    x, weight = np.full((1, 1, 2, 2), np.inf), np.ones((1, 1, 2, 2))
    x[..., 1] = -np.inf
    y = fastconv.conv_transpose2d(x, weight, np.array([np.nan]), backend=backend.name)
    assert np.isnan(y).all()
    y = fastconv.conv_transpose2d(x, weight, backend=backend.name)
    assert np.isnan(y[0, 0, :, 1]).all()
    assert np.isposinf(y[0, 0, :, 0]).all()
    grads = fastconv.conv_transpose2d_backward(y, x, weight, backend=backend.name)
    assert np.isnan(grads.bias).all()


def test_auto_computes_every_case():
    for case in CASES:
        data = integers(case, "float32")
        y, grads = integer_truth(case)
        actual = fastconv.conv_transpose2d(data.x, data.weight, data.bias, **case.options)
        np.testing.assert_array_equal(actual, y, err_msg=case.name)
        actual = fastconv.conv_transpose2d_backward(
            data.grad_output, data.x, data.weight, **case.options
        )
        for one, other in zip(actual, grads, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=case.name)


def test_the_convolution_behind_it_leads_back_to_the_image():
    for case in CASES:
        convolution = case.problem.convolution
        assert convolution.output_shape[4 - len(case.x_shape) :] == case.x_shape
        assert convolution.weight_shape == case.weight_shape
    assert any(min(min(c.problem.convolution.padding)) < 0 for c in CASES)
