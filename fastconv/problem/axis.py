"""Axis: one axis of an image under a kernel, and the ways to cut it.

    output i sees, with tap r, pixel  i·stride + r·dilation - before

A ConvProblem is two of them and the channels. Cutting gives axes again:

    shifted       some of the outputs, by some of the taps
    by_padding    outputs that the same taps reach: what the others would read is padding
    by_stride     pixels that the same taps reach: the phases of the gradient of the image

All of it in closed form: nothing here walks over pixels or strides, which may be millions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Axis", "Phase", "Span"]


def ceil_div(total: int, part: int) -> int:
    return -(-total // part)


class Span(NamedTuple):
    """Outputs next to each other that the same taps reach."""

    first: int
    outputs: int
    first_tap: int
    taps: int


class Phase(NamedTuple):
    """Every stride-th pixel of an image, seen from the gradient of the output.

    Attributes
    ----------
    first : int
        The first of these pixels; the others follow at distances of the stride.
    last_tap, tap_step : int
        The taps that reach them are `last_tap` and every `tap_step`-th one before it.
    axis : Axis
        From the outputs to these pixels; its tap 0 is `last_tap`.
    """

    first: int
    last_tap: int
    tap_step: int
    axis: Axis


@dataclass(frozen=True)
class Axis:
    """One axis of an image under a kernel; the padding may be negative where it is cut off.

    Attributes
    ----------
    size : int
        Pixels of the image.
    kernel : int
        Taps of the kernel.
    stride, dilation : int
        Pixels from one output, and from one tap, to the next.
    before, after : int
        Pixels of padding.
    """

    size: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    @cached_property
    def span(self) -> int:
        """Pixels from the first to the last tap."""
        return (self.kernel - 1) * self.dilation + 1

    @cached_property
    def padded(self) -> int:
        """Pixels of the padded image."""
        return self.before + self.size + self.after

    @cached_property
    def outputs(self) -> int:
        """How often the kernel fits."""
        return (self.padded - self.span) // self.stride + 1

    def shifted(self, span: Span) -> Axis:
        """Return the axis whose outputs are those of a span, made with the taps of the span."""
        before = self.before - span.first * self.stride - span.first_tap * self.dilation
        reach = (span.outputs - 1) * self.stride + (span.taps - 1) * self.dilation + 1
        return Axis(
            self.size, span.taps, self.stride, self.dilation, before, reach - self.size - before
        )

    @cached_property
    def by_padding(self) -> tuple[Span, ...]:
        """The outputs, cut where the taps that reach the image change.

            28 pixels, dilation 12, padding 12    0..11: taps 1, 2    12..15: all    16..27: 0, 1

        Tap r enters the image at output (before - r·dilation) / stride and leaves it at
        (size + before - r·dilation) / stride, both rounded up: at most two cuts for every tap.
        """
        cuts = {0, self.outputs}
        for tap in range(self.kernel):
            for edge in (0, self.size):
                at = ceil_div(edge + self.before - tap * self.dilation, self.stride)
                if 0 < at < self.outputs:
                    cuts.add(at)
        spans: list[Span] = []
        for first, end in pairwise(sorted(cuts)):
            begin = first * self.stride - self.before  # where tap 0 reads
            first_tap = min(self.kernel, max(0, ceil_div(-begin, self.dilation)))
            taps = min(self.kernel, ceil_div(self.size - begin, self.dilation)) - first_tap
            found = Span(first, end - first, first_tap, taps) if taps > 0 else Span(
                first, end - first, 0, 0
            )  # fmt: skip
            if spans and spans[-1][2:] == found[2:]:
                spans[-1] = spans[-1]._replace(outputs=spans[-1].outputs + found.outputs)
            else:
                spans.append(found)
        return tuple(spans)

    @cached_property
    def tap_step(self) -> int:
        """From one tap of a phase to the next: r·dilation mod stride repeats after so many."""
        return self.stride // math.gcd(self.stride, self.dilation)

    @property
    def most_phases(self) -> int:
        """How many phases `by_stride` has at the most."""
        return min(self.kernel, self.tap_step)

    @cached_property
    def by_stride(self) -> tuple[Phase, ...]:
        """The phases of the pixels that some tap reaches.

        Output i reaches pixel h = i·stride + r·dilation - before. So the pixels that tap r reaches
        are those of one phase, every stride-th, and a phase has every `tap_step`-th tap. Its
        pixels gather from the outputs (h + before - r·dilation) / stride, which with the taps from
        the last to the first is a convolution at stride 1.

            stride 2, kernel 3, padding 1        phase 1: h = 1 3 5 ..    taps 2, 0
                                                 phase 0: h = 0 2 4 ..    tap 1
        """
        phases = []
        for tap in range(self.most_phases):
            first = (tap * self.dilation - self.before) % self.stride
            if first >= self.size:
                continue
            taps = ceil_div(self.kernel - tap, self.tap_step)
            last = tap + (taps - 1) * self.tap_step
            pixels = ceil_div(self.size - first, self.stride)
            dilation = self.dilation * self.tap_step // self.stride
            before = (last * self.dilation - self.before - first) // self.stride
            after = pixels - 1 + (taps - 1) * dilation + 1 - self.outputs - before
            phases.append(
                Phase(
                    first, last, self.tap_step,
                    Axis(self.outputs, taps, 1, dilation, before, after),
                )
            )  # fmt: skip
        return tuple(phases)
