"""Filters: the reference's masks, SciPy's numbers, what is true of slopes, steps and flat walls."""

from functools import partial

import numpy as np
import pytest
from scipy import ndimage

import fastconv
import reference
from fastconv import filters, isa, tuning
from tests.comparing import unit_roundoff
from tests.support import assert_refused, peak_memory, tuned
from tests.walking import in_one_test

BOUNDARIES = ("reflect", "mirror", "nearest", "wrap", "constant")
DTYPES = ("float32", "float64")
CONSTANTS = (0.1, 255.0, 1e30, -0.3, 1 / 3, 1e-30, -7e22, 0.0, 3e38)

# name → how often a pixel's value may count in a result: the sum of the weights' absolute values.
SMOOTHING = {
    "box": [{}, {"size": 2}, {"size": (5, 4)}, {"size": (1, 7)}, {"size": 15}],
    "gaussian": [{}, {"sigma": (0.8, 2.1)}, {"sigma": 0.4, "truncate": 2}, {"sigma": (0, 3)}],
}
SHARPENING = {
    "sharpen": [{}, {"amount": 0.3}],
    "unsharp_mask": [{}, {"sigma": 2.0, "amount": 1.7}],
    "emboss": [{}, {"amount": -0.7}],
}
DERIVATIVES = {
    "laplacian": [{}],
    **{name: [{}, {"axis": 0}, {"axis": 1}] for name in ("sobel", "scharr", "prewitt")},
}
KEEPING = {**SMOOTHING, **SHARPENING}


def calls(*families):
    """Return (function's name, options) of every call of these families."""
    return [
        pytest.param(name, options, id=f"{name}-{'-'.join(map(str, options.values())) or 'usual'}")
        for family in families
        for name, variants in family.items()
        for options in variants
    ]


def each(*families):
    return pytest.mark.parametrize(("name", "options"), calls(*families))


def noise(*shape, dtype="float64", seed=3):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_close(ours, truth, scale=1.0, taps=60):
    """Assert equality up to the rounding of a sum of some taps, of values of some size."""
    assert ours.shape == truth.shape
    error = np.abs(ours.astype(np.float64) - truth)
    assert error.max(initial=0) <= (taps + 8) * unit_roundoff(str(ours.dtype)) * scale


class TestAgainstTheReference:
    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    @pytest.mark.parametrize("boundary", BOUNDARIES)
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_every_boundary(self, name, options, boundary, dtype):
        for shape in ((9, 11), (1, 1), (1, 6), (5, 2)):
            image = noise(*shape, dtype=dtype) + 2
            around = {"boundary": boundary, "cval": 1.5}
            ours = getattr(filters, name)(image, **options, **around)
            truth = getattr(reference.filters, name)(image.astype("f8"), **options, **around)
            assert ours.dtype == dtype
            assert_close(ours, truth, scale=60)

    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    def test_stacks_and_colours(self, name, options):
        for shape, axis in (((2, 3, 6, 5), None), ((6, 5, 3), -1), ((3, 6, 5), 0), ((6, 2, 5), 1)):
            image = noise(*shape)
            ours = getattr(filters, name)(image, **options, channel_axis=axis)
            truth = getattr(reference.filters, name)(image, **options, channel_axis=axis)
            assert_close(ours, truth, scale=60)
            assert ours.flags.c_contiguous

    def test_there_is_a_reference_for_every_filter(self):
        for name in filters.__all__:
            assert callable(getattr(reference.filters, name))
        assert {*SMOOTHING, *SHARPENING, *DERIVATIVES} == set(filters.__all__)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("boundary", BOUNDARIES)
class TestAgainstSciPy:
    """On images of a real size."""

    def around(self, boundary):
        return {"boundary": boundary, "cval": 0.25}, {"mode": boundary, "cval": 0.25}

    def image(self, dtype):
        image = noise(203, 301, dtype=dtype)
        return image, image.astype(np.float64)

    @in_one_test
    @pytest.mark.parametrize("sigma", [0.5, 2, 8.0, (1, 3.3)])
    def test_gaussian_filter(self, dtype, boundary, sigma):
        image, exact = self.image(dtype)
        ours, theirs = self.around(boundary)
        assert_close(
            filters.gaussian(image, sigma, **ours), ndimage.gaussian_filter(exact, sigma, **theirs)
        )

    @in_one_test
    @pytest.mark.parametrize("size", [2, 3, (4, 7), 64])
    def test_uniform_filter(self, dtype, boundary, size):
        image, exact = self.image(dtype)
        ours, theirs = self.around(boundary)
        # SciPy's running sum carries errors along the row.
        assert_close(
            filters.box(image, size, **ours), ndimage.uniform_filter(exact, size, **theirs), 8
        )

    def test_laplace(self, dtype, boundary):
        image, exact = self.image(dtype)
        ours, theirs = self.around(boundary)
        assert_close(filters.laplacian(image, **ours), ndimage.laplace(exact, **theirs), 8)

    @in_one_test
    @pytest.mark.parametrize("axis", [0, 1])
    @pytest.mark.parametrize(("name", "divisor"), [("sobel", 4), ("prewitt", 3)])
    def test_derivatives(self, dtype, boundary, axis, name, divisor):
        image, exact = self.image(dtype)
        ours = {"boundary": boundary}
        theirs = getattr(ndimage, name)(exact, axis, mode=boundary) / divisor
        assert_close(getattr(filters, name)(image, axis, **ours), theirs, 8)


