"""The forward pass: hand-worked answers, and the same sums in other words."""

import math

import numpy as np
import pytest
from reference_cases import GEOMETRIES, PAD_MODE, Case, conv2d_by_einsum, integers

from reference import conv2d, correlate2d
from tests.walking import in_one_test

geometries = pytest.mark.parametrize("case", GEOMETRIES.values(), ids=GEOMETRIES.keys())

ROW = np.array([[[[1.0, 2.0, 3.0, 4.0]]]])


def row_kernel(*taps: float) -> np.ndarray:
    return np.array([[[taps]]], dtype=np.float64)


def ramp(height: int, width: int) -> np.ndarray:
    return np.arange(1.0, height * width + 1).reshape(1, 1, height, width)


class TestByHand:
    def test_two_by_two_kernel_on_one_to_nine(self):
        weight = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
        # 1*1 + 2*2 + 3*4 + 4*5 = 37, and so on
        assert conv2d(ramp(3, 3), weight).tolist() == [[[[37.0, 47.0], [67.0, 77.0]]]]

    def test_the_kernel_is_not_flipped(self):
        assert conv2d(ROW, row_kernel(1, 10)).tolist() == [[[[21.0, 32.0, 43.0]]]]

    def test_channels_are_summed_and_each_filter_has_its_bias(self):
        x = np.array([[[[1.0]], [[10.0]]]])
        weight = np.array([[[[2.0]], [[3.0]]], [[[5.0]], [[-1.0]]]])
        bias = np.array([100.0, 200.0])
        assert conv2d(x, weight, bias).ravel().tolist() == [132.0, 195.0]

    def test_the_bias_is_added_at_every_position(self):
        y = conv2d(np.zeros((2, 1, 3, 3)), np.zeros((3, 1, 2, 2)), np.array([1.0, 2.0, 3.0]))
        assert (y == np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)).all()

    def test_stride_and_dilation(self):
        x = np.arange(7.0).reshape(1, 1, 1, 7)
        # starts at 0, 2, 4; taps 2 apart
        assert conv2d(x, row_kernel(1, 10), stride=2, dilation=2).ravel().tolist() == [20, 42, 64]

    def test_groups_see_only_their_own_channels(self):
        x = np.array([1.0, 10.0, 100.0, 1000.0]).reshape(1, 4, 1, 1)
        weight = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 1.0], [1.0, 2.0]]).reshape(4, 2, 1, 1)
        assert conv2d(x, weight, groups=2).ravel().tolist() == [11, 21, 1100, 2100]

    def test_a_kernel_wholly_on_the_padding_gives_the_bias(self):
        y = conv2d(np.ones((1, 1, 1, 1)), np.ones((1, 1, 1, 1)), np.array([5.0]), padding=1)
        assert y[0, 0].tolist() == [[5, 5, 5], [5, 6, 5], [5, 5, 5]]

    @in_one_test
    @pytest.mark.parametrize(
        ("mode", "expected"),
        [
            ("zeros", [0, 0, 1, 2, 3, 4, 0]),
            ("reflect", [3, 2, 1, 2, 3, 4, 3]),
            ("replicate", [1, 1, 1, 2, 3, 4, 4]),
            ("circular", [3, 4, 1, 2, 3, 4, 1]),
        ],
    )
    def test_padding_modes(self, mode, expected):
        padding = ((0, 0), (2, 1))
        y = conv2d(ROW, row_kernel(1), padding=padding, padding_mode=mode)
        assert y.ravel().tolist() == expected

    @in_one_test
    @pytest.mark.parametrize(
        ("activation", "expected"),
        [
            (None, [-2.0, 0.0, 2.0]),
            ("relu", [0.0, 0.0, 2.0]),
            ("sigmoid", [1 / (1 + math.exp(2)), 0.5, 1 / (1 + math.exp(-2))]),
            ("tanh", [math.tanh(-2), 0.0, math.tanh(2)]),
        ],
    )
    def test_activations_follow_the_bias(self, activation, expected):
        x = np.array([[[[0.0, 1.0, 2.0]]]])
        y = conv2d(x, row_kernel(2), np.array([-2.0]), activation=activation)
        np.testing.assert_allclose(y.ravel(), expected, rtol=1e-15)


