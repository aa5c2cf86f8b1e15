# Rows of few windows 2x2, as of images of 14 pixels and less, put end to end: they are a long row
# of windows then, as they are in y, of whole vectors.
#
#     a b c d                               windows, and so y
#     e f g h        upper    a b c d i j k l
#     i j k l   ->   lower    e f g h m n o p        ab cd ij kl
#     m n o p                                        ef gh mn op
#
# A row is moved as SHORT_PIXELS, however long it is, and what is too much of it is overwritten by
# the next. Those at the end, beyond which nothing is ours, are moved value by value.
#
# 800 planes of 10x10 on a Zen 4 with AVX-512, y with taps and the way back, predicted for four
# instructions a pair of rows, 34 a vector of windows and bytes from the second-level cache: 15 and
# 20 us. Measured 14 and 24, where window by window it was 59 and 55. Rows of 14 windows, moved as
# two times SHORT_PIXELS, took as long as by halves of vectors, and longer on the way back. Planes
# of odd rows are moved one by one: 25 windows with taps are worth it, without they are not.


cdef enum:
    SHORT_WINDOWS = 7
    SHORT_PIXELS = 16       # which are moved at once
    # So many values are done together where rows are: twice if there is a NaN, and then they are in
    # the cache.
    LOOK_AT_VALUES = 2048


cdef struct Pairs:
    Pool pool
    Py_ssize_t together     # rows of windows that are done at once
    Py_ssize_t apart        # from the upper of short rows to the lower, in values; 0: none is short
    Py_ssize_t pixels       # where in the scratch these are


cdef int fill_in_pairs(
    const Description* given, Made* made, list memory, Pairs* layout, Py_ssize_t together,
    Py_ssize_t fewest,
) except -1:
    """Fill in all: rows are short where those of a plane have no fewer windows than that.

    Else so many are done together.
    """
    cdef Pool* pool = &layout.pool
    cdef Py_ssize_t windows
    lay_out_pool(given, made, memory, pool, given.problem.rows.outputs)
    windows = pool.columns.outputs
    layout.together, layout.apart = together, 0
    if windows <= SHORT_WINDOWS and windows * min(pool.rows.outputs, pool.unit_rows) >= fewest:
        layout.together = LOOK_AT_VALUES // pool.columns.size
        layout.apart = whole_lines(2 * layout.together * windows + SHORT_PIXELS)
        layout.pixels = book(made, 2 * layout.apart)
    return 0


cdef int lay_out_pairs(const Description* given, Made* made, list memory) except -1:
    cdef Pairs* layout = <Pairs*>allot(memory, sizeof(Pairs))
    fill_in_pairs(given, made, memory, layout, 1, 4 * SHORT_PIXELS)
    made.layout = layout
    return 0


cdef inline void move_short(const real* source, real* target) noexcept nogil:
    """Copy SHORT_PIXELS values."""
    cdef real taken[SHORT_PIXELS]
    cdef int k
    for k in range(SHORT_PIXELS):
        taken[k] = source[k]
    for k in range(SHORT_PIXELS):
        target[k] = taken[k]


cdef inline void join_short_rows(
    const Pairs* layout, const real* image, Py_ssize_t begin, Py_ssize_t count, real* upper
) noexcept nogil:
    """Put so many pairs of rows of an image, the first of which begin there, end to end."""
    cdef const Pool* pool = &layout.pool
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t pixels = 2 * pool.columns.outputs
    cdef Py_ssize_t left = pool.planes * pool.rows.size * width - begin
    cdef const real* rows = image + begin
    cdef real* lower = upper + layout.apart
    cdef Py_ssize_t i, j
    for i in range(count):
        if (2 * i + 1) * width + SHORT_PIXELS <= left:
            move_short(rows, upper)
            move_short(rows + width, lower)
        else:
            for j in range(pixels):
                upper[j], lower[j] = rows[j], rows[width + j]
        rows, upper, lower = rows + 2 * width, upper + pixels, lower + pixels


cdef inline void part_short_rows(
    const Pairs* layout, const real* upper, Py_ssize_t count, real* dx
) noexcept nogil:
    """Store such rows as so many pairs of rows of dx, with nothing for what no window sees."""
    cdef Py_ssize_t width = layout.pool.columns.size
    cdef Py_ssize_t pixels = 2 * layout.pool.columns.outputs
    cdef const real* lower = upper + layout.apart
    cdef Py_ssize_t i, j
    for i in range(count):
        if (2 * (count - i) - 1) * width >= SHORT_PIXELS:
            move_short(upper, dx)
            for j in range(pixels, width):
                dx[j] = 0
            move_short(lower, dx + width)
            for j in range(pixels, width):
                dx[width + j] = 0
        else:
            for j in range(pixels):
                dx[j], dx[width + j] = upper[j], lower[j]
            for j in range(pixels, width):
                dx[j] = dx[width + j] = 0
        dx, upper, lower = dx + 2 * width, upper + pixels, lower + pixels
