"""The weight gradient by fewer multiplications: exact transforms, bounds, and what stays local."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import fastconv
from fastconv import isa, planning
from tests.comparing import assert_equal, unit_roundoff
from tests.large_problems import planned_at_once
from tests.minimal_filtering import assert_convolution, transforms
from tests.support import DTYPES, poisoned_allocations, tuned, views_of

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")

SIDES = (2, 4, 6)


@pytest.mark.parametrize("m", SIDES)
def test_the_transforms_are_a_convolution_in_exact_arithmetic(m):
    """For every pixel and every value of the gradient by itself: it is bilinear."""
    assert_convolution(3, m)


def _weight_grad(grad, x, **options):
    """Return the gradient of the weights, 3×3, alone."""
    channels = x.shape[-3] // options.get("groups", 1)
    w = np.zeros((grad.shape[-3], channels, 3, 3), x.dtype)
    options = {"accuracy": "fast", **options}
    return fastconv.conv2d_backward(grad, x, w, needs=(False, True, False), **options).weight


def _windows(x, size, step=1):
    return np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[
        :, :, ::step, ::step
    ]


def _truth(grad, x, dtype=float):
    """Return the weight gradient without padding, by NumPy."""
    return np.einsum("nkij,ncijrs->kcrs", grad.astype(dtype), _windows(x.astype(dtype), 3))


def _bound(grad, x, m, terms):
    """Return γ·|Aᵀ| [Σ (|G||dy||Gᵀ|) ⊙ (|Bᵀ||x||B|)] |A| of every weight, over all tiles."""
    data, gradient, sums = transforms(3, m).absolute()
    height, width = grad.shape[2:]
    down, across = -(-height // m), -(-width // m)
    wide = np.zeros((*grad.shape[:2], down * m, across * m))
    wide[:, :, :height, :width] = np.abs(grad)
    seen = np.zeros((*x.shape[:2], down * m + 2, across * m + 2))
    seen[:, :, : height + 2, : width + 2] = np.abs(x)
    pixels = np.einsum("xi,ncpqij,yj->ncpqxy", data, _windows(seen, m + 2, m), data, optimize=True)
    taps = np.einsum(
        "xi,nkpqij,yj->nkpqxy", gradient, _windows(wide, m, m), gradient, optimize=True
    )
    products = np.einsum("nkpqxy,ncpqxy->kcxy", taps, pixels, optimize=True)
    size = np.einsum("rx,kcxy,sy->kcrs", sums, products, sums, optimize=True)
    return terms * unit_roundoff(x.dtype) * size


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", SIDES)
@pytest.mark.parametrize(("channels", "filters"), [(1, 1), (2, 5), (5, 2), (67, 19)])
def test_every_weight_is_within_the_bound_of_its_tiles(m, dtype, channels, filters):
    """Impulses in the image and in the gradient are among them, so that no value can hide."""
    rng = np.random.default_rng(channels)
    x = rng.standard_normal((2, channels, 2 * m + 3, m + 7)).astype(dtype)
    grad = rng.standard_normal((2, filters, 2 * m + 1, m + 5)).astype(dtype)
    one_pixel, one_output = np.zeros_like(x), np.zeros_like(grad)
    one_pixel[1, channels // 2, m + 1, m] = 3
    one_output[1].reshape(filters, -1)[np.arange(filters), 3 * np.arange(filters) % 35] = 3
    terms = 2 * 3 * 3 + 36  # tiles, and roundings on the longest way of a value
    terms *= 2 if dtype == "float64" else 1  # the truth has as much error of its own
    for outputs, pixels in ((grad, x), (one_output, x), (grad, one_pixel), (one_output, one_pixel)):
        truth, bound = _truth(outputs, pixels), _bound(outputs, pixels, m, terms)
        for tiles in ((1,), (3,), (64,)):
            with tuned(WEIGHTS_WINOGRAD_TILES=tiles), poisoned_allocations():
                dw = _weight_grad(outputs, pixels, backend=f"weights_winograd_{m}")
            assert (np.abs(dw - truth) <= bound).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiles_of_2_are_exact_on_multiples_of_4(dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 10, (3, 70, 13, 18)).astype(dtype)
    grad = 4 * rng.integers(-9, 10, (3, 37, 13, 18)).astype(dtype)
    wanted = _weight_grad(grad, x, padding=1, accuracy="strict")
    for threads in (1, 2):
        for tiles in ((1,), (16,), (64,)):
            with fastconv.num_threads(threads), tuned(WEIGHTS_WINOGRAD_TILES=tiles):
                assert_equal(_weight_grad(grad, x, padding=1, backend="weights_winograd_2"), wanted)


ERRORS = [(1, 8, 5), (1, 32, 7), (8, 16, 7), (1, 16, 28), (2, 16, 56), (32, 8, 30), (1, 4, 400)]


@pytest.mark.parametrize(("batch", "channels", "size"), ERRORS)
def test_the_usual_error_is_what_the_levels_promise(batch, channels, size):
    """Relative, in the L2 norm and on normal data: at most twice the direct sum's, or 2e-6."""
    rng = np.random.default_rng(size)
    x = rng.standard_normal((batch, channels, size, size), np.float32)
    grad = rng.standard_normal((batch, 24, size, size), np.float32)
    truth = _weight_grad(grad.astype(float), x.astype(float), padding=1, accuracy="strict")

    def error(backend):
        dw = _weight_grad(grad, x, padding=1, backend=backend)
        return np.linalg.norm(dw - truth) / np.linalg.norm(truth)

    direct = error("gemm")
    for name in ("weights_winograd_2", "weights_winograd_4"):
        assert error(name) <= max(2 * direct, 2e-6)
    # A dropped pixel would be at 1/size, and sums over all tiles from the first to the last at a
    # multiple of these.
    assert error("weights_winograd_2") <= 6e-7
    assert error("weights_winograd_4") <= 1.4e-6
    assert error("weights_winograd_6") <= 6e-6


