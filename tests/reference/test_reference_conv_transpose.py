"""The transposed convolution: hand-worked answers, its convolution, PyTorch, differences."""

import numpy as np
import pytest
from reference_cases import Case, integers

from reference import conv2d, conv_transpose2d, conv_transpose2d_backward, convolve2d
from tests.walking import in_one_test

# x is (N, C, H, W), weight (C, K/groups, R, S)
GEOMETRIES = {
    "plain": Case((2, 3, 4, 5), (3, 2, 3, 2), {}),
    "pointwise": Case((2, 3, 3, 2), (3, 2, 1, 1), {}),
    "one pixel": Case((1, 2, 1, 1), (2, 2, 3, 2), {"stride": 4}),
    "stride 2": Case((2, 2, 4, 3), (2, 3, 3, 4), {"stride": 2, "padding": 1}),
    "stride 2, output padding": Case(
        (1, 2, 4, 3), (2, 3, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}
    ),
    "stride wider than the kernel": Case((1, 2, 3, 4), (2, 2, 2, 1), {"stride": (3, 4)}),
    "rows and columns that nothing reaches": Case(
        (1, 1, 2, 3), (1, 2, 1, 2), {"stride": 4, "output_padding": (3, 2)}
    ),
    "dilation": Case((1, 2, 3, 4), (2, 2, 3, 2), {"dilation": (2, 3)}),
    "output padding of the stride or more": Case(
        (1, 2, 3, 4), (2, 2, 2, 3), {"dilation": (3, 4), "stride": (2, 1), "output_padding": (2, 3)}
    ),
    "the same, with padding to take it from": Case(
        (1, 2, 3, 4), (2, 2, 2, 3), {"dilation": 4, "padding": 2, "output_padding": (3, 1)}
    ),
    "asymmetric padding": Case(
        (1, 2, 4, 3), (2, 2, 3, 3), {"padding": ((2, 0), (0, 1)), "stride": 2}
    ),
    "padding wider than the kernel": Case((1, 2, 7, 8), (2, 2, 2, 1), {"padding": (3, 2)}),
    "padding wider than the kernel, on one side": Case(
        (1, 1, 5, 4), (1, 1, 2, 2), {"padding": ((0, 6), (5, 0)), "stride": 3}
    ),
    "groups": Case((1, 4, 3, 2), (4, 3, 2, 3), {"groups": 2}),
    "depthwise, two channels each": Case((2, 3, 3, 3), (3, 2, 3, 3), {"groups": 3, "stride": 2}),
    "everything at once": Case(
        (2, 4, 3, 4),
        (4, 1, 3, 2),
        {
            "stride": (2, 3),
            "padding": ((1, 3), (0, 2)),
            "output_padding": (1, 2),
            "dilation": (3, 1),
            "groups": 2,
        },
    ),
}
geometries = pytest.mark.parametrize("case", GEOMETRIES.values(), ids=GEOMETRIES.keys())


def row(*values: float) -> np.ndarray:
    return np.array([[[values]]], dtype=np.float64)


def columns(**options):
    """Options that hold for columns alone: the images here are one row."""
    neutral = {"stride": 1, "dilation": 1, "output_padding": 0}
    found = {name: (neutral[name], value) for name, value in options.items() if name in neutral}
    if "padding" in options:
        found["padding"] = ((0, 0), options["padding"])
    return found


