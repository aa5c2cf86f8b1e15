# What filters images, which may go on beyond their edge: a unit is some rows and columns of the
# results of all filters, from a copy of what they see.
#
#     filter_direct       band of the image ───── tiling R x S ─────→ y
#
#     filter_separable    row of the image ─ 1 x S ─→ row of a band ┐
#                                                      ...          ├─ R x 1 ─→ y
#                                                                   ┘
#
# A band has whole rows of an image if they are not very long, and stays in the second-level cache;
# rows follow each other at an odd number of cache lines, since those of most images would meet in
# the same places of the first-level cache. So memory is read, and written, in its order.
#
# That of two passes has the rows of the first pass that some rows of y see. When these are done the
# last of them become the first of the next, so that a unit passes no row along twice. Rows of the
# image are read where they lie, as far as outputs see no more of them.
#
# Of two passes an image may have a level z, which is taken from every pixel before the sums, and
# from what lies beyond, and comes back behind them: y = z + sum of w · (x - z). A sum that began
# with it would be rounded, at each of its taps, to what z is rounded to.

cdef extern from *:
    """
    /* Beside nine weights, of a row. */
    #define NINE_VECTORS (REGISTERS == 32 ? 4 : 2)
    #define NINE_VALUES (NINE_VECTORS * FLOATS)
    """
    enum: NINE_VECTORS
    enum: NINE_VALUES

cdef enum:
    NEAR_BYTES = 32768          # of the first-level cache
    STRETCH_BYTES = 24576       # and of it, what tiles see of a stretch


cdef struct Filtered:
    Description given
    Tiling tiling           # of the kernels; if there are two passes, of their columns,
    Tiling across           # and of their rows
    Py_ssize_t bands        # of an image,
    Py_ssize_t stretches    # and of a band
    Py_ssize_t band         # where in the scratch it begins,
    Py_ssize_t row          # a row of the image,
    Py_ssize_t panel        # and packed weights
    Py_ssize_t nothing      # zero, which sums begin with: see short_pass


cdef struct FilteredUnit:
    Py_ssize_t image
    Py_ssize_t first_row
    Py_ssize_t rows
    Py_ssize_t first_column
    Py_ssize_t columns


cdef int lay_out_filter(
    const Description* given, Made* made, list memory, bint two_passes
) except -1:
    cdef Filtered* layout = <Filtered*>allot(memory, sizeof(Filtered))
    cdef const Problem* problem = &given.problem
    cdef Axis down = problem.rows
    cdef Axis across = problem.columns
    cdef Py_ssize_t rows = tiling_rows(down.kernel)
    cdef Py_ssize_t most = given.blocks.step if two_passes else given.blocks.rows
    cdef Py_ssize_t seen = max(most, rows) + down.kernel - 1
    cdef Py_ssize_t columns
    layout.given = given[0]
    layout.nothing = 0
    layout.bands = ceil_div(down.outputs, given.blocks.rows)
    layout.stretches = ceil_div(across.outputs, given.blocks.columns)
    columns = max(given.blocks.columns, tiling_lanes(rows, problem.itemsize))
    if two_passes:
        columns = max(columns, tiling_lanes(1, problem.itemsize))
        down.kernel = 1
        lay_out_tiling(
            &layout.across, &down, &across, 1, problem.itemsize, columns + across.kernel - 1,
            memory,
        )
        layout.row = book(made, columns + across.kernel - 1)
        down, across.kernel = problem.rows, 1
    lay_out_tiling(
        &layout.tiling, &down, &across, rows, problem.itemsize,
        odd_lines(columns + across.kernel - 1), memory,
    )
    layout.band = book(made, seen * layout.tiling.pitch)
    layout.panel = book(made, layout.tiling.panel + problem.columns.kernel)
    made.layout = layout
    made.units = problem.batch * layout.bands * layout.stretches
    return 0


cdef int lay_out_filter_direct(const Description* given, Made* made, list memory) except -1:
    return lay_out_filter(given, made, memory, False)


cdef int lay_out_filter_separable(const Description* given, Made* made, list memory) except -1:
    return lay_out_filter(given, made, memory, True)


cdef FilteredUnit find_filtered(const Filtered* layout, Py_ssize_t number) noexcept nogil:
    """Decode (image·bands + band)·stretches + stretch."""
    cdef const Blocks* blocks = &layout.given.blocks
    cdef FilteredUnit unit
    unit.first_column = number % layout.stretches * blocks.columns
    unit.columns = min(blocks.columns, layout.given.problem.columns.outputs - unit.first_column)
    number = number // layout.stretches
    unit.first_row = number % layout.bands * blocks.rows
    unit.rows = min(blocks.rows, layout.given.problem.rows.outputs - unit.first_row)
    unit.image = number // layout.bands
    return unit


