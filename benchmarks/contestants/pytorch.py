"""PyTorch on the CPU (oneDNN), in both memory layouts."""

from __future__ import annotations

from typing import Any

from benchmarks.contestants.base import Arrays, Contestant, Run
from benchmarks.data import Data
from benchmarks.layers import Layer
from benchmarks.truth import Direction


class PyTorch(Contestant):
    """``F.conv2d`` under ``inference_mode``; backward is the one operator that autograd calls."""

    kind = "library"
    packages = ("torch",)
    distributions = ("torch",)
    rough_gflops = 150.0

    def __init__(self, name: str, label: str, layout: str) -> None:
        self.name = name
        self.label = label
        self.layout = layout
        self.about = f"torch.nn.functional.conv2d, memory format {layout}"

    def pip_command(self) -> str:
        # The usual wheel brings gigabytes of CUDA along.
        return "pip install torch --index-url https://download.pytorch.org/whl/cpu"

    def set_threads(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)

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
                    output_mask=[True, True, True],
                )

        return Run(backward, _numpy)


def _numpy(tensors: Any) -> Arrays:
    return tuple(tensor.contiguous().numpy() for tensor in tensors)


NCHW = PyTorch("torch", "PyTorch", "contiguous_format")
CHANNELS_LAST = PyTorch("torch-channels-last", "PyTorch channels-last", "channels_last")
