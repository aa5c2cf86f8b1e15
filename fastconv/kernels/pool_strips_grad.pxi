# The gradient of 3x3 maxima from the image, in strips: see pool_strips.pxi.
#
# A window chooses among the largest of its rows; a row then hands what it got to the first, the
# second or the third pixel of each window (pool_threes.pxi), and a pixel adds up, in the order of
# the taps, what comes from the window ahead of it, its own and the one behind it:
#
#     stride 1    dx[q] = first [q + 1] + second [q] + third [q - 1]
#     stride 2    dx[2j] = second [j]        dx[2j + 1] = first [j + 1] + third [j]
#
# Instructions of a vector of windows with AVX-512: some 40 at stride 1, 50 at stride 2, loads and
# stores apart, where pool_threes_grad.pxi takes 156 with AVX2.


cdef enum:
    LOOK_AHEAD = 4      # rows


cdef struct StripsGrad:
    Strips strips
    MaxPoolGrad any         # for what is not finite


cdef int lay_out_max_pool_grad_strips(const Description* given, Made* made, list memory) except -1:
    cdef StripsGrad* layout = <StripsGrad*>allot(memory, sizeof(StripsGrad))
    lay_out_gathering(given, made, memory, &layout.any)
    lay_out_strips(given, made, memory, &layout.strips)
    made.layout = layout
    return 0


cdef inline void largest_of_three(
    const real* a, const real* b, const real* c, real* largest
) noexcept nogil:
    """Find the largest of three taps."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real best[MOST_LANES]
    cdef int k
    for k in range(lanes):
        best[k] = b[k] if b[k] > a[k] else a[k]
    for k in range(lanes):
        largest[k] = c[k] if c[k] > best[k] else best[k]


cdef union Bits:
    float single
    int word
    double twice
    long long words


cdef inline real rest_of(real whole, real part) noexcept nogil:
    """Return 0 if the part is the whole, or the whole if it is 0: by bits, without a comparison."""
    cdef Bits bits
    cdef Bits taken
    if real is float:
        bits.single, taken.single = whole, part
        bits.word = bits.word ^ taken.word
        return bits.single
    bits.twice, taken.twice = whole, part
    bits.words = bits.words ^ taken.words
    return bits.twice


cdef inline void hand_out(
    const real* a, const real* b, const real* c, const real* shares,
    real* to_a, real* to_b, real* to_c,
) noexcept nogil:
    """Give shares to the largest of three, of equals to the first."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real best[MOST_LANES]
    cdef real rest[MOST_LANES]
    cdef real share     # loaded in any case, or the compiler would load it only where it is chosen
    cdef int k
    for k in range(lanes):
        best[k] = b[k] if b[k] > a[k] else a[k]
    for k in range(lanes):
        share = shares[k]
        to_c[k] = share if c[k] > best[k] else 0
    for k in range(lanes):
        rest[k] = rest_of(shares[k], to_c[k])
    for k in range(lanes):
        share = rest[k]
        to_b[k] = share if b[k] > a[k] else 0
    for k in range(lanes):
        to_a[k] = rest_of(rest[k], to_b[k])


