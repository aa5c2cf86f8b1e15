# The register tiles: sums that stay in registers while all taps pass by.
#
#     multiply_pixels                              multiply_filters
#     lanes: filters                               lanes: pixels
#
#            ┌──────────────────────┐                      ┌──────────────────────┐
#     rows:  │                      │              rows:   │                      │
#     pixels │  tile[rows][lanes]   │              filters │  tile[rows][lanes]   │
#            │                      │                      │                      │
#            └──────────────────────┘                      └──────────────────────┘
#     a step loads a row of the panel,             a step loads a stretch of the image,
#     broadcasts one number per pixel              broadcasts one weight per filter
#
# and does rows·lanes multiply-adds with them: nothing else touches memory.
#
# The extents are constants wherever these are called. Only then does the compiler unroll the tile
# into registers; whether it has done so, for every tile, is what tests/fastconv/test_vectorised.py
# looks at. (GCC's -O3 unrolls short loops before it looks for vectors in them, and then finds none:
# setup.py says which flags keep every tile whole.)
#
# Two more things decide whether the sums stay out of memory before and after the loop as well:
# where they begin is a constant too (`begins`: from the bias, else from what is in `sums`), and the
# loop runs at least once, which `while True` tells the compiler. A tile of 24 vectors and 27 taps
# would else spend a quarter of its time on the stack.


cdef inline void multiply_pixels(
    const bint begins, const bint adds, const bint run, const int pixels, const int vectors,
    Py_ssize_t taps, const real* panel, const real* image, const Py_ssize_t* offsets,
    const Py_ssize_t* positions, real* sums, Py_ssize_t vector_stride, const real* bias,
) noexcept nogil:
    """Do sums[v][p][n] += image[positions[p] + offsets[t]] · panel[t][v][n], for all t in order.

    If it `adds`, then to zero first, and the whole of it to sums. The pixels of a `run` lie next to
    each other: a single pointer for all of them, where one for each would not fit the registers.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int lanes = vectors * vector
    cdef real tile[MOST_TILE_VALUES]
    cdef const real* pixel[PIXELS_1]
    cdef real taken
    cdef Py_ssize_t t = 0
    cdef int p, v, n
    for p in range(pixels):
        pixel[p] = image + positions[p]
        if adds:
            for n in range(lanes):
                tile[p * lanes + n] = 0
        elif begins:
            for n in range(lanes):
                tile[p * lanes + n] = bias[n]
        else:
            for v in range(vectors):
                for n in range(vector):
                    tile[p * lanes + v * vector + n] = sums[v * vector_stride + p * vector + n]
    while True:
        for p in range(pixels):
            if run:
                taken = pixel[0][offsets[t] + p]
            else:
                taken = pixel[p][offsets[t]]
            for n in range(lanes):
                tile[p * lanes + n] += taken * panel[t * lanes + n]
        t = t + 1
        if t >= taps:
            break
    for p in range(pixels):
        for v in range(vectors):
            for n in range(vector):
                if adds:
                    sums[v * vector_stride + p * vector + n] += tile[p * lanes + v * vector + n]
                else:
                    sums[v * vector_stride + p * vector + n] = tile[p * lanes + v * vector + n]


cdef inline void multiply_filters(
    const bint begins, const int filters, const int vectors, Py_ssize_t taps, const real* panel,
    const real* stretch, const Py_ssize_t* offsets, real* sums, Py_ssize_t filter_stride,
    const real* bias,
) noexcept nogil:
    """Do sums[m][n] += panel[t][m] · stretch[offsets[t] + n], for all t in order."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef real tile[MOST_TILE_VALUES]
    cdef const real* row
    cdef Py_ssize_t t = 0
    cdef int m, n
    for m in range(filters):
        if begins:
            for n in range(lanes):
                tile[m * lanes + n] = bias[m]
        else:
            for n in range(lanes):
                tile[m * lanes + n] = sums[m * filter_stride + n]
    while True:
        row = stretch + offsets[t]
        for m in range(filters):
            for n in range(lanes):
                tile[m * lanes + n] += panel[t * filters + m] * row[n]
        t = t + 1
        if t >= taps:
            break
    for m in range(filters):
        for n in range(lanes):
            sums[m * filter_stride + n] = tile[m * lanes + n]
