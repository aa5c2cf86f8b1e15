"""The worker's side of a trainer whose backend is a kernel for one filter per group: none of these.

It stands in for `benchmarks.lenet.tasks`.
"""

from __future__ import annotations

from benchmarks.lenet.contestants import Ours
from benchmarks.lenet.tasks import Tasks

BACKEND = "stencil_channels"


def create(name: str, threads: int) -> Tasks:
    """Return the tasks of that backend, whatever name is asked for."""
    return Tasks(Ours(BACKEND, f"in place of {name}"), threads)
