"""How many instructions a multiply-add takes in the inner loop, counted by valgrind's callgrind.

Two sizes of a layer that differ in one thing, how many products are summed; the difference of their
instructions by that of their multiply-adds is what the inner loop takes, with what goes with it:

    I(2·C) - I(C)
    ─────────────      sums of twice as many channels (filters, of an input gradient; images, of a
    M(2·C) - M(C)      gradient of weights)

A vector's multiply-add is one instruction or three for all of its lanes, so figures are far below
1 where there are vectors.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from benchmarks.ladder import compiling
from benchmarks.ladder.rung import Rung
from benchmarks.measuring.worker import THREAD_VARIABLES
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

__all__ = ["count", "missing", "sizes"]

ROOT = Path(__file__).parents[2]
WITHIN_SECONDS = 300.0
# What callgrind gets through in a second or so, of a rung's FLOPs by its GFLOP/s.
FLOPS_PER_ROUGH_GFLOPS = 2e6
MOST_FLOPS = 5e7


def missing() -> str | None:
    """Return why nothing can be counted here, or None."""
    if shutil.which("valgrind") is None:
        return "valgrind is not here"
    try:
        compiling.extension("callgrind", "baseline")
    except compiling.CompileError as error:
        return str(error)
    return None


def sizes(layer: Layer, direction: Direction, flops: float) -> tuple[Layer, Layer]:
    """Return a cut of a layer, and one with twice as many terms in its sums.

    Rows of the image stay as long as they are: what a row costs is in the figure. So the image
    loses rows, then filters, then channels.
    """
    small = replace(layer, batch=1)
    while small.flops > flops / 2:
        halved = _halved(small, direction)
        if halved is None:
            break
        small = halved
    if direction == "weight-grad":
        return small, replace(small, batch=2)
    if small.groups > 1:  # whose number of terms is that of a group's channels: more of them
        return small, replace(
            small,
            groups=2 * small.groups,
            in_channels=2 * small.in_channels,
            out_channels=2 * small.out_channels,
        )
    if direction == "input-grad":
        return small, replace(small, out_channels=2 * small.out_channels)
    return small, replace(small, in_channels=2 * small.in_channels)


def count(
    rungs: Sequence[Rung], layer: Layer, direction: Direction, instruction_set: str
) -> dict[str, float]:
    """Return the instructions of a multiply-add, for each rung that could be counted.

    Parameters
    ----------
    rungs
        That run on this instruction set.
    layer, direction
        What is computed.
    instruction_set
        As fastconv calls it; "" for the widest that valgrind knows.
    """
    request, products = [], {}
    for number, rung in enumerate(rungs):
        flops = min(MOST_FLOPS, rung.rough_gflops * FLOPS_PER_ROUGH_GFLOPS)
        small, large = sizes(layer, direction, flops)
        if rung.refusal(small, direction) or rung.refusal(large, direction):
            continue
        products[number] = (large.flops - small.flops) / 2
        for part, size in enumerate((small, large)):
            request.append((rung.name, f"{number}.{part}", size.as_dict(), direction))
    counted = _counted(request, instruction_set)
    return {
        rungs[number].name: (counted[f"{number}.1"] - counted[f"{number}.0"]) / different
        for number, different in products.items()
        if {f"{number}.0", f"{number}.1"} <= counted.keys()
    }


def _halved(layer: Layer, direction: Direction) -> Layer | None:
    rows = layer.output_shape[2]
    if rows > 8:
        height = layer.height - rows // 2 * layer.stride
        if replace(layer, height=height).output_shape[2] >= 1:
            return replace(layer, height=height)
    if layer.groups > 1:
        return None
    # of what is not summed first: that is what vectors and tiles are made of, and some is enough
    first, second = "out_channels", "in_channels"
    if direction == "input-grad":
        first, second = second, first
    for name, least in ((first, 32), (second, 8), (first, 4), (second, 1), (first, 1)):
        if getattr(layer, name) > least:
            return replace(layer, **{name: max(least, getattr(layer, name) // 2)})
    if rows > 1:
        return replace(layer, height=layer.height - rows // 2 * layer.stride)
    return None


def _counted(request: Sequence[object], instruction_set: str) -> dict[str, int]:
    """Return the instructions of each dump; of none where the process did not end well."""
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")}
    environment.pop("FASTCONV_ISA", None)
    if instruction_set:
        environment["FASTCONV_ISA"] = instruction_set
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "valgrind", "--tool=callgrind", "--instr-atstart=no", "--quiet",
            f"--callgrind-out-file={folder}/counts",
            sys.executable, "-m", "benchmarks.ladder.counted", json.dumps(request),
        ]  # fmt: skip
        with suppress(subprocess.TimeoutExpired):  # those that are done count
            subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, timeout=WITHIN_SECONDS,
                check=False,
            )  # fmt: skip
        found = {}
        for path in Path(folder).iterdir():
            text = path.read_text("utf-8", "replace")
            name = re.search(r"^desc: Trigger: Client Request: (\S+)$", text, re.MULTILINE)
            total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
            if name and total:
                found[name[1]] = int(total[1])
        return found
