# Maxima of 3x3 windows, one or two apart: strips of windows that go down an image, and how its rows
# are ranked. Of an image whose values are all finite: what holds an infinity or a NaN goes the way
# of any window (pool_max_grad.pxi), so that here one comparison tells, and padding of -inf never
# wins.
#
# A vector of windows next to each other goes down the image, a strip of it, and keeps in registers
# what one row of windows leaves to the next. So a row of the image is ranked once, and nothing
# waits for what has just been stored:
#
#     row 2i       a b c    ranked: largest, its tap    kept from the windows above
#     row 2i + 1   d e f    ranked                      window i chooses among the three, and
#     row 2i + 2   g h i    ranked                      gives to one; then row 2i has all
#
# What a row has then is dealt out by its tap: three shares, each where its windows are. Pixels add
# up the shares of the three windows that may have given one, in the order of the taps:
#
#     stride 1    dx[q] = share 0 [q] + share 1 [q - 1] + share 2 [q - 2]
#     stride 2    dx[2j] = share 0 [j] + share 2 [j - 1]        dx[2j + 1] = share 1 [j]
#
# Rows and columns are counted from the padding on. Rows of windows before the first and after the
# last, which have no gradient, start the strips and let them run out. All is done for a band of
# rows of windows, whose rows of the image and shares lie in the first-level cache; a strip's state
# goes from band to band through the scratch.
#
# At stride 2 a band is three or four rows of windows, and less is left from each to the next: there
# they go row by row instead, a whole one before the next, and all state through the scratch. To
# begin and end so short a strip took a third of what it did; it is 3 to 8 % sooner.
cdef enum:
    THREES_VALUES = 4096


cdef struct Threes:
    Pool pool
    Py_ssize_t band         # rows of windows that are done together
    Py_ssize_t rows         # with how many new rows of the image
    Py_ssize_t step         # values from a row of the image to the next
    Py_ssize_t image        # where in the scratch these begin: rows of the image by phases,
    Py_ssize_t state        # what vectors of windows go on with,
    Py_ssize_t grads        # gradients of rows of windows that are shorter than a vector,
    Py_ssize_t nothing      # a row of none,
    Py_ssize_t spare        # and a vector or two


cdef struct StripWalk:          # down a plane; rows with the padding
    Py_ssize_t window           # the first row of windows, which may be before all
    Py_ssize_t end_window
    Py_ssize_t seen             # those that have a gradient
    Py_ssize_t end_seen


