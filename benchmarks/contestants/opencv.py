"""OpenCV's filter2D: one plane, one kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.contestants.base import Contestant, Run, one_array, only_forward
from benchmarks.contestants.origins import FromOpenCV
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer


class OpenCV(FromOpenCV, Contestant):
    """``cv2.filter2D`` plane by plane, for layers where each output sees one input plane."""

    name = "opencv"
    label = "OpenCV"
    about = "cv2.filter2D for each plane, where every filter sees one plane"
    rough_gflops = 5.0

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        if direction != "forward":
            return only_forward(direction)
        if layer.groups != layer.in_channels:
            return "no sum over channels"
        if (layer.stride, layer.dilation) != (1, 1):
            return "neither stride nor dilation"
        sizes = zip(layer.kernel_size, layer.padding_size, strict=True)
        if any(size % 2 == 0 or padding != size // 2 for size, padding in sizes):
            return "only output of the size of the input"
        return None

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        return Run(lambda: _filter(layer, data), one_array)


def _filter(layer: Layer, data: Data) -> NDArray[np.float32]:
    import cv2

    y = np.empty(layer.output_shape, data.x.dtype)
    filters = layer.out_channels // layer.groups
    for n in range(layer.batch):
        for k in range(layer.out_channels):
            cv2.filter2D(
                data.x[n, k // filters],
                cv2.CV_32F,
                data.weight[k, 0],
                dst=y[n, k],
                delta=float(data.bias[k]),
                borderType=cv2.BORDER_CONSTANT,
            )
    return y
