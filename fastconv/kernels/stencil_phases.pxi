# The stencil of one channel with a square kernel of 3, 5 or 7 at stride 2, pixels in the lanes,
# along rows: the rows of the image that some rows of the output see are copied first, in two phases
# (phases.pxi), so that each pixel is dealt out once, whatever takes it. What a tap meets is then a
# run of vectors, and a step for some rows of the output loads a weight, and for each of them does a
# multiply-add from memory:
#
#     row of the image    0  1  2  3  4  5  6
#
#     output row 0        r0 r1 r2
#                1              r0 r1 r2
#                2                    r0 r1 r2
#
# Instructions with AVX2 and a kernel of three, of a vector of outputs: 32 to deal two rows out, 18
# of a tile. Down a strip, where each tap deals its pixels out again, they are 75.
#
# The sums of an output are complete when they are stored, so that the last vector of a row, and the
# last rows of a tile, may overlap their neighbours and compute some pixels twice.

# Rows of a tile: as many multiply-adds as wait for each other have to be on their way at once. And
# of the last one, which may overlap the one before.
cdef enum:
    PHASE_ROWS = 8
    FEW_PHASE_ROWS = 4


cdef struct StencilPhases:
    Description given
    Py_ssize_t row_blocks   # of a plane
    Py_ssize_t weights      # where in the scratch, behind the copy, taps are that are not in order


cdef int lay_out_stencil_phases(const Description* given, Made* made, list memory) except -1:
    cdef StencilPhases* layout = <StencilPhases*>allot(memory, sizeof(StencilPhases))
    cdef const Problem* problem = &given.problem
    layout.given = given[0]
    layout.row_blocks = ceil_div(problem.rows.outputs, given.blocks.rows)
    book(
        made,
        phase_values(
            (given.blocks.rows - 1) * 2 + problem.rows.kernel, 2, VECTOR_BYTES // problem.itemsize
        ),
    )
    layout.weights = book(made, problem.taps)
    made.layout = layout
    made.units = ceil_div(problem.batch * problem.groups, given.blocks.images) * layout.row_blocks
    return 0


cdef void deal_image_rows(
    const Across* across, const RowsSeen* down, const real* image, Py_ssize_t width, real* target
) noexcept nogil:
    """Copy the pixels: a function of its own, whose pointers stay in registers."""
    cdef Across own = across[0]
    copy_image_rows(2, &own, down, image, width, target)


cdef inline void phase_tile(
    const int rows, const int kernel, Py_ssize_t down, const real* weights, const real* phases,
    real bias, real* y, Py_ssize_t y_width,
) noexcept nogil:
    """Do y[m][n] = bias + sum over r, s of w[r][s] · what output n of row m meets there.

    The rows of the kernel, `down`, are no constant: were all taps written out, the compiler would
    keep weights in the registers that sums need.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int next_row = 2 * 2 * ROW_SPACE_VECTORS * vector  # of the copy, for one of the output
    cdef real sums[PHASE_ROWS * FLOATS]
    cdef const real* met
    cdef Py_ssize_t r = 0
    cdef int s, m, n
    for n in range(rows * vector):
        sums[n] = bias
    while True:  # at least once: see README.md
        for s in range(kernel):
            met = phases + tap_place(2, kernel, 0, s, vector)
            for m in range(rows):
                for n in range(vector):
                    sums[m * vector + n] += weights[s] * met[m * next_row + n]
        weights = weights + kernel
        phases = phases + next_row // 2
        r = r + 1
        if r >= down:
            break
    for m in range(rows):
        for n in range(vector):
            y[m * y_width + n] = sums[m * vector + n]


cdef inline void cover_phases(
    const int rows, const int kernel, Py_ssize_t down, const real* weights, const real* phases,
    real bias, Py_ssize_t width, real* y, Py_ssize_t y_width,
) noexcept nogil:
    """Compute so many columns of `rows` rows of y."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real tile[PHASE_ROWS * FLOATS]
    cdef Py_ssize_t j = 0
    cdef int m
    if width < vector:
        phase_tile(rows, kernel, down, weights, phases, bias, tile, vector)
        for m in range(rows):
            copy_run(y + m * y_width, tile + m * vector, width)
        return
    while True:
        phase_tile(rows, kernel, down, weights, phases + j, bias, y + j, y_width)
        j = j + vector
        if j >= width:
            break
        j = min(j, width - vector)