cdef inline void look_at_rows(
    const Strips* strips, const real* image, Py_ssize_t row, Py_ssize_t end, real* sums
) noexcept nogil:
    """Add up what rows hold, as far as they are in the image: a sum keeps what is not finite.

    The first strip looks at whole rows, some before it comes to them: so all of them is in the
    cache, where the processor would not bring by itself what strips read of each.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t width = strips.pool.columns.size
    cdef Py_ssize_t j = max(0, row) * width
    cdef Py_ssize_t values = min(end, strips.pool.rows.size) * width
    cdef real kept[MOST_LANES]
    cdef real others[MOST_LANES]    # every other vector's: two sums need not wait for each other
    if j >= values:
        return
    copy_lanes(sums, kept)
    fill_lanes(<real>0, others)
    while j + 2 * lanes < values:
        add_lanes(image + j, kept)
        add_lanes(image + j + lanes, others)
        j = j + 2 * lanes
    add_lanes(image + min(j, values - lanes), kept)
    add_lanes(image + values - lanes, others)
    add_lanes(others, kept)
    copy_lanes(kept, sums)


cdef inline void grad_of_same_strip(
    const bint first, const bint last, const Strips* strips, const real* image, const real* grad,
    Py_ssize_t row, Py_ssize_t last_row, real* dx, real* scratch, real* sums,
) noexcept nogil:
    """Go down some rows at stride 1, from what the windows above the first would leave: nothing."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t width = strips.pool.columns.size
    cdef Py_ssize_t height = strips.pool.rows.size
    cdef const real* padding = scratch + strips.padding
    cdef const real* nothing = scratch + strips.nothing
    cdef real* spare = scratch + strips.spare
    # of the three rows that a window sees: pixels, those beside them, the largest of three
    cdef real upper[MOST_LANES]
    cdef real upper_behind[MOST_LANES]
    cdef real upper_ahead[MOST_LANES]
    cdef real upper_best[MOST_LANES]
    cdef real middle[MOST_LANES]
    cdef real middle_behind[MOST_LANES]
    cdef real middle_ahead[MOST_LANES]
    cdef real middle_best[MOST_LANES]
    cdef real lower[MOST_LANES]
    cdef real behind[MOST_LANES]
    cdef real ahead[MOST_LANES]
    cdef real best[MOST_LANES]
    # what windows gave to them so far
    cdef real to_upper[MOST_LANES]
    cdef real to_middle[MOST_LANES]
    cdef real up[MOST_LANES]
    cdef real between[MOST_LANES]
    cdef real down[MOST_LANES]
    cdef real grads[MOST_LANES]
    cdef real left[MOST_LANES]
    cdef real own[MOST_LANES]
    cdef real right[MOST_LANES]
    cdef real total[MOST_LANES]
    cdef real kept[MOST_LANES]
    cdef Py_ssize_t h
    cdef const real* pixels
    cdef const real* source
    cdef real* target
    cdef int k
    copy_lanes(sums, kept)
    fill_lanes(<real>-INFINITY, upper)
    fill_lanes(<real>-INFINITY, upper_behind)
    fill_lanes(<real>-INFINITY, upper_ahead)
    fill_lanes(<real>-INFINITY, upper_best)
    fill_lanes(<real>-INFINITY, middle)
    fill_lanes(<real>-INFINITY, middle_behind)
    fill_lanes(<real>-INFINITY, middle_ahead)
    fill_lanes(<real>-INFINITY, middle_best)
    fill_lanes(<real>0, to_upper)
    fill_lanes(<real>0, to_middle)
    for h in range(row - 2, last_row + 2):      # row `h` is the lower one of window h - 1
        pixels = image + h * width if 0 <= h < height else padding
        source = grad + (h - 1) * width if row <= h and 1 <= h <= height else nothing
        target = dx + (h - 2) * width if h >= row + 2 else spare
        copy_lanes(pixels, lower)
        copy_lanes(source, grads)
        add_lanes(pixels if 0 <= h < height else nothing, kept)
        one_behind(first, lower, <real>-INFINITY, behind)
        one_ahead(last, lower, <real>-INFINITY, ahead)
        largest_of_three(behind, lower, ahead, best)
        hand_out(upper_best, middle_best, best, grads, up, between, down)
        add_lanes(to_upper, up)
        hand_out(upper_behind, upper, upper_ahead, up, left, own, right)
        one_ahead(last, left, <real>0, left)
        one_behind(first, right, <real>0, right)
        for k in range(lanes):
            total[k] = left[k] + own[k] + right[k]
        store_strip(2, first, total, target)
        copy_lanes(middle, upper)
        copy_lanes(middle_behind, upper_behind)
        copy_lanes(middle_ahead, upper_ahead)
        copy_lanes(middle_best, upper_best)
        copy_lanes(lower, middle)
        copy_lanes(behind, middle_behind)
        copy_lanes(ahead, middle_ahead)
        copy_lanes(best, middle_best)
        for k in range(lanes):
            to_upper[k] = to_middle[k] + between[k]
        copy_lanes(down, to_middle)
    copy_lanes(kept, sums)


