# Maxima of 2x2 windows side by side, the commonest pooling there is: straight from two rows of the
# image into a row of y, and from those and a row of the gradient into two rows of dx. Each pixel is
# read once and written once, with nothing in between but registers.
#
#     a b | c d       top = b beats a      bottom = f beats e      down = the lower beats the upper
#     e f | g h
#
#     dx of a: neither down nor top     b: top, but not down     e: down, but not bottom     f: both
#
# "Beats" is larger, or NaN: of equals the first in row order stays.
#
# Bytes, in values a window: y reads 4 and writes 1, dx reads 5 and writes 4. Instructions, of a
# vector of windows: 20 for y, 45 for dx; 1 and 2 cycles a window with AVX2, of which bytes from the
# third-level cache take about as many.


# So many values are looked at together for a NaN, and then lie in the first-level cache.
cdef enum:
    LOOK_AT_VALUES = 2048


cdef inline void largest_of_pairs(
    const int count, const real* upper, const real* lower, real* y
) noexcept nogil:
    """Compute so many windows."""
    cdef real columns[2 * MOST_LANES]
    cdef real found[MOST_LANES]
    cdef int n
    for n in range(2 * count):
        columns[n] = larger(lower[n], upper[n])
    for n in range(count):
        found[n] = larger(columns[2 * n + 1], columns[2 * n])
    for n in range(count):
        y[n] = found[n]


cdef inline void grad_of_pairs(
    const int count, const bint careful, const real* upper, const real* lower, const real* grad,
    real* dx_upper, real* dx_lower,
) noexcept nogil:
    """Compute the pixels of so many windows; with NaNs among them, carefully.

    One loop for each selection: of several by the same comparisons in one the compiler makes many
    more instructions, a mask for every way that these may turn out.
    """
    cdef real a[MOST_LANES]
    cdef real b[MOST_LANES]
    cdef real e[MOST_LANES]
    cdef real f[MOST_LANES]
    cdef real upper_best[MOST_LANES]
    cdef real lower_best[MOST_LANES]
    cdef real to_upper[MOST_LANES]
    cdef real to_lower[MOST_LANES]
    cdef real dx_a[MOST_LANES]
    cdef real dx_b[MOST_LANES]
    cdef real dx_e[MOST_LANES]
    cdef real dx_f[MOST_LANES]
    cdef real above[2 * MOST_LANES]
    cdef real below[2 * MOST_LANES]
    cdef real share
    cdef int n
    for n in range(count):
        a[n], b[n] = upper[2 * n], upper[2 * n + 1]
    for n in range(count):
        e[n], f[n] = lower[2 * n], lower[2 * n + 1]
    for n in range(count):
        upper_best[n] = choose(careful, b[n], a[n], b[n], a[n])
    for n in range(count):
        lower_best[n] = choose(careful, f[n], e[n], f[n], e[n])
    for n in range(count):
        share = grad[n]
        to_upper[n] = choose(careful, lower_best[n], upper_best[n], <real>0, share)
    for n in range(count):
        share = grad[n]
        to_lower[n] = choose(careful, lower_best[n], upper_best[n], share, <real>0)
    for n in range(count):
        dx_a[n] = choose(careful, b[n], a[n], <real>0, to_upper[n])
    for n in range(count):
        dx_b[n] = choose(careful, b[n], a[n], to_upper[n], <real>0)
    for n in range(count):
        dx_e[n] = choose(careful, f[n], e[n], <real>0, to_lower[n])
    for n in range(count):
        dx_f[n] = choose(careful, f[n], e[n], to_lower[n], <real>0)
    for n in range(count):
        above[2 * n], above[2 * n + 1] = dx_a[n], dx_b[n]
    for n in range(count):
        below[2 * n], below[2 * n + 1] = dx_e[n], dx_f[n]
    for n in range(2 * count):
        dx_upper[n] = above[n]
    for n in range(2 * count):
        dx_lower[n] = below[n]


cdef inline int tap_of_pair(const real* upper, const real* lower) noexcept nogil:
    """Return which of 0 to 3 is the largest of a single window without a NaN.

    For rows of less than a vector. The compiler would jump to a choice of floating-point numbers,
    and of random ones every second jump is a surprise; integers it adds up.
    """
    cdef int right = upper[1] > upper[0]
    cdef int lower_right = lower[1] > lower[0]
    cdef real upper_best = upper[1] if upper[1] > upper[0] else upper[0]
    cdef real lower_best = lower[1] if lower[1] > lower[0] else lower[0]
    cdef int down = lower_best > upper_best
    return right + down * (2 + lower_right - right)


cdef inline void place_pair(int tap, real grad, real* dx_upper, real* dx_lower) noexcept nogil:
    """Hand the gradient of a single window to one of its pixels."""
    dx_upper[0] = dx_upper[1] = 0
    dx_lower[0] = dx_lower[1] = 0
    dx_upper[(tap >> 1 & 1) * (dx_lower - dx_upper) + (tap & 1)] = grad


