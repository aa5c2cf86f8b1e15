"""Instructions by function, counted by valgrind's callgrind.

A count is the same on a busy machine and an idle one, and needs no build of its own: the names of
the kernels' functions are in the extensions. What is written is described in
https://valgrind.org/docs/manual/cl-format.html.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmarks.measuring.worker import THREAD_VARIABLES
from benchmarks.problems.layer import Layer

# Some twenty seconds on an idle machine, nearly all of it for loading NumPy.
WITHIN_SECONDS = 300.0
ROOT = Path(__file__).parents[2]

# A name comes once, in brackets before it the number that stands for it from then on.
_FUNCTION = re.compile(r"(c?)fn=\((\d+)\)(?: (.*))?")
_COST = re.compile(r"[+\-*\d]\S* (\d+)")


def is_here() -> bool:
    """Whether there is something to count with."""
    return shutil.which("valgrind") is not None


def instructions(layer: Layer) -> dict[str, int]:
    """Return the instructions of a call by one thread: function → how many, its own alone.

    Raises
    ------
    RuntimeError
        If the call or the counting failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "counts")
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={file}"]
        command += [sys.executable, "-m", "benchmarks.stages.one_call", json.dumps(layer.as_dict())]
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")}
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True,
            timeout=WITHIN_SECONDS, check=False,
        )  # fmt: skip
        if ended.returncode or not file.exists():
            last = ended.stderr.strip().splitlines()[-1:] or ["nothing was written"]
            raise RuntimeError(f"valgrind ended with exit code {ended.returncode}: {last[0]}")
        with file.open(encoding="utf-8", errors="replace") as lines:
            return counted(lines)


def counted(lines: Iterable[str]) -> dict[str, int]:
    """Return what callgrind has written as function → instructions of its own."""
    names: dict[str, str] = {}
    costs: Counter[str] = Counter()
    function = ""
    is_of_callee = False
    for line in lines:
        if is_of_callee:  # what a call cost, which is counted where it was spent
            is_of_callee = False
            continue
        found = _FUNCTION.match(line)
        if found:
            called, number, name = found.groups()
            if name:
                names[number] = name.strip()
            if not called:
                function = number
        elif line.startswith("calls="):
            is_of_callee = True
        elif cost := _COST.match(line):
            costs[function] += int(cost[1])
    return {names[number]: cost for number, cost in costs.items() if number in names}
