# The gradient of 3x3 maxima from the image: see pool_threes.pxi.
#
# Work, of a vector of windows at stride 1: 3 loads and 6 instructions to rank a row, 3 to choose
# one, 6 to hand the gradient down, 9 to deal a row's out by its tap; 3 loads, 2 additions and a
# store for a vector of pixels, and 4 instructions to bring it to the scratch.
#
# At stride 2, of a vector of windows: 22 instructions to deal two rows out, 68 to rank them, choose
# and share, of them six for the state, and 22 for two rows of dx; with the beginnings and ends of
# rows 156 for 112 columns, where strips took 163.


cdef struct ThreesGrad:
    Threes threes
    Py_ssize_t shares       # where in the scratch the rows' shares begin, three of a row
    MaxPoolGrad any         # for what is not finite


cdef int lay_out_max_pool_grad_threes(const Description* given, Made* made, list memory) except -1:
    cdef ThreesGrad* layout = <ThreesGrad*>allot(memory, sizeof(ThreesGrad))
    cdef Threes* threes = &layout.threes
    cdef Py_ssize_t values
    lay_out_gathering(given, made, memory, &layout.any)
    values, made.scratch = made.scratch, 0      # in the same scratch, one after the other
    lay_out_threes(
        given, made, memory, threes, given.problem.rows.size, 3 * given.problem.rows.stride
    )
    layout.shares = book(made, 3 * threes.rows * threes.pool.line)
    made.scratch = max(made.scratch, values)
    made.layout = layout
    return 0


cdef inline void share_by_tap(
    const real* full, const real* tap, Py_ssize_t line, real* shares
) noexcept nogil:
    """Store what a row's windows give to the first, second and third pixel they see of it."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real share[MOST_LANES]
    cdef real value     # loaded in any case, or the compiler would load it only where it is chosen
    cdef int k
    for k in range(lanes):
        value = full[k]
        share[k] = value if tap[k] == 0 else 0
    for k in range(lanes):
        shares[k] = share[k]
    for k in range(lanes):
        value = full[k]
        share[k] = value if tap[k] == 1 else 0
    for k in range(lanes):
        shares[line + k] = share[k]
    for k in range(lanes):
        value = full[k]
        share[k] = value if tap[k] == 2 else 0
    for k in range(lanes):
        shares[2 * line + k] = share[k]


cdef inline void share_windows(
    const int stride, const Threes* layout, const real* rows, const real* source, real* first,
    real* first_tap, real* to_first, real* second, real* second_tap, real* to_second, real* shares,
) noexcept nogil:
    """Take a vector of windows one row down: from what those above left to what these leave.

    That is of the first row that windows below see its maxima, their taps and what it has got; at
    stride 1 of the second as well.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real third[MOST_LANES]
    cdef real third_tap[MOST_LANES]
    cdef real grad[MOST_LANES]
    cdef real best[MOST_LANES]
    cdef real upper[MOST_LANES]
    cdef real middle[MOST_LANES]
    cdef real lower[MOST_LANES]
    cdef Py_ssize_t phase = layout.pool.phase
    cdef Py_ssize_t line = layout.pool.line
    cdef int k
    if stride == 2:
        rank_three(stride, 0, rows, phase, second, second_tap)
        rows = rows + layout.step
    rank_three(stride, 0, rows, phase, third, third_tap)
    for k in range(lanes):
        grad[k] = source[k]
    for k in range(lanes):
        best[k] = second[k] if second[k] > first[k] else first[k]
    for k in range(lanes):
        lower[k] = grad[k] if third[k] > best[k] else 0
    for k in range(lanes):
        upper[k] = 0 if third[k] > best[k] else grad[k]
    for k in range(lanes):
        middle[k] = upper[k] if second[k] > first[k] else 0
    for k in range(lanes):
        upper[k] = 0 if second[k] > first[k] else upper[k]
    for k in range(lanes):
        upper[k] = to_first[k] + upper[k]
    share_by_tap(upper, first_tap, line, shares)
    if stride == 2:
        share_by_tap(middle, second_tap, line, shares + 3 * line)
        for k in range(lanes):
            first[k] = third[k]
        for k in range(lanes):
            first_tap[k] = third_tap[k]
        for k in range(lanes):
            to_first[k] = lower[k]
    else:
        for k in range(lanes):
            first[k] = second[k]
        for k in range(lanes):
            first_tap[k] = second_tap[k]
        for k in range(lanes):
            to_first[k] = to_second[k] + middle[k]
        for k in range(lanes):
            second[k] = third[k]
        for k in range(lanes):
            second_tap[k] = third_tap[k]
        for k in range(lanes):
            to_second[k] = lower[k]


