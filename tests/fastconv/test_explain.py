"""The choice of a backend, and what explain, backends and show_config say of it."""

import numpy as np
import pytest

import fastconv
from benchmarks.problems.layers import LAYERS
from fastconv import isa, planning, tuning
from fastconv.problem import Piece
from tests.support import contenders, plan_of
from tests.walking import in_one_test

DEPTHWISE = ((1, 32, 56, 56), (32, 1, 3, 3))


DIRECTIONS = ("forward", "input-grad", "weight-grad")


def _problem(layer):
    return fastconv.ConvProblem.create(layer.x_shape, layer.weight_shape, **layer.conv_kwargs())


def test_names_are_unique_and_listed_in_order():
    names = [family.name for family in planning.FAMILIES]
    assert len(set(names)) == len(names)
    assert fastconv.backends() == [name for name in names if name in fastconv.backends()]
    assert "im2col" in fastconv.backends()
    assert "auto" not in names
    for operation, implementations in planning.IMPLEMENTATIONS.items():
        kernels = [implementation.name for implementation in implementations]
        assert len(set(kernels)) == len(kernels), operation
        for implementation in implementations:
            assert set(implementation.families) <= set(names)


@in_one_test
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_auto_takes_the_first_that_is_able_and_suited(layer, direction, monkeypatch):
    """By the rules alone; tests/fastconv/test_reckoning.py has what the model makes of it."""
    monkeypatch.setattr(tuning, "RECKONED_VECTOR_BYTES", ())
    request = planning.Request(direction, Piece(_problem(layer)), 2)
    chosen = planning.choose(request)
    for implementation in planning.IMPLEMENTATIONS[direction]:
        answer = planning.answer_of(implementation, request)
        if implementation is chosen.implementation:
            assert answer.leaf.implementation is chosen.leaf.implementation
            break
        assert isinstance(answer, planning.Refusal)
        assert answer.reason


@in_one_test
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_every_other_backend_says_why_not(layer, direction):
    explanation = fastconv.explain(
        layer.x_shape, layer.weight_shape, direction=direction, **layer.conv_kwargs()
    )
    assert len(explanation.refusals) == len(planning.FAMILIES) - 1
    assert all(explanation.refusals.values())


@in_one_test
@pytest.mark.parametrize("family", planning.FAMILIES, ids=lambda family: family.name)
def test_a_backend_can_be_forced_by_name(family):
    """It then is that backend which runs, in every piece: neither chosen away nor mixed."""
    found = 0
    for layer in LAYERS:
        for direction in DIRECTIONS:
            plan = plan_of(family.name, _problem(layer), direction)
            for leaf in _leaves(plan):
                assert family.name in leaf.implementation.families
                found += 1
    assert bool(found) == (family.name in fastconv.backends())


@in_one_test
@pytest.mark.parametrize("name", [backend.name for backend in contenders()])
def test_a_kernel_can_be_asked_for_by_its_own_name(name):
    operands = [np.ones(shape, np.float32) for shape in DEPTHWISE]
    operations = [
        operation
        for operation, implementations in planning.IMPLEMENTATIONS.items()
        if any(name in (one.name, *one.families) for one in implementations)
    ]
    assert operations
    for operation in operations:
        for leaf in _leaves(plan_of(name, _problem_of_depthwise(), operation)):
            assert name in (leaf.implementation.name, *leaf.implementation.families)
    if "forward" in operations and name in fastconv.backends():
        y = fastconv.conv2d(*operands, groups=32, padding=1, backend=name)
        assert y[0, 0, 1, 1] == 9


def _problem_of_depthwise():
    return fastconv.ConvProblem.create(*DEPTHWISE, groups=32, padding=1, stride=2)


def _leaves(plan):
    if plan is None:
        return []
    return [leaf for piece in plan.pieces for leaf in _leaves(piece)] or [plan]


def test_explain_prints_all_that_was_asked_for():
    page = str(fastconv.explain((2, 64, 56, 56), (64, 64, 3, 3), (64,), padding=1))
    assert "2×64×56×56 → 2×64×56×56" in page
    assert "462.42 MFLOP" in page
    assert "3.2 MiB at least" in page  # 2·(2·64·56·56) values and the weights, of 4 bytes
    assert "13.8 MiB whole" in page  # the column matrix
    for name in (family.name for family in planning.FAMILIES):
        assert name in page


def test_explain_has_attributes_for_programs():
    explanation = fastconv.explain(*DEPTHWISE, groups=32, padding=1, dtype=np.float64)
    assert explanation.problem.dtype == np.float64
    assert explanation.problem.output_shape == (1, 32, 56, 56)
    assert explanation.backend in fastconv.backends()
    assert explanation.backend not in explanation.refusals
    assert repr(explanation) == str(explanation)


