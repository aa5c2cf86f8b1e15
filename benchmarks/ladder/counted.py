"""Calls rungs under callgrind: ``python -m benchmarks.ladder.counted REQUEST``.

A request is JSON: a list of [name of a rung, name of a dump, fields of a layer, direction].
"""

from __future__ import annotations

import json
import sys

from benchmarks.ladder import compiling
from benchmarks.ladder.rungs import RUNGS
from benchmarks.problems.data import make
from benchmarks.problems.layer import Layer

__all__ = ["main"]


def main(request: str) -> None:
    """Have every call counted that is asked for; the second one, since the first one also plans."""
    callgrind = compiling.extension("callgrind", "baseline")
    by_name = {rung.name: rung for rung in RUNGS}
    for name, dump, fields, direction in json.loads(request):
        layer = Layer(**fields)
        data = make(layer)
        call = by_name[name].calls[direction]
        call(layer, data)
        callgrind.count(lambda call=call, layer=layer, data=data: call(layer, data), dump)


if __name__ == "__main__":
    main(sys.argv[1])
