"""The first sentence of a report, what is lost, and what is only noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmarks.measuring.results import Results
from benchmarks.problems.layers import LAYERS
from benchmarks.reporting import charts, headline, noise
from benchmarks.reporting.figures import WIDE
from tests.benchmarks.made_up import run, seconds


def _run(**speeds: Sequence[float]) -> Results:
    """Return a run of several layers: contestant → GFLOP/s on each; underscores are hyphens."""
    names = {name: name.replace("_", "-") for name in speeds}
    made = run({names[name]: seconds(values[0]) for name, values in speeds.items()})
    (layer,), measurements = made.layers, made.measurements
    count = len(next(iter(speeds.values())))
    made.layers, made.measurements = [], []
    for number, problem in enumerate(LAYERS[:count]):
        made.layers.append(replace(layer, problem=problem.as_dict()))
        made.measurements += [
            replace(m, layer=problem.name, times=seconds(values[number]))
            for m, values in zip(measurements, speeds.values(), strict=True)
        ]
    return made


def test_the_headline_is_of_times_and_names_both() -> None:
    made = _run(auto=[100, 100, 100], tutorial=[9, 9, 9], im2col=[10, 20, 60], torch=[80, 50, 125])
    assert headline.headline(made, "forward") == (
        "On 3 layers of published networks, in this run on 2 threads, fastconv's typed loops took "
        "in the median 20 % of the time of NumPy im2col (10 to 60 %, layer by layer) and 80 % of "
        "that of PyTorch (50 to 125 %, layer by layer), with results equal to rounding."
    )
    assert headline.losses(made, "forward") == (
        f"Slower than NumPy im2col on none of 3; slower than PyTorch on 1 of 3: {LAYERS[2].name} "
        "(125 %)."
    )


def test_numpy_is_enough_for_a_headline() -> None:
    made = _run(auto=[100, 100], tutorial=[5, 10], scipy=[0.1, 0.1])
    assert headline.headline(made, "forward").endswith(
        "took in the median 7.5 % of the time of NumPy im2col (5 to 10 %, layer by layer), with "
        "results equal to rounding."
    )
    made = _run(auto=[100], tutorial=[25])
    assert headline.headline(made, "forward").startswith("On 1 layer of published networks")
    assert "took 25 % of the time of NumPy im2col" in headline.headline(made, "forward")


def test_pytorch_counts_in_the_layout_that_is_faster() -> None:
    made = _run(auto=[100], torch=[50], torch_channels_last=[90])
    assert "took 90 % of the time of PyTorch" in headline.headline(made, "forward")


def test_layers_that_only_some_do_are_counted() -> None:
    made = _run(auto=[100, 100], tutorial=[5, 10], torch=[50, 50])
    made.measurements = [m for m in made.measurements if (m.layer, m.contestant) != (
        LAYERS[0].name, "tutorial")]  # fmt: skip
    assert "10 % of the time of NumPy im2col (on 1 of them) and 50 % of that of PyTorch, with" in (
        headline.headline(made, "forward")
    )


def test_without_a_compiler_the_loops_are_not_typed() -> None:
    made = _run(auto=[20], tutorial=[10], im2col=[20])
    made.layers[0].chosen["forward"] = "im2col"
    assert "fastconv without a compiler took 50 % of" in headline.headline(made, "forward")


def test_wrong_results_are_in_the_headline() -> None:
    made = _run(auto=[100], tutorial=[10])
    made.measurements[0].error = 11.0
    assert headline.headline(made, "forward").endswith(", but NOT all results are right.")


def test_with_nobody_to_compare_there_is_another_sentence() -> None:
    made = _run(auto=[50], scipy=[0.1])
    assert headline.headline(made, "forward").startswith("fastconv runs 1 layer at 50 GFLOP/s")
    assert headline.losses(made, "forward") == ""


def test_the_worst_losses_are_named_and_those_within_the_noise_say_so() -> None:
    made = _run(
        auto=[100] * 12,
        auto_again=[98] * 12,
        torch=[101, *(110 + number for number in range(11))],
    )
    text = headline.losses(made, "forward")
    assert text.startswith(f"Slower than PyTorch on 12 of 12: {LAYERS[11].name} (120 %), ")
    assert text.count("%") == headline.MOST_NAMED
    assert text.endswith(" and others, which the tables begin with.")
    made = _run(auto=[100, 100], auto_again=[98, 98], torch=[101, 110])
    assert headline.losses(made, "forward").endswith(
        f"{LAYERS[1].name} (110 %), {LAYERS[0].name} (101 %, within the noise)."
    )


def test_noise_is_what_the_control_differs_by_either_way_up() -> None:
    assert noise.noise(_run(auto=[100]), "forward") is None
    found = noise.noise(_run(auto=[100, 100, 100], auto_again=[98, 100, 105]), "forward")
    assert found is not None
    assert found.factor == pytest.approx(1.05)
    assert found.middle == pytest.approx(100 / 98)
    assert found.hides(1.04)
    assert found.hides(1 / 1.04)
    assert not found.hides(1.06)
    assert not found.hides(1 / 1.06)
    assert found.sentence.startswith("This run's noise is 5.0 %: ")
    assert "differ by no more on all of 3 layers, by 2.0 % typically" in found.sentence


def test_one_of_twenty_is_an_outlier_and_no_noise() -> None:
    again = [100.0] * 31
    again[7] = 300
    found = noise.noise(_run(auto=[100] * 31, auto_again=again), "forward")
    assert found is not None
    assert found.factor == 1
    assert "on 19 in 20 of 31 layers" in found.sentence


def test_a_run_that_cannot_be_believed_says_so_in_its_first_sentence() -> None:
    made = _run(auto=[100, 100], auto_again=[100, 30], im2col=[50, 50])
    assert headline.headline(made, "forward").endswith(
        ", with results equal to rounding; but the noise of this run is a factor of 3.3."
    )


def test_differences_within_the_noise_are_soft_in_the_chart() -> None:
    made = _run(auto=[100, 100], auto_again=[98, 98], torch=[99, 50])
    figure = charts.headline(made, "forward", WIDE)
    colours = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert colours["1.01×"] != colours["2.00×"]


def test_what_is_lost_comes_first_in_the_chart() -> None:
    made = _run(auto=[100, 100, 100], torch=[50, 200, 110])
    figure = charts.headline(made, "forward", WIDE)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [LAYERS[1].name, LAYERS[2].name, LAYERS[0].name]
