# The input gradient of a stencil of one channel with a square kernel of 3, 5 or 7, stride 2: every
# pixel of the gradient is spread over a window of dx. Seen from dx, a square of 2x2 pixels takes
# all taps of the kernel once, from D x D pixels of the gradient, D = (kernel + 1) / 2:
#
#     dx[2·m + a][2·n + b] = sum over r, s of  w[r][s] · grad[m + i(r)][n + j(s)]
#
#     kernel 3, padding 1            b=0            b=1          taps (r, s) of each pixel, and in
#                              a=0   (1,1)          (1,0) (1,2)  which of the D x D they meet:
#                              a=1   (0,1) (2,1)    the corners  tap 2 the first, 0 the second
#
# Where i and j begin depends on the padding, which taps belong to a and b on whether it is odd.
# Down a strip of one vector of columns of the gradient: a row of it serves all rows of dx that see
# it. Even and odd columns are interleaved in registers, so that dx is written in whole vectors,
# each row once.


cdef inline void spread_row(
    const int odd, const int kernel, const real* weights, const real* taken, real* sums
) noexcept nogil:
    """Add a row of the gradient to the pairs of rows that see it: sums[pair][a][b][vector].

    Pair 0 is the one that sees it as its last.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int reach = kernel - 1 - odd
    cdef int r, s, a, b, pair, j, n
    for r in range(kernel):
        a = (r + odd) % 2
        pair = (kernel - 1) // 2 - (a - r + reach) // 2
        for s in range(kernel):
            b = (s + odd) % 2
            j = (b - s + reach) // 2
            for n in range(vector):
                sums[((pair * 2 + a) * 2 + b) * vector + n] += (
                    weights[r * kernel + s] * taken[j * vector + n]
                )


cdef inline void store_pairs(
    const real* even, const real* odd, real* y, Py_ssize_t count, bint whole
) noexcept nogil:
    """Do y[2·n] = even[n] and y[2·n + 1] = odd[n]: all, or `count` values."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real mixed[2 * FLOATS]
    cdef int n
    for n in range(vector):
        mixed[2 * n] = even[n]
        mixed[2 * n + 1] = odd[n]
    if whole:
        for n in range(2 * vector):
            y[n] = mixed[n]
    else:
        copy_run(y, mixed, count)


