"""The rungs, from the lowest to the highest."""

from __future__ import annotations

from benchmarks.ladder import (
    r01_definition,
    r02_index_im2col,
    r03_sliding_windows,
    r04_shift_and_add,
    r05_literal_loops,
    r06_rows,
    r07_register_tile,
    r08_packing,
    r09_cache_blocks,
    r10_pixels_in_lanes,
    r11_filters_in_lanes,
    r12_avx2,
    r13_avx512,
    r14_threads,
    r15_fewer_multiplications,
)
from benchmarks.ladder.rung import Rung

__all__ = ["MODULES", "RUNGS"]

MODULES = (
    r01_definition,
    r02_index_im2col,
    r03_sliding_windows,
    r04_shift_and_add,
    r05_literal_loops,
    r06_rows,
    r07_register_tile,
    r08_packing,
    r09_cache_blocks,
    r10_pixels_in_lanes,
    r11_filters_in_lanes,
    r12_avx2,
    r13_avx512,
    r14_threads,
    r15_fewer_multiplications,
)
RUNGS: tuple[Rung, ...] = tuple(module.RUNG for module in MODULES)
