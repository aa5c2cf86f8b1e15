"""The gradients: hand-worked, exact differences, and the laws they cannot break."""

import numpy as np
import pytest
from reference_cases import GEOMETRIES, Case, integers

from reference import conv2d, conv2d_backward, convolve2d
from tests.walking import in_one_test

geometries = pytest.mark.parametrize("case", GEOMETRIES.values(), ids=GEOMETRIES.keys())


def row(*values: float) -> np.ndarray:
    return np.array([[[values]]], dtype=np.float64)


def differences(energy, array, step):
    """Central differences of `energy`, a function without arguments, in each element of `array`."""
    slopes = np.empty_like(array)
    for at in np.ndindex(array.shape):
        here = array[at]
        array[at] = here + step
        above = energy()
        array[at] = here - step
        below = energy()
        array[at] = here
        slopes[at] = (above - below) / (2 * step)
    return slopes


class TestByHand:
    def test_every_gradient_of_two_taps_on_three_pixels(self):
        # y0 = 10 x0 + 20 x1 + b,  y1 = 10 x1 + 20 x2 + b
        grads = conv2d_backward(row(1, 100), row(2, 3, 5), row(10, 20))
        assert grads.x.ravel().tolist() == [10, 1020, 2000]
        assert grads.weight.ravel().tolist() == [302, 503]
        assert grads.bias.tolist() == [101]

    def test_stride_leaves_pixels_without_gradient(self):
        # y0 = x0 + 10 x1,  y1 = x3 + 10 x4;  x2 lies between the windows, x5 after the last
        grads = conv2d_backward(row(2, 3), row(1, 1, 1, 1, 1, 1), row(1, 10), stride=3)
        assert grads.x.ravel().tolist() == [2, 20, 0, 3, 30, 0]

    def test_padding_takes_no_gradient_with_it(self):
        grads = conv2d_backward(row(1, 2, 4), row(7), row(3), padding=((0, 0), (1, 1)))
        assert grads.x.item() == 6
        assert grads.weight.item() == 14
        assert grads.bias.item() == 7

    @in_one_test
    @pytest.mark.parametrize(
        ("mode", "expected"),
        [
            # the gradients of the padded pixels are 1 2 | 4 8 16 | 32
            ("zeros", [4, 8, 16]),
            ("reflect", [4, 8 + 2 + 32, 16 + 1]),
            ("replicate", [4 + 1 + 2, 8, 16 + 32]),
            ("circular", [4 + 32, 8 + 1, 16 + 2]),
        ],
    )
    def test_the_gradient_of_padding_goes_to_the_pixel_it_copied(self, mode, expected):
        grads = conv2d_backward(
            row(1, 2, 4, 8, 16, 32),
            row(1, 1, 1),
            row(1),
            padding=((0, 0), (2, 1)),
            padding_mode=mode,
        )
        assert grads.x.ravel().tolist() == expected

    @in_one_test
    @pytest.mark.parametrize(
        ("activation", "output", "expected"),
        [
            ("relu", [0.0, 2.0], [0.0, 3.0]),
            ("sigmoid", [0.25, 0.5], [0.1875, 0.75]),
            ("tanh", [-0.5, 0.0], [0.75, 3.0]),
        ],
    )
    def test_the_derivative_is_taken_from_the_output(self, activation, output, expected):
        grads = conv2d_backward(
            row(1, 3), row(0, 0), row(1), activation=activation, output=row(*output)
        )
        assert grads.x.ravel().tolist() == expected


