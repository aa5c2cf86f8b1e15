"""ConvProblem: what it derives, as properties that hold for every shape."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from benchmarks.problems.layers import LAYERS
from fastconv import ConvProblem
from fastconv.problem.padding import PADDING_MODES, sources
from tests.support import contenders, is_able
from tests.walking import in_one_test

small = st.integers(1, 12)
step = st.integers(1, 4)
pad = st.integers(0, 9)


@st.composite
def problems(draw, mode="zeros"):
    groups = draw(st.integers(1, 3))
    channels, filters = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    dilation = draw(st.tuples(step, step))
    padding = draw(st.tuples(st.tuples(pad, pad), st.tuples(pad, pad)))
    least = [
        max(1, (k - 1) * d + 1 - sum(p)) for k, d, p in zip(kernel, dilation, padding, strict=True)
    ]
    if mode in ("reflect", "circular"):
        least = [max(n, max(p) + 1) for n, p in zip(least, padding, strict=True)]
    height, width = (n + draw(st.integers(0, 6)) for n in least)
    return ConvProblem.create(
        (draw(st.integers(0, 3)), channels, height, width),
        (filters, channels // groups, *kernel),
        stride=draw(st.tuples(step, step)),
        dilation=dilation,
        padding=padding,
        groups=groups,
        padding_mode=mode,
    )


@given(problems())
def test_the_last_window_fits_and_one_more_would_not(problem):
    axes = zip(
        (problem.out_height, problem.out_width), problem.stride, problem.span,
        problem.padded_size, strict=True,
    )  # fmt: skip
    for outputs, stride, window, padded in axes:
        assert outputs >= 1
        assert (outputs - 1) * stride + window <= padded
        assert outputs * stride + window > padded


@given(problems())
def test_work_and_traffic_add_up(problem):
    n, k, oh, ow = problem.output_shape
    assert problem.flops == 2 * n * k * oh * ow * problem.taps
    assert problem.taps * problem.out_channels == np.prod(problem.weight_shape)
    arrays = problem.x_shape, problem.weight_shape, problem.output_shape
    assert problem.bytes == 4 * sum(int(np.prod(shape)) for shape in arrays)
    columns = problem.groups * problem.taps * n * oh * ow
    assert problem.im2col_bytes == 4 * columns


@given(st.sampled_from(PADDING_MODES[1:]).flatmap(lambda mode: problems(mode)))
def test_padding_beforehand_poses_the_same_problem(problem):
    unpadded = problem.unpadded
    assert unpadded.output_shape == problem.output_shape
    assert unpadded.padding_mode == "zeros"
    assert unpadded.padding == ((0, 0), (0, 0))
    assert unpadded.flops == problem.flops
    x = np.zeros(problem.x_shape, np.float32)
    assert problem.pad(x).shape == unpadded.x_shape


@given(st.sampled_from(PADDING_MODES[1:]).flatmap(lambda mode: problems(mode)))
def test_fold_is_the_adjoint_of_pad(problem):
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 10, problem.x_shape).astype(np.float32)
    grad = rng.integers(-9, 10, problem.unpadded.x_shape).astype(np.float32)
    assert np.vdot(problem.pad(x), grad) == np.vdot(x, problem.fold(grad))


@given(problems())
def test_zero_padding_is_left_to_the_backend(problem):
    x = np.zeros(problem.x_shape, np.float32)
    assert problem.unpadded is problem
    assert problem.pad(x) is x
    assert problem.fold(x) is x


@pytest.mark.parametrize("mode", PADDING_MODES[1:])
@given(extent=st.integers(1, 9), left=pad, right=pad)
def test_padding_modes_are_those_of_numpy(mode, extent, left, right):
    widest = {"reflect": extent - 1, "circular": extent}.get(mode, 99)
    pads = min(left, widest), min(right, widest)
    numpy_name = {"replicate": "edge", "circular": "wrap"}.get(mode, mode)
    expected = np.pad(np.arange(extent), pads, mode=numpy_name)
    np.testing.assert_array_equal(sources(extent, pads, mode), expected)


@given(size=st.integers(1, 30), kernel=st.integers(1, 9), stride=step, dilation=step)
def test_same_gives_the_ceiling_and_puts_the_odd_row_at_the_end(size, kernel, stride, dilation):
    problem = ConvProblem.create(
        (1, 1, size, size), (1, 1, kernel, kernel), stride=stride, dilation=dilation,
        padding="same",
    )  # fmt: skip
    assert problem.out_height == problem.out_width == -(-size // stride)
    for first, last in problem.padding:
        assert last - first in (0, 1)


@given(problems())
def test_a_problem_is_a_value(problem):
    twin = dataclasses.replace(problem)
    assert twin == problem
    assert hash(twin) == hash(problem)
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.batch = 7


@in_one_test
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_layers_of_published_networks(layer):
    problem = ConvProblem.create(layer.x_shape, layer.weight_shape, **layer.conv_kwargs())
    assert problem.output_shape == layer.output_shape
    assert problem.flops == layer.flops


def test_known_flops():
    # VGG-16 conv1_2: 64·64·3·3 products for each of 224·224 pixels
    problem = ConvProblem.create((1, 64, 224, 224), (64, 64, 3, 3), padding=1)
    assert problem.flops == 2 * 64 * 64 * 9 * 224 * 224
    assert problem.im2col_bytes == 64 * 9 * 224 * 224 * 4


@in_one_test
@pytest.mark.parametrize(
    "padding",
    [
        1,
        (1, 1),
        [1, 1],
        ((1, 1), (1, 1)),
        np.int64(1),
        np.array(1),
        np.array([1, 1]),
        (np.array(1), 1),
        [[1, 1], [1, 1]],
        np.ones((2, 2), int),
        "same",
    ],
    ids=repr,
)
def test_all_forms_of_padding_mean_the_same(padding):
    problem = ConvProblem.create((1, 1, 5, 5), (1, 1, 3, 3), padding=padding)
    assert problem.padding == ((1, 1), (1, 1))


def test_str_leaves_out_defaults():
    plain = ConvProblem.create((2, 3, 5, 5), (4, 3, 3, 3))
    assert str(plain) == "float32 2×3×5×5 → 2×4×3×3, 3×3"
    busy = ConvProblem.create(
        (1, 4, 5, 6), (4, 1, 3, 1), (4,), dtype="float64", stride=2, padding=1, dilation=(2, 1),
        groups=4, padding_mode="reflect", activation="relu",
    )  # fmt: skip
    assert str(busy) == (
        "float64 1×4×5×6 → 1×4×2×4, 3×1, stride (2, 2), padding ((1, 1), (1, 1)), reflect, "
        "dilation (2, 1), 4 groups, bias, relu"
    )


@given(problems(), st.data())
def test_any_valid_problem_is_computed_alike_by_every_backend(problem, data):
    """Whatever shape hypothesis thinks of: all backends agree exactly, forward and backward."""
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))

    def integers(shape):
        return rng.integers(-3, 4, shape).astype(np.float32)

    x, weight = integers(problem.x_shape), integers(problem.weight_shape)
    grad = integers(problem.output_shape)
    options = {
        "stride": problem.stride,
        "padding": problem.padding,
        "dilation": problem.dilation,
        "groups": problem.groups,
        "accuracy": "strict",  # exact
    }
    exact = [b for b in contenders() if "winograd" not in b.name]
    names = [b.name for b in exact if is_able(b, problem, "forward")]
    with_gradients = [
        b.name
        for b in exact
        if is_able(b, problem, "input-grad") and is_able(b, problem, "weight-grad")
    ]
    first = with_gradients[0]
    y = fastconv.conv2d(x, weight, backend=first, **options)
    grads = fastconv.conv2d_backward(grad, x, weight, backend=first, **options)
    assert np.vdot(y, grad) == np.vdot(weight, grads.weight) == np.vdot(x, grads.x)
    for other in names:
        np.testing.assert_array_equal(
            fastconv.conv2d(x, weight, backend=other, **options), y, err_msg=other
        )
    for other in with_gradients:
        again = fastconv.conv2d_backward(grad, x, weight, backend=other, **options)
        for one, two in zip(grads, again, strict=True):
            np.testing.assert_array_equal(one, two, err_msg=other)
