"""convolve2d and correlate2d: SciPy's meaning and the reference's, by every way."""

from functools import partial
from itertools import cycle, product

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
import reference
from fastconv import isa
from fastconv.image import cost, fft, separable
from fastconv.image.boundary import BOUNDARIES
from fastconv.image.digits import Digits, digits_for
from fastconv.image.lengths import fast_length
from fastconv.image.shapes import arrange
from fastconv.problem.extension import extend_part, sources
from tests.comparing import assert_equal, assert_within_bounds
from tests.support import DTYPES, peak_memory, poisoned, tuned, views_of
from tests.walking import in_one_test

OPERATIONS = ("convolve2d", "correlate2d")
MODES = ("full", "same", "valid")
SCIPYS = ("fill", "wrap", "symm")
NDIMAGES = ("reflect", "mirror", "nearest", "constant", "wrap", "grid-wrap", "grid-mirror",
            "grid-constant")  # fmt: skip
IMAGES = ((1, 1), (1, 5), (4, 3), (6, 7), (13, 10), (40, 33))
# odd, even, rows and columns, and larger than most of the images
KERNELS = ((1, 1), (1, 2), (2, 1), (3, 3), (2, 4), (5, 4), (9, 11), (20, 3), (1, 30), (23, 31))
WAYS = ("auto", "direct", "fft")


# Of tuning.FFT_FEWEST_TAPS.
NO_FEWEST = dict.fromkeys((16, 32, 64), 0)


def only(side):
    """Return prices by which squares of one side are the only ones."""
    return {side: dict.fromkeys((16, 32, 64), 1e-9)}


def whole(rng, *shape, dtype="float64", most=9):
    return rng.integers(-most, most + 1, shape).astype(dtype)


