"""The maps: their axes and layers, a short run, who is ahead, lines, page and study."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import cli
from benchmarks.maps import charts, command, page, regions, table
from benchmarks.maps.atlas import BY_NAME, MAPS, WAYS, Map
from benchmarks.maps.axes import AXES, CHANNELS, FILTERS, IMAGE, KERNEL, PER_GROUP, WIDTH
from benchmarks.maps.part import MapsPart
from benchmarks.maps.results import Cell, MapsResults
from benchmarks.maps.tasks import SIDES, create
from benchmarks.measuring import machine
from benchmarks.measuring.files import load
from benchmarks.measuring.process import Failed
from benchmarks.problems.layer import Layer
from benchmarks.study.markers import fill
from fastconv import ConvProblem, isa
from fastconv.planning import FAMILIES
from tests.benchmarks import made_up
from tests.benchmarks.in_this_process import Inside
from tests.benchmarks.made_up_maps import MAP, made_up_maps
from tests.benchmarks.pages import assert_needs_nothing_but_itself

LAYER = Layer("a layer", "a test", 1, 64, 28, 28, 64, 3, padding=1)


def test_every_point_of_a_map_is_a_layer_with_the_values_of_its_place() -> None:
    assert len({one.name for one in MAPS}) == len(MAPS)
    for one in MAPS:
        for y in one.y.between(regions.PARTS):
            for x in one.x.between(regions.PARTS):
                layer = one.layer(x, y)
                if layer is None:
                    assert one.name == "groups"
                    continue
                assert (one.x.of(layer), one.y.of(layer)) == (x, y), one.name
                assert one.cell(layer)[0] in one.x.values
                problem = ConvProblem.create(
                    layer.x_shape, layer.weight_shape, **layer.conv_kwargs()
                )
                assert problem.output_shape == layer.output_shape
                assert layer.name == layer.shape_text()


def test_values_of_cells_lie_at_whole_numbers_and_others_between_them() -> None:
    for axis in AXES:
        assert [axis.place(value) for value in axis.values] == list(range(len(axis.values)))
        fine = axis.between(4)
        assert set(axis.values) <= set(fine)
        assert list(fine) == sorted(set(fine))
        places = [axis.place(value) for value in fine]
        assert places == sorted(places)
    assert FILTERS.place(2) == pytest.approx(0.5)
    assert FILTERS.place(10**6) == len(FILTERS.values) - 1
    assert KERNEL.between(4) == KERNEL.values
    assert all(value % 7 == 0 for value in IMAGE.between(4) if value > 14)


def test_an_axis_changes_what_it_is_called_after_and_keeps_the_rest() -> None:
    wide = dataclasses.replace(LAYER, height=10, width=20)
    changed = IMAGE.change(wide, 5)
    assert changed is not None
    assert changed.x_shape == (1, 64, 5, 10)
    assert IMAGE.change(dataclasses.replace(LAYER, padding=0), 2) is None  # no window fits
    bigger = KERNEL.change(LAYER, 7)
    assert bigger is not None
    assert bigger.output_shape == LAYER.output_shape
    depthwise = dataclasses.replace(LAYER, groups=64)
    wider = WIDTH.change(depthwise, 96)
    assert wider is not None
    assert wider.groups == 96
    assert FILTERS.change(dataclasses.replace(LAYER, groups=32), 48) is None
    grouped = PER_GROUP.change(LAYER, 16)
    assert grouped is not None
    assert grouped.groups == 4
    assert PER_GROUP.change(LAYER, 48) is None


def test_a_map_knows_the_nearest_cell_of_any_layer_and_in_what_they_differ() -> None:
    by_name = {one.name: one for one in MAPS}
    three = by_name["channels-filters-3x3"]
    assert three.cell(dataclasses.replace(LAYER, in_channels=500)) == (128, 512)
    assert by_name["image-channels"].cell(LAYER) == (28, 64)
    assert by_name["image-channels"].differences(LAYER) == []
    far = dataclasses.replace(LAYER, batch=8, stride=2, dilation=2, height=30)
    assert by_name["image-channels"].differences(far) == [
        "image 28×28", "batch 1", "stride 1", "dilation 1",
    ]  # fmt: skip


def test_the_ways_are_backends_told_apart_by_letter_and_colour() -> None:
    assert set(BY_NAME) == {family.name for family in FAMILIES} - {"loops_rows", "loops_literal"}
    assert len({way.letter for way in WAYS}) == len({way.colour for way in WAYS}) == len(WAYS)


def test_a_side_reckons_for_both_and_calls_with_cold_caches() -> None:
    for side in SIDES:
        tasks = create(side.name, 1)
        (seconds,) = tasks.reckon([LAYER], "forward")
        everybody = tasks.everybody(LAYER, "forward")
        assert {one.backend for one in everybody} == set(seconds)
        for one in everybody:
            assert one.predicted == pytest.approx(sum(one.stages.values()))
            assert one.predicted == pytest.approx(seconds[one.backend], rel=0.01)
        mine = "im2col" if side.name == "numpy" else "gemm"
        if mine == "gemm" and isa.kernels is None:
            continue
        tasks.prepare(LAYER, "forward", [mine])
        assert min(tasks.cold(mine)) > 0
    assert tasks.columns(LAYER) > 0


SMALL = Map(
    "channels-filters-3x3", "a small one", FILTERS.among(1, 8), CHANNELS.among(1, 8, grain=0),
    dataclasses.replace(LAYER, height=7, width=7),
)  # fmt: skip


@pytest.mark.usefixtures("inside")
def test_a_short_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "describe", lambda: made_up.MACHINE)  # which takes a second
    monkeypatch.setattr(command, "COLUMNS", ("resnet50.res5_3x3",))
    monkeypatch.setattr(command, "CACHES", ("mobilenetv2.dw576_14",))
    told: list[tuple[str, int]] = []
    threads = dataclasses.replace(SMALL, name="image-channels-threads", all_threads=True)
    results = command.measure(
        2, lambda text, steps: told.append((text, steps)), quick=True, maps=(SMALL, threads)
    )
    assert results.failures == []
    assert len(told) == told[0][1] == 10
    assert [(cell.x, cell.y) for cell in results.of(SMALL.name)] == [(1, 1), (8, 1), (1, 8), (8, 8)]
    for cell in results.cells:
        assert set(cell.times) <= set(cell.predicted) <= set(BY_NAME)
        assert "im2col" in cell.times
        assert cell.winner in cell.times
        (twice,) = cell.again
        assert twice in cell.times
    fine = results.regions[SMALL.name][regions.ALL]
    assert [len(line) for line in fine] == [len(SMALL.x.between(4))] * 2
    (columns,) = results.columns
    assert columns.columns_bytes == 9 * columns.image_bytes
    assert {one.layer for one in results.caches} == {"mobilenetv2.dw576_14"}
    results.save(tmp_path)
    assert load(tmp_path / "maps.json", MapsResults) == results
    assert cli.main(["report", str(tmp_path / "maps.json")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "maps.html")


def test_one_thread_has_no_map_of_all_threads() -> None:
    names = [one.name for one in MAPS if one.all_threads]
    assert names == ["image-channels-threads"]
    told: list[int] = []
    only = tuple(one for one in MAPS if one.all_threads)
    results = command.measure(
        1, lambda _text, steps: told.append(steps), quick=True, maps=only
    )  # fmt: skip
    assert results.cells == []
    assert not results.all_right


@pytest.mark.usefixtures("inside")
def test_a_failure_is_told_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Inside.ask

    def failing(self: Inside[command.Side], task: str, **arguments: object) -> object:  # type: ignore[name-defined]
        if task == "sample" and arguments["backend"] == "im2col":
            raise Failed("MemoryError: no room")
        return ask(self, task, **arguments)

    monkeypatch.setattr(Inside, "ask", failing)
    monkeypatch.setattr(machine, "describe", lambda: made_up.MACHINE)
    monkeypatch.setattr(command, "COLUMNS", ())
    monkeypatch.setattr(command, "CACHES", ())
    one = dataclasses.replace(SMALL, x=SMALL.x.among(8), y=SMALL.y.among(8))
    results = command.measure(1, lambda *_: None, quick=True, maps=(one,))
    assert results.failures == ["im2col of 1×8×7×7 → 8, 3×3: MemoryError: no room"]
    assert not results.all_right


def test_who_is_ahead_and_by_how_much() -> None:
    cell = Cell("a map", 1, 1, {"gemm": 1.0, "im2col": 1.04, "loops": 3.12},
                {"gemm": 2.0, "im2col": 1.0, "loops": 1.5, "winograd": 0.1})  # fmt: skip
    assert (cell.winner, cell.named, cell.lead) == ("gemm", "im2col", 1.04)
    assert cell.is_named  # within noise
    assert cell.im2col_to_loops == pytest.approx(3)
    alone = Cell("a map", 1, 1, {"gemm": 1.0}, {"gemm": 2.0})
    assert (alone.lead, alone.im2col_to_loops) == (None, None)
    nobody = Cell("a map", 1, 1, {}, {"gemm": 2.0, "im2col": 1.0})
    assert (nobody.winner, nobody.named, nobody.lead) == ("im2col", "im2col", None)


def test_a_lead_within_the_noise_is_none() -> None:
    """The control: the same calls, as somebody else."""
    results = made_up_maps()
    one = MAPS[0]
    leads = (1.04, 1.2, 1.4)
    results.cells = [
        Cell(one.name, 8, y, {"gemm": 1.0, "im2col": lead}, {"gemm": 1.0})
        for y, lead in zip(one.y.values, leads, strict=False)
    ]
    assert results.noise(all_threads=False) is None
    assert table.noise(results) == ""
    assert [results.is_close(one, cell) for cell in results.cells] == [True, False, False]
    for cell in results.cells:
        cell.again = {"gemm": 1.25 if cell.lead == 1.4 else 1.01}
    assert [results.is_close(one, cell) for cell in results.cells] == [True, True, False]
    assert table.noise(results) == (
        "In each cell one took part twice, as two like all others; these differ with 1 thread by "
        "1.0 % typically, and by no more than 25.0 % in 19 of 20. Who leads by less has a paler "
        "cell."
    )


def test_letters_are_of_who_is_reckoned_to_be_ahead() -> None:
    results = made_up_maps()
    letters = results.regions[MAP.name]
    # one channel: a product of filters and channels against a sum
    assert letters[regions.ALL][0].startswith("L")
    assert letters[regions.ALL][-1].endswith("I")
    assert set("".join(letters[regions.COLUMNS_OR_LOOPS])) == {"L", "I"}
    assert regions.lines([[None]], {}) == {
        regions.ALL: ["."], regions.COLUMNS_OR_LOOPS: ["."],
    }  # fmt: skip


def test_a_map_in_numbers() -> None:
    results = made_up_maps()
    (row,) = table.rows(results)
    assert row.timed == 35
    assert sum(row.wins.values()) == 35
    assert row.named == 35
    assert row.columns_or_loops == 35
    # filters · channels against 4 channels + filters, with one channel or up to 4 filters
    assert row.wins == {"im2col": 19, "loops": 16}
    assert row.columns_first == 19
    assert row.columns_close == 24  # five more are as fast as loops, but for noise
    console = Console(record=True, width=200, highlight=False)
    results.failures.append("MemoryError [no room]")
    table.show(results, console)
    shown = console.export_text()
    assert "MemoryError [no room]" in shown
    assert f"im2col is ahead of plain loops on {row.columns_first} of 35 layers" in shown
    assert table.sentence(MapsResults("", 1, False, {})) == "Nobody was timed."


def test_what_the_model_gets_wrong_is_listed_worst_first() -> None:
    results = made_up_maps()
    assert table.misses(results) == []
    assert "Where the model is wrong" not in page.render(results)
    for cell, seconds in zip(results.cells[:2], (2e-4, 1e-4), strict=True):
        cell.times["gemm"] = seconds
    first, second = table.misses(results)
    assert (first, second) == (results.cells[1], results.cells[0])
    assert first.loss == pytest.approx(39)
    shown = [MAP.title, "filters 4, channels 1", "loops", "gemm", "3900%"]
    assert table.miss_cells(results, first) == shown
    assert "<td>3900%</td>" in page.render(results)


def test_the_page_needs_nothing_but_itself_and_tells_every_cell() -> None:
    results = made_up_maps()
    html = page.render(results)
    assert_needs_nothing_but_itself(html)
    assert html.count("<svg") == 5  # a map, and two charts for wide and for narrow windows
    titles = re.findall(r"<title>(.*?)</title>", html)
    assert sum("channels " in title for title in titles) == 36
    assert "filters 4, channels 1: loops 4 ms (4 ms predicted), im2col 8 ms (8 ms predicted)" in (
        html
    )
    assert "filters 1024, channels 1024: not timed; the model has im2col ahead" in html
    assert "resnet50.res2_3x3, gemm: 1.5 times" in html
    empty = MapsResults("2026-01-01T00:00:00", 1, True, results.machine)
    assert "Nobody was timed." in page.render(empty)


def test_lines_are_drawn_where_letters_change() -> None:
    results = made_up_maps()

    def lines() -> int:
        (axes,) = charts.draw(results, MAP).axes
        return sum(len(path.vertices) for one in axes.collections for path in one.get_paths())

    assert lines() > 0
    results.regions[MAP.name] = {regions.ALL: ["I"]}  # of other values in between
    assert lines() == 0


def test_a_study_s_texts_are_the_figures_of_its_file(tmp_path: Path) -> None:
    part, results = MapsPart(), made_up_maps()
    results.save(tmp_path)
    texts = part.texts(tmp_path)
    (row,) = table.rows(results)
    assert texts[f"maps.{MAP.name}.im2col-ahead-of-loops"] == f"{row.columns_first} of 35"
    assert texts["maps.columns.resnet50.res2_3x3.times"] == "9"
    assert texts["maps.columns.resnet50.res2_3x3.rate"] == "7.23"
    assert texts["maps.caches.resnet50.res2_3x3.gemm"] == "1.5"
    widths = {line.count("|") for line in texts["maps"].splitlines() if line.startswith("|")}
    assert widths == {len(table.COLUMNS) + 1}
    assert "35 of 35" in fill("<!-- begin maps -->\n<!-- end -->", texts)
    assert texts["maps-misses"].count("\n") == 1  # the head alone
    part.draw(tmp_path)
    drawn = [(tmp_path / f"maps{name}.svg").read_bytes() for name in ("", "-columns", "-caches")]
    part.draw(tmp_path)
    assert (tmp_path / "maps.svg").read_bytes() == drawn[0]
    here = results.machine
    assert part.is_there(tmp_path, here, 2, quick=False)
    assert not part.is_there(tmp_path, here, 1, quick=False)
    assert not part.is_there(tmp_path, here, 2, quick=True)
    assert not part.is_there(tmp_path / "nowhere", here, 2, quick=False)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_options_may_stand_before_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    asked = []
    monkeypatch.setattr(
        command, "run", lambda *arguments, quick: asked.append((*arguments, quick)) or 0
    )
    options = ["--threads", "3", "--output", str(tmp_path), "--quick"]
    assert cli.main([*options, "maps"] if before else ["maps", *options]) == 0
    assert asked == [(tmp_path, 3, True)]
