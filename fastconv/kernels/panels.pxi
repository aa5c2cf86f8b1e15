# Weights in panels: the order in which the register tiles read them.
#
#     weight [K/groups x T], one row per filter         panels: a few filters wide, one row per tap
#
#       k=0   w00 w01 w02 ...                             t=0   w00 w10 w20 | w30 w40 w50 | ...
#       k=1   w10 w11 w12 ...             →               t=1   w01 w11 w21 | w31 w41 w51 |
#       k=2   w20 w21 w22 ...                             t=2   w02 w12 w22 | w32 w42 w52 |
#
# Panels of a group follow each other, so the one of filter k begins at k·T whatever its width.
#
#     lanes of filters    up to PANEL_VECTORS whole vectors, missing filters zeros
#     lanes of pixels     as many filters as a tile has: TALL_ROWS, then fewer for the rest
#
# The weight gradient turns the output's gradient into panels too, pixels in place of taps.

cdef enum Lanes:
    FILTERS_IN_LANES = 0
    PIXELS_IN_LANES = 1


cdef inline Py_ssize_t panel_width(
    Py_ssize_t filters, Py_ssize_t vector, Lanes lanes
) noexcept nogil:
    """Return the width of the next panel where so many filters are left."""
    if lanes == FILTERS_IN_LANES:
        return min(PANEL_VECTORS * vector, (filters + vector - 1) // vector * vector)
    if filters >= TALL_ROWS:
        return TALL_ROWS
    if filters == THREE_ROWS:
        return THREE_ROWS
    if filters >= LONG_ROWS:
        return LONG_ROWS
    return min(filters, 2)


cdef inline Py_ssize_t packed_filters(
    Py_ssize_t filters, Py_ssize_t vector, Lanes lanes
) noexcept nogil:
    """Return the width of all panels of a group."""
    return filters if lanes == PIXELS_IN_LANES else (filters + vector - 1) // vector * vector


# Rows of weights lie far from each other, and a square takes so many instructions that a processor
# sees only the next one: so it is asked for what comes four lines later (ahead.pxi).
cdef extern from *:
    """
    #define TAPS_AHEAD (REGISTERS == 32 ? 64 : 0)
    """
    enum: TAPS_AHEAD


cdef inline void expect_square(
    const real* w, Py_ssize_t w_stride, Py_ssize_t filters, Py_ssize_t taps, Py_ssize_t k,
    Py_ssize_t t,
) noexcept nogil:
    """Ask for the square that comes some after that of tap t and filter k, if there is one."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t row
    t = t + TAPS_AHEAD
    if t >= taps:
        t, k = t - taps, k + vector
    if t < taps and k + vector <= filters:
        for row in range(k, k + vector):
            EXPECT_LINE(w + row * w_stride + t)


cdef void pack_panel(
    const real* w, Py_ssize_t w_stride, Py_ssize_t filters, Py_ssize_t taps, real* panel,
    Py_ssize_t width,
) noexcept nogil:
    """Do panel[t·width + k] = w[k·w_stride + t], zero from `filters` to `width`."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t k, t, row, rows
    k = 0
    while k < width:
        rows = min(vector, filters - k)
        t = 0
        if rows == vector and taps >= vector:
            while t < taps:
                if taps - t < vector // 4:  # by one value after the other
                    break
                if TAPS_AHEAD > 0:
                    expect_square(w, w_stride, filters, taps, k, t)
                t = min(t, taps - vector)  # the last square overlaps the one before
                transpose_square(
                    w + k * w_stride + t, w_stride, vector, panel + t * width + k, width, vector,
                    IDENTITY,
                )
                t = t + vector
        while t < taps:
            for row in range(rows):
                panel[t * width + k + row] = w[(k + row) * w_stride + t]
            for row in range(rows, min(vector, width - k)):
                panel[t * width + k + row] = 0
            t = t + 1
        k = k + vector


cdef Lanes lanes_of(str kernel) except *:
    return {
        "gemm_filters": FILTERS_IN_LANES, "weights_filters": FILTERS_IN_LANES,
        "weights_taps": FILTERS_IN_LANES,
        "gemm_taps": FILTERS_IN_LANES,
        "gemm_scatter": FILTERS_IN_LANES, "gemm_pixels": PIXELS_IN_LANES,
        "gemm_columns": FILTERS_IN_LANES,
        "winograd": FILTERS_IN_LANES, "weights_winograd_2": FILTERS_IN_LANES,
        "weights_winograd_4": FILTERS_IN_LANES, "weights_winograd_6": FILTERS_IN_LANES,
    }[kernel]


def panel_filters(str kernel, Py_ssize_t itemsize):
    """Return how many filters a kernel's widest panel or tile has."""
    if kernel == "weights_pixels":
        return RUN_FILTERS
    return panel_width(2**30, VECTOR_BYTES // itemsize, lanes_of(kernel))
