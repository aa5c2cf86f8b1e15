# The stencil: few filters per group, so that no pixel is worth packing. Pixels in the lanes.
#
#     one filter, one vector of pixels of ROWS neighbouring output rows at a time; with the usual
#     kernels (square, 3, 5 or 7, stride 1) every vector of the image that is loaded serves all the
#     rows that see it, as tap r of row m and tap r + 1 of row m - 1 and so on:
#
#         image rows q      output rows m = q - r
#         ───────────       0  1  2  3
#             0             r0
#             1             r1 r0
#             2             r2 r1 r0
#             3                r2 r1 r0
#             4                   r2 r1
#             5                      r2
#
# Other kernels and strides take their pixels through the table of offsets, a load for every
# multiply-add. The sums of an output are complete when they are stored, so that the last vector of
# a row, and the last rows of a band, may overlap their neighbours and compute some pixels twice.


cdef inline void square_stencil(
    const bint single, const int vectors, const int kernel, Py_ssize_t channels,
    Py_ssize_t channel_values, const real* w, const real* image, Py_ssize_t width, real bias,
    real* y, Py_ssize_t y_width, Py_ssize_t second,
) noexcept nogil:
    """Do y[m][n] = bias + sum over c, r, s of w[c][r][s] · image[c][m + r][n + s].

    For STENCIL_ROWS rows m, and n in the vector at 0, and where there are two, in the one at
    `second`. `single` is whether there is but one channel.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real sums[STENCIL_VALUES]
    cdef real taken[2 * 7 * FLOATS]
    cdef Py_ssize_t c = 0
    cdef int q, r, s, m, n, v
    for n in range(STENCIL_ROWS * vectors * vector):
        sums[n] = bias
    while True:  # at least once, as in tile.pxi
        for q in range(STENCIL_ROWS + kernel - 1):
            for s in range(kernel):
                for v in range(vectors):
                    for n in range(vector):
                        taken[(s * vectors + v) * vector + n] = image[
                            q * width + v * second + s + n
                        ]
            # A row is stored as soon as its last tap is in, before the other rows take theirs:
            # behind a store the compiler keeps what was taken in registers, else it would load it
            # for each of them again.
            for r in range(kernel - 1, -1, -1):
                if 0 <= q - r < STENCIL_ROWS:
                    for s in range(kernel):
                        for v in range(vectors):
                            for n in range(vector):
                                sums[((q - r) * vectors + v) * vector + n] += (
                                    w[r * kernel + s] * taken[(s * vectors + v) * vector + n]
                                )
                    if single and r == kernel - 1:
                        for v in range(vectors):
                            for n in range(vector):
                                y[(q - r) * y_width + v * second + n] = sums[
                                    ((q - r) * vectors + v) * vector + n
                                ]
        if single:
            return
        w = w + kernel * kernel
        image = image + channel_values
        c = c + 1
        if c >= channels:
            break
    for m in range(STENCIL_ROWS):
        for v in range(vectors):
            for n in range(vector):
                y[m * y_width + v * second + n] = sums[(m * vectors + v) * vector + n]


cdef inline void any_stencil(
    const int rows, const int vectors, Py_ssize_t taps, const real* w, const real* image,
    const Py_ssize_t* offsets, Py_ssize_t width, real bias, real* y, Py_ssize_t y_width,
    Py_ssize_t second,
) noexcept nogil:
    """Do y[m][n] = bias + sum over t of w[t] · image[offsets[t] + m·width + n], for the same n."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real sums[STENCIL_VALUES]
    cdef const real* row
    cdef Py_ssize_t t = 0
    cdef int m, n, v
    for m in range(rows * vectors):
        for n in range(vector):
            sums[m * vector + n] = bias
    while True:  # at least once, as in tile.pxi
        row = image + offsets[t]
        for m in range(rows):
            for v in range(vectors):
                for n in range(vector):
                    sums[(m * vectors + v) * vector + n] += w[t] * row[m * width + v * second + n]
        t = t + 1
        if t >= taps:
            break
    for m in range(rows):
        for v in range(vectors):
            for n in range(vector):
                y[m * y_width + v * second + n] = sums[(m * vectors + v) * vector + n]


