"""The sweep: its problems, a short run, its file, and what is said of the model and the choice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import fastconv
from benchmarks import cli
from benchmarks.contestants import internals
from benchmarks.measuring.files import load
from benchmarks.measuring.process import Failed
from benchmarks.problems.layer import Layer
from benchmarks.sweep import command, summary, table
from benchmarks.sweep.problems import COUNT, MOST_FLOPS, UNSEEN_SEED, problems
from benchmarks.sweep.results import AGAIN, Point, SweepResults, SweepTiming
from benchmarks.sweep.tasks import SIDES, create
from fastconv import isa
from tests.benchmarks import made_up
from tests.benchmarks.in_this_process import Inside

SMALL = [
    Layer("plain", "sweep", 1, 8, 14, 14, 16, 3, padding=1),
    Layer("depthwise", "sweep", 2, 16, 14, 14, 16, 3, padding=1, groups=16),
]


def test_the_problems_are_of_every_kind_and_always_the_same() -> None:
    layers = problems()
    assert layers == problems()
    assert layers[:12] == problems(12)
    unseen = problems(60, UNSEEN_SEED)
    assert unseen == problems(60, UNSEEN_SEED)
    seen = {layer.name for layer in layers[:60]}
    assert len(seen & {layer.name for layer in unseen}) < 6  # a few shapes are drawn by both
    assert len({layer.name for layer in layers}) == len(layers) == COUNT
    for layer in layers:
        assert layer.flops <= MOST_FLOPS
        problem = fastconv.ConvProblem.create(
            layer.x_shape, layer.weight_shape, **layer.conv_kwargs()
        )
        assert problem.output_shape == layer.output_shape
    for values in (
        {layer.height for layer in layers} >= {7, 14, 28, 56, 112, 224},
        {layer.in_channels for layer in layers} >= {3, 16, 64, 512},
        {layer.out_channels for layer in layers} >= {1, 8, 64, 512},
        {layer.kernel_size for layer in layers} >= {(1, 1), (3, 3), (5, 5), (7, 7), (1, 7)},
        {layer.stride for layer in layers} == {1, 2},
        {layer.batch for layer in layers} == {1, 8, 32},
    ):
        assert values
    depthwise = [layer for layer in layers if layer.groups == layer.in_channels > 1]
    grouped = [layer for layer in layers if 1 < layer.groups < layer.in_channels]
    assert len(depthwise) >= 10
    assert len(grouped) >= 5


@pytest.mark.parametrize("direction", ["forward", "input-grad", "weight-grad"])
def test_everybody_who_is_able_is_a_candidate_on_one_side(direction: internals.Direction) -> None:
    for layer in SMALL:
        found = [
            one
            for on_blas in (False, True)
            for one in internals.candidates(layer, direction, on_blas=on_blas)
        ]
        explanation = fastconv.explain(
            layer.x_shape, layer.weight_shape, direction=direction, **layer.conv_kwargs()
        )
        names = [one.backend for one in found]
        assert len(set(names)) == len(names)
        assert set(names) - {"auto"} == set(explanation.predictions)
        (chosen, *more) = [one for one in found if one.chosen]
        assert chosen.kernel == explanation.kernel
        assert not more or all(one.kernel == chosen.kernel for one in more)
        machine = internals.measure()
        assert all(one.predict(machine).seconds > 0 for one in found)


@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.name)
def test_a_side_samples_its_backends(side: object) -> None:
    tasks = create(getattr(side, "name", ""), 1)
    assert tasks.version() == fastconv.__version__
    timings = tasks.predict(SMALL[0], "forward")
    tasks.prepare(SMALL[0], "forward", [timing.backend for timing in timings])
    assert bool(timings) == (getattr(side, "name", "") == "numpy" or isa.kernels is not None)
    for timing in timings:
        assert 0 < tasks.sample(timing.backend) < 1
        assert timing.times == []
        assert timing.predicted == pytest.approx(sum(timing.stages.values()), rel=1e-2)
    before, after = tasks.rates(), tasks.rates()
    assert after["memory"] >= before["memory"]
    assert after["latency"] <= before["latency"]
    assert set(after) >= {"multiply_adds", "memory", "cache", "product", "latency"}


def test_a_short_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "problems", lambda _count: SMALL)
    assert (
        command.run(tmp_path, command.begun(1, ("forward", "weight-grad"), quick=True), quick=True)
        == 0
    )
    results = load(tmp_path / "sweep.json", SweepResults)
    assert results.threads == 1
    assert results.problems == SMALL
    assert results.failures == []
    assert results.rates["product"]["float32"] > 0
    controls = [one for one in results.timings if one.backend.endswith(AGAIN)]
    assert len(controls) == 4
    for control in controls:
        one = next(first for first, second in results.twins() if second is control)
        assert one.backend == control.backend.removesuffix(AGAIN)
        assert (one.kernel, one.predicted) == (control.kernel, control.predicted)
        assert len(control.times) >= 2
    assert control not in [one for listed in results.by_kernel().values() for one in listed]
    points = results.points()
    assert [(point.layer.name, point.direction) for point in points] == [
        (layer.name, direction) for direction in ("forward", "weight-grad") for layer in SMALL
    ]
    for point in points:
        assert point.chosen is not None
        assert "im2col" in {timing.backend for timing in point.timings}
        assert point.loss(point.winner) == 0
    shown = capsys.readouterr().out
    assert "4 problems, 1 thread" in shown
    assert shown.splitlines()[-1] == str(tmp_path / "sweep.json")
    assert cli.main(["report", str(tmp_path / "sweep.json")]) == 0
    assert capsys.readouterr().out in shown


def timing(backend: str, predicted: float, *times: float, chosen: bool = False) -> SweepTiming:
    return SweepTiming(
        "plain", "forward", backend, backend, predicted, {"product": predicted}, chosen, [*times]
    )


def made_up_run(*timings: SweepTiming) -> SweepResults:
    return SweepResults(
        "2026-01-01T00:00:00", 2, made_up.MACHINE, {}, [*SMALL], [*timings], [], 1.0
    )


def test_a_point_knows_who_won_and_whom_the_model_named() -> None:
    results = made_up_run(
        timing("gemm", 1.0, 2.2, 1.5, chosen=True),
        timing("im2col", 1.3, 1.2, 1.0),
        timing("loops", 9.0),
    )
    (point,) = results.points()
    assert isinstance(point, Point)
    assert [one.backend for one in point.timings] == ["gemm", "im2col"]
    assert point.winner.backend == "im2col"
    assert point.named.backend == "gemm"
    assert point.chosen is point.timings[0]
    assert point.loss(point.named) == pytest.approx(0.5)
    assert point.winner.error == pytest.approx(0.3)
    assert point.named.median == pytest.approx(1.85)
    assert set(results.by_kernel()) == {"gemm", "im2col"}


def test_twins_are_one_and_show_the_noise() -> None:
    results = made_up_run(
        timing("loops", 2.0, 1.0, 1.2),
        timing("loops_rows", 2.0, 1.5, 1.1, chosen=True),
        timing("im2col", 2.5, 1.05),
    )
    ((one, other),) = results.twins()
    assert (one.backend, other.backend) == ("loops", "loops_rows")
    assert summary.noise(results) == [pytest.approx(0.1)]
    (point,) = results.points()
    assert [len(timing.times) for timing in point.timings] == [2, 1]
    assert point.chosen is point.winner is point.named
    assert len(results.timings[0].times) == 2
    # whose times decide nothing show no noise
    results.timings.append(timing("gemm", 3.0, 0.5))
    assert summary.noise(results) == []
    results.timings.pop()
    assert "within 5% of each other on 0% of 1 pair, 10% apart" in " ".join(shown(results).split())


@pytest.mark.parametrize(("again", "is_untold"), [(1.04, True), (1.06, False)])
def test_a_miss_that_the_control_does_not_see_is_told_as_such(
    again: float, is_untold: bool
) -> None:
    results = made_up_run(
        timing("gemm", 0.9, 1.5), timing("gemm" + AGAIN, 0.9, again), timing("im2col", 1.0, 1.0)
    )
    points = results.points()
    assert len(summary.untold(results, points)) == is_untold
    assert ("cannot be told from noise" in " ".join(shown(results).split())) is is_untold
    assert summary.share_close([loss for loss, _ in summary.missed(points)]) == 0
    # nor is anything untold of who is the fastest
    results.timings[-1].times = [1.45]
    assert summary.untold(results, results.points()) == []


class Sampled:
    """A process whose backends take what a list says, one after the other."""

    def __init__(self, **times: list[float]) -> None:
        self.times = {name: iter(listed) for name, listed in times.items()}
        self.asked: list[str] = []

    def ask(self, task: str, backend: str) -> float:
        assert task == "sample"
        self.asked.append(backend)
        return next(self.times[backend])


def test_those_near_the_fastest_have_turns_until_they_are_settled() -> None:
    gemm, pixels = timing("gemm", 1.0, 1.0, 1.2), timing("gemm_pixels", 1.0, 1.05)
    far = timing("loops", 9.0, 1.6)
    process = Sampled(gemm=[1.1, 0.99, 1.0, 9.0], gemm_pixels=[1.06, 1.3, 1.05, 1.2, 9.0])
    results = made_up_run()
    sides: Any = [(process, [gemm, pixels, far])]
    command._settle(results, sides, 60)
    # after the third round the least of either has been met three times
    assert gemm.times == [1.0, 1.2, 1.1, 0.99, 1.0]
    assert pixels.times == [1.05, 1.06, 1.3, 1.05]
    assert "loops" not in process.asked
    assert process.asked.count("gemm") == process.asked.count("gemm_pixels") == 3
    # who is alone, or has had all rounds, has no more
    sides = [(process, [timing("gemm", 1.0, 1.0), far])]
    command._settle(results, sides, 60)
    sides = [(process, [timing("gemm", 1.0, 1.0), timing("gemm_pixels", 1.0, 1.0)])]
    command._settle(results, sides, 0)
    assert len(process.asked) == 6
    # who may yet fall is near from further off, and not any more when that is settled
    process = Sampled(gemm=[1.0, 1.0, 9.0], loops=[1.41, 1.4, 9.0])
    sides = [(process, [timing("gemm", 1.0, 1.0), timing("loops", 9.0, 1.4)])]
    command._settle(results, sides, 60)
    assert sorted(process.asked) == ["gemm", "gemm", "loops", "loops"]


def test_losses_within_a_twentieth_are_none() -> None:
    assert summary.share_close([0.0, 0.05, 0.051, 1.0]) == 0.5
    assert summary.share_close([]) == 1
    results = made_up_run(timing("gemm", 1.0, 1.5), timing("im2col", 1.3, 1.0))
    ((loss, point),) = summary.missed(results.points())
    assert loss == pytest.approx(0.5)
    assert point.named.backend == "gemm"
    assert summary.worst_choices(results.points()) == []  # "auto" was not timed


def test_errors_are_those_of_the_best_times() -> None:
    results = made_up_run(
        timing("gemm", 1.0, 2.0, 4.0), timing("gemm", 1.1, 1.0), timing("gemm", 3.0, 1.0)
    )
    (error,) = summary.kernel_errors(results)
    assert (error.kernel, error.timed) == ("gemm", 3)
    assert error.median == pytest.approx(0.5)
    assert error.bias == pytest.approx(0.1)
    assert error.worst.predicted == 3.0


def shown(results: SweepResults) -> str:
    console = Console(record=True, width=100, highlight=False)
    table.show(results, console)
    return console.export_text()


def test_the_table_lists_what_was_missed_and_what_failed() -> None:
    results = made_up_run(
        timing("gemm", 1.0e-3, 1.5e-3, chosen=True), timing("im2col", 1.3e-3, 1.0e-3)
    )
    results.failures.append("loops of plain: MemoryError [no room]")
    text = " ".join(shown(results).split())
    assert "MemoryError [no room]" in text
    assert "1 problem, 2 threads" in text
    assert "within 5% of it, on 0% of them; what auto takes is on 0%." in text
    assert "plain gemm 1500 im2col 1000 50%" in text
    assert "Predictions are off by 32% in the median" in text
    assert "gemm 1 33% -33% 0.67× plain" in text
    assert "loses" not in shown(made_up_run(timing("gemm", 1.0, 1.0, chosen=True)))
    assert shown(made_up_run()) == ""


def test_the_file_is_compact(tmp_path: Path) -> None:
    results = made_up_run(timing("gemm", 1.0, 1.5))
    results.save(tmp_path)
    text = (tmp_path / "sweep.json").read_text("utf-8")
    assert text.count("\n") == 1
    assert json.loads(text)["timings"][0]["times"] == [1.5]
    assert load(tmp_path / "sweep.json", SweepResults) == results


@pytest.mark.usefixtures("inside")
def test_it_ends_with_1_where_a_backend_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = Inside.ask

    def failing(self: Inside[command.Side], task: str, **arguments: object) -> object:
        if task == "sample" and arguments["backend"] == "im2col":
            raise Failed("MemoryError: no room")
        return ask(self, task, **arguments)

    monkeypatch.setattr(Inside, "ask", failing)
    monkeypatch.setattr(command, "problems", lambda _count: SMALL[:1])
    assert command.run(tmp_path, command.begun(1, quick=True), quick=True) == 1
    results = load(tmp_path / "sweep.json", SweepResults)
    assert results.failures == ["im2col of plain: MemoryError: no room"]
    assert "im2col of plain: MemoryError: no room" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_options_may_stand_before_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    asked = []

    def run(folder: Path, results: SweepResults, *, minutes: float | None, quick: bool) -> int:
        asked.append((folder, results.threads, results.directions, minutes, quick))
        return 0

    monkeypatch.setattr(command, "run", run)
    options = ["--threads", "3", "--output", str(tmp_path), "--quick", "--direction", "all"]
    words = [*options, "sweep"] if before else ["sweep", *options]
    assert cli.main(words) == 0
    assert asked == [(tmp_path, 3, ["forward", "input-grad", "weight-grad"], None, True)]


def test_a_step_is_not_swept(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["sweep", "--direction", "step"])
    assert "--direction: sweep takes single operations, not step" in capsys.readouterr().err


@pytest.mark.usefixtures("inside")
def test_a_sweep_that_ended_early_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "problems", lambda _count: SMALL)
    options = ["sweep", "--threads", "1", "--quick", "--output", str(tmp_path)]
    path = tmp_path / "sweep.json"
    assert cli.main([*options, "--minutes", "1e-9"]) == 1  # nobody was timed
    assert load(path, SweepResults).turns == 0

    measure, asked = command._measure, []

    def interrupted(*arguments: Any, **options: Any) -> None:
        asked.append(arguments[2].name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        measure(*arguments, **options)

    monkeypatch.setattr(command, "_measure", interrupted)
    assert cli.main([*options, "--resume"]) == 130
    first = load(path, SweepResults)
    assert (first.turns, len(first.points())) == (1, 1)

    assert cli.main([*options, "--resume"]) == 0
    assert asked == ["plain", "depthwise", "depthwise"]
    second = load(path, SweepResults)
    assert (second.turns, len(second.points())) == (2, 2)
    assert second.created == first.created
    assert second.seconds > first.seconds
    assert second.timings[0].times == first.timings[0].times
    assert second.rates["memory"] >= first.rates["memory"]
    assert cli.main([*options, "--resume"]) == 0  # there is nothing left to do
    assert len(asked) == 3
    capsys.readouterr()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (["--threads", "2"], "other threads"),
        (["--direction", "weight-grad"], "other directions"),
        ([], "other problems"),
    ],
    ids=["threads", "directions", "problems"],
)
def test_only_the_same_sweep_goes_on(
    tmp_path: Path, changed: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results = command.begun(1, quick=True)
    if not changed:
        results.problems = results.problems[1:]
    results.save(tmp_path)
    options = ["--threads", "1", "--quick", "--resume", "--output", str(tmp_path), *changed]
    with pytest.raises(SystemExit):
        cli.main(["sweep", *options])
    assert f"is a sweep of {reason}" in capsys.readouterr().err


def test_what_is_not_there_does_not_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["sweep", "--resume", "--output", str(tmp_path)])
    assert "--resume: cannot read" in capsys.readouterr().err
