# The weight gradient of one channel and filter with a square kernel of 3 or 5, at stride 1 or 2:
# down strips of one vector of columns, gradient and image read in place as in stencil_slide.pxi.
# What is loaded of a row of the image serves all rows of taps: the rows of the gradient that it
# meets are still at hand. Stride 1, kernel 3, dw[r] = sum over i of grad[i] · image[i + r]:
#
#                           image rows q      rows of the gradient i = q - r
#                           ───────────       0  1  2  3
#                               0             r0
#                               1             r1 r0
#                               2             r2 r1 r0
#                               3                r2 r1 r0


cdef inline void take_grad(
    const bint edges, const real* grad, Py_ssize_t lanes, real* above
) noexcept nogil:
    """Load a vector of a row of the gradient; with `edges`, zeros from `lanes` on."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real count = lanes
    cdef real value
    cdef bint inside
    cdef int n
    for n in range(vector):
        value = grad[n]
        if edges:
            inside = n < count
            value = value if inside else 0
        above[n] = value


cdef inline void add_products(
    const int stride, const int kernel, const int phase, const real* above, const real* taken,
    real* tile,
) noexcept nogil:
    """Multiply a row of the image by the rows of the gradient that it meets, at taps r and s.

    It meets them at the taps r that are `phase` modulo the stride.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int m, s, n, r
    for m in range((kernel - 1) // stride + 1):
        r = m * stride + phase
        if r < kernel:
            for s in range(kernel):
                for n in range(vector):
                    tile[(r * kernel + s) * vector + n] += (
                        above[m * vector + n] * taken[s * vector + n]
                    )


cdef inline void slide_products(
    const bint edges, const int stride, const int kernel, const real* grad, Py_ssize_t grad_width,
    Py_ssize_t lanes, const real* image, Py_ssize_t height, Py_ssize_t width, Py_ssize_t row,
    Py_ssize_t column, Py_ssize_t rows, const real* zeros, real* sums,
) noexcept nogil:
    """Do sums[r][s][n] += sum of grad[i][n] · image[row + i·stride + r][column + n·stride + s].

    The sum is over the rows i; n goes to `lanes`, which is a vector unless there are `edges`.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int depth = (kernel - 1) // stride + 1
    cdef real tile[5 * 5 * FLOATS]
    cdef real above[5 * FLOATS]         # above[m]: the gradient's row m above the present one
    cdef real taken[5 * FLOATS]
    cdef real low[5]
    cdef real high[5]
    cdef Py_ssize_t i = 0
    cdef int m, n
    if edges:
        find_edges(stride, 1, kernel, column, width, 0, lanes, low, high)
    for n in range(kernel * kernel * vector):
        tile[n] = 0
    for n in range(depth * vector):
        above[n] = 0
    while True:  # at least once, as in tile.pxi
        take_grad(edges, grad if i < rows else zeros, lanes, above)
        take_row(
            edges, stride, 1, kernel, find_row(image, height, width, row, column, zeros), 0, low,
            high, taken,
        )
        # Into the room behind the sums, never read: behind a store the compiler keeps what was
        # taken in registers, as stencil_slide.pxi says.
        for n in range(vector):
            sums[kernel * kernel * vector + n] = above[n]
        add_products(stride, kernel, 0, above, taken, tile)
        if stride == 2:
            take_row(
                edges, stride, 1, kernel, find_row(image, height, width, row + 1, column, zeros),
                0, low, high, taken,
            )
            add_products(stride, kernel, 1, above, taken, tile)
        i = i + 1
        if i >= rows + depth - 1:
            break
        for m in range(depth - 1, 0, -1):
            for n in range(vector):
                above[m * vector + n] = above[(m - 1) * vector + n]
        row = row + stride
        grad = grad + grad_width
    for n in range(kernel * kernel * vector):
        sums[n] += tile[n]


cdef inline void slide_strips(
    const int stride, const int kernel, const real* grad, const real* image, const Task* conv,
    const Unit* unit, Py_ssize_t height, const real* zeros, real* sums,
) noexcept nogil:
    """Cover the columns of a block of rows by strips; rows of the image from `height` on are 0."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t row = unit.first_row * stride - conv.win.top
    cdef Py_ssize_t j = 0
    cdef Py_ssize_t column
    while j < conv.out_width:
        column = j * stride - conv.win.left
        if j + vector <= conv.out_width and is_inside(stride, kernel, column, conv.width, vector):
            slide_products(
                False, stride, kernel, grad + j, conv.out_width, vector, image, height,
                conv.width, row, column, unit.rows, zeros, sums,
            )
        else:
            slide_products(
                True, stride, kernel, grad + j, conv.out_width, min(vector, conv.out_width - j),
                image, height, conv.width, row, column, unit.rows, zeros, sums,
            )
        j = j + vector


cdef void add_slides(
    const real* grad, const real* x, const Task* conv, const Unit* unit, real* scratch,
    real* rows_scratch, real* sums,
) noexcept nogil:
    """Add a block of rows of one image and group to the unit's sums, [tap][vector].

    The scratch is a row of zeros and what is copied of an image at the end of its tensor, then what
    is copied of a gradient there.
    """
    cdef Py_ssize_t planes = conv.batch * conv.groups
    cdef Py_ssize_t plane = unit.image * conv.groups + unit.group
    cdef Py_ssize_t size = conv.height * conv.width
    cdef Py_ssize_t grad_size = conv.out_height * conv.out_width
    cdef Py_ssize_t row = unit.first_row * conv.win.stride_h - conv.win.top
    cdef Py_ssize_t first = max(0, min(row, conv.height))
    cdef Py_ssize_t last = max(
        first, min(conv.height, row + (unit.rows - 1) * conv.win.stride_h + conv.square)
    )
    cdef const real* image = secure_rows(
        x + plane * size, plane * size + first * conv.width,
        (planes - plane) * size - last * conv.width, conv.width, first, last,
        scratch + STRIP_VALUES,
    )
    # rows of the gradient are read from their beginning on, and only beyond their end
    cdef const real* rows = secure_rows(
        grad + plane * grad_size, STRIP_VALUES,
        (planes - plane) * grad_size - (unit.first_row + unit.rows) * conv.out_width,
        conv.out_width, unit.first_row, unit.first_row + unit.rows, rows_scratch,
    )
    rows = rows + unit.first_row * conv.out_width
    if conv.square == 3 and conv.win.stride_w == 1:
        slide_strips(1, 3, rows, image, conv, unit, last, scratch, sums)
    elif conv.square == 3:
        slide_strips(2, 3, rows, image, conv, unit, last, scratch, sums)
    elif conv.win.stride_w == 1:
        slide_strips(1, 5, rows, image, conv, unit, last, scratch, sums)
    else:
        slide_strips(2, 5, rows, image, conv, unit, last, scratch, sums)
