"""A real, short run from the command line, and what the command line refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as entry
from benchmarks import cli
from benchmarks.lenet import digits
from benchmarks.measuring import filtering
from benchmarks.measuring.files import load
from benchmarks.measuring.results import Results
from benchmarks.pooling.results import PoolingResults
from benchmarks.problems.directions import DIRECTIONS
from benchmarks.problems.presets import QUICK
from tests.benchmarks.pages import assert_needs_nothing_but_itself, draw_nothing

# The always present ones, and one library that is absent on some machines.
WHO = "reference,auto,im2col,scipy,opencv"


@pytest.fixture(scope="module", autouse=True)
def _undrawn() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a quick run in all directions, with a picture."""
    folder = tmp_path_factory.mktemp("run") / "results"
    with pytest.MonkeyPatch.context() as patch:
        # no more calls than it takes to have a time, and of pictures as little as fills tiles
        patch.setattr(cli, "QUICK", replace(QUICK, seconds=0.2))
        patch.setattr(filtering, "LONGEST_CALL", 0.02)
        status = cli.main(
            ["--quick", "--layers", "lenet5.6_16_b64", "--backends", WHO]
            + ["--direction", "all", "--threads", "1", "--output", str(folder)]
            + ["--picture", str(folder.parent / "picture.png")]
        )
    assert status == 0
    return folder


def test_the_report_needs_nothing_but_itself(run: Path) -> None:
    assert_needs_nothing_but_itself((run / "report.html").read_text("utf-8"))


def test_the_report_is_drawn_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (run / "report.html").read_text("utf-8")
    assert "#filters" not in page
    assert cli.main(["report", str(run / "results.json")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(run / "report.html")
    assert (run / "report.html").read_text("utf-8") == page


def test_the_report_says_what_was_cut_and_who_is_absent(run: Path) -> None:
    page = (run / "report.html").read_text("utf-8")
    results = load(run / "results.json", Results)
    assert "✂" in page
    for measurement in results.measurements:
        if measurement.is_cut:
            assert measurement.cut_text in page
    for info in results.absent:
        assert info.pip_command in page


def test_everything_was_measured_and_is_correct(run: Path) -> None:
    results = load(run / "results.json", Results)
    timed = [m for m in results.measurements if m.timed]
    assert {m.contestant for m in timed} >= {"reference", "im2col"}
    assert {m.direction for m in timed} == set(DIRECTIONS)
    assert [m for m in results.measurements if m.status == "failed"] == []
    assert all(m.correct for m in timed)
    assert all(photo.same_pixels for photo in results.photos if photo.status == "ok")
    reference = results.find("lenet5.6_16_b64", "forward", "reference")
    assert reference is not None
    assert reference.is_cut
    assert reference.flops < next(i.layer.flops for i in results.layers if "lenet5" in i.name)


def test_results_survive_the_way_through_json(run: Path, tmp_path: Path) -> None:
    results = load(run / "results.json", Results)
    results.save(tmp_path)
    assert load(tmp_path / "results.json", Results) == results
    raw = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert (raw.pop("kind"), raw["format"]) == ("fastconv layers", Results.FORMAT)
    # as files of layers were written before they said what they are
    (tmp_path / "results.json").write_text(json.dumps(raw), "utf-8")
    assert load(tmp_path / "results.json", Results) == results


def test_the_picture_is_a_picture(run: Path) -> None:
    assert (run.parent / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_is_compared_with_itself(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(run / "results.json")
    assert cli.main(["compare", path, path]) == 0
    shown = capsys.readouterr().out
    assert "1.00×" in shown
    assert "not the same" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "resnet50.conv9"], "no layer is called 'resnet50.conv9'; there are resnet50"),
        (["--backends", "im2col,cuda"], "no backend is called 'cuda'; there are reference"),
        (["--threads", "0"], "must be at least 1, not 0"),
        (["--quick", "--full"], "not allowed with"),
        (["--direction", "step,sideways"], "no direction is called 'sideways'; there are forward"),
        (["compare", "no_such.json", "b.json"], "cannot read no_such.json"),
        (["report", "no_such.json"], "cannot read no_such.json"),
        (["--quick", "pooling"], "--quick: pooling does not take it"),
        (["--full", "images"], "--full: images does not take it"),
        (["--layers", "all", "lenet"], "--layers: lenet does not take it"),
        (["--direction", "step", "gallery"], "--direction: gallery does not take it"),
        (["--list", "report", "a.json"], "--list: report does not take it"),
        (["--output", "here", "compare", "a.json", "b.json"], "--output: compare does not take"),
    ],
)
def test_errors_are_clear(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refusal:
        cli.main(arguments)
    assert refusal.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["images"], ["lenet"], ["pooling"]], ids=str)
def test_an_output_that_cannot_be_a_folder_is_an_error(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(digits, "find", lambda: tmp_path)
    monkeypatch.setattr(digits, "load", lambda _: ([], []))
    file = tmp_path / "file"
    file.touch()
    for folder, why in ((file, "File exists"), (file / "below", "Not a directory")):
        with pytest.raises(SystemExit) as refusal:
            cli.main([*command, "--output", str(folder)])
        assert refusal.value.code == 2
        assert f"--output: {folder} cannot be a folder: {why}" in capsys.readouterr().err


def test_a_picture_needs_a_folder_and_layers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = str(tmp_path / "nowhere" / "picture.png")
    for arguments in (
        ["--picture", picture],
        ["--picture", picture, "report", "results.json"],
        ["report", "results.json", "--picture", picture],
        ["gallery", picture],
    ):
        with pytest.raises(SystemExit):
            cli.main(arguments)
        assert f"there is no folder {tmp_path / 'nowhere'}" in capsys.readouterr().err
    PoolingResults("2026-01-01", 1, {}).save(tmp_path)
    with pytest.raises(SystemExit):
        cli.main(["report", str(tmp_path / "pooling.json"), "--picture", str(tmp_path / "a.png")])
    assert "is 'fastconv pooling', the chart is of layers" in capsys.readouterr().err


def test_list_shows_layers_and_contestants(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--list"]) == 0
    shown = capsys.readouterr().out
    assert "vgg16.conv1_2" in shown
    assert "reference" in shown


def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(entry.NEEDED, "no_such_package", "its-name-for-pip")
    assert entry.main() == 2
    assert "pip install its-name-for-pip" in capsys.readouterr().err
