"""The study says what its data say: markers, parts, resuming, the document in the repository."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import cli
from benchmarks.arguments import UsageError
from benchmarks.compilers.results import CompilersResults
from benchmarks.images.results import ImageResults
from benchmarks.ladder.results import LadderResults
from benchmarks.lenet.results import LenetResults
from benchmarks.maps.results import MapsResults
from benchmarks.measuring.files import ResultsError, load
from benchmarks.measuring.results import Results
from benchmarks.pooling.results import PoolingResults
from benchmarks.stages.results import StageResults
from benchmarks.study import command, markers
from benchmarks.study.errors import ErrorsResults
from benchmarks.study.parts import PARTS, LadderPart, Told
from benchmarks.sweep.results import SweepResults
from tests.benchmarks.made_up_climb import made_up_climb

KINDS: Any = (
    LadderResults, MapsResults, Results, ErrorsResults, SweepResults, StageResults,
    CompilersResults, PoolingResults, ImageResults, LenetResults,
)  # fmt: skip
TEXT = """# A study
<!-- begin table -->
| old |
<!-- end -->
Between <!-- = speed -->1<!-- --> and <!-- = speed -->2<!-- --> lies nothing.
<!-- a remark -->
"""


def test_what_is_between_markers_is_written_anew() -> None:
    texts = {"table": "| new |\n| too |", "speed": "11.1", "another": "0"}
    filled = markers.fill(TEXT, texts)
    assert filled == TEXT.replace("| old |", "| new |\n| too |").replace(">1<", ">11.1<").replace(
        ">2<", ">11.1<"
    )
    assert markers.fill(filled, texts) == filled
    assert markers.names(TEXT) == ["table", "speed", "speed"]
    # what a text says is no pattern
    assert "a\\1b\\g<0>" in markers.fill(TEXT, {"table": "a\\1b\\g<0>", "speed": ""})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- begin table -->\n", "'<!-- begin table -->' has no partner"),
        ("text\n<!-- end -->\n", "'<!-- end -->' has no partner"),
        ("a <!-- = speed -->1 GFLOP/s", "'<!-- = speed -->' has no partner"),
        ("1<!-- --> GFLOP/s", "'<!-- -->' has no partner"),
        ("a <!-- = sped -->1<!-- -->", "no result has 'sped'; near it are speed"),
        ("<!-- begin tables -->\n<!-- end -->", "no result has 'tables'"),
    ],
)
def test_a_marker_is_closed_and_names_what_is_there(text: str, said: str) -> None:
    with pytest.raises(markers.MarkerError, match=re.escape(said)):
        markers.fill(text, {"table": "", "speed": ""})


def test_a_ladder_s_texts_are_the_figures_of_its_file(tmp_path: Path) -> None:
    part = LadderPart("resnet50.conv1")
    results = made_up_climb()
    results.save(tmp_path, f"{part.name}.json")
    texts = part.texts(tmp_path)
    assert texts[f"{part.name}.rows.gflops"] == "10"
    assert texts[f"{part.name}.rows.before"] == "1000"
    assert texts[f"{part.name}.third.before"] == "(1.05)"
    assert texts[f"{part.name}.last.of-peak"] == "47.4 %"
    assert texts[f"{part.name}.noise"] == "7 %"
    table = texts[part.name]
    assert "| 2 rows | a change | 20 | 10 | 10 | 1000 | 0.25 | 1.0 | 1.0e-07 | a bottleneck |" in (
        table
    )
    widths = {line.count("|") for line in table.splitlines() if line.startswith("|")}
    assert widths == {11}
    part.draw(tmp_path)
    drawn = (tmp_path / f"{part.name}.svg").read_bytes()
    part.draw(tmp_path)
    assert (tmp_path / f"{part.name}.svg").read_bytes() == drawn
    here = results.machine
    assert part.is_there(tmp_path, here, 2, quick=False)
    assert not part.is_there(tmp_path, here, 2, quick=True)
    assert not part.is_there(tmp_path, here, 4, quick=False)
    assert not part.is_there(tmp_path, {**here, "cpu": "another"}, 2, quick=False)
    assert not LadderPart("resnet50.conv1", "weight-grad").is_there(tmp_path, here, 2, quick=False)
    (tmp_path / f"{part.name}.json").write_text("{}")
    assert not part.is_there(tmp_path, here, 2, quick=False)


class MadeUp:
    """A part that notes its runs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs = 0
        self.fails = False

    def is_there(self, folder: Path, machine: Mapping[str, Any], threads: int, quick: bool) -> bool:
        return (folder / self.name).exists()

    def run(self, folder: Path, threads: int, quick: bool, told: Told) -> None:
        if self.fails:
            raise KeyboardInterrupt
        for step in range(3):
            told(f"step {step}", 3)
        self.runs += 1
        (folder / self.name).write_text(f"{threads}")

    def draw(self, folder: Path) -> None:
        (folder / f"{self.name}.svg").touch()

    def texts(self, folder: Path) -> dict[str, str]:
        return {self.name: (folder / self.name).read_text()}


