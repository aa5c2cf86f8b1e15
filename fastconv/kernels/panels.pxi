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


cdef inline Py_ssize_t panel_width(
    Py_ssize_t filters, Py_ssize_t vector, bint lanes_are_pixels
) noexcept nogil:
    """Return the width of the next panel where so many filters are left."""
    if not lanes_are_pixels:
        return min(PANEL_VECTORS * vector, (filters + vector - 1) // vector * vector)
    if filters >= TALL_ROWS:
        return TALL_ROWS
    if filters >= LONG_ROWS:
        return LONG_ROWS
    return min(filters, 2)


cdef inline Py_ssize_t packed_filters(
    Py_ssize_t filters, Py_ssize_t vector, bint lanes_are_pixels
) noexcept nogil:
    """Return the width of all panels of a group."""
    return filters if lanes_are_pixels else (filters + vector - 1) // vector * vector


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
        if rows == vector:
            while t + vector <= taps:
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


def packed_values(
    Py_ssize_t filters, Py_ssize_t taps, Py_ssize_t itemsize, bint lanes_are_pixels
):
    """Return how many values the panels of one group take."""
    return packed_filters(filters, VECTOR_BYTES // itemsize, lanes_are_pixels) * taps


cdef void pack_groups(
    const real* w, real* panels, Py_ssize_t groups, Py_ssize_t filters, Py_ssize_t taps,
    bint lanes_are_pixels,
) noexcept nogil:
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t group, k, width
    for group in range(groups):
        k = 0
        while k < filters:
            width = panel_width(filters - k, vector, lanes_are_pixels)
            pack_panel(w + k * taps, taps, min(filters - k, width), taps, panels, width)
            panels = panels + width * taps
            k = k + width
        w = w + filters * taps


def pack_weights(
    bint is_double, w, panels, Py_ssize_t groups, Py_ssize_t filters, Py_ssize_t taps,
    bint lanes_are_pixels,
):
    """Bring the weights of all groups into panels."""
    cdef const void* source = address_of(w)
    cdef void* target = writable_address_of(panels)
    if is_double:
        pack_groups[double](
            <const double*>source, <double*>target, groups, filters, taps, lanes_are_pixels
        )
    else:
        pack_groups[float](
            <const float*>source, <float*>target, groups, filters, taps, lanes_are_pixels
        )


def vector_values(Py_ssize_t itemsize):
    """Return how many values a vector has."""
    return VECTOR_BYTES // itemsize


def panel_filters(Py_ssize_t itemsize, bint lanes_are_pixels):
    """Return how many filters the widest panel has."""
    return panel_width(2**30, VECTOR_BYTES // itemsize, lanes_are_pixels)
