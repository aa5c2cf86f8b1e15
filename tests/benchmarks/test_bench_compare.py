"""Comparing two runs: verdicts, what else changed, and files that are not ours."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import analysis, compare
from benchmarks.layers import LAYERS
from benchmarks.results import (
    ContestantInfo,
    LayerInfo,
    Measurement,
    Results,
    ResultsError,
    geometric_mean,
)

LAYER = LAYERS[0]
MACHINE = {
    "cpu": "a processor",
    "system": "a system",
    "python": "CPython 3.12",
    "versions": {"numpy": "2.0"},
    "fastconv": {"instruction set": "avx2"},
    "usable_cores": 2,
    "load_average": 0.0,
    "peak_gflops": {"float32": {"1": 50.0, "2": 100.0}},
    "bandwidth": {"memory": {"1": 10.0, "2": 15.0}, "cache": {"1": 50.0, "2": 100.0}},
}


def results(ours: list[float], theirs: list[float], **changes: object) -> Results:
    """Return a run of one layer by one backend of ours and one library, with these seconds."""
    measurements = [
        Measurement(
            LAYER.name,
            "forward",
            name,
            problem=LAYER.as_dict(),
            flops=LAYER.flops,
            times=times,
            error=1.0,
            allowed_error=10.0,
            exact=True,
        )
        for name, times in (("loops", ours), ("torch", theirs))
    ]
    run = Results(
        created="2026-01-01T00:00:00",
        preset="default",
        threads=2,
        directions=["forward"],
        machine=dict(MACHINE),
        contestants=[
            ContestantInfo("loops", "fastconv loops", "fastconv", "", version="1"),
            ContestantInfo("torch", "PyTorch", "library", "", version="2"),
        ],
        layers=[LayerInfo(LAYER.as_dict(), 1, 1, {"loops": 0}, {"forward": "loops"}, "")],
        measurements=measurements,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def pair(before: list[float], after: list[float]) -> compare.Pair:
    return compare.pairs(results(before, [1.0]), results(after, [1.0]))[0]


def test_verdicts() -> None:
    steady, faster, slower = [1.0, 1.01, 1.02], [0.5, 0.51, 0.52], [2.0, 2.1, 2.2]
    assert pair(steady, faster).verdict == "faster"
    assert pair(steady, slower).verdict == "slower"
    assert pair(steady, [1.01, 1.02, 1.03]).verdict == "same"
    assert pair(steady, faster).ratio == pytest.approx(1.01 / 0.51)


def test_overlapping_times_decide_nothing() -> None:
    assert pair([1.0, 1.5, 2.0], [0.8, 1.2, 1.9]).verdict == "unclear"


def test_different_cuts_are_not_compared() -> None:
    before, after = results([1.0], [1.0]), results([0.1], [1.0])
    after.measurements[0].problem = LAYER.cut(1e6).as_dict()
    assert compare.pairs(before, after)[0].verdict == "not comparable"


def test_says_what_else_changed() -> None:
    before = results([1.0], [1.0])
    assert compare.differences(before, before) == []
    after = results([1.0], [1.0], threads=4, machine={**MACHINE, "cpu": "another"})
    after.contestants[1].version = "3"
    assert compare.differences(before, after) == [
        "processor: a processor → another",
        "threads: 2 → 4",
        "PyTorch: 2 → 3",
    ]


def test_shows_a_table_and_a_line_per_contestant() -> None:
    from rich.console import Console

    text = io.StringIO()
    console = Console(file=text, width=120)
    compare.show(results([1.0, 1.0], [1.0, 1.0]), results([0.5, 0.5], [1.0, 1.0]), console)
    assert "fastconv loops: 2.00× over 1 layer (1 faster)" in text.getvalue()
    assert "PyTorch: 1.00× over 1 layer (1 same)" in text.getvalue()


@pytest.mark.parametrize("content", ["", "[]", '{"format": 0}'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ResultsError, match=r"other\.json"):
        Results.load(path)


def test_the_sentence_counts_losses_too() -> None:
    seconds = LAYER.flops / 50e9
    run = results([seconds], [seconds / 2])
    assert analysis.speed_sentence(run, "forward") == (
        "fastconv runs 1 layer at 50 GFLOP/s (geometric mean), 50% of the measured peak: "
        "0.50 times PyTorch, the only other library here, ahead in 0 of 1."
    )


def test_like_is_compared_with_like() -> None:
    seconds = LAYER.flops / 50e9
    run = results([seconds], [seconds / 2])
    for name, kind, faster in (("plan", "fastconv", 2), ("openvino", "library", 4)):
        run.contestants.append(ContestantInfo(name, name, kind, "", prepacks=True))
        times = [seconds / faster]
        run.measurements.append(replace(run.measurements[0], contestant=name, times=times))
    (row,) = analysis.rows(run, "forward")
    assert row.ratio == pytest.approx(1 / 2)
    assert row.planned_ratio == pytest.approx(2 / 4)
    assert analysis.speed_sentence(run, "forward").endswith(
        "0.50 times the best other library of each layer that is called likewise, as a function, "
        "ahead in 0 of 1; with weights packed ahead 0.50 times the best of all, ahead in 0 of 1."
    )


def test_a_choice_is_held_against_the_best_backend() -> None:
    run = results([1.0], [1.0])
    (choice,) = analysis.choices(run, "forward")
    assert choice.ratio == 1
    assert choice.is_good
    run.contestants.append(ContestantInfo("other", "other", "fastconv", ""))
    run.contestants.append(ContestantInfo("plan", "plan", "fastconv", "", prepacks=True))
    for name, seconds in (("other", 0.5), ("plan", 0.1)):
        run.measurements.append(replace(run.measurements[0], contestant=name, times=[seconds]))
    (choice,) = analysis.choices(run, "forward")
    assert (choice.best.contestant, choice.ratio) == ("other", pytest.approx(0.5))
    assert not choice.is_good


def test_wrong_results_are_named() -> None:
    run = results([1.0], [1.0])
    assert analysis.equality_sentence(run).startswith("All 2 results agree")
    assert analysis.all_equal(run)
    run.measurements[1].error = 11.0
    assert not analysis.all_equal(run)
    assert "1 of 2 results are NOT correct (PyTorch)" in analysis.equality_sentence(run)
    run.measurements[1].error, run.measurements[1].exact = 1.0, False
    assert "1 of 2 results are NOT correct (PyTorch)" in analysis.equality_sentence(run)


def test_a_busy_machine_is_warned_of() -> None:
    quiet = results([1.0], [1.0])
    assert analysis.warnings(quiet) == []
    busy = results([1.0], [1.0], machine={**MACHINE, "load_average": 3.0}, threads=4)
    assert len(analysis.warnings(busy)) == 2


def test_geometric_mean() -> None:
    assert geometric_mean([2, 8]) == pytest.approx(4)
    assert geometric_mean([]) is None
