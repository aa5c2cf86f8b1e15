# Maxima of 3x3 windows together with their taps, one or two apart, of an image whose values are all
# finite (see pool_threes.pxi): row of windows by row of windows. What is not finite goes the way of
# any window (pool_max_taps.pxi).
#
# Every row of the image is ranked once, across: the largest of three, and which it is. A row of
# windows chooses among three rows, and leaves those to the next that this one sees as well:
#
#     row 2i       a b c    ranked by the windows above, and kept
#     row 2i + 1   d e f    ranked now                               window i: the largest of three,
#     row 2i + 2   g h i    ranked now, and kept                     3·r + s is its tap
#
# What is kept is written where the same lanes read it again. Rows of the image are brought to their
# phases one row of windows ahead: what is read by other vectors than it was just written by would
# wait. So an image comes from a cache far away while windows are ranked, and y leaves as it is
# made.
#
# Rows and columns are counted from the padding on. The last vector of a row of windows reaches
# beyond it: what it finds there is nobody's, and written over.
#
# Work with AVX2, of a vector of windows: 28 instructions at stride 1; at stride 2 35, and 26 to
# deal out two rows.


cdef struct TapThrees:
    Pool pool
    Py_ssize_t band         # rows of windows whose taps are turned into bytes together
    Py_ssize_t step         # values from a row of the image to the next
    Py_ssize_t image        # where in the scratch these begin: rows of the image by phases,
    Py_ssize_t kept         # rows that are ranked: the largest along them, and at which tap,
    Py_ssize_t numbers      # the taps of the band's windows,
    Py_ssize_t spare        # and a vector of y
    TapPool any             # for what is not finite


