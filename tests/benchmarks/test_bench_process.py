"""A worker answers, reports what went wrong, and is started again after its death."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.contestants import find
from benchmarks.measuring import truth
from benchmarks.measuring.process import Failed, Process, load_outputs
from benchmarks.problems import data
from benchmarks.problems.layer import Layer
from benchmarks.problems.layers import LAYERS

LAYER = LAYERS[0].cut(1e5)


@pytest.fixture
def process() -> Iterator[Process]:
    process = Process(find("im2col"), threads=1)
    yield process
    process.close()


def prepare(process: Process, layer: Layer, results: Path) -> None:
    process.ask(
        "prepare",
        layer=layer.as_dict(),
        direction="forward",
        results=str(results),
        arrays=None,
        integers=False,
    )


def test_a_worker_computes_on_the_numbers_that_everyone_gets(
    process: Process, tmp_path: Path
) -> None:
    prepare(process, LAYER, tmp_path / "y.npz")
    outputs = load_outputs(tmp_path / "y.npz")
    error, bound = truth.solve(LAYER, data.make(LAYER), "forward").error(outputs)
    assert error <= bound
    times = process.ask("sample", seconds=0.01)["times"]
    assert times
    assert all(time > 0 for time in times)


def test_an_exception_is_reported_and_survived(process: Process, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="FileNotFoundError"):
        prepare(process, LAYER, tmp_path / "no such folder" / "y.npz")
    assert process.ask("hello")["version"]


def test_a_death_is_reported_and_the_next_request_starts_afresh(process: Process) -> None:
    with pytest.raises(Failed, match="process ended with exit code 1: AttributeError"):
        process.ask("no_such_action")
    assert process.ask("hello")["version"]
