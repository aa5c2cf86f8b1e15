"""The ways to convolve that the project is about, as it sets them side by side.

definition      nested loops in Python
im2col          copies every window into a column, then is one matrix product
loops           read the image where it is, compiled
packed product  the matrix product again, which reads the image where it is
auto            what fastconv takes, one of these or another
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from benchmarks.contestants.base import AUTO
from benchmarks.measuring.results import LayerInfo, Measurement, Results
from benchmarks.problems.directions import WORK

# Bytes. The system accounts for memory in steps: what seems to be less is noise.
MEASURABLE = 0.25e6


@dataclass(frozen=True)
class Way:
    """A way to convolve: who goes it, the faster of them where there are two, and its mark."""

    label: str
    contestants: tuple[str, ...]
    colour: str
    marker: str


TUTORIAL = Way("im2col, tutorial", ("tutorial",), "#7d8bb0", "s")
IM2COL = Way("im2col, NumPy in tiles", ("im2col",), "#4a6fa5", "D")
FASTEST = Way("fastconv (auto)", (AUTO,), "#e8590c", "*")
WAYS = (
    Way("definition in Python", ("reference",), "#8a8f98", "x"),
    TUTORIAL,
    IM2COL,
    Way("loops, as the formula", ("loops_literal",), "#a0622d", "v"),
    Way("loops, along rows", ("loops_rows",), "#c9a227", "<"),
    Way("loops, all threads", ("loops",), "#d4a373", "^"),
    Way("packed product", ("gemm", "gemm_pixels"), "#d6336c", "o"),
    FASTEST,
)


@dataclass(frozen=True)
class Place:
    """Where a way stands on a layer.

    Attributes
    ----------
    seconds : float
        Of a call on the whole layer; of a cut at the speed of the cut.
    bytes : int or None
        What a call holds beyond image, weights and result; 0 where that is too little to be seen.
    """

    way: Way
    measurement: Measurement
    seconds: float
    bytes: int | None

    @property
    def text(self) -> str:
        """Return all that is known of it in a line."""
        m = self.measurement
        parts = [f"{self.way.label}: {1e3 * self.seconds:.4g} ms"]
        if m.is_cut:
            parts[0] += f" at the speed of a cut ({m.cut_text})"
        if self.bytes is not None:
            parts.append(f"{self.bytes / 1e6:.3g} MB" if self.bytes else "no extra memory")
        parts.append(f"error {m.error:.2g} u of {m.allowed_error:.0f} allowed")
        parts += ["equal on integers"] if m.exact else []
        return ", ".join(parts)


def places(results: Results, info: LayerInfo, direction: str) -> list[Place]:
    """Return where everyone stands whose result is right."""
    found = []
    for way in WAYS:
        measured = [
            m
            for m in results.of(info.name, direction)
            if m.contestant in _goers(way, info, direction) and m.correct
        ]
        # Whole layers first, as everywhere.
        best = max(measured, key=lambda m: (not m.is_cut, m.gflops), default=None)
        if best is not None:
            seconds = WORK[best.direction] * info.layer.flops / best.gflops / 1e9
            found.append(Place(way, best, seconds, extra_bytes(info, best)))
    return found


def _goers(way: Way, info: LayerInfo, direction: str) -> tuple[str, ...]:
    # In runs before `auto` was timed itself, the backend that it takes stands for it.
    return (*way.contestants, info.chosen[direction]) if way is FASTEST else way.contestants


def extra_bytes(info: LayerInfo, measurement: Measurement) -> int | None:
    """Return what a call holds beyond its operands and result, or None where nobody knows.

    The larger of what was measured and what is known on paper: a library that keeps its scratch
    from call to call, as fastconv does, takes nothing new when it is called again.
    """
    known = [_on_paper(info, measurement)]
    if not measurement.is_cut and measurement.extra_bytes is not None:
        measured = measurement.extra_bytes
        known.append(measured if measured > MEASURABLE else 0)
    return max((value for value in known if value is not None), default=None)


def _on_paper(info: LayerInfo, measurement: Measurement) -> int | None:
    """Return what a forward call is known to hold: columns, or the scratch of a backend."""
    if measurement.direction != "forward":
        return None
    if measurement.contestant == "tutorial":
        return info.columns_bytes
    if measurement.contestant == "reference":
        # It reads and writes copies in float64.
        layer = info.layer
        return 8 * sum(map(prod, (layer.x_shape, layer.weight_shape, layer.output_shape)))
    name = info.chosen["forward"] if measurement.contestant == AUTO else measurement.contestant
    return info.scratch_bytes.get(name)
