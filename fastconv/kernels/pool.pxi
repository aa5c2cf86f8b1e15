# What the poolings share: units, the image's rows dealt out to phases, and how windows' rows find
# back to the image's.
#
# A unit is some planes, or a band of rows of one plane of the result. A row of the image lies in
# the scratch padded and by phases, every stride-th pixel together, so that what the lanes of a
# vector see with any tap follow each other:
#
#     stride 2, padding 1     . a b c d e f .      phase 0     . b d f      tap 0, and tap 2 one on
#                                                  phase 1     a c e .      tap 1
#
# On the way back it is the same in the other direction: phase by phase a row of the image's
# gradient gathers from the windows that see it, and is complete when it is stored. Nobody adds to
# what another window has written, so that no pixel waits for the one before it.
#
# Rows in the scratch have room for a vector more at either end of what is read or written.
#
# A row that takes long, since it or its windows are, is done in stretches of whole vectors, between
# which Ctrl-C is answered. Where they end changes no bit: no output depends on its neighbour.

from libc.math cimport INFINITY


# Comparisons or additions of a stretch, and what finding a window counts for, if one is looked for
# by itself.
cdef enum:
    STRETCH_WORK = 1_000_000
    WINDOW_WORK = 20

# Taps of a window whose numbers fit a byte; see also problem/pooling.py.
cdef enum:
    BYTE_TAPS = 256


cdef struct Pool:
    Axis rows
    Axis columns
    Counted counted
    Py_ssize_t planes
    Py_ssize_t unit_planes
    Py_ssize_t unit_rows
    Py_ssize_t bands            # of a plane
    Py_ssize_t phase            # from one phase of a row of the image to the next,
    Py_ssize_t run              # and how many of its values outputs and pixels reach
    Py_ssize_t reach            # of the taps: outputs before the first that it may read from
    Py_ssize_t line             # values of a row of windows, with `reach` before
    Py_ssize_t stretch          # how much of a row is done at a time
    Py_ssize_t windows          # rows of windows that a row of the image is in at the most
    bint wide                   # whether numbers of taps take more than a byte: see pool_taps.pxi
    Py_ssize_t* offsets         # where a tap of the columns finds output 0 in the phases


cdef struct PoolUnit:              # some rows of some planes
    Py_ssize_t plane
    Py_ssize_t last_plane
    Py_ssize_t row
    Py_ssize_t last_row


