"""The im2col lesson: one test for each mistake its copies are known for, and the rest of it.

Both the tutorial and the definition go through the mistakes.
"""

import numpy as np
import pytest
from reference_cases import integers

import reference
from reference import tutorial
from reference.tutorial import col2im_indices, get_im2col_indices, im2col_indices
from tests.walking import in_one_test

both = pytest.mark.parametrize("lesson", [tutorial, reference], ids=["tutorial", "definition"])


class TestMistakes:
    @both
    def test_mistake_bias_does_not_broadcast_over_positions(self, lesson):
        # as many filters as positions and images: a bias along any wrong axis would go unnoticed
        x, weight, bias = np.zeros((3, 1, 3, 3)), np.zeros((3, 1, 1, 1)), np.array([1.0, 2.0, 3.0])
        y = lesson.conv2d(x, weight, bias)
        assert (y == bias.reshape(1, 3, 1, 1)).all()

    @both
    def test_mistake_bias_gradient_is_not_summed_over_positions_and_images(self, lesson):
        g = integers(1, 3, 3, 3, 3)
        grads = lesson.conv2d_backward(g, np.zeros((3, 1, 3, 3)), np.zeros((3, 1, 1, 1)))
        assert (grads.bias == g.sum(axis=(0, 2, 3))).all()

    @both
    def test_mistake_backward_uses_columns_of_another_forward_pass(self, lesson):
        x, weight, g = integers(2, 1, 2, 4, 4), integers(3, 2, 2, 3, 3), integers(4, 1, 2, 2, 2)
        never_forward = lesson.conv2d_backward(g, x, weight)
        lesson.conv2d(x, weight)
        lesson.conv2d(integers(5, 2, 2, 5, 5), weight)
        for a, b in zip(never_forward, lesson.conv2d_backward(g, x, weight), strict=True):
            assert (a == b).all()

    @both
    def test_mistake_output_size_truncated_silently(self, lesson):
        """A 5×5 kernel does not fit into 4×4, but int((4 - 5) / 2) + 1 says one output."""
        with pytest.raises(ValueError, match="5"):
            lesson.conv2d(np.zeros((1, 1, 4, 4)), np.zeros((1, 1, 5, 5)), stride=2)

    @both
    def test_mistake_output_size_asserts_that_the_stride_divides(self, lesson):
        y = lesson.conv2d(np.arange(36.0).reshape(1, 1, 6, 6), np.ones((1, 1, 1, 1)), stride=4)
        assert y[0, 0].tolist() == [[0, 4], [24, 28]]

    @both
    def test_mistake_rows_left_over_by_the_stride_crop_the_input_gradient(self, lesson):
        x, weight = integers(6, 1, 1, 6, 7), np.ones((1, 1, 3, 3))
        grad = lesson.conv2d_backward(np.ones((1, 1, 2, 2)), x, weight, stride=3).x
        assert grad.shape == x.shape
        assert (grad[:, :, :, 6] == 0).all()
        assert (grad[:, :, :, :6] == 1).all()
        grad = lesson.conv2d_backward(np.ones((1, 1, 1, 1)), x, weight, stride=5).x
        assert (grad[:, :, 3:, :] == 0).all()

    @both
    @in_one_test
    @pytest.mark.parametrize("stride", [1, 2, 3])
    def test_mistake_gradients_right_for_stride_1_only(self, lesson, stride):
        x, weight = integers(7, 2, 2, 7, 6), integers(8, 3, 2, 3, 2)
        y = lesson.conv2d(x, weight, stride=stride)
        g = integers(9, *y.shape)
        grads = lesson.conv2d_backward(g, x, weight, stride=stride)
        assert (y * g).sum() == (x * grads.x).sum() == (weight * grads.weight).sum()

    @both
    def test_mistake_weight_gradient_is_rotated_by_180_degrees(self, lesson):
        x, g = np.arange(16.0).reshape(1, 1, 4, 4), np.zeros((1, 1, 3, 3))
        g[0, 0, 1, 2] = 1  # this output alone: its window is the weight gradient, upright
        grad = lesson.conv2d_backward(g, x, np.ones((1, 1, 2, 2))).weight
        assert (grad[0, 0] == x[0, 0, 1:3, 2:4]).all()

    @both
    def test_mistake_input_gradient_is_not_rotated_by_180_degrees(self, lesson):
        weight, g = np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), np.zeros((1, 1, 3, 3))
        g[0, 0, 1, 2] = 1  # gathering with the kernel rotated lays the kernel itself down, upright
        grad = lesson.conv2d_backward(g, np.zeros((1, 1, 4, 4)), weight).x[0, 0]
        expected = np.zeros((4, 4))
        expected[1:3, 2:4] = weight[0, 0]
        assert (grad == expected).all()

    @both
    def test_mistake_padding_0_slices_the_input_gradient_away(self, lesson):
        x, weight = integers(10, 1, 1, 3, 3), integers(11, 1, 1, 3, 3)
        grad = lesson.conv2d_backward(np.ones((1, 1, 1, 1)), x, weight, padding=0).x
        assert grad.shape == x.shape
        assert (grad == weight).all()

    @both
    def test_mistake_overlapping_windows_overwrite_instead_of_adding(self, lesson):
        x, weight = np.zeros((1, 1, 3, 3)), np.ones((1, 1, 2, 2))
        grad = lesson.conv2d_backward(np.ones((1, 1, 2, 2)), x, weight).x
        assert grad[0, 0].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]

    @both
    def test_mistake_columns_mix_the_images_of_a_batch(self, lesson):
        x, weight, g = integers(12, 3, 2, 4, 5), integers(13, 4, 2, 3, 2), integers(14, 3, 4, 2, 4)
        y, grads = lesson.conv2d(x, weight), lesson.conv2d_backward(g, x, weight)
        for n in range(3):
            alone = slice(n, n + 1)
            assert (y[alone] == lesson.conv2d(x[alone], weight)).all()
            assert (grads.x[alone] == lesson.conv2d_backward(g[alone], x[alone], weight).x).all()

    @both
    def test_mistake_activation_is_left_out_of_the_backward_pass(self, lesson):
        x, weight = np.array([[[[-1.0, 2.0]]]]), np.ones((1, 1, 1, 1))
        y = lesson.conv2d(x, weight, activation="relu")
        g = np.ones_like(y)
        grads = lesson.conv2d_backward(g, x, weight, activation="relu", output=y)
        assert grads.x.ravel().tolist() == [0, 1]
        assert (grads.weight.item(), grads.bias.item()) == (2, 1)


