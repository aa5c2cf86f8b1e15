"""What stage of a convolution a compiled function belongs to, by its name.

    band        the image copied, padded, into the form in which the product reads it
    pack        weights into panels
    transform   of tiles: pixels and weights there, sums back
    product     the multiply-adds, and adding what they come to
    turn        sums brought into the order of the result
    other       finding units, reading the problem, looking whether all is finite

The names are those of `fastconv.explain(...).stages`, where both have one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

STAGES = ("band", "pack", "transform", "product", "turn", "other")

# The first that is found in the name of a function.
_WORDS: tuple[tuple[str, str], ...] = (
    ("transform_tap", "transform"),
    ("lay_out", "other"),
    ("band_values", "other"),
    ("panel_values", "other"),
    ("find_panel", "other"),
    ("multiply", "product"),
    ("sum_panel", "product"),
    ("finish", "turn"),
    ("image_columns", "band"),
    ("band", "band"),
    ("gather", "band"),
    ("pack", "pack"),
    ("panel", "pack"),
    ("transform", "transform"),
    ("restore_columns", "transform"),
    ("turn", "turn"),
    ("slide", "product"),
    ("stencil", "product"),
    ("spread", "product"),
    ("_lanes", "product"),
    ("sum_tiles", "product"),
    ("forward_units", "product"),
)
# As Cython calls what is declared in a module: fastconv.isa.avx2, of this name.
_KERNEL = re.compile(r"pyx_f_8fastconv_3isa_\d+(avx2|avx512|baseline)_(\w+)")


def stage_of(function: str) -> str | None:
    """Return the stage of a function by the name that the linker knows; None if it is no kernel's.

    >>> stage_of("__pyx_fuse_0__pyx_f_8fastconv_3isa_4avx2_turn_pixels.constprop.0")
    'turn'
    >>> stage_of("memcpy")
    """
    found = _KERNEL.search(function)
    if found is None:
        return None
    return next((stage for word, stage in _WORDS if word in found[2]), "other")


def instruction_sets(functions: Iterable[str]) -> set[str]:
    """Return the instruction sets whose kernels are among these."""
    return {found[1] for found in map(_KERNEL.search, functions) if found}


def by_stage(instructions: Mapping[str, int]) -> dict[str, int]:
    """Add up what is counted by function, in the order of `STAGES`; none without any count."""
    counts = dict.fromkeys(STAGES, 0)
    for function, count in instructions.items():
        stage = stage_of(function)
        if stage is not None:
            counts[stage] += count
    return {stage: count for stage, count in counts.items() if count}