class TestAgainstScikitImage:
    """Where it is installed: names and numbers are the same, derivatives' divisors included."""

    @pytest.mark.parametrize("axis", [None, 0, 1])
    @pytest.mark.parametrize("name", ["sobel", "scharr", "prewitt"])
    def test_derivatives(self, name, axis):
        theirs = pytest.importorskip("skimage.filters")
        image = noise(40, 50)
        assert_close(getattr(filters, name)(image, axis), getattr(theirs, name)(image, axis=axis))

    def test_the_others(self):
        theirs = pytest.importorskip("skimage.filters")
        image = np.abs(noise(40, 50, 3))
        assert_close(
            filters.unsharp_mask(image, 2, 1.5, channel_axis=-1),
            theirs.unsharp_mask(image, 2, 1.5, preserve_range=True, channel_axis=2), 8,  # -1 fails
        )  # fmt: skip
        assert_close(
            filters.gaussian(image, 2.5, channel_axis=-1),
            theirs.gaussian(image, 2.5, mode="reflect", preserve_range=True, channel_axis=-1), 8,
        )  # fmt: skip
        assert_close(filters.laplacian(image[..., 0]), -theirs.laplace(image[..., 0]), 8)


class TestFlat:
    """An image of one colour stays that colour, to the last bit; its derivatives are zero."""

    @in_one_test
    @each(KEEPING)
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("boundary", BOUNDARIES)
    def test_an_image_of_one_colour_stays_so(self, name, options, dtype, boundary):
        for constant in CONSTANTS:
            image = np.full((17, 23), constant, dtype)
            given = image.copy()
            result = getattr(filters, name)(
                image, **options, boundary=boundary, cval=float(image[0, 0])
            )
            assert (result == given).all(), constant
            assert (image == given).all()

    @in_one_test
    @each(DERIVATIVES)
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("boundary", BOUNDARIES)
    def test_its_derivatives_are_zero(self, name, options, dtype, boundary):
        for constant in CONSTANTS:
            image = np.full((17, 23), constant, dtype)
            result = getattr(filters, name)(
                image, **options, boundary=boundary, cval=float(image[0, 0])
            )
            assert (result == 0).all(), constant

    @in_one_test
    @each(KEEPING)
    def test_each_channel_and_each_image_of_a_stack_stays_so(self, name, options):
        colours = np.array([0.1, 255, 1 / 3], "f4")
        photograph = np.broadcast_to(colours, (12, 13, 3))
        assert (getattr(filters, name)(photograph, **options, channel_axis=-1) == photograph).all()
        stack = np.broadcast_to(colours[:, None, None], (3, 12, 13))
        assert (getattr(filters, name)(stack, **options) == stack).all()

    @in_one_test
    @each(SMOOTHING)
    def test_so_do_planes_that_differ_from_what_lies_beyond(self, name, options):
        # Only the plane of the colour of what is beyond stays; the others fade, as they should.
        planes = np.broadcast_to(np.array([0.1, 0.7], "f4")[:, None, None], (2, 30, 31))
        around = {"boundary": "constant", "cval": float(np.float32(0.7))}
        result = getattr(filters, name)(planes, **options, **around)
        assert (result[1] == planes[1]).all()
        truth = getattr(reference.filters, name)(planes[0].astype("f8"), **options, **around)
        assert_close(result[0], truth)

    @in_one_test
    @each(DERIVATIVES)
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_derivatives_are_zero_in_every_flat_part(self, name, options, dtype):
        image = np.full((20, 20), 0.1, dtype)
        image[:, 10:] = 1 / 3
        result = getattr(filters, name)(image, **options)
        assert (result[:, :9] == 0).all()
        assert (result[:, 11:] == 0).all()

    @in_one_test
    @pytest.mark.parametrize("name", ["sharpen", "emboss"])
    def test_flat_parts_stay(self, name):
        image = np.full((20, 20), 0.1, "f4")
        image[:, 10:] = 1 / 3
        result = getattr(filters, name)(image)
        assert (result[:, :9] == image[:, :9]).all()
        assert (result[:, 11:] == image[:, 11:]).all()

    @in_one_test
    @each(SMOOTHING)
    def test_what_is_nearly_flat_keeps_its_small_differences(self, name, options):
        # Narrow, and wide enough for whole tiles of any vectors.
        for shape in ((20, 21), (31, 110)):
            image = (1000 + noise(*shape) / 1000).astype("f4")
            truth = getattr(reference.filters, name)(image.astype("f8"), **options)
            ours = getattr(filters, name)(image, **options)
            # The last rounding, to a float32 near 1000, and nothing that grows with the taps.
            assert_close(ours, truth, 1000 / 60, taps=60)

    @in_one_test
    @each(SMOOTHING)
    @pytest.mark.parametrize("boundary", BOUNDARIES)
    def test_the_promised_bound(self, name, options, boundary):
        around = {"boundary": boundary, "cval": 0.5}
        for seed, offset in ((1, 0.0), (2, 0.1), (3, 100.0)):
            image = (np.random.default_rng(seed).random((22, 27)) + offset).astype("f4")
            truth = getattr(reference.filters, name)(image.astype("f8"), **options, **around)
            ours = getattr(filters, name)(image, **options, **around).astype("f8")
            taps = np.add(*self.taps(name, options))
            # of an image without negative pixels, Σ w·|x| is the result
            assert (np.abs(ours - truth) <= (taps + 8) * unit_roundoff("float32") * truth).all()

    def taps(self, name, options):
        """Return how many taps there are down and across."""
        if name == "box":
            return np.broadcast_to(options.get("size", 3), 2)
        sigmas = np.broadcast_to(options.get("sigma", 1.0), 2)
        return [2 * int(options.get("truncate", 4) * sigma + 0.5) + 1 for sigma in sigmas]

    @in_one_test
    @each(SMOOTHING)
    def test_a_bright_spot_does_not_swallow_the_rest(self, name, options):
        image = np.abs(noise(30, 40, dtype="f4")) + 1
        image[15, 20] = 1e30
        window = getattr(reference.filters, name)(
            (image == 1e30).astype("f8"), **options, boundary="constant"
        )
        truth = getattr(reference.filters, name)(image.astype("f8"), **options)
        ours = getattr(filters, name)(image, **options)
        assert_close(ours[window == 0], truth[window == 0], 8)

    @in_one_test
    @each(SMOOTHING)
    def test_both_signs_of_the_largest_numbers(self, name, options):
        largest = np.finfo("f4").max / 4
        image = np.full((12, 12), largest, "f4")
        image[3, 4] = -largest
        assert np.isfinite(getattr(filters, name)(image, **options)).all()