class TestLaws:
    @geometries
    def test_adjoint_identity_is_exact(self, case: Case):
        """<conv(x, w), g> = <x, dx> = <w, dw> for every x, w and g."""
        x, weight = integers(1, *case.x_shape), integers(2, *case.weight_shape)
        y = conv2d(x, weight, **case.options)
        g = integers(3, *y.shape)
        grads = conv2d_backward(g, x, weight, **case.options)
        assert (y * g).sum() == (x * grads.x).sum() == (weight * grads.weight).sum()
        assert (grads.bias == g.sum(axis=(0, 2, 3))).all()

    @geometries
    def test_unit_differences_are_exact(self, case: Case):
        """E is linear in x and in w, so that its difference quotient is its gradient."""
        x, weight = integers(4, *case.x_shape)[:1], integers(5, *case.weight_shape)
        g = integers(6, *conv2d(x, weight, **case.options).shape)
        grads = conv2d_backward(g, x, weight, **case.options)

        def energy():
            return (g * conv2d(x, weight, **case.options)).sum()

        assert (grads.x == differences(energy, x, 1.0)).all()
        assert (grads.weight == differences(energy, weight, 1.0)).all()

    @in_one_test
    @pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
    def test_central_differences_through_the_activation(self, activation):
        rng = np.random.default_rng(7)
        x, weight = rng.standard_normal((2, 2, 4, 3)), rng.standard_normal((2, 1, 3, 2))
        bias = rng.standard_normal(2)
        options = {"stride": 2, "padding": ((2, 1), (0, 3)), "groups": 2, "activation": activation}
        y = conv2d(x, weight, bias, **options)
        g = rng.standard_normal(y.shape)
        grads = conv2d_backward(g, x, weight, output=y, **options)

        def energy():
            return (g * conv2d(x, weight, bias, **options)).sum()

        for array, grad in zip((x, weight, bias), grads, strict=True):
            np.testing.assert_allclose(grad, differences(energy, array, 1e-5), atol=1e-8)

    def test_input_gradient_is_the_full_convolution_with_the_kernel(self):
        x, weight, g = integers(8, 1, 1, 5, 6), integers(9, 1, 1, 3, 2), integers(10, 1, 1, 3, 5)
        grads = conv2d_backward(g, x, weight)
        assert (grads.x[0, 0] == convolve2d(g[0, 0], weight[0, 0])).all()

    def test_stride_only_spreads_the_output_gradient(self):
        x, weight, g = integers(11, 1, 1, 8, 7), integers(12, 1, 1, 2, 3), integers(13, 1, 1, 3, 3)
        spread = np.zeros((1, 1, 7, 5))
        spread[:, :, ::3, ::2] = g
        strided = conv2d_backward(g, x, weight, stride=(3, 2))
        dense = conv2d_backward(spread, x, weight)
        assert (strided.x == dense.x).all()
        assert (strided.weight == dense.weight).all()

    def test_unused_rows_and_columns_have_gradient_exactly_zero(self):
        x, weight = integers(14, 1, 2, 6, 9), np.ones((2, 2, 3, 2))
        g = np.ones(conv2d(x, weight, stride=(2, 4)).shape)
        grad = conv2d_backward(g, x, weight, stride=(2, 4)).x
        assert (grad[:, :, 5, :] == 0).all()
        assert (grad[:, :, :, [2, 3, 6, 7, 8]] == 0).all()
        assert grad[:, :, :5, [0, 1, 4, 5]].all()

    def test_the_batch_is_summed_into_weights_and_bias_only(self):
        x, weight, g = integers(16, 3, 2, 4, 4), integers(17, 2, 2, 2, 2), integers(18, 3, 2, 3, 3)
        whole = conv2d_backward(g, x, weight)
        parts = [conv2d_backward(g[n], x[n], weight) for n in range(3)]
        assert (whole.x == np.stack([part.x for part in parts])).all()
        assert (whole.weight == sum(part.weight for part in parts)).all()
        assert (whole.bias == sum(part.bias for part in parts)).all()


class TestArguments:
    x, weight, g = integers(19, 2, 4, 4), integers(20, 3, 2, 2, 2), integers(21, 3, 3, 3)

    @in_one_test
    @pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False,) * 3])
    def test_only_what_is_needed(self, needs):
        grads = conv2d_backward(self.g, self.x, self.weight, needs=needs)
        whole = conv2d_backward(self.g, self.x, self.weight)
        for need, grad, expected in zip(needs, grads, whole, strict=True):
            assert (grad == expected).all() if need else grad is None

    def test_shapes_and_dtypes_are_those_of_the_inputs(self):
        x, weight, g = (a.astype(np.float32) for a in (self.x, self.weight, self.g))
        grads = conv2d_backward(g, x, weight)
        assert [grad.shape for grad in grads] == [x.shape, weight.shape, (3,)]
        assert all(grad.dtype == np.float32 for grad in grads)

    def test_sums_are_float64_rounded_once(self):
        g = np.array([[[[2.0**24, 1.0, 1.0, 1.0]]]], dtype=np.float32)
        grads = conv2d_backward(g, np.ones_like(g), np.ones((1, 1, 1, 1), np.float32))
        assert grads.bias.item() == grads.weight.item() == 2.0**24 + 4.0

    def test_no_images(self):
        grads = conv2d_backward(np.zeros((0, 3, 3, 3)), np.zeros((0, 2, 4, 4)), self.weight)
        assert grads.x.shape == (0, 2, 4, 4)
        assert not grads.weight.any()
        assert not grads.bias.any()

    def test_padding_never_meets_infinity(self):
        weight = np.array([[[[np.inf, 1.0, np.nan]]]])
        weight_only = {"needs": (False, True, False)}
        grads = conv2d_backward(row(1, 1), row(1, np.inf), weight, padding="same", **weight_only)
        assert grads.weight.ravel().tolist() == [1, np.inf, np.inf]
        assert conv2d_backward(row(2), row(1), weight, padding="same").x.item() == 2

    @in_one_test
    @pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
    def test_an_activation_needs_the_output(self, activation):
        with pytest.raises(ValueError, match="output, what the forward pass returned, is needed"):
            conv2d_backward(self.g, self.x, self.weight, activation=activation)

    @in_one_test
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"padding": 1}, r"grad_output must have shape \(3, 5, 5\)"),
            (
                {"activation": "relu", "output": np.zeros((1, 3, 3, 3))},
                r"output must have shape \(3, 3, 3\)",
            ),
            ({"activation": "gelu"}, "activation must be one of"),
            ({"padding_mode": "wrap"}, "padding_mode must be one of"),
            ({"backend": "gemm"}, "backend must be"),
            ({"groups": 2}, "2 channels, .* needs 4|3 filters"),
        ],
    )
    def test_value_errors_say_what_and_why(self, options, message):
        with pytest.raises(ValueError, match=message):
            conv2d_backward(self.g, self.x, self.weight, **options)

    def test_other_dtypes_are_not_silently_converted(self):
        with pytest.raises(TypeError, match="grad_output must be an array of float32 or float64"):
            conv2d_backward(self.g.astype(int), self.x, self.weight)
