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


cdef struct StencilSlide:
    Description given
    Py_ssize_t row_blocks   # of a plane
    Py_ssize_t zeros        # where in the scratch a row of zeros begins,
    Py_ssize_t weights      # the taps of a filter that do not lie in order,
    Py_ssize_t copied       # and rows that are copied


cdef int lay_out_stencil_slide(const Description* given, Made* made, list memory) except -1:
    cdef StencilSlide* layout = <StencilSlide*>allot(memory, sizeof(StencilSlide))
    cdef const Problem* problem = &given.problem
    layout.given = given[0]
    layout.row_blocks = ceil_div(problem.rows.outputs, given.blocks.rows)
    layout.zeros = book(made, STRIP_VALUES)
    layout.weights = book(made, problem.taps)
    layout.copied = book(made, secured_values(
        slide_rows(&problem.rows, given.blocks.rows), problem.columns.size
    ))
    made.layout = layout
    made.units = ceil_div(problem.batch * problem.groups, given.blocks.images) * layout.row_blocks
    return 0


# Where a strip lies in a plane of the image and of the result, for the stencils that slide and
# spread. A plane's strips differ in the last three only.
cdef struct Strip:
    Py_ssize_t height       # of the image
    Py_ssize_t width
    Py_ssize_t row          # of the image, that its first row sees first
    Py_ssize_t rows         # of the result
    Py_ssize_t out_width
    Py_ssize_t column       # of the image, that its first column sees first
    Py_ssize_t second       # where its second vector begins, after the first
    Py_ssize_t count        # columns of the result


# What to look out for: nothing, for the ends of the image's rows, or, being less than a vector
# wide, for those of the result as well.
cdef enum Ends:
    INSIDE = 0
    AT_EDGE = 1
    NARROW = 2


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
    const int ends, const int stride, const int vectors, const int kernel, const Strip* strip,
    const real* w, const real* image, real bias, real* y, const real* zeros,
) noexcept nogil:
    """Do y[i][n] = bias + sum of w[r][s] · image[row + i·stride + r][column + n·stride + s].

    The sum is over r and s. For all rows i, and n in the vector at 0 and, where there are two, in
    the one at `second`. If NARROW, for n < vector + second, `second` being negative.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int lanes = vectors * vector
    cdef int depth = (kernel - 1) // stride + 1     # output rows that see the same row of the image
    cdef bint edges = ends != INSIDE
    cdef Py_ssize_t height = strip.height
    cdef Py_ssize_t width = strip.width
    cdef Py_ssize_t row = strip.row
    cdef Py_ssize_t column = strip.column
    cdef Py_ssize_t second = strip.second
    cdef Py_ssize_t rows = strip.rows
    cdef Py_ssize_t y_width = strip.out_width
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
    while True:  # at least once: see README.md
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
        if ends == NARROW and (rows - i) * y_width < vector:
            copy_run(y, sums, vector + second)
        else:
            # if NARROW, into the rows below as well, which come next
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
    const Problem* problem, real* y, Py_ssize_t rows, Py_ssize_t count
) noexcept nogil:
    cdef int activation = problem.activation
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t i, j
    if activation != IDENTITY:
        for i in range(rows):
            for j in range(count):
                y[i * width + j] = activate(activation, y[i * width + j])


cdef inline void slide_columns(
    const int stride, const int vectors, const int kernel, const Problem* problem, Strip* strip,
    Py_ssize_t j, const real* w, const real* image, real bias, real* y, const real* zeros,
) noexcept nogil:
    """Compute `count` columns of y from column j on: less than a vector, one, or up to two."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    strip.column = j * stride - problem.columns.before
    strip.second = strip.count - vector
    y = y + j
    if vectors == 1 and strip.count < vector:
        slide_strip(NARROW, stride, 1, kernel, strip, w, image, bias, y, zeros)
    elif is_inside(stride, kernel, strip.column, strip.width, strip.count):
        slide_strip(INSIDE, stride, vectors, kernel, strip, w, image, bias, y, zeros)
    else:
        slide_strip(AT_EDGE, stride, vectors, kernel, strip, w, image, bias, y, zeros)
    activate_strip(problem, y, strip.rows, strip.count)


