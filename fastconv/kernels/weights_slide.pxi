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


cdef struct WeightsSlide:
    Description given
    Py_ssize_t zeros        # where in the scratch a row of zeros begins,
    Py_ssize_t copied       # what is copied of an image at the end of its tensor,
    Py_ssize_t grad_copied  # what is copied of a gradient there,
    Py_ssize_t sums         # and the sums, [tap][vector]
    Py_ssize_t sums_values


cdef int lay_out_weights_slide(const Description* given, Made* made, list memory) except -1:
    cdef WeightsSlide* layout = <WeightsSlide*>allot(memory, sizeof(WeightsSlide))
    cdef const Problem* problem = &given.problem
    cdef Py_ssize_t rows = given.blocks.rows
    layout.given = given[0]
    layout.zeros = book(made, STRIP_VALUES)
    layout.copied = book(
        made, secured_values(slide_rows(&problem.rows, rows), problem.columns.size)
    )
    layout.grad_copied = book(made, secured_values(rows, problem.columns.outputs))
    # with room that is never read: see slide_products
    layout.sums_values = padded_taps(problem.taps) * (VECTOR_BYTES // problem.itemsize)
    layout.sums = book(made, layout.sums_values)
    made.layout = layout
    made.units = count_weight_units(given)
    return 0


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
    const bint edges, const int stride, const int kernel, const Strip* strip, const real* grad,
    const real* image, const real* zeros, real* sums,
) noexcept nogil:
    """Do sums[r][s][n] += sum of grad[i][n] · image[row + i·stride + r][column + n·stride + s].

    The sum is over the rows i; n goes to `count`, which is a vector unless there are `edges`.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int depth = (kernel - 1) // stride + 1
    cdef Py_ssize_t height = strip.height
    cdef Py_ssize_t width = strip.width
    cdef Py_ssize_t row = strip.row
    cdef Py_ssize_t rows = strip.rows
    cdef Py_ssize_t column = strip.column
    cdef Py_ssize_t lanes = strip.count
    cdef Py_ssize_t grad_width = strip.out_width
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
    while True:  # at least once: see README.md
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
    const int stride, const int kernel, Strip* strip, Py_ssize_t left, const real* grad,
    const real* image, const real* zeros, real* sums,
) noexcept nogil:
    """Cover the columns of a block of rows by strips, the first of which begins `left` of 0."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t out_width = strip.out_width
    cdef Py_ssize_t j = 0
    while j < out_width:
        strip.column = j * stride - left
        strip.count = min(vector, out_width - j)
        if strip.count == vector and is_inside(
            stride, kernel, strip.column, strip.width, vector
        ):
            slide_products(False, stride, kernel, strip, grad + j, image, zeros, sums)
        else:
            slide_products(True, stride, kernel, strip, grad + j, image, zeros, sums)
        j = j + vector


cdef void add_slides(
    const WeightsSlide* layout, const real* image, const real* grad, const Unit* unit,
    real* scratch,
) noexcept nogil:
    """Add a block of rows of one image and group to the unit's sums."""
    cdef const Problem* problem = &layout.given.problem
    cdef const Axis* down = &problem.rows
    cdef Py_ssize_t out_width = problem.columns.outputs
    cdef Py_ssize_t left = problem.columns.before
    cdef Py_ssize_t planes = problem.batch * problem.groups
    cdef Py_ssize_t plane = unit.image * problem.groups + unit.group
    cdef const real* zeros = scratch + layout.zeros
    cdef real* sums = scratch + layout.sums
    cdef Rows read
    cdef Strip strip
    strip.row = unit.first_row * down.stride - down.before
    strip.rows = unit.rows
    strip.column = strip.second = strip.count = 0
    strip.out_width = out_width
    read = rows_read(
        down.size, problem.columns.size, strip.row, (unit.rows - 1) * down.stride + down.kernel
    )
    strip.height, strip.width = read.last, problem.columns.size     # rows below are 0
    if layout.given.blocks.far:
        bring_near(image, plane, &read, scratch + layout.copied)
    image = secure_rows(image, plane, planes, &read, scratch + layout.copied)
    read = rows_read(down.outputs, out_width, unit.first_row, unit.rows)
    if layout.given.blocks.far:
        bring_near(grad, plane, &read, scratch + layout.grad_copied)
    grad = secure_rows(grad, plane, planes, &read, scratch + layout.grad_copied)
    grad = grad + unit.first_row * out_width
    if down.kernel == 3 and down.stride == 1:
        slide_strips(1, 3, &strip, left, grad, image, zeros, sums)
    elif down.kernel == 3:
        slide_strips(2, 3, &strip, left, grad, image, zeros, sums)
    elif down.stride == 1:
        slide_strips(1, 5, &strip, left, grad, image, zeros, sums)
    else:
        slide_strips(2, 5, &strip, left, grad, image, zeros, sums)


cdef void weights_slide_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const WeightsSlide* layout = <const WeightsSlide*>made
    cdef const Description* given = &layout.given
    cdef WeightUnit found = find_weight_unit(given, number)
    cdef real* sums = scratch + layout.sums
    zero(scratch + layout.zeros, STRIP_VALUES)
    zero(sums, layout.sums_values)
    while next_rows(given, &found):
        if not goes_on(
            watch, found.unit.rows * given.problem.columns.outputs * given.problem.taps
        ):
            return
        add_slides(
            layout, <const real*>operands.image, <const real*>operands.gradient, &found.unit,
            scratch,
        )
    finish_pixel_lanes(
        <const real*>sums, <real*>operands.result + found.begin, &given.problem, &found.unit
    )


enter("weights_slide", lay_out_weights_slide, weights_slide_unit[float], weights_slide_unit[double])
