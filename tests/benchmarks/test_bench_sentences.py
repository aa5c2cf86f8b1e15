"""What is said of a run: who is compared with whom, in which words, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.measuring.results import geometric_mean
from benchmarks.problems.layers import LAYERS
from benchmarks.reporting import rivals, sentences, summaries
from tests.benchmarks.made_up import MACHINE, run, seconds


def test_the_sentence_counts_losses_too() -> None:
    made = run({"loops": seconds(50), "torch": seconds(100)})
    assert sentences.speed_sentence(made, "forward") == (
        "fastconv runs 1 layer at 50 GFLOP/s (geometric mean), 50% of the measured peak: "
        "0.50 times PyTorch, ahead in 0 of 1."
    )


def test_like_is_compared_with_like() -> None:
    made = run(
        {
            "loops": seconds(50),
            "plan": seconds(100),
            "torch": seconds(100),
            "openvino": seconds(200),
        }
    )
    (row,) = rivals.rows(made, "forward")
    assert row.ratio == pytest.approx(1 / 2)
    assert row.planned_ratio == pytest.approx(2 / 4)
    assert sentences.speed_sentence(made, "forward").endswith(
        ": as a plain call 0.50 times PyTorch, ahead in 0 of 1; "
        "with weights packed ahead 0.50 times OpenVINO, ahead in 0 of 1."
    )


def test_the_yardstick_is_numpy_im2col_where_no_library_is_faster() -> None:
    speeds = {"tutorial": 10, "auto": 50, "plan": 60, "im2col": 20, "scipy": 0.1}
    made = run({name: seconds(gflops) for name, gflops in speeds.items()})
    (row,) = rivals.rows(made, "forward")
    assert row.ratio == pytest.approx(50 / 20)
    assert row.planned_ratio == pytest.approx(60 / 20)
    assert sentences.speed_sentence(made, "forward").endswith(
        ": 2.50 times NumPy im2col, which is faster here than SciPy, ahead in 1 of 1; "
        "with weights packed ahead 3.00 times that, ahead in 1 of 1."
    )
    made = run({name: seconds(speeds[name]) for name in ("auto", "im2col")})
    assert sentences.speed_sentence(made, "forward").endswith(
        ": 2.50 times NumPy im2col, ahead in 1 of 1."
    )


def test_only_what_packs_ahead_is_no_rival_of_a_plain_call() -> None:
    speeds = {"auto": 50, "plan": 60, "im2col": 20, "openvino": 120, "scipy": 0.1}
    made = run({name: seconds(gflops) for name, gflops in speeds.items()})
    assert sentences.speed_sentence(made, "forward").endswith(
        ": as a plain call 2.50 times NumPy im2col, which is faster here than SciPy, ahead in "
        "1 of 1; with weights packed ahead 0.50 times OpenVINO, ahead in 0 of 1."
    )


def test_a_faster_library_is_the_yardstick_and_named() -> None:
    speeds = {"auto": 50, "im2col": 20, "torch": 40, "scipy": 0.1}
    made = run({name: seconds(gflops) for name, gflops in speeds.items()})
    assert sentences.speed_sentence(made, "forward").endswith(
        "1.25 times PyTorch, ahead in 1 of 1."
    )


def test_im2col_is_no_rival_of_itself() -> None:
    made = run({"tutorial": seconds(10), "auto": seconds(20), "im2col": seconds(20)})
    made.layers[0].chosen["forward"] = "im2col"
    (row,) = rivals.rows(made, "forward")
    assert row.rival is not None
    assert row.rival.contestant == "tutorial"


def test_rivals_that_differ_by_layer_are_all_named() -> None:
    made = run({"auto": seconds(50), "im2col": seconds(20), "torch": seconds(40)})
    second = replace(LAYERS[1], name="second")
    made.layers.append(replace(made.layers[0], problem=second.as_dict()))
    for name, gflops in (("auto", 50), ("im2col", 40), ("torch", 20)):
        other = next(m for m in made.measurements if m.contestant == name)
        made.measurements.append(replace(other, layer="second", times=seconds(gflops)))
    assert "1.25 times the fastest of NumPy im2col and PyTorch on each layer, ahead in 2 of 2" in (
        sentences.speed_sentence(made, "forward")
    )


def test_what_a_user_calls_stands_for_fastconv_and_in_old_runs_what_it_takes() -> None:
    both = run({"auto": seconds(40), "loops": seconds(50)})
    assert rivals.rows(both, "forward")[0].ours is both.measurements[0]
    old = run({"auto": [], "loops": seconds(50)})
    assert rivals.rows(old, "forward")[0].ours is old.measurements[1]
    assert summaries.idle(old, "forward") == []


def test_who_has_nothing_to_do_is_no_line_but_a_sentence() -> None:
    made = run({"loops": seconds(50), "scipy": []})
    assert [line.contestant for line in summaries.summaries(made, "forward")] == ["loops"]
    assert summaries.idle(made, "forward") == ["SciPy does none of these layers: no such thing."]


def test_who_only_failed_is_a_line() -> None:
    made = run({"loops": seconds(50), "scipy": []})
    made.measurements[1].status = "failed"
    line = summaries.summaries(made, "forward")[-1]
    assert (line.contestant, line.layers, line.failed) == ("scipy", 0, 1)
    assert summaries.idle(made, "forward") == []


def test_a_choice_is_held_against_the_best_backend() -> None:
    made = run({"loops": seconds(1), "im2col": seconds(0.5)})
    (choice,) = rivals.choices(made, "forward")
    assert choice.ratio == 1
    assert choice.is_good
    made = run({"loops": seconds(1), "im2col": seconds(2), "plan": seconds(9)})
    (choice,) = rivals.choices(made, "forward")
    assert (choice.best.contestant, choice.ratio) == ("im2col", pytest.approx(0.5))
    assert not choice.is_good


def test_a_single_backend_is_no_choice() -> None:
    made = run({"auto": seconds(1), "loops": seconds(1), "plan": seconds(2)})
    assert rivals.choices(made, "forward") == []


def test_wrong_results_are_named() -> None:
    made = run({"loops": [1.0], "torch": [1.0]})
    assert sentences.equality_sentence(made).startswith("All 2 results agree")
    assert sentences.all_equal(made)
    made.measurements[1].error = 11.0
    assert not sentences.all_equal(made)
    assert "1 of 2 results are NOT correct (PyTorch)" in sentences.equality_sentence(made)
    made.measurements[1].error, made.measurements[1].exact = 1.0, False
    assert "1 of 2 results are NOT correct (PyTorch)" in sentences.equality_sentence(made)


def test_a_failure_of_ours_is_no_success_and_that_of_a_library_is_its_own() -> None:
    made = run({"loops": [1.0], "torch": [1.0]})
    ours, theirs = made.measurements
    theirs.status = "failed"
    assert sentences.all_equal(made)
    ours.status = "failed"  # while it was timed, after its result was found to be correct
    assert not sentences.all_equal(made)


def test_one_result_and_none_are_not_all_of_them() -> None:
    made = run({"loops": [1.0]})
    assert sentences.equality_sentence(made) == (
        "The one result agrees with float64 within its error bound, and exactly on integers."
    )
    nothing = replace(made, measurements=[])
    assert sentences.equality_sentence(nothing) == "No result could be compared with float64."


def test_only_what_is_not_installed_can_be_added() -> None:
    made = run({"loops": [1.0], "im2col": [], "scipy": []})
    _, ours, theirs = made.contestants
    theirs.missing, theirs.pip_command = "scipy not installed", "pip install scipy"
    assert theirs.absence == "scipy not installed; to add it: pip install scipy"
    assert sentences.warnings(made) == []
    assert sentences.all_equal(made)
    ours.missing = "did not start: process was killed by SIGKILL"
    assert ours.absence == ours.missing
    assert sentences.warnings(made) == [
        "fastconv im2col did not start: process was killed by SIGKILL."
    ]
    assert not sentences.all_equal(made)


def test_a_busy_machine_is_warned_of() -> None:
    assert sentences.warnings(run({"loops": [1.0]})) == []
    busy = run({"loops": [1.0]}, machine={**MACHINE, "load_average": 3.0}, threads=4)
    assert len(sentences.warnings(busy)) == 2


def test_geometric_mean() -> None:
    assert geometric_mean([2, 8]) == pytest.approx(4)
    assert geometric_mean([]) is None
