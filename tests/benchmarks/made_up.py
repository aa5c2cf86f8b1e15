"""Runs that nobody measured: figures chosen by hand, for what is made of figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from benchmarks.contestants.base import Participant
from benchmarks.measuring.results import ContestantInfo, LayerInfo, Measurement, Results
from benchmarks.problems.layers import LAYERS

LAYER = LAYERS[0]
MACHINE = {
    "cpu": "a processor",
    "system": "a system",
    "python": "CPython 3.12",
    "versions": {"numpy": "2.0"},
    "fastconv": {"instruction set": "avx2"},
    "cores": 2,
    "usable_cores": 2,
    "caches": {},
    "memory_bytes": None,
    "load_average": 0.0,
    "peak_gflops": {"float32": {"1": 50.0, "2": 100.0}},
    "bandwidth": {"memory": {"1": 10.0, "2": 15.0}, "cache": {"1": 50.0, "2": 100.0}},
}
CONTESTANTS = {
    info.name: info
    for info in (
        ContestantInfo("reference", "reference", "rung", ""),
        ContestantInfo("tutorial", "tutorial", "rung", ""),
        ContestantInfo("auto", "fastconv auto", "fastconv", ""),
        ContestantInfo("auto-again", "fastconv auto, again", "control", ""),
        ContestantInfo("plan", "fastconv plan", "fastconv", "", prepacks=True),
        ContestantInfo("gemm", "fastconv gemm", "fastconv", ""),
        ContestantInfo("loops", "fastconv loops", "fastconv", "", version="1"),
        ContestantInfo("loops_literal", "fastconv loops_literal", "fastconv", ""),
        ContestantInfo("im2col", "fastconv im2col", "fastconv", ""),
        ContestantInfo("torch", "PyTorch", "library", "", version="2"),
        ContestantInfo("torch-channels-last", "PyTorch channels-last", "library", ""),
        ContestantInfo("openvino", "OpenVINO", "library", "", prepacks=True),
        ContestantInfo("scipy", "SciPy", "library", ""),
    )
}


def infos(everyone: Iterable[Participant]) -> list[ContestantInfo]:
    """Return what is noted of participants who are here."""
    return [ContestantInfo(one.name, one.label, one.kind, one.about) for one in everyone]


def run(seconds: Mapping[str, Sequence[float]], **changes: object) -> Results:
    """Return a run of one layer, for which `auto` takes `loops`: contestant → seconds of its calls.

    Who has no seconds refused.
    """
    made = Results(
        created="2026-01-01T00:00:00",
        preset="default",
        threads=2,
        directions=["forward"],
        machine=dict(MACHINE),
        contestants=[replace(CONTESTANTS[name]) for name in seconds],
        layers=[LayerInfo(LAYER.as_dict(), 1, 1, {"loops": 0}, {"forward": "loops"}, "")],
        measurements=[
            measurement(name, times) if times else refused(name) for name, times in seconds.items()
        ],
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def measurement(contestant: str, times: Sequence[float]) -> Measurement:
    return Measurement(
        LAYER.name,
        "forward",
        contestant,
        problem=LAYER.as_dict(),
        flops=LAYER.flops,
        times=list(times),
        error=1.0,
        allowed_error=10.0,
        exact=True,
    )


def refused(contestant: str) -> Measurement:
    return Measurement(LAYER.name, "forward", contestant, "unsupported", "no such thing")


def seconds(gflops: float) -> list[float]:
    """Return the times of calls on the layer at this speed."""
    return [LAYER.flops / gflops / 1e9] * 5