cdef Py_ssize_t lay_out_pool(
    const Description* given, Made* made, list memory, Pool* pool, Py_ssize_t result_rows
) except -1:
    """Fill in all but the scratch; `result_rows` are those of a plane of the result."""
    cdef const Problem* problem = &given.problem
    cdef const Axis* across = &problem.columns
    cdef Py_ssize_t values = LINE_BYTES // problem.itemsize     # of a vector, at the most
    cdef Py_ssize_t reach
    pool.rows, pool.columns, pool.counted = problem.rows, problem.columns, given.counted
    pool.planes = problem.batch
    pool.unit_planes, pool.unit_rows = given.blocks.images, given.blocks.rows
    pool.bands = ceil_div(result_rows, pool.unit_rows)
    reach = (across.kernel - 1) * across.dilation // across.stride
    pool.run = max(
        across.outputs + reach, (across.before + across.size - 1) // across.stride + 1
    )
    pool.reach = whole_lines(reach)     # so that rows of windows begin at a cache line
    pool.phase = whole_lines(pool.run + values)
    pool.line = whole_lines(pool.reach + pool.run + values)
    pool.windows = (problem.rows.kernel - 1) * problem.rows.dilation // problem.rows.stride + 1
    pool.stretch = whole_lines(STRETCH_WORK // min(STRETCH_WORK, max(across.kernel, pool.windows)))
    pool.wide = problem.taps > BYTE_TAPS
    pool.offsets = NULL
    made.units = ceil_div(pool.planes, pool.unit_planes) * pool.bands
    return 0


cdef int offsets_in_phases(Pool* pool, list memory) except -1:
    """Fill in the table of taps."""
    cdef Py_ssize_t s, at
    pool.offsets = allot_table(memory, pool.columns.kernel)
    for s in range(pool.columns.kernel):
        at = s * pool.columns.dilation
        pool.offsets[s] = at % pool.columns.stride * pool.phase + at // pool.columns.stride
    return 0


cdef inline PoolUnit find_planes(
    const Pool* pool, Py_ssize_t number, Py_ssize_t result_rows
) noexcept nogil:
    """Decode (block of planes)·bands + band."""
    cdef PoolUnit unit
    unit.plane = number // pool.bands * pool.unit_planes
    unit.last_plane = min(pool.planes, unit.plane + pool.unit_planes)
    unit.row = number % pool.bands * pool.unit_rows
    unit.last_row = min(result_rows, unit.row + pool.unit_rows)
    return unit


cdef inline Py_ssize_t by_stride(Py_ssize_t pixels, Py_ssize_t stride) noexcept nogil:
    """Return pixels // stride, of no fewer than 0, without dividing by the usual strides."""
    if stride == 1:
        return pixels
    return pixels >> 1 if stride == 2 else pixels // stride


cdef inline Py_ssize_t first_tap(const Axis* axis, Py_ssize_t output) noexcept nogil:
    """Return the first tap of a window that is not before the image."""
    cdef Py_ssize_t begin = output * axis.stride - axis.before
    if begin >= 0:
        return 0
    return -begin if axis.dilation == 1 else ceil_div(-begin, axis.dilation)


cdef inline Py_ssize_t last_tap(const Axis* axis, Py_ssize_t output, Py_ssize_t end) noexcept nogil:
    """Return the end of the taps of a window that are before a position."""
    cdef Py_ssize_t left = end - (output * axis.stride - axis.before)
    return min(axis.kernel, left if axis.dilation == 1 else ceil_div(left, axis.dilation))


cdef inline Py_ssize_t first_window(const Axis* axis, Py_ssize_t pixel) noexcept nogil:
    """Return the first window that reaches as far as a pixel."""
    cdef Py_ssize_t begin = pixel + axis.before - (axis.kernel - 1) * axis.dilation
    return 0 if begin <= 0 else by_stride(begin + axis.stride - 1, axis.stride)


cdef inline Py_ssize_t last_window(const Axis* axis, Py_ssize_t pixel) noexcept nogil:
    """Return the end of the windows that do not begin after a pixel."""
    return min(axis.outputs, by_stride(pixel + axis.before, axis.stride) + 1)


cdef inline Py_ssize_t tap_of(
    const Axis* axis, Py_ssize_t window, Py_ssize_t pixel
) noexcept nogil:
    """Return the tap with which a window sees a pixel, or -1."""
    cdef Py_ssize_t apart = pixel + axis.before - window * axis.stride
    if axis.dilation == 1:
        return apart if apart < axis.kernel else -1
    if apart % axis.dilation != 0:
        return -1
    apart = apart // axis.dilation
    return apart if apart < axis.kernel else -1


# In loops of fewer than eight steps the compiler finds no selections, since it takes them apart
# before it looks for vectors: where a vector has fewer lanes, several are taken at a time.
cdef extern from *:
    """
    #define MOST_LANES (FLOATS > 8 ? FLOATS : 8)
    """
    enum: MOST_LANES


# "Beats", of two values, is larger or NaN: then of equals the first stays, and of NaNs the last.
# It takes two comparisons and two selections, each by itself: the compiler finds no vectors in one
# selection by both. Rows without any NaN, which is one look at them, need only one.


cdef inline real choose(
    const bint careful, real value, real best, real new, real old
) noexcept nogil:
    """Return the new if a value beats the best, else the old."""
    cdef real chosen = new if value > best else old
    if careful:
        return new if value != value else chosen
    return chosen


cdef inline real fold_lanes(real* lanes) noexcept nogil:
    """Return the sum of a vector's lanes, by halves: sooner than one after the other."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int k
    if vector >= 16:
        for k in range(8):
            lanes[k] += lanes[8 + k]
    if vector >= 8:
        for k in range(4):
            lanes[k] += lanes[4 + k]
    if vector >= 4:
        return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
    return lanes[0] + lanes[1]


cdef inline void fill_run(real* values, real value, Py_ssize_t n) noexcept nogil:
    """Fill n values; the last vector overlaps the one before."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t j = 0
    cdef int k
    if n < vector:
        fill_row(values, value, n)
        return
    while j + vector < n:
        for k in range(vector):
            values[j + k] = value
        j = j + vector
    values = values + n - vector
    for k in range(vector):
        values[k] = value


cdef inline bint fill_in_stretches(
    real* values, real value, Py_ssize_t n, Watch* watch
) noexcept nogil:
    """Do so, however many they are; return whether it was still wanted."""
    cdef Py_ssize_t end = 0
    cdef Py_ssize_t begin
    while end < n:
        begin, end = end, min(n, end + STRETCH_WORK)
        if not goes_on(watch, end - begin):
            return False
        fill_run(values + begin, value, end - begin)
    return True


cdef inline void deal_row(
    const Pool* pool, const real* row, real* phases
) noexcept nogil:
    """Bring a row of the image to where its pixels belong in the phases."""
    cdef Py_ssize_t stride = pool.columns.stride
    cdef Py_ssize_t before = pool.columns.before
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t at = by_stride(before, stride)
    cdef Py_ssize_t w
    cdef Py_ssize_t phase
    if stride == 1:
        copy_run(phases + before, row, width)
    elif stride == 2:
        if before % 2 != 0:     # the first pixel belongs to a pair with the padding
            phases[pool.phase + at] = row[0]
            row, width, at = row + 1, width - 1, at + 1
        deal_run(phases + at, phases + pool.phase + at, row, width // 2)
        if width % 2 != 0:
            phases[at + width // 2] = row[width - 1]
    else:
        phase = before % stride
        for w in range(width):
            phases[phase * pool.phase + at] = row[w]
            phase = phase + 1
            if phase == stride:
                phase, at = 0, at + 1


cdef inline void join_phases(
    const real* phases, Py_ssize_t phase, Py_ssize_t stride, Py_ssize_t n, real* line
) noexcept nogil:
    """Do line[j·stride + p] = phase p [j], for j < n and up to a vector more."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real mixed[2 * FLOATS]
    cdef Py_ssize_t j = 0
    cdef Py_ssize_t p
    cdef int k
    if stride == 1:
        while j < n:
            copy_values(vector, line + j, phases + j)
            j = j + vector
    elif stride == 2:
        while j < n:
            for k in range(vector):
                mixed[2 * k] = phases[j + k]
                mixed[2 * k + 1] = phases[phase + j + k]
            for k in range(2 * vector):
                line[2 * j + k] = mixed[k]
            j = j + vector
    else:
        for p in range(stride):
            for j in range(n):
                line[j * stride + p] = phases[p * phase + j]


cdef inline Py_ssize_t joined_values(const Pool* pool) noexcept nogil:
    """Return what `join_phases` writes."""
    return pool.columns.stride * pool.phase


cdef inline void add_shifted_row(
    const bint first, const real* shares, Py_ssize_t n, real* sums
) noexcept nogil:
    """Do sums[j] += shares[j], or without `first` summand; for up to a vector more."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real taken[FLOATS]
    cdef Py_ssize_t j = 0
    cdef int k
    while j < n:
        for k in range(vector):
            taken[k] = shares[j + k] if first else sums[j + k] + shares[j + k]
        for k in range(vector):
            sums[j + k] = taken[k]
        j = j + vector
