"""The ladder: every rung computes the same, and what is said of a climb is in its file."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks import cli
from benchmarks.contestants import internals
from benchmarks.ladder import banded, climb, command, compiling, counting, page, table
from benchmarks.ladder.climber import Climber, all_climbers, find
from benchmarks.ladder.rates import Rates, UnknownRate
from benchmarks.ladder.results import LadderResults, Step, ratio
from benchmarks.ladder.rows import rows
from benchmarks.ladder.rung import BASELINE, DIRECTIONS, Rung
from benchmarks.ladder.rungs import MODULES, RUNGS
from benchmarks.measuring import truth
from benchmarks.measuring.files import load
from benchmarks.problems import data
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from tests.benchmarks.made_up_climb import RATES, made_up_climb
from tests.benchmarks.pages import assert_needs_nothing_but_itself
from tests.walking import in_one_test

# Odd sizes, so that tiles hang over rows and filters are left over; every option; and sums that
# cross a block of channels and of rows.
LAYERS = (
    Layer("plain", "", 1, 5, 9, 11, 9, 3, padding=1),
    Layer("strided", "", 2, 5, 11, 13, 9, 3, stride=2, padding=1),
    Layer("far", "", 1, 6, 9, 14, 10, (3, 2), padding=(2, 1), dilation=2, groups=2),
    Layer("depthwise", "", 1, 4, 8, 8, 4, 3, padding=1, groups=4),
    Layer("sparse", "", 1, 3, 23, 20, 6, 5, stride=3, dilation=2),
    Layer("point", "", 2, 7, 5, 29, 13, 1),
    Layer("one", "", 1, 1, 1, 1, 1, 1),
    Layer("blocks", "", 1, 150, 5, 13, 6, 3, padding=1),
)
CAN_COUNT = shutil.which("valgrind") is not None and sys.platform == "linux"


@pytest.fixture(scope="module", autouse=True)
def study_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Compile in seconds, all at once and without optimisation, into a folder of this run."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTCONV_STUDY_CACHE", str(folder))
        patch.setenv("FASTCONV_BUILD", "quick")
        patch.setenv("CFLAGS", "-g0")
        compiling.extension.cache_clear()
        names = [path.stem for path in compiling.HERE.glob("*.pyx")]
        if not CAN_COUNT:
            names.remove("callgrind")
        compiling.prepare(names, BASELINE)
        yield folder
    compiling.extension.cache_clear()


def _usable(rung: Rung) -> str | None:
    return Climber(1, rung).missing()


@cache
def _solved(layer: Layer, direction: Direction, integers: bool) -> tuple[Data, truth.Truth]:
    arrays = data.make(layer, integers=integers)
    return arrays, truth.solve(layer, arrays, direction)


@in_one_test
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.name)
def test_every_rung_is_the_definition(rung: Rung, layer: Layer) -> None:
    if _usable(rung):
        return  # without a compiler; who says so is tested below
    if rung.name == "definition" and layer.name == "blocks":
        return  # seconds of Python
    for direction, call in rung.calls.items():
        if rung.refusal(layer, direction):
            continue
        slack, sums_exactly = Climber(1, rung).promise(layer, direction)
        for integers in (True, False):
            arrays, solved = _solved(layer, direction, integers)
            result = call(layer, arrays)
            assert result.dtype == np.float32
            error, bound = solved.error((result,))
            assert error <= slack * bound, (direction, integers)
            if integers and sums_exactly:
                assert solved.equals((result,)), direction


def test_who_is_missing_lacks_a_compiler_or_an_instruction_set() -> None:
    reasons = {rung.name: _usable(rung) for rung in RUNGS}
    for name in ("definition", "index im2col", "sliding windows", "shift and add"):
        assert reasons[name] is None
    known = ("cannot be compiled", "has no more than", "no compiled kernels")
    for reason in reasons.values():
        assert reason is None or any(text in reason for text in known)


def test_a_rung_leaves_its_numbers_alone_and_gives_new_ones() -> None:
    layer = LAYERS[0]
    for rung in RUNGS:
        if _usable(rung):
            continue
        arrays, again = data.make(layer), data.make(layer)
        first = rung.calls["forward"](layer, arrays)
        kept = first.copy()
        second = rung.calls["forward"](layer, arrays)
        assert not np.shares_memory(first, second), rung.name
        assert np.array_equal(kept, first), rung.name
        for name, array in vars(arrays).items():
            assert np.array_equal(array, getattr(again, name)), rung.name


def test_each_rung_is_a_short_numbered_file_with_its_idea_at_the_head() -> None:
    for number, module in enumerate(MODULES, start=1):
        assert module.__name__.rpartition(".")[2].startswith(f"r{number:02}_")
        assert module.__doc__
        assert len(module.__doc__.splitlines()) == 1
        assert module.__file__
        assert len(Path(module.__file__).read_text("utf-8").splitlines()) <= 100
    assert len({rung.name for rung in RUNGS}) == len(RUNGS)
    assert {direction for rung in RUNGS for direction in rung.calls} == set(DIRECTIONS)


@in_one_test
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.name)
def test_predictions_come_from_rates_alone(rung: Rung, layer: Layer) -> None:
    for direction in rung.calls:
        if rung.refusal(layer, direction) or (rung.instruction_set not in ("", *RATES.peaks)):
            continue
        assert 0 < rung.seconds(layer, direction, RATES) < 1e3
        with pytest.raises(UnknownRate):
            rung.seconds(layer, direction, Rates())


def test_nothing_in_a_band_is_outside_it() -> None:
    for layer in LAYERS:
        seen = banded.banded(layer, data.make(layer).x)
        _, _, height, width = layer.output_shape
        last = (height - 1) * seen.row + -(-width // 4) * 4 - 1 + int(seen.offsets.max())
        assert (layer.groups - 1) * seen.group + last < seen.image[0].size, layer.name


def test_without_a_compiler_it_is_said_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FASTCONV_STUDY_CACHE", str(tmp_path))
    monkeypatch.setenv("CC", str(tmp_path / "no-such-compiler"))
    compiling.extension.cache_clear()
    with pytest.raises(compiling.CompileError, match=r"tile\.pyx cannot be compiled: no C "):
        compiling.extension("register_tile", "baseline")
    missing = find("register tile").missing()
    assert missing is not None
    assert "no-such-compiler': No such file or directory" in missing
    # one that is there and takes nothing
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'cc: error: no headers' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(compiling.CompileError, match=r"Python's headers: .*error: no headers"):
        compiling.extension("callgrind", "baseline")
    monkeypatch.setattr(compiling, "NEEDED", ("cython", "setuptools-of-tomorrow"))
    with pytest.raises(compiling.CompileError, match=r"setuptools-of-tomorrow: pip install"):
        compiling.extension("register_tile", "baseline")
    compiling.extension.cache_clear()


def test_an_extension_is_compiled_once(study_cache: Path) -> None:
    if _usable(RUNGS[6]):
        pytest.skip("no C compiler")
    first = compiling.extension("packing", "baseline")
    made = list(study_cache.glob("packing-*/packing*"))
    assert len(made) == 1
    written = made[0].stat().st_mtime_ns
    compiling.extension.cache_clear()
    assert compiling.extension("packing", "baseline").__file__ == first.__file__
    assert made[0].stat().st_mtime_ns == written
    assert not list(compiling.HERE.glob("*.c"))


@in_one_test
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_two_sizes_differ_in_the_terms_of_their_sums(layer: Layer, direction: str) -> None:
    for flops in (1e2, 1e5, 1e9):
        small, large = counting.sizes(layer, direction, flops)
        assert large.flops > small.flops
        assert min(small.output_shape) >= 1
        assert large.output_shape[3] == layer.output_shape[3]


@pytest.mark.skipif(not CAN_COUNT, reason="no valgrind")
def test_instructions_are_counted() -> None:
    if counting.missing():
        pytest.skip("valgrind's headers are not here")
    rungs = [rung for rung in RUNGS if rung.name == "register tile"]
    found = counting.count(rungs, LAYERS[0], "forward", "baseline")
    # of an extension without optimisation; a row of 11 costs more than its products
    assert {name: 1 < instructions < 200 for name, instructions in found.items()} == dict.fromkeys(
        (rung.name for rung in rungs if not _usable(rung)), True
    )


def test_a_quick_climb(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # of each kind one: a process takes a second to start
    kinds = ("definition", "rows", "register tile", "threads")
    some = [one for one in all_climbers() if one.rung.name in kinds]
    monkeypatch.setattr(command, "all_climbers", lambda: some)
    layer = Layer("small", "a net", 1, 8, 12, 12, 8, 3, padding=1)
    effort = climb.Effort(seconds=0.3, rounds=2, longest_call=0.01, is_thorough=False)
    assert command.run(tmp_path, layer, "forward", 2, effort) == 0
    results = load(tmp_path / "ladder.json", LadderResults)
    assert [step.trouble for step in results.steps if step.trouble] == []
    assert results.the_layer == layer
    climbed = {step.rung for step in results.climbed}
    assert climbed == {
        one.name
        for one in some
        if not one.is_twin and not one.missing() and not one.refusal(layer, "forward")
    }
    assert all(len(step.times) == 2 for step in results.climbed)
    if internals.is_compiled():
        assert results.noise is not None
        assert {step.threads for step in results.climbed} == {1, 2}
    shown = capsys.readouterr().out
    assert "All results are equal to float64's" in shown
    assert shown.splitlines()[-1] == str(tmp_path / "ladder.html")
    written = (tmp_path / "ladder.html").read_text("utf-8")
    assert cli.main(["report", str(tmp_path / "ladder.json")]) == 0
    assert (tmp_path / "ladder.html").read_text("utf-8") == written
    assert (tmp_path / "ladder.json").stat().st_size < 60_000


def test_a_difference_within_the_noise_is_marked() -> None:
    results = made_up_climb()
    assert results.noise == pytest.approx((0.02 + 1 / 0.9 - 1) / 2)
    first, second, third, last = rows(results)
    assert first.before == "–"
    assert (second.before, second.is_noise) == ("1000", False)
    assert (third.before, third.is_noise) == ("(1.05)", True)
    assert third.predicted == "21"
    assert (third.of_peak, last.of_peak) == ("10.5", "47.4")
    results.steps.pop()
    assert results.noise is None
    assert rows(results)[2].before == "1.05"
    assert "not known" in table.noise_sentence(results)


def test_ratios_are_of_the_same_round_and_of_the_same_work() -> None:
    results = made_up_climb()
    below, step = results.steps[1:3]
    below.times, step.times = [1.0, 10.0, 1.0], [0.5, 5.0, 0.5]
    assert ratio(step, below) == pytest.approx(2)
    step.flops //= 2
    assert ratio(step, below) == pytest.approx(1, rel=1e-6)


def test_a_wrong_result_is_no_rung() -> None:
    results = made_up_climb()
    assert results.all_right
    results.steps[2].exact = False
    assert not results.all_right
    assert [row.name for row in rows(results)] == ["1 definition", "2 rows", "4 last"]
    console = Console(record=True, width=80)
    table.show(results, console)
    text = " ".join(console.export_text().split())
    assert "third is NOT correct, its time does not count" in text
    assert "All results are equal" not in text


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits(width: int) -> None:
    results = made_up_climb()
    results.steps[1].rung = max((rung.name for rung in RUNGS), key=len)
    console = Console(record=True, width=width)
    table.show(results, console)
    text = console.export_text()
    assert results.steps[1].rung in text
    assert "…" not in text
    assert ("a bottleneck" in text) == (width == 140)
    assert max(map(len, text.splitlines())) <= width


def test_the_page_needs_nothing_but_itself_and_says_what_is_missing() -> None:
    results = made_up_climb()
    results.steps.append(Step(5, "AVX-512", "", "", 1, "avx512", "", "unsupported", "not <here>"))
    written = page.render(results)
    assert_needs_nothing_but_itself(written)
    assert "from 0.01 GFLOP/s (definition) to 90 (last)" in written
    assert "not &lt;here&gt;" in written
    assert written.count("<svg") == 2
    results.steps.clear()
    assert "No rung could be climbed" in page.render(results)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--layer", "nobody"], "no layer is called 'nobody'"),
        (["--layer", "vgg16.*"], "one at a time, not vgg16.conv1_1, vgg16.conv1_2"),
        (["--direction", "step"], "one of forward, input-grad, weight-grad"),
        (["--direction", "all"], "one of forward, input-grad, weight-grad"),
    ],
)
def test_what_cannot_be_climbed_is_said(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["ladder", *options])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_options_may_stand_before_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(command, "run", lambda *arguments: asked.append(arguments) or 0)
    options = ["--threads", "3", "--direction", "weight-grad", "--quick", "--output", str(tmp_path)]
    words = [*options, "ladder"] if before else ["ladder", *options]
    assert cli.main([*words, "--layer", "unet.64_256"]) == 0
    ((folder, layer, direction, threads, effort),) = asked
    assert (folder, direction, threads, effort) == (tmp_path, "weight-grad", 3, climb.QUICK)
    assert isinstance(layer, Layer)
    assert layer.name == "unet.64_256"


def test_a_process_has_the_instruction_set_of_its_rung() -> None:
    for climber in all_climbers():
        rung = climber.rung
        expected = {"FASTCONV_ISA": rung.instruction_set}
        if not (rung.backend and rung.instruction_set):
            expected = {}
        assert dict(climber.environment) == expected
    assert "FASTCONV_ISA" not in os.environ or os.environ["FASTCONV_ISA"]