class TestColumns:
    def test_columns_are_ordered_by_position_then_image(self):
        x = np.arange(8.0).reshape(2, 1, 2, 2)
        cols = im2col_indices(x, 1, 2, padding=0)
        assert cols.tolist() == [[0, 4, 2, 6], [1, 5, 3, 7]]

    @in_one_test
    @pytest.mark.parametrize(("padding", "stride"), [(0, 1), (1, 1), (2, 3), (1, 2)])
    def test_columns_are_those_of_im2col(self, padding, stride):
        x = integers(15, 2, 3, 5, 6)
        cols = im2col_indices(x, 3, 2, padding, stride)
        expected = reference.im2col(x, (3, 2), padding=padding, stride=stride)
        assert (cols == expected.transpose(1, 2, 0).reshape(cols.shape)).all()

        other = integers(16, *cols.shape)
        image = col2im_indices(other, x.shape, 3, 2, padding, stride)
        assert image.shape == x.shape
        assert (cols * other).sum() == (x * image).sum()

    def test_indices_of_a_small_image(self):
        k, i, j = get_im2col_indices((1, 2, 2, 3), 2, 2, padding=0, stride=1)
        assert k.ravel().tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
        assert i[:4].tolist() == [[0, 0], [0, 0], [1, 1], [1, 1]]
        assert j[:4].tolist() == [[0, 1], [1, 2], [0, 1], [1, 2]]
        assert (i[4:] == i[:4]).all()
        assert (j[4:] == j[:4]).all()

    def test_columns_of_another_shape_are_refused(self):
        with pytest.raises(ValueError, match=r"cols must have shape \(9, 16\)"):
            col2im_indices(np.zeros((9, 15)), (1, 1, 4, 4))


