# The input gradient as a matrix product whose columns are added into the result, taps in the lanes:
#
#     columns [taps x pixels]  =  weights' [taps x filters]  ·  grad [filters x pixels]
#     dx[c][i·S + r·D - P][j·S + s·D - P]  +=  columns[c, r, s][i, j]
#
# Where windows hardly overlap it does no product too many, however many phases the stride has: the
# phases of a 16x16 kernel at stride 16 would be 256 convolutions of a single tap. The columns of a
# few pixels wait in the scratch, per panel of taps as [vectors][pixels][vector], so that a run of
# taps of a kernel's row is a run of the result's row, and nothing is turned over.
#
# A unit is a tile of the result: what whole pixels of the gradient begin, and what pixels before
# them reach into it, which are computed for it again.
#
#     gradient    .  .  .  | i0 . . . i1 |             reach = (R-1)·D / S pixels before i0 as well
#     result               [i0·S - P ...... i1·S - P)  the last tile goes on to the end
#
# A column sums its filters in parts that begin from zero, as in gemm_filters.pxi. A pixel of the
# result sums its panels in order, in a panel its taps, of a tap but one pixel: the same order
# whatever the tiles.


cdef struct GemmScatter:
    Description given
    Py_ssize_t row_blocks
    Py_ssize_t column_blocks
    Py_ssize_t channel_blocks
    Py_ssize_t stride           # of the band, from filter to filter
    Py_ssize_t band             # where in the scratch the gradient lies, [filters][pixels],
    Py_ssize_t columns          # the columns of a panel of taps,
    Py_ssize_t panel            # and their weights, [filters][taps]
    Py_ssize_t held             # where a tile waits between its parts
    Py_ssize_t* positions       # of the pixels in the band: one after the other
    Py_ssize_t* offsets         # and of the filters


# A tile along one axis: of the result, and the pixels of the gradient that reach it.
cdef struct Stretch:
    Py_ssize_t begin
    Py_ssize_t end
    Py_ssize_t first
    Py_ssize_t count


cdef Stretch find_stretch(const Axis* axis, Py_ssize_t block, Py_ssize_t length) noexcept nogil:
    """Return the stretch of the result that `length` pixels of the gradient begin."""
    cdef Stretch found
    cdef Py_ssize_t first = block * length
    cdef Py_ssize_t last = min(axis.outputs, first + length)
    cdef Py_ssize_t reach = (axis.kernel - 1) * axis.dilation // axis.stride
    found.begin = 0
    found.end = axis.size
    if first > 0:
        found.begin = max(0, min(axis.size, first * axis.stride - axis.before))
    if last < axis.outputs:
        found.end = max(0, min(axis.size, last * axis.stride - axis.before))
    found.first = max(0, first - reach)
    found.count = last - found.first
    return found


