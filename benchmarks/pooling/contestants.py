"""Who pools: fastconv, its NumPy, and PyTorch in both of its memory layouts."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from benchmarks.contestants.base import AUTO, Participant, Run, one_array
from benchmarks.contestants.origins import FromFastconv, FromPyTorch
from benchmarks.pooling.problems import Array, Direction, Pooling

__all__ = ["Pooler", "all_contestants", "find"]


def first_array(result: tuple[Array, Array]) -> tuple[Array]:
    """Return the maxima, without their taps."""
    return result[:1]


class Pooler(Participant):
    """One implementation. Libraries are imported in `prepare` or later, never on definition."""

    @abstractmethod
    def prepare(self, pooling: Pooling, direction: Direction, grad: Array, x: Array) -> Run:
        """Make a pooling of `x`, or of `grad` back to its image, ready to be called."""


class Fastconv(FromFastconv, Pooler):
    """The functions of fastconv, by one of their backends."""

    def __init__(self, backend: str, label: str) -> None:
        self.name = backend
        self.label = label
        self.about = f'fastconv.max_pool2d and others, backend="{backend}"'

    def prepare(self, pooling: Pooling, direction: Direction, grad: Array, x: Array) -> Run:
        import fastconv

        options: dict[str, Any] = {"backend": self.name}
        window: tuple[int, ...] = ()
        name = f"{pooling.kind}_pool2d"
        if pooling.kind == "global":
            name = "global_avg_pool2d"
        else:
            window = (pooling.kernel,)
            options |= {"stride": pooling.stride, "padding": pooling.padding}
        pool = getattr(fastconv, name)
        if direction == "forward":
            return Run(lambda: pool(x, *window, **options), one_array)
        if direction == "forward-taps":
            return Run(lambda: pool(x, *window, **options, return_taps=True), first_array)
        if direction == "input-grad-taps":
            _, options["taps"] = pool(x, *window, **options, return_taps=True)
        pool = getattr(fastconv, f"{name}_backward")
        return Run(lambda: pool(grad, x, *window, **options), one_array)


class PyTorch(FromPyTorch, Pooler):
    """The operators that PyTorch's functions and its autograd call."""

    def __init__(self, name: str, label: str, layout: str) -> None:
        self.name = name
        self.label = label
        self.layout = layout
        self.about = f"torch.ops.aten, memory format {layout}"

    def prepare(self, pooling: Pooling, direction: Direction, grad: Array, x: Array) -> Run:
        import torch

        memory_format = getattr(torch, self.layout)
        grad_y, image = (
            torch.from_numpy(array).contiguous(memory_format=memory_format) for array in (grad, x)
        )
        aten, functional = torch.ops.aten, torch.nn.functional
        window = (pooling.kernel, pooling.stride, pooling.padding)
        pairs = [[size] * 2 for size in window]
        if pooling.kind == "max":
            # the indices that a step of training has from its forward pass
            indices = aten.max_pool2d_with_indices(image, *pairs)[1]

            def gradient() -> Any:
                return aten.max_pool2d_with_indices_backward(
                    grad_y, image, *pairs, [1, 1], False, indices
                )

            calls: dict[str, Any] = {
                "forward": lambda: functional.max_pool2d(image, *window),
                "forward-taps": lambda: aten.max_pool2d_with_indices(image, *pairs)[0],
                "input-grad": gradient,
                "input-grad-taps": gradient,
            }
        elif pooling.kind == "avg":
            calls = {
                "forward": lambda: functional.avg_pool2d(image, *window),
                "input-grad": lambda: aten.avg_pool2d_backward(
                    grad_y, image, *pairs, False, True, None
                ),
            }
        else:
            size = pooling.kernel**2
            calls = {
                "forward": lambda: functional.adaptive_avg_pool2d(image, 1),
                # what autograd does, and the copy that whoever reads it makes of it
                "input-grad": lambda: (
                    (grad_y / size).expand(image.shape).contiguous(memory_format=memory_format)
                ),
            }
        pool: Any = calls[direction]

        def call() -> Any:
            with torch.inference_mode():
                return pool()

        return Run(call, lambda y: (y.contiguous().numpy(),))


def all_contestants() -> list[Pooler]:
    """Return every contestant, absent ones included."""
    return [
        Fastconv(AUTO, "fastconv"),
        Fastconv("numpy", "fastconv's NumPy"),
        PyTorch("torch", "PyTorch", "contiguous_format"),
        PyTorch("torch-channels-last", "PyTorch channels-last", "channels_last"),
    ]


def find(name: str) -> Pooler:
    """Return the contestant of that name."""
    return next(contestant for contestant in all_contestants() if contestant.name == name)
