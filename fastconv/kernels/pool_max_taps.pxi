# Maxima of windows together with their taps: across each row of the image first, then down, so that
# the first of equals in row order stays the first (see pool_max_grad.pxi):
#
#     across       of every row the image has: the largest of S taps, and its number s
#     down         of the R rows of each window: the largest, and r·S + s
#
# Windows above each other share what was found across. It is done for a band of rows of windows,
# whose numbers lie in the first-level cache.
#
# Work, per output and vector of lanes: stride·(S - 1) comparisons of three instructions, R - 1 of
# four.


# Rows that are dealt out to their phases before the first of them is ranked: what is read by other
# vectors than it was just written by would wait.
cdef enum:
    ROWS_DEALT = 4


cdef struct TapPool:
    Pool pool
    Py_ssize_t band         # rows of windows that are done together
    Py_ssize_t phases       # where in the scratch these begin: rows of the image by phases,
    Py_ssize_t starts       # the first tap of each window that is inside,
    Py_ssize_t values       # of the rows that a band sees: the maxima along them,
    Py_ssize_t places       # at which taps these are,
    Py_ssize_t numbers      # the taps of the band's windows,
    Py_ssize_t spare        # and a vector of y


cdef int lay_out_finding(
    const Description* given, Made* made, list memory, TapPool* layout
) except -1:
    cdef Pool* pool = &layout.pool
    cdef Py_ssize_t seen
    lay_out_pool(given, made, memory, pool, given.problem.rows.outputs)
    offsets_in_phases(pool, memory)
    # Of a band the rows at its end are ranked again: no fewer, then, than windows share a row.
    layout.band = min(
        pool.unit_rows, max(pool.windows, BAND_VALUES // pool.line // pool.rows.stride)
    )
    seen = seen_by(&pool.rows, layout.band)
    layout.phases = book(made, ROWS_DEALT * joined_values(pool))
    layout.starts = book(made, pool.line)
    layout.values = book(made, seen * pool.line)
    layout.places = book(made, seen * pool.line)
    layout.numbers = book(made, layout.band * pool.columns.outputs + LINE_VALUES)
    layout.spare = book(made, LINE_VALUES)
    return 0


cdef int lay_out_max_pool_taps(const Description* given, Made* made, list memory) except -1:
    cdef TapPool* layout = <TapPool*>allot(memory, sizeof(TapPool))
    lay_out_finding(given, made, memory, layout)
    made.layout = layout
    return 0


cdef inline void find_down(
    const bint careful, const real* values, const real* places, Py_ssize_t step,
    const Py_ssize_t rows, real row, real taps, real* y, real* numbers,
) noexcept nogil:
    """Find the largest of a vector of windows, and its tap, from the rows' own, `step` apart.

    The tap of the first of these rows is `row`, and each further one `taps` more.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real best[MOST_LANES]
    cdef real at[MOST_LANES]
    # apart, or the compiler would store only where something changes, lane by lane
    cdef real next_best[MOST_LANES]
    cdef real next_at[MOST_LANES]
    cdef real tap[MOST_LANES]       # apart as well, or it would be loaded only where it is chosen
    cdef real value
    cdef Py_ssize_t r
    cdef int k
    for k in range(lanes):
        best[k] = values[k]
        at[k] = places[k] + row
    for r in range(1, rows):
        values, places, row = values + step, places + step, row + taps
        for k in range(lanes):
            tap[k] = places[k] + row
        for k in range(lanes):
            value = values[k]
            next_at[k] = choose(careful, value, best[k], tap[k], at[k])
            next_best[k] = choose(careful, value, best[k], value, best[k])
        for k in range(lanes):
            at[k] = next_at[k]
            best[k] = next_best[k]
    for k in range(lanes):
        y[k] = best[k]
    for k in range(lanes):
        numbers[k] = at[k]


cdef inline void find_along(
    const bint careful, const real* values, const real* places, Py_ssize_t step,
    const Py_ssize_t rows, real row, real taps, Py_ssize_t n, real* y, real* numbers, real* spare,
) noexcept nogil:
    """Do so for a row of n windows; the last vector overlaps the one before."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    if n < lanes:
        find_down(careful, values, places, step, rows, row, taps, spare, numbers)
        copy_run(y, spare, n)
        return
    while j + lanes < n:
        find_down(
            careful, values + j, places + j, step, rows, row, taps, y + j, numbers + j
        )
        j = j + lanes
    j = n - lanes
    find_down(careful, values + j, places + j, step, rows, row, taps, y + j, numbers + j)


cdef inline void find_windows(
    const bint careful, const real* values, const real* places, Py_ssize_t step, Py_ssize_t rows,
    real row, real taps, Py_ssize_t n, real* y, real* numbers, real* spare,
) noexcept nogil:
    """Do so for the usual numbers of rows, and all others."""
    if rows == 3:
        find_along(careful, values, places, step, 3, row, taps, n, y, numbers, spare)
    elif rows == 2:
        find_along(careful, values, places, step, 2, row, taps, n, y, numbers, spare)
    else:
        find_along(careful, values, places, step, rows, row, taps, n, y, numbers, spare)


cdef inline bint rank_band(
    const bint careful, const TapPool* layout, const real* image, Py_ssize_t seen,
    Py_ssize_t last_seen, real* scratch, bint* holds_none, Watch* watch,
) noexcept nogil:
    """Do what `rank_seen` does, some rows at a time."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef const Pool* pool = &layout.pool
    cdef Py_ssize_t width = pool.columns.size
    cdef real* phases = scratch + layout.phases
    cdef const real* starts = scratch + layout.starts
    cdef real* values = scratch + layout.values
    cdef real* places = scratch + layout.places
    cdef real sums[MOST_LANES]
    cdef real total = 0
    cdef Py_ssize_t i, count
    cdef int k
    for k in range(lanes):
        sums[k] = 0
    while seen < last_seen:
        if not goes_on(watch, ROWS_DEALT * width):
            return False
        count = min(ROWS_DEALT, last_seen - seen)
        for i in range(count):
            deal_row(pool, image + (seen + i) * width, phases + i * joined_values(pool))
        for i in range(count):
            if not rank_row(
                careful, pool, phases + i * joined_values(pool), starts, values, places, sums,
                watch,
            ):
                return False
            values, places = values + pool.line, places + pool.line
        seen = seen + count
    if not careful:
        for k in range(lanes):
            total += sums[k]
        holds_none[0] = total == total
    return True


cdef bint find_band(
    const TapPool* layout, const real* image, Py_ssize_t first, Py_ssize_t last, real* y,
    real* scratch, Watch* watch,
) noexcept nogil:
    """Compute some rows of windows of a plane; return whether they were still wanted."""
    cdef const Pool* pool = &layout.pool
    cdef const Axis* down = &pool.rows
    cdef Py_ssize_t n = pool.columns.outputs
    cdef Py_ssize_t step = down.dilation * pool.line
    cdef const real* values = scratch + layout.values
    cdef const real* places = scratch + layout.places
    cdef real* spare = scratch + layout.spare
    cdef real* numbers
    cdef real taps = <real>pool.columns.kernel
    cdef real row
    cdef Py_ssize_t seen = max(0, first * down.stride - down.before)
    cdef Py_ssize_t last_seen = min(
        down.size, (last - 1) * down.stride + (down.kernel - 1) * down.dilation + 1 - down.before
    )
    cdef Py_ssize_t i, r, rows, at
    cdef bint holds_none
    if not rank_band(False, layout, image, seen, last_seen, scratch, &holds_none, watch):
        return False
    if not holds_none and not rank_band(
        True, layout, image, seen, last_seen, scratch, &holds_none, watch
    ):
        return False
    for i in range(first, last):
        r = first_tap(down, i)
        rows = last_tap(down, i, down.size) - r
        if not goes_on(watch, rows * n):
            return False
        at = (i * down.stride + r * down.dilation - down.before - seen) * pool.line
        row = <real>(r * pool.columns.kernel)
        numbers = scratch + layout.numbers + (i - first) * n
        if holds_none:
            find_windows(
                False, values + at, places + at, step, rows, row, taps, n, y + i * n, numbers,
                spare,
            )
        else:
            find_windows(
                True, values + at, places + at, step, rows, row, taps, n, y + i * n, numbers, spare
            )
    return True


cdef inline void begin_finding(const TapPool* layout, real* scratch) noexcept nogil:
    """Fill in all that is beside the image, once and for all."""
    cdef const Pool* pool = &layout.pool
    fill_row(scratch + layout.phases, <real>-INFINITY, ROWS_DEALT * joined_values(pool))
    first_taps(&pool.columns, pool.line, scratch + layout.starts)


cdef bint find_rows(
    const TapPool* layout, const Operands* operands, Py_ssize_t plane, Py_ssize_t row,
    Py_ssize_t last_row, real* scratch, Watch* watch,
) noexcept nogil:
    """Compute rows of windows of a plane, band by band; return whether they were still wanted."""
    cdef const Pool* pool = &layout.pool
    cdef Py_ssize_t n = pool.columns.outputs
    cdef const real* image = (
        <const real*>operands.image + plane * pool.rows.size * pool.columns.size
    )
    cdef Py_ssize_t begin = plane * pool.rows.outputs * n
    cdef Py_ssize_t last
    while row < last_row:
        last = min(row + layout.band, last_row)
        if not find_band(
            layout, image, row, last, <real*>operands.result + begin, scratch, watch
        ):
            return False
        narrow_taps(
            pool, scratch + layout.numbers, (last - row) * n, operands.taps, begin + row * n
        )
        row = last
    return True


cdef void max_pool_taps(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const TapPool* layout = <const TapPool*>made
    cdef const Pool* pool = &layout.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef Py_ssize_t plane
    begin_finding(layout, scratch)
    for plane in range(unit.plane, unit.last_plane):
        if not find_rows(layout, operands, plane, unit.row, unit.last_row, scratch, watch):
            return


enter("max_pool_taps", lay_out_max_pool_taps, max_pool_taps[float], max_pool_taps[double])
