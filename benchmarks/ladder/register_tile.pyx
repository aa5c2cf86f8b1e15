# 4 filters × 12 pixels of a row are summed in registers, over all taps:
#
#     for n, group | k (4) | i | j (12):
#         tile[f][p] = bias[k + f]
#         for t = (c, r, s):   tile[f][p] += w[k + f][t] · image[position(i) + j + p + offsets[t]]
#         y[n, k + f, i, j + p] = tile[f][p]
#
# Twelve vectors of sums, three of pixels and a weight are the sixteen registers of SSE. Weights are
# read where they lie: the four of a tap are a filter apart.

cdef enum:
    VECTOR = 4
    VECTORS = 3
    FILTERS = 4


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
