# The way of a gradient back to the maxima of windows, which it finds again, one axis after the
# other: across the rows first, then down, so that the first of equals in row order stays the first;
# and the same way back, down and then across.
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
# both. Windows that begin in the padding begin with their first tap inside.
#
# Work, per output and vector of lanes: stride·(S - 1) + R - 1 comparisons of three instructions,
# then R + stride·S of as many. Bytes: x once, three values a pixel and two an output.
#
# It goes step by step for a band of rows, whose numbers lie in the first-level cache, and not row
# by row: a row that is read by other vectors than it was just written by would wait for these.
cdef enum:
    BAND_VALUES = 1536


cdef struct MaxPoolGrad:
    Pool pool
    Py_ssize_t band         # how many rows of dx are made together,
    Py_ssize_t seen         # of how many rows of the image
    Py_ssize_t phases       # where in the scratch these begin: a row of the image by phases,
    Py_ssize_t line         # a row in the image's order,
    Py_ssize_t starts       # the first tap of each window that is inside,
    Py_ssize_t values       # maxima along the rows that a band's windows see,
    Py_ssize_t places       # at which taps these are,
    Py_ssize_t chosen       # of their windows: the chosen rows,
    Py_ssize_t gathered     # what the rows of the band get from these,
    Py_ssize_t shares       # and by phases, a row of dx


cdef inline Py_ssize_t windows_of(const Axis* axis, Py_ssize_t pixels) noexcept nogil:
    """Return how many windows see any of so many pixels next to each other, at the most."""
    return min(
        axis.outputs, (pixels + (axis.kernel - 1) * axis.dilation - 1) // axis.stride + 1
    )


cdef inline Py_ssize_t seen_by(const Axis* axis, Py_ssize_t windows) noexcept nogil:
    """Return how many pixels so many windows see."""
    return min(axis.size, (windows - 1) * axis.stride + ((axis.kernel - 1) * axis.dilation + 1))