cdef inline void hand_to_pixels(
    const bint first, const bint last, const real* a, const real* b, const real* c,
    const real* shares, real* dx,
) noexcept nogil:
    """Fill in two vectors of a row from what its windows, two pixels apart, gave to it."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real left[MOST_LANES]
    cdef real own[MOST_LANES]
    cdef real right[MOST_LANES]
    hand_out(a, b, c, shares, left, own, right)
    one_ahead(last, left, <real>0, left)
    add_lanes(left, right)
    join_pixels(2, first, own, right, dx)


cdef inline void deal_strip(
    const bint first, const real* pixels, real* behind, real* own, real* ahead, real* largest
) noexcept nogil:
    """Deal out a row to the three taps of windows two pixels apart, and find the largest."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef int k
    for k in range(lanes):
        own[k] = pixels[2 * k]
        ahead[k] = pixels[2 * k + 1]
    one_behind(first, ahead, <real>-INFINITY, behind)
    largest_of_three(behind, own, ahead, largest)


cdef inline void grad_of_halved_strip(
    const bint first, const bint last, const Strips* strips, const real* image, const real* grad,
    Py_ssize_t row, Py_ssize_t last_row, real* dx, real* scratch, real* sums,
) noexcept nogil:
    """Do so at stride 2, of two rows at a time."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t width = strips.pool.columns.size
    cdef Py_ssize_t out_width = strips.pool.columns.outputs
    cdef Py_ssize_t height = strips.pool.rows.size
    cdef Py_ssize_t windows = strips.pool.rows.outputs
    cdef const real* padding = scratch + strips.padding
    cdef const real* nothing = scratch + strips.nothing
    cdef real* spare = scratch + strips.spare
    cdef real upper[MOST_LANES]
    cdef real upper_behind[MOST_LANES]
    cdef real upper_ahead[MOST_LANES]
    cdef real upper_best[MOST_LANES]
    cdef real middle[MOST_LANES]
    cdef real middle_behind[MOST_LANES]
    cdef real middle_ahead[MOST_LANES]
    cdef real middle_best[MOST_LANES]
    cdef real lower[MOST_LANES]
    cdef real behind[MOST_LANES]
    cdef real ahead[MOST_LANES]
    cdef real best[MOST_LANES]
    cdef real to_upper[MOST_LANES]
    cdef real up[MOST_LANES]
    cdef real between[MOST_LANES]
    cdef real down[MOST_LANES]
    cdef real grads[MOST_LANES]
    cdef Py_ssize_t end = last_row // 2 * 2 + 2
    cdef Py_ssize_t i, h
    cdef const real* pixels
    cdef const real* source
    cdef real* target
    h = row // 2 * 2 - 1
    if first:
        look_at_rows(strips, image, h, min(h + LOOK_AHEAD + 1, end), sums)
    pixels = image + h * width if h >= 0 else padding
    deal_strip(first, pixels, upper_behind, upper, upper_ahead, upper_best)
    fill_lanes(<real>0, to_upper)
    for i in range(row // 2, last_row // 2 + 1):
        h = 2 * i
        if first:
            look_at_rows(strips, image, h + LOOK_AHEAD, min(h + LOOK_AHEAD + 2, end), sums)
        pixels = image + h * width if h < height else padding
        deal_strip(first, pixels, middle_behind, middle, middle_ahead, middle_best)
        pixels = image + (h + 1) * width if h + 1 < height else padding
        deal_strip(first, pixels, behind, lower, ahead, best)
        source = grad + i * out_width if i < windows else nothing
        copy_lanes(source, grads)
        hand_out(upper_best, middle_best, best, grads, up, between, down)
        add_lanes(to_upper, up)
        target = dx + (h - 1) * width if h - 1 >= row else spare
        hand_to_pixels(first, last, upper_behind, upper, upper_ahead, up, target)
        target = dx + h * width if row <= h < last_row else spare
        hand_to_pixels(first, last, middle_behind, middle, middle_ahead, between, target)
        copy_lanes(lower, upper)
        copy_lanes(behind, upper_behind)
        copy_lanes(ahead, upper_ahead)
        copy_lanes(best, upper_best)
        copy_lanes(down, to_upper)


# Functions of their own, in which the compiler keeps all that goes down a strip in registers.


cdef void grad_of_same_strips(
    const Strips* strips, Py_ssize_t at, const real* image, const real* grad, Py_ssize_t row,
    Py_ssize_t last_row, real* dx, real* scratch, real* sums,
) noexcept nogil:
    """Go down the strip that begins at a window."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef bint last = at == strips.pool.columns.outputs - lanes
    image, grad, dx = image + at, grad + at, dx + at
    if at == 0 and last:
        grad_of_same_strip(True, True, strips, image, grad, row, last_row, dx, scratch, sums)
    elif at == 0:
        grad_of_same_strip(True, False, strips, image, grad, row, last_row, dx, scratch, sums)
    elif last:
        grad_of_same_strip(False, True, strips, image, grad, row, last_row, dx, scratch, sums)
    else:
        grad_of_same_strip(False, False, strips, image, grad, row, last_row, dx, scratch, sums)


