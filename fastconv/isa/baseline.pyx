"""The kernels for every processor of the architecture: registers of 128 bits."""

# The register tiles of kernels/tile.pxi, filters x vectors of pixels: a tall one, which loads the
# fewest pixels for its work, and a long one for the filters that are left over. Each leaves
# registers for a row of pixels and a weight. Not every tile becomes vectors (on AVX2 6 x 2 does
# not): tests/fastconv/test_vectorised.py looks at these.
cdef enum:
    VECTOR_BYTES = 16
    TALL_ROWS = 3
    TALL_VECTORS = 4
    LONG_ROWS = 3
    LONG_VECTORS = 4
    MOST_TILE_VALUES = 12 * VECTOR_BYTES // 4

include "../kernels/all.pxi"