cdef inline void share_down_strip(
    const Threes* layout, const StripWalk* walk, Py_ssize_t window, Py_ssize_t end_window,
    const real* rows, const real* grads, Py_ssize_t pitch, const real* nothing, real* state,
    real* shares,
) noexcept nogil:
    """Take a vector of windows at stride 1 down some rows."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real first[MOST_LANES]
    cdef real second[MOST_LANES]
    cdef real first_tap[MOST_LANES]
    cdef real second_tap[MOST_LANES]
    cdef real to_first[MOST_LANES]
    cdef real to_second[MOST_LANES]
    cdef Py_ssize_t i
    cdef const real* source
    cdef int k
    for k in range(lanes):
        first[k] = state[k]
    for k in range(lanes):
        first_tap[k] = state[lanes + k]
    for k in range(lanes):
        to_first[k] = state[2 * lanes + k]
    for k in range(lanes):
        second[k] = state[3 * lanes + k]
    for k in range(lanes):
        second_tap[k] = state[4 * lanes + k]
    for k in range(lanes):
        to_second[k] = state[5 * lanes + k]
    for i in range(window, end_window):
        source = nothing
        if walk.seen <= i < walk.end_seen:
            source = grads + i * pitch
        share_windows(
            1, layout, rows, source, first, first_tap, to_first, second, second_tap, to_second,
            shares,
        )
        rows, shares = rows + layout.step, shares + 3 * layout.pool.line
    for k in range(lanes):
        state[k] = first[k]
    for k in range(lanes):
        state[lanes + k] = first_tap[k]
    for k in range(lanes):
        state[2 * lanes + k] = to_first[k]
    for k in range(lanes):
        state[3 * lanes + k] = second[k]
    for k in range(lanes):
        state[4 * lanes + k] = second_tap[k]
    for k in range(lanes):
        state[5 * lanes + k] = to_second[k]


cdef inline void share_along_row(
    const Threes* layout, const real* rows, const real* source, Py_ssize_t outputs, real* state,
    real* shares,
) noexcept nogil:
    """Take a row of windows at stride 2 one down; the last vector overlaps the one before."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real first[MOST_LANES]
    cdef real second[MOST_LANES]
    cdef real first_tap[MOST_LANES]
    cdef real second_tap[MOST_LANES]
    cdef real to_first[MOST_LANES]
    cdef Py_ssize_t last = max(0, outputs - lanes)
    cdef Py_ssize_t begin = 0
    cdef Py_ssize_t j
    cdef int k
    while begin < outputs:
        j = min(begin, last)
        for k in range(lanes):
            first[k] = state[k]
        for k in range(lanes):
            first_tap[k] = state[lanes + k]
        for k in range(lanes):
            to_first[k] = state[2 * lanes + k]
        share_windows(
            2, layout, rows + j, source + j, first, first_tap, to_first, second, second_tap,
            second, shares + j,
        )
        for k in range(lanes):
            state[k] = first[k]
        for k in range(lanes):
            state[lanes + k] = first_tap[k]
        for k in range(lanes):
            state[2 * lanes + k] = to_first[k]
        begin = begin + lanes
        state = state + 6 * lanes


cdef inline void add_shares(
    const int stride, const int odd, const real* shares, Py_ssize_t line, real* dx
) noexcept nogil:
    """Fill in a vector of pixels, or two that are dealt together; the first has tap `odd`."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef const real* second = shares + line
    cdef const real* third = shares + 2 * line
    cdef real total[MOST_LANES]
    cdef real other[MOST_LANES]
    cdef real mixed[2 * MOST_LANES]
    cdef int k
    if stride == 1:
        for k in range(lanes):
            total[k] = shares[k] + second[k - 1] + third[k - 2]
        for k in range(lanes):
            dx[k] = total[k]
        return
    for k in range(lanes):
        total[k] = shares[k + odd] + third[k + odd - 1]
    for k in range(lanes):
        other[k] = second[k]
    if odd:
        for k in range(lanes):
            mixed[2 * k] = other[k]
            mixed[2 * k + 1] = total[k]
    else:
        for k in range(lanes):
            mixed[2 * k] = total[k]
            mixed[2 * k + 1] = other[k]
    for k in range(2 * lanes):
        dx[k] = mixed[k]


cdef inline void add_row_of_shares(
    const int stride, const int odd, const real* shares, Py_ssize_t line, Py_ssize_t width,
    real* dx, real* spare,
) noexcept nogil:
    """Fill in a row of dx; the last vectors overlap the ones before."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t n = width // stride
    cdef Py_ssize_t j = 0
    if n >= lanes:
        while j + lanes < n:
            add_shares(stride, odd, shares + j, line, dx + stride * j)
            j = j + lanes
        j = n - lanes
        add_shares(stride, odd, shares + j, line, dx + stride * j)
        if stride * n < width:
            add_shares(stride, odd, shares + n, line, spare)
            dx[width - 1] = spare[0]
    else:
        add_shares(stride, odd, shares, line, spare)
        copy_run(dx, spare, width)


cdef inline void add_rows_of_shares(
    const int stride, const int odd, const Threes* layout, const real* shares, Py_ssize_t rows,
    real* dx, real* spare,
) noexcept nogil:
    cdef Py_ssize_t line = layout.pool.line
    cdef Py_ssize_t width = layout.pool.columns.size
    cdef Py_ssize_t h
    shares = shares + layout.pool.columns.before // stride
    for h in range(rows):
        add_row_of_shares(
            stride, odd, shares + 3 * h * line, line, width, dx + h * width, spare
        )


