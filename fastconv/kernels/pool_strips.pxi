# Gradients of 3x3 maxima padded by one pixel, in strips: what their kernels share.
#
# A vector of windows next to each other goes down the image, a strip of it, and all that is beside
# a pixel or a window comes from the same vector, moved by one lane. So nothing waits in the scratch
# to be read again from between two vectors: pool_threes.pxi stores a row three times, shifted.
#
#     pixels of a row     p q r s ...                          at the edges of an image -inf, which
#     one behind         -∞ p q r ...                          never wins, and nothing that is given
#     one ahead           q r s t ... -∞
#
# Inside an image that is wrong in the first and the last lanes. Strips overlap by so many that each
# pixel is right in one of them; they go from left to right, and the first lanes of a strip keep
# what is there.
#
# Rows before the first and after the last are read from, and written to, vectors in the scratch.
#
# A band of rows is done at a time, so that strips next to each other find it in the caches.
cdef enum:
    BAND_OF_STRIPS = 8192
    FEWEST_STRIP_ROWS = 16


cdef struct Strips:
    Pool pool
    Py_ssize_t band         # rows of dx that are done together
    Py_ssize_t padding      # where in the scratch these begin: pixels,
    Py_ssize_t nothing      # gradients,
    Py_ssize_t spare        # and pixels of dx beyond the image


cdef int lay_out_strips(
    const Description* given, Made* made, list memory, Strips* strips
) except -1:
    cdef Pool* pool = &strips.pool
    lay_out_pool(given, made, memory, pool, given.problem.rows.size)
    strips.band = min(
        pool.unit_rows, max(FEWEST_STRIP_ROWS, BAND_OF_STRIPS // pool.columns.outputs)
    )
    strips.padding = book(made, 2 * MOST_LANES)
    strips.nothing = book(made, 2 * MOST_LANES)
    strips.spare = book(made, 2 * MOST_LANES)
    return 0


cdef inline void begin_strips(const Strips* strips, real* scratch) noexcept nogil:
    """Fill in what is beyond the image."""
    fill_row(scratch + strips.padding, <real>-INFINITY, 2 * MOST_LANES)
    fill_row(scratch + strips.nothing, <real>0, 2 * MOST_LANES)
    fill_row(scratch + strips.spare, <real>0, 2 * MOST_LANES)


cdef inline void copy_lanes(const real* values, real* target) noexcept nogil:
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef int k
    for k in range(lanes):
        target[k] = values[k]


cdef inline void fill_lanes(const real value, real* target) noexcept nogil:
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef int k
    for k in range(lanes):
        target[k] = value


cdef inline void add_lanes(const real* values, real* sums) noexcept nogil:
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef int k
    for k in range(lanes):
        sums[k] += values[k]


# Each lane by itself: of these the compiler makes one permutation, and of a loop none.


cdef inline void one_ahead(
    const bint at_edge, const real* values, const real beyond, real* moved
) noexcept nogil:
    """Do moved[k] = values[k + 1]; at the edge the last lane is what is beyond, else anything."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real turned[MOST_LANES]
    cdef int k
    turned[0] = values[1]
    turned[1] = values[2]
    turned[2] = values[3]
    turned[3] = values[4]
    turned[4] = values[5]
    turned[5] = values[6]
    turned[6] = values[7]
    turned[7] = values[8 % lanes]
    if lanes == 16:
        turned[8] = values[9]
        turned[9] = values[10]
        turned[10] = values[11]
        turned[11] = values[12]
        turned[12] = values[13]
        turned[13] = values[14]
        turned[14] = values[15]
        turned[15] = values[0]
    if not at_edge:
        copy_lanes(turned, moved)
        return
    for k in range(lanes):      # the remainder, or the compiler would take the last lane out
        moved[k] = beyond if (k + 1) % lanes == 0 else turned[k]


cdef inline void one_behind(
    const bint at_edge, const real* values, const real beyond, real* moved
) noexcept nogil:
    """Do moved[k] = values[k - 1]; at the edge the first lane is what is beyond, else anything."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real turned[MOST_LANES]
    cdef int k
    turned[0] = values[lanes - 1]
    turned[1] = values[0]
    turned[2] = values[1]
    turned[3] = values[2]
    turned[4] = values[3]
    turned[5] = values[4]
    turned[6] = values[5]
    turned[7] = values[6]
    if lanes == 16:
        turned[8] = values[7]
        turned[9] = values[8]
        turned[10] = values[9]
        turned[11] = values[10]
        turned[12] = values[11]
        turned[13] = values[12]
        turned[14] = values[13]
        turned[15] = values[14]
    if not at_edge:
        copy_lanes(turned, moved)
        return
    for k in range(lanes):
        moved[k] = beyond if k == 0 else turned[k]


cdef inline void store_strip(
    const int kept, const bint first, const real* values, real* dx
) noexcept nogil:
    """Store a vector of pixels, but so many lanes of it only in the first strip."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real there[MOST_LANES]
    cdef real value
    cdef int k
    if first:
        for k in range(lanes):
            dx[k] = values[k]
        return
    for k in range(lanes):
        there[k] = dx[k]
    for k in range(lanes):
        value = values[k]
        there[k] = there[k] if k < kept else value
    for k in range(lanes):
        dx[k] = there[k]


cdef inline void join_pixels(
    const int kept, const bint first, const real* even, const real* odd, real* dx
) noexcept nogil:
    """Store two vectors of pixels in turns; so many of them only in the first strip."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real mixed[2 * MOST_LANES]
    cdef int k
    for k in range(lanes):
        mixed[2 * k] = even[k]
        mixed[2 * k + 1] = odd[k]
    store_strip(kept, first, mixed, dx)
    for k in range(lanes):
        dx[lanes + k] = mixed[lanes + k]