cdef inline void spread_strip(
    const bint edges, const int odd, const int kernel, const real* w, const real* grad,
    Py_ssize_t height, Py_ssize_t width, Py_ssize_t row, Py_ssize_t column, real bias, real* y,
    Py_ssize_t y_width, Py_ssize_t rows, Py_ssize_t count, const real* zeros,
) noexcept nogil:
    """Compute two vectors of columns of so many rows of dx, or `count` of them.

    The gradient's `row` and `column` are where i and j begin. A row may be written beyond `count`,
    into the next of these rows, which is stored after it; never beyond the last.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int depth = (kernel + 1) // 2
    cdef real sums[4 * 4 * FLOATS]
    cdef real taken[4 * FLOATS]
    cdef real weights[7 * 7]
    cdef real low[4]
    cdef real high[4]
    cdef Py_ssize_t i = 1 - depth       # the pair of rows that is complete next
    cdef int a, n
    if edges:
        find_edges(1, 1, depth, column, width, 0, vector, low, high)
    for n in range(kernel * kernel):
        weights[n] = w[n]
    for n in range(depth * 4 * vector):
        sums[n] = bias
    while True:  # at least once, as in tile.pxi
        take_row(
            edges, 1, 1, depth, find_row(grad, height, width, row, column, zeros), 0, low, high,
            taken,
        )
        spread_row(odd, kernel, weights, taken, sums)
        if i >= 0:
            for a in range(2):
                if 2 * i + a < rows:
                    store_pairs(
                        sums + 2 * a * vector, sums + (2 * a + 1) * vector,
                        y + (2 * i + a) * y_width, count,
                        (rows - 1 - 2 * i - a) * y_width + count >= 2 * vector,
                    )
        i = i + 1
        if 2 * i >= rows:
            break
        for n in range((depth - 1) * 4 * vector):
            sums[n] = sums[n + 4 * vector]
        for n in range(4 * vector):
            sums[(depth - 1) * 4 * vector + n] = bias
        row = row + 1


cdef inline void spread_columns(
    const int odd, const int kernel, const real* w, const real* grad, real bias, const Task* task,
    Py_ssize_t row, Py_ssize_t pair, real* y, Py_ssize_t rows, const real* zeros,
) noexcept nogil:
    """Compute the strip that begins at column 2·pair of dx."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t column = pair + (task.win.left + odd - (kernel - 1)) // 2
    cdef Py_ssize_t count = min(2 * vector, task.out_width - 2 * pair)
    if is_inside(1, (kernel + 1) // 2, column, task.width, vector):
        spread_strip(
            False, odd, kernel, w, grad, task.height, task.width, row, column, bias, y + 2 * pair,
            task.out_width, rows, count, zeros,
        )
    else:
        spread_strip(
            True, odd, kernel, w, grad, task.height, task.width, row, column, bias, y + 2 * pair,
            task.out_width, rows, count, zeros,
        )


cdef inline void spread_plane(
    const int odd, const int kernel, const real* w, const real* grad, real bias, const Task* task,
    Py_ssize_t row, real* y, Py_ssize_t rows, const real* zeros,
) noexcept nogil:
    """Compute so many rows of a plane of dx: the last strip first, which may hang over."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t last = max(0, (task.out_width + 1) // 2 - vector)
    cdef Py_ssize_t pair = 0
    spread_columns(odd, kernel, w, grad, bias, task, row, last, y, rows, zeros)
    while pair < last:
        spread_columns(odd, kernel, w, grad, bias, task, row, pair, y, rows, zeros)
        pair = pair + vector


cdef void spread_any_plane(
    const real* w, const real* grad, real bias, const Task* task, Py_ssize_t row, real* y,
    Py_ssize_t rows, const real* zeros,
) noexcept nogil:
    """Pick the kernel, and whether the padding is odd."""
    if task.win.left % 2 == 0:
        if task.square == 3:
            spread_plane(0, 3, w, grad, bias, task, row, y, rows, zeros)
        elif task.square == 5:
            spread_plane(0, 5, w, grad, bias, task, row, y, rows, zeros)
        else:
            spread_plane(0, 7, w, grad, bias, task, row, y, rows, zeros)
    elif task.square == 3:
        spread_plane(1, 3, w, grad, bias, task, row, y, rows, zeros)
    elif task.square == 5:
        spread_plane(1, 5, w, grad, bias, task, row, y, rows, zeros)
    else:
        spread_plane(1, 7, w, grad, bias, task, row, y, rows, zeros)


cdef void stencil_spread(
    const real* grad, const real* w, const real* bias, real* y, const Task* task, real* scratch,
    Py_ssize_t number, Watch* watch,
) noexcept nogil:
    """Compute one unit: number = (block of planes)·(blocks of rows) + block of rows.

    A block has an even number of rows, unless it is the last. The task's image is the gradient, its
    output dx. The scratch is a row of zeros and rows that are copied.
    """
    cdef Py_ssize_t blocks = (task.out_height + task.band.rows - 1) // task.band.rows
    cdef Py_ssize_t first_row = number % blocks * task.band.rows
    cdef Py_ssize_t rows = min(task.band.rows, task.out_height - first_row)
    cdef Py_ssize_t row = (
        first_row // 2 + (task.win.top + task.win.top % 2 - (task.square - 1)) // 2
    )
    cdef Py_ssize_t first = max(0, min(row, task.height))
    cdef Py_ssize_t last = max(
        first, min(task.height, row + (rows + 1) // 2 + (task.square - 1) // 2)
    )
    cdef Py_ssize_t size = task.height * task.width
    cdef Py_ssize_t planes = task.batch * task.groups
    cdef Py_ssize_t plane = number // blocks * task.block_images
    cdef Py_ssize_t end = min(planes, plane + task.block_images)
    cdef Py_ssize_t group
    cdef const real* image
    fill_row(scratch, <real>0, STRIP_VALUES)
    while plane < end:
        group = plane % task.groups
        if not goes_on(watch, rows * task.out_width * task.taps):
            return
        image = secure_rows(
            grad + plane * size, plane * size + first * task.width,
            (planes - plane) * size - last * task.width, task.width, first, last,
            scratch + STRIP_VALUES,
        )
        spread_any_plane(
            w + group * task.taps, image, bias[group] if bias != NULL else <real>0, task, row,
            y + (plane * task.out_height + first_row) * task.out_width, rows, scratch,
        )
        plane = plane + 1
