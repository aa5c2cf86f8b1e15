"""Time against memory: where everyone stands, who is drawn, and what of it is said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.figure import Figure

from benchmarks.contestants import internals
from benchmarks.measuring.on_paper import on_paper
from benchmarks.measuring.results import Results
from benchmarks.problems.directions import DIRECTIONS
from benchmarks.problems.layer import Layer
from benchmarks.problems.layers import LAYERS
from benchmarks.reporting import fewer, figures, tradeoff, ways
from fastconv.algorithms.compiled import vector_bytes
from tests.benchmarks.made_up import LAYER, run, seconds

compiled = pytest.mark.skipif(not internals.is_compiled(), reason="NumPy computes everything")


@pytest.fixture
def made() -> Results:
    """Return a run of all ways, in which the definition ran a cut."""
    speeds = {"reference": 0.005, "tutorial": 10, "auto": 50, "im2col": 20, "loops": 8}
    results = run({name: seconds(gflops) for name, gflops in speeds.items()})
    results.layers[0] = replace(
        results.layers[0],
        columns_bytes=7_000_000,
        scratch_bytes={"loops": 0, "im2col": 3_000_000},
        chosen={"forward": "loops"},
    )
    small = LAYER.cut(1e6)
    reference = results.measurements[0]
    reference.problem, reference.is_cut, reference.flops = small.as_dict(), True, small.flops
    reference.times = [small.flops / 5e6]
    return results


def _places(results: Results) -> dict[str, ways.Place]:
    found = ways.places(results, results.layers[0], "forward")
    return {place.measurement.contestant: place for place in found}


def test_times_are_those_of_the_whole_layer(made: Results) -> None:
    places = _places(made)
    assert places["auto"].seconds == pytest.approx(LAYER.flops / 50e9)
    assert places["reference"].seconds == pytest.approx(LAYER.flops / 5e6)
    assert "at the speed of a cut" in places["reference"].text
    assert "error 1 u of 10 allowed, equal on integers" in places["auto"].text


def test_memory_is_the_larger_of_what_is_measured_and_what_is_known(made: Results) -> None:
    made.measurements[1].extra_bytes = 9_000_000  # the tutorial, whose columns take 7
    made.measurements[3].extra_bytes = 1_000_000  # im2col, which keeps its 3 from before
    made.measurements[4].extra_bytes = 200_000  # pages, of loops that hold nothing
    places = _places(made)
    assert places["tutorial"].bytes == 9_000_000
    assert places["im2col"].bytes == 3_000_000
    assert places["loops"].bytes == places["auto"].bytes == 0
    assert "no extra memory" in places["loops"].text
    # float64 copies of image, weights and result, though the cut took less
    assert places["reference"].bytes == 8 * (3 * 224**2 + 64 * 3 * 49 + 64 * 112**2)


def test_of_gradients_only_what_was_measured_is_known(made: Results) -> None:
    made.layers[0].chosen["step"] = "auto"
    made.measurements = [replace(m, direction="step") for m in made.measurements]
    made.measurements[1].extra_bytes = 9_000_000
    known = [p.bytes for p in ways.places(made, made.layers[0], "step")]
    assert known == [None, 9_000_000, None, None, None]
    assert tradeoff.Tradeoff(made, "step").first == []  # one mark says nothing


def test_wrong_results_have_no_place(made: Results) -> None:
    made.measurements[2].error = 11.0
    assert "auto" not in _places(made)


def test_nobody_on_the_line_is_slower_and_larger_than_another(made: Results) -> None:
    front = list(tradeoff._front(list(_places(made).values())))
    assert [place.measurement.contestant for place in front] == ["auto"]
    made.layers[0].chosen["forward"] = "im2col"  # which `auto` then holds the columns of
    front = list(tradeoff._front(list(_places(made).values())))
    assert [place.measurement.contestant for place in front] == ["loops", "auto"]


def test_a_panel_says_who_is_equal_and_what_each_mark_is(made: Results) -> None:
    shown = tradeoff.Tradeoff(made, "forward")
    (info,) = shown.first
    panel = str(shown.panel(info))
    assert "5 equal: 5 exactly on integers, error ≤ 1 u" in panel
    assert panel.count('<g class="tip"><title>') == 5
    assert f"<title>{LAYER.name}, im2col, tutorial: " in panel
    assert "↑ " in panel  # the definition, far above
    assert shown.further == []
    ((_, share, found),) = shown.rows
    assert share == pytest.approx(20 / 50)
    assert [label for label, place in found.items() if place is None] == []


def test_of_each_kind_the_layer_that_is_least_ahead_comes_first() -> None:
    kinds = {tradeoff.kind(layer) for layer in LAYERS}
    assert kinds == {"1×1", "3×3", "strided", "other kernels", "grouped", "depthwise"}
    made = run({"auto": seconds(50), "im2col": seconds(20)})
    second = replace(LAYER, name="second")
    made.layers.append(replace(made.layers[0], problem=second.as_dict()))
    made.measurements += [
        replace(m, layer="second", times=seconds(50 if m.contestant == "auto" else 60))
        for m in made.measurements
    ]
    for info in made.layers:
        info.scratch_bytes["im2col"] = 5
    shown = tradeoff.Tradeoff(made, "forward")
    assert [info.name for info in shown.first] == ["second"]
    assert [info.name for info in shown.further] == [LAYER.name]


def test_titles_keep_what_their_letters_mean_to_a_page() -> None:
    figure = Figure()
    figures.tip(figure.subplots().plot(1, 1, "o")[0], 'a < b & "c"')
    assert '<title>a &lt; b &amp; "c"</title>' in figures.svg(figure, "letters")


@compiled
def test_fewer_multiplications_are_counted_as_the_kernels_tiles_are() -> None:
    even = Layer("even", "", 2, 32, 56, 56, 32, 3, padding=1)
    by_hand = {
        even: 36 / (16 * 9),  # F(4×4, 3×3): 14×14 tiles of 36 products
        replace(even, height=57): 15 / 14 * 56 / 57 * 36 / 144,  # a row of tiles hangs over
        replace(even, kernel=1, padding=0): 1.0,
        replace(even, stride=2): 1.0,
    }
    for layer, part in by_hand.items():
        assert internals.multiplications(layer, "forward") == pytest.approx(part), layer
    few = replace(even, in_channels=3)
    part = 0.5 if vector_bytes() == 64 else 1.0  # where it is taken
    assert internals.multiplications(few, "forward") == pytest.approx(part)
    assert internals.multiplications(even, "weight-grad") == pytest.approx(36 / 144)
    for layer in LAYERS:
        parts = on_paper(layer, 1).multiplications
        assert set(parts) == set(DIRECTIONS)
        assert parts["step"] == pytest.approx((parts["input-grad"] + parts["weight-grad"]) / 2)


def test_savings_stand_beside_what_direct_sums_err_by() -> None:
    made = run({"auto": seconds(200), "gemm": seconds(80), "loops": seconds(8)})
    assert fewer.savings(made, "forward") == []
    made.layers[0].multiplications["forward"] = 0.25
    made.measurements[0].error = 5.0
    (saving,) = fewer.savings(made, "forward")
    assert saving.real_gflops == pytest.approx(50)
    assert saving.ours.error == 5.0
    assert saving.direct is made.measurements[1]