class TestAgainstTheDefinition:
    @in_one_test
    @pytest.mark.parametrize("padding", [0, 1, 4])
    @pytest.mark.parametrize("stride", [1, 2, 3, 5])
    def test_equal_on_integers(self, padding, stride):
        x, weight, bias = integers(17, 2, 3, 6, 7), integers(18, 4, 3, 3, 2), integers(19, 4)
        options = {"stride": stride, "padding": padding}
        y = tutorial.conv2d(x, weight, bias, **options)
        assert (y == reference.conv2d(x, weight, bias, **options)).all()
        g = integers(20, *y.shape)
        grads = tutorial.conv2d_backward(g, x, weight, **options)
        expected = reference.conv2d_backward(g, x, weight, **options)
        for grad, wanted in zip(grads, expected, strict=True):
            assert grad.shape == wanted.shape
            assert (grad == wanted).all()

    @in_one_test
    @pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
    def test_equal_through_activations(self, activation):
        x, weight, bias = integers(21, 1, 2, 4, 4) / 8, integers(22, 2, 2, 2, 2), integers(23, 2)
        y = tutorial.conv2d(x, weight, bias, activation=activation)
        np.testing.assert_allclose(
            y, reference.conv2d(x, weight, bias, activation=activation), rtol=1e-13
        )
        g = integers(24, *y.shape)
        grads = tutorial.conv2d_backward(g, x, weight, activation=activation, output=y)
        expected = reference.conv2d_backward(g, x, weight, activation=activation, output=y)
        for grad, wanted in zip(grads, expected, strict=True):
            np.testing.assert_allclose(grad, wanted, rtol=1e-12, atol=1e-13)

    def test_it_computes_in_the_dtype_of_x(self):
        x, weight = (integers(25, 1, 2, 4, 4), integers(26, 2, 2, 2, 2))
        x, weight = x.astype(np.float32), weight.astype(np.float32)
        y = tutorial.conv2d(x, weight, activation="sigmoid")
        grads = tutorial.conv2d_backward(y, x, weight, activation="sigmoid", output=y)
        assert {array.dtype for array in (y, *grads)} == {np.dtype(np.float32)}

    def test_sigmoid_does_not_overflow(self):
        x = np.array([[[[-1000.0, 1000.0]]]], dtype=np.float32)
        y = tutorial.conv2d(x, np.ones((1, 1, 1, 1), np.float32), activation="sigmoid")
        assert y.ravel().tolist() == [0, 1]

    def test_only_what_is_needed(self):
        x, weight, g = integers(27, 1, 1, 3, 3), integers(28, 1, 1, 2, 2), integers(29, 1, 1, 2, 2)
        grads = tutorial.conv2d_backward(g, x, weight, needs=(False, True, False))
        assert grads.x is None
        assert grads.bias is None
        assert (grads.weight == reference.conv2d_backward(g, x, weight).weight).all()

    def test_no_images(self):
        x, weight = np.zeros((0, 2, 4, 4)), np.ones((3, 2, 2, 2))
        y = tutorial.conv2d(x, weight)
        assert y.shape == (0, 3, 3, 3)
        grads = tutorial.conv2d_backward(y, x, weight)
        assert [grad.shape for grad in grads] == [x.shape, weight.shape, (3,)]
        assert not grads.weight.any()


class TestRefusals:
    x, weight, g = np.zeros((1, 2, 4, 4)), np.zeros((2, 2, 3, 3)), np.zeros((1, 2, 2, 2))

    @in_one_test
    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"stride": (1, 2)}, "stride"),
            ({"stride": 0}, "stride"),
            ({"padding": ((0, 1), (1, 0))}, "padding"),
            ({"padding": "same"}, "padding"),
            ({"padding": -1}, "padding"),
            ({"dilation": 2}, "dilation"),
            ({"groups": 2}, "groups"),
            ({"padding_mode": "reflect"}, "padding_mode"),
            ({"activation": "gelu"}, "activation"),
        ],
    )
    def test_what_is_outside_the_lesson_is_named(self, options, named):
        with pytest.raises(ValueError, match=named):
            tutorial.conv2d(self.x, self.weight, **options)
        with pytest.raises(ValueError, match=named):
            tutorial.conv2d_backward(self.g, self.x, self.weight, **options)

    def test_shapes_that_do_not_fit(self):
        with pytest.raises(ValueError, match="x must be"):
            tutorial.conv2d(self.x[0], self.weight)
        with pytest.raises(ValueError, match="with one C"):
            tutorial.conv2d(self.x, self.weight[:, :1])
        with pytest.raises(ValueError, match="larger than the image"):
            tutorial.conv2d(self.x[:, :, :2], self.weight)
        with pytest.raises(ValueError, match="bias must have shape"):
            tutorial.conv2d(self.x, self.weight, np.zeros(3))
        with pytest.raises(ValueError, match="grad_output must have shape"):
            tutorial.conv2d_backward(self.g[:, :1], self.x, self.weight)
        with pytest.raises(ValueError, match="output, what conv2d returned, is needed"):
            tutorial.conv2d_backward(self.g, self.x, self.weight, activation="relu")

    def test_dtypes_must_agree(self):
        with pytest.raises(TypeError, match="x must be"):
            tutorial.conv2d(self.x.astype(int), self.weight)
        with pytest.raises(TypeError, match="weight must have the dtype of x"):
            tutorial.conv2d(self.x, self.weight.astype(np.float32))
