"""The beginning of a process that has one compiler's extension: it stands in for the package's own.

Nothing that imports the package is imported here before that.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.compilers.builds import stand_in

if TYPE_CHECKING:
    from benchmarks.compilers.timing import Timing

__all__ = ["EXTENSION", "create"]

# Where a process finds which file stands in.
EXTENSION = "FASTCONV_STUDY_EXTENSION"


def create(name: str, threads: int) -> Timing:
    """Return what a process does for the compiler of that name."""
    path = Path(os.environ[EXTENSION])
    stand_in(path)
    from benchmarks.compilers.timing import Timing
    from fastconv import isa

    if isa.kernels is None or Path(str(isa.kernels.__file__)) != path:
        raise RuntimeError(f"its process has {isa.kernels} where it should have {path}")
    return Timing(threads)
