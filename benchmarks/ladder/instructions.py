"""How many instructions a tap of a tile takes: a tile that is not at the peak is held up by them.

A tile of 4 filters × 3 vectors of pixels, as it is compiled for SSE2:

    3   pixels loaded, a vector each
    8   4 weights loaded, and each spread over the lanes of a vector
    8   copies: a product overwrites one of its factors, which the next one needs
    24  12 products, 12 additions
    8   the loop: where the pixels are, two pointers, its end
    ──
    51  for 48 multiply-adds

With fused multiply-adds a weight is spread as it is loaded, nothing is copied, and a product is its
addition: 27. What an instruction takes is measured (`rates.pyx`), on a tile that no rung has.
"""

from __future__ import annotations

import platform

__all__ = ["BASELINE_IS_FUSED", "of_tile"]

# What every processor of the architecture has: on aarch64 that is NEON, which multiplies and adds.
BASELINE_IS_FUSED = platform.machine().lower() in ("arm64", "aarch64")


def of_tile(spread: int, vectors: int, loop: int, *, fused: bool = BASELINE_IS_FUSED) -> int:
    """Return the instructions of a tap.

    Parameters
    ----------
    spread
        Numbers that each stand in all lanes of a vector: weights, where pixels are in the lanes.
    vectors
        What they are multiplied with.
    loop
        Instructions of a tap that are none of the tile's.
    fused
        Whether a multiply-add is one instruction.
    """
    products = spread * vectors
    if fused:
        return vectors + spread + products + loop
    return vectors + 2 * spread + spread * (vectors - 1) + 2 * products + loop
