"""Who convolves: one file per library, found here by name."""

from __future__ import annotations

from benchmarks.contestants.base import Contestant, Run
from benchmarks.contestants.definition import REFERENCE, TUTORIAL
from benchmarks.contestants.ncnn_net import Ncnn
from benchmarks.contestants.onnx_runtime import OnnxRuntime
from benchmarks.contestants.opencv import OpenCV
from benchmarks.contestants.openvino_cpu import OpenVINO
from benchmarks.contestants.ours import (
    FastconvAgain,
    FastconvAuto,
    FastconvPlan,
    fastconv_backends,
    fastconv_by_name,
)
from benchmarks.contestants.pytorch import CHANNELS_LAST, NCHW, PREPACKED
from benchmarks.contestants.scipy_signal import SciPy

__all__ = ["Contestant", "Run", "all_contestants", "everybody", "find"]


def all_contestants() -> list[Contestant]:
    """Return every contestant, absent ones included: rungs, fastconv, the control, libraries."""
    return [
        REFERENCE,
        TUTORIAL,
        FastconvAuto(),
        FastconvAgain(),
        FastconvPlan(),
        *fastconv_backends(),
        NCHW,
        CHANNELS_LAST,
        PREPACKED,
        OnnxRuntime(),
        OpenVINO(),
        Ncnn(),
        SciPy(),
        OpenCV(),
    ]


def everybody() -> list[Contestant]:
    """Return also those who take part only where they are asked for by their names."""
    return [*all_contestants(), *fastconv_by_name()]


def find(name: str) -> Contestant:
    """Return the contestant of that name."""
    return next(contestant for contestant in everybody() if contestant.name == name)
