"""The kernels for AVX-512: 32 registers of 512 bits."""

# The register tiles of kernels/tile.pxi, filters x vectors of pixels: a tall one, which loads the
# fewest pixels for its work, and a long one for the filters that are left over. Each leaves
# registers for a row of pixels and a weight. Not every tile becomes vectors (on AVX2 6 x 2 does
# not): tests/fastconv/test_vectorised.py looks at these.
cdef enum:
    VECTOR_BYTES = 64
    TALL_ROWS = 12
    TALL_VECTORS = 2
    LONG_ROWS = 4
    LONG_VECTORS = 6
    MOST_TILE_VALUES = 24 * VECTOR_BYTES // 4

include "../kernels/all.pxi"
