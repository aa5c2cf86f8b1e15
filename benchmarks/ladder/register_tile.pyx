# 4 filters × 12 pixels of a row are summed in registers, over all taps:
#
#     for n, group | k (4) | i | j (12):
#         tile[f][p] = bias[k + f]
#         for t = (c, r, s):   tile[f][p] += w[k + f][t] · image[position(i) + j + p + offsets[t]]
#         y[n, k + f, i, j + p] = tile[f][p]
#
# Twelve vectors of sums, three of pixels and a weight are the sixteen registers of SSE. Weights are
# read where they lie: the four of a tap are a filter apart.
#
# The gradient of the weights sums over pixels, so that a sum is a vector of its own: 4 filters ×
# 3 taps of them, along a row of the output's gradient that ends with zeros:
#
#     for group | k (4) | t (3) | n, i | j (4):
#         tile[f][t][p] += g[n, k + f, i, j + p] · image[position(i) + j + p + offsets[t]]

cdef enum:
    VECTOR = 4
    VECTORS = 3
    FILTERS = 4
    TAPS = 3


cdef inline void multiply(
    const int filters, const int vectors, const float* w, Py_ssize_t taps, const float* image,
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
                tile[f * lanes + p] += w[f * taps + t] * image[offsets[t] + p]
        t = t + 1
        if t >= taps:
            break
    for f in range(filters):
        for j in range(min(<Py_ssize_t>lanes, pixels)):
            y[f * plane + j] = tile[f * lanes + j]


cdef inline void multiply_row(
    const int filters, const float* w, Py_ssize_t taps, const float* image,
    const Py_ssize_t* offsets, const float* bias, float* y, Py_ssize_t plane, Py_ssize_t pixels,
) noexcept nogil:
    """Cover a row with tiles of three vectors, and what is left with one of two or one."""
    cdef Py_ssize_t j = 0, left
    while j < pixels:
        left = pixels - j
        if left > 2 * VECTOR:
            multiply(filters, 3, w, taps, image + j, offsets, bias, y + j, plane, left)
            j = j + 3 * VECTOR
        elif left > VECTOR:
            multiply(filters, 2, w, taps, image + j, offsets, bias, y + j, plane, left)
            j = j + 2 * VECTOR
        else:
            multiply(filters, 1, w, taps, image + j, offsets, bias, y + j, plane, left)
            j = j + VECTOR


def forward(
    const float[::1] image, Py_ssize_t next_image, Py_ssize_t next_group, Py_ssize_t next_row,
    const Py_ssize_t[::1] offsets, const float[:, ::1] w, const float[::1] bias,
    float[:, :, :, ::1] y, Py_ssize_t group_filters,
):
    """Convolve images as banded.py lays them out with w [K][taps]."""
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
                for i in range(y.shape[2]):
                    if last - k >= FILTERS:
                        multiply_row(FILTERS, &w[k, 0], taps, pixels + i * next_row, &offsets[0],
                                     &bias[k], &y[n, k, i, 0], plane, y.shape[3])
                    else:
                        multiply_row(1, &w[k, 0], taps, pixels + i * next_row, &offsets[0],
                                     &bias[k], &y[n, k, i, 0], plane, y.shape[3])
                k = k + (FILTERS if last - k >= FILTERS else 1)


cdef inline void add_row(
    const int filters, const int taps, const float* g, Py_ssize_t plane, const float* image,
    const Py_ssize_t* offsets, float* sums, Py_ssize_t columns,
) noexcept nogil:
    """Add the products of a row to the sums of a tile."""
    cdef float tile[FILTERS * TAPS * VECTOR]
    cdef const float* tap[TAPS]
    cdef const float* row[FILTERS]
    cdef Py_ssize_t j = 0
    cdef int f, t, p
    for t in range(taps):
        tap[t] = image + offsets[t]
    for f in range(filters):
        row[f] = g + f * plane
    for p in range(filters * taps * VECTOR):
        tile[p] = 0
    while True:  # at least once, which keeps the sums in registers
        for f in range(filters):
            for t in range(taps):  # the fewer stay in registers, beside the sums
                for p in range(VECTOR):
                    tile[(f * taps + t) * VECTOR + p] += (
                        row[f][j + p] * tap[t][j + p]
                    )
        j = j + VECTOR
        if j >= columns:
            break
    for p in range(filters * taps * VECTOR):
        sums[p] += tile[p]


cdef inline void sum_rows(
    const int filters, const int some, const float[:, :, :, ::1] g, const float* image,
    Py_ssize_t next_image, Py_ssize_t next_row, const Py_ssize_t* offsets, Py_ssize_t k,
    float* sums, float* grad, Py_ssize_t taps,
) noexcept nogil:
    """Sum a tile over all rows of all images, then the lanes of each sum."""
    cdef Py_ssize_t plane = g.shape[2] * g.shape[3]
    cdef Py_ssize_t n, i
    cdef int f, t, p
    for p in range(filters * some * VECTOR):
        sums[p] = 0
    for n in range(g.shape[0]):
        for i in range(g.shape[2]):
            add_row(filters, some, &g[n, k, i, 0], plane, image + n * next_image + i * next_row,
                    offsets, sums, g.shape[3])
    for f in range(filters):
        for t in range(some):
            for p in range(VECTOR):
                grad[f * taps + t] += sums[(f * some + t) * VECTOR + p]


cdef inline void sum_taps(
    const int filters, const float[:, :, :, ::1] g, const float* image, Py_ssize_t next_image,
    Py_ssize_t next_row, const Py_ssize_t[::1] offsets, Py_ssize_t k, float* sums,
    float* grad,
) noexcept nogil:
    cdef Py_ssize_t taps = offsets.shape[0]
    cdef Py_ssize_t t = 0
    while t < taps:
        if taps - t >= TAPS:
            sum_rows(filters, TAPS, g, image, next_image, next_row, &offsets[t], k, sums, grad + t,
                     taps)
            t = t + TAPS
        else:
            sum_rows(filters, 1, g, image, next_image, next_row, &offsets[t], k, sums, grad + t,
                     taps)
            t = t + 1


def weight_grad(
    const float[::1] image, Py_ssize_t next_image, Py_ssize_t next_group, Py_ssize_t next_row,
    const Py_ssize_t[::1] offsets, const float[:, :, :, ::1] g, float[:, ::1] grad,
    Py_ssize_t group_filters, float[::1] sums,
):
    """Add to grad [K][taps] what images as banded.py lays them out, and g with them, give.

    Sums have 48 values: in an array of this function they would be kept in registers, and the tile
    in memory.
    """
    cdef Py_ssize_t k = 0, last
    cdef const float* pixels
    with nogil:
        while k < grad.shape[0]:
            last = (k // group_filters + 1) * group_filters
            pixels = &image[k // group_filters * next_group]
            if last - k >= FILTERS:
                sum_taps(FILTERS, g, pixels, next_image, next_row, offsets, k, &sums[0],
                         &grad[k, 0])
                k = k + FILTERS
            else:
                sum_taps(1, g, pixels, next_image, next_row, offsets, k, &sums[0],
                         &grad[k, 0])
                k = k + 1