def product_kernel(rng, rows, columns, dtype="float64"):
    """A kernel of integers that is a column times a row, neither of them zero."""
    column, row = whole(rng, rows, most=4), whole(rng, columns, most=4)
    column[rows // 2] = row[columns // 2] = 3
    return np.outer(column, row).astype(dtype)


def in_dtypes_in_turn(sizes, kernels):
    """Yield every size with every kernel in a dtype: each of them is tried in both."""
    for (row, size), (column, taps) in product(enumerate(sizes), enumerate(kernels)):
        yield size, taps, DTYPES[(row + column) % 2]


def scipys(operation, x, k, mode, boundary, fillvalue):
    """What scipy.signal computes, or None where it refuses."""
    try:
        return getattr(scipy.signal, operation)(x, k, mode, boundary, fillvalue)
    except ValueError:
        return None


@in_one_test
@pytest.mark.parametrize("boundary", SCIPYS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_scipy_signal(operation, mode, boundary):
    rng = np.random.default_rng(0)
    for size, taps, dtype in in_dtypes_in_turn(IMAGES, KERNELS):
        x, k = whole(rng, *size, dtype=dtype), whole(rng, *taps, dtype=dtype)
        fillvalue = 3 if boundary == "fill" and sum(taps) % 2 else 0
        expected = scipys(operation, x, k, mode, boundary, fillvalue)
        name = f"{size} {operation} {taps}"
        if expected is None:
            with pytest.raises(ValueError, match="mode 'valid' needs one operand"):
                getattr(fastconv, operation)(x, k, mode, boundary, fillvalue)
            continue
        for way in WAYS:
            y = getattr(fastconv, operation)(x, k, mode, boundary, fillvalue, backend=way)
            assert y.dtype == dtype
            assert y.flags.c_contiguous
            # where vectors are short, transforms are what "auto" takes for the largest kernels
            taken = fastconv.explain_convolve2d(x, k, mode, boundary, fillvalue, backend=way).way
            if taken == "fft":
                y = np.rint(y)
            assert_equal(y, expected, f"{name} by {way}")


@in_one_test
@pytest.mark.parametrize("boundary", SCIPYS)
@pytest.mark.parametrize("mode", ["full", "same"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_two_passes_are_exact_on_integers(operation, mode, boundary):
    rng = np.random.default_rng(1)
    for size, taps, dtype in in_dtypes_in_turn(IMAGES, KERNELS):
        x, k = whole(rng, *size, dtype=dtype), product_kernel(rng, *taps, dtype)
        for fillvalue in (0, 2) if boundary == "fill" else (0,):
            expected = scipys(operation, x, k, mode, boundary, fillvalue)
            y = getattr(fastconv, operation)(x, k, mode, boundary, fillvalue, backend="separable")
            assert_equal(y, expected, f"{size} {operation} {taps} {dtype}")


@in_one_test
@pytest.mark.parametrize("boundary", NDIMAGES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_scipy_ndimage(operation, boundary):
    """Of odd kernels. SciPy itself reads beyond an array where a kernel is far larger than it."""
    rng = np.random.default_rng(2)
    for size, taps in product(IMAGES, KERNELS):
        if any(r % 2 == 0 or r > 4 * n for r, n in zip(taps, size, strict=True)):
            continue
        x, k = whole(rng, *size), whole(rng, *taps)
        expected = getattr(scipy.ndimage, operation[:-2])(x, k, mode=boundary, cval=2)
        y = getattr(fastconv, operation)(x, k, "same", boundary, 2, backend="direct")
        assert_equal(y, expected, f"{size} {taps}")


def test_even_kernels_stand_a_pixel_beside_those_of_ndimage():
    """As the docstring says."""
    rng = np.random.default_rng(3)
    x, k = whole(rng, 8, 9), whole(rng, 2, 4)
    ours, theirs = fastconv.convolve2d(x, k, "same"), scipy.ndimage.convolve(x, k, mode="constant")
    np.testing.assert_array_equal(ours[1:, 1:], theirs[:-1, :-1])
    ours = fastconv.correlate2d(x, k, "same")
    theirs = scipy.ndimage.correlate(x, k, mode="constant")
    np.testing.assert_array_equal(ours[:-1, :-1], theirs[1:, 1:])


@in_one_test
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_reference(operation, boundary):
    """Stacks, banks and channels too, for every boundary."""
    rng = np.random.default_rng(4)
    for stack, taps, mode in (
        ((), (3, 2), "same"), ((), (2, 9, 11), "full"), ((2,), (2, 3, 3), "same"),
        ((2, 1, 3), (4, 5), "full"), ((3,), (2, 3), "valid"), ((0,), (2, 3, 3), "same"),
    ):  # fmt: skip
        x, k = whole(rng, *stack, 4, 5), whole(rng, *taps)
        expected = getattr(reference, operation)(x, k, mode, boundary, 2)
        for dtype in DTYPES:
            y = getattr(fastconv, operation)(x.astype(dtype), k.astype(dtype), mode, boundary, 2)
            assert_equal(y, expected, f"{stack} {taps} {mode} {dtype}")


@in_one_test
@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -2, -3, -4])
@pytest.mark.parametrize("taps", [(3, 2), (2, 3, 3)], ids=("kernel", "bank"))
def test_channels_stay_apart_and_where_they_were(axis, taps):
    rng = np.random.default_rng(5)
    x, k = whole(rng, 3, 4, 2, 5), whole(rng, *taps)
    for operation in OPERATIONS:
        expected = getattr(reference, operation)(x, k, "same", "mirror", channel_axis=axis)
        y = getattr(fastconv, operation)(x, k, "same", "mirror", channel_axis=axis)
        assert_equal(y, expected)


@in_one_test
@pytest.mark.parametrize("taps", [(3, 3), (2, 3, 2)], ids=("kernel", "bank"))
def test_a_stack_as_narrow_as_a_photograph_has_channels_is_said_to_be_one(taps):
    rng = np.random.default_rng(33)
    for shape in ((7, 6, 3), (2, 7, 6, 4), (2, 9, 1), (3, 5, 2)):
        x, k = whole(rng, *shape), whole(rng, *taps)
        y = fastconv.convolve2d(x, k, "same", "symm", channel_axis=0)
        assert_equal(y, reference.convolve2d(x, k, "same", "symm"))
    for shape in ((64, 3, 3), (7, 2, 4), (7, 6, 5), (9, 4, 1)):  # none of which is a photograph
        x = whole(rng, *shape)
        assert_equal(fastconv.convolve2d(x, k, "full"), reference.convolve2d(x, k, "full"))


def test_a_colour_photograph_keeps_its_shape():
    rng = np.random.default_rng(6)
    photo = rng.integers(0, 256, (9, 11, 3)).astype(np.uint8)
    kernel = np.ones((3, 3), np.float32) / 9
    y = fastconv.convolve2d(photo, kernel, "same", "reflect", channel_axis=-1)
    assert y.shape == photo.shape
    assert y.dtype == np.float32
    for c in range(3):
        expected = scipy.ndimage.convolve(photo[..., c].astype(float), np.ones((3, 3)) / 9)
        np.testing.assert_allclose(y[..., c], expected, rtol=1e-6)
    bank = fastconv.convolve2d(photo, np.stack([kernel] * 2), "same", "reflect", channel_axis=-1)
    assert bank.shape == (2, 9, 11, 3)
    np.testing.assert_allclose(bank[1], y, rtol=1e-6)


@in_one_test
@pytest.mark.parametrize("operation", OPERATIONS)
def test_valid_with_a_larger_second_exchanges_them(operation):
    """Stacks and banks too: every image is a kernel then."""
    rng = np.random.default_rng(7)
    for in1, in2 in (((2, 3), (6, 7)), ((2, 3, 2), (5, 5)), ((3, 2), (2, 4, 5)),
                     ((2, 2, 3), (3, 6, 4)), ((0, 2, 3), (3, 6, 4))):  # fmt: skip
        x, k = whole(rng, *in1), whole(rng, *in2)
        expected = getattr(reference, operation)(x, k, "valid")
        assert_equal(getattr(fastconv, operation)(x, k, "valid"), expected, f"{in1} {in2}")
        out = poisoned(expected.shape, float)
        getattr(fastconv, operation)(x, k, "valid", out=out)
        assert_equal(out, expected, "out")


@in_one_test
@pytest.mark.parametrize("operation", OPERATIONS)
def test_full_with_a_tiny_first_exchanges_them_where_zeros_are_beyond(operation):
    """Of a pixel and 3001x3001 taps the definition has nine million products, not 10^14."""
    explanation = fastconv.explain_convolve2d((1, 1), (3001, 3001))
    assert explanation.image == (1, 3001, 3001)
    assert explanation.way == "direct"
    assert fastconv.explain_convolve2d((2, 2), (5, 5), fillvalue=1).image == (1, 2, 2)
    assert fastconv.explain_convolve2d((2, 2), (5, 5), boundary="wrap").image == (1, 2, 2)
    assert fastconv.explain_convolve2d((9, 9), (11, 11)).image == (1, 9, 9)
    kernel = np.ones((9, 9))
    by_passes = fastconv.convolve2d(np.ones((2, 2)), kernel, backend="separable")
    assert_equal(by_passes, reference.convolve2d(np.ones((2, 2)), kernel))
    rng = np.random.default_rng(8)
    for in1, in2 in (((1, 1), (9, 9)), ((2, 3), (2, 7)), ((2, 3, 2), (5, 5)), ((3, 2), (2, 4, 5)),
                     ((2, 2, 3), (3, 6, 4)), ((0, 2, 3), (3, 6, 4))):  # fmt: skip
        x, k = whole(rng, *in1), whole(rng, *in2)
        for fillvalue in (0, 3):
            expected = getattr(reference, operation)(x, k, "full", fillvalue=fillvalue)
            out = poisoned(expected.shape, float)
            getattr(fastconv, operation)(x, k, "full", fillvalue=fillvalue, out=out)
            assert_equal(out, expected, f"{in1} {in2}, {fillvalue}")


@settings(max_examples=150)
@given(
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    taps=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    operation=st.sampled_from(OPERATIONS),
    mode=st.sampled_from(MODES),
    boundary=st.sampled_from(SCIPYS),
    dtype=st.sampled_from(DTYPES),
    way=st.sampled_from(WAYS),
    seed=st.integers(0, 1000),
)
def test_any_shapes(size, taps, operation, mode, boundary, dtype, way, seed):
    rng = np.random.default_rng(seed)
    x, k = rng.standard_normal(size), rng.standard_normal(taps)
    x, k = x.astype(dtype).astype(float), k.astype(dtype).astype(float)
    expected = scipys(operation, x, k, mode, boundary, 0.5)
    if expected is None:
        return
    magnitude = scipys(operation, abs(x), abs(k), mode, boundary, 0.5)
    y = getattr(fastconv, operation)(
        x.astype(dtype), k.astype(dtype), mode, boundary, 0.5, backend=way
    )
    if way == "fft":
        # all of what one block can see, which may meet the image several times
        block = np.pad(x, [(t, t) for t in taps], mode={"wrap": "wrap", "symm": "symmetric"}.get(
            boundary, "edge")) if mode != "valid" else x  # fmt: skip
        norm = np.linalg.norm(np.maximum(abs(block), 0.5)) * np.linalg.norm(k)
        bound = fft.error_bound(block.size * 4, np.dtype(dtype)) * norm
        assert np.abs(y - expected).max() <= bound
    else:
        share = 1 if dtype == "float32" else 2  # SciPy's float64 sums have as much of their own
        u = np.finfo(dtype).eps / 2
        assert (np.abs(y - expected) <= share * (max(k.size, x.size) + 2) * u * magnitude).all()


@in_one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", ["direct", "auto"])
@pytest.mark.parametrize("taps", [(3, 3), (8, 5), (21, 21)])
def test_random_images_are_within_both_tiers_of_the_bound(taps, way, dtype):
    rng = np.random.default_rng(22)
    x = rng.standard_normal((2, 60, 70)).astype(dtype)
    k = rng.standard_normal(taps).astype(dtype)
    y = fastconv.convolve2d(x, k, "same", "wrap", backend=way)
    for image, result in zip(x.astype(float), y, strict=True):
        truth = scipy.signal.convolve2d(image, k.astype(float), "same", "wrap")
        sizes = scipy.signal.convolve2d(abs(image), abs(k.astype(float)), "same", "wrap")
        assert_within_bounds(result, truth, sizes, k.size)


# ── dtypes ──────────────────────────────────────────────────────────────────────────────────────


@in_one_test
@pytest.mark.parametrize(
    ("image", "kernel", "computed"),
    [
        ("float32", "float32", "float32"), ("float32", "float64", "float64"),
        ("float64", "float32", "float64"), ("float16", "float16", "float32"),
        ("float16", "float64", "float64"), ("uint8", "float32", "float32"),
        ("uint8", "float64", "float64"), ("uint8", "float16", "float32"),
        ("int16", "float32", "float32"), ("int32", "float32", "float64"),
        ("uint64", "float32", "float64"), ("bool", "bool", "float32"),
        ("uint8", "uint8", "float32"), ("uint8", "int64", "float32"),
        ("float32", "int64", "float32"), ("float32", "int32", "float32"),
        ("uint16", "uint16", "float32"), ("int64", "int8", "float64"),
        ("float32", "bool", "float32"), ("bool", "float32", "float32"),
    ],
)  # fmt: skip
def test_the_dtype_of_the_result(image, kernel, computed):
    x = np.arange(20).reshape(4, 5).astype(image)
    k = np.array([[1, 0], [2, 1]]).astype(kernel)
    y = fastconv.convolve2d(x, k, "same")
    assert y.dtype == computed
    expected = scipy.signal.convolve2d(x.astype(float), k.astype(float), "same")
    assert_equal(y, expected)


def test_integers_are_computed_where_their_sums_are_exact():
    """The bound is the dtype's largest value times the kernel's own sum: 2^24 in float32."""
    full = np.full((40, 40), 65535, np.uint16)
    small, large = np.ones((16, 16), np.uint8), np.ones((17, 17), np.uint8)
    assert fastconv.convolve2d(full, small, "valid").dtype == np.float32
    y = fastconv.convolve2d(full, large, "valid")
    assert y.dtype == np.float64
    assert (y == 65535 * 17 * 17).all()
    lowest = np.full((3, 3), -128, np.int8)
    assert (fastconv.convolve2d(lowest, lowest, "valid") == 9 * 128 * 128).all()
    wide = np.full((3, 3), 2**31 - 1, np.int64)
    assert (fastconv.convolve2d(wide, np.ones((3, 3), int), "valid") == 9 * (2**31 - 1)).all()
    # a kernel's values, not its dtype
    image = np.ones((3, 3), np.float32)
    assert fastconv.convolve2d(image, np.array([[2**24]])).dtype == np.float32
    assert fastconv.convolve2d(image, np.array([[2**24 + 1]])).dtype == np.float64
    # a value beyond the edge counts as well
    pixels = np.ones((3, 3), np.uint8)
    assert fastconv.convolve2d(pixels, small, fillvalue=70000).dtype == np.float64
    assert fastconv.convolve2d(pixels, small[:2, :2], "same", fillvalue=0.5).dtype == np.float32


def test_a_value_that_is_not_beyond_the_edge_changes_nothing():
    pixels, kernel = np.ones((4, 4), np.uint8), np.ones((3, 3), np.uint8)
    for boundary in ("wrap", "symm", "mirror", "nearest"):
        plain = fastconv.convolve2d(pixels, kernel, "same", boundary)
        for value in (70000, 1e300, np.inf, np.nan):
            y = fastconv.convolve2d(pixels, kernel, "same", boundary, value)
            assert y.dtype == np.float32
            assert_equal(y, plain)
            found = fastconv.explain_convolve2d(pixels, kernel, "same", boundary, value)
            assert found.dtype == np.float32


def test_a_value_that_is_no_number_is_one_of_any_dtype():
    pixels, kernel = np.ones((4, 4), np.uint8), np.ones((3, 3), np.uint8)
    for value in (np.inf, -np.inf, np.nan):
        y = fastconv.convolve2d(pixels, kernel, "same", fillvalue=value)
        assert y.dtype == np.float32
        assert_equal(y[1:3, 1:3], np.full((2, 2), 9))
        assert_equal(y[0], np.full(4, value))


@pytest.mark.filterwarnings("error")
def test_signalling_nan_are_like_others():
    x = np.ones((8, 9), np.float32)
    x.view(np.int32)[3, 4] = 0x7FA00000
    for kernel in (np.ones((1, 1)), np.ones((1, 1), np.float32)):
        for way in ("direct", "separable", "fft"):
            y = fastconv.convolve2d(x, kernel, backend=way)
            assert np.isnan(y).sum() == np.isnan(y[3, 4]) == 1
            assert np.isnan(fastconv.convolve2d(np.ones((8, 9), kernel.dtype), x[3:, 4:])).any()


def test_plain_lists_are_float64_and_bools_count():
    y = fastconv.correlate2d([[1.0, 2.0, 3.0]], [[0.5, 0.5]], "valid")
    assert_equal(y, [[1.5, 2.5]])
    assert y.dtype == np.float64
    neighbours = fastconv.convolve2d(np.eye(4, dtype=bool), np.ones((3, 3), bool), "same")
    assert_equal(neighbours, scipy.signal.convolve2d(np.eye(4), np.ones((3, 3)), "same"))


# ── beyond the edge ─────────────────────────────────────────────────────────────────────────────

PADS = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap"}


@in_one_test
@pytest.mark.parametrize("kind", [*PADS, "fill"])
@pytest.mark.parametrize("extent", [1, 2, 3, 7])
def test_positions_go_on_for_ever(kind, extent):
    for before, after in ((0, 0), (1, 0), (0, 3), (40, 29)):
        pixels = np.arange(extent)
        options = {"constant_values": -1} if kind == "fill" else {}
        expected = np.pad(pixels, (before, after), mode=PADS.get(kind, "constant"), **options)
        np.testing.assert_array_equal(sources(extent, -before, extent + after, kind), expected)


@in_one_test
@pytest.mark.parametrize("kind", [*PADS, "fill"])
def test_a_part_is_a_part_of_the_whole(kind):
    """Wherever it lies: inside, at a corner, far from the image."""
    rng = np.random.default_rng(8)
    x = whole(rng, 2, 5, 4)
    far = poisoned((2, 45, 44), np.float32)
    extend_part(x, (-20, 25), (-20, 24), kind, 7, far)
    options = {"constant_values": 7} if kind == "fill" else {}
    pads = ((0, 0), (20, 20), (20, 20))
    assert_equal(far, np.pad(x, pads, mode=PADS.get(kind, "constant"), **options))
    for first, end in product(range(-18, 20, 3), range(1, 9, 3)):
        for other in (-15, -4, 0, 2, 3, 11):
            rows, columns = (first, first + end), (other, other + 5)
            part = poisoned((2, end, 5), np.float32)
            extend_part(x, rows, columns, kind, 7, part)
            expected = far[:, rows[0] + 20 : rows[1] + 20, columns[0] + 20 : columns[1] + 20]
            assert_equal(part, expected, f"{rows} {columns}")


# ── the ways ────────────────────────────────────────────────────────────────────────────────────


def test_a_product_up_to_rounding_is_found_and_nothing_else():
    rng = np.random.default_rng(9)
    for dtype in DTYPES:
        axis = np.arange(-12, 13)
        gauss = np.exp(-(axis**2) / 18)
        made = np.outer(gauss, gauss)
        for kernel in (
            made, made / made.sum(), np.ones((25, 25)) / 625, made * 1e30, made * 1e-30,
            -made, np.outer(gauss, rng.standard_normal(9)), product_kernel(rng, 9, 7),
        ):  # fmt: skip
            kernel = kernel.astype(dtype)
            factors = separable.factor(kernel[None])
            assert factors is not None
            wide = factors.columns[0].astype(float) @ factors.rows[0].astype(float)
            np.testing.assert_allclose(
                wide, kernel, rtol=separable.ROUNDINGS * np.finfo(dtype).eps / 2, atol=0
            )
        spoilt = made.astype(dtype)
        spoilt[3, 4] *= 1 + 40 * np.finfo(dtype).eps
        for kernel in (spoilt, rng.standard_normal((5, 5)).astype(dtype), np.zeros((5, 5), dtype),
                       np.full((5, 5), np.inf, dtype), np.full((5, 5), np.nan, dtype),
                       np.eye(5, dtype=dtype)):  # fmt: skip
            assert separable.factor(kernel[None]) is None
        pair = np.stack([made, rng.standard_normal(made.shape)]).astype(dtype)
        assert separable.factor(pair) is None


def test_small_kernels_are_known_again_by_their_values():
    kernel = np.outer([1.0, 2, 1], [1.0, 0, -1])[None]
    found = separable.factor(kernel)
    assert separable.factor(kernel.copy()) is found
    assert not found.rows.flags.writeable
    assert separable.factor(kernel.astype(np.float32)).rows.dtype == np.float32
    kernel[0, 0, 0] += 1  # the same array, with other values
    assert separable.factor(kernel) is None
    with tuned(FACTORS_REMEMBERED_BYTES=0):
        assert separable.factor(kernel) is None


def test_two_passes_of_the_largest_numbers_do_not_overflow():
    kernel = np.full((6, 6), 1e-3, np.float32)
    x = np.full((20, 20), 3e38, np.float32)
    y = fastconv.convolve2d(x, kernel, "valid", backend="separable")
    np.testing.assert_allclose(y, 3e38 * 0.036, rtol=1e-5)


@in_one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isolated", [True, False])
def test_nor_do_those_of_whole_numbers(isolated, dtype):
    """Between the passes nothing is infinite that is to be multiplied by 0."""
    power, exponent = (50, 100) if dtype == "float32" else (52, 1000)
    row, column = np.ones(9), np.zeros(9)
    row[1], column[isolated - 1] = 2.0**power, 1
    kernel = np.outer(column, row).astype(dtype)
    x = np.full((40, 41), 0 if isolated else 2.0**exponent, dtype)
    x[20, 20] = 2.0**exponent
    for way in ("separable", "direct"):
        y = fastconv.convolve2d(x, kernel, "valid", backend=way)
        expected = scipy.signal.convolve2d(x.astype(np.longdouble), kernel, "valid")
        with np.errstate(over="ignore"):
            assert_equal(y, expected.astype(dtype), way)
    assert np.isinf(y).any()


@in_one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("taps", [(5, 5), (4, 5), (3, 9), (31, 31)])
def test_two_passes_keep_the_bound_of_a_direct_convolution(taps, dtype):
    assert separable.is_within_bound(*taps)
    rng = np.random.default_rng(10)
    kernel = np.outer(rng.random(taps[0]), rng.standard_normal(taps[1]))
    kernel = (kernel / abs(kernel).sum()).astype(dtype)
    x = rng.standard_normal((50, 45)).astype(dtype)
    y = fastconv.convolve2d(x, kernel, "same", "mirror", backend="separable")
    wide = [a.astype(float) for a in (x, kernel)]
    truth = fastconv.convolve2d(*wide, "same", "mirror", backend="direct")
    sizes = [abs(a) for a in wide]
    magnitude = fastconv.convolve2d(*sizes, "same", "mirror", backend="direct")
    u = np.finfo(dtype).eps / 2
    share = 1 if dtype == "float32" else 2
    assert (abs(y - truth) <= share * (sum(taps) + 12) * u * magnitude).all()


def test_small_kernels_are_not_taken_apart():
    """Where two passes would not keep the bound."""
    assert not separable.is_within_bound(3, 3)
    explanation = fastconv.explain_convolve2d(np.ones((900, 900)), np.ones((3, 3)))
    assert explanation.way == "direct"
    assert "bound" in explanation.refusals["separable"]


def test_banks_and_stacks_by_two_passes():
    rng = np.random.default_rng(11)
    x = whole(rng, 3, 20, 21)
    bank = np.stack([product_kernel(rng, 5, 6) for _ in range(3)])
    expected = fastconv.convolve2d(x, bank, "same", backend="direct")
    assert_equal(fastconv.convolve2d(x, bank, "same", backend="separable"), expected)


@in_one_test
@pytest.mark.parametrize("values", [300, 10_000])
@pytest.mark.parametrize("boundary", ["fill", "mirror"])
def test_blocks_of_any_size_make_the_same(values, boundary):
    """Rows and columns of blocks, several images at a time, spectra of one filter at a time."""
    rng = np.random.default_rng(12)
    x, bank = whole(rng, 3, 41, 37), whole(rng, 3, 6, 5)
    expected = fastconv.convolve2d(x, bank, "full", boundary, backend="direct")
    numbers = {"FFT_BLOCK_VALUES": values, "FFT_SPECTRA_BYTES": 1, "FFT_BLOCK_NS": values**2}
    with tuned(**numbers, SPECTRA_VALUE_NS={}):
        y = fastconv.convolve2d(x, bank, "full", boundary, backend="fft")
        blocks = fastconv.explain_convolve2d(x, bank, "full", backend="fft").blocks
    assert_equal(np.rint(y), expected)
    assert np.abs(y - expected).max() < 1e-9
    assert blocks["height"] * blocks["width"] <= values
    assert (blocks["rows"] < 46 or blocks["columns"] < 41) == (values == 300)
    assert blocks["images"] == (1 if values == 300 else 3)


@pytest.mark.skipif(isa.kernels is None, reason="NumPy transforms them all")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("boundary", ["fill", "mirror", "wrap"])
@pytest.mark.parametrize("side", [32, 64, 128, 256])
def test_squares_of_any_side_make_the_same(side, boundary, dtype):
    """Fewer outputs than a square, an odd number of squares, stacks, banks, casts."""
    rng = np.random.default_rng(34)
    cases = [
        ((1, 1), (3, 2), 1),
        ((9, 40), (16, 5), 2),
        ((2, 150, 70), (7, 16), 1),
        ((61, 200), (1, 1), 3),
    ]
    for shape, taps, filters in cases:
        x, bank = whole(rng, *shape, dtype=dtype), whole(rng, filters, *taps, dtype=dtype)
        expected = fastconv.convolve2d(x, bank, "full", boundary, 3, backend="direct")
        with tuned(SPECTRA_VALUE_NS=only(side), FLOPS_WORTH_A_THREAD=1000):
            found = fastconv.explain_convolve2d(x.shape, bank.shape, "full", backend="fft")
            assert found.blocks["height"] == side
            for image in (x, x.astype(np.int8), x[..., ::-1].copy()[..., ::-1]):
                y = poisoned(expected.shape, dtype)
                fastconv.convolve2d(image, bank, "full", boundary, 3, backend="fft", out=y)
                assert_equal(np.rint(y), expected, f"{shape} {taps} {filters}")


@in_one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sides", [{}, only(64), only(128), only(256)])
@pytest.mark.parametrize("side", [40, 300])
def test_the_error_of_transforms_is_that_of_their_norms(side, sides, dtype):
    rng = np.random.default_rng(13)
    x = rng.standard_normal((side, side)).astype(dtype)
    kernel = rng.standard_normal((31, 29)).astype(dtype)
    with tuned(SPECTRA_VALUE_NS=sides):
        y = fastconv.convolve2d(x, kernel, "valid", backend="fft")
    truth = fastconv.convolve2d(x.astype(float), kernel.astype(float), "valid", backend="direct")
    norms = np.linalg.norm(x.astype(float)) * np.linalg.norm(kernel.astype(float))
    error = np.abs(y - truth).max()
    assert error <= fft.error_bound(2 * side * side, np.dtype(dtype)) * norms
    # and typically far less: independent errors
    assert error <= 2 * np.finfo(dtype).eps * norms


def test_no_way_is_less_accurate_than_strict_calls_are_to_be():
    """Beside a star, pixels keep their digits; where integers are rounded, there is no error."""
    rng = np.random.default_rng(35)
    x, kernel = rng.random((200, 200), np.float32), rng.random((31, 31), np.float32)
    x[100, 100] = 1e8
    kernel /= kernel.sum()
    others = np.where(x > 1, 0, x).astype(float)
    truth = scipy.signal.fftconvolve(others, kernel.astype(float), "same")
    unseen = np.ones(x.shape, bool)
    unseen[85:116, 85:116] = False
    small = np.outer([1.0, 3, 1], [0.1, 0.2, 0.3])
    with tuned(IMAGE_DIRECT_GFLOPS=1e-3, IMAGE_DIRECT_NS=1e9):
        assert fastconv.explain_convolve2d(x, kernel, "same").way == "fft"
        with fastconv.accuracy("strict"):
            y = fastconv.convolve2d(x, kernel, "same")
            explanation = fastconv.explain_convolve2d(x, kernel, "same")
            whole_numbers = fastconv.explain_convolve2d((x * 9).astype(int), np.ones((31, 31), int))
            for way, taken in (("fft", kernel), ("separable", small)):
                with pytest.raises(ValueError, match=f"'{way}' cannot .*(strict|bound)"):
                    fastconv.convolve2d(x, taken, backend=way)
    np.testing.assert_allclose(y[unseen], truth[unseen], rtol=1e-5)
    assert explanation.way == "direct"
    assert "accuracy='strict'" in explanation.refusals["fft"]
    assert whole_numbers.way != "direct"


def test_fast_lengths_are_even_and_have_no_large_factor():
    for least in range(1, 2000):
        length = fast_length(least)
        assert length >= least
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        assert rest == 1
        assert length % 2 == 0 or length == 1
        assert length <= max(2, 1.34 * least + 2)


@in_one_test
@pytest.mark.parametrize("sides", [{}, only(64)])
@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e30, 3e37])
@pytest.mark.parametrize("kernel_scale", [1e-38, 1.0, 1e8, 1e25])
def test_very_large_and_very_small_images_are_transformed_as_others(scale, kernel_scale, sides):
    rng = np.random.default_rng(14)
    x = (rng.standard_normal((60, 60)) * scale).astype(np.float32)
    kernel = (rng.standard_normal((20, 20)) * kernel_scale).astype(np.float32)
    with tuned(SPECTRA_VALUE_NS=sides):
        y = fastconv.convolve2d(x, kernel, "same", backend="fft")
    truth = fastconv.convolve2d(x.astype(float), kernel.astype(float), "same", backend="direct")
    with np.errstate(all="ignore"):
        expected = truth.astype(np.float32)
    finite = abs(truth) < 3e38
    bound = 1e-5 * np.abs(truth).max() + 1e-44
    assert (np.abs(y[finite] - truth[finite]) <= bound).all()
    assert np.isinf(y[np.isinf(expected)]).mean() > 0.9 if np.isinf(expected).any() else True


@in_one_test
@pytest.mark.parametrize("way", ["auto", "direct", "separable", "fft"])
@pytest.mark.parametrize("way", ["auto", "direct", "separable", "fft", "numpy"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("boundary", ["fill", "wrap", "mirror"])
def test_what_is_not_finite_spoils_those_who_see_it_and_nobody_else(way, value, boundary):
    rng = np.random.default_rng(15)
    numbers = {"FFT_BLOCK_VALUES": 900}
    if way == "numpy":
        way, numbers["SPECTRA_VALUE_NS"] = "fft", {}
    elif way == "fft":
        numbers["SPECTRA_VALUE_NS"] = only(32)
    x = rng.standard_normal((2, 60, 50)).astype(np.float32)
    kernel = np.outer(rng.random(7) + 0.1, rng.random(5) + 0.1).astype(np.float32)
    clean = fastconv.convolve2d(x, kernel, "same", boundary, backend=way)
    places = ((0, 0, 0), (0, 30, 20), (0, 59, 49), (0, 31, 22))
    for at in places:
        x[at] = value
    seen = fastconv.convolve2d((~np.isfinite(x)).astype(float), np.ones((7, 5)), "same", boundary)
    with tuned(**numbers):
        y = fastconv.convolve2d(x, kernel, "same", boundary, backend=way)
    spoilt = seen > 0.5
    assert (y[spoilt] == value).all() if not np.isnan(value) else np.isnan(y[spoilt]).all()
    np.testing.assert_allclose(y[~spoilt], clean[~spoilt], atol=1e-5)


@in_one_test
@pytest.mark.parametrize("sides", [{}, only(32)])
@pytest.mark.parametrize("weights", ["positive", "negative", "mixed", "with zeros"])
@pytest.mark.parametrize("boundary", ["fill", "wrap", "mirror"])
def test_windows_with_much_that_is_not_finite_are_as_direct_sums_make_them(
    boundary, weights, sides
):
    """Infinities of both signs, beside NaN, under weights of both signs and zero; other images."""
    rng = np.random.default_rng(36)
    x = rng.standard_normal((3, 45, 50)).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf, np.inf):
        x[0, rng.integers(45, size=3), rng.integers(50, size=3)] = value
    x[2, 20, :3] = np.inf
    bank = (rng.random((2, 5, 6)) + 0.1).astype(np.float32)
    bank[1, 1:3] *= {"positive": 1, "negative": -1, "mixed": [[-1], [1]], "with zeros": 0}[weights]
    bank[1] *= -1 if weights == "negative" else 1
    direct = fastconv.convolve2d(x, bank, "full", boundary, backend="direct")
    numbers = {"FFT_BLOCK_VALUES": 900, "SPECTRA_VALUE_NS": sides, "IMAGE_BAND_BYTES": 4000}
    for most in (2**25, 0):  # images that are copied whole, and tile by tile
        with tuned(**numbers, IMAGE_TILE_BYTES=most):
            y = fastconv.convolve2d(x, bank, "full", boundary, backend="fft")
        np.testing.assert_allclose(y, direct, atol=1e-5)


def test_a_kernel_that_is_not_finite_is_not_transformed():
    x, kernel = np.ones((30, 30)), np.ones((20, 20))
    kernel[3, 4] = np.nan
    with pytest.raises(ValueError, match=r"backend 'fft' cannot filter .* in2 holds what is not"):
        fastconv.convolve2d(x, kernel, backend="fft")
    with tuned(FFT_FEWEST_TAPS=NO_FEWEST, IMAGE_DIRECT_GFLOPS=1e-9):
        y = fastconv.convolve2d(x, kernel, "valid", "symm")
    assert np.isnan(y).all()


def test_integers_that_are_transformed_are_exact():
    rng = np.random.default_rng(16)
    x = rng.integers(0, 256, (90, 95)).astype(np.uint8)
    kernel = rng.integers(-9, 10, (30, 30))
    for image in (x, x.astype(np.int64) * 100):
        y = fastconv.convolve2d(image, kernel, "same", "mirror", backend="fft")
        expected = fastconv.convolve2d(image, kernel, "same", "mirror", backend="direct")
        assert_equal(y, expected)


def test_so_are_large_ones_digit_by_digit():
    rng = np.random.default_rng(37)
    for dtype, taps, weights in (
        (np.uint16, (6, 2), 2**16), (np.uint16, (31, 33), 2**16), (np.int64, (20, 20), 2**8),
        (np.int32, (9, 9), 2**14), (np.bool_, (3, 3), 2**33),
    ):  # fmt: skip
        x = rng.integers(0, 2**31, (2, 35, 48)).astype(dtype)
        kernel = rng.integers(-weights, weights, taps)
        y = fastconv.convolve2d(x, kernel, "same", "wrap", backend="fft")
        expected = fastconv.convolve2d(x, kernel, "same", "wrap", backend="direct")
        assert_equal(y, expected, f"{dtype} {taps}")
    x = np.full((50, 50), 2**40)
    with pytest.raises(ValueError, match="its results could not be rounded to the integers"):
        fastconv.convolve2d(x, x[:9, :9], "same", backend="fft")
    assert np.isfinite(fastconv.convolve2d(x, x[:20, :20], "same")).all()


def test_digits_are_small_and_make_the_number():
    rng = np.random.default_rng(38)
    values = rng.integers(-(2**40), 2**40, 1000).astype(float)
    for error in (1e-9, 1e-5, 2.0**-13, 1e-3):
        digits = digits_for(2.0**40, error)
        if digits is None:
            assert error == 1e-3
            continue
        parts = list(digits.of(values))
        assert len(parts) == digits.number
        assert max(np.abs(part).max() for part in parts) * error < 0.25
        assert_equal(digits.joined(reversed(parts)), values)
    assert digits_for(100.0, 1e-3) == Digits(1, 0)
    assert digits_for(1.0, 0.3) is None


@pytest.mark.skipif(isa.kernels is None, reason="what NumPy alone costs is another matter")
def test_auto_takes_what_costs_least():
    rng = np.random.default_rng(17)
    x = np.ones((1024, 1024), np.float32)
    gauss = np.exp(-(np.arange(-20, 21) ** 2) / 50).astype(np.float32)
    ways = {
        "direct": rng.standard_normal((9, 9)).astype(np.float32),
        "separable": np.outer(gauss, gauss),
        "fft": rng.standard_normal((301, 301)).astype(np.float32),
    }
    for way, kernel in ways.items():
        explanation = fastconv.explain_convolve2d(x, kernel, "same")
        assert explanation.way == way
        times = explanation.milliseconds
        assert times[way] == min(times.values())
        assert set(times) | set(explanation.refusals) == set(cost.WAYS)
    with tuned(IMAGE_DIRECT_GFLOPS=1e-6, FFT_FEWEST_TAPS=NO_FEWEST):
        assert fastconv.explain_convolve2d((50, 50), (3, 3)).way == "fft"
    assert fastconv.explain_convolve2d((50, 50), (3, 3)).way == "direct"


@pytest.mark.skipif(isa.kernels is None, reason="im2col has a buffer of its own")
def test_wide_kernels_of_large_images_are_not_held_whole():
    """Bounded scratch: of bands, blocks and spectra, whatever the boundary and dtype."""
    x = np.ones((3000, 1000), np.uint8)
    kernels = {
        "direct": np.ones((5, 5), np.float32),
        "separable": np.ones((41, 41), np.float32),
        "fft": np.ones((200, 200), np.float32),
    }
    for way, kernel in kernels.items():
        out = np.empty(x.shape, np.float32)
        fastconv.convolve2d(x[:300], kernel, "same", "mirror", backend=way)
        with peak_memory() as peak:
            fastconv.convolve2d(x, kernel, "same", "mirror", backend=way, out=out)
        assert peak.bytes < {"fft": 64 * 2**20}.get(way, 8 * 2**20), way


@pytest.mark.skipif(isa.kernels is None, reason="im2col has a buffer of its own")
@in_one_test
@pytest.mark.parametrize("boundary", ["fill", "symm", "wrap"])
@pytest.mark.parametrize("size", [(1, 25_000), (5, 12_000), (30_000, 3)])
def test_nor_are_wide_images_under_tall_kernels(size, boundary):
    """A low image that is extended to the kernel's rows is many times itself: columns are cut."""
    rng = np.random.default_rng(31)
    x = whole(rng, *size, dtype="float32")
    tall, low = (product_kernel(rng, rows, 31, "float32") for rows in (131, 41))
    mode = {"fill": "constant", "symm": "symmetric", "wrap": "wrap"}[boundary]
    values = {"constant_values": 2} if mode == "constant" else {}

    fastconv.convolve2d(x[:, :1], tall, "same")  # NumPy's own modules are loaded

    def convolved(kernel):
        before, beside = (extent // 2 for extent in kernel.shape)
        result = np.pad(x, ((before, before), (beside, beside)), mode, **values).astype(float)
        # three times the column and three times the row of which the kernel is the product
        factors = [kernel[:, beside : beside + 1], kernel[before : before + 1]]
        for factor in factors if size[0] < size[1] else reversed(factors):
            result = scipy.signal.convolve2d(result, factor, "valid")
        return result / 9

    expected = {len(kernel): convolved(kernel) for kernel in (tall, low)}
    for way, kernel, filters in (("separable", tall, 1), ("direct", low, 1), ("direct", low, 3)):
        bank = kernel if filters == 1 else np.stack([kernel] * filters)
        out = poisoned(size if filters == 1 else (filters, *size), np.float32)
        for image in (x, x.astype(np.int8)):
            out.fill(np.nan)
            # what is planned included, which is little
            with tuned(IMAGE_TILE_BYTES=2 * 2**20, IMAGE_BAND_BYTES=2**18), peak_memory() as peak:
                fastconv.convolve2d(image, bank, "same", boundary, 2, backend=way, out=out)
            assert peak.bytes < 3 * 2**20, f"{way} {filters}"
            for one in out.reshape(-1, *size):
                assert_equal(one, expected[len(kernel)], way)


@in_one_test
@pytest.mark.parametrize("boundary", ["fill", "symm", "mirror", "nearest", "wrap"])
@pytest.mark.parametrize("mode", ["full", "same"])
def test_however_small_the_tiles(mode, boundary):
    """Every row that is copied is copied from the right one, wherever a tile ends."""
    rng = np.random.default_rng(32)
    small = {"IMAGE_BAND_BYTES": 200, "IMAGE_TILE_BYTES": 900, "IMAGE_TILE_FEWEST_COLUMNS": 3,
             "IMAGE_BAND_TAPS": 1}  # fmt: skip
    edges = {"IMAGE_EDGES_BYTES": 0, "IMAGE_EDGE_SHARE": 0.9}
    copies = {"FILTER_TILE_USED": 2.0}  # never in one call
    others = cycle((copies, copies | small, copies | edges))  # an odd number, of two for each image
    kernels = KERNELS[3 + (mode == "same") :: 2]
    tried = []
    for size, taps in product(((1, 9), (2, 30), (7, 5), (31, 1)), kernels):
        x, k = whole(rng, 2, *size), product_kernel(rng, *taps)
        for way, bank in (("direct", k), ("direct", np.stack([k, k])), ("separable", k)):
            call = partial(
                fastconv.convolve2d, x, bank, mode, boundary, 3, channel_axis=0, backend=way
            )
            tried.append((call, call(), next(others), f"{size} {taps} {way}"))
    for numbers in (copies | small | edges, copies, copies | small, copies | edges):
        with tuned(**numbers):
            for call, usual, other, name in tried:
                if numbers in (copies | small | edges, other):
                    assert_equal(call(), usual, f"{name} {numbers}")


@pytest.mark.skipif(isa.kernels is None, reason="there is nothing compiled")
@pytest.mark.parametrize("boundary", ["fill", "symm", "mirror", "nearest", "wrap"])
def test_one_call_is_what_copies_of_tiles_are(boundary):
    """At the ends of its tiles, units cut anywhere, on any number of threads: the same integers."""
    rng = np.random.default_rng(33)
    once = {"FILTER_TILE_USED": 0.0, "FILTER_MOST_COPIES": 100}
    cut = once | {"FILTER_BAND_BYTES": 1, "FILTER_FEWEST_ROWS": 1, "STENCIL_FEWEST_ROWS": 1}
    kernels = [(1, 1), (1, 7), (2, 2), (3, 3), (3, 8), (5, 5), (7, 1), (9, 4), (12, 23)]
    sizes = [(1, 1), (3, 30), (4, 24), (9, 25), (37, 49), (41, 130)]
    tried = []
    for size, taps, dtype in in_dtypes_in_turn(sizes, kernels):
        x, k = whole(rng, 2, *size, dtype=dtype), product_kernel(rng, *taps, dtype)
        for way, bank in (("direct", k), ("direct", np.stack([k, 2 * k])), ("separable", k)):
            call = partial(fastconv.convolve2d, x, bank, "full", boundary, 3, backend=way)
            tried.append((call, f"{size} {taps} {way}"))
    with tuned(FILTER_TILE_USED=2.0):
        expected = [call() for call, _ in tried]
    for numbers, threads in ((once, 1), (cut, 1), (cut | {"FLOPS_WORTH_A_THREAD": 1}, 3)):
        with tuned(**numbers), fastconv.num_threads(threads):
            for (call, name), whole_result in zip(tried, expected, strict=True):
                y = poisoned(whole_result.shape, whole_result.dtype)
                call(out=y)
                assert_equal(y, whole_result, f"{name} {numbers} {threads}")


@in_one_test
@pytest.mark.parametrize("taps", [(5, 5), (7, 9), (9, 4), (3, 7)])
@pytest.mark.parametrize("boundary", ["fill", "symm"])
def test_passes_of_few_taps_are_those_of_any_number(boundary, taps):
    """Short rows and columns have loops of their own: at every width around their vectors."""
    rng = np.random.default_rng(0)
    column, row = (rng.integers(1, 5, some) for some in taps)
    for dtype in DTYPES:
        kernel = np.outer(column, row).astype(dtype)
        for width in (7, 15, 16, 17, 31, 32, 33, 40, 65, 130):
            for height in (3, 23):
                x = rng.integers(-9, 10, (2, height, width)).astype(dtype)
                y = fastconv.correlate2d(x, kernel, "same", boundary, backend="separable")
                expected = fastconv.correlate2d(x, kernel, "same", boundary, backend="direct")
                assert_equal(y, expected, f"{dtype}, {height} rows, {width} columns")


@pytest.mark.skipif(isa.kernels is None, reason="NumPy's BLAS sums tiles in other orders")
@in_one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("taps", [(5, 5), (7, 9), (9, 4), (17, 5)])
def test_where_a_pixel_lies_changes_no_bit_of_two_passes(taps, dtype):
    """Whole tiles, several rows at once, and single vectors at the ends sum alike."""
    rng = np.random.default_rng(27)
    kernel = np.outer(*(rng.random(some) + 0.1 for some in taps)).astype(dtype)
    x = rng.standard_normal((40, 300)).astype(dtype)
    whole_result = fastconv.correlate2d(x, kernel, "valid", backend="separable")
    for rows, columns in ((0, 1), (1, 3), (2, 17), (15, 130), (20, 250)):
        part = np.ascontiguousarray(x[rows:, columns:])
        y = fastconv.correlate2d(part, kernel, "valid", backend="separable")
        assert_equal(y, whole_result[rows:, columns:], f"from {rows}, {columns} on")


@pytest.mark.skipif(isa.kernels is None, reason="there is nothing compiled")
def test_images_in_order_are_filtered_in_one_call():
    shapes = [(1000, 1000), (512, 512), (64, 64)]
    for image, side in product(shapes, (3, 5, 7, 11, 13)):
        found = fastconv.explain_convolve2d(image, (side, side), "same", "mirror")
        assert found.kernel_name == "filter_direct"
    # rows that leave most of a tile idle, and what would not fit into a thread's scratch
    for image, kernel in (((1000, 3), (3, 3)), ((4000, 4000), (3000, 3000))):
        found = fastconv.explain_convolve2d(image, kernel, "same", backend="direct")
        assert found.kernel_name != "filter_direct"
    assert fastconv.explain_convolve2d((99, 99), (3, 3), backend="gemm").kernel_name != (
        "filter_direct"
    )


# ── arrays ──────────────────────────────────────────────────────────────────────────────────────


@in_one_test
@pytest.mark.parametrize("way", ["auto", "separable", "fft"])
@pytest.mark.parametrize("boundary", ["fill", "mirror"])
def test_operands_may_lie_anyhow(way, boundary):
    rng = np.random.default_rng(18)
    for dtype in DTYPES:
        x, kernel = whole(rng, 12, 11, dtype=dtype), product_kernel(rng, 5, 4, dtype)
        expected = scipy.ndimage.convolve(
            x, np.pad(kernel, ((0, 0), (1, 0))),
            mode="constant" if boundary == "fill" else boundary,
        )  # fmt: skip
        for (name, image), (other, taps) in zip(views_of(x), views_of(kernel), strict=True):
            y = fastconv.convolve2d(image, taps, "same", boundary, backend=way)
            assert_equal(np.rint(y), expected, f"{name} {other}")


@in_one_test
@pytest.mark.parametrize("way", ["direct", "separable", "fft"])
def test_out_is_filled_however_it_lies(way):
    rng = np.random.default_rng(19)
    x, kernel = whole(rng, 2, 9, 8), product_kernel(rng, 3, 4)
    expected = fastconv.convolve2d(x, kernel, "same", "symm")
    wide, other = poisoned((2, 18, 16), float), poisoned((2, 18, 16), float)
    swapped = poisoned((2, 9, 8), np.dtype(float).newbyteorder())
    for out in (poisoned((2, 9, 8), float), wide[:, ::2, ::2], other[:, ::-2, ::-2], swapped):
        result = fastconv.convolve2d(x, kernel, "same", "symm", backend=way, out=out)
        assert result is out
        assert_equal(np.rint(out), expected)
    for whole_array in (wide, other):
        assert np.isnan(whole_array).sum() == whole_array.size - expected.size


@pytest.mark.skipif(isa.kernels is None, reason="im2col has a buffer of its own")
def test_colour_is_not_held_twice():
    """Channels are written where they are to lie, by every way, tile by tile."""
    photo = np.random.default_rng(39).random((700, 300, 3)).astype(np.float32)
    for way, kernel in (("direct", np.eye(3)), ("separable", np.ones((5, 5))), ("fft", np.eye(9))):
        taps = kernel.astype(np.float32)
        with tuned(IMAGE_BAND_BYTES=2**16):
            fastconv.convolve2d(photo[:40], taps, "same", channel_axis=-1, backend=way)
            with peak_memory() as peak:
                y = fastconv.convolve2d(photo, taps, "same", channel_axis=-1, backend=way)
        assert peak.bytes < y.nbytes + 2**20, way
        alone = fastconv.convolve2d(photo[..., 1].copy(), taps, "same", backend="direct")
        np.testing.assert_allclose(y[..., 1], alone, rtol=1e-5, atol=1e-5)


def test_out_of_a_colour_photograph():
    photo = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    kernel = np.array([[0, 1], [2, 0]])
    out = poisoned((4, 5, 3), np.float32)
    assert fastconv.convolve2d(photo, kernel, "same", channel_axis=2, out=out) is out
    assert_equal(out, reference.convolve2d(photo.astype(float), kernel, "same", channel_axis=2))


@in_one_test
@pytest.mark.parametrize("way", ["direct", "separable", "fft"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_colour_goes_into_any_byte_order(way, dtype):
    """It is written into a view of `out`, which is then of that byte order too."""
    rng = np.random.default_rng(43)
    for size, taps in product(((9, 8), (70, 61)), ((3, 4), (19, 21))):
        photo, kernel = whole(rng, *size, 3, dtype=dtype), product_kernel(rng, *taps, dtype)
        for kernels, boundary in product((kernel, np.stack([kernel, -kernel])), ("fill", "symm")):
            call = partial(
                fastconv.convolve2d, photo, kernels, "same", boundary, channel_axis=-1, backend=way
            )
            expected = call()
            out = poisoned(expected.shape, np.dtype(dtype).newbyteorder())
            assert call(out=out) is out
            assert_equal(out, expected, f"{size} {taps} {kernels.shape} {boundary}")


def test_no_images_give_no_images():
    for shape, options in (
        ((0, 4, 5), {}),
        ((2, 0, 4, 5), {}),
        ((0, 4, 5, 3), {"channel_axis": 3}),
    ):
        for way in ("auto", "direct", "separable", "fft"):
            y = fastconv.convolve2d(np.ones(shape), np.ones((2, 5, 5)), backend=way, **options)
            assert y.size == 0
            assert y.shape[-3 if not options else -4] == 2


@in_one_test
@pytest.mark.parametrize("way", ["direct", "separable", "fft"])
@pytest.mark.parametrize("way", ["direct", "separable", "fft", "numpy"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_bits_for_any_number_of_threads_and_any_stack(way, dtype):
    rng = np.random.default_rng(20)
    x = rng.standard_normal((3, 150, 140)).astype(dtype)
    kernel = np.outer(rng.random(23), rng.random(19)).astype(dtype)
    numbers = {"FFT_BLOCK_VALUES": 5000, "FLOPS_WORTH_A_THREAD": 1000}
    if way == "numpy":
        way, numbers["SPECTRA_VALUE_NS"] = "fft", {}
    with tuned(**numbers):
        results = []
        for threads in (1, 2, 3):
            with fastconv.num_threads(threads):
                results.append(fastconv.convolve2d(x, kernel, "same", "mirror", backend=way))
        one = fastconv.convolve2d(x[1], kernel, "same", "mirror", backend=way)
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()
    assert results[0][1].tobytes() == one.tobytes()


def test_images_are_not_convolved_with_fewer_multiplications():
    """Their sums are always within the componentwise bound, and exact on integers."""
    words = r"accuracy='strict' allows, which sums tap by tap always keep here$|compiled"
    with fastconv.accuracy("fast"), pytest.raises(ValueError, match=words):
        fastconv.convolve2d(np.ones((9, 9)), np.ones((3, 3)), backend="winograd")


@pytest.mark.parametrize("backend", sorted({*fastconv.backends(), "loops"} - {"winograd"}))
def test_the_direct_way_takes_any_backend_of_conv2d(backend):
    if backend not in fastconv.backends():
        pytest.skip("it is not built")
    rng = np.random.default_rng(21)
    x, kernel = whole(rng, 12, 11), whole(rng, 3, 3)
    y = fastconv.convolve2d(x, kernel, "same", "wrap", backend=backend)
    assert_equal(y, scipy.signal.convolve2d(x, kernel, "same", "wrap"))


# ── explaining ──────────────────────────────────────────────────────────────────────────────────


def test_the_explanation_is_a_page():
    page = str(fastconv.explain_convolve2d((3, 400, 500), (2, 31, 31), "same", "mirror"))
    for words in ("float32 3×400×500 → 3×2×400×500", "2×31×31", "MFLOP", "cost direct", "ms",
                  "not separable", "its values alone"):  # fmt: skip
        assert words in page
    assert all(len(line) <= 100 for line in page.splitlines())
    page = repr(fastconv.explain_convolve2d((900, 900), (301, 301), backend="fft"))
    assert "a block is" in page
    assert "height" in page


def test_what_is_explained_is_what_is_computed():
    """Shapes, dtype and exchange, from arrays or shapes."""
    explanation = fastconv.explain_convolve2d((2, 3), (4, 6, 7), "valid", dtype="float64")
    assert explanation.image == (4, 6, 7)
    assert explanation.kernel == (1, 2, 3)
    assert explanation.output_shape == (4, 1, 5, 5)
    assert explanation.dtype == np.float64
    assert fastconv.explain_convolve2d([[1.0, 2.0]], [[1], [2]]).output_shape == (1, 1, 2, 2)
    assert fastconv.explain_convolve2d([2, 2], [(1.0, 2), [2, 4]]).dtype == np.float64
    arrays = fastconv.explain_convolve2d(np.ones((9, 9), np.uint8), np.ones((3, 3), np.float64))
    assert arrays.dtype == np.float64
    assert arrays.flops == 2 * 9 * 11 * 11


def test_arranging_is_pure():
    """Sizes far beyond any memory are planned in no time."""
    made = arrange(
        (10**5, 10**5), (10**5, 10**5), "full", None,
        commutes=True, flipped=True, dtype=np.dtype(np.float32),
    )  # fmt: skip
    assert made.result_shape == (2 * 10**5 - 1,) * 2
    assert fastconv.explain_convolve2d((10**5, 10**5), (10**4, 10**4)).way == "fft"