cdef inline void slide_plane(
    const int stride, const int kernel, const Problem* problem, Strip* strip, const real* w,
    const real* image, real bias, real* y, const real* zeros,
) noexcept nogil:
    """Compute the strip's rows of a plane of y."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t width = strip.out_width
    cdef Py_ssize_t j = 0
    while j < width:
        if width - j > vector:
            strip.count = min(2 * vector, width - j)
            slide_columns(stride, 2, kernel, problem, strip, j, w, image, bias, y, zeros)
            j = j + 2 * vector
        else:
            j = max(0, min(j, width - vector))
            strip.count = width - j
            slide_columns(stride, 1, kernel, problem, strip, j, w, image, bias, y, zeros)
            j = width


cdef void slide_any_plane(
    const Problem* problem, Py_ssize_t row, Py_ssize_t rows, const real* w, const real* image,
    real bias, real* y, const real* zeros,
) noexcept nogil:
    """Compute so many rows, the first of which sees `row` first: pick the kernel and the stride."""
    cdef Py_ssize_t kernel = problem.rows.kernel
    cdef Strip strip
    strip.height, strip.width = problem.rows.size, problem.columns.size
    strip.row, strip.rows, strip.out_width = row, rows, problem.columns.outputs
    strip.column = strip.second = strip.count = 0
    if problem.rows.stride == 1:
        if kernel == 3:
            slide_plane(1, 3, problem, &strip, w, image, bias, y, zeros)
        elif kernel == 5:
            slide_plane(1, 5, problem, &strip, w, image, bias, y, zeros)
        else:
            slide_plane(1, 7, problem, &strip, w, image, bias, y, zeros)
    elif kernel == 3:
        slide_plane(2, 3, problem, &strip, w, image, bias, y, zeros)
    elif kernel == 5:
        slide_plane(2, 5, problem, &strip, w, image, bias, y, zeros)
    else:
        slide_plane(2, 7, problem, &strip, w, image, bias, y, zeros)


cdef void stencil_slide(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Compute one unit: number = (block of planes)·(blocks of rows) + block of rows.

    A plane's number is image·groups + group.
    """
    cdef const StencilSlide* layout = <const StencilSlide*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const Taps* view = &layout.given.taps
    cdef const Blocks* blocks = &layout.given.blocks
    cdef Py_ssize_t out_height = problem.rows.outputs
    cdef Py_ssize_t out_width = problem.columns.outputs
    cdef Py_ssize_t first_row = number % layout.row_blocks * blocks.rows
    cdef Py_ssize_t rows = min(blocks.rows, out_height - first_row)
    cdef Py_ssize_t row = first_row * problem.rows.stride - problem.rows.before
    cdef Py_ssize_t planes = problem.batch * problem.groups
    cdef Py_ssize_t plane = number // layout.row_blocks * blocks.images
    cdef Py_ssize_t end = min(planes, plane + blocks.images)
    cdef Rows read = rows_read(
        problem.rows.size, problem.columns.size, row,
        (rows - 1) * problem.rows.stride + problem.rows.kernel,
    )
    cdef const real* w = <const real*>operands.weights
    cdef const real* bias = <const real*>operands.bias
    cdef real* y = <real*>operands.result
    cdef real* zeros = scratch + layout.zeros
    cdef real* weights = scratch + layout.weights
    cdef Py_ssize_t k, filter, group
    cdef const real* image
    cdef const real* taps
    cdef real* target
    fill_row(zeros, <real>0, STRIP_VALUES)
    while plane < end:
        group = plane % problem.groups
        if blocks.far:
            bring_near(<const real*>operands.image, plane, &read, scratch + layout.copied)
        image = secure_rows(
            <const real*>operands.image, plane, planes, &read, scratch + layout.copied
        )
        for k in range(problem.filters):
            filter = group * problem.filters + k
            if not goes_on(watch, rows * out_width * problem.taps):
                return
            taps = w + filter * problem.taps
            if not view.in_order:
                gather_piece(
                    w + view.first + group * view.group + k * view.filter, view, 0, 1, 1, weights,
                    1,
                )
                taps = weights
            target = y + ((plane * problem.filters + k) * out_height + first_row) * out_width
            if blocks.far:
                fill_row(target, <real>0, rows * out_width)
            slide_any_plane(
                problem, row, rows, taps, image, bias[filter] if bias != NULL else <real>0, target,
                zeros,
            )
        plane = plane + 1


enter("stencil_slide", lay_out_stencil_slide, stencil_slide[float], stencil_slide[double])
