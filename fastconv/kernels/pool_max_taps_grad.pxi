# The way of a gradient back to maxima whose taps are known: a pixel adds up the gradients of those
# windows that have their maximum just where they see it.
#
#     row h       = q·stride + c - top       is seen by the tap rows r = c, c + stride, ..., of the
#     of dx                                  rows of windows i = q, q - 1, ...
#     dx[h, w]    = Σ over s, Σ over i of g[i, j] where tap[i, j] is r·S + s        so with w, j, s
#
# Taps and gradients of a band of windows are copied to the scratch first, between rows and columns
# of windows that are not there, whose tap is none. So no pixel is at an edge:
#
#     -1 -1 -1 -1 -1 -1        3x3 windows, stride 1: the pixel at x adds up nine products of a
#     -1  4  4  7 -1 -1        selection, each row of taps a vector of neighbours of those above
#     -1  1  x  0 -1 -1
#     -1  4  8  3 -1 -1
#     -1 -1 -1 -1 -1 -1
#
# The order in which a pixel adds is that of pool_max_grad.pxi. No store depends on a number of the
# array of taps: one that no pixel of the image has, since it is in the padding or in no window at
# all, gives its gradient to nobody.
#
# Bytes, with float32: 5 an output and 4 a pixel. Instructions, of a vector of outputs: R·S
# comparisons, selections and additions, each of the first two with a load; and some 20 to copy.
# 3x3 at stride 1: 18 loads for 8 pixels, 9 cycles with AVX2.


# Columns of no window that are always written, since these are less than a vector.
cdef enum:
    MARGIN = 4


cdef struct TapGrad:
    Pool pool
    Py_ssize_t band         # rows of dx that are done together
    Py_ssize_t rows         # of how many rows of windows
    Py_ssize_t margin       # before a row of windows, what taps reach
    Py_ssize_t line         # from one row of windows to the next
    Py_ssize_t step         # from one row of windows to the next that sees the same row of dx,
    Py_ssize_t fewer        # whose row of taps there is so many less
    Py_ssize_t numbers      # where in the scratch these begin: the taps of a band's windows,
    Py_ssize_t grads        # their gradients,
    Py_ssize_t shares       # by phases, a row of dx,
    Py_ssize_t ordered      # and in order


