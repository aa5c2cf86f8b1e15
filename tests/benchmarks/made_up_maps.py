"""Maps that nobody measured."""

from __future__ import annotations

from benchmarks.maps import regions
from benchmarks.maps.atlas import MAPS, Map
from benchmarks.maps.results import Cell, LayerCaches, LayerColumns, MapsResults
from tests.benchmarks import made_up

# Whose cells are made up: im2col is ahead where there are many filters, loops where there is one.
MAP = MAPS[0]


def seconds(filters: int, channels: int) -> dict[str, float]:
    """Return what everybody takes of a cell, in a world of simple laws."""
    return {
        "loops": 1e-3 * filters * channels,
        "im2col": 1e-3 * (4 * channels + filters),
        "gemm": 1e-3 * (5 * channels + filters),
    }


def cell(map_: Map, x: int, y: int) -> Cell:
    """Return a cell that was predicted exactly, and timed unless it is the last."""
    predicted = seconds(x, y)
    is_last = (x, y) == (map_.x.values[-1], map_.y.values[-1])
    return Cell(map_.name, x, y, {} if is_last else dict(predicted), predicted)


def made_up_maps() -> MapsResults:
    """Return a run of one map."""
    cells = [cell(MAP, x, y) for y in MAP.y.values for x in MAP.x.values]
    grid = regions.grid(MAP)
    predicted = {
        layer.name: seconds(layer.out_channels, layer.in_channels)
        for row in grid
        for layer in row
        if layer is not None
    }
    return MapsResults(
        "2026-01-01T00:00:00",
        2,
        False,
        made_up.MACHINE,
        cells=cells,
        regions={MAP.name: regions.lines(grid, predicted)},
        columns=[LayerColumns("resnet50.res2_3x3", 802816, 7225344, 1e-3)],
        caches=[
            LayerCaches("resnet50.res2_3x3", "gemm", 3e-3, 2e-3),
            LayerCaches("resnet50.res2_3x3", "loops", 9e-3, 9e-3),
        ],
        seconds=1.0,
    )
