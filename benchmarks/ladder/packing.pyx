# The tile of register_tile.pyx, and weights in the order in which it takes them:
#
#     panel [t][f]:   tile[f][p] += panel[t·4 + f] · image[position(i) + j + p + offsets[t]]
#
# One pointer goes through a panel from its beginning to its end, where four were a filter apart.
# Of a gradient of weights it is the output's gradient of an image that is packed, [i][j][f][4].

cdef enum:
    VECTOR = 4
    VECTORS = 3
    FILTERS = 4
    TAPS = 3


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


cdef inline void add_row(
    const int filters, const int taps, const float* panel, const float* image,
    const Py_ssize_t* offsets, float* sums, Py_ssize_t columns,
) noexcept nogil:
    """Add the products of a row to the sums of a tile."""
    cdef float tile[FILTERS * TAPS * VECTOR]
    cdef const float* tap[TAPS]
    cdef Py_ssize_t j = 0
    cdef int f, t, p
    for t in range(taps):
        tap[t] = image + offsets[t]
    for p in range(filters * taps * VECTOR):
        tile[p] = 0
    while True:  # at least once, which keeps the sums in registers
        for f in range(filters):
            for t in range(taps):  # the fewer stay in registers, beside the sums
                for p in range(VECTOR):
                    tile[(f * taps + t) * VECTOR + p] += (
                        panel[j * filters + f * VECTOR + p] * tap[t][j + p]
                    )
        j = j + VECTOR
        if j >= columns:
            break
    for p in range(filters * taps * VECTOR):
        sums[p] += tile[p]


cdef inline void pack_gradient(
    const int filters, const float* g, Py_ssize_t plane, Py_ssize_t values, float* panel
) noexcept nogil:
    """Put vectors of so many values of each filter side by side."""
    cdef Py_ssize_t j = 0
    cdef int f, p
    while j < values:
        for f in range(filters):
            for p in range(VECTOR):
                panel[j * filters + f * VECTOR + p] = g[f * plane + j + p]
        j = j + VECTOR


cdef inline void sum_rows(
    const int filters, const int some, const float* panel, const float* image,
    Py_ssize_t next_row, const Py_ssize_t* offsets, float* sums, float* grad, Py_ssize_t taps,
    Py_ssize_t rows, Py_ssize_t columns,
) noexcept nogil:
    """Sum a tile over some rows of an image, then the lanes of each sum."""
    cdef Py_ssize_t i
    cdef int f, t, p
    for p in range(filters * some * VECTOR):
        sums[p] = 0
    for i in range(rows):
        add_row(filters, some, panel + i * columns * filters, image + i * next_row, offsets, sums,
                columns)
    for f in range(filters):
        for t in range(some):
            for p in range(VECTOR):
                grad[f * taps + t] += sums[(f * some + t) * VECTOR + p]


cdef inline void sum_taps(
    const int filters, const float* g, Py_ssize_t plane, float* panel, const float* image,
    Py_ssize_t next_row, const Py_ssize_t* offsets, Py_ssize_t some, float* sums, float* grad,
    Py_ssize_t taps, Py_ssize_t rows, Py_ssize_t columns,
) noexcept nogil:
    """Pack the gradient of some filters, and pass it over the taps of a block."""
    cdef Py_ssize_t t = 0
    pack_gradient(filters, g, plane, rows * columns, panel)
    while t < some:
        if some - t >= TAPS:
            sum_rows(filters, TAPS, panel, image, next_row, offsets + t, sums, grad + t, taps,
                     rows, columns)
            t = t + TAPS
        else:
            sum_rows(filters, 1, panel, image, next_row, offsets + t, sums, grad + t, taps,
                     rows, columns)
            t = t + 1


def weight_grad(
    const float[::1] image, Py_ssize_t next_image, Py_ssize_t next_group, Py_ssize_t next_row,
    const Py_ssize_t[::1] offsets, const float[:, :, :, ::1] g, float[:, ::1] grad,
    Py_ssize_t group_filters, float[::1] panel, float[::1] sums,
):
    """Add to grad [K][taps]; a panel has the values of 4 planes of the gradient, sums have 48."""
    cdef Py_ssize_t rows = g.shape[2], columns = g.shape[3], taps = grad.shape[1]
    cdef Py_ssize_t n, k, last
    cdef const float* pixels
    with nogil:
        for n in range(g.shape[0]):
            k = 0
            while k < grad.shape[0]:
                last = (k // group_filters + 1) * group_filters
                pixels = &image[n * next_image + k // group_filters * next_group]
                if last - k >= FILTERS:
                    sum_taps(FILTERS, &g[n, k, 0, 0], rows * columns, &panel[0], pixels, next_row,
                             &offsets[0], taps, &sums[0], &grad[k, 0], taps, rows, columns)
                    k = k + FILTERS
                else:
                    sum_taps(1, &g[n, k, 0, 0], rows * columns, &panel[0], pixels, next_row,
                             &offsets[0], taps, &sums[0], &grad[k, 0], taps, rows, columns)
                    k = k + 1