cdef void grad_of_halved_strips(
    const Strips* strips, Py_ssize_t at, const real* image, const real* grad, Py_ssize_t row,
    Py_ssize_t last_row, real* dx, real* scratch, real* sums,
) noexcept nogil:
    """Go down the strip that begins at a window."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef bint last = at == strips.pool.columns.outputs - lanes
    image, grad, dx = image + 2 * at, grad + at, dx + 2 * at
    if at == 0 and last:
        grad_of_halved_strip(True, True, strips, image, grad, row, last_row, dx, scratch, sums)
    elif at == 0:
        grad_of_halved_strip(True, False, strips, image, grad, row, last_row, dx, scratch, sums)
    elif last:
        grad_of_halved_strip(False, True, strips, image, grad, row, last_row, dx, scratch, sums)
    else:
        grad_of_halved_strip(False, False, strips, image, grad, row, last_row, dx, scratch, sums)


cdef bint grad_of_strips(
    const StripsGrad* layout, const int stride, const real* image, const real* grad,
    Py_ssize_t row, Py_ssize_t last_row, real* dx, real* scratch, bint* finite, Watch* watch,
) noexcept nogil:
    """Fill in some rows of a plane of dx, if its image is finite; return whether still wanted."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef const Strips* strips = &layout.strips
    cdef Py_ssize_t last = strips.pool.columns.outputs - lanes
    # the lanes of a strip that are right, but for those at an edge
    cdef Py_ssize_t step = lanes - 4 if stride == 1 else lanes - 2
    cdef Py_ssize_t at = 0
    cdef real sums[MOST_LANES]
    cdef real total = 0
    cdef int k
    fill_lanes(<real>0, sums)
    while True:
        at = min(at, last)
        if not goes_on(watch, 9 * (last_row - row + 4) * lanes):
            return False
        if stride == 1:
            grad_of_same_strips(strips, at, image, grad, row, last_row, dx, scratch, sums)
        else:
            grad_of_halved_strips(strips, at, image, grad, row, last_row, dx, scratch, sums)
        if at == last:
            break
        at = at + step
    for k in range(lanes):
        total += sums[k]
    finite[0] = total - total == 0
    return True


cdef inline void grad_of_planes(
    const StripsGrad* layout, const int stride, const Operands* operands, real* scratch,
    Py_ssize_t number, Watch* watch,
) noexcept nogil:
    """Compute a unit, band by band; a band that is not finite once more, in the way of any."""
    cdef const Pool* pool = &layout.strips.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.size)
    cdef const real* image
    cdef const real* grad
    cdef real* dx
    cdef Py_ssize_t plane, row, last
    cdef bint finite
    begin_strips(&layout.strips, scratch)
    for plane in range(unit.plane, unit.last_plane):
        image = <const real*>operands.image + plane * pool.rows.size * pool.columns.size
        grad = <const real*>operands.gradient + plane * pool.rows.outputs * pool.columns.outputs
        dx = <real*>operands.result + plane * pool.rows.size * pool.columns.size
        row = unit.row
        while row < unit.last_row:
            last = min(row + layout.strips.band, unit.last_row)
            if not grad_of_strips(
                layout, stride, image, grad, row, last, dx, scratch, &finite, watch
            ):
                return
            if not finite:
                begin_gathering(&layout.any, scratch)
                if not grad_of_rows(&layout.any, image, grad, row, last, dx, scratch, watch):
                    return
            row = last


cdef void max_pool_grad_same(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    grad_of_planes[real](<const StripsGrad*>made, 1, operands, scratch, number, watch)


cdef void max_pool_grad_halved(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    grad_of_planes[real](<const StripsGrad*>made, 2, operands, scratch, number, watch)


enter(
    "max_pool_grad_same", lay_out_max_pool_grad_strips, max_pool_grad_same[float],
    max_pool_grad_same[double],
)
enter(
    "max_pool_grad_halved", lay_out_max_pool_grad_strips, max_pool_grad_halved[float],
    max_pool_grad_halved[double],
)
