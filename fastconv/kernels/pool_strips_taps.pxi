# The gradient of 3x3 maxima by their taps, in strips: see pool_strips.pxi.
#
# A window's gradient is added at its tap to one of nine sums, three for each row that it sees; down
# by a row, or by two, what is left of them are those of the rows that further windows see.
# Pixels then add up the three of a row, in the order of pool_max_taps_grad.pxi: down, then across.
# A tap in the padding gives to nobody: there is nothing beyond the first or last lane at an edge.
#
# Instructions, of a vector of 16 windows with AVX-512: 9 comparisons and as many selections or
# additions, which are one instruction; 6 at stride 1, and 12 at stride 2, to move, add up and join.


cdef struct StripsByTaps:
    Strips strips
    Py_ssize_t numbers      # where in the scratch the taps of a band's windows begin


cdef int lay_out_max_pool_taps_grad_strips(
    const Description* given, Made* made, list memory
) except -1:
    cdef StripsByTaps* layout = <StripsByTaps*>allot(memory, sizeof(StripsByTaps))
    cdef const Axis* down = &layout.strips.pool.rows
    lay_out_strips(given, made, memory, &layout.strips)
    layout.numbers = book(
        made,
        ((layout.strips.band - 1) // down.stride + 3) * layout.strips.pool.columns.outputs,
    )
    made.layout = layout
    return 0


cdef inline void add_at_tap(
    const bint first, const int tap, const real* numbers, const real* grads, real* sums
) noexcept nogil:
    """Add the gradients of the windows that have this tap, or begin with them."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real share
    cdef int k
    if first:
        for k in range(lanes):
            share = grads[k]
            sums[k] = share if numbers[k] == tap else 0
        return
    for k in range(lanes):
        share = sums[k] + grads[k]
        sums[k] = share if numbers[k] == tap else sums[k]


cdef inline void add_row_at_taps(
    const bint first, const int row, const real* numbers, const real* grads, real* left,
    real* own, real* right,
) noexcept nogil:
    """Do so for the taps of a row of the windows."""
    add_at_tap(first, 3 * row, numbers, grads, left)
    add_at_tap(first, 3 * row + 1, numbers, grads, own)
    add_at_tap(first, 3 * row + 2, numbers, grads, right)


cdef inline void same_strip_by_taps(
    const bint first, const Strips* strips, const real* numbers, const real* grad, Py_ssize_t row,
    Py_ssize_t last_row, real* dx, real* scratch,
) noexcept nogil:
    """Go down some rows at stride 1; `numbers` and `grad` begin with window row `row` - 1."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t width = strips.pool.columns.size
    cdef Py_ssize_t height = strips.pool.rows.size
    cdef const real* nothing = scratch + strips.nothing
    cdef real* spare = scratch + strips.spare
    # what two rows got from windows so far, those ahead of a pixel, its own and those behind it
    cdef real left[MOST_LANES]
    cdef real own[MOST_LANES]
    cdef real right[MOST_LANES]
    cdef real next_left[MOST_LANES]
    cdef real next_own[MOST_LANES]
    cdef real next_right[MOST_LANES]
    cdef real last_left[MOST_LANES]
    cdef real last_own[MOST_LANES]
    cdef real last_right[MOST_LANES]
    cdef real taps[MOST_LANES]
    cdef real grads[MOST_LANES]
    cdef real total[MOST_LANES]
    cdef Py_ssize_t i
    cdef const real* source
    cdef real* target
    cdef int k
    fill_lanes(<real>0, left)
    fill_lanes(<real>0, own)
    fill_lanes(<real>0, right)
    fill_lanes(<real>0, next_left)
    fill_lanes(<real>0, next_own)
    fill_lanes(<real>0, next_right)
    for i in range(row - 1, last_row + 1):      # of windows; the upper row that they see is i - 1
        source = nothing
        if 0 <= i < height:
            source = grad
            copy_lanes(numbers, taps)
        else:
            fill_lanes(<real>-1, taps)
        copy_lanes(source, grads)
        target = dx + (i - 1) * width if i > row else spare
        add_row_at_taps(False, 0, taps, grads, left, own, right)
        add_row_at_taps(False, 1, taps, grads, next_left, next_own, next_right)
        add_row_at_taps(True, 2, taps, grads, last_left, last_own, last_right)
        one_ahead(True, left, <real>0, left)
        one_behind(True, right, <real>0, right)
        for k in range(lanes):
            total[k] = left[k] + own[k] + right[k]
        store_strip(2, first, total, target)
        copy_lanes(next_left, left)
        copy_lanes(next_own, own)
        copy_lanes(next_right, right)
        copy_lanes(last_left, next_left)
        copy_lanes(last_own, next_own)
        copy_lanes(last_right, next_right)
        numbers, grad = numbers + width, grad + width


cdef inline void join_shares(real* left, const real* own, real* right, real* dx) noexcept nogil:
    """Fill in two vectors of a row whose windows are two pixels apart."""
    one_ahead(True, left, <real>0, left)
    add_lanes(left, right)
    join_pixels(0, True, own, right, dx)


cdef void halved_strip_by_taps(
    const Strips* strips, const real* numbers, const real* grad, Py_ssize_t row,
    Py_ssize_t last_row, real* dx, real* scratch,
) noexcept nogil:
    """Do so at stride 2, where they begin with the first row of windows that sees row `row`."""
    cdef Py_ssize_t width = strips.pool.columns.size
    cdef Py_ssize_t out_width = strips.pool.columns.outputs
    cdef const real* nothing = scratch + strips.nothing
    cdef real* spare = scratch + strips.spare
    cdef real left[MOST_LANES]
    cdef real own[MOST_LANES]
    cdef real right[MOST_LANES]
    cdef real next_left[MOST_LANES]
    cdef real next_own[MOST_LANES]
    cdef real next_right[MOST_LANES]
    cdef real taps[MOST_LANES]
    cdef real grads[MOST_LANES]
    cdef Py_ssize_t i
    cdef const real* source
    fill_lanes(<real>0, left)
    fill_lanes(<real>0, own)
    fill_lanes(<real>0, right)
    for i in range(row // 2, last_row // 2 + 1):
        source = nothing
        if i < strips.pool.rows.outputs:
            source = grad
            copy_lanes(numbers, taps)
        else:
            fill_lanes(<real>-1, taps)
        copy_lanes(source, grads)
        add_row_at_taps(False, 0, taps, grads, left, own, right)
        join_shares(left, own, right, dx + (2 * i - 1) * width if 2 * i > row else spare)
        add_row_at_taps(True, 1, taps, grads, next_left, next_own, next_right)
        join_shares(
            next_left, next_own, next_right,
            dx + 2 * i * width if row <= 2 * i < last_row else spare,
        )
        add_row_at_taps(True, 2, taps, grads, left, own, right)
        numbers, grad = numbers + out_width, grad + out_width


cdef void same_strips_by_taps(
    const Strips* strips, Py_ssize_t at, const real* numbers, const real* grad, Py_ssize_t row,
    Py_ssize_t last_row, real* dx, real* scratch,
) noexcept nogil:
    """Go down the strip that begins at a window."""
    if at == 0:
        same_strip_by_taps(True, strips, numbers, grad, row, last_row, dx, scratch)
    else:
        same_strip_by_taps(
            False, strips, numbers + at, grad + at, row, last_row, dx + at, scratch
        )


cdef inline bint grad_of_band_by_taps(
    const StripsByTaps* layout, const int stride, const Operands* operands, Py_ssize_t plane,
    Py_ssize_t row, Py_ssize_t last_row, real* scratch, Watch* watch,
) noexcept nogil:
    """Fill in some rows of a plane of dx; return whether they were still wanted."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef const Strips* strips = &layout.strips
    cdef const Pool* pool = &strips.pool
    cdef Py_ssize_t n = pool.columns.outputs
    # The lanes that are right, but for those at an edge; at stride 1 one less, since two are kept:
    # of a choice for one lane alone the compiler makes five stores and a load of all, which waits.
    cdef Py_ssize_t step = lanes - 3 if stride == 1 else lanes - 1
    # Rows of windows that see these; `first` may be before all.
    cdef Py_ssize_t first = row - 1 if stride == 1 else row // 2
    cdef Py_ssize_t begin = max(0, first)
    cdef Py_ssize_t end = min(pool.rows.outputs, last_row + 1 if stride == 1 else last_row // 2 + 1)
    cdef Py_ssize_t windows = (plane * pool.rows.outputs + begin) * n
    cdef real* numbers = scratch + layout.numbers
    cdef const real* grad = <const real*>operands.gradient + windows - (begin - first) * n
    cdef real* dx = <real*>operands.result + plane * pool.rows.size * pool.columns.size
    cdef Py_ssize_t at = 0
    if not goes_on(watch, 2 * (end - begin) * n):
        return False
    widen_taps(pool, operands.taps, windows, (end - begin) * n, numbers)
    numbers = numbers - (begin - first) * n
    while True:
        at = min(at, n - lanes)
        if not goes_on(watch, 9 * (last_row - row + 2) * lanes):
            return False
        if stride == 1:
            same_strips_by_taps(strips, at, numbers, grad, row, last_row, dx, scratch)
        else:
            halved_strip_by_taps(
                strips, numbers + at, grad + at, row, last_row, dx + 2 * at, scratch
            )
        if at == n - lanes:
            return True
        at = at + step


cdef inline void grad_of_planes_by_taps(
    const StripsByTaps* layout, const int stride, const Operands* operands, real* scratch,
    Py_ssize_t number, Watch* watch,
) noexcept nogil:
    cdef const Pool* pool = &layout.strips.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.size)
    cdef Py_ssize_t plane, row, last
    begin_strips(&layout.strips, scratch)
    for plane in range(unit.plane, unit.last_plane):
        row = unit.row
        while row < unit.last_row:
            last = min(row + layout.strips.band, unit.last_row)
            if not grad_of_band_by_taps(
                layout, stride, operands, plane, row, last, scratch, watch
            ):
                return
            row = last


cdef void max_pool_taps_grad_same(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    grad_of_planes_by_taps[real](
        <const StripsByTaps*>made, 1, operands, scratch, number, watch
    )


cdef void max_pool_taps_grad_halved(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    grad_of_planes_by_taps[real](
        <const StripsByTaps*>made, 2, operands, scratch, number, watch
    )


enter(
    "max_pool_taps_grad_same", lay_out_max_pool_taps_grad_strips, max_pool_taps_grad_same[float],
    max_pool_taps_grad_same[double],
)
enter(
    "max_pool_taps_grad_halved", lay_out_max_pool_taps_grad_strips,
    max_pool_taps_grad_halved[float], max_pool_taps_grad_halved[double],
)
