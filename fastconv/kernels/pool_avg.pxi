# Averages of windows, and the way of a gradient back to all of a window's pixels.
#
#     y     down the columns first, whose sums lie in one row; then across it; then one division
#     dx    divided first, then across, once a row of windows; then down, once a row of the image
#
# which is the same product with ones turned over, axis by axis. Per output: (R - 1)·stride + S - 1
# additions for either, instead of R·S.


cdef struct AvgPool:
    Pool pool
    Py_ssize_t phases       # where in the scratch these begin: a row of the image by phases,
    Py_ssize_t line         # a row in the image's order,
    Py_ssize_t counts       # the counted taps of each window, along its row,
    Py_ssize_t shares       # two rows of gradients, divided,
    Py_ssize_t spread       # and rows of windows, spread over the columns of the image


cdef int lay_out_avg_pool(const Description* given, Made* made, list memory) except -1:
    cdef AvgPool* layout = <AvgPool*>allot(memory, sizeof(AvgPool))
    cdef Pool* pool = &layout.pool
    lay_out_pool(given, made, memory, pool, given.problem.rows.outputs)
    offsets_in_phases(pool, memory)
    layout.phases = book(made, joined_values(pool))
    layout.line = book(made, max(joined_values(pool), whole_lines(pool.columns.size + LINE_VALUES)))
    layout.counts = book(made, pool.line)
    made.layout = layout
    return 0


cdef int lay_out_avg_pool_grad(const Description* given, Made* made, list memory) except -1:
    cdef AvgPool* layout = <AvgPool*>allot(memory, sizeof(AvgPool))
    cdef Pool* pool = &layout.pool
    lay_out_pool(given, made, memory, pool, given.problem.rows.size)
    layout.phases = book(made, joined_values(pool))
    layout.line = book(made, joined_values(pool))
    layout.counts = book(made, pool.line)
    layout.shares = book(made, 2 * pool.line)
    layout.spread = book(made, pool.windows * joined_values(pool))
    made.layout = layout
    return 0


cdef inline void count_columns(const Pool* pool, real* counts) noexcept nogil:
    cdef Py_ssize_t j
    fill_row(counts, <real>1, pool.line)
    for j in range(pool.columns.outputs):
        counts[j] = <real>counted_taps(
            &pool.columns, j, pool.counted.first_column, pool.counted.end_column
        )


# ── y ─────────────────────────────────────────────────────────────────────────────────────────────


cdef inline void sum_of_columns(
    const int count, real* target, const real* rows, Py_ssize_t step, const Py_ssize_t taps
) noexcept nogil:
    """Do target[n] = the sum of rows[r·step + n], for so many columns at once."""
    cdef real sums[FLOATS]
    cdef const real* row = rows
    cdef Py_ssize_t r
    cdef int n
    for n in range(count):
        sums[n] = row[n]
    for r in range(1, taps):
        row = row + step
        for n in range(count):
            sums[n] += row[n]
    for n in range(count):
        target[n] = sums[n]


cdef inline void sum_of_all_columns(
    real* target, const real* rows, Py_ssize_t step, const Py_ssize_t taps, Py_ssize_t n
) noexcept nogil:
    """Do so for n columns; the last vector overlaps the one before."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t j = 0
    if n >= vector:
        while j + vector < n:
            sum_of_columns(vector, target + j, rows + j, step, taps)
            j = j + vector
        j = n - vector
        sum_of_columns(vector, target + j, rows + j, step, taps)
        return
    if vector >= 4 and n >= vector // 2:
        sum_of_columns(vector // 2, target, rows, step, taps)
        j = vector // 2
    while j < n:
        sum_of_columns(1, target + j, rows + j, step, taps)
        j = j + 1


cdef inline void average_taps(
    real* target, const real* phases, const Py_ssize_t* offsets, const Py_ssize_t taps,
    const real* counts, real rows,
) noexcept nogil:
    """Do target[n] = the sum of phases[offsets[s] + n] / (counts[n]·rows), for a vector."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real sums[FLOATS]
    cdef const real* seen = phases + offsets[0]
    cdef Py_ssize_t s
    cdef int n
    for n in range(vector):
        sums[n] = seen[n]
    for s in range(1, taps):
        seen = phases + offsets[s]
        for n in range(vector):
            sums[n] += seen[n]
    for n in range(vector):
        target[n] = sums[n] / (counts[n] * rows)