class TestInOtherWords:
    @geometries
    def test_equals_einsum_over_windows_exactly(self, case: Case):
        x, weight = integers(1, *case.x_shape), integers(2, *case.weight_shape)
        expected = conv2d_by_einsum(x, weight, **case.options)
        y = conv2d(x, weight, **case.options)
        assert y.shape == expected.shape
        assert (y == expected).all()

    @in_one_test
    @pytest.mark.parametrize("mode", PAD_MODE)
    def test_padding_is_the_layer_on_a_padded_image(self, mode):
        x, weight = integers(3, 1, 2, 4, 5), integers(4, 2, 2, 2, 2)
        by_hand = np.pad(x, ((0, 0), (0, 0), (3, 0), (2, 4)), mode=PAD_MODE[mode])
        y = conv2d(x, weight, padding=((3, 0), (2, 4)), padding_mode=mode)
        assert (y == conv2d(by_hand, weight)).all()

    def test_one_channel_is_a_valid_correlation(self):
        x, weight = integers(5, 6, 7), integers(6, 3, 2)
        assert (conv2d(x[None], weight[None, None])[0] == correlate2d(x, weight, "valid")).all()

    @in_one_test
    @pytest.mark.parametrize("size", range(1, 10))
    @pytest.mark.parametrize("stride", [1, 2, 3])
    def test_output_size_counts_the_places_where_the_kernel_fits(self, size, stride):
        for kernel, dilation, padding in [(1, 1, 0), (2, 1, 1), (3, 1, 0), (2, 3, 2), (3, 2, 3)]:
            last_tap = (kernel - 1) * dilation
            places = [p for p in range(size + 2 * padding - last_tap) if p % stride == 0]
            if places:
                y = conv2d(
                    np.zeros((1, size, 1)),
                    np.zeros((1, 1, kernel, 1)),
                    stride=(stride, 1),
                    dilation=(dilation, 1),
                    padding=(padding, 0),
                )
                assert y.shape == (1, len(places), 1)


class TestPaddingForms:
    @in_one_test
    @pytest.mark.parametrize(
        ("form", "spelled_out"),
        [
            (2, ((2, 2), (2, 2))),
            ((1, 3), ((1, 1), (3, 3))),
            ([1, 3], ((1, 1), (3, 3))),
            ("valid", ((0, 0), (0, 0))),
            ("same", ((1, 1), (0, 1))),
        ],
    )
    def test_forms_are_the_same_padding(self, form, spelled_out):
        x, weight = integers(7, 1, 1, 4, 5), integers(8, 1, 1, 3, 2)
        assert (conv2d(x, weight, padding=form) == conv2d(x, weight, padding=spelled_out)).all()

    @in_one_test
    @pytest.mark.parametrize("size", range(1, 9))
    @pytest.mark.parametrize("kernel", [1, 2, 3, 5])
    @pytest.mark.parametrize("stride", [1, 2, 3])
    def test_same_makes_ceil_of_size_over_stride(self, size, kernel, stride):
        for dilation in (1, 2):
            x, weight = np.zeros((1, 1, size)), np.zeros((1, 1, 1, kernel))
            y = conv2d(x, weight, stride=(1, stride), dilation=dilation, padding="same")
            assert y.shape == (1, 1, math.ceil(size / stride))

    def test_same_puts_the_odd_one_at_the_bottom_and_right(self):
        x = ramp(2, 2)
        y = conv2d(x, np.array([[[[1.0, 10.0], [100.0, 1000.0]]]]), padding="same")
        assert y[0, 0].tolist() == [[4321.0, 402.0], [43.0, 4.0]]

    def test_same_with_a_stride_pads_only_what_is_missing(self):
        # 4 columns, stride 2: windows at 0 and 2 reach to position 4, one past the end
        y = conv2d(ROW, row_kernel(1, 10, 100), stride=2, padding="same")
        assert y.ravel().tolist() == [321.0, 43.0]

    def test_same_never_crops(self):
        assert conv2d(ROW, row_kernel(1), stride=3, padding="same").ravel().tolist() == [1.0, 4.0]


