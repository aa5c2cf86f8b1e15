"""Where a layer lies: the command line, predictions and times, crossovers, places on maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.console import Console

import fastconv
from benchmarks import arguments, cli
from benchmarks.maps.atlas import MAPS
from benchmarks.maps.axes import AXES, FILTERS, IMAGE
from benchmarks.maps.crossovers import Line, along
from benchmarks.maps.where import newest_maps, place, show_places
from benchmarks.problems.layer import Layer
from fastconv import isa
from tests.benchmarks.made_up_maps import made_up_maps, seconds

LAYER = ["--x", "2,8,9,9", "--weight", "8,8,3,3"]


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["where", *words, "--threads", "1"]) == 0
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("inside")
def test_without_maps_all_of_it_is_the_model_s(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = shown(capsys, *LAYER, "--padding", "1")
    assert "2×8×9×9 → 8, 3×3, forward, 1 thread: 0.000187 GFLOP" in text
    for backend in fastconv.backends():
        assert backend in text
    assert "`python -m benchmarks maps` draws some" in text
    assert "measured" not in text.replace("has measured", "")
    explained = fastconv.explain((2, 8, 9, 9), (8, 8, 3, 3), padding=1)
    assert "(auto)" in text  # beside its family, or by itself where that takes another kernel
    assert explained.kernel in text


@pytest.mark.usefixtures("inside")
def test_measured_times_stand_beside_what_was_predicted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = shown(capsys, *LAYER, "--measure", "--direction", "weight-grad", "--stride", "2")
    assert "2×8×9×9 → 8, 3×3 s2, weight-grad" in text
    assert "measured" in text
    assert text.count("%") >= (5 if isa.kernels is not None else 1)
    assert "The maps are of forward passes." in text


def test_it_finds_its_place_on_the_newest_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arguments, "RESULTS_FOLDER", tmp_path)
    assert newest_maps() is None
    for name, created, quick in (
        ("old", "2026-01-01", False), ("new", "2026-01-02", False), ("quick", "2026-01-03", True),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        results = made_up_maps()
        results.created, results.is_quick = created, quick
        results.save(tmp_path / name)
    (tmp_path / "new" / "other").mkdir()
    found = newest_maps()
    assert found is not None
    assert found.created == "2026-01-02"
    console = Console(record=True, width=200, highlight=False)
    show_places(Layer("", "", 1, 16, 28, 28, 60, 1), console)
    text = console.export_text()
    assert "On the maps of 2026-01-02, a processor" in text
    assert "filters 64, channels 16" in text
    assert "filters 64" in text  # in which the cell differs


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--x", "1,8,9,9"], "--weight"),
        (["--x", "1,8,9", "--weight", "8,8,3,3"], "must be four positive numbers"),
        (["--x", "1,8,9,0", "--weight", "8,8,3,3"], "must be four positive numbers"),
        (["--x", "1,8,9,9", "--weight", "8,4,3,3"], "x (1, 8, 9, 9) has 8"),
        (["--x", "1,8,9,9", "--weight", "8,8,12,3"], "kernel"),
        (["--x", "1,8,9,9", "--weight", "8,8,3,3", "--padding", "1,2,3"], "must be N, N,M,"),
        (["--x", "1,8,9,9", "--weight", "8,8,3,3", "--padding", "around"], "same or valid, not ar"),
        (["--x", "1,8,9,9", "--weight", "8,8,3,3", "--stride", "0"], "must be N or N,M, positive"),
        (["--x", "1,8,9,9", "--weight", "8,8,3,3", "--stride", "1,2,3"], "must be N or N,M, pos"),
        (["--x", "1,8,9,9", "--weight", "8,8,3,3", "--dilation", "1,-1"], "must be N or N,M, pos"),
        (["--x", "1,8,9,9", "--weight", "8,8,3,3", "--groups", "3"], "groups"),
        (["--x", "1,8,9,9", "--weight", "8,8,3,3", "--dtype", "float16"], "invalid choice"),
        (["--x", "1,8,9,9", "--weight", "8,8,3,3", "--dilation", "5,1"], "does not fit"),
        (["--x", "999,9999,999,999", "--weight", "9999,9999,1,1"], "of more than 1e+12 no map"),
        (["--x", "1,8,9,9", "--weight", "8,8,3,3", "--direction", "step"], "--direction: one of"),
    ],
)
def test_what_is_no_layer_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["where", *words])
    assert said in capsys.readouterr().err


def test_a_place_is_what_conv2d_makes_of_its_options() -> None:
    for options in (
        {"stride": (2, 1), "padding": ((1, 0), (2, 3)), "dilation": (1, 2), "groups": 4},
        {"padding": "same", "dtype": "float64"},
        {"padding": "same", "stride": (3, 2), "dilation": (2, 1)},
        {"stride": 2, "padding": 1},
    ):
        layer = place((2, 8, 12, 14), (8, 8 // int(options.get("groups", 1)), 3, 2), **options)
        problem = fastconv.ConvProblem.create(layer.x_shape, layer.weight_shape, **options)
        assert layer.output_shape == problem.output_shape
        again = fastconv.ConvProblem.create(
            layer.x_shape, layer.weight_shape, dtype=layer.dtype, **layer.conv_kwargs()
        )
        assert again == problem
        assert layer.flops == problem.flops
        for axis in AXES:  # any other point of a line exists as well, or there is none
            for value in axis.between(2):
                changed = axis.change(layer, value)
                if changed is not None:
                    made = fastconv.ConvProblem.create(
                        changed.x_shape, changed.weight_shape, dtype=changed.dtype,
                        **changed.conv_kwargs(),
                    )  # fmt: skip
                    assert made.output_shape == changed.output_shape


def test_the_name_says_what_is_unusual() -> None:
    assert place((1, 8, 9, 9), (8, 8, 3, 3), padding=1).name == "1×8×9×9 → 8, 3×3"
    layer = place(
        (1, 8, 9, 9), (8, 4, 3, 3), stride=(2, 1), padding=((1, 0), (1, 1)), dilation=2, groups=2,
        dtype="float64",
    )  # fmt: skip
    assert layer.name == "1×8×9×9 → 8, 3×3 s2×1 d2 g2 p1,0,1,1 float64"
    differences = MAPS[2].differences(layer)
    assert {"stride 1", "dilation 1", "groups 1", "float32"} <= set(differences)


@pytest.mark.usefixtures("inside")
def test_what_layers_of_tables_have_not_is_placed_and_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    options = ["--stride", "2,1", "--padding", "1,0,1,1", "--dtype", "float64", "--measure"]
    text = shown(capsys, *LAYER, *options)
    assert "2×8×9×9 → 8, 3×3 s2×1 p1,0,1,1 float64, forward" in text
    assert "measured" in text
    text = shown(
        capsys, *LAYER, "--dilation", "1,2", "--padding", "same", "--direction", "input-grad"
    )
    assert "3×3 d1×2, input-grad" in text


def reckon(layers: Sequence[Layer]) -> Mapping[str, Mapping[str, float]]:
    return {one.name: seconds(one.out_channels, one.in_channels) for one in layers}


def test_the_next_crossover_is_found_along_each_axis() -> None:
    layer = Layer("", "", 1, 8, 28, 28, 16, 1)
    lines = {line.axis.name: line for line in along(layer, reckon)}
    filters = lines[FILTERS.name]
    # filters · channels against 4 channels + filters: loops up to 32 / 7 filters
    assert filters.ahead[16] == "im2col"
    assert filters.next_one(-1) == (4, "loops")
    assert filters.next_one(1) is None
    assert filters.texts() == ("loops, from 4 down", "–", "ahead here")
    assert lines[IMAGE.name].next_one(-1) is None


def test_a_crossover_is_told_to_the_last_filter() -> None:
    # 2 channels: 2 · filters against 8 + filters, and 9 is none of the values of the first look
    assert not {9, 10} & set(FILTERS.between(4))
    layer = Layer("", "", 1, 2, 28, 28, 4, 1)
    filters = next(line for line in along(layer, reckon) if line.axis is FILTERS)
    assert filters.next_one(1) == (9, "im2col")
    assert filters.texts() == ("–", "im2col, from 9 up", "ahead from 9 up")

    def with_gemm(layers: Sequence[Layer]) -> Mapping[str, Mapping[str, float]]:
        return {name: {**found, "gemm": 1e-9} for name, found in reckon(layers).items()}

    filters = next(line for line in along(layer, with_gemm) if line.axis is FILTERS)
    assert filters.texts() == ("–", "–", "ahead of plain loops only, from 9 up")


def test_where_im2col_would_be_ahead_is_told() -> None:
    def line(ahead: dict[int, str], before_loops: dict[int, bool]) -> str:
        return Line(FILTERS, 8, ahead, before_loops).texts()[2]

    nobody = {4: False, 8: False, 16: False}
    assert line({4: "gemm", 8: "gemm", 16: "gemm"}, nobody) == "behind plain loops, 4 to 16"
    assert line({4: "gemm", 8: "gemm", 16: "im2col"}, nobody) == "ahead from 16 up"
    assert line({4: "im2col", 8: "gemm", 16: "gemm"}, nobody) == "ahead from 4 down"
    some = {4: False, 8: False, 16: True}
    assert line({4: "gemm", 8: "gemm", 16: "gemm"}, some) == "ahead of plain loops only, from 16 up"
