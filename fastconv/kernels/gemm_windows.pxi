# The input gradient of few channels, a row of the window in the lanes:
#
#     from one pixel of the gradient, of all filters, to one row of its window
#
#                  s = 0       1           S-1
#     lanes       c c c c . c c c c . … . c c c c        S·C of them, next to each other
#
#     dx[c][row][j·stride + s - before]  +=  Σ over r and k of  dy[k][i][j] · w[k][c][r][s]
#
# A row of dx sees those rows i of the gradient for which i·stride + r - before is that row. They
# are gathered, all in one sum, the columns of a window are scattered: so neither zeros between
# outputs nor those beyond the edge are multiplied, and lanes are idle only in the last vector of
# S·C. Where there are 6 channels, as in LeNet, an input gradient that gathers both ways leaves 2 of
# 8 lanes idle, and of 14x14 pixels with 10x10 outputs it multiplies zeros half of the time.
#
# Of the gradient, the rows that a unit sees are copied to [rows][filters][columns], and weights are
# packed with the rows of the window backwards, by the phase of the row that they belong to:
#
#     panel [r of a phase, the last first][filters][lanes of up to WINDOW_VECTORS vectors]
#
# so that one step further in the sum is one row further in both, whatever the stride. Sums of all
# pixels of a row are held until it is done, and then those of a pixel of dx are added, a load each:
#
#     held [columns of dy][S·C]  →  line [columns of dx][channels]  →  planes of dx
#
# A sum is cut into parts that begin from zero. Which, and the order of all, follows from the
# problem alone.

cdef extern from *:
    """
    #define WINDOW_VECTORS 4
    /* Pixels of a tile, by its vectors, and of a small one: half as many, rounded up. */
    #define WINDOW_PIXELS_OF_4 (REGISTERS == 32 ? 6 : 3)
    #define WINDOW_PIXELS_OF_3 (REGISTERS == 32 ? 8 : 4)
    #define WINDOW_PIXELS_OF_2 (REGISTERS == 32 ? 12 : 6)
    #define WINDOW_PIXELS_OF_1 (REGISTERS == 32 ? 12 : 8)
    #define WINDOW_VALUES (24 * FLOATS)
    """
    enum: WINDOW_VECTORS
    enum: WINDOW_PIXELS_OF_4
    enum: WINDOW_PIXELS_OF_3
    enum: WINDOW_PIXELS_OF_2
    enum: WINDOW_PIXELS_OF_1
    enum: WINDOW_VALUES


cdef struct Windows:
    Description given
    Py_ssize_t lanes        # of a row of the window: S·C
    Py_ssize_t blocks       # of rows of an image
    Py_ssize_t seen         # rows of the gradient that a block sees, at the most
    Py_ssize_t pitch        # the same, in whole vectors
    Py_ssize_t depth        # channels, in whole vectors
    Py_ssize_t band         # where in the scratch the gradient lies,
    Py_ssize_t panels       # the weights,
    Py_ssize_t held         # the sums of a row,
    Py_ssize_t line         # a row of dx,
    Py_ssize_t bias         # and what it begins with
    Py_ssize_t* begins      # where in the sums of a row those of a column of dx begin,
    Py_ssize_t* counts      # and how many there are


# The rows of the gradient that reach a row of dx, or the columns that reach a column.
cdef struct Meeting:
    Py_ssize_t first
    Py_ssize_t count
    Py_ssize_t phase
    Py_ssize_t tap          # of the phase, counted from its last: the one that meets the first


cdef inline Py_ssize_t taps_of_phase(const Axis* axis, Py_ssize_t phase) noexcept nogil:
    """Return how many rows of the window belong to a phase."""
    return ceil_div(axis.kernel - phase, axis.stride) if phase < axis.kernel else 0


cdef inline Meeting meet(const Axis* axis, Py_ssize_t place) noexcept nogil:
    cdef Py_ssize_t at = place + axis.before
    cdef Meeting found
    cdef Py_ssize_t begin, last
    found.phase = 0 if axis.stride == 1 else at % axis.stride
    last = at if axis.stride == 1 else at // axis.stride  # which meets the first tap
    begin = last - taps_of_phase(axis, found.phase) + 1
    found.first = max(0, begin)
    found.count = max(0, min(axis.outputs - 1, last) - found.first + 1)
    found.tap = found.first - begin
    return found


