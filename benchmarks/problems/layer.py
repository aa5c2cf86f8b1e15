"""A convolution layer as a problem: its shapes, its work, and smaller cuts of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

# A smaller cut keeps at least this many output rows and columns: the smallest image that the
# published networks in the table work on (ResNet-50's last stage is 7×7).
SMALLEST_OUTPUT = 7

# The same in both axes, or (vertical, horizontal).
Pair: TypeAlias = "int | tuple[int, int]"


@dataclass(frozen=True)
class Layer:
    """One convolution: N images of C×H×W, K filters; stride and dilation alike in both axes."""

    name: str
    network: str
    batch: int
    in_channels: int
    height: int
    width: int
    out_channels: int
    kernel: Pair
    stride: int = 1
    padding: Pair = 0
    dilation: int = 1
    groups: int = 1

    def __post_init__(self) -> None:
        # JSON turns a pair into a list, which is neither equal to a tuple nor hashable.
        for name in ("kernel", "padding"):
            value: Any = getattr(self, name)
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))

    @property
    def kernel_size(self) -> tuple[int, int]:
        """Rows and columns of the kernel."""
        return _pair(self.kernel)

    @property
    def padding_size(self) -> tuple[int, int]:
        """Rows of zeros above and below, columns of zeros left and right."""
        return _pair(self.padding)

    @property
    def dtype(self) -> str:
        """What is computed in."""
        return "float32"

    @property
    def strides(self) -> tuple[int, int]:
        """Vertical, horizontal."""
        return self.stride, self.stride

    @property
    def dilations(self) -> tuple[int, int]:
        """Vertical, horizontal."""
        return self.dilation, self.dilation

    @property
    def x_shape(self) -> tuple[int, int, int, int]:
        return self.batch, self.in_channels, self.height, self.width

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        return self.out_channels, self.in_channels // self.groups, *self.kernel_size

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        rows, columns = (
            (size + 2 * padding - (self.dilation * (kernel - 1) + 1)) // self.stride + 1
            for size, padding, kernel in zip(
                (self.height, self.width), self.padding_size, self.kernel_size, strict=True
            )
        )
        return self.batch, self.out_channels, rows, columns

    @property
    def flops(self) -> int:
        """Floating-point operations of the definition: a multiply and an add per product."""
        n, k, p, q = self.output_shape
        return 2 * n * k * p * q * self.products

    @property
    def products(self) -> int:
        """Products that are summed for one output element."""
        rows, columns = self.kernel_size
        return self.in_channels // self.groups * rows * columns

    def conv_kwargs(self) -> dict[str, Any]:
        """The keyword arguments that ``conv2d`` needs beside the arrays."""
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def shape_text(self) -> str:
        """The problem in a few words, e.g. ``1×64×56×56 → 256, 1×1``."""
        extras = [
            f"{letter}{value}"
            for letter, value in (
                ("s", _short(self.strides)),
                ("d", _short(self.dilations)),
                ("g", str(self.groups)),
            )
            if value != "1"
        ]
        kernel = "×".join(map(str, self.kernel_size))
        return f"{'×'.join(map(str, self.x_shape))} → {self.out_channels}, " + " ".join(
            [kernel, *extras]
        )

    def cut(self, max_flops: float) -> Layer:
        """Return a smaller cut of the same layer: at most `max_flops` where that is possible.

        Fewer images first, then a smaller image, then fewer channels, by halves. Kernel,
        stride, dilation and the channels of each group stay, so that it remains the same
        kind of work; a layer that is small enough is returned as it is.
        """
        layer = self
        for halve in (_halve_batch, _halve_image, _halve_channels):
            while layer.flops > max_flops:
                smaller = halve(layer)
                if smaller is None:
                    break
                layer = smaller
        return layer


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _short(pair: tuple[int, int]) -> str:
    first, second = pair
    return str(first) if first == second else f"{first}×{second}"


def _halve_batch(layer: Layer) -> Layer | None:
    return replace(layer, batch=layer.batch // 2) if layer.batch > 1 else None


def _halve_image(layer: Layer) -> Layer | None:
    smaller = replace(layer, height=layer.height // 2, width=layer.width // 2)
    return smaller if min(smaller.output_shape[2:]) >= SMALLEST_OUTPUT else None


def _halve_channels(layer: Layer) -> Layer | None:
    if layer.groups > 1:
        # Fewer groups of the same width: depthwise stays depthwise, and two groups stay
        # groups. Odd counts are left alone rather than rounded.
        if layer.groups % 2 or layer.groups == 2:
            return None
        return replace(
            layer,
            groups=layer.groups // 2,
            in_channels=layer.in_channels // 2,
            out_channels=layer.out_channels // 2,
        )
    if layer.in_channels == 1 and layer.out_channels == 1:
        return None
    if layer.in_channels > layer.out_channels:
        return replace(layer, in_channels=layer.in_channels // 2)
    return replace(layer, out_channels=layer.out_channels // 2)
