"""The stages of a call: counts are read, functions have their stage, and a run is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import cli
from benchmarks.measuring.files import load
from benchmarks.reporting import figures, report
from benchmarks.stages import chart, counting
from benchmarks.stages.naming import STAGES, by_stage, instruction_sets, stage_of
from benchmarks.stages.results import PACK, REST, LayerStages, StageResults
from tests.benchmarks.made_up import LAYER, MACHINE, run, seconds

KERNELS = Path(__file__).parents[2] / "fastconv" / "kernels"
PREFIX = "__pyx_fuse_0__pyx_f_8fastconv_3isa_4avx2_"

# As callgrind writes it: a name stands once, before it the number that stands for it, and what a
# call cost is no cost of the caller.
COUNTS = f"""version: 1
events: Ir
fn=(1) main
0 12
calls=1 0
0 900
cfn=(2) {PREFIX}multiply_data
fn=(2)
0 700
+3 50
fn=(3) {PREFIX}pack_panel.isra.0
* 100
cfn=(2)
calls=7 0
* 700
0 50
fn=(1)
0 3
"""


def test_counts_are_those_of_a_function_itself() -> None:
    assert counting.counted(COUNTS.splitlines()) == {
        "main": 15,
        f"{PREFIX}multiply_data": 750,
        f"{PREFIX}pack_panel.isra.0": 150,
    }


def test_stages_are_added_up_in_their_order_and_without_what_is_no_kernels() -> None:
    counts = by_stage(counting.counted(COUNTS.splitlines()))
    assert list(counts.items()) == [("pack", 150), ("product", 750)]


def test_functions_of_kernels_have_a_stage() -> None:
    """Each is the one that a reader would say, and the kernels still have functions so called."""
    functions = {
        "copy_band": "band",
        "pack_panel": "pack",
        "transform_taps_of_point": "transform",
        "transform_pixel_lines": "transform",
        "multiply_data": "product",
        "multiply_filter_lanes": "product",
        "multiply_packed_columns": "product",
        "pack_image_columns": "band",
        "finish_panel": "turn",
        "slide_any_plane": "product",
        "turn_pixels": "turn",
        "lay_out_gemm_filters": "other",
        "has_doubt": "other",
    }
    source = "".join(path.read_text("utf-8") for path in KERNELS.rglob("*.pxi"))
    for function, stage in functions.items():
        assert stage_of(f"{PREFIX}{function}") == stage, function
        assert re.search(rf"\b{function}\b", source), function
    assert stage_of("memcpy") is None
    assert instruction_sets(["memcpy", f"{PREFIX}turn_rows"]) == {"avx2"}
    assert stage_of("__pyx_f_8fastconv_3isa_8baseline_turn_rows") == "turn"
    assert stage_of("__pyx_f_8fastconv_3isa_6avx512_turn_rows.constprop.0") == "turn"


def _layer(**changes: object) -> LayerStages:
    found = LayerStages(LAYER.as_dict(), "gemm_filters", [4e-3, 5e-3, 9e-3], [4e-3])
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_time_is_shared_out_by_instructions_or_else_by_difference() -> None:
    counted = _layer(instructions=counting.counted(COUNTS.splitlines()))
    assert counted.measured == pytest.approx({"pack": 5e-3 / 6, "product": 5 * 5e-3 / 6})
    assert _layer().measured == pytest.approx({PACK: 1e-3, REST: 4e-3})
    assert _layer(planned_times=[6e-3]).packing_seconds == 0  # noise


@pytest.mark.parametrize("width", [figures.WIDE, figures.NARROW])
def test_bars_say_what_they_are(width: float) -> None:
    results = StageResults("2026-01-01T00:00:00", MACHINE)
    assert chart.draw(results, width) is None
    results.layers = [_layer(predicted={"product": 4e-3, "of tomorrow": 1e-3})]
    figure = chart.draw(results, width)
    assert figure is not None
    text = figures.svg(figure, "stages")
    assert f"<title>{LAYER.name}, measured, pack: 1 ms, 20% of a call</title>" in text
    assert f"<title>{LAYER.name}, predicted, product: 4 ms, 80% of a call</title>" in text
    assert set(STAGES) <= set(chart.COLOURS)


@pytest.mark.usefixtures("undrawn")
def test_the_report_has_a_section_where_there_was_a_run() -> None:
    layers = run({"auto": seconds(50)})
    assert 'id="stages"' not in report.render(layers, Path("no pictures"))
    results = StageResults("2026-01-01T00:00:00", MACHINE, [_layer(trouble="no valgrind today")])
    page = report.render(layers, Path("no pictures"), stages=results)
    assert 'id="stages"' in page
    assert "by difference" in page
    assert "no valgrind today" in page


@pytest.mark.usefixtures("inside")
def test_a_run_ends_with_the_path_of_its_file_and_is_shown_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(counting, "is_here", lambda: True)
    monkeypatch.setattr(counting, "instructions", lambda _: counting.counted(COUNTS.splitlines()))
    arguments = ["stages", "--layers", "lenet5.6_16_b64", "--output", str(tmp_path)]
    assert cli.main(arguments) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == str(tmp_path / "stages.json")
    assert "product" in shown
    (layer,) = load(tmp_path / "stages.json", StageResults).layers
    assert layer.seconds > 0
    assert "main" not in layer.instructions
    assert cli.main(["report", str(tmp_path / "stages.json")]) == 0
    assert "lenet5.6_16_b64" in capsys.readouterr().out


@pytest.mark.usefixtures("inside")
def test_what_cannot_be_counted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(_: object) -> dict[str, int]:
        raise RuntimeError("valgrind ended with exit code 1: no such instruction")

    monkeypatch.setattr(counting, "is_here", lambda: True)
    monkeypatch.setattr(counting, "instructions", failing)
    arguments = ["stages", "--layers", "mobilenetv2.dw576_14", "--output", str(tmp_path)]
    assert cli.main(arguments) == 1
    assert "no such instruction" in capsys.readouterr().out
