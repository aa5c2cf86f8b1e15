# Maxima of 2x2 windows side by side with their taps, and the way of a gradient back by these:
#
#     a b | c d       tap   0 1 | 0 1       dx of a: g where the tap is 0, of b where it is 1, ...
#     e f | g h             2 3 | 2 3
#
# Which value beats which is as in pool_pairs.pxi. On the way back every pixel is written once, and
# nothing is compared but numbers of taps: an image is not read.
#
# Bytes, with float32, a window: y reads 16 and writes 5; dx reads 5 and writes 16, where without
# taps it reads 20. Instructions, of a vector of windows: 32 for y, 25 for dx, less than the bytes
# take.


cdef struct TapPairs:
    Pool pool
    Py_ssize_t together         # rows of windows whose taps are widened or narrowed at once
    Py_ssize_t numbers          # where in the scratch these begin


cdef int lay_out_tap_pairs(const Description* given, Made* made, list memory) except -1:
    cdef TapPairs* layout = <TapPairs*>allot(memory, sizeof(TapPairs))
    cdef Pool* pool = &layout.pool
    lay_out_pool(given, made, memory, pool, given.problem.rows.outputs)
    layout.together = max(1, LOOK_AT_VALUES // pool.columns.size)
    layout.numbers = book(made, layout.together * pool.columns.outputs)
    made.layout = layout
    return 0


cdef inline void find_pairs(
    const int count, const bint careful, const real* upper, const real* lower, real* y,
    real* numbers,
) noexcept nogil:
    """Compute so many windows and their taps; with NaNs among them, carefully."""
    cdef real a[MOST_LANES]
    cdef real b[MOST_LANES]
    cdef real e[MOST_LANES]
    cdef real f[MOST_LANES]
    cdef real found[MOST_LANES]
    cdef real taps[MOST_LANES]
    cdef real upper_best, lower_best, upper_tap, lower_tap
    cdef int n
    for n in range(count):
        a[n], b[n] = upper[2 * n], upper[2 * n + 1]
    for n in range(count):
        e[n], f[n] = lower[2 * n], lower[2 * n + 1]
    for n in range(count):
        upper_best = choose(careful, b[n], a[n], b[n], a[n])
        lower_best = choose(careful, f[n], e[n], f[n], e[n])
        upper_tap = choose(careful, b[n], a[n], <real>1, <real>0)
        lower_tap = choose(careful, f[n], e[n], <real>3, <real>2)
        found[n] = choose(careful, lower_best, upper_best, lower_best, upper_best)
        taps[n] = choose(careful, lower_best, upper_best, lower_tap, upper_tap)
    for n in range(count):
        y[n] = found[n]
    for n in range(count):
        numbers[n] = taps[n]


cdef inline void share_pairs(
    const int count, const real* numbers, const real* grad, real* dx_upper, real* dx_lower
) noexcept nogil:
    """Hand the gradients of so many windows to their taps.

    One loop for each tap: in a common one the compiler would see that a number is only one of
    four, and jump.
    """
    cdef real a[MOST_LANES]
    cdef real b[MOST_LANES]
    cdef real e[MOST_LANES]
    cdef real f[MOST_LANES]
    cdef real above[2 * MOST_LANES]
    cdef real below[2 * MOST_LANES]
    cdef real share
    cdef int n
    for n in range(count):
        share = grad[n]
        a[n] = share if numbers[n] == 0 else 0
    for n in range(count):
        share = grad[n]
        b[n] = share if numbers[n] == 1 else 0
    for n in range(count):
        share = grad[n]
        e[n] = share if numbers[n] == 2 else 0
    for n in range(count):
        share = grad[n]
        f[n] = share if numbers[n] == 3 else 0
    for n in range(count):
        above[2 * n], above[2 * n + 1] = a[n], b[n]
    for n in range(count):
        below[2 * n], below[2 * n + 1] = e[n], f[n]
    for n in range(2 * count):
        dx_upper[n] = above[n]
    for n in range(2 * count):
        dx_lower[n] = below[n]


cdef inline void find_row_of_pairs(
    const bint careful, const real* upper, const real* lower, Py_ssize_t n, real* y, real* numbers
) noexcept nogil:
    """Compute a row of n windows; the last vector overlaps the one before."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    cdef int tap
    if n >= lanes:
        while j + lanes < n:
            find_pairs(lanes, careful, upper + 2 * j, lower + 2 * j, y + j, numbers + j)
            j = j + lanes
        j = n - lanes
        find_pairs(lanes, careful, upper + 2 * j, lower + 2 * j, y + j, numbers + j)
        return
    if not careful:
        largest_of_row(upper, lower, n, y)
        while j < n:
            numbers[j] = <real>tap_of_pair(upper + 2 * j, lower + 2 * j)
            j = j + 1
    while j < n:
        find_pairs(1, careful, upper + 2 * j, lower + 2 * j, y + j, numbers + j)
        j = j + 1


cdef inline void share_row_of_pairs(
    const real* numbers, const real* grad, Py_ssize_t n, real* dx_upper, real* dx_lower
) noexcept nogil:
    """Fill in two rows of dx from n windows, in the same way."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    if n < lanes:
        while j < n:
            place_pair(<int>numbers[j], grad[j], dx_upper + 2 * j, dx_lower + 2 * j)
            j = j + 1
        return
    while j + lanes < n:
        share_pairs(lanes, numbers + j, grad + j, dx_upper + 2 * j, dx_lower + 2 * j)
        j = j + lanes
    j = n - lanes
    share_pairs(lanes, numbers + j, grad + j, dx_upper + 2 * j, dx_lower + 2 * j)


cdef void max_pool_taps_pairs(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const TapPairs* layout = <const TapPairs*>made
    cdef const Pool* pool = &layout.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t out_width = pool.columns.outputs
    cdef real* numbers = scratch + layout.numbers
    cdef const real* rows
    cdef real* y
    cdef Py_ssize_t plane, i, first, last, begin, j, n
    cdef bint careful
    for plane in range(unit.plane, unit.last_plane):
        first = unit.row
        while first < unit.last_row:
            last = min(first + layout.together, unit.last_row)
            rows = <const real*>operands.image + (plane * pool.rows.size + 2 * first) * width
            begin = (plane * pool.rows.outputs + first) * out_width
            careful = holds_nan(rows, (last - first) * 2 * width)
            for i in range(last - first):
                y = <real*>operands.result + begin + i * out_width
                j = 0
                while j < out_width:
                    n = min(pool.stretch, out_width - j)
                    if not goes_on(watch, 8 * n):
                        return
                    if careful:
                        find_row_of_pairs(
                            True, rows + 2 * j, rows + width + 2 * j, n, y + j,
                            numbers + i * out_width + j,
                        )
                    else:
                        find_row_of_pairs(
                            False, rows + 2 * j, rows + width + 2 * j, n, y + j,
                            numbers + i * out_width + j,
                        )
                    j = j + n
                rows = rows + 2 * width
            narrow_taps(pool, numbers, (last - first) * out_width, operands.taps, begin)
            first = last


cdef void max_pool_taps_grad_pairs(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """A unit's rows are those of y, since two of dx are made together."""
    cdef const TapPairs* layout = <const TapPairs*>made
    cdef const Pool* pool = &layout.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t out_width = pool.columns.outputs
    cdef real* numbers = scratch + layout.numbers
    cdef const real* grad
    cdef real* dx
    cdef Py_ssize_t plane, i, first, last, begin, j, n
    for plane in range(unit.plane, unit.last_plane):
        first = unit.row
        dx = <real*>operands.result + (plane * pool.rows.size + 2 * first) * width
        while first < unit.last_row:
            last = min(first + layout.together, unit.last_row)
            begin = (plane * pool.rows.outputs + first) * out_width
            widen_taps(pool, operands.taps, begin, (last - first) * out_width, numbers)
            for i in range(last - first):
                grad = <const real*>operands.gradient + begin + i * out_width
                j = 0
                while j < out_width:
                    n = min(pool.stretch, out_width - j)
                    if not goes_on(watch, 4 * n):
                        return
                    share_row_of_pairs(
                        numbers + i * out_width + j, grad + j, n, dx + 2 * j, dx + width + 2 * j
                    )
                    j = j + n
                for j in range(2 * out_width, width):       # which no window sees
                    dx[j] = dx[width + j] = 0
                dx = dx + 2 * width
            first = last
        if unit.last_row == pool.rows.outputs and not fill_in_stretches(
            dx, <real>0, (pool.rows.size - 2 * pool.rows.outputs) * width, watch
        ):
            return


enter(
    "max_pool_taps_pairs", lay_out_tap_pairs, max_pool_taps_pairs[float],
    max_pool_taps_pairs[double],
)
enter(
    "max_pool_taps_grad_pairs", lay_out_tap_pairs, max_pool_taps_grad_pairs[float],
    max_pool_taps_grad_pairs[double],
)