cdef int lay_out_threes(
    const Description* given, Made* made, list memory, Threes* layout, Py_ssize_t result_rows,
    Py_ssize_t lines,
) except -1:
    """Fill in what the kernels share; of a band, a row of windows takes so many lines besides."""
    cdef Pool* pool = &layout.pool
    cdef Py_ssize_t lanes = max(8, VECTOR_BYTES // given.problem.itemsize)
    cdef Py_ssize_t stride, values
    lay_out_pool(given, made, memory, pool, result_rows)
    stride = pool.rows.stride
    layout.step = stride * pool.phase
    values = stride * layout.step + lines * pool.line
    layout.band = max(
        1, THREES_VALUES * <Py_ssize_t>sizeof(float) // given.problem.itemsize // values
    )
    layout.rows = stride * layout.band
    layout.image = book(made, layout.rows * layout.step)
    layout.state = book(made, ceil_div(pool.columns.outputs, lanes) * 6 * lanes)
    layout.grads = book(made, layout.band * MOST_LANES)
    layout.nothing = book(made, pool.line)
    layout.spare = book(made, 2 * MOST_LANES)
    return 0


cdef inline StripWalk walk_down(
    const Axis* down, Py_ssize_t row, Py_ssize_t last_row
) noexcept nogil:
    """Return by which rows of windows some rows of the image get all that is theirs."""
    cdef StripWalk walk
    cdef Py_ssize_t first
    walk.seen = min(first_window(down, row), down.outputs)
    walk.end_seen = down.outputs
    first = max(down.before, walk.seen * down.stride)       # row that is ranked
    if down.stride == 1:
        walk.window = first - 2
        walk.end_window = last_row + down.before
    else:
        walk.window = (first + 1) // 2 - 1
        walk.end_window = (last_row - 1 + down.before) // 2 + 1
    return walk


cdef inline void copy_adding(
    const int count, real* target, const real* source, real* sums
) noexcept nogil:
    """Copy so many values at once, and add them up."""
    cdef real taken[FLOATS]
    cdef int k
    for k in range(count):
        taken[k] = source[k]
    for k in range(count):
        sums[k] += taken[k]
    for k in range(count):
        target[k] = taken[k]


cdef inline void deal_adding(
    const int count, real* first, real* second, const real* source, real* sums
) noexcept nogil:
    """Deal out so many pairs at once, and add them up."""
    cdef real even[FLOATS]
    cdef real odd[FLOATS]
    cdef int k
    for k in range(count):
        even[k] = source[2 * k]
        odd[k] = source[2 * k + 1]
    for k in range(count):
        sums[k] += even[k] + odd[k]
    for k in range(count):
        first[k] = even[k]
    for k in range(count):
        second[k] = odd[k]


cdef inline void take_image_row(
    const int stride, const Pool* pool, const real* row, real* phases, real* sums
) noexcept nogil:
    """Bring a row of the image to its phases, as `deal_row` does, and add up what it holds."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t before = pool.columns.before
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t n = width // stride
    cdef Py_ssize_t j = 0
    cdef real* first
    cdef real* second
    cdef real kept[FLOATS]
    cdef int k
    if n <= vector:
        deal_row(pool, row, phases)
        for j in range(width):
            sums[0] += row[j]
        return
    for k in range(vector):
        kept[k] = sums[k]
    if stride == 1:
        first = phases + before
        while j + vector < n:
            copy_adding(vector, first + j, row + j, kept)
            j = j + vector
        j = n - vector
        copy_adding(vector, first + j, row + j, kept)
    else:
        # where the first and the second pixel of a pair belong
        first = phases + before // 2
        second = first + pool.phase
        if before % 2 != 0:
            first, second = second, first + 1
        while j + vector < n:
            deal_adding(vector, first + j, second + j, row + 2 * j, kept)
            j = j + vector
        j = n - vector
        deal_adding(vector, first + j, second + j, row + 2 * j, kept)
        if 2 * n < width:
            first[n] = row[2 * n]
            kept[0] += row[2 * n]
    for k in range(vector):
        sums[k] = kept[k]


cdef inline void take_some_rows(
    const int stride, const Pool* pool, const real* image, Py_ssize_t row, Py_ssize_t end,
    real* rows, Py_ssize_t step, real* sums,
) noexcept nogil:
    """Bring rows of the image, or of padding, to their phases, `step` apart; add them up.

    A sum keeps what is not finite. One that overflows looks as if there were such.
    """
    cdef Py_ssize_t before = pool.rows.before
    cdef Py_ssize_t h
    for h in range(row - before, end - before):
        if 0 <= h < pool.rows.size:
            take_image_row(stride, pool, image + h * pool.columns.size, rows, sums)
        else:
            fill_run(rows, <real>-INFINITY, step)
        rows = rows + step


cdef inline void begin_pixel_sums(real* sums) noexcept nogil:
    """Begin to add up what rows hold."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int k
    for k in range(vector):
        sums[k] = 0


cdef inline bint sum_is_finite(real* sums) noexcept nogil:
    """Return whether all that was added up is."""
    cdef real total = fold_lanes(sums)
    return total - total == 0


cdef inline bint take_image_rows(
    const int stride, const Threes* layout, const real* image, Py_ssize_t row, Py_ssize_t end,
    real* rows,
) noexcept nogil:
    """Take some rows; return whether all is finite."""
    cdef real sums[FLOATS]
    begin_pixel_sums(sums)
    take_some_rows(stride, &layout.pool, image, row, end, rows, layout.step, sums)
    return sum_is_finite(sums)


cdef inline void rank_three(
    const int stride, const int number, const real* row, Py_ssize_t phase, real* largest, real* tap
) noexcept nogil:
    """Find the largest of three taps along a row, and which it is, of a vector of windows.

    The first of them has this number.
    """
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef real a[MOST_LANES]
    cdef real b[MOST_LANES]
    cdef real c[MOST_LANES]
    cdef real best[MOST_LANES]
    cdef real at[MOST_LANES]
    cdef int k
    for k in range(lanes):
        a[k] = row[k]
    for k in range(lanes):
        b[k] = row[1 + k] if stride == 1 else row[phase + k]
    for k in range(lanes):
        c[k] = row[2 + k] if stride == 1 else row[1 + k]
    for k in range(lanes):
        best[k] = b[k] if b[k] > a[k] else a[k]
    for k in range(lanes):
        at[k] = <real>(number + 1) if b[k] > a[k] else <real>number
    for k in range(lanes):
        tap[k] = <real>(number + 2) if c[k] > best[k] else at[k]
    for k in range(lanes):
        largest[k] = c[k] if c[k] > best[k] else best[k]


cdef inline void begin_threes(const Threes* layout, real* scratch) noexcept nogil:
    """Fill in all that is beside the image and the windows, once and for all."""
    fill_run(scratch + layout.image, <real>-INFINITY, layout.rows * layout.step)
    fill_run(scratch + layout.grads, <real>0, layout.band * MOST_LANES)
    fill_run(scratch + layout.nothing, <real>0, layout.pool.line)


cdef inline void begin_state(const Threes* layout, real* state) noexcept nogil:
    """Begin with rows that nobody has seen."""
    cdef int lanes = max(8, VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t j
    for j in range(ceil_div(layout.pool.columns.outputs, lanes)):
        fill_run(state, <real>0, 6 * lanes)
        fill_run(state, <real>-INFINITY, lanes)
        fill_run(state + 3 * lanes, <real>-INFINITY, lanes)
        state = state + 6 * lanes
