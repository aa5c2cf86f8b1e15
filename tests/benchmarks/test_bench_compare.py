"""Comparing two runs: verdicts, what else changed, and files that are not ours."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.measuring.files import ResultsError, load
from benchmarks.measuring.results import Results
from benchmarks.reporting import compare
from tests.benchmarks.made_up import LAYER, MACHINE, run


def pair(before: list[float], after: list[float]) -> compare.Pair:
    return compare.pairs(run({"loops": before}), run({"loops": after}))[0]


def test_verdicts() -> None:
    steady = [1.0, 1.01, 1.02, 1.03, 1.04]
    assert pair(steady, [time / 2 for time in steady]).verdict == "faster"
    assert pair(steady, [time * 2 for time in steady]).verdict == "slower"
    assert pair(steady, [time + 0.01 for time in steady]).verdict == "same"
    assert pair(steady, [time / 2 for time in steady]).ratio == pytest.approx(2)


def test_an_outlier_does_not_change_the_verdict() -> None:
    steady = [1 + n / 100 for n in range(10)]
    assert pair([*steady, 8.0], [*(time / 2 for time in steady), 9.0]).verdict == "faster"


def test_overlapping_times_decide_nothing() -> None:
    assert pair([1.0, 1.5, 2.0] * 3, [0.8, 1.2, 1.9] * 3).verdict == "unclear"


def test_what_is_within_the_noise_of_either_run_decides_nothing() -> None:
    steady = [1.0, 1.01, 1.02, 1.03, 1.04]
    quick = [time / 1.5 for time in steady]
    calm = {"auto": steady, "auto-again": steady}
    busy = {"auto": steady, "auto-again": [time * 1.6 for time in steady]}
    for first, second, verdict in (
        (calm, calm, "faster"),
        (busy, calm, "unclear"),
        (calm, busy, "unclear"),
    ):
        found = compare.pairs(run({"loops": steady, **first}), run({"loops": quick, **second}))
        assert found[0].verdict == verdict


def test_few_calls_decide_nothing() -> None:
    assert pair([1.0], [0.5]).verdict == "unclear"
    assert pair([1.0, 1.01, 1.02], [0.5, 0.51, 0.52]).verdict == "unclear"


def test_different_cuts_are_not_compared() -> None:
    before, after = run({"loops": [1.0]}), run({"loops": [0.1]})
    after.measurements[0].problem = LAYER.cut(1e6).as_dict()
    assert compare.pairs(before, after)[0].verdict == "not comparable"


def test_says_what_else_changed() -> None:
    both = {"loops": [1.0], "torch": [1.0]}
    before = run(both)
    assert compare.differences(before, before) == []
    after = run(both, threads=4, machine={**MACHINE, "cpu": "another"})
    after.contestants[1].version = "3"
    assert compare.differences(before, after) == [
        "processor: a processor → another",
        "threads: 2 → 4",
        "PyTorch: 2 → 3",
    ]


def test_shows_a_table_and_a_line_per_contestant() -> None:
    text = io.StringIO()
    console = Console(file=text, width=120)
    before = run({"loops": [1.0] * 5, "torch": [1.0] * 5})
    compare.show(before, run({"loops": [0.5] * 5, "torch": [1.0] * 5}), console)
    assert "fastconv loops: 2.00× over 1 layer (1 faster)" in text.getvalue()
    assert "PyTorch: 1.00× over 1 layer (1 same)" in text.getvalue()


def test_says_what_only_one_of_them_measured() -> None:
    before = run({"loops": [1.0], "scipy": [1.0], "torch": [1.0], "plan": []})
    after = run({"loops": [1.0], "torch": [1.0]})
    after.measurements[1].status, after.measurements[1].reason = "failed", "killed"
    assert compare.left_out(before, after) == [
        "contestants only before: SciPy",
        f"PyTorch failed after on {LAYER.name}: killed",
    ]
    assert compare.left_out(before, before) == []


@pytest.mark.parametrize("content", ["", "[]", '{"format": 0}'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ResultsError, match=r"other\.json"):
        load(path, Results)