cdef inline Py_ssize_t taps_before(const Axis* axis, Py_ssize_t phase) noexcept nogil:
    """Return how many rows of the window belong to earlier phases; the first ones have one more."""
    return phase * (axis.kernel // axis.stride) + min(phase, axis.kernel % axis.stride)


cdef int lay_out_gemm_windows(const Description* given, Made* made, list memory) except -1:
    cdef Windows* layout = <Windows*>allot(memory, sizeof(Windows))
    cdef const Problem* problem = &given.problem
    cdef const Axis* rows = &problem.rows
    cdef const Axis* columns = &problem.columns
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t j, tap
    cdef Meeting met
    layout.given = given[0]
    layout.lanes = columns.kernel * problem.channels
    layout.blocks = ceil_div(rows.size, given.blocks.rows)
    layout.seen = min(
        rows.outputs, (given.blocks.rows + rows.kernel - 2) // rows.stride + 1
    )
    layout.pitch = ceil_div(layout.lanes, vector) * vector
    layout.depth = ceil_div(problem.channels, vector) * vector
    layout.band = book(made, layout.seen * problem.filters * columns.outputs)
    layout.panels = book(made, rows.kernel * problem.filters * layout.pitch)
    # and what is read beyond the channels of the last tap
    layout.held = book(made, columns.outputs * layout.pitch + vector)
    layout.line = book(made, columns.size * layout.depth)
    layout.bias = book(made, layout.depth)
    layout.begins = allot_table(memory, columns.size)
    layout.counts = allot_table(memory, columns.size)
    for j in range(columns.size):
        met = meet(columns, j)
        # the first pixel meets the last of these taps, the next one the tap before
        tap = taps_of_phase(columns, met.phase) - 1 - met.tap
        layout.begins[j] = (
            met.first * layout.pitch + (met.phase + tap * columns.stride) * problem.channels
        )
        layout.counts[j] = met.count
    made.layout = layout
    made.units = ceil_div(problem.batch, given.blocks.images) * problem.groups * layout.blocks
    return 0


cdef inline void window_tile(
    const int pixels, const int vectors, const real* grad, Py_ssize_t width, const real* panel,
    Py_ssize_t steps, real* held, Py_ssize_t pitch,
) noexcept nogil:
    """Do held[m][n] += sum over t of grad[t·width + m] · panel[t][n], of so many steps."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int lanes = vectors * vector
    cdef real sums[WINDOW_VALUES]
    cdef int m, n, v
    for n in range(pixels * lanes):
        sums[n] = 0
    while True:  # at least once: see README.md
        # of whatever there is less, all stays in registers beside the sums
        if pixels > vectors:
            for m in range(pixels):
                for n in range(lanes):
                    sums[m * lanes + n] += grad[m] * panel[n]
        else:
            for v in range(vectors):
                for m in range(pixels):
                    for n in range(vector):
                        sums[m * lanes + v * vector + n] += grad[m] * panel[v * vector + n]
        grad = grad + width
        panel = panel + lanes
        steps = steps - 1
        if steps <= 0:
            break
    for m in range(pixels):
        for n in range(lanes):
            held[m * pitch + n] += sums[m * lanes + n]


cdef inline void windows_of_vectors(
    const int most, const int vectors, Py_ssize_t pixels, const real* grad, Py_ssize_t width,
    const real* panel, Py_ssize_t steps, real* held, Py_ssize_t pitch,
) noexcept nogil:
    if pixels == most:
        window_tile(most, vectors, grad, width, panel, steps, held, pitch)
    elif pixels == (most + 1) // 2:
        window_tile((most + 1) // 2, vectors, grad, width, panel, steps, held, pitch)
    else:
        window_tile(1, vectors, grad, width, panel, steps, held, pitch)


cdef void multiply_windows(
    Py_ssize_t vectors, Py_ssize_t pixels, const real* grad, Py_ssize_t width, const real* panel,
    Py_ssize_t steps, real* held, Py_ssize_t pitch,
) noexcept nogil:
    """Multiply a tile, of as many pixels as `pixels_of_tile` says."""
    if vectors == 4:
        windows_of_vectors(
            WINDOW_PIXELS_OF_4, 4, pixels, grad, width, panel, steps, held, pitch
        )
    elif vectors == 3:
        windows_of_vectors(
            WINDOW_PIXELS_OF_3, 3, pixels, grad, width, panel, steps, held, pitch
        )
    elif vectors == 2:
        windows_of_vectors(
            WINDOW_PIXELS_OF_2, 2, pixels, grad, width, panel, steps, held, pitch
        )
    else:
        windows_of_vectors(
            WINDOW_PIXELS_OF_1, 1, pixels, grad, width, panel, steps, held, pitch
        )


cdef inline Py_ssize_t pixels_of_tile(Py_ssize_t vectors, Py_ssize_t left) noexcept nogil:
    """Return of how many pixels the next tile is: rather two small ones than a large and single."""
    cdef Py_ssize_t most = (
        WINDOW_PIXELS_OF_4 if vectors == 4 else
        WINDOW_PIXELS_OF_3 if vectors == 3 else
        WINDOW_PIXELS_OF_2 if vectors == 2 else WINDOW_PIXELS_OF_1
    )
    cdef Py_ssize_t small = (most + 1) // 2
    if left >= most + small or left == most or most < left < 2 * small:
        return most
    return small if left >= small else 1


cdef void pack_windows(const Windows* layout, const real* w, real* panels) noexcept nogil:
    """Pack the weights of a group, [filters][channels][R][S]."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t first = 0
    cdef Py_ssize_t lanes, phase, u, k, n, lane
    cdef const real* taps
    while first < layout.lanes:
        lanes = min(WINDOW_VECTORS, ceil_div(layout.lanes - first, vector)) * vector
        for phase in range(min(problem.rows.stride, problem.rows.kernel)):
            for u in range(taps_of_phase(&problem.rows, phase) - 1, -1, -1):
                for k in range(problem.filters):
                    taps = (
                        w + k * problem.channels * problem.taps
                        + (phase + u * problem.rows.stride) * problem.columns.kernel
                    )
                    for n in range(lanes):
                        lane = first + n
                        panels[n] = 0
                        if lane < layout.lanes:
                            panels[n] = taps[
                                lane % problem.channels * problem.taps + lane // problem.channels
                            ]
                    panels = panels + lanes
        first = first + lanes


cdef void copy_seen(
    const Windows* layout, const real* grad, Py_ssize_t first, Py_ssize_t count, real* band
) noexcept nogil:
    """Copy rows of the gradient of a group, [filters][OH][OW], to [rows][filters][OW]."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t i, k
    for i in range(first, first + count):
        for k in range(problem.filters):
            copy_run(band, grad + (k * problem.rows.outputs + i) * width, width)
            band = band + width


cdef void hold_row(
    const Windows* layout, const Meeting* met, const real* band, const real* panels, real* held
) noexcept nogil:
    """Hold the sums of all pixels of the rows that meet a row of dx, panel by panel."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t steps = met.count * problem.filters
    cdef Py_ssize_t part = even_part(steps, layout.given.blocks.taps)
    cdef Py_ssize_t skipped = (
        (taps_before(&problem.rows, met.phase) + met.tap) * problem.filters
    )
    cdef Py_ssize_t first = 0
    cdef Py_ssize_t lanes, begin, count, j, pixels
    fill_row(held, <real>0, width * layout.pitch)
    while first < layout.pitch:
        lanes = min(WINDOW_VECTORS * vector, layout.pitch - first)
        begin = 0
        while begin < steps:
            count = min(part, steps - begin)
            j = 0
            while j < width:
                pixels = pixels_of_tile(lanes // vector, width - j)
                multiply_windows(
                    lanes // vector, pixels, band + begin * width + j, width,
                    panels + (skipped + begin) * lanes, count, held + j * layout.pitch + first,
                    layout.pitch,
                )
                j = j + pixels
            begin = begin + count
        panels = panels + problem.rows.kernel * problem.filters * lanes
        first = first + lanes


cdef inline void add_held(
    const real* held, Py_ssize_t step, Py_ssize_t count, const real* bias, real* sums
) noexcept nogil:
    """Do sums[n] = bias[n] + sum over u of held[u·step + n], for a vector of channels."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real taken[FLOATS]
    cdef Py_ssize_t u
    cdef int n
    for n in range(vector):
        taken[n] = bias[n]
    for u in range(count):
        for n in range(vector):
            taken[n] += held[u * step + n]
    for n in range(vector):
        sums[n] = taken[n]


cdef void gather_line(
    const Windows* layout, const real* held, const real* bias, real* line
) noexcept nogil:
    """Add up what a row of dx has, pixel by pixel: [columns][channels]."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t step = layout.pitch - problem.columns.stride * problem.channels
    cdef Py_ssize_t c = 0
    cdef Py_ssize_t j
    while c < problem.channels:
        for j in range(problem.columns.size):
            add_held(
                held + layout.begins[j] + c, step, layout.counts[j], bias + c,
                line + j * layout.depth + c,
            )
        c = c + vector


cdef void turn_line(const Windows* layout, const real* line, real* dx) noexcept nogil:
    """Bring a line [columns][channels] into a row of the planes of dx."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t width = problem.columns.size
    cdef Py_ssize_t plane = problem.rows.size * width
    cdef Py_ssize_t c = 0
    cdef Py_ssize_t j, channels
    while c < problem.channels:
        channels = min(vector, problem.channels - c)
        j = 0
        while j < width:
            if width < vector:
                transpose_part(
                    line + c, layout.depth, dx + c * plane, plane, width, channels, IDENTITY
                )
            else:  # the last square overlaps the one before
                transpose_square(
                    line + min(j, width - vector) * layout.depth + c, layout.depth, vector,
                    dx + c * plane + min(j, width - vector), plane, channels, IDENTITY,
                )
            j = j + vector
        c = c + vector


cdef void gemm_windows_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Compute some rows of some images: number = (images·groups + group)·blocks + block of rows."""
    cdef const Windows* layout = <const Windows*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const Axis* rows = &problem.rows
    cdef Py_ssize_t size = rows.size * problem.columns.size
    cdef Py_ssize_t outputs = rows.outputs * problem.columns.outputs
    cdef Py_ssize_t row = number % layout.blocks * layout.given.blocks.rows
    cdef Py_ssize_t last_row = min(rows.size, row + layout.given.blocks.rows)
    cdef Py_ssize_t group = number // layout.blocks % problem.groups
    cdef Py_ssize_t image = number // layout.blocks // problem.groups * layout.given.blocks.images
    cdef Py_ssize_t last_image = min(problem.batch, image + layout.given.blocks.images)
    cdef const real* given_bias = <const real*>operands.bias
    cdef real* bias = scratch + layout.bias
    cdef Py_ssize_t first, count, n, i, plane
    cdef Meeting met
    fill_row(bias, <real>0, layout.depth)
    if given_bias != NULL:
        copy_run(bias, given_bias + group * problem.channels, problem.channels)
    pack_windows(
        layout,
        <const real*>operands.weights
        + group * problem.filters * problem.channels * problem.taps,
        scratch + layout.panels,
    )
    first = meet(rows, row).first
    count = min(rows.outputs - 1, (last_row - 1 + rows.before) // rows.stride) - first + 1
    for i in range(row + 1, min(last_row, row + rows.stride)):  # other phases reach further back
        n = meet(rows, i).first
        count = count + max(0, first - n)
        first = min(first, n)
    for n in range(image, last_image):
        plane = n * problem.groups + group
        copy_seen(
            layout,
            <const real*>operands.image + plane * problem.filters * outputs, first, count,
            scratch + layout.band,
        )
        for i in range(row, last_row):
            met = meet(rows, i)
            if not goes_on(
                watch, (1 + met.count * problem.filters) * problem.columns.outputs * layout.lanes
            ):
                return
            if met.count > 0:
                hold_row(
                    layout, &met,
                    scratch + layout.band
                    + (met.first - first) * problem.filters * problem.columns.outputs,
                    scratch + layout.panels, scratch + layout.held,
                )
            else:
                fill_row(
                    scratch + layout.held, <real>0, problem.columns.outputs * layout.pitch
                )
            gather_line(layout, scratch + layout.held, bias, scratch + layout.line)
            turn_line(
                layout, scratch + layout.line,
                <real*>operands.result + plane * problem.channels * size
                + i * problem.columns.size,
            )


enter(
    "gemm_windows", lay_out_gemm_windows, gemm_windows_unit[float], gemm_windows_unit[double]
)
