# The tile of register_tile.pyx, and weights in the order in which it takes them:
#
#     panel [t][f]:   tile[f][p] += panel[t·4 + f] · image[position(i) + j + p + offsets[t]]
#
# One pointer goes through a panel from its beginning to its end, where four were a filter apart.

cdef enum:
    VECTOR = 4
    VECTORS = 3
    FILTERS = 4


cdef inline void multiply(
    const int filters, const int vectors, const float* panel, Py_ssize_t taps, const float* image,
    const Py_ssize_t* offsets, const float* bias, float* y, Py_ssize_t plane, Py_ssize_t pixels,
) noexcept nogil:
    """Compute a tile; the pixels beyond so many are not written."""
    cdef float tile[FILTERS * VECTORS * VECTOR]
    cdef int lanes = vectors * VECTOR
    cdef Py_ssize_t t = 0, j
    cdef int f, p
    for f in range(filters):
        for p in range(lanes):
            tile[f * lanes + p] = bias[f]
    while True:  # at least once, which keeps the sums in registers
        for f in range(filters):
            for p in range(lanes):
                tile[f * lanes + p] += panel[t * filters + f] * image[offsets[t] + p]
        t = t + 1
        if t >= taps:
            break
    for f in range(filters):
        for j in range(min(<Py_ssize_t>lanes, pixels)):
            y[f * plane + j] = tile[f * lanes + j]


cdef inline void multiply_row(
    const int filters, const float* panel, Py_ssize_t taps, const float* image,
    const Py_ssize_t* offsets, const float* bias, float* y, Py_ssize_t plane, Py_ssize_t pixels,
) noexcept nogil:
    """Cover a row with tiles of three vectors, and what is left with one of two or one."""
    cdef Py_ssize_t j = 0, left
    while j < pixels:
        left = pixels - j
        if left > 2 * VECTOR:
            multiply(filters, 3, panel, taps, image + j, offsets, bias, y + j, plane, left)
            j = j + 3 * VECTOR
        elif left > VECTOR:
            multiply(filters, 2, panel, taps, image + j, offsets, bias, y + j, plane, left)
            j = j + 2 * VECTOR
        else:
            multiply(filters, 1, panel, taps, image + j, offsets, bias, y + j, plane, left)
            j = j + VECTOR


cdef inline void pack(
    const int filters, const float* w, Py_ssize_t taps, float* panel
) noexcept nogil:
    cdef Py_ssize_t t
    cdef int f
    for t in range(taps):
        for f in range(filters):
            panel[t * filters + f] = w[f * taps + t]


def forward(
    const float[::1] image, Py_ssize_t next_image, Py_ssize_t next_group, Py_ssize_t next_row,
    const Py_ssize_t[::1] offsets, const float[:, ::1] w, const float[::1] bias,
    float[:, :, :, ::1] y, Py_ssize_t group_filters, float[::1] panel,
):
    """Convolve images as banded.py lays them out with w [K][taps]; a panel has 4·taps values."""
    cdef Py_ssize_t taps = w.shape[1]
    cdef Py_ssize_t plane = y.shape[2] * y.shape[3]
    cdef Py_ssize_t n, k, last, i
    cdef const float* pixels
    with nogil:
        for n in range(y.shape[0]):
            k = 0
            while k < w.shape[0]:
                last = (k // group_filters + 1) * group_filters
                pixels = &image[n * next_image + k // group_filters * next_group]
                if last - k >= FILTERS:
                    pack(FILTERS, &w[k, 0], taps, &panel[0])
                    for i in range(y.shape[2]):
                        multiply_row(FILTERS, &panel[0], taps, pixels + i * next_row, &offsets[0],
                                     &bias[k], &y[n, k, i, 0], plane, y.shape[3])
                    k = k + FILTERS
                else:
                    pack(1, &w[k, 0], taps, &panel[0])
                    for i in range(y.shape[2]):
                        multiply_row(1, &panel[0], taps, pixels + i * next_row, &offsets[0],
                                     &bias[k], &y[n, k, i, 0], plane, y.shape[3])
                    k = k + 1
