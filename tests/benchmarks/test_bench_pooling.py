"""The comparison of poolings: a short run, its file, and what it says where PyTorch is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import fastconv
from benchmarks import cli
from benchmarks.measuring.results import Measurement
from benchmarks.pooling import contestants, run
from benchmarks.pooling.problems import POOLINGS, Pooling

SMALL = (
    Pooling("max", "max", (2, 3, 9, 11), 3, 2, 1),
    Pooling("avg", "avg", (2, 3, 8, 8), 2, 2),
    Pooling("whole", "global", (2, 5, 7, 7), 7, 1),
)


@pytest.mark.parametrize("pooling", POOLINGS, ids=lambda pooling: pooling.name)
def test_shapes_are_those_of_the_functions(pooling: Pooling) -> None:
    x = np.zeros((1, 1, *pooling.x_shape[2:]), np.float32)
    y = fastconv.max_pool2d(x, pooling.kernel, stride=pooling.stride, padding=pooling.padding)
    assert (*pooling.x_shape[:2], *y.shape[2:]) == pooling.output_shape


def test_a_short_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new"
    measured = run.run(1, 0.2, folder, SMALL)
    assert [m.reason for m in measured if m.status != "ok"] == []
    assert all(m.exact and m.times for m in measured)
    present = [pooler for pooler in contestants.POOLERS if not pooler.missing()]
    assert len(measured) == 2 * len(SMALL) * len(present)
    written = json.loads((folder / run.FILE).read_text("utf-8"))
    assert written["threads"] == 1
    assert len(written["measurements"]) == len(measured)
    shown = capsys.readouterr().out
    for pooler in contestants.POOLERS:
        if pooler.missing():
            assert f"{pooler.label}: torch not installed (pip install torch" in shown


def test_the_command_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(run, "run", lambda *arguments: asked.append(arguments))
    options = ["pooling", "--threads", "2", "--seconds", "1", "--output", str(tmp_path)]
    assert cli.main(options) == 0
    assert asked == [(2, 1.0, tmp_path)]


def test_the_ratio_is_to_the_better_layout() -> None:
    names = [pooler.name for pooler in contestants.POOLERS]
    times = dict(zip(names, (2.0, 1.0, 9.0, 5.0), strict=True))
    measured = [Measurement("max", "forward", name, times=[time]) for name, time in times.items()]
    assert run.ratio(measured, "max", "forward") == 2.5
    assert run.ratio(measured[:2], "max", "forward") is None
