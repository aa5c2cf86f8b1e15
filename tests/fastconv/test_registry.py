"""The choice of a backend, and what explain, backends and show_config say of it."""

import numpy as np
import pytest

import fastconv
from benchmarks.problems.layers import LAYERS
from fastconv import call, isa
from fastconv.registry import BACKENDS, choose, refusal, refusals

DEPTHWISE = ((1, 32, 56, 56), (32, 1, 3, 3))


def _problem(layer):
    return fastconv.ConvProblem.create(layer.x_shape, layer.weight_shape, **layer.conv_kwargs())


def test_names_are_unique_and_listed_in_order():
    names = [backend.name for backend in BACKENDS]
    assert len(set(names)) == len(names)
    assert fastconv.backends() == [name for name in names if name in fastconv.backends()]
    assert "im2col" in fastconv.backends()
    assert "auto" not in names


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_auto_takes_the_first_that_is_able_and_suited(layer):
    problem = _problem(layer)
    chosen = choose(problem)
    for backend in BACKENDS:
        if backend is chosen:
            break
        assert refusal(backend, problem) or backend.unsuited(problem)
    assert refusal(chosen, problem) is None
    assert chosen.unsuited(problem) is None


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_the_choice_does_not_change(layer):
    assert choose(_problem(layer)) is choose(_problem(layer))


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_every_other_backend_says_why_not(layer):
    problem = _problem(layer)
    reasons = refusals(problem)
    assert len(reasons) == len(BACKENDS) - 1
    assert all(reasons.values())


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda b: b.name)
def test_a_backend_can_be_forced_by_name(backend):
    able = [p for p in map(_problem, LAYERS) if refusal(backend, p) is None]
    assert bool(able) == (backend.name in fastconv.backends())
    for problem in able:
        assert choose(problem, backend.name) is backend


def test_explain_prints_all_that_was_asked_for():
    page = str(fastconv.explain((2, 64, 56, 56), (64, 64, 3, 3), (64,), padding=1))
    assert "2×64×56×56 → 2×64×56×56" in page
    assert "462.42 MFLOP" in page
    assert "3.2 MiB at least" in page  # 2·(2·64·56·56) values and the weights, of 4 bytes
    assert "13.8 MiB whole" in page  # the column matrix
    for name in (backend.name for backend in BACKENDS):
        assert name in page


def test_explain_has_attributes_for_programs():
    explanation = fastconv.explain(*DEPTHWISE, groups=32, padding=1, dtype=np.float64)
    assert explanation.problem.dtype == np.float64
    assert explanation.problem.output_shape == (1, 32, 56, 56)
    assert explanation.backend in fastconv.backends()
    assert explanation.backend not in explanation.refusals
    assert repr(explanation) == str(explanation)


def test_explain_says_what_conv2d_does(monkeypatch):
    called = []
    for backend in BACKENDS:

        def spy(*arguments, original=backend.forward, name=backend.name):
            called.append(name)
            return original(*arguments)

        monkeypatch.setitem(vars(backend), "forward", spy)
    call._cached_call.cache_clear()
    for shapes, options in ((DEPTHWISE, {"groups": 32}), (((1, 8, 9, 9), (8, 8, 3, 3)), {})):
        x, weight = (np.ones(shape, np.float32) for shape in shapes)
        fastconv.conv2d(x, weight, **options)
        assert called.pop() == fastconv.explain(*shapes, **options).backend


def test_explain_names_no_buffer_where_the_image_is_its_own_matrix():
    page = str(fastconv.explain((1, 64, 56, 56), (64, 64, 1, 1)))
    assert "none needed" in page


def test_explain_of_an_empty_batch():
    explanation = fastconv.explain((0, 4, 6, 7), (6, 4, 3, 3))
    assert explanation.problem.flops == 0
    assert "0 FLOP" in str(explanation)


def test_explain_of_a_forced_backend():
    explanation = fastconv.explain((1, 4, 6, 7), (6, 4, 3, 3), backend="im2col")
    assert explanation.backend == "im2col"
    assert explanation.threads is None
    assert "BLAS" in str(explanation)
    assert "instruction set" not in str(explanation)
    assert "comes before it" not in " ".join(explanation.refusals.values())


def test_show_config_as_dictionary_and_as_page(capsys):
    config = fastconv.show_config(mode="dicts")
    assert config["fastconv"] == fastconv.__version__
    assert config["numpy"] == np.__version__
    assert list(config["backends"]) == fastconv.backends()
    assert config["threads"] == fastconv.get_num_threads()
    assert fastconv.show_config() is None
    page = capsys.readouterr().out
    for backend in fastconv.backends():
        assert backend in page
    assert f"numpy: {np.__version__}" in page


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_explain_of_the_gradients():
    """Few channels and many filters, and the other way round: each direction has its own lanes."""
    shapes = (1, 3, 112, 112), (64, 3, 7, 7)
    chosen = {
        direction: fastconv.explain(*shapes, stride=2, padding=3, direction=direction)
        for direction in ("input-grad", "weight-grad")
    }
    assert chosen["weight-grad"].backend == "gemm"
    if isa.name == "avx512":  # three channels fill three lanes of four, but not of sixteen
        assert chosen["input-grad"].backend == "gemm_pixels"
    for direction, explanation in chosen.items():
        assert direction in str(explanation)
        assert 0 < explanation.scratch_bytes < 8 * 2**20
    with pytest.raises(ValueError, match=r"direction must be .*, not 'backward'"):
        fastconv.explain(*shapes, direction="backward")
