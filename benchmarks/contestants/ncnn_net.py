"""ncnn, on a net of one layer."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contestants.base import Arrays, Contestant, Run, only_forward
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

# What it would otherwise compute with fewer bits, where the processor can.
LESS_THAN_FLOAT32 = (
    "use_fp16_packed",
    "use_fp16_storage",
    "use_fp16_arithmetic",
    "use_bf16_packed",
    "use_bf16_storage",
    "use_int8_inference",
)


class Ncnn(Contestant):
    """Image by image, since a net of it takes one; weights are transformed when it is loaded."""

    kind = "library"
    name = "ncnn"
    label = "ncnn"
    about = "a net of one layer, in float32, Winograd where it likes; weights packed when loaded"
    packages = ("ncnn",)
    distributions = ("ncnn",)
    rough_gflops = 100.0
    prepacks = True
    # Winograd's transforms, up to F(6×6, 3×3), lose a few bits of each sum.
    slack = 8.0
    sums_exactly = False

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        return only_forward(direction)

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        import ncnn

        net = ncnn.Net()
        net.opt.num_threads = threads
        net.opt.use_vulkan_compute = False
        for option in LESS_THAN_FLOAT32:
            # Releases differ in which of them there are.
            if hasattr(net.opt, option):
                setattr(net.opt, option, False)
        _load(net, layer, data)
        images = [ncnn.Mat(image) for image in data.x]

        def infer() -> list[Any]:
            results = []
            for image in images:
                extractor = net.create_extractor()
                extractor.input("x", image)
                status, y = extractor.extract("y")
                if status:
                    raise RuntimeError(f"ncnn ended with status {status}")
                results.append(y)
            return results

        return Run(infer, _stack)


def _load(net: Any, layer: Layer, data: Data) -> None:
    """Give a net its one layer, numbered parameters as in ncnn's param files, and its weights."""
    (rows, columns), (top, left) = layer.kernel_size, layer.padding_size
    parameters = {
        0: layer.out_channels,
        1: columns,
        11: rows,
        2: layer.dilation,
        3: layer.stride,
        4: left,
        14: top,
        5: 1,  # there is a bias
        6: data.weight.size,
    }
    kind = "Convolution"
    if layer.groups > 1:
        kind, parameters[7] = "ConvolutionDepthWise", layer.groups
    numbered = " ".join(f"{number}={value}" for number, value in parameters.items())
    text = f"7767517\n2 2\nInput x 0 1 x\n{kind} conv 1 1 x y {numbered}\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.bin")
        # Four zero bytes say that the weights are plain float32.
        path.write_bytes(bytes(4) + data.weight.tobytes() + data.bias.tobytes())
        if net.load_param_mem(text) or net.load_model(str(path)):
            raise RuntimeError("ncnn did not take the net")


def _stack(results: list[Any]) -> Arrays:
    return (np.stack([np.array(y) for y in results]),)
