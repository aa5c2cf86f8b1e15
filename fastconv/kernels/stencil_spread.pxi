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
#
# The problem is the convolution whose input gradient this is: the image here is its outputs'
# gradient, and the result has the size of its image.


cdef struct StencilSpread:
    Description given
    Py_ssize_t row_blocks   # of a plane of dx
    Py_ssize_t zeros        # where in the scratch a row of zeros begins,
    Py_ssize_t copied       # and rows that are copied


cdef int lay_out_stencil_spread(const Description* given, Made* made, list memory) except -1:
    """A block has an even number of rows, unless it is the last."""
    cdef StencilSpread* layout = <StencilSpread*>allot(memory, sizeof(StencilSpread))
    cdef const Problem* problem = &given.problem
    layout.given = given[0]
    layout.row_blocks = ceil_div(problem.rows.size, given.blocks.rows)
    layout.zeros = book(made, STRIP_VALUES)
    layout.copied = book(made, secured_values(
        min(problem.rows.outputs, spread_rows(problem, given.blocks.rows)),
        problem.columns.outputs,
    ))
    made.layout = layout
    made.units = ceil_div(problem.batch * problem.groups, given.blocks.images) * layout.row_blocks
    return 0


cdef inline Py_ssize_t spread_rows(const Problem* problem, Py_ssize_t rows) noexcept nogil:
    """Return how many rows of the gradient so many rows of dx see."""
    return (rows + 1) // 2 + (problem.rows.kernel - 1) // 2


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
    const bint edges, const int odd, const int kernel, const Strip* strip, const real* w,
    const real* grad, real bias, real* y, const real* zeros,
) noexcept nogil:
    """Compute two vectors of columns of so many rows of dx, or `count` of them.

    The gradient's `row` and `column` are where i and j begin. A row may be written beyond `count`,
    into the next of these rows, which is stored after it; never beyond the last.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int depth = (kernel + 1) // 2
    cdef Py_ssize_t height = strip.height
    cdef Py_ssize_t width = strip.width
    cdef Py_ssize_t row = strip.row
    cdef Py_ssize_t column = strip.column
    cdef Py_ssize_t rows = strip.rows
    cdef Py_ssize_t count = strip.count
    cdef Py_ssize_t y_width = strip.out_width
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
    while True:  # at least once: see README.md
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
    const int odd, const int kernel, const Problem* problem, Strip* strip, Py_ssize_t pair,
    const real* w, const real* grad, real bias, real* y, const real* zeros,
) noexcept nogil:
    """Compute the strip that begins at column 2·pair of dx."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    strip.column = pair + (problem.columns.before + odd - (kernel - 1)) // 2
    strip.count = min(2 * vector, strip.out_width - 2 * pair)
    y = y + 2 * pair
    if is_inside(1, (kernel + 1) // 2, strip.column, strip.width, vector):
        spread_strip(False, odd, kernel, strip, w, grad, bias, y, zeros)
    else:
        spread_strip(True, odd, kernel, strip, w, grad, bias, y, zeros)


cdef inline void spread_plane(
    const int odd, const int kernel, const Problem* problem, Strip* strip, const real* w,
    const real* grad, real bias, real* y, const real* zeros,
) noexcept nogil:
    """Compute the strip's rows of a plane of dx: the last strip first, which may hang over."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t last = max(0, (strip.out_width + 1) // 2 - vector)
    cdef Py_ssize_t pair = 0
    spread_columns(odd, kernel, problem, strip, last, w, grad, bias, y, zeros)
    while pair < last:
        spread_columns(odd, kernel, problem, strip, pair, w, grad, bias, y, zeros)
        pair = pair + vector


cdef void spread_any_plane(
    const Problem* problem, Py_ssize_t row, Py_ssize_t rows, const real* w, const real* grad,
    real bias, real* y, const real* zeros,
) noexcept nogil:
    """Pick the kernel, and whether the padding is odd."""
    cdef Py_ssize_t kernel = problem.rows.kernel
    cdef Strip strip
    strip.height, strip.width = problem.rows.outputs, problem.columns.outputs
    strip.row, strip.rows, strip.out_width = row, rows, problem.columns.size
    strip.column = strip.second = strip.count = 0
    if problem.columns.before % 2 == 0:
        if kernel == 3:
            spread_plane(0, 3, problem, &strip, w, grad, bias, y, zeros)
        elif kernel == 5:
            spread_plane(0, 5, problem, &strip, w, grad, bias, y, zeros)
        else:
            spread_plane(0, 7, problem, &strip, w, grad, bias, y, zeros)
    elif kernel == 3:
        spread_plane(1, 3, problem, &strip, w, grad, bias, y, zeros)
    elif kernel == 5:
        spread_plane(1, 5, problem, &strip, w, grad, bias, y, zeros)
    else:
        spread_plane(1, 7, problem, &strip, w, grad, bias, y, zeros)


cdef void stencil_spread(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Compute one unit: number = (block of planes)·(blocks of rows) + block of rows."""
    cdef const StencilSpread* layout = <const StencilSpread*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const Blocks* blocks = &layout.given.blocks
    cdef Py_ssize_t height = problem.rows.size
    cdef Py_ssize_t width = problem.columns.size
    cdef Py_ssize_t before = problem.rows.before
    cdef Py_ssize_t first_row = number % layout.row_blocks * blocks.rows
    cdef Py_ssize_t rows = min(blocks.rows, height - first_row)
    cdef Py_ssize_t row = (
        first_row // 2 + (before + before % 2 - (problem.rows.kernel - 1)) // 2
    )
    cdef Py_ssize_t planes = problem.batch * problem.groups
    cdef Py_ssize_t plane = number // layout.row_blocks * blocks.images
    cdef Py_ssize_t end = min(planes, plane + blocks.images)
    cdef Rows read = rows_read(
        problem.rows.outputs, problem.columns.outputs, row, spread_rows(problem, rows)
    )
    cdef const real* w = <const real*>operands.weights
    cdef const real* bias = <const real*>operands.bias
    cdef real* y = <real*>operands.result
    cdef real* zeros = scratch + layout.zeros
    cdef Py_ssize_t group
    cdef const real* grad
    cdef real* target
    fill_row(zeros, <real>0, STRIP_VALUES)
    while plane < end:
        group = plane % problem.groups
        if not goes_on(watch, rows * width * problem.taps):
            return
        target = y + (plane * height + first_row) * width
        if blocks.far:
            bring_near(<const real*>operands.image, plane, &read, scratch + layout.copied)
            fill_row(target, <real>0, rows * width)
        grad = secure_rows(
            <const real*>operands.image, plane, planes, &read, scratch + layout.copied
        )
        spread_any_plane(
            problem, row, rows, w + group * problem.taps, grad,
            bias[group] if bias != NULL else <real>0, target, zeros,
        )
        plane = plane + 1


enter("stencil_spread", lay_out_stencil_spread, stencil_spread[float], stencil_spread[double])
