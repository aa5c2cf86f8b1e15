# The matrix product with the pixels in the lanes of the vectors.
#
#     y [filters x pixels]  =  panels' [filters x taps]  ·  columns [taps x pixels]
#
# A row of the columns is the band itself, moved by the tap, and finished sums go straight to their
# planes in y. That is the better way round where there are few filters, which would leave lanes
# idle, or few taps, for which turning the sums over would take too long.
#
# Rows of the band follow each other without a gap, so a tile runs on from row to row; what it
# computes in the columns between OW and the band's width is thrown away.


cdef inline void move_runs(
    const int filters, const int lanes, real* tile, real* y, Py_ssize_t plane,
    Py_ssize_t position, Py_ssize_t end, const Task* task, bint store,
) noexcept nogil:
    """Load or store the runs of positions that are outputs: columns below OW of each row."""
    cdef Py_ssize_t width = task.band.width
    cdef Py_ssize_t here = position
    cdef Py_ssize_t run, n, column
    cdef int m
    cdef real* inside
    cdef real* outside
    while here < end:
        column = here % width
        run = min(task.out_width - column, end - here)
        for m in range(filters):
            inside = tile + m * lanes + (here - position)
            outside = y + m * plane + here // width * task.out_width + column
            if store:
                for n in range(run):
                    outside[n] = inside[n]
            else:
                for n in range(run):
                    inside[n] = outside[n]
        here = here + max(run, width - column)


cdef inline void one_tile(
    const bint begins, const int filters, const int vectors, Py_ssize_t taps, const real* panel,
    const real* bias, const real* image, const Py_ssize_t* offsets, real* y, Py_ssize_t position,
    Py_ssize_t positions, const Task* task, const Unit* unit,
) noexcept nogil:
    """Add a block of channels to `filters` planes of y, at `vectors` vectors of positions."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t plane = unit.target_filter
    cdef Py_ssize_t width = task.band.width
    cdef Py_ssize_t end = min(position + lanes, positions)
    cdef real tile[MOST_TILE_VALUES]
    cdef real* target = tile
    cdef Py_ssize_t stride = lanes
    cdef Py_ssize_t column = 0
    cdef int m, n
    cdef bint whole
    if width == task.out_width:  # rows follow each other in y as well
        whole = position + lanes <= positions
        if whole:
            target = y + position
    else:
        column = position % width
        whole = column + lanes <= task.out_width
        if whole:
            target = y + position // width * task.out_width + column
    if whole:
        stride = plane
    elif not begins:
        move_runs(filters, lanes, tile, y, plane, position, end, task, False)
    multiply_filters(
        begins, filters, vectors, taps, panel, image + position, offsets, target, stride, bias
    )
    if unit.ends and task.activation != IDENTITY:
        for m in range(filters):
            for n in range(lanes):
                target[m * stride + n] = activate(task.activation, target[m * stride + n])
    if not whole:
        move_runs(filters, lanes, tile, y, plane, position, end, task, True)


cdef inline void tiles_of_rows(
    const bint begins, const int filters, const int vectors, Py_ssize_t taps, const real* panel,
    const real* bias, const real* image, const Py_ssize_t* offsets, real* y, Py_ssize_t position,
    Py_ssize_t end, Py_ssize_t positions, const Task* task, const Unit* unit,
) noexcept nogil:
    """Cover a stretch of positions: tiles of `vectors` vectors, narrower ones at its end."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    while position < end:
        if end - position > (vectors - vectors // 3) * vector:
            one_tile(
                begins, filters, vectors, taps, panel, bias, image, offsets, y, position, positions,
                task, unit,
            )
            position = position + vectors * vector
        elif end - position > vectors // 3 * vector:
            one_tile(
                begins, filters, vectors - vectors // 3, taps, panel, bias, image, offsets, y,
                position, positions, task, unit,
            )
            position = position + (vectors - vectors // 3) * vector
        else:
            one_tile(
                begins, filters, vectors // 3, taps, panel, bias, image, offsets, y, position,
                positions, task, unit,
            )
            position = position + vectors // 3 * vector


cdef inline void multiply_planes(
    const bint begins, const int filters, const int vectors, const real* panel, const real* bias,
    real* y, const Task* task, const Unit* unit, Py_ssize_t filter, const real* images,
    const Py_ssize_t* offsets,
) noexcept nogil:
    """Multiply a panel of so many filters with all positions of the unit's images."""
    cdef Py_ssize_t positions = (unit.rows - 1) * task.band.width + task.out_width
    cdef Py_ssize_t n
    for n in range(unit.images):
        tiles_of_rows(
            begins, filters, vectors, unit.channels * task.taps, panel, bias,
            images + n * task.image_values, offsets, y + output_index(unit, n, filter),
            0, positions, positions, task, unit,
        )


cdef inline void multiply_heights(
    const bint begins, Py_ssize_t filters, const real* panel, const real* bias, real* y,
    const Task* task, const Unit* unit, Py_ssize_t filter, const real* images,
    const Py_ssize_t* offsets,
) noexcept nogil:
    """Pick the tile of so many filters."""
    if filters == TALL_ROWS:
        multiply_planes(
            begins, TALL_ROWS, TALL_VECTORS, panel, bias, y, task, unit, filter, images, offsets
        )
    elif filters == LONG_ROWS:
        multiply_planes(
            begins, LONG_ROWS, LONG_VECTORS, panel, bias, y, task, unit, filter, images, offsets
        )
    elif filters == 2:
        multiply_planes(
            begins, 2, LONG_VECTORS, panel, bias, y, task, unit, filter, images, offsets
        )
    else:
        multiply_planes(
            begins, 1, LONG_VECTORS, panel, bias, y, task, unit, filter, images, offsets
        )


cdef void multiply_pixel_lanes(
    const real* w, const real* panels, const real* bias, real* y, const Task* task,
    const Unit* unit, const real* images, const Py_ssize_t* offsets, real* panel_scratch,
    Watch* watch,
) noexcept nogil:
    """Add a block of channels to a unit of the result."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t work = (
        unit.images * unit.rows * task.band.width * unit.channels * task.taps
    )
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t width, i
    cdef real filter_bias[TALL_ROWS]
    cdef const real* panel
    while k < unit.last_filter:
        width = panel_width(unit.last_filter - k, vector, True)
        if not goes_on(watch, width * work):
            return
        panel = find_panel(w, panels, panel_scratch, task, unit, k, width, width)
        for i in range(width):
            filter_bias[i] = 0
        if bias != NULL:
            for i in range(width):
                filter_bias[i] = bias[unit.group * task.filters + k + i]
        if unit.begins:
            multiply_heights(
                True, width, panel, filter_bias, y, task, unit, k, images, offsets
            )
        else:
            multiply_heights(
                False, width, panel, filter_bias, y, task, unit, k, images, offsets
            )
        k = k + width
