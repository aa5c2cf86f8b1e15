# Averages of 2x2 windows side by side: what pool_pairs.pxi is to maxima. Two rows of the image go
# straight into a row of y, and a row of the gradient into two rows of dx, four of each value:
#
#     a b | c d       y = ((a + e) + (b + f)) / 4       dx    g/4 g/4 | h/4 h/4
#     e f | g h                                               g/4 g/4 | h/4 h/4
#
# A quarter is exact, whether divided or multiplied. Bytes, in values a window: y reads 4 and writes
# 1, dx reads 1 and writes 4. Instructions with AVX2, of a vector of eight windows: 13 for y, 8 for
# dx, which is bound by what it writes. Windows are dealt as there.


cdef inline void average_pairs(
    const int count, const real* upper, const real* lower, real* y
) noexcept nogil:
    """Compute so many windows."""
    cdef real a[MOST_LANES]
    cdef real b[MOST_LANES]
    cdef real e[MOST_LANES]
    cdef real f[MOST_LANES]
    cdef real columns[2 * MOST_LANES]
    cdef real found[MOST_LANES]
    cdef int n
    if deals_in_halves(count, y):
        deal_windows(count, upper, a, b)
        deal_windows(count, lower, e, f)
        for n in range(count):
            found[n] = ((a[n] + e[n]) + (b[n] + f[n])) * <real>0.25
        store_windows(count, found, y)
        return
    for n in range(2 * count):
        columns[n] = upper[n] + lower[n]
    for n in range(count):
        found[n] = (columns[2 * n] + columns[2 * n + 1]) * <real>0.25
    for n in range(count):
        y[n] = found[n]


cdef inline void spread_quarters(
    const int count, const real* grad, real* dx_upper, real* dx_lower
) noexcept nogil:
    """Fill in the pixels of so many windows."""
    cdef real shares[MOST_LANES]
    cdef real quarters[MOST_LANES]
    cdef int n
    order_as_dealt(count, grad, shares)
    for n in range(count):
        quarters[n] = shares[n] * <real>0.25
    join_windows(count, quarters, quarters, dx_upper)
    join_windows(count, quarters, quarters, dx_lower)