class TestNumbers:
    def test_sums_are_float64_rounded_once(self):
        x = np.array([[[[2.0**24, 1.0, 1.0, 1.0]]]], dtype=np.float32)
        weight = np.ones((1, 1, 1, 4), dtype=np.float32)
        y = conv2d(x, weight)  # in float32, 2**24 + 1 + 1 + 1 stays 2**24
        assert y.dtype == np.float32
        assert y.item() == 2.0**24 + 4.0

    def test_the_result_has_the_dtype_of_x(self):
        assert conv2d(ROW, row_kernel(1).astype(np.float32)).dtype == np.float64

    def test_padding_never_meets_infinity(self):
        x, weight = np.ones((1, 1, 1, 1)), np.array([[[[math.inf, 1.0, math.nan]]]])
        assert conv2d(x, weight, padding=((0, 0), (1, 1))).item() == 1.0

    @in_one_test
    @pytest.mark.parametrize("activation", [None, "relu", "sigmoid", "tanh"])
    def test_nan_stays_nan(self, activation):
        x = np.full((1, 1, 1), np.nan)
        assert math.isnan(conv2d(x, row_kernel(1), activation=activation).item())

    @in_one_test
    @pytest.mark.parametrize(("activation", "low"), [("relu", 0), ("sigmoid", 0), ("tanh", -1)])
    def test_activations_reach_their_limits_without_overflow(self, activation, low):
        x = np.array([[[-1000.0, 1000.0]]])
        y = conv2d(x, row_kernel(1), activation=activation).ravel()
        assert y.tolist() == [low, 1000.0 if activation == "relu" else 1.0]

    @in_one_test
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_any_memory_layout(self, order):
        x, weight = integers(9, 2, 4, 5, 6), integers(10, 3, 2, 2, 2)
        strided = np.asarray(x, order=order)[::-1, ::2, :, ::-1]
        expected = conv2d(strided.copy(), weight)
        assert (conv2d(strided, np.asarray(weight, order=order)) == expected).all()

    def test_byte_order_does_not_matter(self):
        swapped = ROW.astype(ROW.dtype.newbyteorder())
        assert (conv2d(swapped, row_kernel(1, 2)) == conv2d(ROW, row_kernel(1, 2))).all()


class TestShapes:
    def test_one_image_needs_no_batch_axis(self):
        x, weight = integers(11, 2, 4, 5), integers(12, 3, 2, 2, 2)
        y = conv2d(x, weight)
        assert y.shape == (3, 3, 4)
        assert (y == conv2d(x[None], weight)[0]).all()

    def test_no_images(self):
        y = conv2d(np.zeros((0, 2, 4, 5), np.float32), np.zeros((3, 2, 2, 2), np.float32))
        assert (y.shape, y.dtype) == ((0, 3, 3, 4), np.float32)

    def test_images_of_a_batch_do_not_meet(self):
        x, weight = integers(13, 3, 2, 4, 4), integers(14, 2, 2, 3, 3)
        one_by_one = np.stack([conv2d(image, weight, padding=1) for image in x])
        assert (conv2d(x, weight, padding=1) == one_by_one).all()

    def test_out_is_filled_and_returned(self):
        out = np.full((1, 1, 1, 6), np.nan)[..., ::2]
        assert conv2d(ROW, row_kernel(1, 10), out=out) is out
        assert out.ravel().tolist() == [21.0, 32.0, 43.0]

    def test_inputs_are_left_alone(self):
        x, weight, bias = integers(15, 1, 1, 4, 4), integers(16, 1, 1, 2, 2), integers(17, 1)
        kept = [array.copy() for array in (x, weight, bias)]
        conv2d(x, weight, bias, activation="relu")
        assert all((a == b).all() for a, b in zip(kept, (x, weight, bias), strict=True))


