# Passes of five, seven or nine taps, along a row or down the columns, with weights in registers:
# where the image comes from memory this is faster than tiles, which broadcast them. Down the
# columns a vector is loaded for all rows of the result that see it.

cdef extern from *:
    """
    /* Vectors of a row at a time; or down the columns rows, and vectors of each. */
    #define SHORT_VECTORS (REGISTERS == 32 ? 8 : 4)
    #define SHORT_ROWS (REGISTERS == 32 ? 4 : 1)
    #define SHORT_WIDTH 4
    #define SHORT_VALUES (REGISTERS == 32 ? 16 * FLOATS : 4 * FLOATS)
    """
    enum: SHORT_VECTORS
    enum: SHORT_ROWS
    enum: SHORT_WIDTH
    enum: SHORT_VALUES


cdef inline void add_runs(
    const int rows, const int vectors, const int taps, const real* w, const real* first,
    Py_ssize_t step, real bias, Py_ssize_t count, real* y, Py_ssize_t y_width,
) noexcept nogil:
    """Do y[m][j] = bias + sum of w[t] · first[(m + t)·step + j]; j at least so many vectors."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef real sums[SHORT_VALUES]
    cdef real held[9]
    cdef Py_ssize_t j = 0
    cdef int q, m, t, n
    for t in range(taps):
        held[t] = w[t]
    while j < count:
        j = min(j, count - lanes)
        for n in range(rows * lanes):
            sums[n] = bias
        for q in range(rows + taps - 1):
            for m in range(rows):
                if m <= q and q < m + taps:
                    for n in range(lanes):
                        sums[m * lanes + n] += held[q - m] * first[q * step + j + n]
        for m in range(rows):
            for n in range(lanes):
                y[m * y_width + j + n] = sums[m * lanes + n]
        j = j + lanes


cdef inline bint is_short(Py_ssize_t taps, Py_ssize_t count, Py_ssize_t itemsize) noexcept nogil:
    """Whether `short_pass` does so many outputs of so many taps."""
    return (taps == 5 or taps == 7 or taps == 9) and count >= VECTOR_BYTES // itemsize


cdef inline void short_runs(
    const int rows, const int vectors, Py_ssize_t taps, const real* w, const real* first,
    Py_ssize_t step, real bias, Py_ssize_t count, real* y, Py_ssize_t y_width,
) noexcept nogil:
    """Do `add_runs` of a number of taps that `is_short`."""
    if taps == 5:
        add_runs(rows, vectors, 5, w, first, step, bias, count, y, y_width)
    elif taps == 7:
        add_runs(rows, vectors, 7, w, first, step, bias, count, y, y_width)
    else:
        add_runs(rows, vectors, 9, w, first, step, bias, count, y, y_width)


cdef void short_pass(
    Py_ssize_t taps, const real* w, const real* first, Py_ssize_t step, real bias,
    Py_ssize_t height, Py_ssize_t count, real* y, Py_ssize_t y_width,
) noexcept nogil:
    """Do y[i][j] = bias + sum of w[t] · first[(i + t)·step + j], of so many rows and values.

    Along a row `step` is 1. The bias is no constant, or sums would begin with their second product.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef bint tall = SHORT_ROWS > 1 and height >= SHORT_ROWS and count >= SHORT_WIDTH * vector
    cdef Py_ssize_t i = 0
    while i < height:
        if tall:
            i = min(i, height - SHORT_ROWS)
            short_runs(
                SHORT_ROWS, SHORT_WIDTH, taps, w, first + i * step, step, bias, count,
                y + i * y_width, y_width,
            )
            i = i + SHORT_ROWS
            continue
        if count >= SHORT_VECTORS * vector:
            short_runs(
                1, SHORT_VECTORS, taps, w, first + i * step, step, bias, count, y + i * y_width,
                y_width,
            )
        else:
            short_runs(
                1, 1, taps, w, first + i * step, step, bias, count, y + i * y_width, y_width
            )
        i = i + 1
