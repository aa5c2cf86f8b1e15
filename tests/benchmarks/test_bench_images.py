"""The benchmark of filters: a short run, what does not count, and the gallery."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from scipy import ndimage

from benchmarks import arguments, cli
from benchmarks.images import cases, command, contestants, gallery, page, table, truth
from benchmarks.images.results import AUTO, ImageResults, Timing
from benchmarks.measuring.files import ResultsError, load
from benchmarks.measuring.machine import usable_cores
from benchmarks.measuring.process import Failed
from benchmarks.measuring.results import ContestantInfo
from tests.benchmarks.made_up import MACHINE, infos, seconds
from tests.benchmarks.made_up import run as a_run_of_layers
from tests.benchmarks.pages import assert_needs_nothing_but_itself
from tests.comparing import assert_within_bounds

WHO = ("fastconv-auto", "fastconv-gaussian", "opencv-filter2d", "ndimage-convolve")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a quick run of some."""
    folder = tmp_path_factory.mktemp("images") / "results"
    with pytest.MonkeyPatch.context() as patch:
        chosen = [contestants.find(name) for name in WHO]
        patch.setattr(command, "all_contestants", lambda: chosen)
        status = cli.main(["images", "--quick", "--threads", "1", "--output", str(folder)])
    assert status == 0
    return folder


def test_everything_was_measured_and_is_right(run: Path) -> None:
    results = load(run / "images.json", ImageResults)
    assert results.threads == 1
    assert results.all_correct
    for case in results.cases:
        assert results.find(case.name, AUTO) is not None
        assert results.chosen[case.name] in ("direct", "separable", "fft")
    assert {timing.contestant for timing in results.timings} >= {*WHO[:2], WHO[3]}


