"""The cost of a call."""

from __future__ import annotations

from contextlib import closing
from time import sleep

import numpy as np
import pytest

from benchmarks.contestants import find
from benchmarks.measuring import overhead
from benchmarks.measuring.process import Process
from benchmarks.problems import data


def test_a_call_of_a_known_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "BATCHES", 3)
    assert overhead.microseconds(lambda: sleep(0.001)) >= 1000


def test_a_call_longer_than_a_batch_is_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "BATCHES", 3)
    monkeypatch.setattr(overhead, "WARM_UP_CALLS", 1)
    assert overhead.microseconds(lambda: sleep(0.005)) >= 5000


def test_the_ways_to_call_fastconv_compute_the_same() -> None:
    calls = find("plan").small_calls(overhead.TINY, data.make(overhead.TINY), 1)
    results = [call() for name, call in calls.items() if name.startswith("fastconv")]
    assert len(results) == 3
    assert all(np.array_equal(result, results[0]) for result in results)


def test_a_worker_measures_them() -> None:
    with closing(Process(find("plan"), threads=1)) as process:
        answer = process.ask("overhead")
    assert set(answer) > {"fastconv.conv2d", "np.empty alone"}
    assert all(value > 0 for value in answer.values())
