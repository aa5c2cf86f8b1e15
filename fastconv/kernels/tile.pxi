# The register tile: a few filters by a few vectors of pixels, summed over all taps in registers.
#
#                 lanes: pixels, whole vectors               Each step of the loop over the taps
#               ┌────────────────────────────┐               loads one row of pixels, broadcasts one
#       rows:   │                            │               weight for every filter, and does
#       filters │     tile[rows][lanes]      │               rows·lanes multiply-adds between them:
#               │                            │               nothing else touches memory.
#               └────────────────────────────┘
#
# The extents are constants wherever this is called. Only then does the compiler unroll the tile
# into registers; whether it has done so, for every tile, is what tests/fastconv/test_vectorised.py
# looks at.


cdef inline void multiply_tile(
    const int rows, const int lanes, Py_ssize_t taps, const real* w, Py_ssize_t w_stride,
    const real* pixels, const Py_ssize_t* offsets, real* tile,
) noexcept nogil:
    """Do tile[m][n] += sum over t of w[m·w_stride + t] · pixels[offsets[t] + n], t in order."""
    cdef real sums[MOST_TILE_VALUES]
    cdef const real* row
    cdef Py_ssize_t t
    cdef int m, n
    for m in range(rows):
        for n in range(lanes):
            sums[m * lanes + n] = tile[m * lanes + n]
    for t in range(taps):
        row = pixels + offsets[t]
        for m in range(rows):
            for n in range(lanes):
                sums[m * lanes + n] += w[m * w_stride + t] * row[n]
    for m in range(rows):
        for n in range(lanes):
            tile[m * lanes + n] = sums[m * lanes + n]
