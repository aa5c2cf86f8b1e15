# Maxima of windows, and the way of a gradient back to them, one axis after the other.
#
#     y     down the columns first, whose maxima lie in one row; then across it
#     dx    across the rows first, then down: so the first of equals in row order stays the first;
#           and the same way back, down and then across
#
#                          across, of each row          down, of each row of windows
#     row 0   3 1 4 1  →   4 at 2, 4 at 1, ...
#     row 1   5 9 2 6  →   9 at 1, 9 at 0, ...    →     row 1, row 1, ...
#
# Whichever windows choose a row, in that row they all choose the same pixel: so a row first gathers
# from the windows above each other that chose it, and its pixels then from the places next to each
# other. R + S comparisons, where a pixel that asked each window would need R·S.
#
# Which row or tap was chosen is a number as wide as the values, so that a comparison's mask selects
# both. Padding is -inf and never wins, since it is not larger than anything; windows that begin in
# it begin with their first tap inside. Of three rows, which are the usual ones, the two masks are
# enough (share_down).
#
# Work, per output and vector of lanes: y (R - 1)·stride + S - 1 maxima of three instructions; dx
# stride·(S - 1) + R - 1 comparisons of three, then R + stride·S of as many. 3x3 at stride 1: 40
# instructions a vector, 2 cycles a pixel with AVX2. Bytes: x once, and for dx three values a pixel
# and two an output; 3x3 at stride 2 is bound by both.
#
# Windows of three rows go down the image one by one: see ROWS_KEPT. Any others go step by step for
# a band of rows, whose numbers lie in the first-level cache, and not row by row: a row that is read
# by other vectors than it was just written by would wait for these.
cdef enum:
    BAND_VALUES = 1536


cdef struct MaxPool:
    Pool pool
    Py_ssize_t phases       # where in the scratch these begin: a row of the image by phases,
    Py_ssize_t line         # a row in the image's order,
    Py_ssize_t starts       # the first tap of each window that is inside,
    bint threes             # whether windows go down the image one by one: see ROWS_KEPT
    Py_ssize_t band         # or how many rows of dx are made together,
    Py_ssize_t seen         # of how many rows of the image,
    Py_ssize_t values       # maxima along the rows that their windows see,
    Py_ssize_t places       # at which taps these are,
    Py_ssize_t chosen       # of their windows: the chosen rows,
    Py_ssize_t gathered     # what the rows of the band get from these,
    Py_ssize_t shares       # and by phases, a row of dx


cdef int lay_out_max_pool(const Description* given, Made* made, list memory) except -1:
    cdef MaxPool* layout = <MaxPool*>allot(memory, sizeof(MaxPool))
    cdef Pool* pool = &layout.pool
    lay_out_pool(given, made, memory, pool, given.problem.rows.outputs)
    offsets_in_phases(pool, memory)
    layout.phases = book(made, joined_values(pool))
    layout.line = book(made, max(joined_values(pool), whole_lines(pool.columns.size + LINE_VALUES)))
    made.layout = layout
    return 0


cdef inline Py_ssize_t windows_of(const Axis* axis, Py_ssize_t pixels) noexcept nogil:
    """Return how many windows see any of so many pixels next to each other, at the most."""
    return min(
        axis.outputs, (pixels + (axis.kernel - 1) * axis.dilation - 1) // axis.stride + 1
    )


cdef inline Py_ssize_t seen_by(const Axis* axis, Py_ssize_t windows) noexcept nogil:
    """Return how many pixels so many windows see."""
    return min(axis.size, (windows - 1) * axis.stride + ((axis.kernel - 1) * axis.dilation + 1))