class TestMeaning:
    """What the docstrings say of slopes, steps, signs, axes and centres."""

    @in_one_test
    @pytest.mark.parametrize("name", ["sobel", "scharr", "prewitt"])
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_a_ramp_gives_twice_its_slope(self, name, dtype):
        rows, columns = np.mgrid[:12, :15]
        ramp = (3.0 * rows - 5.0 * columns).astype(dtype)
        inside = np.s_[1:-1, 1:-1]
        tolerance = {"rtol": 4 * unit_roundoff(dtype)}
        function = getattr(filters, name)
        np.testing.assert_allclose(function(ramp, 0)[inside], 6, **tolerance)
        np.testing.assert_allclose(function(ramp, 1)[inside], -10, **tolerance)
        np.testing.assert_allclose(function(ramp)[inside], np.sqrt((36 + 100) / 2), **tolerance)

    @in_one_test
    @pytest.mark.parametrize("name", ["sobel", "scharr", "prewitt"])
    def test_a_step_gives_its_height(self, name):
        step = np.zeros((6, 8))
        step[:, 4:] = 7.0
        assert getattr(filters, name)(step, 1)[2].round(12).tolist() == [0, 0, 0, 7, 7, 0, 0, 0]
        assert (getattr(filters, name)(step, 0) == 0).all()
        assert getattr(filters, name)(step.T, 0)[:, 2].round(12).tolist() == [
            0, 0, 0, 7, 7, 0, 0, 0,
        ]  # fmt: skip

    def test_the_laplacian_of_a_quadratic(self):
        rows, columns = np.mgrid[:9.0, :10.0]
        quadratic = 2.0 * rows**2 - 3.0 * rows * columns + 5.0 * columns**2
        assert (filters.laplacian(quadratic)[1:-1, 1:-1] == 14).all()
        assert (filters.laplacian(rows - 4 * columns)[1:-1, 1:-1] == 0).all()

    def test_sharpening_and_embossing_a_ramp(self):
        rows, columns = np.mgrid[:9.0, :10.0]
        ramp = 2.0 * rows + 3.0 * columns
        inside = np.s_[1:-1, 1:-1]
        assert (filters.sharpen(ramp)[inside] == ramp[inside]).all()
        assert (filters.emboss(ramp)[inside] == ramp[inside] + 6 * 5).all()
        assert (filters.emboss(ramp, -0.5)[inside] == ramp[inside] - 15).all()

    def test_nothing_changes_by_an_amount_of_zero(self):
        image = noise(8, 9)
        for name in SHARPENING:
            assert (getattr(filters, name)(image, amount=0) == image).all()

    def test_the_centre_of_an_even_box(self):
        spot = np.zeros((1, 7))
        spot[0, 3] = 4
        assert filters.box(spot, (1, 2)).tolist() == [[0, 0, 0, 2, 2, 0, 0]]
        assert filters.box(spot, (1, 4)).tolist() == [[0, 0, 1, 1, 1, 1, 0]]

    def test_the_radius_of_a_gaussian(self):
        spot = np.zeros((1, 41))
        spot[0, 20] = 1
        for sigma, truncate, radius in ((1, 4, 4), (1.5, 3, 5), (2, 2.2, 4), (0.1, 4, 0)):
            reached = np.flatnonzero(filters.gaussian(spot, (0, sigma), truncate=truncate))
            assert (reached.min(), reached.max()) == (20 - radius, 20 + radius)

    @pytest.mark.filterwarnings("error")
    def test_a_tiny_bell_is_its_middle(self):
        image = noise(5, 6)
        assert (filters.gaussian(image, 1e-300, truncate=1e300) == image).all()

    def test_smoothing_keeps_the_mean_where_the_image_repeats(self):
        image = noise(12, 14)
        for name in SMOOTHING:
            result = getattr(filters, name)(image, boundary="wrap")
            assert result.mean() == pytest.approx(image.mean())


