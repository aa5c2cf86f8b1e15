# What the row orders are made of: the inner loop along one image row, in its few forms.
#
# One tap (r, s) of the kernel touches, in one output row, the outputs [first, last) whose image
# column exists; finding that range beforehand takes every test out of the inner loop:
#
#     image row        . . x x x x x x x x . .       . = padding
#     tap s = 0        0 1 2 3 4 5 6 7 8 9            → outputs [2, 10)
#     tap s = 2            0 1 2 3 4 5 6 7 8 9        → outputs [0, 8)
#
# With stride 1 these are straight runs through memory and become full vectors of fused
# multiply-adds (tests/fastconv/test_vectorised.py looks). A stride above 1 reads every
# other value and stays scalar.


cdef inline void add_scaled_row(
    real* target, const real* source, Py_ssize_t stride, real scale, Py_ssize_t n
) noexcept nogil:
    """Do target[j] += scale · source[j·stride]: a tap, seen from the outputs."""
    cdef Py_ssize_t j
    if stride == 1:
        for j in range(n):
            target[j] += scale * source[j]
    else:
        for j in range(n):
            target[j] += scale * source[j * stride]


cdef inline void spread_scaled_row(
    real* target, const real* source, Py_ssize_t stride, real scale, Py_ssize_t n
) noexcept nogil:
    """Do target[j·stride] += scale · source[j]: a tap, seen from the image."""
    cdef Py_ssize_t j
    if stride == 1:
        for j in range(n):
            target[j] += scale * source[j]
    else:
        for j in range(n):
            target[j * stride] += scale * source[j]


# A sum over a row is kept in as many parts as a vector has lanes: the compiler may not reorder it.


cdef inline real sum_lanes(const real* lanes) noexcept nogil:
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real total = 0
    cdef int k
    for k in range(vector):
        total += lanes[k]
    return total


cdef inline real dot_row(
    const real* first, const real* second, Py_ssize_t stride, Py_ssize_t n
) noexcept nogil:
    """Return the sum of first[j] · second[j·stride]."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real lanes[FLOATS]
    cdef Py_ssize_t j = 0
    cdef real total = 0
    cdef int k
    if stride == 1 and n >= vector:
        for k in range(vector):
            lanes[k] = 0
        while j + vector <= n:
            for k in range(vector):
                lanes[k] += first[j + k] * second[j + k]
            j = j + vector
        total = sum_lanes(lanes)
    while j < n:
        total += first[j] * second[j * stride]
        j = j + 1
    return total


cdef inline real sum_row(const real* values, Py_ssize_t n) noexcept nogil:
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real lanes[FLOATS]
    cdef Py_ssize_t j = 0
    cdef real total = 0
    cdef int k
    if n >= vector:
        for k in range(vector):
            lanes[k] = 0
        while j + vector <= n:
            for k in range(vector):
                lanes[k] += values[j + k]
            j = j + vector
        total = sum_lanes(lanes)
    while j < n:
        total += values[j]
        j = j + 1
    return total