cdef inline Py_ssize_t filtered_index(
    const Problem* problem, const FilteredUnit* unit, Py_ssize_t filter
) noexcept nogil:
    """Return where the unit's results of a filter begin in y."""
    return (
        (unit.image * problem.filters + filter) * problem.rows.outputs + unit.first_row
    ) * problem.columns.outputs + unit.first_column


cdef void cover_stretches(
    const Tiling* tiling, const real* panel, const real* image, real bias, Py_ssize_t height,
    Py_ssize_t width, real* y, Py_ssize_t y_width, Watch* watch,
) noexcept nogil:
    """Compute so many rows and columns of y, stretch by stretch of some columns."""
    cdef Py_ssize_t most = (
        STRETCH_BYTES // <Py_ssize_t>sizeof(real) // (tiling.taps + tiling.rows) - tiling.across
    ) // tiling.lanes * tiling.lanes
    cdef Py_ssize_t parts = ceil_div(width, max(most, tiling.lanes))
    cdef Py_ssize_t columns = ceil_div(ceil_div(width, parts), tiling.lanes) * tiling.lanes
    cdef Py_ssize_t j = 0
    while j < width and not stopped(watch):
        if width >= tiling.lanes:  # the last one has a whole tile, too
            j = min(j, width - tiling.lanes)
        cover(
            tiling, panel, image + j, bias, height, min(columns, width - j), y + j, y_width, watch
        )
        j = j + columns


cdef inline real nine_at(
    const Beyond* beyond, const real* w, const real** rows, Py_ssize_t column
) noexcept nogil:
    """Return an output from its first column on, one of those with what is beyond.

    A row that is NULL is the value beyond.
    """
    cdef real total = 0
    cdef Py_ssize_t source
    cdef int r, s
    for r in range(3):
        for s in range(3):
            source = OUTSIDE if rows[r] == NULL else beyond.columns[column + s]
            total += w[3 * r + s] * (<real>beyond.value if source == OUTSIDE else rows[r][source])
    return total