def test_explain_says_what_conv2d_does():
    """Both ask the same plan: what it says its kernel is, it runs."""
    for shapes, options in ((DEPTHWISE, {"groups": 32}), (((1, 8, 9, 9), (8, 8, 3, 3)), {})):
        explanation = fastconv.explain(*shapes, prepared=True, **options)
        x, weight = (np.ones(shape, np.float32) for shape in shapes)
        plan = fastconv.plan_conv2d(weight, **options)
        plan(x)
        ((call_found, _),) = plan._calls.values()
        leaf = call_found.plan().leaf
        assert leaf.implementation.name == explanation.kernel
        assert explanation.backend in leaf.implementation.families
        assert (leaf.blocks._asdict() if leaf.blocks else {}) == explanation.blocks


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_explain_shows_the_pieces():
    strided = fastconv.explain(
        (1, 64, 56, 56), (64, 64, 3, 3), stride=2, padding=1, direction="input-grad"
    )
    assert len(strided.pieces) == 4
    assert all("gemm" in piece for piece in strided.pieces)
    assert str(strided).count("\npiece") == 4
    dilated = fastconv.explain((1, 2, 28, 28), (64, 2, 3, 3), dilation=12, padding=12)
    assert len(dilated.pieces) == 9


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_explain_where_no_tap_sees_a_pixel(direction):
    """All outputs are between the taps: there is no piece to compute, nor a kernel for it."""
    shapes, options = (
        ((1, 1, 1, 9), (1, 1, 2, 3)),
        {"dilation": (8, 1), "padding": ((4, 4), (1, 1))},
    )
    explanation = fastconv.explain(*shapes, direction=direction, **options)
    if isa.kernels is not None and direction != "weight-grad":
        assert len(explanation.pieces) == (direction == "input-grad")  # the only phase, cut
        assert explanation.kernel == "by_padding"
    assert explanation.kernel in str(explanation)
    x, weight = (np.ones(shape, np.float32) for shape in shapes)
    np.testing.assert_array_equal(fastconv.conv2d(x, weight, **options), 0)


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_explain_shows_the_pieces_of_pieces_below_them():
    """The gradient at stride 1 is one convolution, of which most is padding: it is cut further."""
    explanation = fastconv.explain(
        (1, 64, 28, 28), (2, 64, 3, 3), dilation=12, padding=12, direction="input-grad"
    )
    first, *below = explanation.pieces
    assert first.endswith(": by_padding")
    assert not first.startswith(" ")
    assert len(below) == 9
    assert all(piece.startswith("  float32") for piece in below)
    shown = [line for line in str(explanation).splitlines() if line.startswith("piece")]
    columns = [line.index("float32") for line in shown]
    assert columns == [columns[0], *[columns[0] + 2] * 9]


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_explain_of_a_plan_says_what_the_plan_does():
    """Of weights that are prepared other tiles may be ahead than of weights that are not."""
    differ = 0
    for channels in (8, 16, 32, 64, 128, 256):
        for size in (4, 5, 6, 8, 10, 12, 16, 24, 56):
            shapes = (1, channels, size, size), (channels, channels, 3, 3)
            explanation = fastconv.explain(*shapes, padding=1, prepared=True)
            plan = fastconv.plan_conv2d(np.ones(shapes[1], np.float32), padding=1)
            plan(np.ones(shapes[0], np.float32))
            ((call_found, _),) = plan._calls.values()
            assert call_found.plan().leaf.implementation.name == explanation.kernel
            assert len(explanation.refusals) == len(planning.FAMILIES) - 1
            differ += explanation.kernel != fastconv.explain(*shapes, padding=1).kernel
    assert differ
    with pytest.raises(ValueError, match="prepared must be False for 'weight-grad'"):
        fastconv.explain(*shapes, direction="weight-grad", prepared=True)
    with pytest.raises(TypeError, match="prepared must be True or False, not 1"):
        fastconv.explain(*shapes, prepared=1)


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_explain_of_a_plan_says_what_its_gradient_of_the_image_does():
    """Packed or transformed weights take no time in it."""
    shapes = (1, 64, 12, 12), (64, 64, 3, 3)
    for accuracy in ("strict", "default"):
        options = {"padding": 1, "direction": "input-grad", "accuracy": accuracy}
        unprepared = fastconv.explain(*shapes, **options)
        explanation = fastconv.explain(*shapes, **options, prepared=True)
        plan = fastconv.plan_conv2d(np.ones(shapes[1], np.float32), padding=1, accuracy=accuracy)
        plan.input_grad(np.ones(shapes[0], np.float32), shapes[0])
        ((call_found, prepared),) = plan._gradients.values()
        assert prepared is not None
        assert call_found.plan().leaf.implementation.name == explanation.kernel
        assert explanation.predicted < unprepared.predicted


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
    shapes = (1, 3, 224, 224), (64, 3, 7, 7)
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


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_a_unit_is_told_in_plain_words(monkeypatch):
    page = str(fastconv.explain((2, 32, 30, 30), (64, 32, 3, 3), backend="gemm"))
    kernel = next(line for line in page.splitlines() if line.startswith("kernel"))
    assert " images" in kernel or "1 image," in kernel
    assert "1 images" not in page.replace("11 images", "")
    assert "far" not in page
    layer = (1, 64, 56, 56), (64, 1, 3, 3)
    options = {"groups": 64, "padding": 1, "backend": "stencil_slide"}
    assert "brought near" not in str(fastconv.explain(*layer, **options))
    monkeypatch.setattr(tuning, "SLIDE_FAR_BYTES", 0)
    assert "1 channel" in str(fastconv.explain(*layer, **options))
    assert "its rows brought near first" in " ".join(
        str(fastconv.explain(*layer, **options)).split()
    )
