"""The parts of the study beside ladders and maps: columns, bytes, errors, stages, the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.contestants import everybody, find, internals
from benchmarks.measuring.files import load
from benchmarks.measuring.process import Failed
from benchmarks.problems import data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from benchmarks.stages.results import LayerStages, StageResults
from benchmarks.study import call_stages, model, tables
from benchmarks.study.call_stages import StagesPart
from benchmarks.study.columns import Column, ColumnsPart
from benchmarks.study.command import FOLDER
from benchmarks.study.errors import ErrorColumn, ErrorsPart, ErrorsResults
from benchmarks.study.model import ModelPart
from benchmarks.study.parts import PARTS
from benchmarks.study.traffic import TrafficPart
from benchmarks.sweep import command as sweep
from benchmarks.sweep.results import SweepResults, SweepTiming
from tests.benchmarks import made_up
from tests.benchmarks.in_this_process import Inside

compiled = pytest.mark.skipif(not internals.is_compiled(), reason="NumPy computes everything")

HERE = made_up.MACHINE
COLUMNS = (
    Column("auto", "ours", ("auto",)),
    Column("loops", "loops", ("loops*",)),
    Column("pytorch", "PyTorch", ("torch", "torch-channels-last"), compared=True),
    Column("ncnn", "ncnn", ("ncnn",)),
)
PART = ColumnsPart(name="some", direction="forward", layers=(made_up.LAYER,), columns=COLUMNS)
SMALL = [
    Layer("plain", "sweep", 1, 8, 14, 14, 16, 3, padding=1),
    Layer("depthwise", "sweep", 2, 16, 14, 14, 16, 3, padding=1, groups=16),
]


def cells(text: str, first: str) -> list[str]:
    """Return the cells of the row of a table that begins so."""
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {first}")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_parts_rows_and_columns_have_names_of_their_own() -> None:
    assert len({part.name for part in PARTS}) == len(PARTS)
    for part in PARTS:
        if isinstance(part, ColumnsPart | ErrorsPart):
            layers = part.layers if isinstance(part, ColumnsPart) else part.problems
            assert len({layer.name for layer in layers}) == len(layers)
            assert len({column.key for column in part.columns}) == len(part.columns)


@compiled
def test_no_column_is_empty_whoever_is_here() -> None:
    """A kernel that is called otherwise one day would leave its column without a word."""
    for part in PARTS:
        if isinstance(part, ColumnsPart):
            for column in part.columns:
                able = [
                    one.name
                    for one in replace(part, columns=(column,)).contestants()
                    for layer in part.layers
                    if one.refusal(layer, part.direction) is None
                ]
                assert able, (part.name, column)
        if isinstance(part, ErrorsPart):
            for error_column in part.columns:
                able = [
                    one.name
                    for one in everybody()
                    for layer in part.problems
                    if error_column.has(one.name) and one.refusal(layer, part.direction) is None
                ]
                assert able, (part.name, error_column)


@compiled
@pytest.mark.parametrize("name", ["winograd_6x3", "auto-fast", "auto-strict"])
def test_kernels_and_levels_take_part_by_their_names(name: str) -> None:
    contestant = find(name)
    layer = Layer("", "", 1, 16, 14, 14, 16, 3, padding=1)
    assert contestant.refusal(layer, "forward") is None
    slack, is_exact = contestant.promise(layer, "forward")
    assert (slack > 1, is_exact) == ((False, True) if name == "auto-strict" else (True, False))
    arrays = data.make(layer)
    run = contestant.prepare(layer, "forward", arrays, 1)
    usual = find("gemm").prepare(layer, "forward", arrays, 1)
    (found,), (expected,) = run.arrays(run.call()), usual.arrays(usual.call())
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_a_column_has_the_fastest_of_its_own(tmp_path: Path) -> None:
    results = made_up.run(
        {
            "auto": made_up.seconds(60), "loops": made_up.seconds(10),
            "loops_literal": made_up.seconds(20), "torch": made_up.seconds(30),
            "torch-channels-last": made_up.seconds(15),
        }
    )  # fmt: skip
    results.measurements[-1].error = 1e9  # is wrong, and does not count
    results.save(tmp_path, "some.json")
    texts = PART.texts(tmp_path)
    row = cells(texts["some"], made_up.LAYER.name)
    assert row[1:] == ["60", "20", "30", "–", "2.00"]
    assert texts["some.pytorch"] == texts["some.pytorch.least"] == "2.00"
    assert texts["some.ncnn"] == texts["some.ncnn.least"] == "–"
    assert texts[f"some.{made_up.LAYER.name}.loops"] == "20"
    widths = {line.count("|") for line in texts["some"].splitlines() if line.startswith("|")}
    assert widths == {len(COLUMNS) + 3}
    assert "✂" not in texts["some"]
    results.measurements[1].is_cut = results.measurements[2].is_cut = True
    results.save(tmp_path, "some.json")
    assert cells(PART.texts(tmp_path)["some"], made_up.LAYER.name)[2] == "20 ✂"
    assert "✂: a smaller cut" in PART.texts(tmp_path)["some"]


def test_a_chart_of_columns_is_the_same_every_time(tmp_path: Path) -> None:
    made_up.run({"auto": made_up.seconds(60), "torch": made_up.seconds(30)}).save(
        tmp_path, "some.json"
    )
    PART.draw(tmp_path)
    assert not (tmp_path / "some.svg").exists()
    part = replace(PART, drawn=True)
    part.draw(tmp_path)
    drawn = (tmp_path / "some.svg").read_text("utf-8")
    part.draw(tmp_path)
    assert (tmp_path / "some.svg").read_text("utf-8") == drawn
    for text in (made_up.LAYER.name, "ours", "PyTorch", "2.00×", "peak 100"):
        assert f">{text}<" in drawn


def test_bytes_are_those_of_the_layer_and_their_rate_that_of_ours(tmp_path: Path) -> None:
    layer = made_up.LAYER
    part = TrafficPart(name="some", direction="forward", layers=(layer,), columns=COLUMNS)
    made_up.run({"auto": [1e-3]}).save(tmp_path, "some.json")
    texts = part.texts(tmp_path)
    floats = np.prod(layer.x_shape) + np.prod(layer.weight_shape) + np.prod(layer.output_shape)
    moved = 4 * (floats + layer.out_channels)
    row = cells(texts["some"], layer.name)
    assert float(row[-4]) == pytest.approx(layer.flops / moved, rel=0.01)
    assert float(row[-3]) == pytest.approx(moved / 1e6, rel=0.01)
    assert float(row[-2]) == pytest.approx(moved / 1e-3 / 1e9, rel=0.01)
    assert texts["some.memory"] == "15"  # of two threads
    assert float(row[-1]) == pytest.approx(100 * moved / 1e6 / 15, abs=1)
    assert texts[f"some.{layer.name}.share"] == row[-1]
    made_up.run({"torch": [1e-3]}).save(tmp_path, "some.json")
    assert cells(part.texts(tmp_path)["some"], layer.name)[-2:] == ["–", "–"]


SUMS = ErrorsPart(
    name="sums",
    direction="forward",
    problems=tables.LONG_SUMS[:2],
    columns=(
        ErrorColumn("strict", "strict", ("auto-strict",)),
        ErrorColumn("tiles", "tiles", ("winograd_4x*", "winograd_line_4x*")),
        ErrorColumn("nobody", "nobody", ("of tomorrow",)),
    ),
    drawn=True,
)


@pytest.mark.usefixtures("inside")
@compiled
def test_errors_are_measured_named_and_drawn(tmp_path: Path) -> None:
    told: list[str] = []
    SUMS.run(tmp_path, 1, True, lambda text, _: told.append(text))
    assert told == ["3×3, 16", "3×3, 64"]
    results = load(tmp_path / "sums.json", ErrorsResults)
    assert results.all_right
    for one in results.problems:
        assert set(one.errors) == {"auto-strict", "winograd_4x3"}
        assert 0 < one.errors["auto-strict"] < one.errors["winograd_4x3"] < 2e-6
    texts = SUMS.texts(tmp_path)
    assert texts["sums.3x3-16.nobody"] == "–"
    assert cells(texts["sums"], "3×3, 16") == [
        "3×3, 16", texts["sums.3x3-16.strict"], texts["sums.3x3-16.tiles"],
    ]  # fmt: skip
    assert "nobody" not in texts["sums"]
    SUMS.draw(tmp_path)
    drawn = (tmp_path / "sums.svg").read_bytes()
    SUMS.draw(tmp_path)
    assert (tmp_path / "sums.svg").read_bytes() == drawn
    assert b"products that are summed" in drawn
    assert SUMS.is_there(tmp_path, results.machine, 2, quick=True)
    assert not SUMS.is_there(tmp_path, {**HERE, "cpu": "another"}, 2, quick=True)
    assert not replace(SUMS, problems=tables.LONG_SUMS[1:]).is_there(
        tmp_path, results.machine, 2, quick=True
    )


@pytest.mark.usefixtures("inside")
def test_who_fails_at_errors_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: object, task: str, **_: object) -> str:
        if task == "version":
            return "1"
        raise Failed("MemoryError: no room")

    monkeypatch.setattr(Inside, "ask", failing)
    part = replace(SUMS, columns=SUMS.columns[:1])
    part.run(tmp_path, 1, True, lambda *_: None)
    results = load(tmp_path / "sums.json", ErrorsResults)
    assert not results.all_right
    assert "fastconv strict of 3×3, 16: MemoryError: no room" in part.texts(tmp_path)["sums"]


def test_stages_are_shares_of_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "__pyx_f_8fastconv_3isa_4avx2_"
    counts = {f"{name}multiply_data": 750, f"{name}pack_panel": 250}
    part = StagesPart("stages", (made_up.LAYER,))
    one = LayerStages(made_up.LAYER.as_dict(), "gemm_filters", [4e-3, 5e-3, 9e-3], [4e-3], counts)
    one.predicted = {"product": 3e-3, "call": 1e-3}
    results = StageResults("2026-01-01T00:00:00", dict(made_up.MACHINE), [one])
    monkeypatch.setattr(call_stages.stages, "measure", lambda layers, told: results)
    part.run(tmp_path, 2, False, lambda *_: None)
    texts = part.texts(tmp_path)
    row = cells(texts["stages"], made_up.LAYER.name)
    assert row[1:] == ["gemm_filters", "5", "4", "1", "25 %", "75 %"]
    assert texts[f"stages.{made_up.LAYER.name}.product"] == "75 %"
    assert texts[f"stages.{made_up.LAYER.name}.turn"] == "–"
    assert "counted by valgrind" in texts["stages"]
    assert part.is_there(tmp_path, HERE, 2, quick=False)
    assert not part.is_there(tmp_path, {**HERE, "cpu": "another"}, 2, quick=False)
    one.instructions, one.trouble = {}, "valgrind ended"
    results.save(tmp_path, "stages.json")
    text = part.texts(tmp_path)["stages"]
    assert "Without valgrind packing alone is told apart" in text
    assert f"{made_up.LAYER.name}: valgrind ended" in text


def timing(
    problem: str, direction: Direction, backend: str, predicted: float, seconds: float, *,
    chosen: bool = False,
) -> SweepTiming:  # fmt: skip
    return SweepTiming(
        problem, direction, backend, backend, predicted, {"product": predicted}, chosen, [seconds]
    )


def swept(
    path: Path, results: SweepResults, told: Callable[[str, int], None], *, quick: bool
) -> None:
    """Take the turns that are missing as a sweep does, but in no time."""
    turns = [(layer, direction) for direction in results.directions for layer in results.problems]
    assert quick
    try:
        for layer, direction in turns[results.turns :]:
            told(f"{layer.name} {direction}", len(turns))
            results.timings.append(timing(layer.name, direction, "gemm", 2e-3, 1e-3, chosen=True))
            results.turns += 1
    finally:
        results.save(path.parent, path.name)


def test_the_model_s_sweep_goes_on_where_it_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "measure", swept)
    monkeypatch.setattr(model, "problems", lambda _count, _seed: list(SMALL))
    part = ModelPart(name="model.1", threads=1)
    asked: list[str] = []

    def told(text: str, steps: int, last: int = 4) -> None:
        assert steps == 6
        asked.append(text)
        if len(asked) == last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        part.run(tmp_path, 2, True, told)
    begun = load(tmp_path / "model.1.json", SweepResults)
    assert (begun.threads, begun.turns) == (1, 3)
    here = begun.machine
    assert not part.is_there(tmp_path, here, 2, quick=True)
    asked.clear()
    part.run(tmp_path, 2, True, lambda text, steps: told(text, steps, 99))
    was_there = ["what was there"] * 3
    assert asked == [
        *was_there,
        "depthwise input-grad",
        "plain weight-grad",
        "depthwise weight-grad",
    ]
    assert part.is_there(tmp_path, here, 2, quick=True)
    assert not part.is_there(tmp_path, {**HERE, "cpu": "another"}, 2, quick=True)
    assert not ModelPart(name="model.1", threads=2).is_there(tmp_path, here, 2, quick=True)
    whole = load(tmp_path / "model.1.json", SweepResults)
    assert all((len(one.times), one.stages) == (1, {}) for one in whole.timings)
    texts = part.texts(tmp_path)
    assert cells(texts["model.1"], "input-grad")[1] == "2"
    assert cells(texts["model.1"], "all") == ["all", "6", "100 %", "100 %", "0 %", *["100 %"] * 3]
    assert texts["model.1.forward.named"] == "100 %"
    # what is whole, or of other threads, is begun anew
    for again in (part, ModelPart(name="model.1", threads=2)):
        asked.clear()
        again.run(tmp_path, 2, True, lambda text, steps: told(text, steps, 99))
        assert len(asked) == 6
        assert "what was there" not in asked


def test_what_auto_loses_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "problems", lambda _count, _seed: list(SMALL))
    results = SweepResults(
        "2026-01-01T00:00:00", 1, dict(made_up.MACHINE), {}, list(SMALL),
        directions=["forward", "input-grad", "weight-grad"], turns=6,
    )  # fmt: skip
    results.timings = [
        timing("plain", "forward", "gemm", 1e-3, 2e-3, chosen=True),
        timing("plain", "forward", "im2col", 2e-3, 1e-3),
        timing("depthwise", "forward", "depthwise", 1e-3, 1e-3, chosen=True),
    ]
    results.failures = ["loops of plain: MemoryError: no room"]
    results.save(tmp_path, "model.1.json")
    texts = ModelPart(name="model.1", threads=1).texts(tmp_path)
    row = cells(texts["model.1"], "forward")
    assert row[1:] == ["2", "50 %", "50 %", "0 %", "50 %", "50 %", "50 %"]
    assert cells(texts["model.1.losses"], "plain") == ["plain", "gemm", "2", "im2col", "1", "100 %"]
    assert "depthwise" not in texts["model.1.losses"]
    assert "MemoryError" in texts["model.1"]
    assert "input-grad" not in texts["model.1"]
    assert "model.1.input-grad.named" not in texts
    assert json.loads((tmp_path / "model.1.json").read_text("utf-8"))["turns"] == 6


@pytest.mark.parametrize("name", ["pooling.1", "images.1", "network.1", "model.1"])
def test_a_run_is_there_of_this_machine_these_threads_and_this_effort(name: str) -> None:
    part: Any = next(one for one in PARTS if one.name == name)
    there = part.load(FOLDER)
    assert part.is_there(FOLDER, there.machine, 8, quick=False)  # its threads are its own
    assert not part.is_there(FOLDER, there.machine | {"cpu": "another"}, 8, quick=False)
    assert not part.is_there(FOLDER, there.machine, 8, quick=True)
    assert not replace(part, threads=2).is_there(FOLDER, there.machine, 8, quick=False)
    assert not replace(part, name="nowhere").is_there(FOLDER, there.machine, 8, quick=False)
