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
# dx is written as if there were no NaN, while all that is read is added up: a sum keeps one. Some
# rows whose sum holds one are then written once more, carefully. To look first took a fourth of the
# time, since the loop is bound by its instructions, and that was another one over the same rows.
#
# Bytes, in values a window: y reads 4 and writes 1, dx reads 5 and writes 4. Instructions with
# AVX2, of a vector of eight windows: 12 for y, 39 for dx; bytes from the third-level cache take
# about as long.


# Of eight float32 with AVX2 the windows are dealt within halves of vectors, where a row is one
# instruction for the first pixels of windows and one for the second. They are then in the order
# below; gradients come into it by one permutation, and joined pixels leave it by none:
#
#     pixels     a0 b0 a1 b1   a2 b2 a3 b3  |  a4 b4 a5 b5   a6 b6 a7 b7
#     dealt      a0 a1 a4 a5   a2 a3 a6 a7     b0 b1 b4 b5   b2 b3 b6 b7
#
# In their own order it would be eight permutations across halves for two rows, and as many cycles
# again. One loop for each array, or the compiler would take single values out of the vectors.


cdef inline bint deals_in_halves(const int count, const real* values) noexcept nogil:
    """Whether so many windows are dealt so, by how many and of what type they are."""
    return VECTOR_BYTES == 32 and sizeof(real) == sizeof(float) and count == 8


cdef inline void deal_windows(
    const int count, const real* pixels, real* first, real* second
) noexcept nogil:
    """Deal a row of so many windows out to the first and the second pixel of each."""
    cdef int n, h, q, k
    if deals_in_halves(count, first):
        for h in range(2):
            for q in range(2):
                for k in range(2):
                    first[4 * h + 2 * q + k] = pixels[4 * h + 8 * q + 2 * k]
        for h in range(2):
            for q in range(2):
                for k in range(2):
                    second[4 * h + 2 * q + k] = pixels[4 * h + 8 * q + 2 * k + 1]
        return
    for n in range(count):
        first[n], second[n] = pixels[2 * n], pixels[2 * n + 1]


cdef inline void order_as_dealt(const int count, const real* values, real* dealt) noexcept nogil:
    """Bring a value of each window into the order in which windows are dealt, or back."""
    cdef int n
    if deals_in_halves(count, dealt):
        dealt[0] = values[0]
        dealt[1] = values[1]
        dealt[2] = values[4]
        dealt[3] = values[5]
        dealt[4] = values[2]
        dealt[5] = values[3]
        dealt[6] = values[6]
        dealt[7] = values[7]
        return
    for n in range(count):
        dealt[n] = values[n]


cdef inline void store_windows(const int count, const real* dealt, real* values) noexcept nogil:
    """Store a value of each window, as these are dealt, in their own order."""
    cdef real ordered[MOST_LANES]
    cdef int n
    order_as_dealt(count, dealt, ordered)
    for n in range(count):
        values[n] = ordered[n]


cdef inline void join_windows(
    const int count, const real* first, const real* second, real* pixels
) noexcept nogil:
    """Store a row of so many windows from the first and the second pixel of each."""
    cdef real mixed[2 * MOST_LANES]
    cdef real left[MOST_LANES]
    cdef real right[MOST_LANES]
    cdef int n, h, k
    for n in range(count):
        mixed[2 * n], mixed[2 * n + 1] = first[n], second[n]
    if deals_in_halves(count, pixels):
        for h in range(2):
            for k in range(4):
                left[4 * h + k] = mixed[8 * h + k]
        for h in range(2):
            for k in range(4):
                right[4 * h + k] = mixed[8 * h + 4 + k]
        for n in range(8):
            pixels[n] = left[n]
        for n in range(8):
            pixels[8 + n] = right[n]
        return
    # by as many as were mixed at once: what is stored in parts is slow to load as a whole
    for n in range(count):
        pixels[n] = mixed[n]
    for n in range(count):
        pixels[count + n] = mixed[count + n]