def test_an_interrupted_study_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source.md"
    source.write_text("<!-- = one -->?<!-- --> and <!-- = two -->?<!-- -->\n", "utf-8")
    monkeypatch.setattr(command, "DOCUMENT", source)
    document = tmp_path / "STUDY.md"
    parts = MadeUp("one"), MadeUp("two")
    parts[1].fails = True
    options = command.Options(threads=2)
    with pytest.raises(KeyboardInterrupt):
        command.run(tmp_path, document, options, parts)
    assert not document.exists()
    parts[1].fails = False
    assert command.run(tmp_path, document, options, parts) == 0
    assert [part.runs for part in parts] == [1, 1]
    assert document.read_text("utf-8") == "<!-- = one -->2<!-- --> and <!-- = two -->2<!-- -->\n"
    command.run(tmp_path, document, command.Options(3, render=True), parts)
    assert [part.runs for part in parts] == [1, 1]
    command.run(tmp_path, document, command.Options(3, again=True), parts)
    assert [part.runs for part in parts] == [2, 2]
    assert "<!-- = one -->3<" in document.read_text("utf-8")
    assert (tmp_path / "two.svg").exists()
    command.run(tmp_path, document, command.Options(2, again=True, parts="t*"), parts)
    assert [part.runs for part in parts] == [2, 3]
    with pytest.raises(UsageError, match="no part is called 'three'; there are one, two"):
        command.run(tmp_path, document, command.Options(2, parts="three"), parts)


def test_parts_that_were_left_out_are_said_not_to_have_been_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Absent(MadeUp):
        def draw(self, folder: Path) -> None:
            load(folder / self.name, Results)

        texts: Any = draw

    source = tmp_path / "source.md"
    source.write_text("<!-- = one -->?<!-- --> and <!-- = two.speed -->?<!-- -->\n", "utf-8")
    monkeypatch.setattr(command, "DOCUMENT", source)
    document = tmp_path / "STUDY.md"
    parts = MadeUp("one"), Absent("two")
    assert command.run(tmp_path, document, command.Options(2, parts="one"), parts) == 0
    assert document.read_text("utf-8") == source.read_text("utf-8").replace(
        "one -->?", "one -->2"
    ).replace("speed -->?", "speed -->(not run)")
    with pytest.raises(ResultsError, match="cannot read"):
        command.run(tmp_path, document, command.Options(2, render=True), parts)