cdef inline void average_all_taps(
    real* y, const real* phases, const Py_ssize_t* offsets, const Py_ssize_t taps,
    const real* counts, real rows, Py_ssize_t n, real* spare,
) noexcept nogil:
    """Do so for a row of y."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t j = 0
    if n < vector:
        average_taps(spare, phases, offsets, taps, counts, rows)
        copy_run(y, spare, n)
        return
    while j + vector < n:
        average_taps(y + j, phases + j, offsets, taps, counts + j, rows)
        j = j + vector
    j = n - vector
    average_taps(y + j, phases + j, offsets, taps, counts + j, rows)


cdef void avg_pool(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const AvgPool* layout = <const AvgPool*>made
    cdef const Pool* pool = &layout.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t out_width = pool.columns.outputs
    cdef Py_ssize_t step = pool.rows.dilation * width
    cdef Py_ssize_t across = pool.columns.kernel
    cdef real* phases = scratch + layout.phases
    cdef real* line = scratch + layout.line
    cdef real* counts = scratch + layout.counts
    cdef real* columns = line
    cdef const real* rows
    cdef real* y
    cdef real down
    cdef Py_ssize_t plane, i, j, n, r, taps
    fill_row(phases, <real>0, joined_values(pool))
    count_columns(pool, counts)
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
            down = <real>counted_taps(
                &pool.rows, i, pool.counted.first_row, pool.counted.end_row
            )
            if taps == 2:
                sum_of_all_columns(columns, rows, step, 2, width)
            elif taps == 3:
                sum_of_all_columns(columns, rows, step, 3, width)
            else:
                sum_of_all_columns(columns, rows, step, taps, width)
            if columns == line:
                deal_row(pool, line, phases)
            j = 0
            while j < out_width:
                n = min(pool.stretch, out_width - j)
                if not goes_on(watch, across * n):
                    return
                if across == 2:
                    average_all_taps(
                        y + j, phases + j, pool.offsets, 2, counts + j, down, n, line
                    )
                elif across == 3:
                    average_all_taps(
                        y + j, phases + j, pool.offsets, 3, counts + j, down, n, line
                    )
                else:
                    average_all_taps(
                        y + j, phases + j, pool.offsets, across, counts + j, down, n, line
                    )
                j = j + n


# ── dx ────────────────────────────────────────────────────────────────────────────────────────────


cdef inline void add_shifts(
    const int taps, const real* shares, Py_ssize_t n, real* sums
) noexcept nogil:
    """Do sums[j] = the sum of shares[j - s]; for up to a vector more."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real taken[FLOATS]
    cdef Py_ssize_t j = 0
    cdef int s, k
    while j < n:
        for k in range(vector):
            taken[k] = shares[j + k]
        for s in range(1, taps):
            for k in range(vector):
                taken[k] += shares[j + k - s]
        for k in range(vector):
            sums[j + k] = taken[k]
        j = j + vector


cdef inline void add_up_rows(
    const int count, const int rows, const real* first, const real* second, const real* third,
    real* sums,
) noexcept nogil:
    """Do sums[k] = the sum of so many rows, two or three, for so many values at once."""
    cdef real taken[FLOATS]
    cdef int k
    for k in range(count):
        taken[k] = first[k] + second[k]
    if rows == 3:
        for k in range(count):
            taken[k] += third[k]
    for k in range(count):
        sums[k] = taken[k]


cdef inline void add_up_whole_rows(
    const int rows, const real* first, const real* second, const real* third, Py_ssize_t n,
    real* sums,
) noexcept nogil:
    """Do so for n values; the last vector overlaps the one before."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t j = 0
    if n < vector:
        while j < n:
            add_up_rows(1, rows, first + j, second + j, third + j, sums + j)
            j = j + 1
        return
    while j + vector < n:
        add_up_rows(vector, rows, first + j, second + j, third + j, sums + j)
        j = j + vector
    j = n - vector
    add_up_rows(vector, rows, first + j, second + j, third + j, sums + j)


cdef inline void divide_values(
    const int count, const real* grad, const real* counts, real rows, real* shares
) noexcept nogil:
    cdef real taken[FLOATS]
    cdef int k
    for k in range(count):
        taken[k] = grad[k] / (counts[k] * rows)
    for k in range(count):
        shares[k] = taken[k]


cdef inline void divide_row(
    const real* grad, const real* counts, real rows, Py_ssize_t n, real* shares
) noexcept nogil:
    """Divide a row of n values of the gradient; the last vector overlaps the one before."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t j = 0
    if n < vector:
        while j < n:
            divide_values(1, grad + j, counts + j, rows, shares + j)
            j = j + 1
        return
    while j + vector < n:
        divide_values(vector, grad + j, counts + j, rows, shares + j)
        j = j + vector
    j = n - vector
    divide_values(vector, grad + j, counts + j, rows, shares + j)