cdef int lay_out_max_pool_grad(const Description* given, Made* made, list memory) except -1:
    cdef MaxPool* layout = <MaxPool*>allot(memory, sizeof(MaxPool))
    cdef Pool* pool = &layout.pool
    cdef const Axis* down = &pool.rows
    cdef Py_ssize_t kept_rows = 0
    cdef Py_ssize_t windows, bands
    cdef Py_ssize_t between
    lay_out_pool(given, made, memory, pool, given.problem.rows.size)
    # Of rows between those that a window of dilated taps sees, half as many: as `fewest_rows` says.
    between = (down.kernel - 1) * (down.dilation - 1)
    offsets_in_phases(pool, memory)
    bands = ceil_div(pool.unit_rows, max(1, between // 2, BAND_VALUES // pool.line))
    layout.band = ceil_div(pool.unit_rows, bands)       # of about the same size
    windows = windows_of(&pool.rows, layout.band)
    layout.threes = down.kernel == 3 and down.dilation == 1 and down.stride <= 2
    if layout.threes:
        layout.band, windows, kept_rows = pool.unit_rows, 1, ROWS_KEPT
    layout.seen = seen_by(down, windows)
    layout.phases = book(made, joined_values(pool))
    layout.line = book(made, joined_values(pool))
    layout.starts = book(made, pool.line)
    layout.values = book(made, max(layout.seen, kept_rows) * pool.line)
    layout.places = book(made, max(layout.seen, kept_rows) * pool.line)
    layout.chosen = book(made, windows * pool.line)
    layout.gathered = book(made, (kept_rows if layout.threes else layout.band) * pool.line)
    layout.shares = book(made, joined_values(pool))
    made.layout = layout
    return 0


# ── y ─────────────────────────────────────────────────────────────────────────────────────────────


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


# ── dx ────────────────────────────────────────────────────────────────────────────────────────────


cdef inline bint rank_taps(
    const bint careful, const real* phases, const Py_ssize_t* offsets, const Py_ssize_t taps,
    const real* starts, Py_ssize_t n, real* values, real* places,
) noexcept nogil:
    """Find the largest of the taps of a row, and which it is.

    Return whether a NaN may have been among them, where it is not looked for: a sum keeps it.
    Infinities of both signs may look like one.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real best[MOST_LANES]
    cdef real at[MOST_LANES]
    # apart, or the compiler would store only where something changes, lane by lane
    cdef real next_best[MOST_LANES]
    cdef real next_at[MOST_LANES]
    cdef real sums[MOST_LANES]
    cdef const real* seen
    cdef real value, tap
    cdef real total = 0
    cdef Py_ssize_t s
    cdef Py_ssize_t j = 0
    cdef int k
    for k in range(lanes):
        sums[k] = 0
    while j < n:
        seen = phases + offsets[0] + j
        for k in range(lanes):
            best[k] = seen[k]
            at[k] = starts[j + k]
        if not careful:
            for k in range(lanes):
                sums[k] += seen[k]
        for s in range(1, taps):
            seen = phases + offsets[s] + j
            tap = <real>s
            for k in range(lanes):
                value = seen[k]
                next_at[k] = choose(careful, value, best[k], tap, at[k])
                next_best[k] = choose(careful, value, best[k], value, best[k])
            if not careful:
                for k in range(lanes):
                    sums[k] += seen[k]
            for k in range(lanes):
                at[k] = next_at[k]
                best[k] = next_best[k]
        for k in range(lanes):
            values[j + k] = best[k]
        for k in range(lanes):
            places[j + k] = at[k]
        j = j + lanes
    # beyond the windows nothing has a maximum
    fill_row(places + n, <real>-1, j - n)
    if careful:
        return False
    for k in range(lanes // 2):
        sums[k] += sums[lanes // 2 + k]
    for k in range(lanes // 2):
        total += sums[k]
    return total != total


cdef inline bint rank_stretch(
    const bint careful, const Pool* pool, const real* phases, const real* starts, Py_ssize_t n,
    real* values, real* places,
) noexcept nogil:
    """Do so for the usual numbers of taps, and all others."""
    cdef Py_ssize_t taps = pool.columns.kernel
    if taps == 3:
        return rank_taps(careful, phases, pool.offsets, 3, starts, n, values, places)
    if taps == 2:
        return rank_taps(careful, phases, pool.offsets, 2, starts, n, values, places)
    return rank_taps(careful, phases, pool.offsets, taps, starts, n, values, places)


cdef inline bint rank_row(
    const Pool* pool, const real* phases, const real* starts, real* values, real* places,
    bint* careful, Watch* watch,
) noexcept nogil:
    """Do so for a row, `careful` from a stretch with a NaN on; return whether it was wanted."""
    cdef Py_ssize_t n
    cdef Py_ssize_t j = 0
    while j < pool.columns.outputs:
        n = min(pool.stretch, pool.columns.outputs - j)
        if not goes_on(watch, pool.columns.kernel * n):
            return False
        if rank_stretch(False, pool, phases + j, starts + j, n, values + j, places + j):
            careful[0] = True
            rank_stretch(True, pool, phases + j, starts + j, n, values + j, places + j)
        j = j + n
    return True


cdef inline void rank_rows(
    const bint careful, const real* values, Py_ssize_t step, const Py_ssize_t rows,
    Py_ssize_t first, Py_ssize_t n, real* chosen,
) noexcept nogil:
    """Find which of a window's rows, `step` apart, has the largest; the first is row `first`."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real best[MOST_LANES]
    cdef real at[MOST_LANES]
    cdef real next_best[MOST_LANES]
    cdef real next_at[MOST_LANES]
    cdef const real* seen
    cdef real value, row
    cdef Py_ssize_t r
    cdef Py_ssize_t j = 0
    cdef int k
    while j < n:
        seen = values + j
        row = <real>first
        for k in range(lanes):
            best[k] = seen[k]
            at[k] = row
        for r in range(1, rows):
            seen = seen + step
            row = <real>(first + r)
            for k in range(lanes):
                value = seen[k]
                next_at[k] = choose(careful, value, best[k], row, at[k])
                next_best[k] = choose(careful, value, best[k], value, best[k])
            for k in range(lanes):
                at[k] = next_at[k]
                best[k] = next_best[k]
        for k in range(lanes):
            chosen[j + k] = at[k]
        j = j + lanes


cdef inline void rank_window(
    const bint careful, const real* values, Py_ssize_t step, Py_ssize_t rows, Py_ssize_t first,
    Py_ssize_t n, real* chosen,
) noexcept nogil:
    """Do so for the usual numbers of rows, and all others."""
    if rows == 3:
        rank_rows(careful, values, step, 3, first, n, chosen)
    elif rows == 2:
        rank_rows(careful, values, step, 2, first, n, chosen)
    else:
        rank_rows(careful, values, step, rows, first, n, chosen)


cdef inline void gather_down(
    const int lanes, const Py_ssize_t windows, const real* chosen, Py_ssize_t line,
    const real* grads, Py_ssize_t width, real row, real stride, real* gathered,
) noexcept nogil:
    """Add up the gradients of the windows above each other that chose a row.

    It is row `row` of the first of them, and of each further one `stride` less.
    """
    cdef real sums[MOST_LANES]
    cdef real share
    cdef Py_ssize_t m
    cdef int k
    for k in range(lanes):
        share = grads[k]
        sums[k] = share if chosen[k] == row else 0
    for m in range(1, windows):
        chosen, grads, row = chosen + line, grads + width, row - stride
        for k in range(lanes):
            share = grads[k]
            sums[k] += share if chosen[k] == row else 0
    for k in range(lanes):
        gathered[k] = sums[k]


cdef inline void gather_all_down(
    const Py_ssize_t windows, const real* chosen, Py_ssize_t line, const real* grads,
    Py_ssize_t width, real row, real stride, real* gathered,
) noexcept nogil:
    """Do so for a whole row; the last vector overlaps the one before."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    if width >= lanes:
        while j + lanes < width:
            gather_down(
                lanes, windows, chosen + j, line, grads + j, width, row, stride, gathered + j
            )
            j = j + lanes
        j = width - lanes
        gather_down(lanes, windows, chosen + j, line, grads + j, width, row, stride, gathered + j)
        return
    while j < width:
        gather_down(1, windows, chosen + j, line, grads + j, width, row, stride, gathered + j)
        j = j + 1


cdef inline void gather_phase(
    const int stride, const int first, const int taps, const real* places, const real* gathered,
    real* shares,
) noexcept nogil:
    """Add up what a vector of pixels gets that are seen by every stride-th tap from the first."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real sums[MOST_LANES]
    cdef real share
    cdef int s = first
    cdef int k
    for k in range(lanes):
        sums[k] = 0
    while s < taps:
        for k in range(lanes):
            share = gathered[k - s // stride]
            sums[k] += share if places[k - s // stride] == <real>s else 0
        s = s + stride
    for k in range(lanes):
        shares[k] = sums[k]


cdef inline void gather_block(
    const int stride, const int odd, const int taps, const real* places, const real* gathered,
    real* dx,
) noexcept nogil:
    """Fill in a vector of pixels, or two that are dealt together; the first has tap `odd`."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real even_pixels[MOST_LANES]
    cdef real odd_pixels[MOST_LANES]
    cdef real mixed[2 * MOST_LANES]
    cdef int k
    if stride == 1:
        gather_phase(1, 0, taps, places, gathered, dx)
        return
    gather_phase(2, odd, taps, places, gathered, even_pixels)
    gather_phase(2, 1 - odd, taps, places + odd, gathered + odd, odd_pixels)
    for k in range(lanes):
        mixed[2 * k] = even_pixels[k]
        mixed[2 * k + 1] = odd_pixels[k]
    for k in range(2 * lanes):
        dx[k] = mixed[k]


cdef inline void gather_across(
    const int stride, const int odd, const int taps, const Pool* pool, const real* places,
    const real* gathered, real* dx, real* spare,
) noexcept nogil:
    """Fill in a row of dx; the last vectors overlap the ones before."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t n = width // stride
    cdef Py_ssize_t j = 0
    places = places + pool.columns.before // stride
    gathered = gathered + pool.columns.before // stride
    if n >= lanes:
        while j + lanes < n:
            gather_block(stride, odd, taps, places + j, gathered + j, dx + stride * j)
            j = j + lanes
        j = n - lanes
        gather_block(stride, odd, taps, places + j, gathered + j, dx + stride * j)
    else:
        gather_block(stride, odd, taps, places, gathered, spare)
        copy_run(dx, spare, stride * n)
    if stride * n < width:
        gather_block(stride, odd, taps, places + n, gathered + n, spare)
        dx[width - 1] = spare[0]


cdef inline void gather_tap(
    const real* places, const real* gathered, real tap, Py_ssize_t n, real* shares
) noexcept nogil:
    """Add what pixels get with one tap."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real sums[MOST_LANES]
    cdef Py_ssize_t j = 0
    cdef real share
    cdef int k
    while j < n:
        for k in range(lanes):
            share = gathered[j + k]
            sums[k] = shares[j + k] + (share if places[j + k] == tap else 0)
        for k in range(lanes):
            shares[j + k] = sums[k]
        j = j + lanes


cdef inline bint gather_row(
    const MaxPool* layout, const real* places, const real* gathered, real* dx, real* scratch,
    Watch* watch,
) noexcept nogil:
    """Fill in a row of dx from what the row gathered; return whether it was still wanted."""
    cdef const Pool* pool = &layout.pool
    cdef const Axis* across = &pool.columns
    cdef Py_ssize_t n = (across.before + across.size - 1) // across.stride + 1
    cdef real* shares = scratch + layout.shares
    cdef real* line = scratch + layout.line
    cdef bint usual = across.dilation == 1 and across.kernel == 3
    cdef Py_ssize_t s, at
    if usual and across.stride == 1:
        gather_across(1, 0, 3, pool, places, gathered, dx, line)
    elif usual and across.stride == 2 and across.before % 2 == 0:
        gather_across(2, 0, 3, pool, places, gathered, dx, line)
    elif usual and across.stride == 2:
        gather_across(2, 1, 3, pool, places, gathered, dx, line)
    else:
        fill_row(shares, <real>0, joined_values(pool))
        for s in range(across.kernel):
            at = s * across.dilation
            if not goes_on(watch, n):
                return False
            gather_tap(
                places - at // across.stride, gathered - at // across.stride, <real>s, n,
                shares + at % across.stride * pool.phase,
            )
        join_phases(shares, pool.phase, across.stride, n, line)
        copy_run(dx, line + across.before, across.size)
    return True


cdef inline void gather_one(
    const real* chosen, const real* grads, real row, Py_ssize_t n, real* gathered
) noexcept nogil:
    """Add the gradients of a row of windows that chose this row."""
    cdef Py_ssize_t j
    for j in range(n):
        gathered[j] += grads[j] if chosen[j] == row else 0


# Windows of three rows, one or two apart, go down the image together with what they need: each row
# is ranked when the first window sees it, and written a window after the last one has, so that
# reading, computing and writing overlap. Of the rows in between there are seven at the most.
cdef enum:
    ROWS_KEPT = 8


cdef struct Threes:             # where in the scratch the rows of a window lie
    Py_ssize_t first
    Py_ssize_t second
    Py_ssize_t third


cdef inline Py_ssize_t kept(Py_ssize_t row, Py_ssize_t line) noexcept nogil:
    """Return where a row of the image lies among those that are kept."""
    return row % ROWS_KEPT * line


cdef inline void share_down(
    const bint careful, const int stride, const Threes* at, const real* values, real* gathered,
    const real* grads, Py_ssize_t n, real* spare,
) noexcept nogil:
    """Hand the gradients of a row of windows to the rows of the largest of their three.

    The first of these, and at stride 1 the second, add them to what earlier windows gave. It takes
    no number of a row: the masks of the two comparisons say which it is.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real upper[MOST_LANES]
    cdef real middle[MOST_LANES]
    cdef real lower[MOST_LANES]
    cdef const real* first = values + at.first
    cdef const real* second = values + at.second
    cdef const real* third = values + at.third
    cdef real* to_first = gathered + at.first
    cdef real* to_second = gathered + at.second
    cdef real* to_third = gathered + at.third
    cdef const real* grad
    cdef real a, b, c, best, whole, rest
    cdef Py_ssize_t j = 0
    cdef int k
    while j < n:
        grad = grads + j
        if j + lanes > n:
            copy_run(spare, grad, n - j)
            grad = spare
        for k in range(lanes):
            a, b, c = first[j + k], second[j + k], third[j + k]
            whole = grad[k]
            best = choose(careful, b, a, b, a)
            lower[k] = choose(careful, c, best, whole, <real>0)
            rest = choose(careful, c, best, <real>0, whole)
            middle[k] = choose(careful, b, a, rest, <real>0)
            upper[k] = choose(careful, b, a, <real>0, rest)
        for k in range(lanes):
            upper[k] = to_first[j + k] + upper[k]
        if stride == 1:
            for k in range(lanes):
                middle[k] = to_second[j + k] + middle[k]
        for k in range(lanes):
            to_first[j + k] = upper[k]
        for k in range(lanes):
            to_second[j + k] = middle[k]
        for k in range(lanes):
            to_third[j + k] = lower[k]
        j = j + lanes


cdef bint grad_of_threes(
    const MaxPool* layout, const real* image, const real* grad, Py_ssize_t row,
    Py_ssize_t last_row, real* dx, real* scratch, Watch* watch,
) noexcept nogil:
    """Fill in some rows of a plane of dx; return whether they were still wanted."""
    cdef const Pool* pool = &layout.pool
    cdef const Axis* down = &pool.rows
    cdef Py_ssize_t n = pool.columns.outputs
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t line = pool.line
    cdef real* phases = scratch + layout.phases
    cdef const real* starts = scratch + layout.starts
    cdef real* values = scratch + layout.values + pool.reach
    cdef real* places = scratch + layout.places + pool.reach
    cdef real* chosen = scratch + layout.chosen + pool.reach
    cdef real* gathered = scratch + layout.gathered + pool.reach
    cdef real* spare = scratch + layout.shares
    cdef Py_ssize_t window = first_window(down, row)
    cdef Py_ssize_t end_window = last_window(down, last_row - 1)
    cdef Py_ssize_t ranked = max(0, window * down.stride - down.before)
    cdef Py_ssize_t begun = ranked          # rows before these are: ranked, begun to be gathered,
    cdef Py_ssize_t written = row           # and written
    cdef Py_ssize_t last_nan = -1           # the last row that holds one
    cdef Py_ssize_t i, k, r, rows, first, complete
    cdef const real* grads
    cdef bint careful
    cdef Threes at
    for i in range(window, end_window):
        r = first_tap(down, i)
        rows = last_tap(down, i, down.size) - r
        first = i * down.stride + r - down.before
        grads = grad + i * n
        while ranked < first + rows:
            if not goes_on(watch, width):
                return False
            deal_row(pool, image + ranked * width, phases)
            careful = False
            if not rank_row(
                pool, phases, starts, values + kept(ranked, line), places + kept(ranked, line),
                &careful, watch,
            ):
                return False
            if careful:
                last_nan = ranked
            ranked = ranked + 1
        # The lowest row of a whole window, and at stride 2 the middle one, nobody saw before.
        complete = first + rows
        if rows == 3:
            complete = complete - down.stride
        while begun < complete:
            fill_row(gathered + kept(begun, line), <real>0, n)
            begun = begun + 1
        begun = first + rows
        if not goes_on(watch, 3 * n):
            return False
        at.first, at.second = kept(first, line), kept(first + 1, line)
        at.third = kept(first + 2, line)
        careful = last_nan >= first
        if rows < 3:
            rank_window(
                careful, values + at.first, at.second - at.first, rows, 0, n, chosen
            )
            for k in range(rows):
                gather_one(chosen, grads, <real>k, n, gathered + kept(first + k, line))
        elif careful and down.stride == 1:
            share_down(True, 1, &at, values, gathered, grads, n, spare)
        elif careful:
            share_down(True, 2, &at, values, gathered, grads, n, spare)
        elif down.stride == 1:
            share_down(False, 1, &at, values, gathered, grads, n, spare)
        else:
            share_down(False, 2, &at, values, gathered, grads, n, spare)
        # what was complete before this window, which by now can be read by other vectors
        complete = min(last_row, i * down.stride - down.before)
        while written < complete:
            if not gather_row(
                layout, places + kept(written, line), gathered + kept(written, line),
                dx + written * width, scratch, watch,
            ):
                return False
            written = written + 1
    complete = min(last_row, begun)
    while written < complete:
        if not gather_row(
            layout, places + kept(written, line), gathered + kept(written, line),
            dx + written * width, scratch, watch,
        ):
            return False
        written = written + 1
    return fill_in_stretches(
        dx + written * width, <real>0, (last_row - written) * width, watch
    )


cdef bint share_of_rows(
    const MaxPool* layout, const bint careful, Py_ssize_t window, Py_ssize_t end_window,
    Py_ssize_t seen, Py_ssize_t row, Py_ssize_t last_row, const real* grad, real* scratch,
    Watch* watch,
) noexcept nogil:
    """Gather what the rows from `row` on get, from any windows."""
    cdef const Pool* pool = &layout.pool
    cdef const Axis* down = &pool.rows
    cdef Py_ssize_t n = pool.columns.outputs
    cdef Py_ssize_t line = pool.line
    cdef const real* values = scratch + layout.values + pool.reach
    cdef real* chosen = scratch + layout.chosen + pool.reach
    cdef real* gathered = scratch + layout.gathered + pool.reach
    cdef Py_ssize_t h, i, r, rows, begin, end
    cdef real* sums
    for i in range(window, end_window):
        r = first_tap(down, i)
        rows = last_tap(down, i, down.size) - r
        if not goes_on(watch, rows * n):
            return False
        begin = (i * down.stride + r * down.dilation - down.before - seen) * line
        sums = chosen + (i - window) * line
        rank_window(careful, values + begin, down.dilation * line, rows, r, n, sums)

    for h in range(row, last_row):
        if not goes_on(watch, min(pool.windows, down.kernel) * n):
            return False
        i = first_window(down, h)
        end = last_window(down, h)
        sums = gathered + (h - row) * line
        if down.dilation > 1 and down.kernel < pool.windows:
            # Of the windows from the first to the last few see the row: in their order, that of the
            # taps from the last on.
            fill_row(sums, <real>0, n)
            for r in range(down.kernel - 1, -1, -1):
                begin = h + down.before - r * down.dilation     # of the window, in the padding
                i = begin // down.stride
                if begin >= 0 and i * down.stride == begin and i < down.outputs:
                    gather_one(chosen + (i - window) * line, grad + i * n, <real>r, n, sums)
            continue
        if down.dilation > 1 or i >= end:
            fill_row(sums, <real>0, n)
            while i < end:
                r = tap_of(down, i, h)
                if r >= 0:
                    gather_one(chosen + (i - window) * line, grad + i * n, <real>r, n, sums)
                i = i + 1
            continue
        r = h + down.before - i * down.stride
        begin = (i - window) * line
        if end - i == 3:
            gather_all_down(
                3, chosen + begin, line, grad + i * n, n, <real>r, <real>down.stride, sums
            )
        elif end - i == 2:
            gather_all_down(
                2, chosen + begin, line, grad + i * n, n, <real>r, <real>down.stride, sums
            )
        else:
            gather_all_down(
                end - i, chosen + begin, line, grad + i * n, n, <real>r, <real>down.stride, sums
            )
    return True


cdef bint grad_of_band(
    const MaxPool* layout, const real* image, const real* grad, Py_ssize_t row,
    Py_ssize_t last_row, real* dx, real* scratch, Watch* watch,
) noexcept nogil:
    """Fill in some rows of a plane of dx; return whether they were still wanted."""
    cdef const Pool* pool = &layout.pool
    cdef const Axis* down = &pool.rows
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t line = pool.line
    cdef real* phases = scratch + layout.phases
    cdef const real* starts = scratch + layout.starts
    # where rows of windows begin, with what taps reach before them
    cdef real* values = scratch + layout.values + pool.reach
    cdef real* places = scratch + layout.places + pool.reach
    cdef real* gathered = scratch + layout.gathered + pool.reach
    cdef Py_ssize_t window = first_window(down, row)
    cdef Py_ssize_t end_window = last_window(down, last_row - 1)
    cdef Py_ssize_t seen, last_seen, h, begin
    cdef bint careful = False
    if window >= end_window:      # behind the last window
        return fill_in_stretches(dx + row * width, <real>0, (last_row - row) * width, watch)
    seen = max(0, window * down.stride - down.before)
    last_seen = min(
        down.size,
        (end_window - 1) * down.stride + (down.kernel - 1) * down.dilation + 1 - down.before,
    )
    for h in range(seen, last_seen):
        if not goes_on(watch, width):
            return False
        deal_row(pool, image + h * width, phases)
        begin = (h - seen) * line
        if not rank_row(
            pool, phases, starts, values + begin, places + begin, &careful, watch
        ):
            return False
    if not share_of_rows(
        layout, careful, window, end_window, seen, row, last_row, grad, scratch, watch
    ):
        return False

    for h in range(row, last_row):
        if not goes_on(watch, width):
            return False
        if seen <= h < last_seen:
            if not gather_row(
                layout, places + (h - seen) * line, gathered + (h - row) * line,
                dx + h * width, scratch, watch,
            ):
                return False
        else:
            fill_row(dx + h * width, <real>0, width)
    return True


cdef void max_pool_grad(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const MaxPool* layout = <const MaxPool*>made
    cdef const Pool* pool = &layout.pool
    cdef const Axis* down = &pool.rows
    cdef const Axis* across = &pool.columns
    cdef PoolUnit unit = find_planes(pool, number, down.size)
    cdef real* starts = scratch + layout.starts
    cdef const real* image
    cdef const real* grad
    cdef real* dx
    cdef Py_ssize_t plane, row, last, j
    cdef Py_ssize_t rows = max(layout.seen, ROWS_KEPT if layout.threes else 0)
    cdef bint wanted
    # all that is beside the image and the windows, once and for all
    fill_row(scratch + layout.phases, <real>-INFINITY, joined_values(pool))
    fill_row(scratch + layout.places, <real>-1, rows * pool.line)
    fill_row(starts, <real>0, pool.line)
    for j in range(min(across.outputs, ceil_div(across.before, across.stride))):
        starts[j] = <real>first_tap(across, j)
    for plane in range(unit.plane, unit.last_plane):
        image = <const real*>operands.image + plane * down.size * across.size
        grad = <const real*>operands.gradient + plane * down.outputs * across.outputs
        dx = <real*>operands.result + plane * down.size * across.size
        row = unit.row
        while row < unit.last_row:
            last = min(row + layout.band, unit.last_row)
            if layout.threes:
                wanted = grad_of_threes(layout, image, grad, row, last, dx, scratch, watch)
            else:
                wanted = grad_of_band(layout, image, grad, row, last, dx, scratch, watch)
            if not wanted:
                return
            row = last


enter("max_pool", lay_out_max_pool, max_pool[float], max_pool[double])
enter("max_pool_grad", lay_out_max_pool_grad, max_pool_grad[float], max_pool_grad[double])