cdef inline void largest_of_row(
    const real* upper, const real* lower, Py_ssize_t n, real* y
) noexcept nogil:
    """Compute a row of n windows; the last vector overlaps the one before."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    if n >= lanes:
        while j + lanes < n:
            largest_of_pairs(lanes, upper + 2 * j, lower + 2 * j, y + j)
            j = j + lanes
        j = n - lanes
        largest_of_pairs(lanes, upper + 2 * j, lower + 2 * j, y + j)
        return
    if lanes >= 4 and n >= lanes // 2:
        largest_of_pairs(lanes // 2, upper, lower, y)
        j = lanes // 2
    while j < n:
        largest_of_pairs(1, upper + 2 * j, lower + 2 * j, y + j)
        j = j + 1


cdef inline void grad_of_row(
    const bint careful, const real* upper, const real* lower, const real* grad, Py_ssize_t n,
    real* dx_upper, real* dx_lower,
) noexcept nogil:
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    if n >= lanes:
        while j + lanes < n:
            grad_of_pairs(
                lanes, careful, upper + 2 * j, lower + 2 * j, grad + j, dx_upper + 2 * j,
                dx_lower + 2 * j,
            )
            j = j + lanes
        j = n - lanes
        grad_of_pairs(
            lanes, careful, upper + 2 * j, lower + 2 * j, grad + j, dx_upper + 2 * j,
            dx_lower + 2 * j,
        )
        return
    if not careful:
        while j < n:
            place_pair(
                tap_of_pair(upper + 2 * j, lower + 2 * j), grad[j], dx_upper + 2 * j,
                dx_lower + 2 * j,
            )
            j = j + 1
    while j < n:
        grad_of_pairs(
            1, careful, upper + 2 * j, lower + 2 * j, grad + j, dx_upper + 2 * j,
            dx_lower + 2 * j,
        )
        j = j + 1


cdef void max_pool_pairs(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const Pool* pool = <const Pool*>made
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t out_width = pool.columns.outputs
    cdef const real* rows
    cdef real* y
    cdef Py_ssize_t plane, i, j, n
    for plane in range(unit.plane, unit.last_plane):
        rows = <const real*>operands.image + (plane * pool.rows.size + 2 * unit.row) * width
        y = <real*>operands.result + (plane * pool.rows.outputs + unit.row) * out_width
        for i in range(unit.row, unit.last_row):
            j = 0
            while j < out_width:
                n = min(pool.stretch, out_width - j)
                if not goes_on(watch, 4 * n):
                    return
                largest_of_row(rows + 2 * j, rows + width + 2 * j, n, y + j)
                j = j + n
            rows = rows + 2 * width
            y = y + out_width


cdef void max_pool_grad_pairs(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """A unit's rows are those of y, since two of dx are made together."""
    cdef const Pool* pool = <const Pool*>made
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t out_width = pool.columns.outputs
    cdef const real* rows
    cdef const real* grad
    cdef real* dx
    cdef Py_ssize_t plane, i, j, n, h, begin
    cdef Py_ssize_t looked_at = max(1, LOOK_AT_VALUES // (2 * width))   # rows of windows
    cdef bint careful = False
    for plane in range(unit.plane, unit.last_plane):
        begin = plane * pool.rows.size * width
        for i in range(unit.row, unit.last_row):
            rows = <const real*>operands.image + begin + 2 * i * width
            dx = <real*>operands.result + begin + 2 * i * width
            grad = <const real*>operands.gradient + (plane * pool.rows.outputs + i) * out_width
            if (i - unit.row) % looked_at == 0:
                careful = holds_nan(rows, min(looked_at, unit.last_row - i) * 2 * width)
            j = 0
            while j < out_width:
                n = min(pool.stretch, out_width - j)
                if not goes_on(watch, 8 * n):
                    return
                if careful:
                    grad_of_row(
                        True, rows + 2 * j, rows + width + 2 * j, grad + j, n, dx + 2 * j,
                        dx + width + 2 * j,
                    )
                else:
                    grad_of_row(
                        False, rows + 2 * j, rows + width + 2 * j, grad + j, n, dx + 2 * j,
                        dx + width + 2 * j,
                    )
                j = j + n
            for h in range(2 * out_width, width):       # which no window sees
                dx[h] = dx[width + h] = 0
        if unit.last_row == pool.rows.outputs:
            h = 2 * pool.rows.outputs
            if not fill_in_stretches(
                <real*>operands.result + begin + h * width, <real>0, (pool.rows.size - h) * width,
                watch,
            ):
                return


enter("max_pool_pairs", lay_out_pool_rows, max_pool_pairs[float], max_pool_pairs[double])
enter(
    "max_pool_grad_pairs", lay_out_pool_rows, max_pool_grad_pairs[float],
    max_pool_grad_pairs[double],
)
