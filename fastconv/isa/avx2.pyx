"""The kernels for AVX2 and fused multiply-add: 16 registers of 256 bits."""

# The register tiles of kernels/tile.pxi, filters x vectors of pixels: a tall one, which loads the
# fewest pixels for its work, and a long one for the filters that are left over. Each leaves
# registers for a row of pixels and a weight. Not every tile becomes vectors (on AVX2 6 x 2 does
# not): tests/fastconv/test_vectorised.py looks at these.
cdef enum:
    VECTOR_BYTES = 32
    TALL_ROWS = 4
    TALL_VECTORS = 3
    LONG_ROWS = 2
    LONG_VECTORS = 6
    MOST_TILE_VALUES = 12 * VECTOR_BYTES // 4

include "../kernels/all.pxi"