cdef inline void rows_from_phases(
    const int kernel, Py_ssize_t down, const real* w, const real* phases, real bias,
    Py_ssize_t rows, Py_ssize_t width, real* y, Py_ssize_t y_width,
) noexcept nogil:
    """Compute so many rows and columns of y: by large tiles, and by small ones what is left."""
    cdef Py_ssize_t next_row = 2 * 2 * ROW_SPACE_VECTORS * (VECTOR_BYTES // <int>sizeof(real))
    cdef real weights[7 * 7]    # local, so that storing to y does not make them be loaded again
    cdef Py_ssize_t i = 0
    cdef int t
    for t in range(kernel * kernel):
        weights[t] = w[t]
    while i + PHASE_ROWS <= rows:
        cover_phases(
            PHASE_ROWS, kernel, down, weights, phases + i * next_row, bias, width,
            y + i * y_width, y_width,
        )
        i = i + PHASE_ROWS
    while i < rows and rows >= FEW_PHASE_ROWS:
        i = min(i, rows - FEW_PHASE_ROWS)
        cover_phases(
            FEW_PHASE_ROWS, kernel, down, weights, phases + i * next_row, bias, width,
            y + i * y_width, y_width,
        )
        i = i + FEW_PHASE_ROWS
    while i < rows:
        cover_phases(
            1, kernel, down, weights, phases + i * next_row, bias, width, y + i * y_width,
            y_width,
        )
        i = i + 1


# Rows and columns of the output that a copy serves.
cdef struct PhasePart:
    Py_ssize_t row
    Py_ssize_t rows
    Py_ssize_t column
    Py_ssize_t columns


cdef inline void filters_of_phases(
    const int kernel, const StencilPhases* layout, const Operands* operands, Py_ssize_t plane,
    const PhasePart* part, real* scratch, Watch* watch,
) noexcept nogil:
    """Compute a part of the planes of all filters of a group from the copy."""
    cdef const Problem* problem = &layout.given.problem
    cdef const Taps* view = &layout.given.taps
    cdef const real* w = <const real*>operands.weights
    cdef const real* bias = <const real*>operands.bias
    cdef const real* phases = scratch
    cdef real* weights = scratch + layout.weights
    cdef Py_ssize_t group = plane % problem.groups
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t k, filter
    cdef const real* taps
    cdef real* y
    cdef real first = 0
    for k in range(problem.filters):
        filter = group * problem.filters + k
        if not goes_on(watch, part.rows * part.columns * problem.taps):
            return
        taps = w + filter * problem.taps
        if not view.in_order:
            gather_piece(
                w + view.first + group * view.group + k * view.filter, view, 0, 1, 1, weights, 1
            )
            taps = weights
        if bias != NULL:
            first = bias[filter]
        y = <real*>operands.result + (
            ((plane * problem.filters + k) * problem.rows.outputs + part.row) * width + part.column
        )
        rows_from_phases(
            kernel, problem.rows.kernel, taps, phases, first, part.rows, part.columns, y, width
        )
        activate_strip(problem, y, part.rows, part.columns)


cdef inline void planes_by_phases(
    const int kernel, const StencilPhases* layout, const Operands* operands, Py_ssize_t number,
    real* scratch, Watch* watch,
) noexcept nogil:
    """Compute one unit: some rows of some planes. What is around the pixels serves them all."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef const Blocks* blocks = &layout.given.blocks
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t runs = ceil_div(width, ROW_VECTORS * vector)
    cdef Py_ssize_t most = ceil_div(ceil_div(width, runs), vector) * vector
    cdef Py_ssize_t size = problem.rows.size * problem.columns.size
    cdef Py_ssize_t first = number // layout.row_blocks * blocks.images
    cdef Py_ssize_t last = min(problem.batch * problem.groups, first + blocks.images)
    cdef Py_ssize_t plane
    cdef PhasePart part
    cdef Across across
    cdef RowsSeen down
    part.row = number % layout.row_blocks * blocks.rows
    part.rows = min(blocks.rows, problem.rows.outputs - part.row)
    part.column = 0
    down = find_rows_seen(&problem.rows, part.row, part.rows)
    while part.column < width:
        part.columns = min(most, width - part.column)
        across = find_across(
            2, kernel, vector, &problem.columns, part.column, max(vector, part.columns)
        )
        clear_around(2, &across, &down, scratch)
        for plane in range(first, last):
            deal_image_rows(
                &across, &down, <const real*>operands.image + plane * size, problem.columns.size,
                scratch,
            )
            filters_of_phases(kernel, layout, operands, plane, &part, scratch, watch)
            if stopped(watch):
                return
        part.column = part.column + part.columns


cdef void stencil_phases(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Compute one unit: number = (block of planes)·(blocks of rows) + block of rows.

    A plane's number is image·groups + group.
    """
    cdef const StencilPhases* layout = <const StencilPhases*>made
    cdef Py_ssize_t kernel = layout.given.problem.rows.kernel
    if kernel == 3:
        planes_by_phases(3, layout, operands, number, scratch, watch)
    elif kernel == 5:
        planes_by_phases(5, layout, operands, number, scratch, watch)
    else:
        planes_by_phases(7, layout, operands, number, scratch, watch)


enter("stencil_phases", lay_out_stencil_phases, stencil_phases[float], stencil_phases[double])
