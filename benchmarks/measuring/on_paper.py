"""What a layer costs before it is run, and what fastconv says that it would do."""

from __future__ import annotations

import numpy as np

import fastconv
from benchmarks.contestants import internals
from benchmarks.contestants.ours import chosen
from benchmarks.measuring.results import LayerInfo
from benchmarks.problems.directions import DIRECTIONS
from benchmarks.problems.layer import Layer


def on_paper(layer: Layer, threads: int) -> LayerInfo:
    return LayerInfo(
        problem=layer.as_dict(),
        output_bytes=4 * int(np.prod(layer.output_shape)),
        columns_bytes=internals.columns_bytes(layer),
        scratch_bytes=internals.scratch_bytes(layer, threads),
        chosen={direction: chosen(layer, direction) for direction in DIRECTIONS},
        multiplications={d: internals.multiplications(layer, d) for d in DIRECTIONS},
        explanation=str(fastconv.explain(layer.x_shape, layer.weight_shape, **layer.conv_kwargs())),
    )