cdef inline void nine_run(
    const int vectors, const real* w, const real* above, const real* here, const real* below,
    Py_ssize_t count, real* y,
) noexcept nogil:
    """Compute some outputs of a row, at least as many as so many vectors have."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef real sums[NINE_VALUES]
    cdef real taps[9]
    cdef Py_ssize_t j = 0
    cdef int s, n
    for s in range(9):
        taps[s] = w[s]
    while j < count:
        j = min(j, count - lanes)
        for n in range(lanes):
            sums[n] = 0
        for s in range(3):
            for n in range(lanes):
                sums[n] += taps[s] * above[j + s + n]
        for s in range(3):
            for n in range(lanes):
                sums[n] += taps[3 + s] * here[j + s + n]
        for s in range(3):
            for n in range(lanes):
                sums[n] += taps[6 + s] * below[j + s + n]
        for n in range(lanes):
            y[j + n] = sums[n]
        j = j + lanes


cdef bint filter_nine(
    const Filtered* layout, const Operands* operands, real* scratch, const FilteredUnit* unit,
    Watch* watch,
) noexcept nogil:
    """Compute one unit of kernels of 3x3, row by row where the image lies; False where too narrow.

    Nine weights stay in registers, and nine loads for a vector are faster than a copy of the image.
    """
    cdef const Problem* problem = &layout.given.problem
    cdef const Beyond* beyond = &layout.given.beyond
    cdef int lanes = NINE_VECTORS * (VECTOR_BYTES // <int>sizeof(real))
    cdef const real* plane = (
        <const real*>operands.image + unit.image * problem.rows.size * problem.columns.size
    )
    cdef real* outside = scratch + layout.band
    cdef Py_ssize_t end = unit.first_column + unit.columns
    # from `first` to `last` outputs see nothing beyond the edge
    cdef Py_ssize_t first = max(unit.first_column, problem.columns.before)
    cdef Py_ssize_t last = min(end, problem.columns.before + problem.columns.size - 2)
    cdef Py_ssize_t row, source, j, k
    cdef const real* rows[3]
    cdef const real* runs[3]
    cdef int r
    cdef const real* w
    cdef real* y
    if last - first < lanes:
        return False
    fill_row(outside, <real>beyond.value, last - first + 2)
    for k in range(problem.filters):
        w = <const real*>operands.weights + 9 * k
        y = <real*>operands.result + filtered_index(problem, unit, k) - unit.first_column
        for row in range(unit.first_row, unit.first_row + unit.rows):
            if not goes_on(watch, 9 * unit.columns):
                return True
            for r in range(3):
                source = beyond.rows[row + r]
                rows[r] = NULL
                runs[r] = outside
                if source != OUTSIDE:
                    rows[r] = plane + source * problem.columns.size
                    runs[r] = rows[r] + first - problem.columns.before
            for j in range(unit.first_column, first):
                y[j] = nine_at(beyond, w, rows, j)
            nine_run(NINE_VECTORS, w, runs[0], runs[1], runs[2], last - first, y + first)
            for j in range(last, end):
                y[j] = nine_at(beyond, w, rows, j)
            y = y + problem.columns.outputs
    return True


cdef inline bint is_near(
    const Tiling* tiling, Py_ssize_t width, Py_ssize_t itemsize
) noexcept nogil:
    """Whether what a row of tiles sees of rows so long fits the first-level cache."""
    return (tiling.taps + tiling.rows) * width * itemsize < NEAR_BYTES


cdef void filter_direct(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Compute one unit: a band for all filters. The weights are K kernels R x S."""
    cdef const Filtered* layout = <const Filtered*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const Tiling* tiling = &layout.tiling
    cdef FilteredUnit unit = find_filtered(layout, number)
    cdef const real* plane = (
        <const real*>operands.image + unit.image * problem.rows.size * problem.columns.size
    )
    cdef real* y = <real*>operands.result
    cdef real* band = scratch + layout.band
    cdef real* panel = scratch + layout.panel
    cdef Py_ssize_t seen = unit.columns + tiling.across - 1
    # if there is only one filter a row is copied when a tile first sees it, and read while it is
    # near
    cdef bint near = problem.filters == 1 and is_near(tiling, tiling.pitch, sizeof(real))
    cdef Py_ssize_t rows = min(unit.rows, tiling.rows) if near else unit.rows
    cdef Py_ssize_t copied = 0
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t k
    if tiling.taps == 3 and tiling.across == 3 and filter_nine[real](
        layout, operands, scratch, &unit, watch
    ):
        return
    while i < unit.rows:
        i = min(i, unit.rows - rows)
        while copied < i + max(rows, tiling.rows) + tiling.taps - 1:
            if not goes_on(watch, tiling.pitch):
                return
            if copied < unit.rows + tiling.taps - 1:
                extend_row(
                    problem, &layout.given.beyond, plane, unit.first_row + copied,
                    unit.first_column, seen, band + copied * tiling.pitch,
                )
                fill_row(band + copied * tiling.pitch + seen, <real>0, tiling.pitch - seen)
            else:  # of a tile with more rows than there are
                fill_row(band + copied * tiling.pitch, <real>0, tiling.pitch)
            copied = copied + 1
        for k in range(problem.filters):
            if problem.filters > 1 or i == 0:
                pack_shifted(
                    <const real*>operands.weights + k * problem.taps, tiling.taps, tiling.across,
                    tiling.rows, panel,
                )
            cover_stretches(
                tiling, panel, band + i * tiling.pitch, <real>0, rows, unit.columns,
                y + filtered_index(problem, &unit, k) + i * problem.columns.outputs,
                problem.columns.outputs, watch,
            )
            if stopped(watch):
                return
        i = i + rows


cdef inline void cover_row(
    const Tiling* across, const real* w, const real* row, Py_ssize_t count, real* target,
    Py_ssize_t pitch, Watch* watch,
) noexcept nogil:
    """Do the first pass of so many columns; a single row's panel is its weights."""
    if is_short(across.across, count, sizeof(real)):
        short_pass(across.across, w, row, 1, <real>0, 1, count, target, 0)
    else:
        cover(across, w, row, <real>0, 1, count, target, pitch, watch)


cdef void pass_along(
    const Filtered* layout, const real* plane, const real* panel, const FilteredUnit* unit,
    Py_ssize_t i, real level, real* row, real* target, Watch* watch,
) noexcept nogil:
    """Do the first pass of the i-th row that the unit sees."""
    cdef const Problem* problem = &layout.given.problem
    cdef const Beyond* beyond = &layout.given.beyond
    cdef const Tiling* across = &layout.across
    cdef Py_ssize_t seen = across.across - 1
    cdef Py_ssize_t vector = VECTOR_BYTES // <Py_ssize_t>sizeof(real)
    cdef bint short = is_short(across.across, vector, sizeof(real))
    cdef Py_ssize_t lanes = vector if short else across.lanes
    cdef Py_ssize_t source = beyond.rows[unit.first_row + i]
    cdef Py_ssize_t begin = max(0, problem.columns.before - unit.first_column)
    cdef Py_ssize_t end = min(
        unit.columns, problem.columns.before + problem.columns.size - seen - unit.first_column
    )
    cdef Py_ssize_t j
    # from `begin` to `end` outputs see the row as it lies; those beside them are whole tiles,
    # or vectors
    if begin > 0:
        begin = max(begin, lanes)
    if end < unit.columns:
        end = min(end, unit.columns - lanes)
    if level != 0 or source == OUTSIDE or end - begin < lanes:
        extend_row(
            problem, beyond, plane, unit.first_row + i, unit.first_column, unit.columns + seen, row
        )
        if level != 0:
            for j in range(unit.columns + seen):
                row[j] = row[j] - level
        cover_row(across, panel, row, unit.columns, target, layout.tiling.pitch, watch)
        return
    if begin > 0:
        extend_row(
            problem, beyond, plane, unit.first_row + i, unit.first_column, begin + seen, row
        )
        cover_row(across, panel, row, begin, target, layout.tiling.pitch, watch)
    cover_row(
        across, panel,
        plane + source * problem.columns.size + unit.first_column + begin - problem.columns.before,
        end - begin, target + begin, layout.tiling.pitch, watch,
    )
    if end < unit.columns:
        extend_row(
            problem, beyond, plane, unit.first_row + i, unit.first_column + end,
            unit.columns - end + seen, row,
        )
        cover_row(
            across, panel, row, unit.columns - end, target + end, layout.tiling.pitch, watch
        )


