# The spectrum of a square of complex values, and back: a Fourier transform of its columns, turned
# over, and of its columns once more. Real and imaginary parts are planes of their own; a vector is
# a row of some columns, so that a turn is a broadcast number and nothing moves between lanes.
#
# A step makes four transforms of a quarter of the length (Cooley and Tukey), of rows that lie a
# quarter apart:
#
#     row k         x0               x0 +  x1 + x2 +  x3              rows 4m of the spectrum
#         k + n/4   x1              (x0 - ix1 - x2 + ix3)·w^k              4m + 1
#         k + n/2   x2       →      (x0 -  x1 + x2 -  x3)·w^2k             4m + 2
#         k + 3n/4  x3              (x0 + ix1 - x2 - ix3)·w^3k             4m + 3
#
# with w = exp(-2πi/n), and so on in each quarter. What is left at the end is in an order of
# reversed digits, in which spectra are multiplied as in any other; the way back undoes step by
# step. Two real squares are transformed at once, one as the real and one as the imaginary part: the
# product with the spectrum of a real kernel filters each.
#
# C. Van Loan, "Computational Frameworks for the Fast Fourier Transform", 1992, sections 1.3, 1.9.

from libc.math cimport cos, frexp, ldexp, sin


cdef inline Py_ssize_t turns_values(Py_ssize_t side) noexcept nogil:
    """Return how many numbers the turns of all steps are: three complex ones for each k."""
    cdef Py_ssize_t values = 0
    while side > 4:
        values = values + 6 * (side // 4)
        side = side // 4
    return values


cdef void find_turns(Py_ssize_t side, Py_ssize_t itemsize, void* turns) noexcept:
    """Fill in the turns, step by step: w^k, w^2k and w^3k."""
    cdef double circle = 6.283185307179586476925
    cdef double angle
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t k, j
    while side > 4:
        for k in range(side // 4):
            for j in range(1, 4):
                angle = circle * (j * k) / side
                if itemsize == sizeof(double):
                    (<double*>turns)[at], (<double*>turns)[at + 1] = cos(angle), -sin(angle)
                else:
                    (<float*>turns)[at] = <float>cos(angle)
                    (<float*>turns)[at + 1] = <float>-sin(angle)
                at = at + 2
        side = side // 4


cdef inline void split_four(
    const bint turn, const real* w, Py_ssize_t apart, real* re, real* im
) noexcept nogil:
    """Do a step for four rows, `apart` from each other; without `turn` all turns are 1."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real xr[4 * FLOATS]
    cdef real xi[4 * FLOATS]
    cdef real yr[4 * FLOATS]
    cdef real yi[4 * FLOATS]
    cdef real ar, ai, br, bi, cr, ci, dr, di, er, ei
    cdef int q, n
    for q in range(4):
        for n in range(vector):
            xr[q * vector + n] = re[q * apart + n]
        for n in range(vector):
            xi[q * vector + n] = im[q * apart + n]
    for n in range(vector):
        ar = xr[n] + xr[2 * vector + n]
        br = xr[n] - xr[2 * vector + n]
        cr = xr[vector + n] + xr[3 * vector + n]
        dr = xr[vector + n] - xr[3 * vector + n]
        ai = xi[n] + xi[2 * vector + n]
        bi = xi[n] - xi[2 * vector + n]
        ci = xi[vector + n] + xi[3 * vector + n]
        di = xi[vector + n] - xi[3 * vector + n]
        yr[n] = ar + cr
        yi[n] = ai + ci
        # -i·d
        er = br + di
        ei = bi - dr
        yr[vector + n] = er * w[0] - ei * w[1] if turn else er
        yi[vector + n] = er * w[1] + ei * w[0] if turn else ei
        er = ar - cr
        ei = ai - ci
        yr[2 * vector + n] = er * w[2] - ei * w[3] if turn else er
        yi[2 * vector + n] = er * w[3] + ei * w[2] if turn else ei
        er = br - di
        ei = bi + dr
        yr[3 * vector + n] = er * w[4] - ei * w[5] if turn else er
        yi[3 * vector + n] = er * w[5] + ei * w[4] if turn else ei
    for q in range(4):
        for n in range(vector):
            re[q * apart + n] = yr[q * vector + n]
        for n in range(vector):
            im[q * apart + n] = yi[q * vector + n]


cdef inline void join_four(
    const bint turn, const real* w, Py_ssize_t apart, real* re, real* im
) noexcept nogil:
    """Undo `split_four`, but for a factor of 4."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real xr[4 * FLOATS]
    cdef real xi[4 * FLOATS]
    cdef real yr[4 * FLOATS]
    cdef real yi[4 * FLOATS]
    cdef real ar, ai, br, bi, cr, ci, dr, di, zr, zi, ur, ui, vr, vi
    cdef int q, n
    for q in range(4):
        for n in range(vector):
            xr[q * vector + n] = re[q * apart + n]
        for n in range(vector):
            xi[q * vector + n] = im[q * apart + n]
    for n in range(vector):
        zr = xr[vector + n] * w[0] + xi[vector + n] * w[1] if turn else xr[vector + n]
        zi = xi[vector + n] * w[0] - xr[vector + n] * w[1] if turn else xi[vector + n]
        ur = xr[2 * vector + n] * w[2] + xi[2 * vector + n] * w[3] if turn else xr[2 * vector + n]
        ui = xi[2 * vector + n] * w[2] - xr[2 * vector + n] * w[3] if turn else xi[2 * vector + n]
        vr = xr[3 * vector + n] * w[4] + xi[3 * vector + n] * w[5] if turn else xr[3 * vector + n]
        vi = xi[3 * vector + n] * w[4] - xr[3 * vector + n] * w[5] if turn else xi[3 * vector + n]
        ar = xr[n] + ur
        ai = xi[n] + ui
        br = xr[n] - ur
        bi = xi[n] - ui
        cr = zr + vr
        ci = zi + vi
        dr = zr - vr
        di = zi - vi
        yr[n] = ar + cr
        yi[n] = ai + ci
        yr[vector + n] = br - di
        yi[vector + n] = bi + dr
        yr[2 * vector + n] = ar - cr
        yi[2 * vector + n] = ai - ci
        yr[3 * vector + n] = br + di
        yi[3 * vector + n] = bi - dr
    for q in range(4):
        for n in range(vector):
            re[q * apart + n] = yr[q * vector + n]
        for n in range(vector):
            im[q * apart + n] = yi[q * vector + n]


cdef inline void add_and_subtract(Py_ssize_t apart, real* values) noexcept nogil:
    """Do the last step of an odd number of halvings: two rows."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real x[2 * FLOATS]
    cdef int n
    for n in range(vector):
        x[n] = values[n]
    for n in range(vector):
        x[vector + n] = values[apart + n]
    for n in range(vector):
        values[n] = x[n] + x[vector + n]
    for n in range(vector):
        values[apart + n] = x[n] - x[vector + n]


cdef void transform_columns(
    Py_ssize_t side, Py_ssize_t pitch, const real* turns, real* re, real* im
) noexcept nogil:
    """Transform a vector of columns; places in the reversed order of digits."""
    cdef Py_ssize_t span = side
    cdef Py_ssize_t g, k, at
    while span > 4:
        for k in range(span // 4):
            g = k
            while g < side:
                at = g * pitch
                split_four(True, turns + 6 * k, span // 4 * pitch, re + at, im + at)
                g = g + span
        turns = turns + 6 * (span // 4)
        span = span // 4
    g = 0
    while g < side:
        at = g * pitch
        if span == 4:
            split_four(False, turns, pitch, re + at, im + at)
        else:
            add_and_subtract(pitch, re + at)
            add_and_subtract(pitch, im + at)
        g = g + span


cdef void restore_columns(
    Py_ssize_t side, Py_ssize_t pitch, const real* turns, real* re, real* im
) noexcept nogil:
    """Undo `transform_columns`, but for a factor of `side`; `turns` ends with the first ones."""
    cdef Py_ssize_t span = side
    cdef Py_ssize_t g, k, at
    while span > 4:
        turns = turns + 6 * (span // 4)
        span = span // 4
    g = 0
    while g < side:
        at = g * pitch
        if span == 4:
            join_four(False, turns, pitch, re + at, im + at)
        else:
            add_and_subtract(pitch, re + at)
            add_and_subtract(pitch, im + at)
        g = g + span
    while span < side:
        span = span * 4
        turns = turns - 6 * (span // 4)
        for k in range(span // 4):
            g = k
            while g < side:
                at = g * pitch
                join_four(True, turns + 6 * k, span // 4 * pitch, re + at, im + at)
                g = g + span


cdef void turn_over(Py_ssize_t side, Py_ssize_t pitch, real* plane) noexcept nogil:
    """Transpose a plane, square by square."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real square[FLOATS * FLOATS]
    cdef Py_ssize_t i, j, m
    cdef real* upper
    cdef real* lower
    i = 0
    while i < side:
        upper = plane + i * pitch + i
        transpose_square(upper, pitch, vector, upper, pitch, vector, IDENTITY)
        j = i + vector
        while j < side:
            upper = plane + i * pitch + j
            lower = plane + j * pitch + i
            transpose_square(upper, pitch, vector, square, vector, vector, IDENTITY)
            transpose_square(lower, pitch, vector, upper, pitch, vector, IDENTITY)
            for m in range(vector):
                copy_values(vector, lower + m * pitch, square + m * vector)
            j = j + vector
        i = i + vector


cdef inline void transform_strips(
    Py_ssize_t side, Py_ssize_t pitch, const real* turns, real* re, real* im
) noexcept nogil:
    """Transform all columns."""
    cdef Py_ssize_t j = 0
    while j < side:
        transform_columns(side, pitch, turns, re + j, im + j)
        j = j + VECTOR_BYTES // <Py_ssize_t>sizeof(real)


cdef void transform_square(
    Py_ssize_t side, Py_ssize_t pitch, const real* turns, real* re, real* im
) noexcept nogil:
    """Bring a square to its spectrum, in its place; turned over."""
    transform_strips(side, pitch, turns, re, im)
    turn_over(side, pitch, re)
    turn_over(side, pitch, im)
    transform_strips(side, pitch, turns, re, im)


cdef void multiply_spectra(
    Py_ssize_t values, const real* h, const real* x, real* y, Py_ssize_t plane
) noexcept nogil:
    """Do y = h·x for planes of real parts, each with one of imaginary parts `plane` after it."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real a[FLOATS]
    cdef real b[FLOATS]
    cdef Py_ssize_t at = 0
    cdef int n
    while at < values:
        for n in range(vector):
            a[n] = x[at + n] * h[at + n] - x[plane + at + n] * h[plane + at + n]
        for n in range(vector):
            b[n] = x[at + n] * h[plane + at + n] + x[plane + at + n] * h[at + n]
        for n in range(vector):
            y[at + n] = a[n]
        for n in range(vector):
            y[plane + at + n] = b[n]
        at = at + vector


cdef inline void restore_strips(
    Py_ssize_t side, Py_ssize_t pitch, const real* turns, real* re, real* im
) noexcept nogil:
    """Undo it."""
    cdef Py_ssize_t j = 0
    while j < side:
        restore_columns(side, pitch, turns, re + j, im + j)
        j = j + VECTOR_BYTES // <Py_ssize_t>sizeof(real)


cdef void restore_square(
    Py_ssize_t side, Py_ssize_t pitch, const real* turns, real* re, real* im
) noexcept nogil:
    """Undo `transform_square`, but for a factor of side·side."""
    restore_strips(side, pitch, turns, re, im)
    turn_over(side, pitch, re)
    turn_over(side, pitch, im)
    restore_strips(side, pitch, turns, re, im)
