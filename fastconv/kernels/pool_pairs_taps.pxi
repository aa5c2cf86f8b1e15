# Maxima of 2x2 windows side by side with their taps, and the way of a gradient back by these:
#
#     a b | c d       tap   0 1 | 0 1       dx of a: g where the tap is 0, of b where it is 1, ...
#     e f | g h             2 3 | 2 3
#
# Which value beats which is as in pool_pairs.pxi. On the way back every pixel is written once, and
# nothing is compared but numbers of taps: an image is not read.
#
# Bytes, with float32, a window: y reads 16 and writes 5; dx reads 5 and writes 16, where without
# taps it reads 20. Instructions with AVX2, of a vector of eight windows: 27 for y and 3 to
# narrow its taps, 18 for dx and 3 to widen them.
#
# Rows of few windows are put end to end first, see pool_short_rows.pxi.


cdef struct TapPairs:
    Pairs pairs
    Py_ssize_t numbers          # where in the scratch the taps of rows done together begin


cdef int lay_out_tap_pairs(const Description* given, Made* made, list memory) except -1:
    cdef TapPairs* layout = <TapPairs*>allot(memory, sizeof(TapPairs))
    cdef Pairs* pairs = &layout.pairs
    cdef Py_ssize_t together = max(1, LOOK_AT_VALUES // given.problem.columns.size)
    fill_in_pairs(given, made, memory, pairs, together, SHORT_PIXELS)
    layout.numbers = book(made, pairs.together * pairs.pool.columns.outputs)
    made.layout = layout
    return 0


cdef inline void find_pairs(
    const int count, const bint careful, const real* upper, const real* lower, real* y,
    real* numbers, real* sums,
) noexcept nogil:
    """Compute so many windows and their taps; with NaNs among them, carefully.

    One loop for each selection: of several by the same comparisons in one the compiler makes many
    more instructions, a mask for every way that these may turn out.
    """
    cdef real a[MOST_LANES]
    cdef real b[MOST_LANES]
    cdef real e[MOST_LANES]
    cdef real f[MOST_LANES]
    cdef real upper_best[MOST_LANES]
    cdef real lower_best[MOST_LANES]
    cdef real upper_tap[MOST_LANES]
    cdef real lower_tap[MOST_LANES]
    cdef real found[MOST_LANES]
    cdef real taps[MOST_LANES]
    cdef int n
    deal_windows(count, upper, a, b)
    deal_windows(count, lower, e, f)
    if not careful:
        for n in range(count):
            sums[n] += (a[n] + b[n]) + (e[n] + f[n])
    for n in range(count):
        upper_best[n] = choose(careful, b[n], a[n], b[n], a[n])
    for n in range(count):
        upper_tap[n] = choose(careful, b[n], a[n], <real>1, <real>0)
    for n in range(count):
        lower_best[n] = choose(careful, f[n], e[n], f[n], e[n])
    for n in range(count):
        lower_tap[n] = choose(careful, f[n], e[n], <real>3, <real>2)
    for n in range(count):
        found[n] = choose(careful, lower_best[n], upper_best[n], lower_best[n], upper_best[n])
    for n in range(count):
        taps[n] = choose(careful, lower_best[n], upper_best[n], lower_tap[n], upper_tap[n])
    store_windows(count, found, y)
    store_windows(count, taps, numbers)


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
    cdef real taps[MOST_LANES]
    cdef real shares[MOST_LANES]
    cdef real share
    cdef int n
    order_as_dealt(count, numbers, taps)
    order_as_dealt(count, grad, shares)
    for n in range(count):
        share = shares[n]
        a[n] = share if taps[n] == 0 else 0
    for n in range(count):
        share = shares[n]
        b[n] = share if taps[n] == 1 else 0
    for n in range(count):
        share = shares[n]
        e[n] = share if taps[n] == 2 else 0
    for n in range(count):
        share = shares[n]
        f[n] = share if taps[n] == 3 else 0
    join_windows(count, a, b, dx_upper)
    join_windows(count, e, f, dx_lower)


cdef inline void find_by(
    const int count, const bint careful, const real* upper, const real* lower, Py_ssize_t n,
    real* y, real* numbers, real* sums,
) noexcept nogil:
    """Compute a row of at least so many windows."""
    cdef real kept[MOST_LANES]
    cdef Py_ssize_t j = 0
    cdef int k
    for k in range(count):
        kept[k] = sums[k]
    while j + count < n:
        find_pairs(count, careful, upper + 2 * j, lower + 2 * j, y + j, numbers + j, kept)
        j = j + count
    j = n - count
    find_pairs(count, careful, upper + 2 * j, lower + 2 * j, y + j, numbers + j, kept)
    for k in range(count):
        sums[k] = kept[k]


cdef inline void find_row_of_pairs(
    const bint careful, const real* upper, const real* lower, Py_ssize_t n, real* y,
    real* numbers, real* sums,
) noexcept nogil:
    """Compute a row of n windows, by as many at once as in pool_pairs.pxi.

    Where no NaN is looked for, add up what is read: the sums keep one.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    if n >= lanes:
        find_by(lanes, careful, upper, lower, n, y, numbers, sums)
        return
    if lanes >= 16 and n >= lanes // 2:
        find_by(lanes // 2, careful, upper, lower, n, y, numbers, sums)
        return
    if not careful:
        largest_of_row(upper, lower, n, y)
        while j < n:
            sums[0] += (upper[2 * j] + upper[2 * j + 1]) + (lower[2 * j] + lower[2 * j + 1])
            numbers[j] = <real>tap_of_pair(upper + 2 * j, lower + 2 * j)
            j = j + 1
    while j < n:
        find_pairs(1, careful, upper + 2 * j, lower + 2 * j, y + j, numbers + j, sums)
        j = j + 1


cdef inline bint find_band_of_pairs(
    const bint careful, const Pool* pool, const real* rows, Py_ssize_t width, Py_ssize_t count,
    Py_ssize_t out_width, real* y, real* numbers, bint* holds_none, Watch* watch,
) noexcept nogil:
    """Compute some rows of windows; return whether they were still wanted.

    From one row of pixels to the next it is `width`, and a row of windows has `out_width`. Say as
    well whether there was surely no NaN, where it is not looked for. Infinities of both signs may
    look like one.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real sums[MOST_LANES]
    cdef real total = 0
    cdef Py_ssize_t i, j, n
    cdef int k
    for k in range(lanes):
        sums[k] = 0
    for i in range(count):
        j = 0
        while j < out_width:
            n = min(pool.stretch, out_width - j)
            if not goes_on(watch, 8 * n):
                return False
            find_row_of_pairs(
                careful, rows + 2 * j, rows + width + 2 * j, n, y + j, numbers + j, sums
            )
            j = j + n
        rows, y, numbers = rows + 2 * width, y + out_width, numbers + out_width
    for k in range(lanes):
        total += sums[k]
    holds_none[0] = total == total
    return True


cdef inline void share_by(
    const int count, const real* numbers, const real* grad, Py_ssize_t n, real* dx_upper,
    real* dx_lower,
) noexcept nogil:
    """Fill in two rows of dx from at least so many windows."""
    cdef Py_ssize_t j = 0
    while j + count < n:
        share_pairs(count, numbers + j, grad + j, dx_upper + 2 * j, dx_lower + 2 * j)
        j = j + count
    j = n - count
    share_pairs(count, numbers + j, grad + j, dx_upper + 2 * j, dx_lower + 2 * j)


cdef inline void share_row_of_pairs(
    const real* numbers, const real* grad, Py_ssize_t n, real* dx_upper, real* dx_lower
) noexcept nogil:
    """Fill in two rows of dx from n windows, in the same way."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    if n >= lanes:
        share_by(lanes, numbers, grad, n, dx_upper, dx_lower)
        return
    if lanes >= 16 and n >= lanes // 2:
        share_by(lanes // 2, numbers, grad, n, dx_upper, dx_lower)
        return
    while j < n:
        place_pair(<int>numbers[j], grad[j], dx_upper + 2 * j, dx_lower + 2 * j)
        j = j + 1


cdef void max_pool_taps_pairs(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const TapPairs* layout = <const TapPairs*>made
    cdef const Pairs* pairs = &layout.pairs
    cdef const Pool* pool = &pairs.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef real* numbers = scratch + layout.numbers
    cdef Py_ssize_t width, out_width, plane, i, count, rows_long, begin
    cdef const real* rows
    cdef real* y
    cdef bint holds_none
    for plane in range(unit.plane, unit.last_plane):
        i = unit.row
        while i < unit.last_row:
            count = rows_long = min(pairs.together, unit.last_row - i)
            width, out_width = pool.columns.size, pool.columns.outputs
            begin = (plane * pool.rows.size + 2 * i) * width
            rows = <const real*>operands.image + begin
            if pairs.apart:
                join_short_rows(
                    pairs, <const real*>operands.image, begin, count, scratch + pairs.pixels
                )
                rows = scratch + pairs.pixels
                width, out_width, rows_long = pairs.apart, count * out_width, 1
            begin = (plane * pool.rows.outputs + i) * pool.columns.outputs
            y = <real*>operands.result + begin
            if not find_band_of_pairs(
                False, pool, rows, width, rows_long, out_width, y, numbers, &holds_none, watch
            ):
                return
            if not holds_none and not find_band_of_pairs(
                True, pool, rows, width, rows_long, out_width, y, numbers, &holds_none, watch
            ):
                return
            narrow_taps(pool, numbers, rows_long * out_width, operands.taps, begin)
            i = i + count


cdef void max_pool_taps_grad_pairs(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """A unit's rows are those of y, since two of dx are made together."""
    cdef const TapPairs* layout = <const TapPairs*>made
    cdef const Pairs* pairs = &layout.pairs
    cdef const Pool* pool = &pairs.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t out_width = pool.columns.outputs
    cdef real* numbers
    cdef real* pixels = scratch + pairs.pixels
    cdef const real* grad
    cdef real* dx
    cdef Py_ssize_t plane, first, i, count, begin, j, n
    for plane in range(unit.plane, unit.last_plane):
        first = unit.row
        dx = <real*>operands.result + (plane * pool.rows.size + 2 * first) * width
        while first < unit.last_row:
            count = min(pairs.together, unit.last_row - first)
            begin = (plane * pool.rows.outputs + first) * out_width
            numbers = scratch + layout.numbers
            widen_taps(pool, operands.taps, begin, count * out_width, numbers)
            grad = <const real*>operands.gradient + begin
            if pairs.apart:
                if not goes_on(watch, 4 * count * out_width):
                    return
                share_row_of_pairs(
                    numbers, grad, count * out_width, pixels, pixels + pairs.apart
                )
                part_short_rows(pairs, pixels, count, dx)
                dx = dx + 2 * count * width
            else:
                for i in range(count):
                    j = 0
                    while j < out_width:
                        n = min(pool.stretch, out_width - j)
                        if not goes_on(watch, 4 * n):
                            return
                        share_row_of_pairs(numbers + j, grad + j, n, dx + 2 * j, dx + width + 2 * j)
                        j = j + n
                    for j in range(2 * out_width, width):       # which no window sees
                        dx[j] = dx[width + j] = 0
                    numbers, grad, dx = numbers + out_width, grad + out_width, dx + 2 * width
            first = first + count
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