SYMMETRIC = [
    ("box", {}), ("gaussian", {"sigma": 1.3}), ("sharpen", {}), ("unsharp_mask", {}),
    ("laplacian", {}), ("sobel", {}), ("scharr", {}), ("prewitt", {}),
]  # fmt: skip


class TestMagnitude:
    """Squares neither overflow nor vanish."""

    @in_one_test
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_of_the_largest_and_smallest_numbers(self, dtype):
        limits = np.finfo(dtype)
        image = noise(20, 21, dtype=dtype)
        usual = filters.sobel(image)
        for power in (-100, -60, 60, 100, limits.maxexp - 6):
            scaled = filters.sobel(np.ldexp(image, power))
            assert (scaled == np.ldexp(usual, power)).all()

    def test_of_a_nan_beside_large_numbers(self):
        image = np.ldexp(noise(20, 21, dtype="f4"), 100)
        usual = filters.sobel(image)
        image[3, 4] = np.nan
        result = filters.sobel(image)
        assert np.isfinite(result[6:]).all()
        assert_close(result[6:] / usual.max(), usual[6:].astype("f8") / usual.max())

    def test_of_subnormal_numbers(self):
        image = np.zeros((4, 6), "f4")
        image[:, 3:] = 1e-42
        step = np.array([0, 0, 1e-42, 1e-42, 0, 0])
        assert filters.sobel(image, 1)[1] == pytest.approx(step, rel=1e-2, abs=0)
        assert filters.sobel(image)[1] == pytest.approx(step / 2**0.5, rel=1e-2, abs=0)


class TestSymmetry:
    """What is turned or mirrored before is so afterwards."""

    @in_one_test
    @pytest.mark.parametrize(("name", "options"), SYMMETRIC)
    @pytest.mark.parametrize("boundary", BOUNDARIES)
    def test_the_eight_symmetries_of_the_square(self, name, options, boundary):
        image = noise(11, 16)
        function = partial(getattr(filters, name), **options, boundary=boundary)
        plain = function(image)
        for quarter in range(4):
            for flip in (np.asarray, np.flipud):
                turned = function(flip(np.rot90(image, quarter)))
                assert_close(turned, flip(np.rot90(plain, quarter)), 8)

    @in_one_test
    @pytest.mark.parametrize("name", ["sobel", "scharr", "prewitt"])
    def test_derivatives_change_sign_with_their_axis(self, name):
        image, function = noise(11, 16), getattr(filters, name)
        assert_close(function(np.flipud(image), 0), -np.flipud(function(image, 0)), 8)
        assert_close(function(np.fliplr(image), 0), np.fliplr(function(image, 0)), 8)
        assert_close(function(image.T, 0), function(image, 1).T, 8)

    def test_light_from_the_other_side(self):
        image = noise(11, 16)
        assert_close(filters.emboss(image.T), filters.emboss(image).T, 16)
        turned = np.rot90(filters.emboss(np.rot90(image, 2), -1.0), 2)
        assert_close(turned, filters.emboss(image), 16)


