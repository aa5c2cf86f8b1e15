"""Who is compared with whom: fastconv with the fastest other, its choice with its best backend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.contestants.base import AUTO
from benchmarks.measuring.results import LayerInfo, Measurement, Results

# A choice that costs less than this against the best one is a good choice.
NEAR_ENOUGH = 0.05

PLAN = "plan"
# What everyone has who has NumPy, as tutorials write it and as fastconv does: the yardstick where
# no library is faster. Hundreds of times the speed of SciPy would tell nobody anything.
NUMPY_IM2COL = ("tutorial", "im2col")
NUMPY_IM2COL_LABEL = "NumPy im2col"
PYTORCH = ("torch", "torch-channels-last")


@dataclass(frozen=True)
class Row:
    """One layer in one direction, like against like.

    Attributes
    ----------
    ours, rival
        fastconv as `auto` runs it, and the fastest other that is called likewise, with weights as
        they are: a library, or NumPy im2col.
    planned, best
        fastconv with weights packed ahead, and the fastest of all others, packed or not.
    im2col, pytorch
        NumPy im2col, and PyTorch in the layout that is faster, called as `ours` is.
    """

    info: LayerInfo
    direction: str
    ours: Measurement | None
    rival: Measurement | None
    planned: Measurement | None
    best: Measurement | None
    im2col: Measurement | None = None
    pytorch: Measurement | None = None

    @property
    def ratio(self) -> float | None:
        """Return our speed over the rival's, both as plain calls."""
        return ratio(self.ours, self.rival)

    @property
    def planned_ratio(self) -> float | None:
        """Return our speed with packed weights over the fastest of all others."""
        return ratio(self.planned, self.best)

    @property
    def im2col_ratio(self) -> float | None:
        """Return our speed over that of NumPy im2col, both as plain calls."""
        return ratio(self.ours, self.im2col)

    @property
    def has_cut(self) -> bool:
        return any(m is not None and m.is_cut for m in (self.ours, self.rival))


def ratio(ours: Measurement | None, theirs: Measurement | None) -> float | None:
    """Return the speed of ours over theirs, or None where there is nothing to compare."""
    return None if ours is None or theirs is None else ours.gflops / theirs.gflops


def rows(results: Results, direction: str) -> list[Row]:
    return [row(results, info, direction) for info in results.layers]


def row(results: Results, info: LayerInfo, direction: str) -> Row:
    timed = results.of(info.name, direction)
    # Where nobody called `auto` itself: the backend that it takes, by its name.
    ours = _named(timed, AUTO) or _named(timed, info.chosen[direction])
    planned = _named(timed, PLAN)
    others = [m for m in timed if results.kind(m.contestant) == "library"]
    plain = [m for m in others if not results.prepacks(m.contestant)]
    im2col = numpy_im2col(results, info, direction)
    everyones = [] if im2col is None else [im2col]
    rival, best = _fastest(plain + everyones), _fastest(others + everyones)
    pytorch = _fastest(m for m in plain if m.contestant in PYTORCH)
    return Row(info, direction, ours, rival, planned, best, im2col, pytorch)


def numpy_im2col(results: Results, info: LayerInfo, direction: str) -> Measurement | None:
    """Return the faster NumPy im2col, unless it is what `auto` takes and no rival of itself."""
    return _fastest(
        m
        for m in results.of(info.name, direction)
        if m.contestant in NUMPY_IM2COL and m.contestant not in info.chosen.values()
    )


def rival_label(results: Results, rival: Measurement) -> str:
    """Return what a rival is called among others."""
    return (
        NUMPY_IM2COL_LABEL if rival.contestant in NUMPY_IM2COL else results.label(rival.contestant)
    )


def _named(measurements: Iterable[Measurement], contestant: str) -> Measurement | None:
    return next((m for m in measurements if m.contestant == contestant), None)


def _fastest(measurements: Iterable[Measurement]) -> Measurement | None:
    # Whole layers first: a cut is measured only where its library would take too long.
    return max(measurements, key=lambda m: (not m.is_cut, m.gflops), default=None)


@dataclass(frozen=True)
class Choice:
    """What `auto` took for a layer, and the fastest backend that it could have taken."""

    info: LayerInfo
    chosen: Measurement
    best: Measurement

    @property
    def ratio(self) -> float:
        """Return the speed of the choice over that of the best backend."""
        return self.chosen.gflops / self.best.gflops

    @property
    def is_good(self) -> bool:
        return self.ratio >= 1 - NEAR_ENOUGH


def choices(results: Results, direction: str) -> list[Choice]:
    """Return, for each layer that was run whole, the choice and the best backend of fastconv."""
    found = []
    for info in results.layers:
        backends = [
            m
            for m in results.of(info.name, direction)
            if results.kind(m.contestant) == "fastconv"
            and not results.prepacks(m.contestant)
            and not m.is_cut
            # a step's choice is a pair, which `auto` alone runs; else it repeats one of the others
            and (m.contestant != AUTO or info.chosen[direction] == AUTO)
        ]
        chosen = _named(backends, info.chosen[direction])
        # With a single backend there was no choice.
        if chosen is not None and len(backends) > 1:
            found.append(Choice(info, chosen, max(backends, key=lambda m: m.gflops)))
    return found
