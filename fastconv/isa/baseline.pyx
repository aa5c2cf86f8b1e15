"""The kernels for the instructions every processor of the architecture has: 16 or 32 registers of 128 bits."""

# The register tiles of kernels/tile.pxi, filters x vectors of pixels: a tall one, which loads fewest
# pixels for its work, and a long one for the filters that are left over. Each leaves registers for
# a row of pixels and a weight. tests/fastconv/test_vectorised.py notices if one stops vectorising;
# on AVX2, for one, 6 x 2 does.
cdef enum:
    VECTOR_BYTES = 16
    TALL_ROWS = 3
    TALL_VECTORS = 4
    LONG_ROWS = 3
    LONG_VECTORS = 4
    MOST_TILE_VALUES = 12 * VECTOR_BYTES // 4

include "../kernels/all.pxi"