class TestWhatComesIn:
    @in_one_test
    @pytest.mark.parametrize(
        ("given", "computed"),
        [
            ("bool", "float32"), ("int8", "float32"), ("uint8", "float32"), ("int16", "float32"),
            ("uint16", "float32"), ("float16", "float32"), ("int32", "float64"),
            ("uint32", "float64"), ("int64", "float64"), ("uint64", "float64"),
            (">f4", "float32"), (">f8", "float64"), (">i2", "float32"),
        ],
    )  # fmt: skip
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    def test_dtypes(self, name, options, given, computed):
        image = np.abs(noise(7, 8) * 50).astype(given)
        result = getattr(filters, name)(image, **options)
        assert result.dtype == computed
        assert (result == getattr(filters, name)(image.astype(computed), **options)).all()

    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    def test_the_units_are_those_of_the_input(self, name, options):
        grey = np.random.default_rng(0).integers(0, 256, (14, 15), np.uint8)
        result = getattr(filters, name)(grey, **options)
        unit = getattr(filters, name)(grey / 255.0, **options)
        assert_close(result / 255, unit, 60)

    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    def test_no_channel_reaches_another(self, name, options):
        photograph = noise(9, 10, 3)
        others = photograph.copy()
        others[..., 0] = 1e6
        before = getattr(filters, name)(photograph, **options, channel_axis=-1)
        after = getattr(filters, name)(others, **options, channel_axis=2)
        assert (before[..., 1:] == after[..., 1:]).all()
        for channel in range(3):
            alone = getattr(filters, name)(photograph[..., channel], **options)
            assert (before[..., channel] == alone).all()

    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    def test_memory_layouts(self, name, options):
        image = noise(9, 10)
        plain = getattr(filters, name)(image, **options)
        unaligned = np.frombuffer(b"x" + image.tobytes(), np.uint8)[1:].view("f8").reshape(9, 10)
        views = (np.asfortranarray(image), np.repeat(image, 2, 1)[:, ::2], image[::-1][::-1],
                 image.tolist(), unaligned)  # fmt: skip
        for view in views:
            assert (getattr(filters, name)(view, **options) == plain).all()

    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    def test_the_image_is_left_alone_and_not_given_back(self, name, options):
        for image in (noise(9, 10), np.abs(noise(9, 10)) + 1):
            before = image.copy()
            image.setflags(write=False)
            result = getattr(filters, name)(image, **options)
            assert (image == before).all()
            assert not np.shares_memory(image, result)
            assert result.flags.writeable

    def test_what_changes_nothing_is_still_a_copy(self):
        image = noise(9, 10)
        for result in (filters.gaussian(image, 0), filters.box(image, 1)):
            assert (result == image).all()
            assert not np.shares_memory(image, result)

    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    def test_a_stack_of_narrow_images_may_say_so(self, name, options):
        stack = noise(5, 6, 3)
        result = getattr(filters, name)(stack, **options, channel_axis=0)
        for one, plane in zip(result, stack, strict=True):
            assert (one == getattr(filters, name)(plane, **options)).all()

    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    def test_a_stack_of_kernels_need_not(self, name, options):
        stack = noise(2, 3, 3)
        result = getattr(filters, name)(stack, **options)
        assert (result[1] == getattr(filters, name)(stack[1], **options)).all()

    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    def test_an_empty_stack(self, name, options):
        assert getattr(filters, name)(np.ones((0, 4, 5)), **options).shape == (0, 4, 5)
        around = {"boundary": "constant"}
        assert getattr(filters, name)(np.ones((0, 4, 5)), **options, **around).shape == (0, 4, 5)

    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    def test_the_same_bits_for_any_number_of_threads(self, name, options):
        image = noise(301, 203, dtype="f4")
        with fastconv.num_threads(1):
            one = getattr(filters, name)(image, **options)
        with fastconv.num_threads(2):
            assert (getattr(filters, name)(image, **options) == one).all()


