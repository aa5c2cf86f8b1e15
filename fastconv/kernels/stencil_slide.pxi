# The stencil of one channel with a square kernel of 3, 5 or 7, at stride 1 or 2, pixels in the
# lanes: down a strip of two vectors of columns, straight from the image into y. A row of the image
# is loaded once, for all the output rows that see it. At stride 1 and kernel 3:
#
#                           image rows q      output rows m = q - r
#                           ───────────       0  1  2  3
#                               0             r0
#                               1             r1 r0
#                               2             r2 r1 r0            0 is complete and stored
#                               3                r2 r1 r0         1 is complete
#
# The sums of an output are complete when they are stored, so that the last vector of a row may
# overlap its neighbour and compute some pixels twice.


cdef inline void add_row_of_taps(
    const int vectors, const int kernel, const real* weights, const real* taken, real* sums
) noexcept nogil:
    """Do sums[v][n] += weights[s] · taken[s][v][n], for s in order."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef int s, n
    for s in range(kernel):
        for n in range(lanes):
            sums[n] += weights[s] * taken[s * lanes + n]


cdef inline void add_row(
    const int first, const int stride, const int vectors, const int kernel, const int q,
    const real* weights, const real* taken, real* sums,
) noexcept nogil:
    """Add row q of the image to the rows of y that see it, from the `first` one on."""
    cdef int depth = (kernel - 1) // stride + 1
    cdef int m
    for m in range(first, depth):
        if q - m * stride >= 0:
            add_row_of_taps(
                vectors, kernel, weights + (q - m * stride) * kernel, taken,
                sums + m * vectors * (VECTOR_BYTES // <int>sizeof(real)),
            )


cdef inline void slide_strip(
    const bint narrow, const bint edges, const int stride, const int vectors, const int kernel,
    const real* w, const real* image, Py_ssize_t height, Py_ssize_t width, Py_ssize_t row,
    Py_ssize_t column, real bias, real* y, Py_ssize_t y_width, Py_ssize_t second, Py_ssize_t rows,
    const real* zeros,
) noexcept nogil:
    """Do y[i][n] = bias + sum of w[r][s] · image[row + i·stride + r][column + n·stride + s].

    The sum is over r and s. For all rows i, and n in the vector at 0 and, where there are two, in
    the one at `second`. If `narrow`, for n < vector + second, `second` being negative.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int lanes = vectors * vector
    cdef int depth = (kernel - 1) // stride + 1     # output rows that see the same row of the image
    cdef real sums[7 * 2 * FLOATS]      # sums[m]: of the output row m below the next one to store
    cdef real taken[7 * 2 * FLOATS]
    cdef real weights[7 * 7]    # local, so that storing to y does not make them be loaded again
    cdef real low[7 * 2]
    cdef real high[7 * 2]
    cdef Py_ssize_t i = 0
    cdef int q, n, v
    if edges:
        find_edges(stride, vectors, kernel, column, width, second, second + vector, low, high)
    for n in range(kernel * kernel):
        weights[n] = w[n]
    for n in range(depth * lanes):
        sums[n] = bias
    for q in range(kernel - stride):
        take_row(
            edges, stride, vectors, kernel, find_row(image, height, width, row + q, column, zeros),
            second, low, high, taken,
        )
        add_row(0, stride, vectors, kernel, q, weights, taken, sums)
    while True:  # at least once, as in tile.pxi
        if stride == 2:
            q = kernel - 2
            take_row(
                edges, stride, vectors, kernel,
                find_row(image, height, width, row + q, column, zeros), second, low, high, taken,
            )
            add_row(0, stride, vectors, kernel, q, weights, taken, sums)
        q = kernel - 1
        take_row(
            edges, stride, vectors, kernel,
            find_row(image, height, width, row + q, column, zeros), second, low, high, taken,
        )
        add_row_of_taps(vectors, kernel, weights + q * kernel, taken, sums)
        # The complete row is stored before the others take their taps: behind a store the compiler
        # keeps what was taken in registers, else it would load it for each again.
        if narrow and (rows - i) * y_width < vector:
            copy_run(y, sums, vector + second)
        else:
            # if narrow, into the rows below as well, which come next
            for v in range(vectors):
                for n in range(vector):
                    y[v * second + n] = sums[v * vector + n]
        add_row(1, stride, vectors, kernel, q, weights, taken, sums)
        i = i + 1
        if i >= rows:
            break
        for n in range((depth - 1) * lanes):
            sums[n] = sums[n + lanes]
        for n in range(lanes):
            sums[(depth - 1) * lanes + n] = bias
        row = row + stride
        y = y + y_width


cdef inline void activate_strip(
    const Task* task, real* y, Py_ssize_t rows, Py_ssize_t count
) noexcept nogil:
    cdef Py_ssize_t i, j
    if task.activation != IDENTITY:
        for i in range(rows):
            for j in range(count):
                y[i * task.out_width + j] = activate(task.activation, y[i * task.out_width + j])