class TestRefusals:
    x, weight = np.zeros((1, 2, 4, 5)), np.zeros((4, 2, 3, 3))

    @in_one_test
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"stride": 0}, "stride must be at least 1"),
            ({"stride": (1, 2, 3)}, "stride must be an int or a pair"),
            ({"dilation": (1, 0)}, "dilation must be at least 1"),
            ({"dilation": 2}, "kernel spans 5 rows .* only 4"),
            ({"padding": -1}, "padding must be at least 0"),
            ({"padding": ((0, 1), (2, -3))}, "padding must be at least 0"),
            ({"padding": ((0, 1), (2, 3), (4, 5))}, "padding must be"),
            ({"padding": "full"}, "'full'"),
            ({"padding_mode": "symmetric"}, "padding_mode must be one of"),
            ({"padding": 4, "padding_mode": "reflect"}, "too wide .* 4 pixels"),
            ({"padding": 5, "padding_mode": "circular"}, "too wide .* 4 pixels"),
            ({"groups": 0}, "groups must be at least 1"),
            ({"groups": 2}, "2 channels, .* needs 4"),
            ({"groups": 3}, "4 filters, not a multiple of groups=3"),
            ({"activation": "gelu"}, "activation must be one of"),
            ({"backend": "im2col"}, "backend must be"),
            ({"bias": np.zeros(3)}, r"bias must have shape \(4,\)"),
            ({"out": np.zeros((1, 4, 2, 2))}, r"out must have shape \(1, 4, 2, 3\)"),
        ],
    )
    def test_value_errors_say_what_and_why(self, options, message):
        with pytest.raises(ValueError, match=message):
            conv2d(self.x, self.weight, **options)

    @in_one_test
    @pytest.mark.parametrize(
        ("x_shape", "weight_shape", "message"),
        [
            ((4, 5), (4, 2, 3, 3), "x must have 4 axes, or 3"),
            ((1, 1, 2, 4, 5), (4, 2, 3, 3), "x must have 4 axes, or 3"),
            ((1, 2, 4, 5), (2, 3, 3), "weight must be"),
            ((1, 3, 4, 5), (4, 2, 3, 3), "3 channels, .* needs 2"),
            ((1, 0, 4, 5), (4, 0, 3, 3), "0 channels"),
            ((1, 2, 4, 5), (0, 2, 3, 3), "0 filters"),
            ((1, 2, 0, 5), (4, 2, 1, 1), "image height and width must be at least 1"),
            ((1, 2, 4, 5), (4, 2, 0, 3), "kernel_size must be at least 1"),
            ((1, 2, 4, 5), (4, 2, 5, 3), "kernel spans 5 rows .* only 4"),
            ((1, 2, 4, 5), (4, 2, 3, 6), "kernel spans 6 columns .* only 5"),
        ],
    )
    def test_shapes_that_do_not_fit(self, x_shape, weight_shape, message):
        with pytest.raises(ValueError, match=message):
            conv2d(np.zeros(x_shape), np.zeros(weight_shape))

    @in_one_test
    @pytest.mark.parametrize(
        "options",
        [
            {"stride": 1.0},
            {"padding": (1, (2, 3))},
            {"bias": np.zeros(4, dtype=int)},
            {"out": np.zeros((1, 4, 2, 3), np.float32)},
        ],
    )
    def test_type_errors(self, options):
        with pytest.raises(TypeError):
            conv2d(self.x, self.weight, **options)

    @in_one_test
    @pytest.mark.parametrize("dtype", [np.int64, np.float16, np.complex128, bool])
    def test_other_dtypes_are_not_silently_converted(self, dtype):
        with pytest.raises(TypeError, match="x must be an array of float32 or float64"):
            conv2d(self.x.astype(dtype), self.weight)
        with pytest.raises(TypeError, match="weight must be an array of float32 or float64"):
            conv2d(self.x, self.weight.astype(dtype))
