"""The kernels for AVX2 and fused multiply-add: 16 registers of 256 bits."""

# The register tiles of kernels/tile.pxi and the stencils. Each tile leaves registers for what it
# loads and broadcasts; tests/fastconv/test_vectorised.py looks whether it became vectors.
cdef enum:
    VECTOR_BYTES = 32
    # lanes of pixels: a tall tile, which loads the fewest pixels for its work, and a long one for
    # the filters that are left over, in filters x vectors
    TALL_ROWS = 4
    TALL_VECTORS = 3
    LONG_ROWS = 2
    LONG_VECTORS = 6
    # lanes of filters: how many pixels a tile has beside a panel of 4, 3, 2 and 1 vectors, and how
    # many at the end
    PANEL_VECTORS = 2
    PIXELS_4 = 3
    PIXELS_3 = 4
    PIXELS_2 = 6
    PIXELS_1 = 8
    SMALL_PIXELS = 4
    MOST_TILE_VALUES = 12 * VECTOR_BYTES // 4
    # stencils: rows of two vectors; pixels of a vector of channels
    STENCIL_ROWS = 4
    STENCIL_VALUES = 8 * VECTOR_BYTES // 4
    CHANNEL_PIXELS = 7
    # the weight gradient's runs of pixels: filters of a tile, and its taps beside 4, 2 and 1
    RUN_FILTERS = 4
    RUN_TAPS = 3
    RUN_TAPS_2 = 5
    RUN_TAPS_1 = 9

include "../kernels/all.pxi"
