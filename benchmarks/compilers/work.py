"""What is timed: loops of the package, each on a layer or a pooling where they are at home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.pooling.problems import POOLINGS, Pooling
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer
from benchmarks.problems.layers import LAYERS

__all__ = ["QUICK", "WORK", "Work"]


@dataclass(frozen=True)
class Work:
    """One loop and its operands.

    Attributes
    ----------
    about : str
        What the loop is, for the table.
    loop : str
        Of the package: what ``backend=`` takes. Poolings have one for each of their kinds.
    problem : Layer or Pooling
    direction : str
    """

    about: str
    loop: str
    problem: Layer | Pooling
    direction: Direction = "forward"

    @property
    def name(self) -> str:
        return f"{self.loop}.{self.problem.name}"

    @property
    def shape(self) -> str:
        """What the problem is, in a few characters."""
        if isinstance(self.problem, Layer):
            return self.problem.shape_text()
        one = self.problem
        return f"{'×'.join(map(str, one.x_shape))}, {one.window_text}"

    @property
    def amount(self) -> float:
        """FLOPs of a layer; bytes of a pooling, read and written."""
        if isinstance(self.problem, Layer):
            return self.problem.flops
        total = 0
        for n, c, h, w in (self.problem.x_shape, self.problem.output_shape):
            total += 4 * n * c * h * w
        return total

    @property
    def unit(self) -> str:
        return "GFLOP/s" if isinstance(self.problem, Layer) else "GB/s"


def _layers(about: str, loop: str, direction: Direction, names: Sequence[str]) -> list[Work]:
    by_name = {layer.name: layer for layer in LAYERS}
    return [Work(about, loop, by_name[name], direction) for name in names]


def _poolings(about: str, direction: Direction, names: Sequence[str]) -> list[Work]:
    by_name = {pooling.name: pooling for pooling in POOLINGS}
    marks = "" if direction == "forward" else " ∂x"
    return [
        Work(about, f"{by_name[name].kind}_pool{marks}", by_name[name], direction) for name in names
    ]


WORK: tuple[Work, ...] = (
    *_layers("filters in lanes", "gemm_filters", "forward",
             ("resnet50.res2_3x3", "resnet50.res3_1x1", "resnet50.conv1")),
    *_layers("pixels in lanes", "gemm_pixels", "forward", ("resnet50.res2_3x3", "vgg16.conv1_1")),
    *_layers("columns packed", "gemm_columns", "forward", ("resnet50.res2_1x1",)),
    *_layers("input gradient", "gemm_filters", "input-grad", ("resnet50.res3_3x3",)),
    *_layers("Winograd, m = 4", "winograd_4x3", "forward",
             ("resnet50.res2_3x3", "resnet50.res4_3x3")),
    *_layers("Winograd, m = 2", "winograd_2x5", "forward", ("googlenet.5x5_35",)),
    *_layers("strips in place", "stencil_slide", "forward",
             ("mobilenetv2.dw192_28", "convnext.dw96_56")),
    *_layers("rows dealt out, stride 2", "stencil_phases", "forward", ("mobilenetv2.dw96_112_s2",)),
    Work("channels in lanes", "stencil_channels",
         Layer("mobilenetv2.dw960_7", "MobileNetV2", 1, 960, 7, 7, 960, 3, padding=1, groups=960)),
    *_layers("weights, filters in lanes", "weights_filters", "weight-grad",
             ("resnet50.res2_3x3", "resnet50.res3_1x1")),
    *_layers("weights, along pixels", "weights_pixels", "weight-grad", ("resnet50.res2_3x3",)),
    *_layers("weights, strips", "weights_slide", "weight-grad", ("mobilenetv2.dw192_28",)),
    *_layers("weights, Winograd", "weights_winograd_4", "weight-grad", ("resnet50.res2_3x3",)),
    *_poolings("maxima", "forward", ("vgg16.pool2", "resnet50.pool1", "googlenet.inception3a")),
    *_poolings("their gradients", "input-grad", ("vgg16.pool2", "resnet50.pool1")),
    *_poolings("means", "forward", ("densenet.transition1", "inception3.avg")),
)  # fmt: skip
# One of each kind: a product, tiles, strips, a gradient, a pooling.
QUICK = (WORK[1], WORK[10], WORK[-2])