cdef int lay_out_max_pool_taps_threes(const Description* given, Made* made, list memory) except -1:
    cdef TapThrees* layout = <TapThrees*>allot(memory, sizeof(TapThrees))
    cdef Pool* pool = &layout.pool
    cdef Py_ssize_t values
    lay_out_finding(given, made, memory, &layout.any)
    values, made.scratch = made.scratch, 0      # in the same scratch, one after the other
    lay_out_pool(given, made, memory, pool, given.problem.rows.outputs)
    layout.band = min(pool.unit_rows, max(1, BAND_VALUES // pool.columns.outputs))
    layout.step = joined_values(pool)
    layout.image = book(made, 2 * pool.rows.stride * layout.step)
    layout.kept = book(made, 2 * (3 - pool.rows.stride) * pool.line)
    layout.numbers = book(made, layout.band * pool.columns.outputs + LINE_VALUES)
    layout.spare = book(made, MOST_LANES)
    made.scratch = max(made.scratch, values)
    made.layout = layout
    return 0


cdef inline void begin_tap_threes(const TapThrees* layout, real* scratch) noexcept nogil:
    """Fill in all that is beside the image, once and for all."""
    fill_run(
        scratch + layout.image, <real>-INFINITY, 2 * layout.pool.rows.stride * layout.step
    )


cdef inline void take_new_rows(
    const int stride, const TapThrees* layout, const real* image, Py_ssize_t window, real* scratch,
    real* sums,
) noexcept nogil:
    """Bring to their phases the rows that a row of windows is the first to see."""
    cdef Py_ssize_t first = stride * window + 3 - stride
    take_some_rows(
        stride, &layout.pool, image, first, first + stride,
        scratch + layout.image + window % 2 * stride * layout.step, layout.step, sums,
    )


cdef inline void rank_alone(
    const int stride, const TapThrees* layout, const real* row, real* kept
) noexcept nogil:
    """Rank a row of the image of which no windows have been ranked."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real largest[MOST_LANES]
    cdef real place[MOST_LANES]
    cdef Py_ssize_t j = 0
    cdef int k
    while j < layout.pool.columns.outputs:
        rank_three(stride, 0, row + j, layout.pool.phase, largest, place)
        for k in range(lanes):
            kept[j + k] = largest[k]
        for k in range(lanes):
            kept[layout.pool.line + j + k] = place[k]
        j = j + lanes


cdef inline void choose_row(
    const int stride, const real* rows, Py_ssize_t phase, Py_ssize_t step, real* kept,
    const real* next_kept, Py_ssize_t line, real* y, real* numbers,
) noexcept nogil:
    """Find the maxima of a vector of windows, and their taps.

    `kept` has the first of their rows, and gets the last one, which begins other windows;
    `next_kept` has the one between if that is none of the new rows.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real first[MOST_LANES]
    cdef real second[MOST_LANES]
    cdef real third[MOST_LANES]
    cdef real first_tap[MOST_LANES]
    cdef real second_tap[MOST_LANES]
    cdef real third_tap[MOST_LANES]
    cdef real last_tap[MOST_LANES]
    cdef real best[MOST_LANES]
    cdef real at[MOST_LANES]
    cdef real number[MOST_LANES]
    cdef real largest[MOST_LANES]
    cdef int k
    for k in range(lanes):
        first[k] = kept[k]
    for k in range(lanes):
        first_tap[k] = kept[line + k]
    if stride == 2:
        rank_three(stride, 3, rows, phase, second, second_tap)
        rows = rows + step
    else:
        for k in range(lanes):
            second[k] = next_kept[k]
        for k in range(lanes):
            second_tap[k] = next_kept[line + k] + <real>3
    rank_three(stride, 0, rows, phase, third, third_tap)
    for k in range(lanes):
        last_tap[k] = third_tap[k] + <real>6
    for k in range(lanes):
        best[k] = second[k] if second[k] > first[k] else first[k]
    for k in range(lanes):
        at[k] = second_tap[k] if second[k] > first[k] else first_tap[k]
    for k in range(lanes):
        number[k] = last_tap[k] if third[k] > best[k] else at[k]
    for k in range(lanes):
        kept[k] = third[k]
    for k in range(lanes):
        kept[line + k] = third_tap[k]
    for k in range(lanes):
        numbers[k] = number[k]
    for k in range(lanes):
        largest[k] = third[k] if third[k] > best[k] else best[k]
    for k in range(lanes):
        y[k] = largest[k]


cdef inline void choose_rows(
    const int stride, const TapThrees* layout, Py_ssize_t window, real* y, Py_ssize_t room,
    real* numbers, real* scratch,
) noexcept nogil:
    """Do so for a row of windows, whose new rows have been taken.

    Where there is room after y, what follows it may be written over.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t n = layout.pool.columns.outputs
    cdef Py_ssize_t phase = layout.pool.phase
    cdef Py_ssize_t line = layout.pool.line
    cdef Py_ssize_t step = layout.step
    cdef const real* rows = scratch + layout.image + window % 2 * stride * step
    cdef real* kept = scratch + layout.kept
    cdef real* next_kept = kept
    cdef real* spare = scratch + layout.spare
    cdef Py_ssize_t whole = ceil_div(n, lanes) * lanes
    cdef Py_ssize_t j = 0
    if stride == 1:     # rows take turns
        if window % 2:
            kept = kept + 2 * line
        else:
            next_kept = next_kept + 2 * line
    if whole > room:
        whole = n // lanes * lanes
    while j < whole:
        choose_row(
            stride, rows + j, phase, step, kept + j, next_kept + j, line, y + j, numbers + j
        )
        j = j + lanes
    if j < n:
        choose_row(
            stride, rows + j, phase, step, kept + j, next_kept + j, line, spare, numbers + j
        )
        copy_run(y + j, spare, n - j)


cdef inline void begin_choosing(
    const int stride, const TapThrees* layout, const real* image, Py_ssize_t window, real* scratch,
    real* sums,
) noexcept nogil:
    """Rank what the row of windows before would have left, and take the new rows."""
    cdef real* rows = scratch + layout.image
    cdef Py_ssize_t first = stride * window
    cdef Py_ssize_t line = layout.pool.line
    cdef real* kept = scratch + layout.kept
    take_some_rows(
        stride, &layout.pool, image, first, first + 3 - stride, rows, layout.step, sums
    )
    if stride == 1:
        rank_alone(stride, layout, rows, kept + window % 2 * 2 * line)
        rank_alone(stride, layout, rows + layout.step, kept + (1 - window % 2) * 2 * line)
    else:
        rank_alone(stride, layout, rows, kept)
    take_new_rows(stride, layout, image, window, scratch, sums)


cdef inline bint choose_windows(
    const TapThrees* layout, const real* image, Py_ssize_t window, Py_ssize_t end_window,
    Py_ssize_t last_window, real* y, real* scratch, real* sums, Watch* watch,
) noexcept nogil:
    """Do so for some rows of windows, of those of a unit; return whether they were still wanted."""
    cdef Py_ssize_t n = layout.pool.columns.outputs
    cdef Py_ssize_t stride = layout.pool.rows.stride
    cdef real* numbers = scratch + layout.numbers
    cdef Py_ssize_t i, room
    for i in range(window, end_window):
        if not goes_on(watch, 9 * n + stride * layout.pool.columns.size):
            return False
        room = (last_window - i) * n
        if stride == 1:
            if i + 1 < last_window:
                take_new_rows(1, layout, image, i + 1, scratch, sums)
            choose_rows(1, layout, i, y, room, numbers, scratch)
        else:
            if i + 1 < last_window:
                take_new_rows(2, layout, image, i + 1, scratch, sums)
            choose_rows(2, layout, i, y, room, numbers, scratch)
        y = y + n
        numbers = numbers + n
    return True


cdef inline void begin_chosen(
    const TapThrees* layout, const real* image, Py_ssize_t window, real* scratch, real* sums
) noexcept nogil:
    """Do so for windows one or two apart."""
    if layout.pool.rows.stride == 1:
        begin_choosing(1, layout, image, window, scratch, sums)
    else:
        begin_choosing(2, layout, image, window, scratch, sums)


cdef bint taps_of_threes(
    const TapThrees* layout, const Operands* operands, Py_ssize_t plane, Py_ssize_t row,
    Py_ssize_t last_row, real* scratch, bint* finite, Watch* watch,
) noexcept nogil:
    """Compute some rows of a plane of y, if its image is finite; return whether still wanted."""
    cdef const Pool* pool = &layout.pool
    cdef Py_ssize_t n = pool.columns.outputs
    cdef const real* image = (
        <const real*>operands.image + plane * pool.rows.size * pool.columns.size
    )
    cdef Py_ssize_t begin = plane * pool.rows.outputs * n
    cdef real sums[FLOATS]
    cdef Py_ssize_t first = row
    cdef Py_ssize_t last
    begin_pixel_sums(sums)
    begin_chosen(layout, image, row, scratch, sums)
    while first < last_row:
        last = min(first + layout.band, last_row)
        if not choose_windows(
            layout, image, first, last, last_row, <real*>operands.result + begin + first * n,
            scratch, sums, watch,
        ):
            return False
        narrow_taps(
            pool, scratch + layout.numbers, (last - first) * n, operands.taps, begin + first * n
        )
        first = last
    finite[0] = sum_is_finite(sums)
    return True


cdef void max_pool_taps_threes(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const TapThrees* layout = <const TapThrees*>made
    cdef const Pool* pool = &layout.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef Py_ssize_t plane
    cdef bint finite = True
    begin_tap_threes(layout, scratch)
    for plane in range(unit.plane, unit.last_plane):
        if not taps_of_threes(
            layout, operands, plane, unit.row, unit.last_row, scratch, &finite, watch
        ):
            return
        if not finite:
            begin_finding(&layout.any, scratch)
            if not find_rows(
                &layout.any, operands, plane, unit.row, unit.last_row, scratch, watch
            ):
                return
            begin_tap_threes(layout, scratch)


enter(
    "max_pool_taps_threes", lay_out_max_pool_taps_threes, max_pool_taps_threes[float],
    max_pool_taps_threes[double],
)