class TestByHand:
    @in_one_test
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            # 1 times the kernel, 2 times the kernel one further, 3 times the kernel two further
            ({}, [1, 12, 23, 30]),
            ({"stride": 2}, [1, 10, 2, 20, 3, 30]),
            ({"stride": 3}, [1, 10, 0, 2, 20, 0, 3, 30]),
            ({"stride": 3, "output_padding": 2}, [1, 10, 0, 2, 20, 0, 3, 30, 0, 0]),
            ({"dilation": 2}, [1, 2, 13, 20, 30]),
            ({"dilation": 3, "output_padding": 2}, [1, 2, 3, 10, 20, 30, 0, 0]),
            ({"padding": (1, 1)}, [12, 23]),
            ({"padding": (1, 0)}, [12, 23, 30]),
            ({"padding": (0, 3)}, [1]),
            ({"stride": 2, "padding": (1, 1)}, [10, 2, 20, 3]),
            # what the padding cut off at the right, the output padding gives back
            ({"stride": 2, "padding": (1, 1), "output_padding": 1}, [10, 2, 20, 3, 30]),
        ],
    )
    def test_two_taps_on_three_pixels(self, options, expected):
        y = conv_transpose2d(row(1, 2, 3), row(1, 10), **columns(**options))
        assert y.ravel().tolist() == expected

    def test_the_kernel_is_set_down_as_it_is(self):
        weight = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
        y = conv_transpose2d(np.array([[[[1.0, 10.0]]]]), weight)
        assert y[0, 0].tolist() == [[1, 12, 20], [3, 34, 40]]

    def test_channels_are_summed_and_each_result_has_its_bias(self):
        x = np.array([[[[1.0]], [[10.0]]]])
        weight = np.array([[[[2.0]], [[3.0]], [[4.0]]], [[[5.0]], [[-1.0]], [[0.0]]]])
        bias = np.array([100.0, 200.0, 300.0])
        assert conv_transpose2d(x, weight, bias).ravel().tolist() == [152, 193, 304]

    def test_the_bias_is_also_where_no_pixel_reaches(self):
        y = conv_transpose2d(
            row(1, 2), row(3), np.array([5.0]), stride=(1, 3), output_padding=(0, 2)
        )
        assert y.ravel().tolist() == [8, 5, 5, 11, 5, 5]

    def test_groups_reach_only_their_own_channels(self):
        x = np.array([1.0, 10.0, 100.0, 1000.0]).reshape(1, 4, 1, 1)
        weight = np.array([[1.0, 2.0]] * 4).reshape(4, 2, 1, 1)
        y = conv_transpose2d(x, weight, groups=2)
        assert y.ravel().tolist() == [11, 22, 1100, 2200]

    def test_every_gradient_of_two_taps_on_two_pixels(self):
        # y0 = 10 x0 + b,  y1 = 20 x0 + 10 x1 + b,  y2 = 20 x1 + b
        grads = conv_transpose2d_backward(row(1, 100, 10_000), row(2, 3), row(10, 20))
        assert grads.x.ravel().tolist() == [2010, 201_000]
        assert grads.weight.ravel().tolist() == [302, 30_200]
        assert grads.bias.tolist() == [10_101]

    def test_what_padding_cuts_off_has_no_part_in_the_gradients(self):
        # y0 = 20 x0 + 10 x1
        options = {"padding": ((0, 0), (1, 1))}
        grads = conv_transpose2d_backward(row(1), row(2, 3), row(10, 20), **options)
        assert grads.x.ravel().tolist() == [20, 10]
        assert grads.weight.ravel().tolist() == [3, 2]
        assert grads.bias.tolist() == [1]


class TestLaws:
    @geometries
    def test_adjoint_identity_is_exact(self, case: Case):
        """<conv_transpose(x), y> = <x, conv(y)> for every x and y."""
        x, weight = integers(1, *case.x_shape), integers(2, *case.weight_shape)
        forward = conv_transpose2d(x, weight, **case.options)
        y = integers(3, *forward.shape)
        options = {name: value for name, value in case.options.items() if name != "output_padding"}
        # Room for further windows makes further outputs, which no pixel of x stands for.
        back = conv2d(y, weight, **options)[..., : x.shape[2], : x.shape[3]]
        assert back.shape == x.shape
        assert (forward * y).sum() == (x * back).sum()

    @geometries
    def test_the_gradients_satisfy_it_too(self, case: Case):
        x, weight = integers(4, *case.x_shape), integers(5, *case.weight_shape)
        y = conv_transpose2d(x, weight, **case.options)
        g = integers(6, *y.shape)
        grads = conv_transpose2d_backward(g, x, weight, **case.options)
        assert (y * g).sum() == (x * grads.x).sum() == (weight * grads.weight).sum()
        assert (grads.bias == g.sum(axis=(0, 2, 3))).all()

    @geometries
    def test_unit_differences_are_exact(self, case: Case):
        """E is linear in x, w and b, so that its difference quotient is its gradient."""
        x, weight = integers(7, *case.x_shape)[:1], integers(8, *case.weight_shape)
        bias = integers(9, weight.shape[1] * case.options.get("groups", 1))
        operands = x, weight, bias
        g = integers(10, *conv_transpose2d(*operands, **case.options).shape)
        grads = conv_transpose2d_backward(g, x, weight, **case.options)
        for array, grad in zip(operands, grads, strict=True):
            for at in np.ndindex(array.shape):
                array[at] += 1
                above = (g * conv_transpose2d(*operands, **case.options)).sum()
                array[at] -= 2
                below = (g * conv_transpose2d(*operands, **case.options)).sum()
                array[at] += 1
                assert grad[at] == (above - below) / 2

    def test_at_stride_1_it_is_the_full_convolution_with_the_kernel(self):
        x, weight = integers(11, 4, 5), integers(12, 3, 2)
        y = conv_transpose2d(x[None], weight[None, None])
        assert (y[0] == convolve2d(x, weight)).all()

    def test_stride_only_spreads_the_image(self):
        x, weight = integers(13, 1, 2, 3, 4), integers(14, 2, 2, 3, 3)
        spread = np.zeros((1, 2, 7, 7))
        spread[:, :, ::3, ::2] = x
        y = conv_transpose2d(x, weight, stride=(3, 2))
        assert (y == conv_transpose2d(spread, weight)).all()

    @in_one_test
    @pytest.mark.parametrize("output_padding", range(4))
    def test_output_padding_takes_back_padding_at_the_bottom_and_right(self, output_padding):
        x, weight = integers(15, 1, 2, 3, 4), integers(16, 2, 1, 3, 2)
        y = conv_transpose2d(x, weight, stride=4, padding=3, output_padding=output_padding)
        less = (3, 3 - output_padding)
        assert (y == conv_transpose2d(x, weight, stride=4, padding=(less, less))).all()


