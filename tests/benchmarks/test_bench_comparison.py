"""The study's tables of layers: who is chosen, what a table says, when a part is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.contestants import everybody
from benchmarks.problems.layers import LAYERS
from benchmarks.study import comparison, layers_part
from benchmarks.study.comparison import ComparisonPart, few_taps
from tests.benchmarks import made_up

PART = ComparisonPart(name="some", direction="forward", layers=(made_up.LAYER,))


def test_fewer_multiplications_may_be_at_work_in_small_kernels_at_stride_1() -> None:
    chosen = {layer.name for layer in LAYERS if few_taps(layer)}
    assert {"resnet50.res2_3x3", "googlenet.5x5_35", "inception3.1x7_192_17"} <= chosen
    assert (
        not {
            "resnet50.conv1",
            "resnet50.res2_1x1",
            "resnet50.res3_3x3_s2",
            "mobilenetv2.dw192_28",
            "alexnet.conv1",
        }
        & chosen
    )


def test_a_table_has_ours_the_best_other_and_their_ratios(tmp_path: Path) -> None:
    results = made_up.run(
        {"auto": [2.0, 2.0], "plan": [1.0], "gemm": [4.0], "torch": [3.0], "openvino": [1.5]}
    )
    results.save(tmp_path, "some.json")
    texts = PART.texts(tmp_path)
    (row,) = [line for line in texts["some"].splitlines() if line.startswith("| resnet50")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[4].startswith("OpenVINO")
    assert cells[5:7] == ["1.50", "1.50"]
    assert texts["some.planned"] == texts["some.planned.least"] == "1.50"
    assert texts["some.called"] == "1.50"
    assert texts["some.direct"] == "4.00"
    widths = {line.count("|") for line in texts["some"].splitlines() if line.startswith("|")}
    assert widths == {len(comparison.HEAD) + 1}


def test_where_no_other_is_there_nothing_is_compared(tmp_path: Path) -> None:
    made_up.run({"auto": [2.0]}).save(tmp_path, "some.json")
    texts = PART.texts(tmp_path)
    assert texts["some.planned"] == texts["some.planned.least"] == "–"
    assert "| – | – | – |" in texts["some"]


@pytest.mark.parametrize(
    ("cpu", "threads", "quick", "there"),
    [
        ("a processor", 2, False, True),
        ("a processor", 2, True, False),
        ("a processor", 1, False, False),
        ("another", 2, False, False),
    ],
)
def test_a_part_is_there_for_one_machine_threads_and_effort(
    tmp_path: Path, cpu: str, threads: int, quick: bool, there: bool
) -> None:
    assert not PART.is_there(tmp_path, {**made_up.MACHINE, "cpu": cpu}, threads, quick)
    results = made_up.run({"auto": [2.0]})
    results.preset = "study"
    results.save(tmp_path, "some.json")
    assert PART.is_there(tmp_path, {**made_up.MACHINE, "cpu": cpu}, threads, quick) is there


def test_threads_of_its_own_are_not_the_study_s(tmp_path: Path) -> None:
    part = ComparisonPart(name="some", direction="forward", layers=PART.layers, threads=2)
    results = made_up.run({"auto": [2.0]})
    results.preset = "study"
    results.save(tmp_path, "some.json")
    assert part.is_there(tmp_path, made_up.MACHINE, 8, quick=False)


@pytest.mark.usefixtures("inside")
def test_a_quick_run_is_measured_and_says_who_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = [one for one in everybody() if one.name in ("auto", "winograd_4x3")]
    monkeypatch.setattr(layers_part, "everybody", lambda: some)
    monkeypatch.setattr(comparison, "OURS", ("auto", "winograd*"))
    told: list[tuple[str, int]] = []
    layers = tuple(layer for layer in LAYERS if layer.name == "lenet5.6_16_b64")
    part = ComparisonPart(name="some", direction="forward", layers=layers, threads=1)
    part.run(tmp_path, 2, True, lambda text, steps: told.append((text, steps)))
    part.draw(tmp_path)
    assert len(told) == told[0][1]
    results = part.load(tmp_path)
    assert "1 thread, forward" in part.texts(tmp_path)["some"]
    assert ", a quick run;" in part.texts(tmp_path)["some"]
    assert [info.label for info in results.present] == [one.label for one in some]
    # nobody who refused, and no times that no table tells
    (measurement,) = results.measurements
    assert (measurement.contestant, len(measurement.times)) == ("auto", 3)
    assert part.is_there(tmp_path, results.machine, 2, quick=True)
    assert not replace(part, layers=(made_up.LAYER,)).is_there(
        tmp_path, results.machine, 2, quick=True
    )


def test_who_was_not_there_is_named(tmp_path: Path) -> None:
    results = made_up.run({"auto": [2.0], "torch": [3.0], "openvino": []})
    results.contestants[2].missing = "openvino not installed"
    results.save(tmp_path, "some.json")
    text = PART.texts(tmp_path)["some"]
    assert "Here were PyTorch 2." in text
    assert "Not here: OpenVINO (openvino not installed)." in text
