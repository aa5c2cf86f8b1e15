"""The layers, forward, by fastconv's backends, under pytest-benchmark.

``pytest benchmarks/`` runs them, to save and to compare over time:

pytest benchmarks/ --benchmark-autosave
pytest benchmarks/ --benchmark-compare -k resnet50
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.contestants import Contestant
from benchmarks.contestants.ours import fastconv_backends
from benchmarks.measuring.machine import usable_cores
from benchmarks.problems import data
from benchmarks.problems.layer import Layer
from benchmarks.problems.layers import LAYERS
from benchmarks.problems.presets import DEFAULT


@pytest.mark.parametrize("backend", fastconv_backends(), ids=lambda backend: backend.name)
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
@pytest.mark.benchmark(max_time=0.2, min_rounds=3)
def test_forward(benchmark: BenchmarkFixture, layer: Layer, backend: Contestant) -> None:
    problem = layer.cut(backend.rough_gflops * 1e9 * DEFAULT.longest_call)
    refusal = backend.refusal(problem, "forward")
    if refusal:
        pytest.skip(refusal)
    benchmark.group = layer.name
    benchmark.extra_info["problem"] = problem.shape_text()
    benchmark.extra_info["cut"] = problem != layer
    benchmark(backend.prepare(problem, "forward", data.make(problem), usable_cores()).call)
    if benchmark.enabled and benchmark.stats is not None:
        benchmark.extra_info["gflops"] = problem.flops / benchmark.stats.stats.median / 1e9
