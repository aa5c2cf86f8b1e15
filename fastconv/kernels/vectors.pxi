# Moving values: whole vectors through registers, the last one overlapping the one before instead of
# a remainder value by value. And which outputs of a row have an image column at all.


cdef inline Py_ssize_t first_inside(Py_ssize_t offset, Py_ssize_t stride) noexcept nogil:
    """Return the smallest j >= 0 with j·stride + offset >= 0."""
    if stride == 1:  # a division would cost as much as a short row
        return max(0, -offset)
    return 0 if offset >= 0 else (stride - 1 - offset) // stride


cdef inline Py_ssize_t last_inside(
    Py_ssize_t offset, Py_ssize_t stride, Py_ssize_t extent, Py_ssize_t outputs
) noexcept nogil:
    """Return the end of the range of j < outputs with j·stride + offset < extent."""
    if stride == 1:
        return min(outputs, extent - offset)
    if offset >= extent:
        return 0
    return min(outputs, (extent - 1 - offset) // stride + 1)


cdef inline void fill_row(real* values, real value, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        values[j] = value


cdef inline void copy_row(
    real* target, const real* source, Py_ssize_t stride, Py_ssize_t n
) noexcept nogil:
    """Do target[j] = source[j·stride]."""
    cdef Py_ssize_t j
    if stride == 1:
        for j in range(n):
            target[j] = source[j]
    else:
        for j in range(n):
            target[j] = source[j * stride]


cdef inline void copy_values(const int count, real* target, const real* source) noexcept nogil:
    """Copy so many values at once: through registers, so that nothing needs to be overlap-free."""
    cdef real taken[FLOATS]
    cdef int n
    for n in range(count):
        taken[n] = source[n]
    for n in range(count):
        target[n] = taken[n]


cdef inline void copy_run(real* target, const real* source, Py_ssize_t n) noexcept nogil:
    """Do target[j] = source[j]; the last vector (half, quarter) overlaps the one before."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t j = 0
    if n >= vector:
        while j + vector < n:
            copy_values(vector, target + j, source + j)
            j = j + vector
        copy_values(vector, target + n - vector, source + n - vector)
    elif vector >= 4 and n >= vector // 2:
        copy_values(vector // 2, target, source)
        copy_values(vector // 2, target + n - vector // 2, source + n - vector // 2)
    elif vector >= 8 and n >= vector // 4:
        copy_values(vector // 4, target, source)
        copy_values(vector // 4, target + n - vector // 4, source + n - vector // 4)
    else:
        while j < n:
            target[j] = source[j]
            j = j + 1


cdef inline void deal_values(
    const int count, real* first, real* second, const real* source
) noexcept nogil:
    """Deal out so many pairs at once."""
    cdef real even[FLOATS]
    cdef real odd[FLOATS]
    cdef int n
    for n in range(count):
        even[n] = source[2 * n]
        odd[n] = source[2 * n + 1]
    for n in range(count):
        first[n] = even[n]
    for n in range(count):
        second[n] = odd[n]


cdef inline void deal_run(
    real* first, real* second, const real* source, Py_ssize_t n
) noexcept nogil:
    """Do first[j] = source[2·j] and second[j] = source[2·j + 1]; vectors as in `copy_run`."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t j = 0
    if n >= vector:
        while j + vector < n:
            deal_values(vector, first + j, second + j, source + 2 * j)
            j = j + vector
        j = n - vector
        deal_values(vector, first + j, second + j, source + 2 * j)
    elif vector >= 4 and n >= vector // 2:
        deal_values(vector // 2, first, second, source)
        j = n - vector // 2
        deal_values(vector // 2, first + j, second + j, source + 2 * j)
    else:
        while j < n:
            first[j] = source[2 * j]
            second[j] = source[2 * j + 1]
            j = j + 1


cdef inline void take_values(
    const int count, bint odd, real* target, const real* source
) noexcept nogil:
    """Take the even ones of so many pairs, or the odd ones.

    Both are dealt out, and those not wanted thrown away: alone GCC would move them one by one.
    """
    cdef real evens[FLOATS]
    cdef real odds[FLOATS]
    cdef int n
    for n in range(count):
        evens[n] = source[2 * n]
        odds[n] = source[2 * n + 1]
    for n in range(count):
        target[n] = odds[n] if odd else evens[n]


cdef inline void take_vectors(
    const int count, real* target, const real* row, Py_ssize_t first, Py_ssize_t width,
    Py_ssize_t n,
) noexcept nogil:
    """Do `take_run` by so many at once. At the end of the row they are the odd ones of pairs."""
    cdef Py_ssize_t j = 0
    cdef Py_ssize_t here
    cdef bint odd
    while True:
        here = first + 2 * j
        odd = here + 2 * count > width
        take_values(count, odd, target + j, row + here - odd)
        if j + count >= n:
            break
        j = min(j + count, n - count)


cdef inline void take_run(
    real* target, const real* row, Py_ssize_t first, Py_ssize_t width, Py_ssize_t n
) noexcept nogil:
    """Do target[j] = row[first + 2·j], of a row of so many values; vectors as in `copy_run`."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t j
    if n > vector or n == vector and (first > 0 or 2 * n <= width):
        take_vectors(vector, target, row, first, width, n)
    elif vector >= 4 and n > vector // 2:
        take_vectors(vector // 2, target, row, first, width, n)
    elif vector >= 8 and n > vector // 4:
        take_vectors(vector // 4, target, row, first, width, n)
    else:
        for j in range(n):
            target[j] = row[first + 2 * j]


cdef inline void spread_pairs(real* target, const real* source) noexcept nogil:
    """Do target[2·j] = source[j] for a vector of j; what lies between is written back as it was."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real twice[2 * FLOATS]
    cdef real mixed[2 * FLOATS]
    cdef int n
    for n in range(vector):
        twice[2 * n] = source[n]
        twice[2 * n + 1] = source[n]
    for n in range(2 * vector):
        mixed[n] = target[n]
    for n in range(2 * vector):  # a selection by a constant mask
        target[n] = mixed[n] if n % 2 else twice[n]


cdef inline void spread_run(
    real* target, const real* source, Py_ssize_t stride, Py_ssize_t n
) noexcept nogil:
    """Do target[j·stride] = source[j]."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t j = 0
    if stride == 1:
        copy_run(target, source, n)
        return
    if stride == 2:
        while j + vector < n:  # the last vector would reach one value too far
            spread_pairs(target + 2 * j, source + j)
            j = j + vector
    while j < n:
        target[j * stride] = source[j]
        j = j + 1