def test_the_usual_error_in_float64():
    rng = np.random.default_rng(15)
    for batch, size in ((1, 6), (3, 20), (1, 60)):
        x = rng.standard_normal((batch, 5, size + 2, size + 2))
        grad = rng.standard_normal((batch, 6, size, size))
        truth = _truth(grad, x, np.longdouble)
        for m in (2, 4):
            dw = _weight_grad(grad, x, backend=f"weights_winograd_{m}")
            error = np.sqrt(np.square(dw - truth).sum() / np.square(truth).sum())
            assert error <= 4e-15


@pytest.mark.parametrize("seed", range(8))
def test_real_sizes_are_exact_by_tiles_of_2_and_close_by_4(seed):
    """Of 0.02 to 0.4 GFLOP, one thread and two."""
    rng = np.random.default_rng(seed)
    channels, filters = (int(2 ** rng.uniform(3, 8.5)) for _ in range(2))
    pixels = 10 ** rng.uniform(7.3, 8.6) / (18 * channels * filters)
    batch = int(max(1, pixels ** rng.uniform(0, 0.3)))
    height = max(3, int((pixels / batch) ** 0.5 * 2 ** rng.uniform(-1, 1)))
    width = max(3, int(pixels / batch / height))
    x = rng.integers(-3, 4, (batch, channels, height, width)).astype(np.float32)
    grad = 4 * rng.integers(-2, 3, (batch, filters, height, width)).astype(np.float32)
    wanted = _weight_grad(grad, x, padding=1, accuracy="strict").astype(float)
    for threads in (1, 2):
        with fastconv.num_threads(threads):
            dw = _weight_grad(grad, x, padding=1, backend="weights_winograd_2")
            assert_equal(dw, wanted)
            dw = _weight_grad(grad, x, padding=1, backend="weights_winograd_4")
            assert np.linalg.norm(dw - wanted) <= 2e-6 * np.linalg.norm(wanted)