class TestPyTorch:
    """PyTorch pads the same on both sides; the rest is its definition."""

    @pytest.mark.parametrize("seed", range(60))
    def test_forward_and_gradients(self, seed):
        torch = pytest.importorskip("torch")
        rng = np.random.default_rng(seed)
        groups, in_group, out_group = (int(rng.integers(1, 4)) for _ in range(3))
        kernel, stride, dilation = (
            tuple(map(int, rng.integers(1, 4, 2))) for _ in range(3)
        )  # fmt: skip
        output_padding = tuple(
            int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True)
        )
        size = rng.integers(1, 5, 2)
        padding = tuple(
            int(rng.integers(0, min(3, ((n - 1) * s + (k - 1) * d + more) // 2) + 1))
            for n, s, k, d, more in zip(size, stride, kernel, dilation, output_padding, strict=True)
        )
        options = {
            "stride": stride,
            "padding": padding,
            "output_padding": output_padding,
            "dilation": dilation,
            "groups": groups,
        }
        arrays = (
            integers(seed, 2, groups * in_group, *size),
            integers(seed + 1, groups * in_group, out_group, *kernel),
            integers(seed + 2, groups * out_group),
        )
        tensors = [torch.from_numpy(array).requires_grad_() for array in arrays]
        expected = torch.nn.functional.conv_transpose2d(*tensors, **options)
        y = conv_transpose2d(*arrays, **options)
        assert y.shape == tuple(expected.shape)
        assert (y == expected.detach().numpy()).all()

        g = integers(seed + 3, *y.shape)
        expected.backward(torch.from_numpy(g))
        grads = conv_transpose2d_backward(g, *arrays[:2], **options)
        for tensor, grad in zip(tensors, grads, strict=True):
            assert (grad == tensor.grad.numpy()).all()


class TestArguments:
    x, weight, g = integers(20, 2, 4, 4), integers(21, 2, 3, 2, 2), integers(22, 3, 5, 5)

    def test_one_image(self):
        y = conv_transpose2d(self.x, self.weight)
        assert y.shape == (3, 5, 5)
        assert (y == conv_transpose2d(self.x[None], self.weight)[0]).all()

    @in_one_test
    @pytest.mark.parametrize(
        ("form", "spelled_out"),
        [(1, ((1, 1), (1, 1))), ((0, 2), ((0, 0), (2, 2))), ([1, 2], ((1, 1), (2, 2)))],
    )
    def test_forms_are_the_same_padding(self, form, spelled_out):
        y = conv_transpose2d(self.x, self.weight, padding=form)
        assert (y == conv_transpose2d(self.x, self.weight, padding=spelled_out)).all()

    @in_one_test
    @pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False,) * 3])
    def test_only_what_is_needed(self, needs):
        grads = conv_transpose2d_backward(self.g, self.x, self.weight, needs=needs)
        whole = conv_transpose2d_backward(self.g, self.x, self.weight)
        for need, grad, expected in zip(needs, grads, whole, strict=True):
            assert (grad == expected).all() if need else grad is None

    def test_shapes_and_dtypes_are_those_of_the_inputs(self):
        x, weight, g = (a.astype(np.float32) for a in (self.x, self.weight, self.g))
        assert conv_transpose2d(x, weight).dtype == np.float32
        grads = conv_transpose2d_backward(g, x, weight)
        assert [grad.shape for grad in grads] == [x.shape, weight.shape, (3,)]
        assert all(grad.dtype == np.float32 for grad in grads)

    def test_sums_are_float64_rounded_once(self):
        x = np.array([2.0**24, 1.0, 1.0, 1.0], np.float32).reshape(1, 4, 1, 1)
        assert conv_transpose2d(x, np.ones((4, 1, 1, 1), np.float32)).item() == 2.0**24 + 4.0

    def test_no_images(self):
        y = conv_transpose2d(np.zeros((0, 2, 4, 4)), self.weight, stride=2)
        assert y.shape == (0, 3, 8, 8)
        grads = conv_transpose2d_backward(y, np.zeros((0, 2, 4, 4)), self.weight, stride=2)
        assert grads.x.shape == (0, 2, 4, 4)
        assert not grads.weight.any()
        assert not grads.bias.any()

    def test_out_is_filled_and_returned(self):
        out = np.full((3, 5, 5), np.nan)
        assert conv_transpose2d(self.x, self.weight, out=out) is out
        assert (out == conv_transpose2d(self.x, self.weight)).all()

    @in_one_test
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"output_padding": 1}, "output_padding must be smaller .* 1 rows with stride 1"),
            (
                {"output_padding": (1, 3), "stride": 2, "dilation": (1, 3)},
                "3 columns with stride 2 and dilation 3",
            ),
            ({"output_padding": -1, "stride": 2}, "output_padding must be at least 0"),
            ({"output_padding": (0, 0, 0)}, "output_padding must be an int or a pair"),
            ({"padding": "same"}, "padding must be numbers, got 'same'"),
            ({"padding": "valid"}, "padding must be numbers, got 'valid'"),
            ({"padding": -1}, "padding must be at least 0, got -1"),
            ({"padding": ((1, 2), (3, 2))}, "nothing is left .* 5 columns less padding 3 and 2"),
            ({"padding": 3}, "nothing is left .* 5 rows less padding 3 and 3"),
            ({"stride": 0}, "stride must be at least 1"),
            ({"dilation": (1, 0)}, "dilation must be at least 1"),
            ({"groups": 0}, "groups must be at least 1"),
            ({"groups": 3}, "x has 2 channels, not a multiple of groups=3"),
            ({"weight": np.ones((3, 2, 2, 2))}, r"2 channels, but weight \(3, 2, 2, 2\) 3"),
            ({"weight": np.ones((2, 2, 2))}, r"weight must be \(C, K/groups, R, S\)"),
            ({"weight": np.ones((2, 0, 2, 2))}, "makes no channels"),
            ({"weight": np.ones((2, 1, 0, 2))}, "kernel_size must be at least 1"),
            ({"x": np.ones((2, 0, 4))}, "image height and width must be at least 1"),
            ({"x": np.ones((4, 4))}, "x must have 4 axes"),
            ({"bias": np.ones(2)}, r"bias must have shape \(3,\), got \(2,\)"),
            ({"out": np.ones((1, 3, 5, 5))}, r"out must have shape \(3, 5, 5\)"),
            ({"backend": "gemm"}, "backend must be"),
        ],
    )
    def test_value_errors_say_what_and_why(self, options, message):
        arguments = {"x": self.x, "weight": self.weight, **options}
        with pytest.raises(ValueError, match=message):
            conv_transpose2d(**arguments)

    @in_one_test
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"padding": 1}, r"grad_output must have shape \(3, 3, 3\), got \(3, 5, 5\)"),
            ({"output_padding": 1}, "output_padding must be smaller"),
            ({"backend": "gemm"}, "backend must be"),
        ],
    )
    def test_value_errors_of_the_gradients(self, options, message):
        with pytest.raises(ValueError, match=message):
            conv_transpose2d_backward(self.g, self.x, self.weight, **options)

    def test_other_dtypes_are_not_silently_converted(self):
        with pytest.raises(TypeError, match="x must be an array of float32 or float64"):
            conv_transpose2d(self.x.astype(int), self.weight)
        with pytest.raises(TypeError, match="grad_output must be an array of float32 or float64"):
            conv_transpose2d_backward(self.g.astype(int), self.x, self.weight)
        with pytest.raises(TypeError, match="out must have the dtype of x"):
            conv_transpose2d(self.x, self.weight, out=np.ones((3, 5, 5), np.float32))