class TestOut:
    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    @pytest.mark.parametrize("shape", [(9, 10), (2, 30, 7), (31, 6, 3), (40, 66)], ids=str)
    def test_it_is_filled_however_it_lies(self, name, options, shape):
        axis = -1 if shape[-1] == 3 else None
        image = np.abs(noise(*shape)) + 1
        function = partial(getattr(filters, name), **options, channel_axis=axis)
        wide = np.full([2 * extent for extent in shape], np.nan)
        swapped = np.full(shape, np.nan, np.dtype(float).newbyteorder())
        with tuned(IMAGE_BAND_BYTES=400):
            expected = function(image)
            for out in (np.full(shape, np.nan), wide[tuple([np.s_[::2]] * len(shape))], swapped):
                assert function(image, out=out) is out
                assert (out == expected).all()
        assert np.isfinite(wide).sum() == image.size

    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    def test_it_may_be_the_image_or_overlap_it(self, name, options):
        function = partial(getattr(filters, name), **options)
        with tuned(IMAGE_BAND_BYTES=400):
            image = np.abs(noise(30, 7)) + 1
            expected = function(image)
            assert function(image, out=image) is image
            assert (image == expected).all()
            both = np.abs(noise(33, 7)) + 1
            expected = function(both[3:])
            function(both[3:], out=both[:-3])
            assert (both[:-3] == expected).all()
            turned = np.abs(noise(9, 9)) + 1
            expected = function(turned)
            function(turned, out=turned.T)
            assert (expected == turned.T).all()


class TestBands:
    """Large images are filtered some rows at a time."""

    @pytest.mark.parametrize("boundary", BOUNDARIES)
    def test_wherever_they_end(self, boundary):
        around = {"boundary": boundary, "cval": 3.0}
        images = ((noise(2, 41, 9) + 2, None), (noise(35, 6, 2) + 2, -1))

        def filtered():
            for mark in calls(SMOOTHING, SHARPENING, DERIVATIVES):
                name, options = mark.values
                for image, axis in images:
                    yield getattr(filters, name)(image, **options, **around, channel_axis=axis)

        whole = list(filtered())
        with tuned(IMAGE_BAND_BYTES=700, IMAGE_BAND_TAPS=0):
            for ours, expected in zip(filtered(), whole, strict=True):
                assert_close(ours, expected, 60)

    def test_an_image_of_one_colour_stays_so_in_each(self):
        image = np.full((90, 7), 0.1, "f4")
        with tuned(IMAGE_BAND_BYTES=500, IMAGE_BAND_TAPS=1):
            for name in KEEPING:
                assert (getattr(filters, name)(image) == image).all()

    @pytest.mark.skipif(isa.kernels is None, reason="NumPy's BLAS sums stacks in other orders")
    @in_one_test
    @each(SMOOTHING)
    @pytest.mark.parametrize("boundary", ["reflect", "constant"])
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_what_is_smoothed_in_one_call_is_what_bands_are(self, name, options, boundary, dtype):
        """Levels of both signs and none, each image's its own; seen at once, and late."""
        image = np.abs(noise(4, 150, 131)).astype(dtype) + 1
        image[1] *= -1
        image[2, -1, -1] = 0  # black, in the last place that is looked at
        smooth = partial(getattr(filters, name), **options, boundary=boundary, cval=0.25)
        with tuned(FILTER_TILE_USED=2.0, IMAGE_BAND_BYTES=20_000):
            expected = smooth(image)
        results = []
        for threads in (1, 3):
            with fastconv.num_threads(threads), tuned(FLOPS_WORTH_A_THREAD=1):
                results += [smooth(image), np.stack([smooth(one) for one in image])]
        assert_close(results[0], expected, 60)
        assert len({y.tobytes() for y in results}) == 1

    @pytest.mark.skipif(isa.kernels is None, reason="im2col has a buffer of its own")
    def test_no_more_than_they_is_held_beside_the_result(self):
        photograph = np.random.default_rng(0).integers(1, 256, (500, 300, 3), np.uint8)
        with tuned(IMAGE_BAND_BYTES=2**15):
            for name in filters.__all__:
                getattr(filters, name)(photograph[:40], channel_axis=-1)
                with peak_memory() as peak:
                    result = getattr(filters, name)(photograph, channel_axis=-1)
                assert peak.bytes < result.nbytes + 10 * 2**15, name


class TestNaN:
    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_it_stays_where_it_is_seen(self, name, options, bad, dtype):
        image = noise(40, 41, dtype=dtype) + 9
        clean = getattr(filters, name)(image, **options)
        image[20, 21] = bad
        result = getattr(filters, name)(image, **options)
        reach = 16  # of the widest filter above
        spoilt = ~np.isfinite(result)
        assert spoilt[19:22, 20:23].any()
        rows, columns = np.nonzero(spoilt)
        assert max(np.abs(rows - 20).max(), np.abs(columns - 21).max()) <= reach
        far = np.ones_like(spoilt)
        far[20 - reach : 21 + reach, 21 - reach : 22 + reach] = False
        assert_close(result[far], clean[far], 60)

    @pytest.mark.filterwarnings("error")
    def test_a_signalling_one_is_like_others(self):
        image = noise(7, 8, dtype="f4")
        image.view(np.int32)[3, 4] = 0x7FA00000
        for name in filters.__all__:
            assert np.isnan(getattr(filters, name)(image)).any()

    @in_one_test
    @pytest.mark.parametrize("size", [1, 2, 3, 6])
    def test_a_box_of_it_is_as_large_as_the_box(self, size):
        image = np.ones((20, 20))
        image[10, 10] = np.nan
        assert np.isnan(filters.box(image, size)).sum() == size * size

    @in_one_test
    @each(SMOOTHING, SHARPENING, DERIVATIVES)
    def test_images_of_nothing_else(self, name, options):
        assert np.isnan(getattr(filters, name)(np.full((5, 6), np.nan), **options)).all()
        assert not np.isfinite(getattr(filters, name)(np.full((5, 6), np.inf), **options)).any()


