# Maxima of windows, and the way of a gradient back to them.
#
#     y     down the columns first, whose maxima lie in one row; then across it
#     dx    across the rows first, then down: so the first of equals in row order stays the first
#
#                          across, once a row           down, once a row of windows
#     row 0   3 1 4 1  →   4 at 2, 4 at 1, ...
#     row 1   5 9 2 6  →   9 at 1, 9 at 0, ...    →     9 at (1, 1), 9 at (1, 0), ...
#
# Which tap a maximum is at is a number as wide as the values, so that a comparison's mask selects
# both. A pixel then takes from each window that sees it with tap t its gradient, if its number is
# t. Padding is -inf and never wins, since it is not larger than anything; windows that begin in it
# begin with the number of their first tap inside.
#
# Work, per output and vector of lanes, R by S: y (R - 1)·stride + S - 1 maxima of three
# instructions; dx (S - 1)·stride + R - 1 of five, then R·S gathered values of four. Bytes: x once,
# and for dx three values a pixel and two an output. 2x2 from the third-level cache is bound by
# these bytes, 3x3 at stride 1 by instructions: 3 cycles a pixel for dx with AVX2.

# With more taps than these, each window brings its gradient to its pixel instead.
cdef enum:
    MOST_GATHERED_TAPS = 16


cdef struct MaxPool:
    Pool pool
    Py_ssize_t phases       # where in the scratch these begin: a row of the image by phases,
    Py_ssize_t line         # a row in the image's order,
    Py_ssize_t starts       # the first tap of each window that is inside,
    Py_ssize_t ranked       # of some rows of the image: maxima along them, and at which taps,
    Py_ssize_t ranks        # how many rows that is,
    Py_ssize_t which        # of some rows of windows: at which tap the maximum is,
    Py_ssize_t grads        # and the gradients
    Py_ssize_t gathered     # by phases, a row of dx


cdef int lay_out_max_pool(const Description* given, Made* made, list memory) except -1:
    cdef MaxPool* layout = <MaxPool*>allot(memory, sizeof(MaxPool))
    cdef Pool* pool = &layout.pool
    lay_out_pool(given, made, memory, pool, given.problem.rows.outputs)
    offsets_in_phases(pool, memory)
    layout.phases = book(made, joined_values(pool))
    layout.line = book(made, max(joined_values(pool), whole_lines(pool.columns.size + LINE_VALUES)))
    made.layout = layout
    return 0


cdef int lay_out_max_pool_grad(const Description* given, Made* made, list memory) except -1:
    cdef MaxPool* layout = <MaxPool*>allot(memory, sizeof(MaxPool))
    cdef Pool* pool = &layout.pool
    lay_out_pool(given, made, memory, pool, given.problem.rows.size)
    offsets_in_phases(pool, memory)
    layout.phases = book(made, joined_values(pool))
    layout.line = book(made, joined_values(pool))
    layout.starts = book(made, pool.line)
    layout.ranks = min(pool.rows.size, (pool.rows.kernel - 1) * pool.rows.dilation + 1)
    layout.ranked = book(made, 2 * layout.ranks * pool.line)
    layout.which = book(made, pool.windows * pool.line)
    layout.grads = book(made, pool.windows * pool.line)
    layout.gathered = book(made, joined_values(pool))
    made.layout = layout
    return 0


# ── y ─────────────────────────────────────────────────────────────────────────────────────────────


