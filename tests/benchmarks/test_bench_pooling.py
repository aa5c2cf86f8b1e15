"""The comparison of poolings: a short run, its file, what does not count, and who is missing."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import fastconv
import reference
from benchmarks import cli
from benchmarks.measuring.files import load
from benchmarks.measuring.process import Failed
from benchmarks.pooling import command, contestants, table, truth
from benchmarks.pooling.problems import DIRECTIONS, POOLINGS, Pooling
from benchmarks.pooling.results import PoolingResults, PoolTiming
from tests.benchmarks import made_up
from tests.benchmarks.in_this_process import Inside

SMALL = (
    Pooling("max", "max", (2, 3, 9, 11), 3, 2, 1),
    Pooling("dense", "max", (2, 3, 9, 8), 3, 1, 1),
    Pooling("avg", "avg", (2, 3, 8, 8), 2, 2),
    Pooling("edges", "avg", (1, 3, 7, 6), 3, 1, 1),
    Pooling("whole", "global", (2, 5, 7, 7), 7, 1),
)
NAMES = [one.name for one in contestants.all_contestants()]


@pytest.mark.parametrize("pooling", POOLINGS, ids=lambda pooling: pooling.name)
def test_shapes_are_those_of_the_functions(pooling: Pooling) -> None:
    x = np.zeros((1, 1, *pooling.x_shape[2:]), np.float32)
    y = fastconv.max_pool2d(x, pooling.kernel, stride=pooling.stride, padding=pooling.padding)
    assert (*pooling.x_shape[:2], *y.shape[2:]) == pooling.output_shape


@pytest.mark.parametrize("pooling", SMALL, ids=lambda pooling: pooling.name)
def test_the_truth_is_the_definition(pooling: Pooling) -> None:
    grad, x = (array.astype("f8") for array in pooling.arrays())
    if pooling.kind == "global":
        expected = reference.global_avg_pool2d(x), reference.global_avg_pool2d_backward(grad, x)
    else:
        window = {"stride": pooling.stride, "padding": pooling.padding}
        forward = getattr(reference, f"{pooling.kind}_pool2d")
        backward = getattr(reference, f"{pooling.kind}_pool2d_backward")
        expected = (
            forward(x, pooling.kernel, **window),
            backward(grad, x, pooling.kernel, **window),
        )
    for solved, array in zip(truth.solve(pooling), expected, strict=True):
        np.testing.assert_allclose(solved.values[0], array, rtol=1e-14, atol=1e-14)
        one_off = np.roll(array, 1, axis=1).astype("f4")
        error, bound = solved.error((one_off,))
        assert error > 100 * bound
        with pytest.raises(ValueError, match="result has shape"):
            solved.error((one_off[0],))


@pytest.mark.usefixtures("inside")
def test_a_short_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(tmp_path, 1, 0.2, SMALL) == 0
    results = load(tmp_path / "pooling.json", PoolingResults)
    assert results.threads == 1
    assert results.poolings == list(SMALL)
    assert [timing.trouble for timing in results.timings if timing.trouble] == []
    present = [info.name for info in results.present]
    assert present[:2] == NAMES[:2]
    assert all(info.version for info in results.present)
    for pooling, name in product(SMALL, present):
        for direction in pooling.directions:
            assert results.find(pooling.name, direction, name) is not None
    shown = capsys.readouterr().out
    assert "All results are equal to float64's" in shown
    assert shown.splitlines()[-1] == str(tmp_path / "pooling.json")
    assert cli.main(["report", str(tmp_path / "pooling.json")]) == 0
    assert capsys.readouterr().out in shown


def made_up_run() -> PoolingResults:
    """Return a run of one pooling, by everyone."""
    results = PoolingResults("2026-01-01T00:00:00", 2, made_up.MACHINE, [POOLINGS[3]])
    results.contestants = made_up.infos(contestants.all_contestants())
    results.timings = [
        PoolTiming(POOLINGS[3].name, direction, name, times=[time], error=1.0, allowed_error=3.0)
        for direction in DIRECTIONS
        for name, time in zip(NAMES, (0.02, 0.01, 0.09, 0.05), strict=True)
    ]
    return results


def shown(results: PoolingResults) -> str:
    console = Console(record=True, width=80, highlight=False)
    table.show(results, console)
    return console.export_text()


def test_the_ratio_is_to_the_better_layout() -> None:
    results = made_up_run()
    assert results.ratio(POOLINGS[3].name, "forward") == pytest.approx(2.5)
    results.contestants = results.contestants[:2]
    assert results.ratio(POOLINGS[3].name, "forward") is None


def test_the_time_of_a_wrong_result_does_not_count() -> None:
    results = made_up_run()
    assert results.all_right
    results.timings[3].error = 4.0
    assert results.ratio(POOLINGS[3].name, "forward") == pytest.approx(4.5)
    assert not results.all_right
    text = " ".join(shown(results).split())
    assert "torch-channels-last is NOT correct, its time does not count: error 4 u·Σ|w||x|" in text
    assert "All results are equal" not in text


def test_a_failure_of_ours_is_told_and_a_library_s_is_its_own() -> None:
    results = made_up_run()
    results.timings[3] = replace(results.timings[3], status="failed", reason="no room [at all]")
    assert "failed: no room [at all]" in " ".join(shown(results).split())
    assert results.all_right
    results.timings[0].status = "failed"
    assert not results.all_right
    assert not PoolingResults("", 2, made_up.MACHINE).all_right


def test_who_is_missing_is_said_with_what_adds_it() -> None:
    results = made_up_run()
    for info in results.contestants[2:]:
        info.missing, info.pip_command = "torch not installed", "pip install torch"
    text = " ".join(shown(results).split())
    added = "PyTorch, PyTorch channels-last: torch not installed; to add it: pip install torch"
    assert added in text


def test_the_widest_table_fits_into_80_columns() -> None:
    results = made_up_run()
    text = shown(results)
    assert "…" not in text
    assert f"{POOLINGS[3].name} ∂x·t max 3×3 s1  20000.0" in text
    widest = max(POOLINGS, key=lambda pooling: len(pooling.name))
    assert widest is POOLINGS[3]
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.usefixtures("inside")
def test_it_ends_with_1_where_everybody_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(self: object, task: str, **_: object) -> str:
        if task == "version":
            return "1"
        raise Failed("MemoryError: no room")

    monkeypatch.setattr(Inside, "ask", ask)
    assert command.run(tmp_path, 1, 0.1, SMALL[:1]) == 1


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_options_may_stand_before_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    asked = []
    monkeypatch.setattr(command, "run", lambda *arguments: asked.append(arguments) or 0)
    folder = tmp_path / "new"
    options = ["--threads", "77", "--output", str(folder)]
    words = [*options, "pooling"] if before else ["pooling", *options]
    assert cli.main([*words, "--seconds", "1"]) == 0
    assert asked == [(folder, 77, 1.0)]
    assert folder.is_dir()


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_time_is_positive(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["pooling", "--seconds", seconds])
    assert f"must be a positive number, not {seconds}" in capsys.readouterr().err