cdef inline void largest_of_pairs(
    const int count, const real* upper, const real* lower, real* y
) noexcept nogil:
    """Compute so many windows."""
    cdef real a[MOST_LANES]
    cdef real b[MOST_LANES]
    cdef real e[MOST_LANES]
    cdef real f[MOST_LANES]
    cdef real left[MOST_LANES]
    cdef real right[MOST_LANES]
    cdef real columns[2 * MOST_LANES]
    cdef real found[MOST_LANES]
    cdef int n
    if deals_in_halves(count, y):
        deal_windows(count, upper, a, b)
        deal_windows(count, lower, e, f)
        for n in range(count):
            left[n] = larger(e[n], a[n])
        for n in range(count):
            right[n] = larger(f[n], b[n])
        for n in range(count):
            found[n] = larger(right[n], left[n])
        store_windows(count, found, y)
        return
    for n in range(2 * count):
        columns[n] = larger(lower[n], upper[n])
    for n in range(count):
        found[n] = larger(columns[2 * n + 1], columns[2 * n])
    for n in range(count):
        y[n] = found[n]


cdef inline void grad_of_pairs(
    const int count, const bint careful, const real* upper, const real* lower, const real* grad,
    real* dx_upper, real* dx_lower, real* sums,
) noexcept nogil:
    """Compute the pixels of so many windows; with NaNs among them, carefully, else add them up.

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
    cdef real shares[MOST_LANES]
    cdef real share
    cdef int n
    deal_windows(count, upper, a, b)
    deal_windows(count, lower, e, f)
    order_as_dealt(count, grad, shares)
    if not careful:
        for n in range(count):
            sums[n] += (a[n] + b[n]) + (e[n] + f[n])
    for n in range(count):
        upper_best[n] = choose(careful, b[n], a[n], b[n], a[n])
    for n in range(count):
        lower_best[n] = choose(careful, f[n], e[n], f[n], e[n])
    for n in range(count):
        share = shares[n]
        to_upper[n] = choose(careful, lower_best[n], upper_best[n], <real>0, share)
    for n in range(count):
        share = shares[n]
        to_lower[n] = choose(careful, lower_best[n], upper_best[n], share, <real>0)
    for n in range(count):
        dx_a[n] = choose(careful, b[n], a[n], <real>0, to_upper[n])
    for n in range(count):
        dx_b[n] = choose(careful, b[n], a[n], to_upper[n], <real>0)
    for n in range(count):
        dx_e[n] = choose(careful, f[n], e[n], <real>0, to_lower[n])
    for n in range(count):
        dx_f[n] = choose(careful, f[n], e[n], to_lower[n], <real>0)
    join_windows(count, dx_a, dx_b, dx_upper)
    join_windows(count, dx_e, dx_f, dx_lower)


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


# Rows are done by so many windows, the last of which overlap those before. Of long vectors it is
# half of one where a row has less than one, as of the 14 windows of a row of 28 pixels.


cdef inline void largest_by(
    const int count, const real* upper, const real* lower, Py_ssize_t n, real* y
) noexcept nogil:
    """Compute a row of at least so many windows."""
    cdef Py_ssize_t j = 0
    while j + count < n:
        largest_of_pairs(count, upper + 2 * j, lower + 2 * j, y + j)
        j = j + count
    j = n - count
    largest_of_pairs(count, upper + 2 * j, lower + 2 * j, y + j)


cdef inline void largest_of_row(
    const real* upper, const real* lower, Py_ssize_t n, real* y
) noexcept nogil:
    """Compute a row of n windows."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    if n >= lanes:
        largest_by(lanes, upper, lower, n, y)
        return
    if lanes >= 16 and n >= lanes // 2:
        largest_by(lanes // 2, upper, lower, n, y)
        return
    if n >= lanes // 2:
        largest_of_pairs(lanes // 2, upper, lower, y)
        j = lanes // 2
    while j < n:
        largest_of_pairs(1, upper + 2 * j, lower + 2 * j, y + j)
        j = j + 1


cdef inline void grad_by(
    const int count, const bint careful, const real* upper, const real* lower, const real* grad,
    Py_ssize_t n, real* dx_upper, real* dx_lower, real* sums,
) noexcept nogil:
    """Fill in two rows of dx from at least so many windows."""
    cdef real kept[MOST_LANES]
    cdef Py_ssize_t j = 0
    cdef int k
    for k in range(count):
        kept[k] = sums[k]
    while j + count < n:
        grad_of_pairs(
            count, careful, upper + 2 * j, lower + 2 * j, grad + j, dx_upper + 2 * j,
            dx_lower + 2 * j, kept,
        )
        j = j + count
    j = n - count
    grad_of_pairs(
        count, careful, upper + 2 * j, lower + 2 * j, grad + j, dx_upper + 2 * j,
        dx_lower + 2 * j, kept,
    )
    for k in range(count):
        sums[k] = kept[k]


cdef inline void grad_of_row(
    const bint careful, const real* upper, const real* lower, const real* grad, Py_ssize_t n,
    real* dx_upper, real* dx_lower, real* sums,
) noexcept nogil:
    """Fill in two rows of dx from n windows."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j = 0
    if n >= lanes:
        grad_by(lanes, careful, upper, lower, grad, n, dx_upper, dx_lower, sums)
        return
    if lanes >= 16 and n >= lanes // 2:
        grad_by(lanes // 2, careful, upper, lower, grad, n, dx_upper, dx_lower, sums)
        return
    if not careful:
        while j < n:
            sums[0] += (upper[2 * j] + upper[2 * j + 1]) + (lower[2 * j] + lower[2 * j + 1])
            place_pair(
                tap_of_pair(upper + 2 * j, lower + 2 * j), grad[j], dx_upper + 2 * j,
                dx_lower + 2 * j,
            )
            j = j + 1
    while j < n:
        grad_of_pairs(
            1, careful, upper + 2 * j, lower + 2 * j, grad + j, dx_upper + 2 * j,
            dx_lower + 2 * j, sums,
        )
        j = j + 1


cdef inline bint grad_of_band_of_pairs(
    const bint careful, const Pool* pool, const real* rows, const real* grad, Py_ssize_t count,
    real* dx, bint* holds_none, Watch* watch,
) noexcept nogil:
    """Fill in the rows of dx of some rows of windows; return whether they were still wanted.

    Say as well whether there was surely no NaN, where it is not looked for. Infinities of both
    signs may look like one.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t out_width = pool.columns.outputs
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
            grad_of_row(
                careful, rows + 2 * j, rows + width + 2 * j, grad + j, n, dx + 2 * j,
                dx + width + 2 * j, sums,
            )
            j = j + n
        for j in range(2 * out_width, width):       # which no window sees
            dx[j] = dx[width + j] = 0
        rows, dx, grad = rows + 2 * width, dx + 2 * width, grad + out_width
    for k in range(lanes):
        total += sums[k]
    holds_none[0] = total == total
    return True


cdef inline bint max_pool_short_pairs(
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
        largest_of_row(pixels, pixels + layout.apart, n, y)
        y = y + n
        i = i + count
    return True


cdef void max_pool_pairs(
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
            if not max_pool_short_pairs(
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
    cdef Py_ssize_t together = max(1, LOOK_AT_VALUES // (2 * width))    # rows of windows
    cdef const real* rows
    cdef const real* grad
    cdef real* dx
    cdef Py_ssize_t plane, i, count, begin
    cdef bint holds_none
    for plane in range(unit.plane, unit.last_plane):
        i = unit.row
        while i < unit.last_row:
            count = min(together, unit.last_row - i)
            begin = (plane * pool.rows.size + 2 * i) * width
            rows = <const real*>operands.image + begin
            dx = <real*>operands.result + begin
            grad = <const real*>operands.gradient + (
                (plane * pool.rows.outputs + i) * pool.columns.outputs
            )
            if not grad_of_band_of_pairs(
                False, pool, rows, grad, count, dx, &holds_none, watch
            ):
                return
            if not holds_none and not grad_of_band_of_pairs(
                True, pool, rows, grad, count, dx, &holds_none, watch
            ):
                return
            i = i + count
        if unit.last_row == pool.rows.outputs:
            i = 2 * pool.rows.outputs
            if not fill_in_stretches(
                <real*>operands.result + (plane * pool.rows.size + i) * width, <real>0,
                (pool.rows.size - i) * width, watch,
            ):
                return


enter("max_pool_pairs", lay_out_pairs, max_pool_pairs[float], max_pool_pairs[double])
enter(
    "max_pool_grad_pairs", lay_out_pool_rows, max_pool_grad_pairs[float],
    max_pool_grad_pairs[double],
)