def test_the_study_in_the_repository_is_what_its_results_say() -> None:
    text = command.DOCUMENT.read_text("utf-8")
    assert command.rendered(text, command.FOLDER) == text
    named = {name.partition(".gflops")[0] for name in markers.names(text)}
    for part in PARTS:
        assert part.name in named, part.name
        path = command.FOLDER / f"{part.name}.json"
        results: Any = load(path, *KINDS)
        assert path.stat().st_size < 300_000
        if isinstance(results, Results):
            # of a library that is not, the time does not count
            libraries = {info.name for info in results.contestants if info.kind == "library"}
            ours = [one for one in results.measurements if one.contestant not in libraries]
            assert all(one.correct for one in ours if one.timed)
        elif isinstance(results, SweepResults):
            assert not results.failures
        elif isinstance(results, ImageResults):
            assert results.all_correct
        elif isinstance(results, StageResults):
            assert not any(one.trouble for one in results.layers)
        else:
            assert results.all_right
        if isinstance(results, LadderResults | MapsResults):
            assert not results.is_quick
            assert path.stat().st_size < 100_000
            assert (command.FOLDER / f"{part.name}.svg").exists()
    for chart in command.FOLDER.glob("*.svg"):
        assert f"results/study/{chart.name}" in text


# Where figures of machines that are gone are told.
HISTORY = "7. What did not work, and what decided", "8. Other instruction sets"
MEASURED = re.compile(r"\d ?(?:GFLOP/s|GB/s|ms|µs)")
CODE = re.compile(r"^```.*?^```$|^    .*?$", re.MULTILINE | re.DOTALL)


def typed_figures(text: str) -> list[str]:
    """Return the paragraphs with measured figures that are typed, and do not say on what machine.

    A list belongs to the paragraph before it.
    """
    found = []
    for chapter in re.split(r"^## ", text, flags=re.MULTILINE):
        if chapter.startswith(HISTORY):
            continue
        for paragraph in re.split(r"\n\n(?!- )", CODE.sub("", chapter)):
            is_measured = MEASURED.search(paragraph) or paragraph.startswith("|")
            if is_measured and "Zen" not in paragraph:
                found.append(paragraph)
    return found


def test_no_figure_is_typed_but_those_of_machines_that_are_named() -> None:
    text = command.DOCUMENT.read_text("utf-8")
    for chapter in HISTORY:
        assert f"\n## {chapter}\n" in text
    typed = markers.fill(text, dict.fromkeys(markers.names(text), "…"))
    assert typed_figures(typed) == []
    assert typed_figures("## 1. One\n\nit reaches 11 GFLOP/s\n") == ["it reaches 11 GFLOP/s\n"]
    assert typed_figures("## 1. One\n\n| a | 3 |\n") == ["| a | 3 |\n"]
    assert typed_figures("What decided, on a Zen 3:\n\n- 11 ms\n\n- 12 ms\n") == []
    assert typed_figures(f"## {HISTORY[0]}\n\nit reached 11 GFLOP/s\n") == []


def test_a_changed_figure_does_not_stay(tmp_path: Path) -> None:
    text = command.DOCUMENT.read_text("utf-8")
    for name in markers.names(text):
        forged = re.sub(
            rf"(<!-- = {re.escape(name)} -->)[^<]*", r"\g<1>forged", text, count=1
        ).replace(f"<!-- begin {name} -->\n", f"<!-- begin {name} -->\nforged\n")
        assert forged != text
        assert command.rendered(forged, command.FOLDER) == text
        break
    with pytest.raises(ResultsError, match="cannot read"):
        command.rendered(text, tmp_path)


def test_a_quick_study_is_not_for_the_repository(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["study", "--quick"])
    assert "--quick: name a folder by --output" in capsys.readouterr().err


def test_a_study_somewhere_else_leaves_the_repository_s_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(command, "run", lambda *arguments: asked.append(arguments) or 0)
    folder = tmp_path / "new"
    assert cli.main(["study", "--quick", "--threads", "2", "--output", str(folder)]) == 0
    assert asked == [(folder, folder / "STUDY.md", command.Options(2, quick=True))]
    assert cli.main(["--threads", "3", "study", "--render"]) == 0
    assert asked[1] == (command.FOLDER, command.DOCUMENT, command.Options(3, render=True))
    assert cli.main(["study", "--threads", "1", "--again", "--parts", "errors*,tiles"]) == 0
    assert asked[2][2] == command.Options(1, again=True, parts="errors*,tiles")
    with pytest.raises(SystemExit):
        cli.main(["study", "--render", "--again"])
