"""Who pools: fastconv, its NumPy, and PyTorch in both of its memory layouts."""

from __future__ import annotations

from typing import Any

from benchmarks.contestants.base import Contestant, Run, one_array
from benchmarks.contestants.origins import FromFastconv, FromPyTorch
from benchmarks.pooling.problems import Pooling

__all__ = ["POOLERS"]


class _Pooler(Contestant):
    rough_gflops = 1.0

    def refusal(self, layer: Any, direction: str) -> str | None:
        return None


class Fastconv(FromFastconv, _Pooler):
    """The functions of fastconv, by one of their backends."""

    def __init__(self, backend: str, label: str) -> None:
        self.name = f"pooling-{backend}"
        self.label = label
        self.about = f'fastconv.max_pool2d and others, backend="{backend}"'
        self._backend = backend

    def prepare(self, layer: Any, direction: str, data: Any, threads: int) -> Run:
        import fastconv

        pooling: Pooling = layer
        grad, x = data
        options: dict[str, Any] = {"backend": self._backend}
        window: tuple[int, ...] = ()
        name = f"{pooling.kind}_pool2d"
        if pooling.kind == "global":
            name = "global_avg_pool2d"
        else:
            window = (pooling.kernel,)
            options |= {"stride": pooling.stride, "padding": pooling.padding}
        if direction == "forward":
            pool = getattr(fastconv, name)
            return Run(lambda: pool(x, *window, **options), one_array)
        pool = getattr(fastconv, f"{name}_backward")
        return Run(lambda: pool(grad, x, *window, **options), one_array)


class PyTorch(FromPyTorch, _Pooler):
    """The operators that PyTorch's functions and its autograd call."""

    def __init__(self, layout: str, label: str) -> None:
        self.name = f"pooling-torch-{layout}"
        self.label = label
        self.about = f"torch.ops.aten, memory format {layout}"
        self._layout = layout

    def prepare(self, layer: Any, direction: str, data: Any, threads: int) -> Run:
        import torch

        pooling: Pooling = layer
        memory_format = getattr(torch, self._layout)
        grad, x = (torch.from_numpy(a).contiguous(memory_format=memory_format) for a in data)
        aten = torch.ops.aten
        window = [[pooling.kernel] * 2, [pooling.stride] * 2, [pooling.padding] * 2]
        if pooling.kind == "max":
            # the indices that a step of training has from its forward pass
            indices = aten.max_pool2d_with_indices(x, *window)[1]
            calls = {
                "forward": lambda: torch.nn.functional.max_pool2d(x, *(n[0] for n in window)),
                "input-grad": lambda: aten.max_pool2d_with_indices_backward(
                    grad, x, *window, [1, 1], False, indices
                ),
            }
        elif pooling.kind == "avg":
            calls = {
                "forward": lambda: torch.nn.functional.avg_pool2d(x, *(n[0] for n in window)),
                "input-grad": lambda: aten.avg_pool2d_backward(grad, x, *window, False, True, None),
            }
        else:
            size = pooling.kernel**2
            calls = {
                "forward": lambda: torch.nn.functional.adaptive_avg_pool2d(x, 1),
                # what autograd does, and the copy that whoever reads it makes of it
                "input-grad": lambda: (
                    (grad / size).expand(x.shape).contiguous(memory_format=memory_format)
                ),
            }
        pool: Any = calls[direction]

        def call() -> Any:
            with torch.inference_mode():
                return pool()

        return Run(call, lambda y: (y.contiguous().numpy(),))


POOLERS: tuple[Contestant, ...] = (
    Fastconv("auto", "fastconv"),
    Fastconv("numpy", "fastconv's NumPy"),
    PyTorch("contiguous_format", "PyTorch"),
    PyTorch("channels_last", "PyTorch channels-last"),
)