cdef inline void slide_columns(
    const int stride, const int vectors, const int kernel, const real* w, const real* image,
    real bias, const Task* task, Py_ssize_t row, Py_ssize_t j, Py_ssize_t count, real* y,
    Py_ssize_t rows, const real* zeros,
) noexcept nogil:
    """Compute `count` columns of y from column j on: less than a vector, one, or up to two."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t column = j * stride - task.win.left
    if vectors == 1 and count < vector:
        slide_strip(
            True, True, stride, 1, kernel, w, image, task.height, task.width, row, column, bias, y,
            task.out_width, count - vector, rows, zeros,
        )
    elif is_inside(stride, kernel, column, task.width, count):
        slide_strip(
            False, False, stride, vectors, kernel, w, image, task.height, task.width, row, column,
            bias, y, task.out_width, count - vector, rows, zeros,
        )
    else:
        slide_strip(
            False, True, stride, vectors, kernel, w, image, task.height, task.width, row, column,
            bias, y, task.out_width, count - vector, rows, zeros,
        )
    activate_strip(task, y, rows, count)


cdef inline void slide_plane(
    const int stride, const int kernel, const real* w, const real* image, real bias,
    const Task* task, Py_ssize_t row, real* y, Py_ssize_t rows, const real* zeros,
) noexcept nogil:
    """Compute so many rows of a plane of y, the first of which sees `row` of the image first."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t width = task.out_width
    cdef Py_ssize_t j = 0
    while j < width:
        if width - j > vector:
            slide_columns(
                stride, 2, kernel, w, image, bias, task, row, j, min(2 * vector, width - j), y + j,
                rows, zeros,
            )
            j = j + 2 * vector
        else:
            j = max(0, min(j, width - vector))
            slide_columns(
                stride, 1, kernel, w, image, bias, task, row, j, width - j, y + j, rows, zeros
            )
            j = width


cdef void slide_any_plane(
    const real* w, const real* image, real bias, const Task* task, Py_ssize_t row, real* y,
    Py_ssize_t rows, const real* zeros,
) noexcept nogil:
    """Pick the kernel and the stride."""
    if task.win.stride_w == 1:
        if task.square == 3:
            slide_plane(1, 3, w, image, bias, task, row, y, rows, zeros)
        elif task.square == 5:
            slide_plane(1, 5, w, image, bias, task, row, y, rows, zeros)
        else:
            slide_plane(1, 7, w, image, bias, task, row, y, rows, zeros)
    elif task.square == 3:
        slide_plane(2, 3, w, image, bias, task, row, y, rows, zeros)
    elif task.square == 5:
        slide_plane(2, 5, w, image, bias, task, row, y, rows, zeros)
    else:
        slide_plane(2, 7, w, image, bias, task, row, y, rows, zeros)


cdef void stencil_slide(
    const real* x, const real* w, const real* bias, real* y, const Task* task, real* scratch,
    Py_ssize_t number, Watch* watch,
) noexcept nogil:
    """Compute one unit: number = (block of planes)·(blocks of rows) + block of rows.

    A plane's number is image·groups + group. The scratch is a row of zeros, the taps of a filter,
    and rows that are copied.
    """
    cdef Py_ssize_t blocks = (task.out_height + task.band.rows - 1) // task.band.rows
    cdef Py_ssize_t first_row = number % blocks * task.band.rows
    cdef Py_ssize_t rows = min(task.band.rows, task.out_height - first_row)
    cdef Py_ssize_t row = first_row * task.win.stride_h - task.win.top
    cdef Py_ssize_t first = max(0, min(row, task.height))       # of the image's rows that are read
    cdef Py_ssize_t last = max(
        first, min(task.height, row + (rows - 1) * task.win.stride_h + task.square)
    )
    cdef Py_ssize_t size = task.height * task.width
    cdef Py_ssize_t planes = task.batch * task.groups
    cdef Py_ssize_t plane = number // blocks * task.block_images
    cdef Py_ssize_t end = min(planes, plane + task.block_images)
    cdef real* weights = scratch + STRIP_VALUES
    cdef real* copied = weights + STRIP_VALUES
    cdef Py_ssize_t k, filter, group
    cdef const real* image
    cdef const real* taps
    fill_row(scratch, <real>0, STRIP_VALUES)
    while plane < end:
        group = plane % task.groups
        image = secure_rows(
            x + plane * size, plane * size + first * task.width,
            (planes - plane) * size - last * task.width, task.width, first, last, copied,
        )
        for k in range(task.filters):
            filter = group * task.filters + k
            if not goes_on(watch, rows * task.out_width * task.taps):
                return
            taps = w + filter * task.taps
            if not task.order.plain:
                gather_part(
                    w + task.order.first + group * task.order.group + k * task.order.filter,
                    &task.order, 0, 1, 1, weights, 1,
                )
                taps = weights
            slide_any_plane(
                taps, image, bias[filter] if bias != NULL else <real>0, task, row,
                y + ((plane * task.filters + k) * task.out_height + first_row) * task.out_width,
                rows, scratch,
            )
        plane = plane + 1
