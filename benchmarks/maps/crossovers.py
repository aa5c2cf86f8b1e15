"""How far it is along each axis until somebody else is reckoned to be ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.maps.atlas import BY_NAME, IM2COL, LOOPS
from benchmarks.maps.axes import AXES, Axis, named
from benchmarks.maps.results import fastest
from benchmarks.problems.layer import Layer

__all__ = ["MOST_FLOPS", "Line", "along"]

# One looks from an axis' first value to its last, with so many steps from each to the next.
PARTS = 4
# Then once more, so many values where the first of somebody else must lie.
MOST_IN_DOUBT = 8
# A layer that multiplies more than this is beyond what anybody would ask about.
MOST_FLOPS = 1e12

Reckon = Callable[[Sequence[Layer]], Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class Line:
    """An axis through a layer, and who is reckoned to be ahead along it.

    Attributes
    ----------
    value : int
        The layer's.
    ahead : dict of int to str
        Value → who is the fastest there.
    before_loops : dict of int to bool
        Value → whether im2col is faster than plain loops.
    """

    axis: Axis
    value: int
    ahead: dict[int, str]
    before_loops: dict[int, bool]

    def next_one(self, step: int) -> tuple[int, str] | None:
        """Return where, above the layer or below it (-1), somebody else is ahead first, and who."""
        first = _change(self.ahead, self.value, step)
        return None if first is None else (first, self.ahead[first])

    def in_doubt(self) -> list[int]:
        """Return values between the last that is as the layer's and the first that is not."""
        found: list[int] = []
        is_columns = {value: who == IM2COL.backend for value, who in self.ahead.items()}
        told: tuple[Mapping[int, object], ...] = (self.ahead, is_columns, self.before_loops)
        for what in told if self.axis.grain else ():
            for step, last in ((-1, min), (1, max)):
                first = _change(what, self.value, step)
                if first is not None:
                    same = last(one for one in self.ahead if (first - one) * step > 0)
                    low, high = sorted((first, same))
                    found += range(low + 1, high, -(-(high - low) // MOST_IN_DOUBT))
        return found

    def texts(self) -> tuple[str, str, str]:
        """Return what is below, what is above, and where im2col would be ahead."""
        return _told(self.next_one(-1), "down"), _told(self.next_one(1), "up"), self._im2col()

    def _im2col(self) -> str:
        """Say where im2col would be the fastest of all, or at least before plain loops."""
        first = _nearest([v for v, who in self.ahead.items() if who == IM2COL.backend], self.value)
        if first is not None:
            return f"ahead {_where(first, self.value)}"
        first = _nearest([v for v, is_so in self.before_loops.items() if is_so], self.value)
        ends = f"{min(self.ahead)} to {max(self.ahead)}"
        if first is None:
            return f"behind plain loops, {ends}"
        return f"ahead of plain loops only, {_where(first, self.value)}"


def along(layer: Layer, reckon: Reckon) -> list[Line]:
    """Return the lines through a layer along each axis.

    Parameters
    ----------
    reckon
        Layers → name of the layer → backend → seconds.
    """
    rough = _lines(layer, reckon, {axis: axis.between(PARTS) for axis in AXES})
    return _lines(layer, reckon, {line.axis: (*line.ahead, *line.in_doubt()) for line in rough})


def _lines(layer: Layer, reckon: Reckon, values: Mapping[Axis, Iterable[int]]) -> list[Line]:
    """Return the lines with these values on them, as far as there are such layers."""
    lines: list[tuple[Axis, dict[int, Layer]]] = []
    for axis, some in values.items():
        changed = {value: axis.change(layer, value) for value in some}
        changed[axis.of(layer)] = layer
        there = {
            value: named(one)
            for value, one in sorted(changed.items())
            if one is not None and one.flops <= MOST_FLOPS
        }
        if len(there) > 1:
            lines.append((axis, there))
    all_layers = {one.name: one for _, there in lines for one in there.values()}
    predicted = reckon(list(all_layers.values()))
    return [
        Line(
            axis,
            axis.of(layer),
            {value: _ahead(predicted[one.name]) for value, one in there.items()},
            {value: _columns_first(predicted[one.name]) for value, one in there.items()},
        )
        for axis, there in lines
    ]


def _ahead(predicted: Mapping[str, float]) -> str:
    return fastest({name: predicted[name] for name in BY_NAME if name in predicted})


def _columns_first(predicted: Mapping[str, float]) -> bool:
    columns, loops = (predicted.get(way.backend) for way in (IM2COL, LOOPS))
    return columns is not None and (loops is None or columns < loops)


def _change(told: Mapping[int, object], value: int, step: int) -> int | None:
    """Return the first value up or down where something else is told than at the layer's."""
    for there in sorted(told, reverse=step < 0):
        if (there - value) * step > 0 and told[there] != told[value]:
            return there
    return None


def _nearest(values: Sequence[int], value: int) -> int | None:
    return min(values, key=lambda one: abs(one - value), default=None)


def _told(change: tuple[int, str] | None, way: str) -> str:
    return "–" if change is None else f"{change[1]}, from {change[0]} {way}"


def _where(first: int, value: int) -> str:
    return "here" if first == value else f"from {first} {'down' if first < value else 'up'}"