cdef inline void average_all_pairs(
    const real* upper, const real* lower, Py_ssize_t n, real* y
) noexcept nogil:
    """Compute a row of n windows; the last vector overlaps the one before."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    if n >= lanes:
        while j + lanes < n:
            average_pairs(lanes, upper + 2 * j, lower + 2 * j, y + j)
            j = j + lanes
        j = n - lanes
        average_pairs(lanes, upper + 2 * j, lower + 2 * j, y + j)
        return
    if n >= lanes // 2:
        average_pairs(lanes // 2, upper, lower, y)
        j = lanes // 2
    while j < n:
        average_pairs(1, upper + 2 * j, lower + 2 * j, y + j)
        j = j + 1


cdef inline void spread_all_quarters(
    const real* grad, Py_ssize_t n, real* dx_upper, real* dx_lower
) noexcept nogil:
    """Fill in two rows of dx from n windows; the last vectors overlap the ones before."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    if n >= lanes:
        while j + lanes < n:
            spread_quarters(lanes, grad + j, dx_upper + 2 * j, dx_lower + 2 * j)
            j = j + lanes
        j = n - lanes
        spread_quarters(lanes, grad + j, dx_upper + 2 * j, dx_lower + 2 * j)
        return
    if n >= lanes // 2:
        spread_quarters(lanes // 2, grad, dx_upper, dx_lower)
        j = lanes // 2
    while j < n:
        spread_quarters(1, grad + j, dx_upper + 2 * j, dx_lower + 2 * j)
        j = j + 1


cdef inline bint avg_pool_short_pairs(
    const Pairs* layout, const real* image, real* pixels, Py_ssize_t plane, PoolUnit* unit, real* y,
    Watch* watch,
) noexcept nogil:
    """Compute the unit's short rows of a plane; return whether they were still wanted."""
    cdef const Pool* pool = &layout.pool
    cdef Py_ssize_t i = unit.row
    cdef Py_ssize_t count, n
    while i < unit.last_row:
        count = min(layout.together, unit.last_row - i)
        n = count * pool.columns.outputs
        if not goes_on(watch, 4 * n):
            return False
        join_short_rows(
            layout, image, (plane * pool.rows.size + 2 * i) * pool.columns.size, count, pixels
        )
        average_all_pairs(pixels, pixels + layout.apart, n, y)
        y = y + n
        i = i + count
    return True


cdef void avg_pool_pairs(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const Pairs* layout = <const Pairs*>made
    cdef const Pool* pool = &layout.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t out_width = pool.columns.outputs
    cdef const real* image = <const real*>operands.image
    cdef const real* rows
    cdef real* y
    cdef Py_ssize_t plane, i, j, n
    for plane in range(unit.plane, unit.last_plane):
        y = <real*>operands.result + (plane * pool.rows.outputs + unit.row) * out_width
        if layout.apart:
            if not avg_pool_short_pairs(
                layout, image, scratch + layout.pixels, plane, &unit, y, watch
            ):
                return
            continue
        rows = image + (plane * pool.rows.size + 2 * unit.row) * width
        for i in range(unit.row, unit.last_row):
            j = 0
            while j < out_width:
                n = min(pool.stretch, out_width - j)
                if not goes_on(watch, 4 * n):
                    return
                average_all_pairs(rows + 2 * j, rows + width + 2 * j, n, y + j)
                j = j + n
            rows = rows + 2 * width
            y = y + out_width


cdef inline bint spread_short_rows(
    const Pairs* layout, const real* grad, real* pixels, Py_ssize_t rows, real* dx, Watch* watch
) noexcept nogil:
    """Fill in so many short rows of windows; return whether they were still wanted."""
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t count, n
    while i < rows:
        count = min(layout.together, rows - i)
        n = count * layout.pool.columns.outputs
        if not goes_on(watch, 4 * n):
            return False
        spread_all_quarters(grad, n, pixels, pixels + layout.apart)
        part_short_rows(layout, pixels, count, dx)
        grad, dx, i = grad + n, dx + 2 * count * layout.pool.columns.size, i + count
    return True


cdef inline bint spread_long_rows(
    const Pool* pool, const real* grad, Py_ssize_t rows, real* dx, Watch* watch
) noexcept nogil:
    """Fill in so many rows of windows one by one, in the same way."""
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t out_width = pool.columns.outputs
    cdef Py_ssize_t i, j, n
    for i in range(rows):
        j = 0
        while j < out_width:
            n = min(pool.stretch, out_width - j)
            if not goes_on(watch, 4 * n):
                return False
            spread_all_quarters(grad + j, n, dx + 2 * j, dx + width + 2 * j)
            j = j + n
        for j in range(2 * out_width, width):       # which no window sees
            dx[j] = dx[width + j] = 0
        grad, dx = grad + out_width, dx + 2 * width
    return True


cdef void avg_pool_grad_pairs(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """A unit's rows are those of y, since two of dx are made together."""
    cdef const Pairs* layout = <const Pairs*>made
    cdef const Pool* pool = &layout.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t rows = unit.last_row - unit.row
    cdef const real* grad
    cdef real* dx
    cdef Py_ssize_t plane, begin
    for plane in range(unit.plane, unit.last_plane):
        begin = (plane * pool.rows.outputs + unit.row) * pool.columns.outputs
        grad = <const real*>operands.gradient + begin
        dx = <real*>operands.result + (plane * pool.rows.size + 2 * unit.row) * width
        if layout.apart:
            if not spread_short_rows(layout, grad, scratch + layout.pixels, rows, dx, watch):
                return
        elif not spread_long_rows(pool, grad, rows, dx, watch):
            return
        if unit.last_row == pool.rows.outputs and not fill_in_stretches(
            dx + 2 * rows * width, <real>0, (pool.rows.size - 2 * pool.rows.outputs) * width, watch
        ):
            return


enter("avg_pool_pairs", lay_out_pairs, avg_pool_pairs[float], avg_pool_pairs[double])
enter(
    "avg_pool_grad_pairs", lay_out_pairs, avg_pool_grad_pairs[float], avg_pool_grad_pairs[double]
)
