"""The poolings that are compared: shapes as they stand in published networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["DIRECTIONS", "MARKS", "POOLINGS", "Array", "Direction", "Pooling"]

Array = NDArray[Any]
# "taps": of maxima, with what a step of training keeps from its forward pass for its backward pass:
# at which tap of each window the maximum was, or as PyTorch has it at which pixel.
Direction = Literal["forward", "forward-taps", "input-grad", "input-grad-taps"]
DIRECTIONS: tuple[Direction, ...] = ("forward", "forward-taps", "input-grad", "input-grad-taps")
MARKS: dict[Direction, str] = {
    "forward": "", "forward-taps": " ·t", "input-grad": " ∂x", "input-grad-taps": " ∂x·t",
}  # fmt: skip


@dataclass(frozen=True)
class Pooling:
    """One pooling of float32 images."""

    name: str
    kind: Literal["max", "avg", "global"]
    x_shape: tuple[int, int, int, int]
    kernel: int
    stride: int
    padding: int = 0

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        batch, channels, *size = self.x_shape
        height, width = ((n + 2 * self.padding - self.kernel) // self.stride + 1 for n in size)
        return batch, channels, height, width

    @property
    def directions(self) -> tuple[Direction, ...]:
        """What there is to compute: taps only of maxima."""
        return DIRECTIONS if self.kind == "max" else ("forward", "input-grad")

    @property
    def windows_of_a_pixel(self) -> int:
        """How many windows a pixel is in, at most."""
        return (-(-self.kernel // self.stride)) ** 2

    @property
    def window_text(self) -> str:
        text = f"{self.kind} {self.kernel}×{self.kernel}"
        return text if self.kind == "global" else f"{text} s{self.stride}"

    def arrays(self) -> tuple[Array, Array]:
        """Return the gradient of the output and the image, the same for everyone."""
        rng = np.random.default_rng(0)
        return (
            rng.standard_normal(self.output_shape, np.float32),
            rng.standard_normal(self.x_shape, np.float32),
        )


POOLINGS = (
    Pooling("vgg16.pool2", "max", (1, 64, 112, 112), 2, 2),
    Pooling("vgg16.pool3", "max", (1, 256, 56, 56), 2, 2),
    Pooling("resnet50.pool1", "max", (1, 64, 112, 112), 3, 2, 1),
    Pooling("googlenet.inception3a", "max", (1, 192, 28, 28), 3, 1, 1),
    Pooling("lenet5.pool1_b128", "max", (128, 6, 28, 28), 2, 2),
    Pooling("lenet5.avg1_b128", "avg", (128, 6, 28, 28), 2, 2),
    Pooling("inception3.avg", "avg", (1, 192, 35, 35), 3, 1, 1),
    Pooling("densenet.transition1", "avg", (1, 128, 56, 56), 2, 2),
    Pooling("resnet50.global", "global", (1, 2048, 7, 7), 7, 1),
)