def test_the_page_needs_nothing_but_itself_and_is_drawn_again(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html = (run / "images.html").read_text("utf-8")
    assert_needs_nothing_but_itself(html)
    assert html.count("<svg") == 2  # the curve over two sizes, wide and narrow
    assert cli.main(["report", str(run / "images.json")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(run / "images.html")
    assert (run / "images.html").read_text("utf-8") == html


@pytest.mark.usefixtures("undrawn")
def test_the_report_of_layers_takes_in_the_newest_full_run(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arguments, "RESULTS_FOLDER", tmp_path / "results")
    a_run_of_layers({"auto": seconds(50), "im2col": seconds(20)}).save(tmp_path)
    results = load(run / "images.json", ImageResults)
    for created, preset, cpu in (
        ("2026-01-01T00:00:00", "default", "the first machine"),
        ("2026-01-02T00:00:00", "default", "the second machine"),
        ("2026-01-03T00:00:00", "quick", "a quick one"),
    ):
        folder = tmp_path / "results" / created[:10]
        folder.mkdir(parents=True)
        results.created, results.preset, results.machine["cpu"] = created, preset, cpu
        results.save(folder)
    assert cli.main(["report", str(tmp_path / "results.json")]) == 0
    html = (tmp_path / "report.html").read_text("utf-8")
    assert 'href="#filters"' in html
    assert "one kernel that does not separate" in html.lower()
    assert "2026-01-02, 00:00:00" in html
    assert "on the second machine, load before" in html
    assert "the first machine" not in html
    assert "a quick one" not in html


def test_results_survive_the_way_through_json(run: Path, tmp_path: Path) -> None:
    results = load(run / "images.json", ImageResults)
    results.save(tmp_path)
    assert load(tmp_path / "images.json", ImageResults) == results


def test_what_is_no_result_file(tmp_path: Path) -> None:
    for text, words in (
        ("{}", "not a result file of 'fastconv images', format 1"),
        ("[", "is not JSON"),
        ("[]", "not a result file"),
        (
            '{"kind": "fastconv images", "format": 1, "cases": []}',
            "with other parts: 'contestants'",
        ),
    ):
        (tmp_path / "images.json").write_text(text)
        with pytest.raises(ResultsError, match=words):
            load(tmp_path / "images.json", ImageResults)
    with pytest.raises(ResultsError, match="cannot read"):
        load(tmp_path / "nothing.json", ImageResults)


def made_up() -> ImageResults:
    """Return a run of two, one of whom is wrong on a case, and one who is absent."""
    results = ImageResults("2026-01-01T00:00:00", "quick", 1, MACHINE)
    results.cases = [cases.Case("dense", 32, 3), cases.Case("dense", 32, 5)]
    results.contestants = [
        ContestantInfo(AUTO, "fastconv (auto)", "fastconv", ""),
        ContestantInfo("ndimage-convolve", "ndimage.convolve", "library", ""),
        ContestantInfo("opencv-filter2d", "cv2.filter2D", "library", ""),
    ]
    results.contestants[-1].missing = "cv2 not installed"
    results.contestants[-1].pip_command = "pip install opencv-python-headless"
    results.chosen = {"3×3": "direct", "5×5": "direct"}
    results.timings = [
        Timing("3×3", AUTO, times=[1e-3], error=1.0, allowed_error=12.0),
        Timing("5×5", AUTO, times=[2e-3], error=1.0, allowed_error=28.0),
        Timing("3×3", "ndimage-convolve", times=[3e-3], error=1.0, allowed_error=12.0),
        Timing("5×5", "ndimage-convolve", times=[1e-6], error=29.0, allowed_error=28.0),
    ]
    return results


def shown(results: ImageResults) -> str:
    console = Console(record=True, width=80, highlight=False)
    for case in results.cases:
        table.show_case(results, case, console)
    table.show_end(results, console)
    return console.export_text()


def test_the_time_of_a_wrong_result_does_not_count() -> None:
    results = made_up()
    assert results.ratio("3×3", "ndimage-convolve") == pytest.approx(3)
    assert results.ratio("5×5", "ndimage-convolve") is None
    assert not results.all_correct
    text = shown(results)
    assert "ndimage-convolve is NOT correct" in text
    assert "All results are equal" not in text
    assert "3.00×" in text
    html = page.render(results)
    assert "Not all results are right" in html
    assert "5×5: ndimage.convolve is NOT correct, its time does not count: error 29 u·max" in html
    assert ">wrong</td>" in html
    assert "3.00×" in html


def test_who_is_missing_is_said_with_what_adds_it() -> None:
    text = " ".join(shown(made_up()).split())
    assert "cv2.filter2D: cv2 not installed; to add it: pip install opencv-python-headless" in text
    assert "pip install opencv-python-headless" in page.render(made_up())


def test_a_failure_is_told() -> None:
    results = made_up()
    results.timings[2] = Timing(
        "3×3", "ndimage-convolve", "failed", "MemoryError: no room [at all]"
    )
    assert "failed: MemoryError: no room [at all]" in " ".join(shown(results).split())
    html = page.render(results)
    assert "3×3: ndimage.convolve failed: MemoryError: no room [at all]</p>" in html
    assert ">failed</td>" in html
    assert not results.all_correct


def test_a_failure_in_a_later_turn_is_one_as_well() -> None:
    results = made_up()
    results.timings[-1].error = 1.0
    assert results.all_correct
    results.timings[-1].status, results.timings[-1].reason = "failed", str(Failed("killed"))
    assert not results.all_correct
    assert results.ratio("5×5", "ndimage-convolve") is None
    assert "5×5: ndimage.convolve failed: killed" in page.render(results)


def test_the_truth_is_the_convolution() -> None:
    for case in (*cases.all_cases(quick=True), cases.Case("bank", 40, 5, 3)):
        mode = "reflect" if case.reflects else "constant"
        kernels = case.kernel().reshape(-1, case.size, case.size).astype("f8")
        image = case.image().astype("f8")
        expected = np.stack([ndimage.convolve(image, one, mode=mode) for one in kernels])
        solved = truth.solve(case)
        assert_within_bounds(
            solved.image.reshape(expected.shape), expected, np.full(expected.shape, 50.0), 100
        )
        assert solved.error(solved.image.astype("f4")) <= 1
        with pytest.raises(ValueError, match="result is float64"):
            solved.error(solved.image)
        one_off = np.roll(solved.image, 1, axis=-1).astype("f4")
        assert solved.error(one_off) > truth.allowed_error(case, transforms=True)
        assert solved.error(np.full_like(one_off, np.nan)) == np.inf


@pytest.mark.parametrize("name", [one.name for one in contestants.all_contestants()])
def test_every_contestant_filters_every_case_of_its_families(name: str) -> None:
    contestant = contestants.find(name)
    if contestant.missing():
        pytest.skip(str(contestant.missing()))
    contestant.set_threads(2)
    for case in (*cases.all_cases(quick=True), cases.Case("gaussian", 64, 17, sigma=2.0)):
        if case.family in contestant.families:
            result = contestant.prepare(case, case.image(), case.kernel())()
            error = truth.solve(case).error(result)
            assert error <= truth.allowed_error(case, transforms=contestant.transforms)
    assert contestant.version()


def test_the_widest_table_fits_into_80_columns() -> None:
    results = made_up()
    results.contestants = infos(contestants.all_contestants())
    results.cases = [cases.Case("gaussian", 1024, 17, sigma=0.5)]
    results.chosen = {"σ 0.5": "separable"}
    results.timings = [
        Timing("σ 0.5", one.name, times=[9.876], error=1.0, allowed_error=12.0)
        for one in contestants.all_contestants()
        if "gaussian" in one.families
    ]
    results.timings[0].times = [1.0]
    text = shown(results)
    assert "…" not in text
    assert "9.88×" in text


def test_every_contestant_has_a_colour_and_a_short_name() -> None:
    results = made_up()
    results.contestants = infos(contestants.all_contestants())
    assert len(set(page.colours(results).values())) == len(results.contestants)
    assert {AUTO, *table.SHORT} == {info.name for info in results.contestants}


class TestGallery:
    def test_it_is_a_small_picture(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "gallery.png"
        assert cli.main(["gallery", str(path)]) == 0
        assert capsys.readouterr().out.strip() == str(path)
        assert path.stat().st_size < 400_000
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert picture.width <= 1000

    def test_its_pixels_are_those_of_the_photograph(self) -> None:
        pixels = gallery.pixels(gallery.draw())
        photo = gallery.detail()
        top, left = gallery.TITLE, gallery.MARGIN
        shown = pixels[top : top + gallery.HEIGHT, left : left + gallery.WIDTH]
        assert (shown == photo).all()

    def test_every_filter_is_in_it(self) -> None:
        from fastconv import filters

        called = {exhibit.code.partition("(")[0] for exhibit in gallery.EXHIBITS}
        assert called == {"photo", *filters.__all__}


def test_json_says_what_it_is(run: Path) -> None:
    raw = json.loads((run / "images.json").read_text("utf-8"))
    assert raw["kind"] == "fastconv images"


def test_options_may_stand_before_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def run(*arguments: object, quick: bool) -> int:
        asked.append((*arguments, quick))
        return 0

    monkeypatch.setattr(command, "run", run)
    options = ["--threads", "77", "--quick", "--output", str(tmp_path)]
    assert cli.main(["images", *options]) == cli.main([*options, "images"]) == 0
    assert asked == [(tmp_path, 77, True)] * 2
    assert cli.main(["images", "--output", str(tmp_path)]) == 0
    assert asked[-1] == (tmp_path, usable_cores(), False)
    with pytest.raises(SystemExit):
        cli.main(["images", "--threads", "0"])
    assert "must be at least 1, not 0" in capsys.readouterr().err