GREY = np.ones((6, 7), np.float32)
COLOUR = np.ones((6, 7, 3), np.float32)

# function, arguments beside or instead of the image, error, words of the message
BAD_CALLS = [
    ("box", {"image": np.float32(1)}, ValueError, "image must be (H, W) or (..., H, W)", "()"),
    ("sobel", {"image": np.ones(5)}, ValueError, "image must be (H, W)", "(5,)"),
    ("gaussian", {"image": np.ones((0, 5))}, ValueError, "image must not be empty", "(0, 5)"),
    ("prewitt", {"image": np.ones((5, 0))}, ValueError, "image must not be empty", "(5, 0)"),
    ("emboss", {"image": np.ones((5, 6, 0)), "channel_axis": -1}, ValueError,
     "image must not be empty", "(5, 6, 0)"),
    ("box", {"image": COLOUR}, ValueError, "(6, 7, 3)", "channel_axis=-1", "channel_axis=0"),
    ("sharpen", {"image": np.ones((6, 7, 4))}, ValueError, "(6, 7, 4)", "channel_axis=-1"),
    *(
        ("gaussian", {"image": np.ones(shape)}, ValueError, f"{shape}", "channel", "channel_axis=0")
        for shape in ((64, 64, 2), (64, 64, 1), (2, 5, 1), (4, 640, 3))
    ),
    ("sobel", {"image": np.ones((2, 6, 7, 3))}, ValueError, "(2, 6, 7, 3)", "channel_axis=-1"),
    ("box", {"image": "a photograph"}, TypeError, "image has dtype", "<U"),
    ("box", {"image": None}, TypeError, "image has dtype object"),
    ("box", {"image": GREY.astype(complex)}, TypeError, "image has dtype complex128"),
    ("scharr", {"image": GREY.astype(np.longdouble)}, TypeError, "image has dtype", "float64"),
    ("box", {"image": [[1.0, 2.0], [3.0]]}, TypeError, "image must be an array"),
    ("box", {"image": np.ma.masked_equal(GREY, 0)}, TypeError, "image is a masked array"),
    ("box", {"boundary": "zeros"}, ValueError, "boundary must be one of", "'reflect'", "'zeros'"),
    ("gaussian", {"boundary": None}, ValueError, "boundary must be one of", "None"),
    ("sobel", {"boundary": ["reflect"]}, ValueError, "boundary must be one of", "['reflect']"),
    ("box", {"cval": "0"}, TypeError, "cval must be a finite number", "'0'"),
    ("box", {"cval": np.nan}, ValueError, "cval must be a finite number", "nan"),
    ("laplacian", {"cval": True}, TypeError, "cval must be a finite number", "True"),
    *(
        (name, {"amount": amount}, ValueError, "amount must be", "of the image's float32", word)
        for name in ("sharpen", "unsharp_mask", "emboss")
        for amount, word in ((1e39, "1e+39"), (-4e38, "-4e+38"), (10**300, "float32"))
    ),
    (
        "sharpen", {"image": GREY.astype(np.uint8), "amount": 1e39}, ValueError, "amount must be",
        "float32, not 1e+39",
    ),
    ("laplacian", {"cval": 1e39}, ValueError, "cval must be a number of the image's float32",
     "1e+39"),
    ("box", {"cval": 10**400}, ValueError, "cval must be a finite number"),
    ("box", {"channel_axis": -1}, ValueError, "three axes or more", "channel_axis=-1", "(6, 7)"),
    ("box", {"image": COLOUR, "channel_axis": 3}, ValueError, "channel_axis must be less than 3",
     "3"),
    ("box", {"image": COLOUR, "channel_axis": -4}, ValueError, "channel_axis must be at least -3",
     "-4"),
    ("box", {"image": COLOUR, "channel_axis": "last"}, TypeError, "channel_axis must be",
     "'last'"),
    ("box", {"image": COLOUR, "channel_axis": True}, TypeError, "channel_axis must be", "True"),
    ("box", {"out": np.ones((6, 6), "f4")}, ValueError, "out must have shape (6, 7)", "(6, 6)"),
    ("sobel", {"out": np.ones((6, 7))}, TypeError, "out must have dtype float32, not float64"),
    ("gaussian", {"out": np.ones((6, 7), np.uint8)}, TypeError, "out has dtype uint8"),
    ("emboss", {"out": "output"}, TypeError, "out must be a NumPy array, not str"),
    ("sharpen", {"out": np.broadcast_to(np.float32(1), (6, 7))}, ValueError, "out is read-only"),
    ("unsharp_mask", {"out": np.ones((6, 7, 3), "f4")}, ValueError, "out must have shape (6, 7)"),
    ("box", {"size": 0}, ValueError, "size must be at least 1", "0"),
    ("box", {"size": (3, -1)}, ValueError, "size must be at least 1", "-1"),
    ("box", {"size": 2**31 - 1}, ValueError, "size must be at most 33554433", "2147483647"),
    ("box", {"size": (3, 2**26)}, ValueError, "size must be at most", "(3, 67108864)"),
    ("box", {"size": 2.5}, TypeError, "size must be an int or a pair of ints", "2.5"),
    ("box", {"size": (1, 2, 3)}, ValueError, "size must be an int or a pair", "(1, 2, 3)"),
    ("box", {"size": None}, TypeError, "size must be", "None"),
    ("gaussian", {"sigma": -1}, ValueError, "sigma must be at least 0", "-1"),
    ("gaussian", {"sigma": np.inf}, ValueError, "sigma must be a finite number", "inf"),
    ("gaussian", {"sigma": (1, np.nan)}, ValueError, "sigma must be a finite number", "nan"),
    ("gaussian", {"sigma": (1, 2, 3)}, ValueError, "sigma must be", "(1, 2, 3)"),
    ("gaussian", {"sigma": "2"}, TypeError, "sigma must be", "'2'"),
    ("gaussian", {"sigma": None}, TypeError, "sigma must be", "None"),
    ("gaussian", {"sigma": 1e9}, ValueError, "sigma 1e+09 with truncate 4", "radius"),
    ("gaussian", {"truncate": -2}, ValueError, "truncate must be at least 0", "-2"),
    ("gaussian", {"truncate": (4, 4)}, TypeError, "truncate must be a finite number", "(4, 4)"),
    ("unsharp_mask", {"sigma": -0.5}, ValueError, "sigma must be at least 0", "-0.5"),
    ("unsharp_mask", {"amount": "much"}, TypeError, "amount must be a finite number", "'much'"),
    ("sharpen", {"amount": np.nan}, ValueError, "amount must be a finite number", "nan"),
    ("emboss", {"amount": 1j}, TypeError, "amount must be a finite number", "1j"),
    ("sobel", {"axis": 2}, ValueError, "axis must be None, 0 or 1", "2"),
    ("scharr", {"axis": -1}, ValueError, "axis must be at least 0", "-1"),
    ("prewitt", {"axis": "x"}, TypeError, "axis must be None, 0 or 1", "'x'"),
    ("sobel", {"axis": 1.0}, TypeError, "axis must be None, 0 or 1", "1.0"),
    ("sobel", {"axis": True}, TypeError, "axis must be None, 0 or 1", "True"),
]  # fmt: skip