cdef inline void largest_in_columns(
    const int count, real* target, const real* rows, Py_ssize_t step, const Py_ssize_t taps
) noexcept nogil:
    """Do target[n] = the largest of rows[r·step + n], for so many columns at once."""
    cdef real best[FLOATS]
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
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t j = 0
    if n >= vector:
        while j + vector < n:
            largest_in_columns(vector, target + j, rows + j, step, taps)
            j = j + vector
        j = n - vector
        largest_in_columns(vector, target + j, rows + j, step, taps)
        return
    if vector >= 4 and n >= vector // 2:
        largest_in_columns(vector // 2, target, rows, step, taps)
        j = vector // 2
    while j < n:
        largest_in_columns(1, target + j, rows + j, step, taps)
        j = j + 1


cdef inline void largest_of_taps(
    real* target, const real* phases, const Py_ssize_t* offsets, const Py_ssize_t taps
) noexcept nogil:
    """Do target[n] = the largest of phases[offsets[s] + n], for a vector."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real best[FLOATS]
    cdef const real* seen = phases + offsets[0]
    cdef Py_ssize_t s
    cdef int n
    for n in range(vector):
        best[n] = seen[n]
    for s in range(1, taps):
        seen = phases + offsets[s]
        for n in range(vector):
            best[n] = larger(seen[n], best[n])
    for n in range(vector):
        target[n] = best[n]


cdef inline void largest_of_all_taps(
    real* y, const real* phases, const Py_ssize_t* offsets, const Py_ssize_t taps, Py_ssize_t n,
    real* spare,
) noexcept nogil:
    """Do so for a row of y."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t j = 0
    if n < vector:
        largest_of_taps(spare, phases, offsets, taps)
        copy_run(y, spare, n)
        return
    while j + vector < n:
        largest_of_taps(y + j, phases + j, offsets, taps)
        j = j + vector
    j = n - vector
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
    cdef Py_ssize_t plane, i, r, taps
    fill_row(phases, <real>-INFINITY, joined_values(pool))
    if pool.columns.stride == 1:
        columns = phases + pool.columns.before
    for plane in range(unit.plane, unit.last_plane):
        for i in range(unit.row, unit.last_row):
            r = first_tap(&pool.rows, i)
            taps = last_tap(&pool.rows, i, pool.rows.size) - r
            if not goes_on(watch, taps * width + across * out_width):
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
            if across == 2:
                largest_of_all_taps(y, phases, pool.offsets, 2, out_width, line)
            elif across == 3:
                largest_of_all_taps(y, phases, pool.offsets, 3, out_width, line)
            else:
                largest_of_all_taps(y, phases, pool.offsets, across, out_width, line)


# ── dx ────────────────────────────────────────────────────────────────────────────────────────────


cdef inline void rank_taps(
    const real* phases, const Py_ssize_t* offsets, const Py_ssize_t taps, const real* starts,
    Py_ssize_t n, real* values, real* which,
) noexcept nogil:
    """Find the largest of the taps of a row, and which it is, for n outputs and up to a vector."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real best[FLOATS]
    cdef real at[FLOATS]
    cdef const real* seen
    cdef real value, tap
    cdef bint wins
    cdef Py_ssize_t s
    cdef Py_ssize_t j = 0
    cdef int k
    while j < n:
        seen = phases + offsets[0] + j
        for k in range(vector):
            best[k] = seen[k]
            at[k] = starts[j + k]
        for s in range(1, taps):
            seen = phases + offsets[s] + j
            tap = <real>s
            for k in range(vector):
                value = seen[k]
                wins = (value > best[k]) | (value != value)
                at[k] = tap if wins else at[k]
                best[k] = value if wins else best[k]
        for k in range(vector):
            values[j + k] = best[k]
            which[j + k] = at[k]
        j = j + vector


cdef inline void rank_row(
    const MaxPool* layout, const real* row, Py_ssize_t h, real* scratch
) noexcept nogil:
    """Fill in the maxima along row h of the image."""
    cdef const Pool* pool = &layout.pool
    cdef real* phases = scratch + layout.phases
    cdef real* starts = scratch + layout.starts
    cdef real* values = scratch + layout.ranked + h % layout.ranks * 2 * pool.line
    cdef real* which = values + pool.line
    cdef Py_ssize_t taps = pool.columns.kernel
    cdef Py_ssize_t n = pool.columns.outputs
    deal_row(pool, row, phases)
    if taps == 2:
        rank_taps(phases, pool.offsets, 2, starts, n, values, which)
    elif taps == 3:
        rank_taps(phases, pool.offsets, 3, starts, n, values, which)
    else:
        rank_taps(phases, pool.offsets, taps, starts, n, values, which)


cdef inline void rank_window(
    const MaxPool* layout, Py_ssize_t i, const real* grad, real* scratch
) noexcept nogil:
    """Fill in where the maxima of row i of the windows are, from those along the image's rows."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef const Pool* pool = &layout.pool
    cdef const Axis* down = &pool.rows
    cdef Py_ssize_t slot = i % pool.windows * pool.line + pool.reach
    cdef real* which = scratch + layout.which + slot
    cdef const real* ranked = scratch + layout.ranked
    cdef Py_ssize_t first = first_tap(down, i)
    cdef Py_ssize_t last = last_tap(down, i, down.size)
    cdef Py_ssize_t begin = (i * down.stride + first * down.dilation - down.before) % layout.ranks
    cdef Py_ssize_t place, r
    cdef Py_ssize_t n = pool.columns.outputs
    cdef Py_ssize_t j = 0
    cdef real best[FLOATS]
    cdef real at[FLOATS]
    cdef const real* values
    cdef const real* taps
    cdef real value, tap
    cdef bint wins
    cdef int k
    while j < n:
        place = begin
        values = ranked + place * 2 * pool.line + j
        taps = values + pool.line
        tap = <real>(first * pool.columns.kernel)
        for k in range(vector):
            best[k] = values[k]
            at[k] = taps[k] + tap
        for r in range(first + 1, last):
            place = place + down.dilation
            while place >= layout.ranks:
                place = place - layout.ranks
            values = ranked + place * 2 * pool.line + j
            taps = values + pool.line
            tap = <real>(r * pool.columns.kernel)
            for k in range(vector):
                value = values[k]
                wins = (value > best[k]) | (value != value)
                at[k] = taps[k] + tap if wins else at[k]
                best[k] = value if wins else best[k]
        for k in range(vector):
            which[j + k] = at[k]
        j = j + vector
    # beyond the windows nothing has a maximum
    fill_row(which + n, <real>-1, j - n)
    copy_run(scratch + layout.grads + slot, grad, n)


cdef inline void gather_taps(
    const bint first, const int stride, const int taps, const real* which, const real* grads,
    real tap, Py_ssize_t n, real* gathered, Py_ssize_t phase,
) noexcept nogil:
    """Add up what pixels get from a row of windows, undilated, with the taps from `tap` on."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real sums[FLOATS]
    cdef Py_ssize_t j = 0
    cdef real share, here
    cdef int p, s, k
    while j < n:
        for p in range(stride):
            for k in range(vector):
                sums[k] = 0 if first else gathered[p * phase + j + k]
            s = p
            while s < taps:
                here = tap + s
                for k in range(vector):
                    share = grads[j - s // stride + k]
                    sums[k] += share if which[j - s // stride + k] == here else 0
                s = s + stride
            for k in range(vector):
                gathered[p * phase + j + k] = sums[k]
        j = j + vector


cdef inline void gather_tap(
    const real* which, const real* grads, real tap, Py_ssize_t n, real* gathered
) noexcept nogil:
    """Add what pixels get with one tap from a row of windows."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real sums[FLOATS]
    cdef Py_ssize_t j = 0
    cdef real share
    cdef int k
    while j < n:
        for k in range(vector):
            share = grads[j + k]
            sums[k] = gathered[j + k] + (share if which[j + k] == tap else 0)
        for k in range(vector):
            gathered[j + k] = sums[k]
        j = j + vector


cdef inline void gather_from(
    const MaxPool* layout, Py_ssize_t i, Py_ssize_t r, bint first, Py_ssize_t n, real* scratch
) noexcept nogil:
    """Add to a row of dx what it gets as row r of the windows i."""
    cdef const Pool* pool = &layout.pool
    cdef const Axis* across = &pool.columns
    cdef Py_ssize_t slot = i % pool.windows * pool.line + pool.reach
    cdef const real* which = scratch + layout.which + slot
    cdef const real* grads = scratch + layout.grads + slot
    cdef real* gathered = scratch + layout.gathered
    cdef real tap = <real>(r * across.kernel)
    cdef Py_ssize_t s, at
    if across.dilation == 1 and across.kernel == 3 and across.stride == 1:
        if first:
            gather_taps(True, 1, 3, which, grads, tap, n, gathered, pool.phase)
        else:
            gather_taps(False, 1, 3, which, grads, tap, n, gathered, pool.phase)
    elif across.dilation == 1 and across.kernel == 3 and across.stride == 2:
        if first:
            gather_taps(True, 2, 3, which, grads, tap, n, gathered, pool.phase)
        else:
            gather_taps(False, 2, 3, which, grads, tap, n, gathered, pool.phase)
    else:
        if first:
            fill_row(gathered, <real>0, joined_values(pool))
        for s in range(across.kernel):
            at = s * across.dilation
            gather_tap(
                which - at // across.stride, grads - at // across.stride, tap + s, n,
                gathered + at % across.stride * pool.phase,
            )


cdef inline void bring_home(
    const MaxPool* layout, Py_ssize_t i, const PoolUnit* unit, real* dx, const real* scratch
) noexcept nogil:
    """Add the gradients of row i of the windows to the pixels that are their maxima."""
    cdef const Pool* pool = &layout.pool
    cdef const Axis* across = &pool.columns
    cdef Py_ssize_t slot = i % pool.windows * pool.line + pool.reach
    cdef const real* which = scratch + layout.which + slot
    cdef const real* grads = scratch + layout.grads + slot
    cdef Py_ssize_t j, tap, r, h
    for j in range(across.outputs):
        tap = <Py_ssize_t>which[j]
        r = <Py_ssize_t>((which[j] + <real>0.5) / across.kernel)
        h = i * pool.rows.stride + r * pool.rows.dilation - pool.rows.before
        if unit.row <= h < unit.last_row:
            dx[
                h * across.size + j * across.stride - across.before
                + (tap - r * across.kernel) * across.dilation
            ] += grads[j]


cdef void max_pool_grad(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const MaxPool* layout = <const MaxPool*>made
    cdef const Pool* pool = &layout.pool
    cdef const Axis* down = &pool.rows
    cdef const Axis* across = &pool.columns
    cdef PoolUnit unit = find_planes(pool, number, down.size)
    cdef Py_ssize_t width = across.size
    cdef Py_ssize_t n = (across.before + width - 1) // across.stride + 1
    cdef Py_ssize_t work = across.kernel * across.outputs
    cdef bint gathers = down.kernel * across.kernel <= MOST_GATHERED_TAPS
    cdef real* gathered = scratch + layout.gathered
    cdef real* line = scratch + layout.line
    cdef real* starts = scratch + layout.starts
    cdef const real* image
    cdef const real* grad
    cdef real* dx
    cdef Py_ssize_t plane, h, i, j, r, next_row, next_window, last
    cdef bint first
    # all that is beside the image and the windows, once and for all
    fill_row(scratch + layout.phases, <real>-INFINITY, joined_values(pool))
    fill_row(scratch + layout.which, <real>-1, pool.windows * pool.line)
    fill_row(scratch + layout.grads, <real>0, pool.windows * pool.line)
    fill_row(starts, <real>0, pool.line)
    for j in range(min(across.outputs, ceil_div(across.before, across.stride))):
        starts[j] = <real>first_tap(across, j)

    for plane in range(unit.plane, unit.last_plane):
        image = <const real*>operands.image + plane * down.size * width
        grad = <const real*>operands.gradient + plane * down.outputs * across.outputs
        dx = <real*>operands.result + plane * down.size * width
        next_window = first_window(down, unit.row)
        next_row = 0
        if not gathers:
            fill_row(dx + unit.row * width, <real>0, (unit.last_row - unit.row) * width)
        for h in range(unit.row, unit.last_row):
            last = last_window(down, h)
            while next_window < last:
                next_row = max(next_row, next_window * down.stride - down.before)
                r = last_tap(down, next_window, down.size) - 1
                j = next_window * down.stride + r * down.dilation - down.before
                while next_row <= j:
                    if not goes_on(watch, work):
                        return
                    rank_row(layout, image + next_row * width, next_row, scratch)
                    next_row = next_row + 1
                if not goes_on(watch, down.kernel * across.outputs):
                    return
                rank_window(layout, next_window, grad + next_window * across.outputs, scratch)
                if not gathers:
                    bring_home(layout, next_window, &unit, dx, scratch)
                next_window = next_window + 1
            if not gathers:
                continue
            if not goes_on(watch, pool.windows * work):
                return
            first = True
            for i in range(first_window(down, h), last):
                r = tap_of(down, i, h)
                if r >= 0:
                    gather_from(layout, i, r, first, n, scratch)
                    first = False
            if first:       # between windows, or after the last one
                fill_row(dx + h * width, <real>0, width)
            elif across.stride == 1:
                copy_run(dx + h * width, gathered + across.before, width)
            else:
                join_phases(gathered, pool.phase, across.stride, n, line)
                copy_run(dx + h * width, line + across.before, width)


enter("max_pool", lay_out_max_pool, max_pool[float], max_pool[double])
enter("max_pool_grad", lay_out_max_pool_grad, max_pool_grad[float], max_pool_grad[double])
