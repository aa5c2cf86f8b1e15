"""The laws of convolution, exactly on integers, and how the correlation of CNN layers differs."""

import numpy as np
import pytest

from reference import conv2d, convolve1d, correlate1d
from reference.convolution import convolve2d, correlate2d
from tests.walking import in_one_test


def whole(seed, *shape):
    return np.random.default_rng(seed).integers(-9, 10, shape)


# The three operands of each law, of different sizes.
SIGNALS = [(1, (5,), (3,), (4,)), (2, (1,), (6,), (2,))]
IMAGES = [(3, (3, 5), (2, 3), (4, 2)), (4, (1, 4), (3, 1), (2, 2))]
OPERANDS = [
    (convolve, *(whole(seed + i, *shape) for i, shape in enumerate(shapes)))
    for convolve, rows in ((convolve1d, SIGNALS), (convolve2d, IMAGES))
    for seed, *shapes in rows
]

laws = pytest.mark.parametrize(("convolve", "f", "g", "h"), OPERANDS)


class TestLaws:
    @laws
    def test_commutative(self, convolve, f, g, h):
        assert (convolve(f, g) == convolve(g, f)).all()

    @laws
    def test_associative(self, convolve, f, g, h):
        assert (convolve(convolve(f, g), h) == convolve(f, convolve(g, h))).all()

    @laws
    def test_distributive(self, convolve, f, g, h):
        other = np.flip(g) * 2 + 1
        assert (convolve(f, g + other) == convolve(f, g) + convolve(f, other)).all()

    @laws
    def test_a_factor_may_stand_anywhere(self, convolve, f, g, h):
        assert (convolve(3 * f, g) == 3 * convolve(f, g)).all()
        assert (convolve(f, 3 * g) == 3 * convolve(f, g)).all()

    @laws
    def test_delta_is_the_identity(self, convolve, f, g, h):
        delta = np.ones((1,) * f.ndim, dtype=int)
        assert (convolve(f, delta) == f).all()

    @laws
    def test_a_shifted_delta_shifts(self, convolve, f, g, h):
        shifted = np.zeros((3,) * f.ndim, dtype=int)
        shifted[(2,) * f.ndim] = 1
        assert (convolve(f, shifted) == np.pad(f, (2, 0))).all()

    @laws
    def test_shifting_before_or_after_is_the_same(self, convolve, f, g, h):
        assert (convolve(np.pad(f, (2, 0)), g) == np.pad(convolve(f, g), (2, 0))).all()

    @laws
    def test_sums_multiply(self, convolve, f, g, h):
        assert convolve(f, g).sum() == f.sum() * g.sum()

    def test_it_multiplies_polynomials(self):
        # (1 + 2t)(3 + 4t + 5t^2) = 3 + 10t + 13t^2 + 10t^3
        assert convolve1d(np.array([1, 2]), np.array([3, 4, 5])).tolist() == [3, 10, 13, 10]

    def test_two_dimensions_are_one_after_the_other_for_an_outer_product(self):
        f, column, row = whole(5, 4, 5), whole(6, 3), whole(7, 2)
        one_by_one = convolve2d(convolve2d(f, column[:, None]), row[None, :])
        assert (convolve2d(f, np.outer(column, row)) == one_by_one).all()


class TestAgainstCorrelation:
    def test_by_hand(self):
        f, g = np.array([1, 2, 3]), np.array([0, 1, 10])
        assert convolve1d(f, g).tolist() == [0, 1, 12, 23, 30]
        assert correlate1d(f, g).tolist() == [10, 21, 32, 3, 0]

    def test_correlation_is_convolution_with_the_kernel_flipped(self):
        f, g = whole(8, 6), whole(9, 4)
        assert (correlate1d(f, g) == convolve1d(f, g[::-1])).all()
        f, g = whole(10, 5, 6), whole(11, 2, 3)
        assert (correlate2d(f, g) == convolve2d(f, g[::-1, ::-1])).all()

    def test_correlation_does_not_commute_it_mirrors(self):
        f, g = whole(12, 6), whole(13, 4)
        assert (correlate1d(f, g) != correlate1d(g, f)).any()
        assert (correlate1d(f, g) == correlate1d(g, f)[::-1]).all()
        f, g = whole(14, 3, 4), whole(15, 2, 2)
        assert (correlate2d(f, g) == correlate2d(g, f)[::-1, ::-1]).all()

    def test_correlation_does_not_associate(self):
        f, g, h = whole(16, 5), whole(17, 3), whole(18, 4)
        assert (correlate1d(correlate1d(f, g), h) != correlate1d(f, correlate1d(g, h))).any()

    def test_a_symmetric_kernel_makes_no_difference(self):
        f, g = whole(19, 5, 6), np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]])
        for mode in ("full", "same", "valid"):
            assert (correlate2d(f, g, mode) == convolve2d(f, g, mode)).all()

    def test_a_layer_correlates(self):
        f, g = whole(20, 5, 6).astype(float), whole(21, 3, 2).astype(float)
        layer = conv2d(f[None], g[None, None])[0]
        assert (layer == correlate2d(f, g, "valid")).all()
        assert (layer != convolve2d(f, g, "valid")).any()

    def test_a_layer_with_a_flipped_kernel_convolves(self):
        f, g = whole(22, 5, 6).astype(float), whole(23, 3, 2).astype(float)
        flipped = np.ascontiguousarray(g[::-1, ::-1])
        assert (conv2d(f[None], flipped[None, None])[0] == convolve2d(f, g, "valid")).all()
        full = conv2d(f[None], flipped[None, None], padding=(2, 1))[0]
        assert (full == convolve2d(f, g, "full")).all()