cdef inline void add_all_shares(
    const Threes* layout, const real* shares, Py_ssize_t rows, real* dx, real* spare
) noexcept nogil:
    """Fill in rows of dx from what each got."""
    if layout.pool.columns.stride == 1:
        add_rows_of_shares(1, 0, layout, shares, rows, dx, spare)
    elif layout.pool.columns.before % 2 == 0:
        add_rows_of_shares(2, 0, layout, shares, rows, dx, spare)
    else:
        add_rows_of_shares(2, 1, layout, shares, rows, dx, spare)


cdef inline void begin_sharing(const ThreesGrad* layout, real* scratch) noexcept nogil:
    """Fill in all that is beside the image and the windows, once and for all."""
    cdef const Threes* threes = &layout.threes
    begin_threes(threes, scratch)
    fill_run(scratch + layout.shares, <real>0, 3 * threes.rows * threes.pool.line)


cdef bint grad_of_threes(
    const ThreesGrad* layout, const real* image, const real* grad, Py_ssize_t row,
    Py_ssize_t last_row, real* dx, real* scratch, bint* finite, Watch* watch,
) noexcept nogil:
    """Fill in some rows of a plane of dx, if its image is finite; return whether still wanted."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef const Threes* threes = &layout.threes
    cdef const Pool* pool = &threes.pool
    cdef const Axis* down = &pool.rows
    cdef Py_ssize_t n = pool.columns.outputs
    cdef Py_ssize_t stride = down.stride
    cdef Py_ssize_t pitch = n
    cdef real* rows = scratch + threes.image
    cdef real* few = scratch + threes.grads
    cdef const real* nothing = scratch + threes.nothing
    cdef real* state
    cdef real* shares = scratch + layout.shares + pool.reach
    cdef const real* grads = grad
    cdef StripWalk walk = walk_down(down, row, last_row)
    cdef Py_ssize_t window, end, i, j, at, first, last
    begin_state(threes, scratch + threes.state)
    window = walk.window
    while window < walk.end_window:
        end = min(window + threes.band, walk.end_window)
        first = window * stride + (3 - stride)      # row of the image that is new to `window`
        if not goes_on(watch, 4 * (end - window) * stride * pool.columns.size):
            return False
        last = first + (end - window) * stride
        if stride == 1:
            finite[0] = take_image_rows(1, threes, image, first, last, rows)
        else:
            finite[0] = take_image_rows(2, threes, image, first, last, rows)
        if not finite[0]:
            return True
        if n < lanes:
            for i in range(max(window, walk.seen), min(end, walk.end_seen)):
                copy_run(few + (i - window) * lanes, grad + i * n, n)
            grads, pitch = few - window * lanes, lanes
        if stride == 1:
            j, state = 0, scratch + threes.state
            while j < n:
                if not goes_on(watch, 9 * (end - window) * lanes):
                    return False
                at = max(0, min(j, n - lanes))
                share_down_strip(
                    threes, &walk, window, end, rows + at, grads + at, pitch, nothing, state,
                    shares + at,
                )
                j = j + lanes
                state = state + 6 * lanes
        else:
            for i in range(window, end):
                if not goes_on(watch, 18 * n):
                    return False
                at = (i - window) * stride
                share_along_row(
                    threes, rows + at * threes.step,
                    grads + i * pitch if walk.seen <= i < walk.end_seen else nothing, n,
                    scratch + threes.state, shares + 3 * at * pool.line,
                )
        first = max(row + down.before, window * stride)
        last = min(last_row + down.before, end * stride)
        if first < last:
            add_all_shares(
                threes, shares + 3 * (first - window * stride) * pool.line, last - first,
                dx + (first - down.before) * pool.columns.size, scratch + threes.spare,
            )
        window = end
    return True


cdef void max_pool_grad_threes(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const ThreesGrad* layout = <const ThreesGrad*>made
    cdef const Pool* pool = &layout.threes.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.size)
    cdef const real* image
    cdef const real* grad
    cdef real* dx
    cdef Py_ssize_t plane
    cdef bint finite = True
    begin_sharing(layout, scratch)
    for plane in range(unit.plane, unit.last_plane):
        image = <const real*>operands.image + plane * pool.rows.size * pool.columns.size
        grad = <const real*>operands.gradient + plane * pool.rows.outputs * pool.columns.outputs
        dx = <real*>operands.result + plane * pool.rows.size * pool.columns.size
        if not grad_of_threes(
            layout, image, grad, unit.row, unit.last_row, dx, scratch, &finite, watch
        ):
            return
        if not finite:
            begin_gathering(&layout.any, scratch)
            if not grad_of_rows(
                &layout.any, image, grad, unit.row, unit.last_row, dx, scratch, watch
            ):
                return
            begin_sharing(layout, scratch)


enter(
    "max_pool_grad_threes", lay_out_max_pool_grad_threes, max_pool_grad_threes[float],
    max_pool_grad_threes[double],
)