cdef inline Py_ssize_t common_divisor(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    while b != 0:
        a, b = b, a % b
    return a


cdef int lay_out_max_pool_taps_grad(const Description* given, Made* made, list memory) except -1:
    cdef TapGrad* layout = <TapGrad*>allot(memory, sizeof(TapGrad))
    cdef Pool* pool = &layout.pool
    cdef const Axis* down = &pool.rows
    cdef const Axis* across = &pool.columns
    cdef Py_ssize_t divisor, windows
    lay_out_pool(given, made, memory, pool, given.problem.rows.size)
    divisor = common_divisor(down.stride, down.dilation)
    layout.step = down.dilation // divisor
    layout.fewer = down.stride // divisor
    layout.margin = (across.kernel - 1) * across.dilation // across.stride
    # Where one row ends, the margin of the next begins; each begins at a cache line, and so fewer
    # of its vectors lie in two of them.
    layout.line = whole_lines(pool.run)
    windows = max(min(pool.windows, down.outputs), BAND_VALUES // layout.line)
    layout.band = min(pool.unit_rows, windows * down.stride)
    layout.rows = (layout.band - 1) // down.stride + 1 + pool.windows
    # with the margin of the first row, and what the last one writes and reads beyond it
    windows = pool.reach + layout.rows * layout.line + 2 * VECTOR_BYTES
    layout.numbers = book(made, windows)
    layout.grads = book(made, windows)
    layout.shares = book(made, joined_values(pool))
    layout.ordered = book(made, joined_values(pool))
    made.layout = layout
    return 0


cdef inline void add_tap(
    const bint first, const Py_ssize_t windows, const real* numbers, const real* grads,
    Py_ssize_t step, real tap, real fewer, real* totals,
) noexcept nogil:
    """Add what a vector of pixels gets with taps of one column of the window.

    `tap` is that of the first of the windows above each other, and of each further one, `step`
    values on, `fewer` less.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real sums[MOST_LANES]
    cdef real share
    cdef Py_ssize_t m
    cdef int k
    for k in range(lanes):
        share = grads[k]
        sums[k] = share if numbers[k] == tap else 0
    for m in range(1, windows):
        numbers, grads, tap = numbers + step, grads + step, tap - fewer
        for k in range(lanes):
            share = grads[k]
            sums[k] += share if numbers[k] == tap else 0
    for k in range(lanes):
        totals[k] = sums[k] if first else totals[k] + sums[k]


cdef inline void add_phase(
    const int stride, const int first, const int taps, const Py_ssize_t windows,
    const real* numbers, const real* grads, Py_ssize_t step, real tap, real fewer, real* pixels,
) noexcept nogil:
    """Add up what a vector of pixels gets that are seen by every stride-th tap from the first."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real totals[MOST_LANES]
    cdef int s = first + stride
    cdef int k
    add_tap(
        True, windows, numbers - first // stride, grads - first // stride, step, tap + first,
        fewer, totals,
    )
    while s < taps:
        add_tap(
            False, windows, numbers - s // stride, grads - s // stride, step, tap + s, fewer,
            totals,
        )
        s = s + stride
    for k in range(lanes):
        pixels[k] = totals[k]


cdef inline void add_block(
    const int stride, const int odd, const int taps, const Py_ssize_t windows,
    const real* numbers, const real* grads, Py_ssize_t step, real tap, real fewer, real* dx,
) noexcept nogil:
    """Fill in a vector of pixels, or two that are dealt together; the first has tap `odd`."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real even_pixels[MOST_LANES]
    cdef real odd_pixels[MOST_LANES]
    cdef real mixed[2 * MOST_LANES]
    cdef int k
    if stride == 1:
        add_phase(1, 0, taps, windows, numbers, grads, step, tap, fewer, dx)
        return
    add_phase(2, odd, taps, windows, numbers, grads, step, tap, fewer, even_pixels)
    add_phase(
        2, 1 - odd, taps, windows, numbers + odd, grads + odd, step, tap, fewer, odd_pixels
    )
    for k in range(lanes):
        mixed[2 * k] = even_pixels[k]
        mixed[2 * k + 1] = odd_pixels[k]
    for k in range(2 * lanes):
        dx[k] = mixed[k]


cdef inline void add_usual_row(
    const int stride, const int odd, const int taps, const Py_ssize_t windows, Py_ssize_t width,
    const real* numbers, const real* grads, Py_ssize_t step, real tap, real fewer, real* dx,
    real* spare,
) noexcept nogil:
    """Fill in a row of dx; the last vectors overlap the ones before."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t n = width // stride
    cdef Py_ssize_t j = 0
    if n >= lanes:
        while j + lanes < n:
            add_block(
                stride, odd, taps, windows, numbers + j, grads + j, step, tap, fewer,
                dx + stride * j,
            )
            j = j + lanes
        j = n - lanes
        add_block(
            stride, odd, taps, windows, numbers + j, grads + j, step, tap, fewer, dx + stride * j
        )
        if stride * n < width:
            add_block(
                stride, odd, taps, windows, numbers + n, grads + n, step, tap, fewer, spare
            )
            dx[width - 1] = spare[0]
    else:
        add_block(stride, odd, taps, windows, numbers, grads, step, tap, fewer, spare)
        copy_run(dx, spare, width)


cdef inline bint add_any_row(
    const TapGrad* layout, Py_ssize_t windows, const real* numbers, const real* grads, real tap,
    real* dx, real* scratch, Watch* watch,
) noexcept nogil:
    """Do so column of taps by column; return whether it was still wanted."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef const Pool* pool = &layout.pool
    cdef const Axis* across = &pool.columns
    cdef Py_ssize_t n = (across.before + across.size - 1) // across.stride + 1
    cdef Py_ssize_t step = layout.step * layout.line
    cdef real fewer = <real>(layout.fewer * across.kernel)
    cdef real* shares = scratch + layout.shares
    cdef real* ordered = scratch + layout.ordered
    cdef real* target
    cdef Py_ssize_t s, j, before
    fill_row(shares, <real>0, joined_values(pool))
    for s in range(across.kernel):
        if not goes_on(watch, windows * n):
            return False
        before = s * across.dilation // across.stride
        target = shares + s * across.dilation % across.stride * pool.phase
        j = 0
        while j < n:
            add_tap(
                False, windows, numbers + j - before, grads + j - before, step, tap + s, fewer,
                target + j,
            )
            j = j + lanes
    join_phases(shares, pool.phase, across.stride, n, ordered)
    copy_run(dx, ordered + across.before, across.size)
    return True


cdef inline void add_strided_rows(
    const TapGrad* layout, const int taps, const Py_ssize_t windows, const real* numbers,
    const real* grads, real tap, Py_ssize_t rows, real* dx, real* spare,
) noexcept nogil:
    """Fill in every stride-th row of dx, of two or three taps next to each other."""
    cdef const Axis* across = &layout.pool.columns
    cdef Py_ssize_t line = layout.line
    cdef Py_ssize_t step = layout.step * line
    cdef real fewer = <real>(layout.fewer * across.kernel)
    cdef Py_ssize_t width = across.size
    cdef Py_ssize_t next_row = layout.pool.rows.stride * width
    cdef Py_ssize_t m
    if across.stride == 1:
        numbers, grads = numbers + across.before, grads + across.before
        for m in range(rows):
            add_usual_row(
                1, 0, taps, windows, width, numbers + m * line, grads + m * line, step, tap, fewer,
                dx + m * next_row, spare,
            )
        return
    numbers, grads = numbers + across.before // 2, grads + across.before // 2
    if across.before % 2 == 0:
        for m in range(rows):
            add_usual_row(
                2, 0, taps, windows, width, numbers + m * line, grads + m * line, step, tap, fewer,
                dx + m * next_row, spare,
            )
    else:
        for m in range(rows):
            add_usual_row(
                2, 1, taps, windows, width, numbers + m * line, grads + m * line, step, tap, fewer,
                dx + m * next_row, spare,
            )


cdef inline void add_usual_rows(
    const TapGrad* layout, Py_ssize_t windows, const real* numbers, const real* grads, real tap,
    Py_ssize_t rows, real* dx, real* spare,
) noexcept nogil:
    """Do so for the usual numbers of windows above each other, and any others."""
    if layout.pool.columns.kernel == 2:
        add_strided_rows(layout, 2, windows, numbers, grads, tap, rows, dx, spare)
    elif windows == 3:
        add_strided_rows(layout, 3, 3, numbers, grads, tap, rows, dx, spare)
    elif windows == 2:
        add_strided_rows(layout, 3, 2, numbers, grads, tap, rows, dx, spare)
    elif windows == 1:
        add_strided_rows(layout, 3, 1, numbers, grads, tap, rows, dx, spare)
    else:
        add_strided_rows(layout, 3, windows, numbers, grads, tap, rows, dx, spare)


cdef inline void take_windows(
    const TapGrad* layout, const Operands* operands, Py_ssize_t plane, Py_ssize_t row,
    Py_ssize_t end, real* scratch,
) noexcept nogil:
    """Copy taps and gradients of rows of windows, from row `row` on, to between what is none."""
    cdef const Pool* pool = &layout.pool
    cdef Py_ssize_t n = pool.columns.outputs
    cdef Py_ssize_t line = layout.line
    cdef Py_ssize_t first = plane * pool.rows.outputs * n
    cdef Py_ssize_t all = pool.planes * pool.rows.outputs * n
    cdef real* numbers = scratch + layout.numbers + pool.reach
    cdef real* grads = scratch + layout.grads + pool.reach
    cdef const real* grad = <const real*>operands.gradient + first
    cdef Py_ssize_t i
    cdef int k
    fill_row(numbers - layout.margin, <real>-1, layout.margin)
    for i in range(row, end):
        if 0 <= i < pool.rows.outputs:
            widen_beyond(pool, operands.taps, first + i * n, n, all, numbers)
            copy_run(grads, grad + i * n, n)
        else:
            fill_run(numbers, <real>-1, n)
        # the margin, and what of the next row is written over
        for k in range(MARGIN):
            numbers[n + k] = -1
        if line - n > MARGIN:
            fill_run(numbers + n, <real>-1, line - n)
        numbers, grads = numbers + line, grads + line


cdef bint share_band(
    const TapGrad* layout, const Operands* operands, Py_ssize_t plane, Py_ssize_t row,
    Py_ssize_t last_row, real* dx, real* scratch, Watch* watch,
) noexcept nogil:
    """Fill in some rows of a plane of dx; return whether they were still wanted.

    Rows that are a stride apart are seen by the same taps.
    """
    cdef const Pool* pool = &layout.pool
    cdef const Axis* down = &pool.rows
    cdef const Axis* across = &pool.columns
    cdef Py_ssize_t width = across.size
    cdef Py_ssize_t first = by_stride(row + down.before, down.stride) - (pool.windows - 1)
    cdef Py_ssize_t end = by_stride(last_row - 1 + down.before, down.stride) + 1
    cdef const real* numbers = scratch + layout.numbers + pool.reach
    cdef const real* grads = scratch + layout.grads + pool.reach
    cdef bint usual = across.dilation == 1 and across.stride <= 2 and 2 <= across.kernel <= 3
    cdef real tap
    cdef Py_ssize_t h, q, c, r, at, windows, rows, m
    if not goes_on(watch, (end - first) * layout.line):
        return False
    take_windows(layout, operands, plane, first, end, scratch)
    for h in range(row, min(last_row, row + down.stride)):
        rows = by_stride(last_row - 1 - h, down.stride) + 1
        q = by_stride(h + down.before, down.stride)
        c = h + down.before - q * down.stride
        r = c
        if down.dilation > 1:       # the first tap that is in this phase
            r = 0
            while r < down.kernel and r * down.dilation % down.stride != c:
                r = r + 1
        if r >= down.kernel:
            for m in range(rows):
                fill_run(dx + (h + m * down.stride) * width, <real>0, width)
            continue
        windows = (down.kernel - 1 - r) // layout.fewer + 1
        # the last tap, which is the first window's
        r = r + (windows - 1) * layout.fewer
        tap = <real>(r * across.kernel)
        at = (q - (r * down.dilation - c) // down.stride - first) * layout.line
        if usual:
            if not goes_on(watch, windows * 3 * rows * width):
                return False
            add_usual_rows(
                layout, windows, numbers + at, grads + at, tap, rows, dx + h * width,
                scratch + layout.ordered,
            )
            continue
        for m in range(rows):
            if not add_any_row(
                layout, windows, numbers + at, grads + at, tap, dx + (h + m * down.stride) * width,
                scratch, watch,
            ):
                return False
            at = at + layout.line
    return True


cdef void max_pool_taps_grad(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const TapGrad* layout = <const TapGrad*>made
    cdef const Pool* pool = &layout.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.size)
    cdef real* dx
    cdef Py_ssize_t plane, row, last
    for plane in range(unit.plane, unit.last_plane):
        dx = <real*>operands.result + plane * pool.rows.size * pool.columns.size
        row = unit.row
        while row < unit.last_row:
            last = min(row + layout.band, unit.last_row)
            if not share_band(layout, operands, plane, row, last, dx, scratch, watch):
                return
            row = last


enter(
    "max_pool_taps_grad", lay_out_max_pool_taps_grad, max_pool_taps_grad[float],
    max_pool_taps_grad[double],
)
