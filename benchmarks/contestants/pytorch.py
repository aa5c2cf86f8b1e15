"""PyTorch on the CPU (oneDNN): both memory layouts, and weights packed ahead."""

from __future__ import annotations

from typing import Any

from benchmarks.contestants.base import Arrays, Contestant, Run, only_forward
from benchmarks.contestants.origins import FromPyTorch
from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction, needs
from benchmarks.problems.layer import Layer


class PyTorch(FromPyTorch, Contestant):
    """``F.conv2d`` under ``inference_mode``; backward is the one operator that autograd calls."""

    rough_gflops = 150.0

    def __init__(self, name: str, label: str, layout: str) -> None:
        self.name = name
        self.label = label
        self.layout = layout
        self.about = f"torch.nn.functional.conv2d, memory format {layout}"

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        return None

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        import torch

        memory_format = getattr(torch, self.layout)

        def tensor(array: Any) -> Any:
            # Both image and weight in the layout, as in a model after .to(memory_format=…).
            return torch.from_numpy(array).contiguous(memory_format=memory_format)

        x, weight = tensor(data.x), tensor(data.weight)
        kwargs = layer.conv_kwargs()
        if direction == "forward":
            bias = torch.from_numpy(data.bias)

            def forward() -> Any:
                with torch.inference_mode():
                    return torch.nn.functional.conv2d(x, weight, bias, **kwargs)

            return Run(forward, lambda y: _numpy((y,)))

        grad_output = tensor(data.grad_output)

        def backward() -> Any:
            with torch.inference_mode():
                return torch.ops.aten.convolution_backward(
                    grad_output,
                    x,
                    weight,
                    bias_sizes=[layer.out_channels],
                    stride=[layer.stride] * 2,
                    padding=layer.padding_size,
                    dilation=[layer.dilation] * 2,
                    transposed=False,
                    output_padding=[0, 0],
                    groups=layer.groups,
                    output_mask=list(needs(direction)),
                )

        return Run(backward, _numpy)


class PrepackedPyTorch(FromPyTorch, Contestant):
    """What a compiled and frozen model calls: oneDNN on weights in the order that it likes best.

    The image is channels-last, which such a model keeps between its layers.
    """

    name = "torch-prepacked"
    label = "PyTorch prepacked"
    about = "torch.ops.mkldnn._convolution_pointwise on reordered weights, channels_last"
    rough_gflops = 150.0
    prepacks = True

    def version(self) -> str:
        import torch

        onednn: Any = torch.backends.mkldnn
        if not onednn.is_available():
            raise RuntimeError("this PyTorch is built without oneDNN")
        return super().version()

    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        return only_forward(direction)

    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        import torch

        operators = torch.ops.mkldnn
        x = torch.from_numpy(data.x).contiguous(memory_format=torch.channels_last)
        bias = torch.from_numpy(data.bias)
        geometry = (layer.padding_size, [layer.stride] * 2, [layer.dilation] * 2, layer.groups)
        weight = operators._reorder_convolution_weight(
            torch.from_numpy(data.weight), *geometry, layer.x_shape
        )

        def forward() -> Any:
            with torch.inference_mode():
                return operators._convolution_pointwise(x, weight, bias, *geometry, "none", [], "")

        return Run(forward, lambda y: _numpy((y,)))


def _numpy(tensors: Any) -> Arrays:
    return tuple(tensor.contiguous().numpy() for tensor in tensors if tensor is not None)


NCHW = PyTorch("torch", "PyTorch", "contiguous_format")
CHANNELS_LAST = PyTorch("torch-channels-last", "PyTorch channels-last", "channels_last")
PREPACKED = PrepackedPyTorch()