class TestModes:
    @in_one_test
    @pytest.mark.parametrize("lengths", [(5, 3), (5, 4), (5, 2), (3, 5), (2, 5), (4, 4), (1, 1)])
    def test_one_row_agrees_with_numpy(self, lengths):
        f, g = whole(24, lengths[0]), whole(25, lengths[1])
        assert (convolve1d(f, g) == np.convolve(f, g)).all()
        assert (correlate1d(f, g) == np.correlate(f, g, "full")).all()
        for mode in ("full", "valid"):
            assert (convolve2d(f[None], g[None], mode)[0] == np.convolve(f, g, mode)).all()

    @in_one_test
    @pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
    def test_same_has_the_shape_of_the_first_from_the_middle(self, size):
        f, g = whole(26, 4, 5), whole(27, size, size)
        before = (size - 1) // 2
        convolution = convolve2d(f, g, "same")
        assert convolution.shape == f.shape
        assert (convolution == convolve2d(f, g)[before:, before:][:4, :5]).all()
        before = size // 2
        correlation = correlate2d(f, g, "same")
        assert correlation.shape == f.shape
        assert (correlation == correlate2d(f, g)[before:, before:][:4, :5]).all()

    @in_one_test
    @pytest.mark.parametrize("operation", [convolve2d, correlate2d])
    def test_valid_is_where_one_lies_wholly_on_the_other(self, operation):
        f, g = whole(28, 5, 6), whole(29, 3, 2)
        full = operation(f, g)
        assert (operation(f, g, "valid") == full[2:5, 1:6]).all()
        assert (operation(g, f, "valid") == operation(g, f)[2:5, 1:6]).all()

    @in_one_test
    @pytest.mark.parametrize("operation", [convolve2d, correlate2d])
    def test_valid_needs_one_to_contain_the_other(self, operation):
        with pytest.raises(ValueError, match="one array must contain the other"):
            operation(whole(30, 2, 5), whole(31, 3, 4), "valid")


class TestNumbers:
    def test_integers_stay_exact_integers(self):
        big = np.array([2**53 + 1])
        assert convolve1d(big, np.array([1])).tolist() == [2**53 + 1]

    def test_an_integer_without_room_is_an_error(self):
        with pytest.raises(OverflowError):
            convolve2d(np.array([[100]], dtype=np.int8), np.array([[2]], dtype=np.int8))

    def test_floats_are_summed_in_float64_and_rounded_once(self):
        f = np.array([2.0**24, 1, 1, 1], dtype=np.float32)
        y = convolve1d(f, np.ones(4, np.float32))
        assert y.dtype == np.float32
        assert y[3] == 2.0**24 + 4

    @in_one_test
    @pytest.mark.parametrize("operation", [convolve1d, correlate1d, convolve2d, correlate2d])
    def test_refusals(self, operation):
        rank = 1 if operation in (convolve1d, correlate1d) else 2
        good = np.ones((2,) * rank)
        with pytest.raises(ValueError, match="g must have"):
            operation(good, np.ones((2,) * (rank + 1)))
        with pytest.raises(ValueError, match="f must have"):
            operation(np.ones((0,) * rank), good)
        with pytest.raises(TypeError, match="g must hold integers or floats"):
            operation(good, good * 1j)

    @in_one_test
    @pytest.mark.parametrize("operation", [convolve2d, correlate2d])
    def test_unknown_mode(self, operation):
        with pytest.raises(ValueError, match="mode must be"):
            operation(np.ones((2, 2)), np.ones((1, 1)), "circular")