cdef inline void add_to_run(real* values, real added, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(count):
        values[j] = values[j] + added


cdef void filter_separable(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Compute one unit in two passes. The weights are, of each filter, a column and a row.

    The bias, if there is one, is the level of each image.
    """
    cdef const Filtered* layout = <const Filtered*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const Tiling* tiling = &layout.tiling
    cdef FilteredUnit unit = find_filtered(layout, number)
    cdef const real* plane = (
        <const real*>operands.image + unit.image * problem.rows.size * problem.columns.size
    )
    cdef const real* levels = <const real*>operands.bias
    cdef real level = 0 if levels == NULL else levels[unit.image]
    cdef real nothing = <real>layout.nothing
    cdef real* row = scratch + layout.row
    cdef real* band = scratch + layout.band
    cdef real* panel = scratch + layout.panel
    cdef Py_ssize_t pitch = tiling.pitch
    cdef Py_ssize_t seen = unit.columns + layout.across.across - 1
    cdef Py_ssize_t first, rows, part, i, k, n
    cdef Py_ssize_t held        # rows of the band that are there
    cdef const real* column
    cdef real* y
    cdef bint short = is_short(tiling.taps, unit.columns, sizeof(real))
    cdef Py_ssize_t tile_rows = 1 if short else tiling.rows
    # a row is passed along when a tile first sees it, and read while it is near
    cdef Py_ssize_t most = (
        SHORT_ROWS if short else
        tile_rows if is_near(tiling, pitch, sizeof(real)) else layout.given.blocks.step
    )
    fill_row(row, <real>0, layout.across.pitch)
    for k in range(problem.filters):
        column = (
            <const real*>operands.weights + k * (tiling.taps + layout.across.across)
        )
        pack_shifted(column, tiling.taps, 1, tiling.rows, panel)
        copy_run(panel + tiling.panel, column + tiling.taps, layout.across.across)
        first = held = 0
        while first < unit.rows:
            rows = min(layout.given.blocks.step, unit.rows - first)
            part = min(rows, most)
            i = 0
            while i < rows:
                i = min(i, rows - part)
                for n in range(held, i + max(part, tile_rows) + tiling.taps - 1):
                    if n >= rows + tiling.taps - 1:  # of a tile with more rows than there are
                        fill_row(band + n * pitch, <real>0, pitch)
                        continue
                    if not goes_on(watch, seen):
                        return
                    pass_along(
                        layout, plane, panel + tiling.panel, &unit, first + n, level, row,
                        band + n * pitch, watch,
                    )
                    fill_row(band + n * pitch + unit.columns, <real>0, pitch - unit.columns)
                held = i + part + tiling.taps - 1
                y = <real*>operands.result + filtered_index(problem, &unit, k) + (
                    first + i
                ) * problem.columns.outputs
                if short:
                    short_pass(
                        tiling.taps, column, band + i * pitch, pitch, nothing, part,
                        unit.columns, y, problem.columns.outputs,
                    )
                else:
                    cover_stretches(
                        tiling, panel, band + i * pitch, nothing, part, unit.columns, y,
                        problem.columns.outputs, watch,
                    )
                if stopped(watch):
                    return
                if level != 0:
                    for n in range(part):
                        add_to_run(y + n * problem.columns.outputs, level, unit.columns)
                i = i + part
            held = tiling.taps - 1
            first = first + rows
            if first < unit.rows:
                for n in range(held):
                    copy_run(band + n * pitch, band + (rows + n) * pitch, unit.columns)


enter("filter_direct", lay_out_filter_direct, filter_direct[float], filter_direct[double])
enter(
    "filter_separable", lay_out_filter_separable, filter_separable[float],
    filter_separable[double],
)