cdef inline void divide_window(
    const AvgPool* layout, Py_ssize_t i, const real* grad, real* scratch
) noexcept nogil:
    """Divide row i of the gradient."""
    cdef const Pool* pool = &layout.pool
    cdef real rows = <real>counted_taps(
        &pool.rows, i, pool.counted.first_row, pool.counted.end_row
    )
    divide_row(
        grad, scratch + layout.counts, rows, pool.columns.outputs,
        scratch + layout.shares + i % 2 * pool.line + pool.reach,
    )


cdef inline bint spread_window(
    const AvgPool* layout, Py_ssize_t i, Py_ssize_t n, real* scratch, Watch* watch
) noexcept nogil:
    """Spread row i of the gradient, divided, over the columns of the image.

    Return whether it was still wanted.
    """
    cdef const Pool* pool = &layout.pool
    cdef const Axis* across = &pool.columns
    cdef const real* shares = scratch + layout.shares + i % 2 * pool.line + pool.reach
    cdef real* phases = scratch + layout.phases
    cdef real* spread = scratch + layout.spread + i % pool.windows * joined_values(pool)
    cdef Py_ssize_t s, at
    if across.stride == 1:
        if across.kernel == 3 and across.dilation == 1:
            add_shifts(3, shares, n, spread)
            return goes_on(watch, 3 * n)
        phases = spread
    if across.kernel < across.stride:       # phases that no tap reaches
        fill_row(phases, <real>0, joined_values(pool))
    elif across.dilation > 1:
        fill_row(phases, <real>0, joined_values(pool))
    for s in range(across.kernel):
        at = s * across.dilation
        if not goes_on(watch, n):
            return False
        if s < across.stride and across.dilation == 1:
            add_shifted_row(
                True, shares - at // across.stride, n, phases + at % across.stride * pool.phase
            )
        else:
            add_shifted_row(
                False, shares - at // across.stride, n, phases + at % across.stride * pool.phase
            )
    if across.stride > 1:
        join_phases(phases, pool.phase, across.stride, n, spread)
    return True


cdef void avg_pool_grad(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const AvgPool* layout = <const AvgPool*>made
    cdef const Pool* pool = &layout.pool
    cdef const Axis* down = &pool.rows
    cdef const Axis* across = &pool.columns
    cdef PoolUnit unit = find_planes(pool, number, down.size)
    cdef Py_ssize_t width = across.size
    cdef Py_ssize_t n = (across.before + width - 1) // across.stride + 1
    cdef Py_ssize_t span = joined_values(pool)
    cdef real* line = scratch + layout.line
    cdef real* spread = scratch + layout.spread
    cdef const real* grad
    cdef const real* row
    cdef real* dx
    cdef const real* rows[3]
    cdef Py_ssize_t plane, h, i, found, next_window, last, divided
    fill_row(scratch + layout.shares, <real>0, 2 * pool.line)
    count_columns(pool, scratch + layout.counts)
    for plane in range(unit.plane, unit.last_plane):
        grad = <const real*>operands.gradient + plane * down.outputs * across.outputs
        dx = <real*>operands.result + plane * down.size * width
        divided = next_window = first_window(down, unit.row)
        for h in range(unit.row, unit.last_row):
            last = last_window(down, h)
            while next_window < last:
                # One ahead: what is read by other vectors than it was just written by would wait.
                while divided < min(down.outputs, next_window + 2):
                    divide_window(layout, divided, grad + divided * across.outputs, scratch)
                    divided = divided + 1
                if not spread_window(layout, next_window, n, scratch, watch):
                    return
                next_window = next_window + 1
            if not goes_on(watch, pool.windows * width):
                return
            found = 0
            for i in range(first_window(down, h), last):
                if tap_of(down, i, h) >= 0:
                    row = spread + i % pool.windows * span + across.before
                    if found < 3:
                        rows[found] = row
                    else:       # sums that are stored twice are made beside dx
                        if found == 3:
                            add_up_whole_rows(3, rows[0], rows[1], rows[2], width, line)
                        add_shifted_row(False, row, width, line)
                    found = found + 1
            if found == 0:
                fill_row(dx + h * width, <real>0, width)
            elif found == 1:
                copy_run(dx + h * width, rows[0], width)
            elif found == 2:
                add_up_whole_rows(2, rows[0], rows[1], rows[1], width, dx + h * width)
            elif found == 3:
                add_up_whole_rows(3, rows[0], rows[1], rows[2], width, dx + h * width)
            else:
                copy_run(dx + h * width, line, width)


enter("avg_pool", lay_out_avg_pool, avg_pool[float], avg_pool[double])
enter("avg_pool_grad", lay_out_avg_pool_grad, avg_pool_grad[float], avg_pool_grad[double])
