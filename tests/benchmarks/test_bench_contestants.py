"""Every contestant that is here computes convolution, and says what it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache, partial

import numpy as np
import pytest

import fastconv
from benchmarks.contestants import Contestant, all_contestants, find
from benchmarks.contestants.base import Arrays
from benchmarks.contestants.ours import chosen
from benchmarks.measuring import tasks, truth
from benchmarks.measuring.process import Process
from benchmarks.problems import data
from benchmarks.problems.directions import DIRECTIONS, Direction
from benchmarks.problems.layer import Layer
from benchmarks.problems.layers import LAYERS
from tests.walking import in_one_test

CONTESTANTS = all_contestants()
# One of each kind, small enough for the naive reference.
NAMES = (
    "resnet50.conv1",
    "resnet50.res4_1x1",
    "mobilenetv2.dw192_28",
    "mobilenetv2.dw96_112_s2",
    "resnext50.g32_128_56",
    "deeplab.d2_256_28",
    "lenet5.6_16_b64",
    "inception3.7x1_192_17",
)
SMALL = [layer.cut(1e5) for layer in LAYERS if layer.name in NAMES]


@pytest.fixture
def threads_as_before() -> Iterator[None]:
    before = fastconv.get_num_threads()
    yield
    fastconv.set_num_threads(before)


@pytest.mark.usefixtures("threads_as_before")
@pytest.mark.parametrize("contestant", CONTESTANTS, ids=lambda contestant: contestant.name)
def test_results_are_within_their_bound(contestant: Contestant) -> None:
    if contestant.missing():
        pytest.skip(str(contestant.missing()))
    if contestant.kind != "library":
        contestant.set_threads(1)
        check_all(contestant, partial(outputs_here, contestant))
        return
    # In a process of its own as in a run: libraries change the process that loads them.
    with closing(Process(contestant, threads=1)) as process:
        check_all(contestant, partial(outputs_there, process))


def outputs_here(contestant: Contestant, layer: Layer, direction: Direction) -> Arrays:
    run = contestant.prepare(layer, direction, data.make(layer), 1)
    return run.arrays(run.call())


def outputs_there(process: Process[Contestant], layer: Layer, direction: Direction) -> Arrays:
    answer: tasks.FirstCall = process.ask("prepare", layer=layer, direction=direction)
    return answer.outputs


def check_all(contestant: Contestant, compute: Callable[[Layer, Direction], Arrays]) -> None:
    """Compare all problems that a contestant does with their truth."""
    for direction in DIRECTIONS:
        for layer in SMALL:
            if not contestant.refusal(layer, direction):
                error, bound = true_answer(layer, direction).error(compute(layer, direction))
                slack, _ = contestant.promise(layer, direction)
                assert error <= slack * bound, (layer.shape_text(), direction)


@cache
def true_answer(layer: Layer, direction: Direction) -> truth.Truth:
    """Return what all contestants are compared with."""
    return truth.solve(layer, data.make(layer), direction)


@in_one_test
@pytest.mark.parametrize("contestant", CONTESTANTS, ids=lambda contestant: contestant.name)
def test_everyone_does_some_layer(contestant: Contestant) -> None:
    problems = [(layer, direction) for layer in SMALL for direction in DIRECTIONS]
    assert not all(contestant.refusal(*problem) for problem in problems)


@in_one_test
@pytest.mark.parametrize("contestant", CONTESTANTS, ids=lambda contestant: contestant.name)
def test_is_described(contestant: Contestant) -> None:
    assert find(contestant.name).name == contestant.name
    assert contestant.label
    assert contestant.about
    assert contestant.rough_gflops > 0
    if contestant.kind == "library":
        assert contestant.pip_command().startswith("pip install ")


def test_names_are_unique() -> None:
    names = [contestant.name for contestant in CONTESTANTS]
    assert len(set(names)) == len(names)


def test_an_absent_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    contestant = find("onnxruntime")
    monkeypatch.setattr(type(contestant), "packages", ("no_such_library", "onnx_not_either"))
    assert contestant.missing() == "no_such_library and onnx_not_either not installed"


def test_who_cannot_says_why() -> None:
    grouped: Layer = next(layer for layer in LAYERS if layer.groups > 1)
    assert find("tutorial").refusal(grouped, "forward") == "neither groups nor dilation"
    assert find("scipy").refusal(grouped, "step") == "no gradients"
    assert find("opencv").refusal(LAYERS[0], "forward") == "no sum over channels"


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_what_auto_takes_is_a_contestant_that_does_it(direction: Direction) -> None:
    for layer in LAYERS:
        assert find(chosen(layer, direction)).refusal(layer, direction) is None


def test_who_packs_ahead_says_so() -> None:
    packing = {contestant.name for contestant in CONTESTANTS if contestant.prepacks}
    assert packing == {"plan", "torch-prepacked", "onnxruntime", "openvino", "ncnn"}


def test_the_control_makes_the_calls_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        fastconv, "conv2d", lambda *arrays, **kwargs: calls.append((arrays, kwargs))
    )
    arrays = data.make(LAYERS[0])
    for name in ("auto", "auto-again"):
        find(name).prepare(LAYERS[0], "forward", arrays, 1).call()
    first, again = calls
    assert all(a is b for a, b in zip(first[0], again[0], strict=True))
    assert first[1] == again[1]
    assert find("auto-again").kind == "control"


def test_peak_of_call_sees_an_allocation() -> None:
    from benchmarks.measuring.memory import peak_of_call

    result, extra = peak_of_call(lambda: np.ones(32 * 2**20, np.uint8).sum())
    assert result == 32 * 2**20
    # Not measurable outside Linux; a little less than the array where pages are counted lazily.
    assert extra is None or extra > 24 * 2**20
