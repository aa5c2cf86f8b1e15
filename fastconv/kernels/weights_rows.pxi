# The weight gradient of one channel and filter with a square kernel of 3, 5 or 7, at stride 1 or 2,
# along rows: in the order of memory, in which the processor reads ahead. The rows of the image that
# some rows of the gradient meet are copied first (phases.pxi): a step is a load of the gradient, a
# multiply-add from memory for each tap, and nothing else.
#
# Of the gradient, rows that end within a vector are copied as well, zeros behind.

cdef extern from *:
    """
    /* Taps whose sums stay in registers: 9 do, of 25 and 49 a part of about the same size. */
    #define ROW_TAPS (REGISTERS == 32 ? 25 : 13)
    """
    enum: ROW_TAPS

cdef enum:
    # vectors that a lane adds up from zero before its sum is added to the others
    SUMMED_VECTORS = 128


cdef struct WeightsRows:
    Description given
    Py_ssize_t gradient     # where in the scratch its rows are, if they are copied; the image's
    Py_ssize_t sums         # are at the beginning; and the sums, [tap][vector]
    Py_ssize_t sums_values


cdef int lay_out_weights_rows(const Description* given, Made* made, list memory) except -1:
    cdef WeightsRows* layout = <WeightsRows*>allot(memory, sizeof(WeightsRows))
    cdef const Problem* problem = &given.problem
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t rows = given.blocks.rows
    cdef Py_ssize_t stride = problem.rows.stride
    layout.given = given[0]
    book(made, phase_values((rows - 1) * stride + problem.rows.kernel, stride, vector))
    layout.gradient = book(made, rows * ROW_VECTORS * vector)
    layout.sums_values = padded_taps(problem.taps) * vector
    layout.sums = book(made, layout.sums_values)
    made.layout = layout
    made.units = count_weight_units(given)
    return 0


cdef inline void add_row_products(
    const int stride, const int kernel, const int first, const int taps, Py_ssize_t rows,
    Py_ssize_t lanes, const real* grad, Py_ssize_t grad_width, const real* image, real* sums,
) noexcept nogil:
    """Do sums[t][n] += sum over rows and vectors of grad · what tap t meets, from tap `first` on.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int space = ROW_SPACE_VECTORS * vector
    cdef real tile[ROW_TAPS * FLOATS]
    cdef const real* met
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t j
    cdef int t, s, n
    for n in range(taps * vector):
        tile[n] = 0
    while True:  # at least once: see README.md
        j = 0
        while True:
            for t in range(taps):
                s = (first + t) % kernel
                met = image + (
                    ((first + t) // kernel * stride + s % stride) * space
                    + row_shift(stride, kernel, s % stride, vector) + s // stride
                )
                for n in range(vector):
                    tile[t * vector + n] += grad[j + n] * met[j + n]
            j = j + vector
            if j >= lanes:
                break
        image = image + stride * stride * space
        grad = grad + grad_width
        i = i + 1
        if i >= rows:
            break
    for n in range(taps * vector):
        sums[first * vector + n] += tile[n]


cdef inline void add_rows_of_kernel(
    const int stride, const int kernel, Py_ssize_t rows, Py_ssize_t lanes, const real* grad,
    Py_ssize_t grad_width, const real* image, real* sums,
) noexcept nogil:
    """Add the products of some rows to the sums of all taps, as many at a time as are kept."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t most = max(1, SUMMED_VECTORS * vector // lanes)
    cdef Py_ssize_t count
    while rows > 0:
        count = min(rows, most)
        # what each call takes has to be a constant
        if kernel == 3:
            add_row_products(stride, 3, 0, 9, count, lanes, grad, grad_width, image, sums)
        elif kernel == 5 and ROW_TAPS == 25:
            add_row_products(stride, 5, 0, 25, count, lanes, grad, grad_width, image, sums)
        elif kernel == 5:
            add_row_products(stride, 5, 0, 13, count, lanes, grad, grad_width, image, sums)
            add_row_products(stride, 5, 13, 12, count, lanes, grad, grad_width, image, sums)
        elif ROW_TAPS == 25:
            add_row_products(stride, 7, 0, 25, count, lanes, grad, grad_width, image, sums)
            add_row_products(stride, 7, 25, 24, count, lanes, grad, grad_width, image, sums)
        else:
            add_row_products(stride, 7, 0, 13, count, lanes, grad, grad_width, image, sums)
            add_row_products(stride, 7, 13, 12, count, lanes, grad, grad_width, image, sums)
            add_row_products(stride, 7, 25, 12, count, lanes, grad, grad_width, image, sums)
            add_row_products(stride, 7, 37, 12, count, lanes, grad, grad_width, image, sums)
        image = image + count * stride * stride * ROW_SPACE_VECTORS * vector
        grad = grad + count * grad_width
        rows = rows - count


