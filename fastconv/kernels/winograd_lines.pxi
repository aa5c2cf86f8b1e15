# The transforms of many lines. A line is what a tile sees along one axis, rows or columns, and a
# tile of two axes is transformed in one and then in the other:
#
#     a x a pixels, Bᵀ along columns     →     a x a, Bᵀ along rows     →     a x a values
#
# An axis of a single tap, that is the other one of a 1 x R or R x 1 kernel, is not transformed: its
# tiles have one value. With a dilation, tiles are interleaved: the outputs of one are so many
# pixels apart, as are the pixels that they see, and as many tiles fill the gaps.
#
#     dilation 2, m = 2     outputs  0 1 0 1 | 2 3 2 3 | ...  by tile

cdef struct Line:
    int taps
    int pairs               # of points; none where nothing is transformed
    int outputs             # m
    int values              # a = m + taps - 1
    Py_ssize_t dilation
    Py_ssize_t together     # outputs of as many tiles as are interleaved
    Py_ssize_t beyond       # pixels that they see besides
    Constants constants


cdef Line find_line(const Axis* axis, Py_ssize_t tile) noexcept nogil:
    cdef Line line
    line.taps = <int>axis.kernel
    line.outputs = <int>tile if axis.kernel > 1 else 1
    line.values = line.outputs + line.taps - 1
    line.pairs = line.values // 2 - 1 if axis.kernel > 1 else 0
    line.dilation = axis.dilation if axis.kernel > 1 else 1
    line.together = line.outputs * line.dilation
    line.beyond = (line.taps - 1) * line.dilation
    line.constants = find_constants(line.pairs)
    return line


cdef inline Py_ssize_t tiles_along(const Line* line, Py_ssize_t outputs) noexcept nogil:
    """Return how many tiles cover so many outputs."""
    return ceil_div(outputs, line.together) * line.dilation


cdef inline Py_ssize_t first_of_tile(const Line* line, Py_ssize_t tile) noexcept nogil:
    """Return where a tile begins: its first output, and the first pixel that it sees."""
    if line.dilation == 1:  # divisions would take as long as a tile's few additions
        return tile * line.together
    return tile // line.dilation * line.together + tile % line.dilation


# Where the vectors of lines are, in values: three loops over lines, and from value to value of one.
# Many lines are walked at once, since what a walk begins with, the points into registers, takes as
# long as a few lines.
cdef struct Walk:
    Py_ssize_t outer
    Py_ssize_t middle
    Py_ssize_t inner
    Py_ssize_t source_outer
    Py_ssize_t source_middle
    Py_ssize_t source_inner
    Py_ssize_t step
    Py_ssize_t target_outer
    Py_ssize_t target_middle
    Py_ssize_t target_inner
    Py_ssize_t apart


cdef inline void walk_pixels(
    const int lanes, const int pairs, const Constants* constants, const Walk* walk,
    const real* source, real* target,
) noexcept nogil:
    cdef Py_ssize_t h, i, j
    for h in range(walk.outer):
        for i in range(walk.middle):
            for j in range(walk.inner):
                transform_pixels(
                    lanes, pairs, constants,
                    source + i * walk.source_middle + j * walk.source_inner, walk.step,
                    target + i * walk.target_middle + j * walk.target_inner, walk.apart,
                )
        source, target = source + walk.source_outer, target + walk.target_outer


cdef inline void walk_any_pixels(
    const int lanes, const Line* line, const Walk* walk, const real* source, real* target
) noexcept nogil:
    if line.pairs == 1:
        walk_pixels(lanes, 1, &line.constants, walk, source, target)
    elif line.pairs == 2:
        walk_pixels(lanes, 2, &line.constants, walk, source, target)
    else:
        walk_pixels(lanes, 3, &line.constants, walk, source, target)


cdef void transform_pixel_lines(
    bint half, const Line* line, const Walk* walk, const real* source, real* target
) noexcept nogil:
    """Do Bᵀ for every line; of `half` the lanes, if halves take half the time."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    if HALF_VECTORS and half:
        walk_any_pixels(vector // 2, line, walk, source, target)
    else:
        walk_any_pixels(vector, line, walk, source, target)


# Sums are transformed in a small array: columns into it, rows out of it. There values follow each
# other, at distances that the compiler knows.
cdef enum Pass:
    BOTH = 0                # only one axis is transformed
    COLUMNS = 1
    ROWS = 2                # of as many values as the columns have


cdef inline void walk_sums(
    const Pass kind, const int pairs, const int outputs, const Constants* constants,
    const Walk* walk, const real* source, real* target,
) noexcept nogil:
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t step = outputs * vector if kind == ROWS else walk.step
    cdef Py_ssize_t h, i, j
    for h in range(walk.outer):
        for i in range(walk.middle):
            for j in range(walk.inner):
                transform_sums(
                    vector, pairs, outputs, constants,
                    source + i * walk.source_middle + j * walk.source_inner, step,
                    target + i * walk.target_middle + j * walk.target_inner, vector,
                )
        source, target = source + walk.source_outer, target + walk.target_outer


cdef inline void walk_any_sums(
    const Pass kind, const Line* line, const Walk* walk, const real* source, real* target
) noexcept nogil:
    if line.pairs == 1:
        walk_sums(kind, 1, 2, &line.constants, walk, source, target)
    elif line.pairs == 2:
        if line.outputs == 4:
            walk_sums(kind, 2, 4, &line.constants, walk, source, target)
        else:
            walk_sums(kind, 2, 2, &line.constants, walk, source, target)
    elif line.outputs == 6:
        walk_sums(kind, 3, 6, &line.constants, walk, source, target)
    elif line.outputs == 4:
        walk_sums(kind, 3, 4, &line.constants, walk, source, target)
    else:
        walk_sums(kind, 3, 2, &line.constants, walk, source, target)


cdef void transform_sum_lines(
    Pass kind, const Line* line, const Walk* walk, const real* source, real* target
) noexcept nogil:
    """Do Aᵀ for every line; its outputs follow each other."""
    if kind == ROWS:
        walk_any_sums(ROWS, line, walk, source, target)
    else:
        walk_any_sums(BOTH, line, walk, source, target)
