"""A real, short run from the command line, and what the command line refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import __main__ as entry
from benchmarks import cli
from benchmarks.measuring.results import Results
from benchmarks.problems.directions import DIRECTIONS

# The always present ones, and one library that is absent on some machines.
WHO = "reference,tutorial,auto,im2col,scipy,opencv"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a quick run in all directions, with a picture."""
    folder = tmp_path_factory.mktemp("run") / "results"
    status = cli.main(
        ["--quick", "--layers", "mobilenetv2.dw192_28,lenet5.6_16_b64", "--backends", WHO]
        + ["--direction", "all", "--threads", "1", "--output", str(folder)]
        + ["--picture", str(folder.parent / "picture.png")]
    )
    assert status == 0
    return folder


def test_the_report_needs_nothing_but_itself(run: Path) -> None:
    page = (run / "report.html").read_text("utf-8")
    loaded = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", page)
    assert loaded
    assert all(target.startswith(("data:", "#")) for target in loaded)
    assert "url(http" not in page
    assert "@import" not in page


def test_the_report_says_what_was_cut_and_who_is_absent(run: Path) -> None:
    page = (run / "report.html").read_text("utf-8")
    results = Results.load(run / "results.json")
    assert "✂" in page
    for measurement in results.measurements:
        if measurement.is_cut:
            assert measurement.cut_text in page
    for info in results.absent:
        assert info.pip_command in page


def test_everything_was_measured_and_is_correct(run: Path) -> None:
    results = Results.load(run / "results.json")
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
    results = Results.load(run / "results.json")
    results.save(tmp_path / "again.json")
    assert Results.load(tmp_path / "again.json") == results
    assert json.loads((tmp_path / "again.json").read_text("utf-8"))["format"] == results.format


def test_the_picture_is_a_picture(run: Path) -> None:
    assert (run.parent / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_is_compared_with_itself(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(run / "results.json")
    assert cli.main(["compare", path, path]) == 0
    shown = capsys.readouterr().out
    assert "1.00×" in shown
    assert "not the same" not in shown


def test_the_report_is_drawn_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "report.html").read_text("utf-8")
    assert cli.main(["report", str(run / "results.json")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(run / "report.html")
    assert (run / "report.html").read_text("utf-8") == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "resnet50.conv9"], "no layer is called 'resnet50.conv9'; there are resnet50"),
        (["--backends", "im2col,cuda"], "no backend is called 'cuda'; there are reference"),
        (["--threads", "0"], "must be at least 1, not 0"),
        (["--quick", "--full"], "not allowed with"),
        (["--direction", "step,sideways"], "no direction is called 'sideways'; there are forward"),
        (["compare", "no_such.json", "b.json"], "cannot read no_such.json"),
    ],
)
def test_errors_are_clear(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refusal:
        cli.main(arguments)
    assert refusal.value.code == 2
    assert message in capsys.readouterr().err


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