cdef int lay_out_gathering(
    const Description* given, Made* made, list memory, MaxPoolGrad* layout
) except -1:
    cdef Pool* pool = &layout.pool
    cdef const Axis* down = &pool.rows
    cdef Py_ssize_t windows, bands
    cdef Py_ssize_t between
    lay_out_pool(given, made, memory, pool, given.problem.rows.size)
    # Of rows between those that a window of dilated taps sees, half as many: as `fewest_rows` says.
    between = (down.kernel - 1) * (down.dilation - 1)
    offsets_in_phases(pool, memory)
    bands = ceil_div(pool.unit_rows, max(1, between // 2, BAND_VALUES // pool.line))
    layout.band = ceil_div(pool.unit_rows, bands)       # of about the same size
    windows = windows_of(&pool.rows, layout.band)
    layout.seen = seen_by(down, windows)
    layout.phases = book(made, joined_values(pool))
    layout.line = book(made, joined_values(pool))
    layout.starts = book(made, pool.line)
    layout.values = book(made, layout.seen * pool.line)
    layout.places = book(made, layout.seen * pool.line)
    layout.chosen = book(made, windows * pool.line)
    layout.gathered = book(made, layout.band * pool.line)
    layout.shares = book(made, joined_values(pool))
    return 0


cdef int lay_out_max_pool_grad(const Description* given, Made* made, list memory) except -1:
    cdef MaxPoolGrad* layout = <MaxPoolGrad*>allot(memory, sizeof(MaxPoolGrad))
    lay_out_gathering(given, made, memory, layout)
    made.layout = layout
    return 0


cdef inline void first_taps(const Axis* axis, Py_ssize_t n, real* starts) noexcept nogil:
    """Fill in the first tap inside the image of each window along a row; n values in all."""
    cdef Py_ssize_t j
    fill_row(starts, <real>0, n)
    for j in range(min(axis.outputs, ceil_div(axis.before, axis.stride))):
        starts[j] = <real>first_tap(axis, j)


cdef inline void rank_taps(
    const bint careful, const real* phases, const Py_ssize_t* offsets, const Py_ssize_t taps,
    const real* starts, Py_ssize_t n, real* values, real* places, real* sums,
) noexcept nogil:
    """Find the largest of the taps of a row, and which it is.

    Where no NaN is looked for, add up what is read: the sums keep one.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real best[MOST_LANES]
    cdef real at[MOST_LANES]
    # apart, or the compiler would store only where something changes, lane by lane
    cdef real next_best[MOST_LANES]
    cdef real next_at[MOST_LANES]
    cdef real kept[MOST_LANES]
    cdef real found[MOST_LANES]     # of all taps, first: one addition waits for the windows before
    cdef const real* seen
    cdef real value, tap
    cdef Py_ssize_t s
    cdef Py_ssize_t j = 0
    cdef int k
    for k in range(lanes):
        kept[k] = sums[k]
    while j < n:
        seen = phases + offsets[0] + j
        for k in range(lanes):
            best[k] = seen[k]
            at[k] = starts[j + k]
        if not careful:
            for k in range(lanes):
                found[k] = seen[k]
        for s in range(1, taps):
            seen = phases + offsets[s] + j
            tap = <real>s
            for k in range(lanes):
                value = seen[k]
                next_at[k] = choose(careful, value, best[k], tap, at[k])
                next_best[k] = choose(careful, value, best[k], value, best[k])
            if not careful:
                for k in range(lanes):
                    found[k] += seen[k]
            for k in range(lanes):
                at[k] = next_at[k]
                best[k] = next_best[k]
        if not careful:
            for k in range(lanes):
                kept[k] += found[k]
        for k in range(lanes):
            values[j + k] = best[k]
        for k in range(lanes):
            places[j + k] = at[k]
        j = j + lanes
    for k in range(lanes):      # beyond the windows nothing has a maximum
        places[n + k] = -1
    for k in range(lanes):
        sums[k] = kept[k]


cdef inline void rank_stretch(
    const bint careful, const Pool* pool, const real* phases, const real* starts, Py_ssize_t n,
    real* values, real* places, real* sums,
) noexcept nogil:
    """Do so for the usual numbers of taps, and all others."""
    cdef Py_ssize_t taps = pool.columns.kernel
    if taps == 3:
        rank_taps(careful, phases, pool.offsets, 3, starts, n, values, places, sums)
    elif taps == 2:
        rank_taps(careful, phases, pool.offsets, 2, starts, n, values, places, sums)
    else:
        rank_taps(careful, phases, pool.offsets, taps, starts, n, values, places, sums)


cdef inline bint rank_row(
    const bint careful, const Pool* pool, const real* phases, const real* starts, real* values,
    real* places, real* sums, Watch* watch,
) noexcept nogil:
    """Do so for a row; return whether it was still wanted."""
    cdef Py_ssize_t n
    cdef Py_ssize_t j = 0
    while j < pool.columns.outputs:
        n = min(pool.stretch, pool.columns.outputs - j)
        if not goes_on(watch, pool.columns.kernel * n):
            return False
        rank_stretch(
            careful, pool, phases + j, starts + j, n, values + j, places + j, sums
        )
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
    const MaxPoolGrad* layout, const real* places, const real* gathered, real* dx, real* scratch,
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


cdef bint share_of_rows(
    const MaxPoolGrad* layout, const bint careful, Py_ssize_t window, Py_ssize_t end_window,
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


cdef inline bint rank_seen(
    const bint careful, const MaxPoolGrad* layout, const real* image, Py_ssize_t seen,
    Py_ssize_t last_seen, real* scratch, bint* holds_none, Watch* watch,
) noexcept nogil:
    """Rank the rows of the image that a band's windows see; return whether still wanted.

    Say as well whether there was surely no NaN, where it is not looked for. Infinities of both
    signs may look like one.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef const Pool* pool = &layout.pool
    cdef real* phases = scratch + layout.phases
    cdef const real* starts = scratch + layout.starts
    cdef real* values = scratch + layout.values + pool.reach
    cdef real* places = scratch + layout.places + pool.reach
    cdef real sums[MOST_LANES]
    cdef real total = 0
    cdef Py_ssize_t h
    cdef int k
    for k in range(lanes):
        sums[k] = 0
    for h in range(seen, last_seen):
        if not goes_on(watch, pool.columns.size):
            return False
        deal_row(pool, image + h * pool.columns.size, phases)
        if not rank_row(careful, pool, phases, starts, values, places, sums, watch):
            return False
        values, places = values + pool.line, places + pool.line
    if not careful:
        for k in range(lanes):
            total += sums[k]
        holds_none[0] = total == total
    return True


cdef bint grad_of_band(
    const MaxPoolGrad* layout, const real* image, const real* grad, Py_ssize_t row,
    Py_ssize_t last_row, real* dx, real* scratch, Watch* watch,
) noexcept nogil:
    """Fill in some rows of a plane of dx; return whether they were still wanted."""
    cdef const Pool* pool = &layout.pool
    cdef const Axis* down = &pool.rows
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t line = pool.line
    # where rows of windows begin, with what taps reach before them
    cdef const real* places = scratch + layout.places + pool.reach
    cdef const real* gathered = scratch + layout.gathered + pool.reach
    cdef Py_ssize_t window = first_window(down, row)
    cdef Py_ssize_t end_window = last_window(down, last_row - 1)
    cdef Py_ssize_t seen, last_seen, h
    cdef bint holds_none
    if window >= end_window:      # behind the last window
        return fill_in_stretches(dx + row * width, <real>0, (last_row - row) * width, watch)
    seen = max(0, window * down.stride - down.before)
    last_seen = min(
        down.size,
        (end_window - 1) * down.stride + (down.kernel - 1) * down.dilation + 1 - down.before,
    )
    if not rank_seen(False, layout, image, seen, last_seen, scratch, &holds_none, watch):
        return False
    if not holds_none and not rank_seen(
        True, layout, image, seen, last_seen, scratch, &holds_none, watch
    ):
        return False
    if not share_of_rows(
        layout, not holds_none, window, end_window, seen, row, last_row, grad, scratch, watch
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


cdef inline void begin_gathering(const MaxPoolGrad* layout, real* scratch) noexcept nogil:
    """Fill in all that is beside the image and the windows, once and for all."""
    cdef const Pool* pool = &layout.pool
    fill_row(scratch + layout.phases, <real>-INFINITY, joined_values(pool))
    fill_row(scratch + layout.places, <real>-1, layout.seen * pool.line)
    first_taps(&pool.columns, pool.line, scratch + layout.starts)


cdef bint grad_of_rows(
    const MaxPoolGrad* layout, const real* image, const real* grad, Py_ssize_t row,
    Py_ssize_t last_row, real* dx, real* scratch, Watch* watch,
) noexcept nogil:
    """Fill in rows of a plane of dx, band by band; return whether they were still wanted."""
    cdef Py_ssize_t last
    while row < last_row:
        last = min(row + layout.band, last_row)
        if not grad_of_band(layout, image, grad, row, last, dx, scratch, watch):
            return False
        row = last
    return True


cdef void max_pool_grad(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const MaxPoolGrad* layout = <const MaxPoolGrad*>made
    cdef const Pool* pool = &layout.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.size)
    cdef Py_ssize_t pixels = pool.rows.size * pool.columns.size
    cdef Py_ssize_t windows = pool.rows.outputs * pool.columns.outputs
    cdef Py_ssize_t plane
    begin_gathering(layout, scratch)
    for plane in range(unit.plane, unit.last_plane):
        if not grad_of_rows(
            layout, <const real*>operands.image + plane * pixels,
            <const real*>operands.gradient + plane * windows, unit.row, unit.last_row,
            <real*>operands.result + plane * pixels, scratch, watch,
        ):
            return


enter("max_pool_grad", lay_out_max_pool_grad, max_pool_grad[float], max_pool_grad[double])
