# The packed tile of packing.pyx, a block of channels and rows at a time:
#
#     for n, group | block of channels | block of rows | k (4) | i, j in the block:   a tile
#
# The rows of a block that the tiles of all filters read stay in the second-level cache, the panel
# of a block in the first-level one. The price: between two blocks of channels sums wait in y. Of a
# gradient of weights, whose panel are the rows of 4 filters, sums wait between two blocks of rows.

cdef enum:
    VECTOR = 4
    VECTORS = 3
    FILTERS = 4
    TAPS = 3


cdef inline void multiply(
    const bint begins, const int filters, const int vectors, const float* panel, Py_ssize_t taps,
    const float* image, const Py_ssize_t* offsets, const float* bias, float* y, Py_ssize_t plane,
    Py_ssize_t pixels,
) noexcept nogil:
    """Compute a tile, from the bias where it begins, else to be added to what y holds."""
    cdef float tile[FILTERS * VECTORS * VECTOR]
    cdef int lanes = vectors * VECTOR
    cdef Py_ssize_t t = 0, j
    cdef int f, p
    for f in range(filters):
        for p in range(lanes):
            tile[f * lanes + p] = bias[f] if begins else <float>0
    while True:  # at least once, which keeps the sums in registers
        for f in range(filters):
            for p in range(lanes):
                tile[f * lanes + p] += panel[t * filters + f] * image[offsets[t] + p]
        t = t + 1
        if t >= taps:
            break
    for f in range(filters):
        for j in range(min(<Py_ssize_t>lanes, pixels)):
            if begins:
                y[f * plane + j] = tile[f * lanes + j]
            else:
                y[f * plane + j] += tile[f * lanes + j]


cdef inline void multiply_row(
    const bint begins, const int filters, const float* panel, Py_ssize_t taps, const float* image,
    const Py_ssize_t* offsets, const float* bias, float* y, Py_ssize_t plane, Py_ssize_t pixels,
) noexcept nogil:
    """Cover a row with tiles of three vectors, and what is left with one of two or one."""
    cdef Py_ssize_t j = 0, left
    while j < pixels:
        left = pixels - j
        if left > 2 * VECTOR:
            multiply(begins, filters, 3, panel, taps, image + j, offsets, bias, y + j, plane, left)
            j = j + 3 * VECTOR
        elif left > VECTOR:
            multiply(begins, filters, 2, panel, taps, image + j, offsets, bias, y + j, plane, left)
            j = j + 2 * VECTOR
        else:
            multiply(begins, filters, 1, panel, taps, image + j, offsets, bias, y + j, plane, left)
            j = j + VECTOR


cdef inline void multiply_rows(
    const int filters, const float* w, Py_ssize_t filter_taps, float* panel, Py_ssize_t taps,
    bint begins, const float* image, Py_ssize_t next_row, const Py_ssize_t* offsets,
    const float* bias, float* y, Py_ssize_t plane, Py_ssize_t rows, Py_ssize_t columns,
) noexcept nogil:
    """Pack a block's weights of some filters, and pass them over its rows."""
    cdef Py_ssize_t t, i
    cdef int f
    for t in range(taps):
        for f in range(filters):
            panel[t * filters + f] = w[f * filter_taps + t]
    for i in range(rows):
        if begins:
            multiply_row(True, filters, panel, taps, image + i * next_row, offsets, bias,
                         y + i * columns, plane, columns)
        else:
            multiply_row(False, filters, panel, taps, image + i * next_row, offsets, bias,
                         y + i * columns, plane, columns)


def forward(
    const float[::1] image, Py_ssize_t next_image, Py_ssize_t next_group, Py_ssize_t next_row,
    const Py_ssize_t[::1] offsets, const float[:, ::1] w, const float[::1] bias,
    float[:, :, :, ::1] y, Py_ssize_t group_filters, float[::1] panel, Py_ssize_t block_taps,
    Py_ssize_t block_rows,
):
    """Convolve images as banded.py lays them out with w [K][taps]; a block has whole channels."""
    cdef Py_ssize_t taps = w.shape[1]
    cdef Py_ssize_t plane = y.shape[2] * y.shape[3]
    cdef Py_ssize_t n, group, t, some, i, rows, k, last
    cdef const float* pixels
    with nogil:
        for n in range(y.shape[0]):
            for group in range(w.shape[0] // group_filters):
                pixels = &image[n * next_image + group * next_group]
                last = (group + 1) * group_filters
                t = 0
                while t < taps:
                    some = min(block_taps, taps - t)
                    i = 0
                    while i < y.shape[2]:
                        rows = min(block_rows, y.shape[2] - i)
                        k = group * group_filters
                        while k < last:
                            if last - k >= FILTERS:
                                multiply_rows(FILTERS, &w[k, t], taps, &panel[0], some, t == 0,
                                              pixels + i * next_row, next_row, &offsets[t],
                                              &bias[k], &y[n, k, i, 0], plane, rows, y.shape[3])
                                k = k + FILTERS
                            else:
                                multiply_rows(1, &w[k, t], taps, &panel[0], some, t == 0,
                                              pixels + i * next_row, next_row, &offsets[t],
                                              &bias[k], &y[n, k, i, 0], plane, rows, y.shape[3])
                                k = k + 1
                        i = i + block_rows
                    t = t + block_taps


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
    Py_ssize_t group_filters, float[::1] panel, Py_ssize_t block_taps, Py_ssize_t block_rows,
    float[::1] sums,
):
    """Add to grad [K][taps]; a panel has the values of a block's rows of 4 filters, sums 48."""
    cdef Py_ssize_t columns = g.shape[3], taps = grad.shape[1]
    cdef Py_ssize_t plane = g.shape[2] * columns
    cdef Py_ssize_t n, group, t, some, i, rows, k, last
    cdef const float* pixels
    with nogil:
        for n in range(g.shape[0]):
            for group in range(grad.shape[0] // group_filters):
                last = (group + 1) * group_filters
                t = 0
                while t < taps:
                    some = min(block_taps, taps - t)
                    i = 0
                    while i < g.shape[2]:
                        rows = min(block_rows, g.shape[2] - i)
                        pixels = &image[n * next_image + group * next_group + i * next_row]
                        k = group * group_filters
                        while k < last:
                            if last - k >= FILTERS:
                                sum_taps(FILTERS, &g[n, k, i, 0], plane, &panel[0], pixels,
                                         next_row, &offsets[t], some, &sums[0], &grad[k, t], taps,
                                         rows, columns)
                                k = k + FILTERS
                            else:
                                sum_taps(1, &g[n, k, i, 0], plane, &panel[0], pixels, next_row,
                                         &offsets[t], some, &sums[0], &grad[k, t], taps, rows,
                                         columns)
                                k = k + 1
                        i = i + block_rows
                    t = t + block_taps
