"""The gemm backend: its blocks, its scratch, and the shapes at the edges of its tiles."""

import numpy as np
import pytest

import fastconv
from benchmarks.layers import LAYERS
from fastconv import isa
from fastconv.algorithms import gemm
from tests.support import EXACT_CASES, Case, case_id, integer_operands, integer_truth

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")


@pytest.fixture
def small_blocks(monkeypatch):
    """Cut everything that can be cut, so that small problems meet every border between blocks."""
    monkeypatch.setattr(gemm, "_BAND_BYTES", 2000)
    monkeypatch.setattr(gemm, "_TAPS", 4)
    monkeypatch.setattr(gemm, "_FEWEST_POSITIONS", 1)
    monkeypatch.setattr(gemm, "_FEWEST_FILTERS", 1)
    gemm._blocks.cache_clear()
    yield
    gemm._blocks.cache_clear()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", EXACT_CASES, ids=case_id)
def test_blocks_do_not_change_the_result(case, dtype, small_blocks, monkeypatch):
    monkeypatch.setattr(gemm, "threads_for", lambda flops: 3)
    data = integer_operands(case, dtype)
    y = fastconv.conv2d(data.x, data.weight, data.bias, backend="gemm", **case.options)
    np.testing.assert_array_equal(y, integer_truth(case)[0])


def test_blocks_do_not_change_a_bit(monkeypatch, request):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 70, 29, 31)).astype(np.float32)
    weight = rng.standard_normal((50, 70, 3, 3)).astype(np.float32)
    options = {"padding": 1, "backend": "gemm", "activation": "sigmoid"}
    whole = fastconv.conv2d(x, weight, **options)
    np.testing.assert_array_equal(fastconv.conv2d(x[1], weight, **options), whole[1])
    request.getfixturevalue("small_blocks")
    monkeypatch.setattr(gemm, "threads_for", lambda flops: 2)
    np.testing.assert_array_equal(fastconv.conv2d(x, weight, **options), whole)


@pytest.mark.parametrize("filters", range(1, 33))
def test_every_number_of_filters_is_covered_by_tiles(filters):
    case = Case("filters", (1, 5, 6, 9), (filters, 5, 3, 2), {"padding": 1, "stride": (1, 2)})
    data = integer_operands(case, "float32")
    y = fastconv.conv2d(data.x, data.weight, data.bias, backend="gemm", **case.options)
    np.testing.assert_array_equal(y, integer_truth(case)[0])


@pytest.mark.parametrize("width", [*range(1, 20), *range(28, 36), 95, 96, 97, 191, 193])
def test_every_length_of_row_is_covered_by_tiles(width):
    case = Case("width", (1, 2, 2, width), (14, 2, 1, 1))
    data = integer_operands(case, "float64")
    y = fastconv.conv2d(data.x, data.weight, data.bias, backend="gemm")
    np.testing.assert_array_equal(y, integer_truth(case)[0])


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_scratch_is_bounded_per_thread(layer, dtype, threads):
    problem = fastconv.ConvProblem.create(
        layer.x_shape, layer.weight_shape, dtype=dtype, **layer.conv_kwargs()
    )
    overhang = 6 * 64
    assert gemm.scratch_bytes(problem, threads) <= threads * (gemm._BAND_BYTES + overhang)


def test_a_row_too_long_for_the_scratch_is_refused_and_computed_by_another():
    options = {"padding": 4000, "dilation": 4000}
    explanation = fastconv.explain((1, 2, 64, 64), (4, 2, 3, 3), **options)
    assert explanation.backend != "gemm"
    assert "reads 8001 rows of the padded image" in explanation.refusals["gemm"]
    x, weight = np.ones((1, 2, 64, 64), np.float32), np.ones((4, 2, 3, 3), np.float32)
    np.testing.assert_array_equal(fastconv.conv2d(x, weight, **options), np.full((1, 4, 64, 64), 2))


def test_one_long_row_is_a_band_of_its_own():
    """A row cannot be halved: the search for more bands has to end there."""
    x, weight = np.ones((1, 2, 1, 3000), np.float32), np.ones((4, 2, 1, 3), np.float32)
    with fastconv.num_threads(2):
        y = fastconv.conv2d(x, weight, backend="gemm")
    np.testing.assert_array_equal(y, np.full((1, 4, 1, 2998), 6))


def test_explain_reports_the_scratch():
    explanation = fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    assert explanation.backend == "gemm"
    assert 0 < explanation.scratch_bytes <= explanation.threads * 400 * 1024
    assert "scratch" in str(explanation)


def test_gradients_are_refused_for_now():
    ones = np.ones((1, 1, 1, 1))
    with pytest.raises(ValueError, match=r"'gemm' cannot compute .* computes no gradients"):
        fastconv.conv2d_backward(ones, ones, ones, backend="gemm")
