"""The float64 truth: against hand-worked sums, against its own algebra, and as a judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.measuring import truth
from benchmarks.problems import data
from benchmarks.problems.data import Data
from benchmarks.problems.layer import Layer
from benchmarks.problems.layers import LAYERS
from tests.walking import in_one_test

SMALL = Layer("small", "hand-worked", 1, 1, 2, 3, 1, 2)
HAND = Data(
    x=np.array([[[[1, 2, 3], [4, 5, 6]]]], np.float32),
    weight=np.array([[[[1, 10], [100, 1000]]]], np.float32),
    bias=np.array([0.5], np.float32),
    grad_output=np.array([[[[1, 2]]]], np.float32),
)
KINDS = [
    Layer("strided", "", 2, 3, 9, 8, 4, 3, stride=2, padding=1),
    Layer("dilated", "", 1, 2, 9, 9, 3, 3, padding=2, dilation=2),
    Layer("grouped", "", 2, 6, 7, 5, 4, 3, padding=1, groups=2),
    Layer("depthwise", "", 1, 4, 8, 8, 8, 5, stride=2, padding=2, groups=4),
    Layer("pointwise", "", 3, 5, 4, 4, 2, 1),
    Layer("row of a kernel", "", 2, 3, 6, 9, 4, (1, 7), stride=2, padding=(0, 3)),
    Layer("column of a kernel", "", 1, 2, 9, 5, 3, (5, 2), padding=(4, 0), dilation=2),
]


def test_forward_by_hand() -> None:
    # 1·1 + 10·2 + 100·4 + 1000·5 + ½, and one column further right
    (y,) = truth.solve(SMALL, HAND, "forward").values
    np.testing.assert_array_equal(y, [[[[5421.5, 6532.5]]]])


def test_gradients_by_hand() -> None:
    grad_x, grad_weight, grad_bias = truth.solve(SMALL, HAND, "step").values
    np.testing.assert_array_equal(grad_x, [[[[1, 12, 20], [100, 1200, 2000]]]])
    np.testing.assert_array_equal(grad_weight, [[[[1 + 4, 2 + 6], [4 + 10, 5 + 12]]]])
    np.testing.assert_array_equal(grad_bias, [3])


def test_the_gradients_of_a_step_can_be_had_alone() -> None:
    grad_x, grad_weight, _ = truth.solve(SMALL, HAND, "step").values
    assert truth.solve(SMALL, HAND, "input-grad").equals((grad_x,))
    assert truth.solve(SMALL, HAND, "weight-grad").equals((grad_weight,))


def test_padding_adds_a_frame_of_zeros() -> None:
    layer = replace(SMALL, padding=1)
    arrays = replace(HAND, grad_output=np.zeros(layer.output_shape, np.float32))
    (y,) = truth.solve(layer, arrays, "forward").values
    assert y.shape == (1, 1, 3, 4)
    assert y[0, 0, 0, 0] == 1000 * 1 + 0.5
    assert y[0, 0, 2, 3] == 1 * 6 + 0.5


@in_one_test
@pytest.mark.parametrize("layer", KINDS, ids=lambda layer: layer.name)
def test_gradients_are_the_adjoint_of_the_convolution(layer: Layer) -> None:
    """For the bilinear y(x, w): ⟨g, y⟩ = ⟨grad_x, x⟩ = ⟨grad_w, w⟩."""
    arrays = replace(data.make(layer), bias=np.zeros(layer.out_channels, np.float32))
    (y,) = truth.solve(layer, arrays, "forward").values
    grad_x, grad_weight, grad_bias = truth.solve(layer, arrays, "step").values
    product = np.vdot(arrays.grad_output, y)
    assert np.vdot(grad_x, arrays.x) == pytest.approx(product, rel=1e-12)
    assert np.vdot(grad_weight, arrays.weight) == pytest.approx(product, rel=1e-12)
    assert grad_bias.shape == (layer.out_channels,)


@in_one_test
@pytest.mark.parametrize("layer", KINDS, ids=lambda layer: layer.name)
def test_agrees_with_the_reference(layer: Layer) -> None:
    import reference

    arrays = data.make(layer, integers=True)
    y = reference.conv2d(arrays.x, arrays.weight, arrays.bias, **layer.conv_kwargs())
    assert truth.solve(layer, arrays, "forward").equals((y,))
    grads = reference.conv2d_backward(
        arrays.grad_output, arrays.x, arrays.weight, **layer.conv_kwargs()
    )
    assert truth.solve(layer, arrays, "step").equals(tuple(grads))


def test_a_rounded_result_is_within_its_bound_and_a_wrong_element_is_not() -> None:
    layer = KINDS[0]
    answer = truth.solve(layer, data.make(layer), "forward")
    y = answer.values[0].astype(np.float32)
    error, bound = answer.error((y,))
    assert error <= 1 < bound
    y[0, 0, 0, 0] += 1e-3
    error, bound = answer.error((y,))
    assert error > bound
    y[0, 0, 0, 0] = np.nan
    assert answer.error((y,))[0] == np.inf


def test_a_result_of_another_shape_is_refused() -> None:
    answer = truth.solve(SMALL, HAND, "forward")
    with pytest.raises(ValueError, match="shape"):
        answer.error((np.zeros((1, 1, 2, 1), np.float32),))


def test_everyone_gets_the_same_numbers() -> None:
    layer = LAYERS[0].cut(1e5)
    first, second = data.make(layer), data.make(layer)
    assert all(np.array_equal(vars(first)[name], vars(second)[name]) for name in vars(first))
    assert not np.array_equal(first.bias, data.make(replace(layer, batch=2)).bias)