SHAPES = {
    "one output": ((1, 3, 3, 3), 4, {}),
    "one row of outputs": ((2, 5, 3, 131), 7, {}),
    "one column of outputs": ((2, 5, 131, 3), 7, {}),
    "one pixel": ((3, 2, 1, 1), 3, {"padding": 1}),
    "odd": ((2, 9, 13, 17), 11, {"padding": 1}),
    "one tile and a pixel": ((1, 17, 7, 9), 33, {"padding": 1}),
    "many channels": ((1, 150, 5, 6), 20, {"padding": 1}),
    "many filters": ((1, 20, 5, 6), 150, {"padding": 1}),
    "more padding than image": ((1, 4, 2, 3), 5, {"padding": 6}),
    "padding at two sides": ((2, 4, 5, 6), 5, {"padding": ((4, 0), (0, 5))}),
    "groups": ((2, 30, 9, 12), 57, {"padding": 1, "groups": 3}),
    "a channel a group": ((2, 6, 9, 12), 12, {"padding": 1, "groups": 6}),
    "many images": ((70, 9, 4, 5), 10, {"padding": 1}),
    "reflected": ((2, 5, 9, 12), 6, {"padding": 2, "padding_mode": "reflect"}),
}


def _least_scratch(most):
    """Return what on vectors of 64 bytes holds as much as so many bytes on narrower ones."""
    return 3 * most if isa.name == "avx512" else most


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", SIDES)
@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_in_every_block(name, m, dtype):
    x_shape, filters, options = SHAPES[name]
    rng = np.random.default_rng(len(name))
    x = rng.standard_normal(x_shape).astype(dtype)
    w_shape = (filters, x_shape[1] // options.get("groups", 1), 3, 3)
    problem = fastconv.ConvProblem.create(x_shape, w_shape, **options)
    grad = rng.standard_normal(problem.output_shape).astype(dtype)
    wanted = _weight_grad(grad.astype(float), x.astype(float), backend="loops", **options)
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    for numbers in (
        {}, {"WEIGHTS_WINOGRAD_TILES": (1,)}, {"WEIGHTS_WINOGRAD_TILES": (7,)},
        {"WEIGHTS_WINOGRAD_TILES": (300,), "WEIGHTS_WINOGRAD_PARTS": (3,)},
        {"WEIGHTS_WINOGRAD_TILES": (4,), "MOST_SCRATCH_BYTES": _least_scratch(300_000)},
    ):  # fmt: skip
        with tuned(**numbers), poisoned_allocations():
            dw = _weight_grad(grad, x, backend=f"weights_winograd_{m}", **options)
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(dw, wanted, rtol=0, atol=tolerance * scale)


SPOILERS = {
    "nan": (np.nan, 1.0), "inf": (np.inf, 1.0), "-inf": (-np.inf, 1.0), "huge": (1.6e38, 1e-3),
    "nan gradient": (1.0, np.nan), "inf gradient": (1.0, np.inf), "huge gradient": (1e-3, 1.6e38),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILERS)
@pytest.mark.parametrize("m", SIDES)
def test_what_is_not_finite_spoils_only_what_sees_it(m, name):
    """As do numbers so large that only a transform overflows: the loops are the definition."""
    pixel, output = SPOILERS[name]
    rng = np.random.default_rng(5)
    for row, column, channel in ((0, 0, 0), (6, 8, 9), (12, 16, 4), (3, 0, 7), (0, 16, 2)):
        x = rng.uniform(1, 2, (2, 10, 13, 17)).astype(np.float32)
        grad = rng.uniform(1, 2, (2, 11, 11, 15)).astype(np.float32)
        x[1, channel, row, column] *= pixel
        grad[0, channel, min(row, 10), min(column, 14)] *= output
        for parts in ((1,), (2,)):
            with tuned(WEIGHTS_WINOGRAD_PARTS=parts):
                dw = _weight_grad(grad, x, backend=f"weights_winograd_{m}")
            wanted = _weight_grad(grad, x, backend="loops")
            assert_equal(np.isnan(dw), np.isnan(wanted))
            usual = np.isfinite(wanted)
            assert_equal(dw[~usual], wanted[~usual])
            # Beside a number that is huge but finite, small ones are lost: errors are relative to
            # the largest of a tile.
            largest = 1e-5 * np.abs(wanted[usual]).max() if "huge" in name else 0
            np.testing.assert_allclose(dw[usual], wanted[usual], rtol=1e-4, atol=largest)
            assert usual.mean() > 0.8


@pytest.mark.parametrize("m", SIDES)
def test_other_weights_keep_their_bits_beside_what_is_not_finite(m):
    rng = np.random.default_rng(12)
    x = rng.standard_normal((3, 70, 14, 21), np.float32)
    grad = rng.standard_normal((3, 21, 14, 21), np.float32)
    options = {"padding": 1, "backend": f"weights_winograd_{m}"}
    clean = _weight_grad(grad, x, **options)
    x[1, 3, 4, 5] = np.nan
    grad[2, 17, 0, 0] = -np.inf
    dw = _weight_grad(grad, x, **options)
    channels, filters = np.arange(70) != 3, np.arange(21) != 17
    assert_equal(dw[filters][:, channels], clean[filters][:, channels])
    assert np.isnan(dw[:, 3]).all()
    assert not np.isfinite(dw[17]).any(axis=0).all()


def test_everything_not_finite_is_computed_directly():
    x, grad = np.full((1, 20, 9, 9), np.nan, np.float32), np.ones((1, 20, 7, 7), np.float32)
    for m in SIDES:
        assert np.isnan(_weight_grad(grad, x, backend=f"weights_winograd_{m}")).all()


@pytest.mark.parametrize("m", SIDES)
def test_bits_depend_on_the_problem_alone(m):
    """Not on threads, nor on which filters and channels a unit has."""
    rng = np.random.default_rng(6)
    options = {"padding": 1, "backend": f"weights_winograd_{m}"}
    for batch, channels, filters, height, width in (
        (5, 150, 37, 19, 23), (1, 64, 64, 40, 41), (17, 70, 90, 7, 7),
    ):  # fmt: skip
        x = rng.standard_normal((batch, channels, height, width), np.float32)
        grad = rng.standard_normal((batch, filters, height, width), np.float32)
        for numbers in ({}, {"WEIGHTS_WINOGRAD_PARTS": (4,), "WEIGHTS_WINOGRAD_TILES": (16,)}):
            with tuned(**numbers), fastconv.num_threads(1):
                dw = _weight_grad(grad, x, **options)
            for threads in (2, 3, 8):
                with tuned(**numbers), fastconv.num_threads(threads):
                    assert_equal(_weight_grad(grad, x, **options), dw)
        tiles = {"WEIGHTS_WINOGRAD_TILES": (16,), "WEIGHTS_WINOGRAD_PARTS": (2,)}
        with tuned(**tiles):
            dw = _weight_grad(grad, x, **options)
        for most in (400_000, 900_000, 2**24):  # as many filters and channels as fit
            with tuned(**tiles, MOST_SCRATCH_BYTES=_least_scratch(most)):
                assert_equal(_weight_grad(grad, x, **options), dw)


def test_arrays_that_lie_in_memory_in_any_way():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 20, 9, 14), np.float32)
    grad = rng.standard_normal((2, 18, 9, 14), np.float32)
    options = {"padding": 1, "backend": "winograd"}
    dw = _weight_grad(grad, x, **options)
    for (name, pixels), (_, outputs) in zip(views_of(x), views_of(grad), strict=True):
        if name == "nested lists":
            continue
        assert_equal(_weight_grad(outputs, pixels, **options), dw, name)


