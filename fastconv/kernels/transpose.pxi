# Turning a square of one vector by one vector over: what brings weights into panels, and finished
# tiles into the planes of y.
#
#     from   a0 a1 a2 a3        to   a0 b0 c0 d0
#            b0 b1 b2 b3             a1 b1 c1 d1          a row is one vector; the rows of either
#            c0 c1 c2 c3             a2 b2 c2 d2          side lie `stride` apart
#            d0 d1 d2 d3             a3 b3 c3 d3
#
# Dealing the lower half of the rows in between the upper half's, value by value, does one step of
# it; after log2(n) such shuffles every value is in its place:
#
#     a0 a1 a2 a3         a0 c0 a1 c1         a0 b0 c0 d0
#     b0 b1 b2 b3    →    a2 c2 a3 c3    →    a1 b1 c1 d1
#     c0 c1 c2 c3         b0 d0 b1 d1         a2 b2 c2 d2
#     d0 d1 d2 d3         b2 d2 b3 d3         a3 b3 c3 d3
#
# The squares are local, so the compiler knows that nothing overlaps, keeps them in registers and
# makes each shuffle one permutation per row: a third of a cycle per value with AVX-512.

cdef enum:
    # Planes a multiple of so many bytes apart share one or two of the 64 sets of 64 bytes.
    LINES_SHARE_SETS = 2048


cdef inline void shuffle_rows(const int rows, const real* source, real* shuffled) noexcept nogil:
    """Deal the second half of so many rows of a vector in between the first half's."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int i, n
    for i in range(rows // 2):
        for n in range(vector):
            shuffled[2 * i * vector + 2 * n] = source[i * vector + n]
            shuffled[2 * i * vector + 2 * n + 1] = source[(i + rows // 2) * vector + n]


cdef inline void transpose_square(
    const real* source, Py_ssize_t source_stride, Py_ssize_t source_rows, real* target,
    Py_ssize_t target_stride, Py_ssize_t target_rows, int activation,
) noexcept nogil:
    """Do target[n·target_stride + m] = f(source[m·source_stride + n]), for n < target_rows.

    All m are written; those from source_rows on repeat the last row there is.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real first[FLOATS * FLOATS]
    cdef real second[FLOATS * FLOATS]
    cdef real* turned = first
    cdef const real* row
    cdef Py_ssize_t m, n
    for m in range(vector):
        row = source + min(m, source_rows - 1) * source_stride
        for n in range(vector):
            first[m * vector + n] = row[n]
    shuffle_rows(vector, first, second)
    if vector == 2:
        turned = second
    else:
        shuffle_rows(vector, second, first)
    if vector > 4:
        shuffle_rows(vector, first, second)
        turned = second
    if vector > 8:
        shuffle_rows(vector, second, first)
        turned = first
    if activation != IDENTITY:
        for n in range(vector * vector):
            turned[n] = activate(activation, turned[n])
    for n in range(target_rows):
        for m in range(vector):
            target[n * target_stride + m] = turned[n * vector + m]


cdef inline void transpose_part(
    const real* source, Py_ssize_t source_stride, real* target, Py_ssize_t target_stride,
    Py_ssize_t source_rows, Py_ssize_t target_rows, int activation,
) noexcept nogil:
    """Do the same for what is left at an edge, m < source_rows and n < target_rows."""
    cdef Py_ssize_t m, n
    for n in range(target_rows):
        for m in range(source_rows):
            target[n * target_stride + m] = activate(activation, source[m * source_stride + n])


cdef inline Py_ssize_t values_before_line(const real* place, Py_ssize_t plane) noexcept nogil:
    """Return how many values after a first square the next begins best, or 0 for a vector of them.

    Rows of planes of 64x64 or 160x160 share one or two sets of the first-level cache, which has not
    the ways for two lines of each: a line that two squares share would come twice. So squares of
    whole lines keep to them. (16 → 16 at 160x160 takes 0.9 of the time.)
    """
    if VECTOR_BYTES < LINE_BYTES or plane * <Py_ssize_t>sizeof(real) % LINES_SHARE_SETS != 0:
        return 0
    return (LINE_BYTES - <Py_ssize_t>(<size_t>place % LINE_BYTES)) % LINE_BYTES // (
        <Py_ssize_t>sizeof(real)
    )


cdef inline void turn_run(
    const real* source, const real* end, Py_ssize_t plane, Py_ssize_t channels, Py_ssize_t count,
    real* target,
) noexcept nogil:
    """Bring neighbours of up to a vector of planes into target [count][vector of planes].

    Lanes beyond the last plane repeat it, or are left. Nothing is read from `end` on. If there are
    squares at all, the last begins where it is whole too.
    """
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t step = values_before_line(source, plane)
    cdef Py_ssize_t j = 0
    cdef Py_ssize_t here
    if step == 0:
        step = vector
    while j < count:
        here = min(vector, count - j)
        if here == vector and channels == vector:
            # how many there are is known, so the square goes from registers to where it belongs
            transpose_square(
                source + j, plane, vector, target + j * vector, vector, vector, IDENTITY
            )
        elif source + j + (channels - 1) * plane + vector <= end:
            # what it reads beyond the run is not written
            transpose_square(
                source + j, plane, channels, target + j * vector, vector, here, IDENTITY
            )
        else:
            transpose_part(
                source + j, plane, target + j * vector, vector, channels, here, IDENTITY
            )
        if j + here == count:
            return
        j = min(j + step, count - vector)
        step = vector