cdef inline void add_columns_of_rows(
    const int stride, const int kernel, const WeightsRows* layout, const real* image,
    const real* grad, const Unit* unit, Py_ssize_t first, Py_ssize_t outputs, real* scratch,
) noexcept nogil:
    """Add so many outputs of each row of a unit from `first` on to the sums."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef const Axis* wide = &layout.given.problem.columns
    cdef Py_ssize_t lanes = (outputs + vector - 1) // vector * vector
    cdef Py_ssize_t grad_width = wide.outputs
    cdef Across across = find_across(stride, kernel, vector, wide, first, lanes)
    cdef RowsSeen down = find_rows_seen(&layout.given.problem.rows, unit.first_row, unit.rows)
    cdef real* target = scratch + layout.gradient
    cdef Py_ssize_t i
    clear_around(stride, &across, &down, scratch)
    copy_image_rows(stride, &across, &down, image, wide.size, scratch)
    grad = grad + unit.first_row * grad_width + first
    if outputs < lanes:
        for i in range(unit.rows):
            zero_vectors(target, lanes - vector, lanes)
            copy_run(target, grad + i * grad_width, outputs)
            target = target + lanes
        grad = scratch + layout.gradient
        grad_width = lanes
    add_rows_of_kernel(
        stride, kernel, unit.rows, lanes, grad, grad_width, <const real*>scratch,
        scratch + layout.sums,
    )


cdef void add_rows_of_plane(
    const WeightsRows* layout, const real* image, const real* grad, const Unit* unit,
    real* scratch,
) noexcept nogil:
    """Add a block of rows of one image and group to the unit's sums."""
    cdef Py_ssize_t vector = VECTOR_BYTES // <int>sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t stride = problem.rows.stride
    cdef Py_ssize_t kernel = problem.rows.kernel
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t plane = unit.image * problem.groups + unit.group
    cdef Py_ssize_t runs = ceil_div(width, ROW_VECTORS * vector)
    cdef Py_ssize_t most = ceil_div(ceil_div(width, runs), vector) * vector
    cdef Py_ssize_t j = 0
    cdef Py_ssize_t count
    image = image + plane * problem.rows.size * problem.columns.size
    grad = grad + plane * problem.rows.outputs * width
    while j < width:
        count = min(most, width - j)
        if kernel == 3 and stride == 1:
            add_columns_of_rows(1, 3, layout, image, grad, unit, j, count, scratch)
        elif kernel == 3:
            add_columns_of_rows(2, 3, layout, image, grad, unit, j, count, scratch)
        elif kernel == 5 and stride == 1:
            add_columns_of_rows(1, 5, layout, image, grad, unit, j, count, scratch)
        elif kernel == 5:
            add_columns_of_rows(2, 5, layout, image, grad, unit, j, count, scratch)
        elif stride == 1:
            add_columns_of_rows(1, 7, layout, image, grad, unit, j, count, scratch)
        else:
            add_columns_of_rows(2, 7, layout, image, grad, unit, j, count, scratch)
        j = j + count


cdef void weights_rows_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const WeightsRows* layout = <const WeightsRows*>made
    cdef const Description* given = &layout.given
    cdef WeightUnit found = find_weight_unit(given, number)
    cdef real* sums = scratch + layout.sums
    zero(sums, layout.sums_values)
    while next_rows(given, &found):
        if not goes_on(
            watch, found.unit.rows * given.problem.columns.outputs * given.problem.taps
        ):
            return
        add_rows_of_plane(
            layout, <const real*>operands.image, <const real*>operands.gradient, &found.unit,
            scratch,
        )
    finish_pixel_lanes(
        <const real*>sums, <real*>operands.result + found.begin, &given.problem, &found.unit
    )


enter("weights_rows", lay_out_weights_rows, weights_rows_unit[float], weights_rows_unit[double])