def test_single_images_and_empty_batches():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((12, 9, 14), np.float32)
    grad = rng.standard_normal((18, 9, 14), np.float32)
    options = {"padding": 1, "backend": "winograd"}
    assert_equal(_weight_grad(grad, x, **options), _weight_grad(grad[None], x[None], **options))
    none = _weight_grad(
        np.empty((0, 18, 9, 14), np.float32), np.empty((0, 12, 9, 14), np.float32), **options
    )
    assert_equal(none, np.zeros((18, 12, 3, 3), np.float32))


def test_a_transposed_convolution_has_it_too():
    rng = np.random.default_rng(9)
    x = rng.standard_normal((2, 24, 9, 14), np.float32)
    w = rng.standard_normal((24, 32, 3, 3), np.float32)
    grad = rng.standard_normal((2, 32, 11, 16), np.float32)
    found, wanted = (
        fastconv.conv_transpose2d_backward(
            grad, x, w, needs=(False, True, False), backend=backend
        ).weight
        for backend in ("winograd", "loops")
    )
    np.testing.assert_allclose(found, wanted, atol=1e-3)


LAYER = (1, 64, 56, 56), (64, 64, 3, 3)


def _kernel(x_shape, w_shape, **options):
    return fastconv.explain(x_shape, w_shape, padding=1, direction="weight-grad", **options).kernel