cdef inline void stencil_tile(
    const bint single, const int rows, const int vectors, const int square, const real* w,
    const real* image, const Py_ssize_t* offsets, real bias, const Task* task, real* y,
    Py_ssize_t count,
) noexcept nogil:
    """Compute `count` pixels of `rows` rows of y; a single vector may be more than that."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real tile[STENCIL_VALUES]
    cdef real* target = y
    cdef Py_ssize_t stride = task.out_width
    cdef Py_ssize_t j, m
    if count < vector:
        target = tile
        stride = vector
    if square != 0 and rows == STENCIL_ROWS:
        square_stencil(
            single, vectors, square, task.channels, task.band.channel, w, image, task.band.width,
            bias, target, stride, count - vector,
        )
    else:
        any_stencil(
            rows, vectors, task.channels * task.taps, w, image, offsets, task.band.width, bias,
            target, stride, count - vector,
        )
    if task.activation != IDENTITY:
        for m in range(rows):
            for j in range(count):
                if vectors == 1 or j < vector or j >= count - vector:
                    target[m * stride + j] = activate(task.activation, target[m * stride + j])
    if count < vector:
        for m in range(rows):
            copy_run(y + m * task.out_width, tile + m * vector, count)


cdef inline void stencil_row(
    const bint single, const int rows, const int square, const real* w, const real* image,
    const Py_ssize_t* offsets, real bias, const Task* task, real* y,
) noexcept nogil:
    """Compute `rows` neighbouring rows of y: two vectors at a time, and one where that is all."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t width = task.out_width
    cdef Py_ssize_t j = 0
    while j < width:
        if width - j > vector:
            stencil_tile(
                single, rows, 2, square, w, image + j, offsets, bias, task, y + j,
                min(2 * vector, width - j),
            )
            j = j + 2 * vector
        else:
            j = max(0, min(j, width - vector))
            stencil_tile(
                single, rows, 1, square, w, image + j, offsets, bias, task, y + j, width - j
            )
            j = width


cdef inline void stencil_plane(
    const bint single, const int square, const real* w, const real* image,
    const Py_ssize_t* offsets, real bias, const Task* task, Py_ssize_t rows, real* y,
) noexcept nogil:
    """Compute so many rows of one plane of y from their band."""
    cdef Py_ssize_t i = 0
    while i < rows:
        if rows >= STENCIL_ROWS:
            i = min(i, rows - STENCIL_ROWS)
            stencil_row(
                single, STENCIL_ROWS, square, w, image + i * task.band.width, offsets, bias, task,
                y + i * task.out_width,
            )
            i = i + STENCIL_ROWS
        else:
            stencil_row(
                single, 1, square, w, image + i * task.band.width, offsets, bias, task,
                y + i * task.out_width,
            )
            i = i + 1


cdef inline void square_planes(
    const bint single, const real* w, const real* image, const Py_ssize_t* offsets, real bias,
    const Task* task, Py_ssize_t rows, real* y,
) noexcept nogil:
    """Pick the stencil of a kernel."""
    if task.square == 3:
        stencil_plane(single, 3, w, image, offsets, bias, task, rows, y)
    elif task.square == 5:
        stencil_plane(single, 5, w, image, offsets, bias, task, rows, y)
    elif task.square == 7:
        stencil_plane(single, 7, w, image, offsets, bias, task, rows, y)
    else:
        stencil_plane(single, 0, w, image, offsets, bias, task, rows, y)


cdef void stencil_rows(
    const real* w, const real* bias, real* y, const Task* task, const Unit* unit,
    const real* image, const Py_ssize_t* offsets,
) noexcept nogil:
    """Compute the unit's rows of all filters of its group, for each of its images."""
    cdef Py_ssize_t taps = task.channels * task.taps
    cdef Py_ssize_t n, k, filter
    cdef const real* weights
    cdef real* planes
    cdef real first
    for n in range(unit.images):
        for k in range(unit.first_filter, unit.last_filter):
            filter = unit.group * task.filters + k
            weights = w + filter * taps
            first = 0
            if bias != NULL:
                first = bias[filter]
            planes = y + output_index(task, unit, n, k)
            if task.channels == 1:
                square_planes(True, weights, image, offsets, first, task, unit.rows, planes)
            else:
                square_planes(False, weights, image, offsets, first, task, unit.rows, planes)
        image = image + task.image_values
