# The stencil: few filters per group, so that no pixel is worth packing. Pixels in the lanes, from
# the band.
#
#     square_stencil    square kernels at stride 1: rows and columns of a tile that stays in
#                       registers while the channels pass; a row of the image is loaded once for all
#                       the rows of the tile that see it
#     any_stencil       other kernels and strides, whose pixels are found through the table of
#                       offsets, a load for every multiply-add
#
# The sums of an output are complete when they are stored, so that the last vector of a row, and the
# last rows of a tile, may overlap their neighbours and compute some pixels twice.


cdef inline void square_stencil(
    const int vectors, const int kernel, Py_ssize_t channels, Py_ssize_t channel_values,
    const real* w, const real* image, Py_ssize_t width, real bias, real* y, Py_ssize_t y_width,
    Py_ssize_t second,
) noexcept nogil:
    """Do y[m][n] = bias + sum over c, r, s of w[c][r][s] · image[c][m + r][n + s].

    For STENCIL_ROWS rows m, and n in the vector at 0 and, where there are two, in the one at
    `second`.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int lanes = vectors * vector
    cdef real sums[STENCIL_VALUES]
    cdef real taken[7 * 2 * FLOATS]
    cdef Py_ssize_t c = 0
    cdef int q, r, m, n, v
    for n in range(STENCIL_ROWS * lanes):
        sums[n] = bias
    while True:
        for q in range(STENCIL_ROWS + kernel - 1):
            take_row(False, 1, vectors, kernel, image + q * width, second, NULL, NULL, taken)
            for r in range(kernel - 1, -1, -1):
                if 0 <= q - r < STENCIL_ROWS:
                    add_row_of_taps(vectors, kernel, w + r * kernel, taken, sums + (q - r) * lanes)
        w = w + kernel * kernel
        image = image + channel_values
        c = c + 1
        if c >= channels:
            break
    for m in range(STENCIL_ROWS):
        for v in range(vectors):
            for n in range(vector):
                y[m * y_width + v * second + n] = sums[m * lanes + v * vector + n]


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
    const int rows, const int vectors, const int square, const real* w,
    const real* image, const Py_ssize_t* offsets, real bias, const Task* task, real* y,
    Py_ssize_t y_width, Py_ssize_t second,
) noexcept nogil:
    if square != 0 and rows == STENCIL_ROWS:
        square_stencil(
            vectors, square, task.channels, task.band.channel, w, image, task.band.width, bias, y,
            y_width, second,
        )
    else:
        any_stencil(
            rows, vectors, task.channels * task.taps, w, image, offsets, task.band.width, bias, y,
            y_width, second,
        )


cdef inline void tile_strip(
    const int rows, const int vectors, const int square, const real* w,
    const real* image, const Py_ssize_t* offsets, real bias, const Task* task, Py_ssize_t height,
    real* y, Py_ssize_t count,
) noexcept nogil:
    """Compute a strip by tiles of `rows` rows."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real tile[STENCIL_VALUES]
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t m
    while i < height:
        i = min(i, height - rows)
        if vectors == 1 and count < vector:
            stencil_tile(
                rows, 1, square, w, image + i * task.band.width, offsets, bias, task, tile,
                vector, 0,
            )
            for m in range(rows):
                copy_run(y + (i + m) * task.out_width, tile + m * vector, count)
        else:
            stencil_tile(
                rows, vectors, square, w, image + i * task.band.width, offsets, bias, task,
                y + i * task.out_width, task.out_width, count - vector,
            )
        i = i + rows


cdef inline void stencil_strip(
    const int vectors, const int square, const real* w, const real* image,
    const Py_ssize_t* offsets, real bias, const Task* task, Py_ssize_t rows, real* y,
    Py_ssize_t count,
) noexcept nogil:
    """Compute `count` columns of so many rows of y: less than a vector, one, or up to two."""
    if rows >= STENCIL_ROWS:
        tile_strip(
            STENCIL_ROWS, vectors, square, w, image, offsets, bias, task, rows, y, count
        )
    else:
        tile_strip(1, vectors, square, w, image, offsets, bias, task, rows, y, count)
    activate_strip(task, y, rows, count)


cdef inline void stencil_plane(
    const int square, const real* w, const real* image,
    const Py_ssize_t* offsets, real bias, const Task* task, Py_ssize_t rows, real* y,
) noexcept nogil:
    """Compute so many rows of one plane of y from their band, strip by strip."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t width = task.out_width
    cdef Py_ssize_t j = 0
    while j < width:
        if width - j > vector:
            stencil_strip(
                2, square, w, image + j, offsets, bias, task, rows, y + j,
                min(2 * vector, width - j),
            )
            j = j + 2 * vector
        else:
            j = max(0, min(j, width - vector))
            stencil_strip(
                1, square, w, image + j, offsets, bias, task, rows, y + j, width - j
            )
            j = width


cdef inline void stencil_planes(
    const int square, const real* w, const real* bias, real* y,
    const Task* task, const Unit* unit, const real* image, const Py_ssize_t* offsets,
    real* gathered, Watch* watch,
) noexcept nogil:
    """Compute the planes of all filters, whose taps are gathered unless they lie in order."""
    cdef Py_ssize_t taps = task.channels * task.taps
    cdef Py_ssize_t k, c, filter
    cdef const real* weights
    cdef real first = 0
    for k in range(unit.first_filter, unit.last_filter):
        filter = unit.group * task.filters + k
        if not goes_on(watch, unit.rows * task.out_width * taps):
            return
        if bias != NULL:
            first = bias[filter]
        weights = w + filter * taps
        if not task.order.plain:
            for c in range(task.channels):
                gather_part(
                    w + task.order.first + unit.group * task.order.group + k * task.order.filter
                    + c * task.order.channel,
                    &task.order, 0, 1, 1, gathered + c * task.taps, 1,
                )
            weights = gathered
        stencil_plane(
            square, weights, image, offsets, first, task, unit.rows,
            y + output_index(unit, 0, k),
        )


cdef void stencil_rows(
    const real* w, const real* bias, real* y, const Task* task, const Unit* unit,
    const real* band, const Py_ssize_t* offsets, real* gathered, Watch* watch,
) noexcept nogil:
    """Compute the unit, rows of all filters of a group of an image: pick the stencil."""
    cdef const real* image = band + task.band.shift
    if task.win.stride_w != 1:
        stencil_planes(0, w, bias, y, task, unit, image, offsets, gathered, watch)
    elif task.square == 3:
        stencil_planes(3, w, bias, y, task, unit, image, offsets, gathered, watch)
    elif task.square == 5:
        stencil_planes(5, w, bias, y, task, unit, image, offsets, gathered, watch)
    elif task.square == 7:
        stencil_planes(7, w, bias, y, task, unit, image, offsets, gathered, watch)
    else:
        stencil_planes(0, w, bias, y, task, unit, image, offsets, gathered, watch)