def test_strict_takes_none_of_them_and_fast_more_than_default():
    kernels = {level: _kernel(*LAYER, accuracy=level) for level in ("strict", "default", "fast")}
    assert kernels == {
        "strict": "weights_filters", "default": "weights_winograd_4", "fast": "weights_winograd_6",
    }  # fmt: skip


def test_a_call_follows_the_accuracy():
    rng = np.random.default_rng(8)
    x, grad = (rng.standard_normal(LAYER[0], np.float32) for _ in range(2))
    quick = _weight_grad(grad, x, padding=1, accuracy=None)
    assert_equal(_weight_grad(grad, x, padding=1, backend="weights_winograd_4"), quick)
    with fastconv.accuracy("strict"):
        direct = _weight_grad(grad, x, padding=1, accuracy=None)
    assert_equal(direct, _weight_grad(grad, x, padding=1, backend="gemm"))
    assert (direct != quick).any()


def test_the_best_tile_is_taken_where_the_family_is_asked_for():
    for shape, kernel in {
        (64, 64, 2, 2): "weights_winograd_2", (1, 64, 56, 56): "weights_winograd_4",
    }.items():  # fmt: skip
        assert _kernel(shape, (64, 64, 3, 3), backend="winograd") == kernel


def test_few_channels_and_few_pixels_are_left_to_direct_sums():
    layers = [(1, 1, 64, 64)]
    if isa.name != "avx512":  # where direct sums of three channels or nine pixels idle most lanes
        layers += [(1, 3, 224, 64), (1, 512, 3, 512)]
    for batch, channels, size, filters in layers:
        kernel = _kernel((batch, channels, size, size), (filters, channels, 3, 3))
        assert not kernel.startswith("weights_winograd")


@pytest.mark.parametrize(
    ("kernel", "options", "words"),
    [((3, 1), {}, "3×1"), ((5, 5), {}, "5×5"), ((3, 3), {"stride": 2}, "stride 1"),
     ((3, 3), {"dilation": (1, 2)}, "dilation 1"), ((3, 3), {"accuracy": "strict"}, "errors")],
)  # fmt: skip
def test_what_it_is_unable_to_do_is_refused_by_its_reason(kernel, options, words):
    x, w = np.ones((1, 8, 9, 9)), np.ones((8, 8, *kernel))
    geometry = {name: options[name] for name in options if name != "accuracy"}
    grad = np.ones(fastconv.conv2d(x, w, **geometry).shape)
    with pytest.raises(ValueError, match=words):
        fastconv.conv2d_backward(
            grad, x, w, needs=(False, True, False), backend="weights_winograd_4", **options
        )


def test_every_size_is_planned_at_once_and_within_the_limits():
    """Kernels of 3×3 with thousands of channels, images of 4096×4096 and rows of a million."""
    rng = np.random.default_rng(9)
    chosen = set()
    for seed in range(160):
        channels, filters = (int(2 ** rng.uniform(0, 12)) for _ in range(2))
        height, width = (int(2 ** rng.uniform(0, 12)) for _ in range(2))
        if seed % 7 == 0:
            height, width = 3, 1_000_000
        problem = fastconv.ConvProblem.create(
            (int(2 ** rng.uniform(0, 8)), channels, height, width), (filters, channels, 3, 3),
            padding=1, dtype=DTYPES[seed % 2],
        )  # fmt: skip
        for level in ("default", "fast"):
            for backend in ("auto", "winograd"):
                ask = partial(planning.plan, "weight-grad", problem, backend, 2, accuracy=level)
                plan = planned_at_once(ask, problem)
                if plan.family == "winograd":
                    assert plan.scratch_bytes <= 2 * 4.5 * 2**20 + 2**20, problem
                    chosen.add(plan.leaf.implementation.name)
                    many = planning.plan("weight-grad", problem, backend, 64, accuracy=level)
                    assert many.blocks == plan.blocks
    assert chosen == {f"weights_winograd_{m}" for m in SIDES}
