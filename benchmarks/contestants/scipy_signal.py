"""SciPy's correlate: every filter over a stack of channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.contestants.base import Contestant, Run, one_array, only_forward
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer


class SciPy(Contestant):
    """One ``scipy.signal.correlate`` per image and filter.

    It correlates channel stacks and is "valid" along the channels, so that their sum comes
    for free. It knows neither stride nor dilation: the stride is a slice of the full result,
    the dilation a kernel with zeros in between, as a SciPy user would write them.
    """

    kind = "library"
    name = "scipy"
    label = "SciPy"
    about = "scipy.signal.correlate per image and filter; chooses direct or FFT itself"
    packages = ("scipy",)
    distributions = ("scipy",)
    rough_gflops = 0.15
    # Where it chooses the FFT, rounding follows the largest values rather than each sum.
    slack = 8.0
    sums_exactly = False

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        return only_forward(direction)

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        return Run(lambda: _convolve(layer, data), one_array)


def _convolve(layer: Layer, data: Data) -> NDArray[np.float32]:
    from scipy.signal import correlate

    rows, columns = layer.padding_size
    padded = np.pad(data.x, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
    weight = data.weight
    if layer.dilation > 1:
        extents = (layer.dilation * (size - 1) + 1 for size in layer.kernel_size)
        weight = np.zeros((*weight.shape[:2], *extents), weight.dtype)
        weight[:, :, :: layer.dilation, :: layer.dilation] = data.weight
    y = np.empty(layer.output_shape, data.x.dtype)
    channels, filters = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    for n in range(layer.batch):
        for k in range(layer.out_channels):
            first = k // filters * channels
            full = correlate(padded[n, first : first + channels], weight[k], mode="valid")[0]
            y[n, k] = full[:: layer.stride, :: layer.stride] + data.bias[k]
    return y
