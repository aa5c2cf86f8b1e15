# Which tap of its window a maximum is: its number in row order, from 0. It is what a gradient needs
# to know of an image, in one byte instead of the window's pixels:
#
#     tap    0 1 2          x    3 1 4         y    9 at tap 3
#            3 4 5               9 2 6
#            6 7 8               5 3 5
#
# In the array of taps it is a byte, or of windows of more than BYTE_TAPS taps a number of 64 bits.
# In the scratch it is as wide as the values, so that the mask of a comparison selects these. Both
# ways go by whole vectors of bytes, of which one makes four or eight of values: two instructions a
# vector.


cdef inline void widen_block(const unsigned char* taps, real* numbers) noexcept nogil:
    """Turn a vector of bytes into numbers."""
    cdef unsigned char taken[VECTOR_BYTES]
    cdef real wide[VECTOR_BYTES]
    cdef int k
    for k in range(VECTOR_BYTES):
        taken[k] = taps[k]
    for k in range(VECTOR_BYTES):
        wide[k] = <real>taken[k]
    for k in range(VECTOR_BYTES):
        numbers[k] = wide[k]


cdef inline void narrow_block(const real* numbers, unsigned char* taps) noexcept nogil:
    """Turn numbers into a vector of bytes."""
    cdef real wide[VECTOR_BYTES]
    cdef unsigned char taken[VECTOR_BYTES]
    cdef int k
    for k in range(VECTOR_BYTES):
        wide[k] = numbers[k]
    for k in range(VECTOR_BYTES):
        taken[k] = <unsigned char><int>wide[k]
    for k in range(VECTOR_BYTES):
        taps[k] = taken[k]


cdef inline void widen_taps(
    const Pool* pool, const void* taps, Py_ssize_t first, Py_ssize_t n, real* numbers
) noexcept nogil:
    """Do numbers[j] = taps[first + j]; the last vector overlaps the one before."""
    cdef const unsigned char* bytes = <const unsigned char*>taps + first
    cdef const long long* words = <const long long*>taps + first
    cdef Py_ssize_t j = 0
    if pool.wide:
        for j in range(n):
            numbers[j] = <real>words[j]
    elif n >= VECTOR_BYTES:
        while j + VECTOR_BYTES < n:
            widen_block(bytes + j, numbers + j)
            j = j + VECTOR_BYTES
        widen_block(bytes + n - VECTOR_BYTES, numbers + n - VECTOR_BYTES)
    else:
        while j < n:
            numbers[j] = <real>bytes[j]
            j = j + 1


cdef inline void widen_beyond(
    const Pool* pool, const void* taps, Py_ssize_t first, Py_ssize_t n, Py_ssize_t end,
    real* numbers,
) noexcept nogil:
    """Do so by whole vectors, up to one more than n, where there are so many of all `end` taps."""
    cdef Py_ssize_t j = 0
    if pool.wide or first + ceil_div(n, VECTOR_BYTES) * VECTOR_BYTES > end:
        widen_taps(pool, taps, first, n, numbers)
        return
    while j < n:
        widen_block(<const unsigned char*>taps + first + j, numbers + j)
        j = j + VECTOR_BYTES


cdef inline void narrow_taps(
    const Pool* pool, const real* numbers, Py_ssize_t n, void* taps, Py_ssize_t first
) noexcept nogil:
    """Do taps[first + j] = numbers[j], in the same way."""
    cdef unsigned char* bytes = <unsigned char*>taps + first
    cdef long long* words = <long long*>taps + first
    cdef Py_ssize_t j = 0
    if pool.wide:
        for j in range(n):
            words[j] = <long long>numbers[j]
    elif n >= VECTOR_BYTES:
        while j + VECTOR_BYTES < n:
            narrow_block(numbers + j, bytes + j)
            j = j + VECTOR_BYTES
        narrow_block(numbers + n - VECTOR_BYTES, bytes + n - VECTOR_BYTES)
    else:
        while j < n:
            bytes[j] = <unsigned char><int>numbers[j]
            j = j + 1
