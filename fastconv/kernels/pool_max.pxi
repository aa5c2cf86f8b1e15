# Maxima of windows, one axis after the other: down the columns first, whose maxima lie in one row;
# then across it. Padding is -inf and never wins, since it is not larger than anything.
#
# Work, per output and vector of lanes: (R - 1)·stride + S - 1 maxima of three instructions.


cdef struct MaxPool:
    Pool pool
    Py_ssize_t phases       # where in the scratch these begin: a row of the image by phases,
    Py_ssize_t line         # and a row in the image's order


cdef int lay_out_max_pool(const Description* given, Made* made, list memory) except -1:
    cdef MaxPool* layout = <MaxPool*>allot(memory, sizeof(MaxPool))
    cdef Pool* pool = &layout.pool
    lay_out_pool(given, made, memory, pool, given.problem.rows.outputs)
    offsets_in_phases(pool, memory)
    layout.phases = book(made, joined_values(pool))
    layout.line = book(made, max(joined_values(pool), whole_lines(pool.columns.size + LINE_VALUES)))
    made.layout = layout
    return 0


cdef inline void largest_in_columns(
    const int count, real* target, const real* rows, Py_ssize_t step, const Py_ssize_t taps
) noexcept nogil:
    """Do target[n] = the largest of rows[r·step + n], for so many columns at once."""
    cdef real best[MOST_LANES]
    cdef const real* row = rows
    cdef Py_ssize_t r
    cdef int n
    for n in range(count):
        best[n] = row[n]
    for r in range(1, taps):
        row = row + step
        for n in range(count):
            best[n] = larger(row[n], best[n])
    for n in range(count):
        target[n] = best[n]


cdef inline void largest_in_all_columns(
    real* target, const real* rows, Py_ssize_t step, const Py_ssize_t taps, Py_ssize_t n
) noexcept nogil:
    """Do so for n columns; the last vector overlaps the one before."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    if n >= lanes:
        while j + lanes < n:
            largest_in_columns(lanes, target + j, rows + j, step, taps)
            j = j + lanes
        j = n - lanes
        largest_in_columns(lanes, target + j, rows + j, step, taps)
        return
    if lanes >= 4 and n >= lanes // 2:
        largest_in_columns(lanes // 2, target, rows, step, taps)
        j = lanes // 2
    while j < n:
        largest_in_columns(1, target + j, rows + j, step, taps)
        j = j + 1


cdef inline void largest_of_taps(
    real* target, const real* phases, const Py_ssize_t* offsets, const Py_ssize_t taps
) noexcept nogil:
    """Do target[n] = the largest of phases[offsets[s] + n], for so many lanes."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real best[MOST_LANES]
    cdef const real* seen = phases + offsets[0]
    cdef Py_ssize_t s
    cdef int n
    for n in range(lanes):
        best[n] = seen[n]
    for s in range(1, taps):
        seen = phases + offsets[s]
        for n in range(lanes):
            best[n] = larger(seen[n], best[n])
    for n in range(lanes):
        target[n] = best[n]


cdef inline void largest_of_all_taps(
    real* y, const real* phases, const Py_ssize_t* offsets, const Py_ssize_t taps, Py_ssize_t n,
    real* spare,
) noexcept nogil:
    """Do so for a row of y."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    if n < lanes:
        largest_of_taps(spare, phases, offsets, taps)
        copy_run(y, spare, n)
        return
    while j + lanes < n:
        largest_of_taps(y + j, phases + j, offsets, taps)
        j = j + lanes
    j = n - lanes
    largest_of_taps(y + j, phases + j, offsets, taps)


cdef void max_pool(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const MaxPool* layout = <const MaxPool*>made
    cdef const Pool* pool = &layout.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t out_width = pool.columns.outputs
    cdef Py_ssize_t step = pool.rows.dilation * width
    cdef Py_ssize_t across = pool.columns.kernel
    cdef real* phases = scratch + layout.phases
    cdef real* line = scratch + layout.line
    cdef real* columns = line
    cdef const real* rows
    cdef real* y
    cdef Py_ssize_t plane, i, j, n, r, taps
    fill_row(phases, <real>-INFINITY, joined_values(pool))
    if pool.columns.stride == 1:
        columns = phases + pool.columns.before
    for plane in range(unit.plane, unit.last_plane):
        for i in range(unit.row, unit.last_row):
            r = first_tap(&pool.rows, i)
            taps = last_tap(&pool.rows, i, pool.rows.size) - r
            if not goes_on(watch, taps * width):
                return
            rows = <const real*>operands.image + width * (
                plane * pool.rows.size
                + i * pool.rows.stride + r * pool.rows.dilation - pool.rows.before
            )
            y = <real*>operands.result + (plane * pool.rows.outputs + i) * out_width
            if taps == 2:
                largest_in_all_columns(columns, rows, step, 2, width)
            elif taps == 3:
                largest_in_all_columns(columns, rows, step, 3, width)
            else:
                largest_in_all_columns(columns, rows, step, taps, width)
            if columns == line:
                deal_row(pool, line, phases)
            j = 0
            while j < out_width:
                n = min(pool.stretch, out_width - j)
                if not goes_on(watch, across * n):
                    return
                if across == 2:
                    largest_of_all_taps(y + j, phases + j, pool.offsets, 2, n, line)
                elif across == 3:
                    largest_of_all_taps(y + j, phases + j, pool.offsets, 3, n, line)
                else:
                    largest_of_all_taps(y + j, phases + j, pool.offsets, across, n, line)
                j = j + n


enter("max_pool", lay_out_max_pool, max_pool[float], max_pool[double])
