"""Who is reckoned to be ahead on a fine grid over a map, as lines of letters.

::

    PPPPIIIIGGGG       a letter for each value of x between the cells, a line for each of y;
    PPPIIIGGGGGG       "." where there is no such layer
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmarks.maps.atlas import BY_NAME, IM2COL, LOOPS, Map
from benchmarks.maps.results import fastest
from benchmarks.problems.layer import Layer

__all__ = ["ALL", "COLUMNS_OR_LOOPS", "PARTS", "grid", "lines"]

# From a cell to the next.
PARTS = 4
# What the letters are of: the fastest of all ways, or of im2col and plain loops.
ALL, COLUMNS_OR_LOOPS = "all", "im2col or loops"


def grid(map_: Map) -> list[list[Layer | None]]:
    """Return the layers of the fine grid, a list for each value of y."""
    return [
        [map_.layer(x, y) for x in map_.x.between(PARTS)] for y in map_.y.between(PARTS)
    ]  # fmt: skip


def lines(
    layers: list[list[Layer | None]], predicted: Mapping[str, Mapping[str, float]]
) -> dict[str, list[str]]:
    """Return the letters of a grid, given what is reckoned of each layer by its name."""
    only = {
        ALL: BY_NAME.keys(),
        COLUMNS_OR_LOOPS: {LOOPS.backend, IM2COL.backend},
    }
    return {
        what: [
            "".join("." if one is None else _letter(predicted[one.name], names) for one in row)
            for row in layers
        ]
        for what, names in only.items()
    }


def _letter(predicted: Mapping[str, float], names: Iterable[str]) -> str:
    able = {name: predicted[name] for name in names if name in predicted}
    return BY_NAME[fastest(able)].letter if able else "."
