# The weight gradient of one channel and filter with a square kernel of 3, 5 or 7, at stride 1 or 2,
# along rows: in the order of memory, in which the processor reads ahead. The rows of the image that
# some rows of the gradient meet are copied first, zero padding written out and at stride 2 every
# other pixel apart, so that what a tap meets is a run of vectors:
#
#     image             a b c d e f g h         gradient    i j k l
#
#     stride 1        0 a b c d e f g h 0       taps 0, 1, 2 from 0, a, b on
#     stride 2        0 b d f h                 taps 0 and 2 from 0 and b on,
#                     a c e g                   tap 1 from a on
#
# A row lies ROW_SPACE values behind the one before it, however long it is: so all taps are at
# distances known to the compiler, and a step is a load of the gradient, a multiply-add from memory
# for each tap, and nothing else. Rows longer than ROW_VECTORS are cut.
#
# Of the gradient, rows that end within a vector are copied as well, zeros behind.

cdef extern from *:
    """
    /* Taps whose sums stay in registers: 9 do, of 25 and 49 a part of about the same size. */
    #define ROW_TAPS (REGISTERS == 32 ? 25 : 13)
    """
    enum: ROW_TAPS

# Of the gradient, at a time. Behind them is room for what taps are apart, and for the shift below.
cdef enum:
    ROW_VECTORS = 16
    ROW_SPACE_VECTORS = 20
    # vectors that a lane adds up from zero before its sum is added to the others
    SUMMED_VECTORS = 128


cdef struct WeightsRows:
    Description given
    Py_ssize_t gradient     # where in the scratch its rows are, if they are copied; the image's
    Py_ssize_t sums         # are at the beginning; and the sums, [tap][vector]
    Py_ssize_t sums_values


# How a row of the image is copied for some lanes of the gradient: so many pixels from `source` on,
# the first of them to target[0], at stride 2 the second to target[1]. Beside them are zeros, to
# before `head` and from `tail` to before `end`: whole vectors, of which pixels take back what is
# theirs.
cdef struct Across:
    Py_ssize_t source
    Py_ssize_t pixels
    Py_ssize_t target[2]
    Py_ssize_t head
    Py_ssize_t tail
    Py_ssize_t end


cdef int lay_out_weights_rows(const Description* given, Made* made, list memory) except -1:
    cdef WeightsRows* layout = <WeightsRows*>allot(memory, sizeof(WeightsRows))
    cdef const Problem* problem = &given.problem
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t rows = given.blocks.rows
    cdef Py_ssize_t stride = problem.rows.stride
    layout.given = given[0]
    book(
        made,
        ((rows - 1) * stride + problem.rows.kernel) * stride * ROW_SPACE_VECTORS * vector,
    )
    layout.gradient = book(made, rows * ROW_VECTORS * vector)
    layout.sums_values = padded_taps(problem.taps) * vector
    layout.sums = book(made, layout.sums_values)
    made.layout = layout
    made.units = count_weight_units(given)
    return 0


cdef inline Py_ssize_t row_shift(
    const int stride, const int kernel, const int phase, const int vector
) noexcept nogil:
    """Return where the columns of a phase begin in its row.

    With the usual padding, by half of the kernel, the image's own begin at a whole vector.
    """
    cdef int first = (kernel // 2 - phase + stride - 1) // stride   # of these columns
    if kernel // 2 <= phase:
        first = 0
    return (vector - first % vector) % vector


cdef inline Across find_across(
    const int stride, const int kernel, const int vector, const Axis* across, Py_ssize_t first,
    Py_ssize_t lanes,
) noexcept nogil:
    """Return how rows are copied for the lanes from output `first` on."""
    cdef Py_ssize_t column = first * stride - across.before     # of lane 0 at tap 0
    cdef Py_ssize_t columns = lanes + (kernel - 1) // stride    # of each phase
    cdef Across found
    cdef Py_ssize_t begin, last
    cdef int n, phase
    found.source = max(0, column)
    found.pixels = max(0, min(across.size, column + columns * stride) - found.source)
    found.head, found.tail, found.end = 0, ROW_SPACE_VECTORS * vector, 0
    for n in range(stride):
        phase = (found.source + n - column) % stride
        begin = row_shift(stride, kernel, phase, vector)
        last = begin + columns
        found.end = max(found.end, last)
        begin = min(last, begin + (found.source + n - column) // stride)
        last = min(last, begin + (found.pixels - n + stride - 1) // stride)
        found.target[n] = phase * ROW_SPACE_VECTORS * vector + begin
        found.head = max(found.head, begin)
        found.tail = min(found.tail, last)
    found.head = (found.head + vector - 1) // vector * vector
    found.tail = found.tail // vector * vector
    found.end = (found.end + vector - 1) // vector * vector
    return found


cdef inline void zero_vectors(real* row, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Write zeros into whole vectors."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int n
    while begin < end:
        for n in range(vector):
            row[begin + n] = 0
        begin = begin + vector


cdef inline void copy_image_rows(
    const int stride, const int kernel, const Across* across, const Axis* down, Py_ssize_t first,
    Py_ssize_t rows, const real* image, Py_ssize_t width, real* target,
) noexcept nogil:
    """Copy so many rows of the image from `first` on; those outside are zeros."""
    cdef Py_ssize_t space = ROW_SPACE_VECTORS * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t begin = min(rows, max(0, -first))               # those inside
    cdef Py_ssize_t last = max(begin, min(rows, down.size - first))
    cdef Py_ssize_t head = across.head
    cdef Py_ssize_t tail = across.tail
    cdef Py_ssize_t end = across.end
    cdef Py_ssize_t pixels = across.pixels
    cdef Py_ssize_t i
    cdef real* here
    for i in range(begin * stride):
        zero_vectors(target + i * space, 0, end)
    for i in range(begin * stride, last * stride):
        zero_vectors(target + i * space, 0, head)
        zero_vectors(target + i * space, tail, end)
    for i in range(last * stride, rows * stride):
        zero_vectors(target + i * space, 0, end)
    image = image + (first + begin) * width + across.source
    here = target + begin * stride * space
    for i in range(last - begin):
        if stride == 1:
            copy_run(here + across.target[0], image, pixels)
        else:
            deal_run(here + across.target[0], here + across.target[1], image, pixels // 2)
            if pixels % 2:
                here[across.target[0] + pixels // 2] = image[pixels - 1]
        image = image + width
        here = here + stride * space


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
    cdef const Axis* down = &layout.given.problem.rows
    cdef const Axis* wide = &layout.given.problem.columns
    cdef Py_ssize_t lanes = (outputs + vector - 1) // vector * vector
    cdef Py_ssize_t grad_width = wide.outputs
    cdef Across across = find_across(stride, kernel, vector, wide, first, lanes)
    cdef real* target = scratch + layout.gradient
    cdef Py_ssize_t i
    copy_image_rows(
        stride, kernel, &across, down, unit.first_row * stride - down.before,
        (unit.rows - 1) * stride + kernel, image, wide.size, scratch,
    )
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
