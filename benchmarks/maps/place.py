"""A layer with any options that conv2d takes, for questions about one that no table has.

    padding before, kernel, stride, dilation    of rows and columns, as a `Layer` or each its own
    padding after                               `more` than before
    float64                                     `precision`

The other rooms have layers that all libraries know; only fastconv is asked about these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.problems.layer import Layer

__all__ = ["Place"]


@dataclass(frozen=True)
class Place(Layer):
    """One convolution; what `Layer` has alike in both axes is that of the rows.

    Attributes
    ----------
    stride_across, dilation_across : int or None
        Those of the columns; None where they are those of the rows.
    more : (int, int)
        How many rows there are more below the image than above, and columns right than left.
    precision : {"float32", "float64"}
    """

    stride_across: int | None = None
    dilation_across: int | None = None
    more: tuple[int, int] = (0, 0)
    precision: str = "float32"

    @property
    def dtype(self) -> str:
        return self.precision

    @property
    def strides(self) -> tuple[int, int]:
        return self.stride, self.stride_across or self.stride

    @property
    def dilations(self) -> tuple[int, int]:
        return self.dilation, self.dilation_across or self.dilation

    @property
    def pads(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows above and below, columns left and right.

        None are fewer than none, where an axis of a map takes all padding away.
        """
        (top, left), (below, right) = self.padding_size, self.more
        return (top, max(0, top + below)), (left, max(0, left + right))

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        rows, columns = (
            (size + sum(pads) - (dilation * (kernel - 1) + 1)) // stride + 1
            for size, pads, dilation, kernel, stride in zip(
                (self.height, self.width), self.pads, self.dilations, self.kernel_size,
                self.strides, strict=True,
            )
        )  # fmt: skip
        return self.batch, self.out_channels, rows, columns

    def conv_kwargs(self) -> dict[str, Any]:
        return {
            "stride": self.strides,
            "padding": self.pads,
            "dilation": self.dilations,
            "groups": self.groups,
        }

    def shape_text(self) -> str:
        text = super().shape_text()
        if any(self.more):
            text += " p" + ",".join(str(pad) for pads in self.pads for pad in pads)
        return text if self.dtype == "float32" else f"{text} {self.dtype}"