cdef Py_ssize_t longest_stretch(const Axis* axis, Py_ssize_t length) noexcept nogil:
    """Return how many pixels of the gradient reach a stretch at the most."""
    return min(axis.outputs, length + (axis.kernel - 1) * axis.dilation // axis.stride)


cdef int lay_out_gemm_scatter(const Description* given, Made* made, list memory) except -1:
    cdef GemmScatter* layout = <GemmScatter*>allot(memory, sizeof(GemmScatter))
    cdef const Problem* problem = &given.problem
    cdef const Blocks* blocks = &given.blocks
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t lanes = panel_width(blocks.channels * problem.taps, vector, FILTERS_IN_LANES)
    cdef Py_ssize_t pixels = (
        longest_stretch(&problem.rows, blocks.rows)
        * longest_stretch(&problem.columns, blocks.columns)
    )
    cdef Py_ssize_t i
    layout.given = given[0]
    layout.row_blocks = ceil_div(problem.rows.outputs, blocks.rows)
    layout.column_blocks = ceil_div(problem.columns.outputs, blocks.columns)
    layout.channel_blocks = ceil_div(problem.channels, blocks.channels)
    layout.stride = padded_pixels(pixels)
    layout.band = book(made, problem.filters * layout.stride)
    layout.columns = book(made, lanes * layout.stride)
    layout.panel = book(made, lanes * problem.filters)
    layout.held = book(made, MOST_TILE_VALUES)
    layout.positions = allot_table(memory, layout.stride)
    for i in range(layout.stride):
        layout.positions[i] = i
    layout.offsets = allot_table(memory, problem.filters)
    for i in range(problem.filters):
        layout.offsets[i] = i * layout.stride
    made.layout = layout
    made.units = (
        problem.batch * problem.groups * layout.channel_blocks * layout.row_blocks
        * layout.column_blocks
    )
    return 0


cdef inline void add_values(const int count, real* target, const real* source) noexcept nogil:
    cdef int n
    for n in range(count):
        target[n] += source[n]


cdef inline void add_taps(
    real* target, Py_ssize_t step, const real* source, Py_ssize_t n
) noexcept nogil:
    """Do target[s·step] += source[s], for less than a vector of taps s."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t s = 0
    if step == 1:
        if vector >= 16 and n >= 8:
            add_values(8, target, source)
            s = 8
        if vector >= 8 and n - s >= 4:
            add_values(4, target + s, source + s)
            s = s + 4
    while s < n:
        target[s * step] += source[s]
        s = s + 1


cdef void add_run(
    const Problem* problem, const Stretch* rows, const Stretch* columns, Py_ssize_t r,
    Py_ssize_t s, Py_ssize_t taps, const real* source, real* plane,
) noexcept nogil:
    """Add the columns of taps s, s+1 .. of the kernel's row r to a plane, for all pixels.

    They lie in the lanes of a vector; pixel by pixel these follow each other from `source` on.
    """
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t stride = problem.columns.stride
    cdef Py_ssize_t step = problem.columns.dilation
    cdef Py_ssize_t i, j, row, at, first, last
    cdef real* line
    for i in range(rows.count):
        row = (
            (rows.first + i) * problem.rows.stride + r * problem.rows.dilation
            - problem.rows.before
        )
        if row < rows.begin or row >= rows.end:
            source = source + columns.count * vector
            continue
        line = plane + row * problem.columns.size
        at = columns.first * stride + s * step - problem.columns.before
        for j in range(columns.count):
            if at >= columns.begin and at + (taps - 1) * step < columns.end:
                if step == 1 and taps == vector:
                    add_values(VECTOR_BYTES // sizeof(real), line + at, source)
                else:
                    add_taps(line + at, step, source, taps)
            else:
                first = max(0, ceil_div(columns.begin - at, step))
                last = min(taps, ceil_div(columns.end - at, step))
                if first < last:
                    add_taps(line + at + first * step, step, source + first, last - first)
            at = at + stride
            source = source + vector


cdef void add_panel(
    const GemmScatter* layout, const Stretch* rows, const Stretch* columns, Py_ssize_t first,
    Py_ssize_t last, const real* sums, real* planes,
) noexcept nogil:
    """Add the columns of taps [first, last) of the planes, cut into runs of a kernel's row."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t size = problem.rows.size * problem.columns.size
    cdef Py_ssize_t next_vector = padded_pixels(rows.count * columns.count) * vector
    cdef Py_ssize_t tap = first
    cdef Py_ssize_t s, lane, run
    while tap < last:
        s = tap % problem.columns.kernel
        lane = (tap - first) % vector
        run = min(min(problem.columns.kernel - s, vector - lane), last - tap)
        add_run(
            problem, rows, columns, tap // problem.columns.kernel % problem.rows.kernel, s, run,
            sums + (tap - first) // vector * next_vector + lane,
            planes + tap // problem.taps * size,
        )
        tap = tap + run


cdef void multiply_taps(
    const GemmScatter* layout, Py_ssize_t pixels, Py_ssize_t width, real* scratch
) noexcept nogil:
    """Multiply a panel of so many taps with all pixels of a unit."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef real nothing[PANEL_VECTORS * FLOATS]
    cdef Columns columns
    cdef Py_ssize_t n
    for n in range(PANEL_VECTORS * vector):
        nothing[n] = 0
    columns.row = columns.pixels = pixels
    columns.taps = layout.given.problem.filters
    columns.part = even_part(columns.taps, layout.given.blocks.taps)
    columns.held = scratch + layout.held
    columns.positions, columns.offsets = layout.positions, layout.offsets
    multiply_panel(
        BEGUN_IN_PARTS, width // vector, &columns, scratch + layout.panel, scratch + layout.band,
        scratch + layout.columns, nothing,
    )


cdef void copy_gradient(
    const real* grad, const GemmScatter* layout, const Stretch* rows, const Stretch* columns,
    real* band,
) noexcept nogil:
    """Copy the pixels that reach a unit, of all filters of its group."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t k, i
    cdef real* target
    for k in range(problem.filters):
        target = band + k * layout.stride
        for i in range(rows.count):
            copy_run(
                target + i * columns.count,
                grad + (k * problem.rows.outputs + rows.first + i) * problem.columns.outputs
                + columns.first,
                columns.count,
            )


cdef void gemm_scatter_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Compute a tile: number = (((image, group), block of channels), of rows), of columns."""
    cdef const GemmScatter* layout = <const GemmScatter*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const Blocks* blocks = &layout.given.blocks
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t size = problem.rows.size * problem.columns.size
    cdef Py_ssize_t outputs = problem.rows.outputs * problem.columns.outputs
    cdef Stretch columns = find_stretch(
        &problem.columns, number % layout.column_blocks, blocks.columns
    )
    number = number // layout.column_blocks
    cdef Stretch rows = find_stretch(&problem.rows, number % layout.row_blocks, blocks.rows)
    number = number // layout.row_blocks
    cdef Py_ssize_t channel = number % layout.channel_blocks * blocks.channels
    cdef Py_ssize_t channels = min(blocks.channels, problem.channels - channel)
    cdef Py_ssize_t plane = number // layout.channel_blocks     # image·groups + group
    cdef Py_ssize_t group = plane % problem.groups
    cdef Py_ssize_t taps = channels * problem.taps
    cdef Py_ssize_t row_of_weights = problem.channels * problem.taps
    cdef const real* w = <const real*>operands.weights + (
        group * problem.filters * row_of_weights + channel * problem.taps
    )
    cdef const real* bias = <const real*>operands.bias
    cdef real* planes = <real*>operands.result + (plane * problem.channels + channel) * size
    cdef real* panel = scratch + layout.panel
    cdef Py_ssize_t tap = 0
    cdef Py_ssize_t c, i, k, width, filled
    if rows.begin >= rows.end or columns.begin >= columns.end:
        return
    for c in range(channels):
        for i in range(rows.begin, rows.end):
            fill_row(
                planes + c * size + i * problem.columns.size + columns.begin,
                bias[group * problem.channels + channel + c] if bias != NULL else <real>0,
                columns.end - columns.begin,
            )
    copy_gradient(
        <const real*>operands.image + plane * problem.filters * outputs, layout, &rows, &columns,
        scratch + layout.band,
    )
    while tap < taps:
        width = panel_width(taps - tap, vector, FILTERS_IN_LANES)
        filled = min(width, taps - tap)
        if not goes_on(watch, rows.count * columns.count * width * problem.filters):
            return
        for k in range(problem.filters):
            copy_run(panel + k * width, w + k * row_of_weights + tap, filled)
            fill_row(panel + k * width + filled, <real>0, width - filled)
        multiply_taps(layout, rows.count * columns.count, width, scratch)
        add_panel(layout, &rows, &columns, tap, tap + filled, scratch + layout.columns, planes)
        tap = tap + width


enter(
    "gemm_scatter", lay_out_gemm_scatter, gemm_scatter_unit[float], gemm_scatter_unit[double]
)