@in_one_test
@pytest.mark.parametrize(
    "row", BAD_CALLS, ids=lambda row: f"{row[0]}-{'-'.join(row[1])}-{row[-1][:20]}"
)
def test_a_bad_call_is_refused_with_a_clear_error(row):
    name, change, error, *words = row
    assert_refused(partial(getattr(filters, name), **{"image": GREY, **change}), error, *words)


def test_bad_options_are_said_before_anything_is_computed(monkeypatch):
    def fail(*_):
        raise AssertionError("computed before all was checked")

    monkeypatch.setattr(filters.bands.Band, "_filtering", fail)
    for name, change, error, *_ in BAD_CALLS:
        with pytest.raises(error):
            getattr(filters, name)(**{"image": GREY, **change})


# ── memory ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(isa.kernels is None, reason="im2col has a buffer of its own")
def test_a_wide_bell_over_a_low_image_holds_no_bell_of_rows():
    """A row under 161 taps is not 161 rows: beside it and the result a tile is held."""
    image = np.random.default_rng(9).random((1, 400_000), np.float32)
    filters.gaussian(image[:, :1000], 20)
    with peak_memory() as peak:
        blurred = filters.gaussian(image, 20)
    assert peak.bytes < 3 * image.nbytes + tuning.IMAGE_TILE_BYTES + 2 * tuning.IMAGE_BAND_BYTES
    expected = ndimage.gaussian_filter(image.astype(np.float64), 20)
    np.testing.assert_allclose(blurred, expected, rtol=1e-5)
