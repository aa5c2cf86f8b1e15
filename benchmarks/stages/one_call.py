"""One call on one layer, for who counts its instructions: ``python -m benchmarks.stages.one_call``.

Takes the layer as JSON.
"""

from __future__ import annotations

import json
import sys

import fastconv
from benchmarks.problems.data import make
from benchmarks.problems.layer import Layer


def main() -> None:
    layer = Layer(**json.loads(sys.argv[1]))
    data = make(layer)
    fastconv.conv2d(data.x, data.weight, data.bias, **layer.conv_kwargs())


if __name__ == "__main__":
    main()
