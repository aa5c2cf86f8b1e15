# The weight gradient of 1x1 where a group has few filters or few channels: sums of products of
# planes as they lie, each of the gradient with each of the image.
#
#     dw[k][c]  =  sum over images and pixels of  grad[k][pixel] · x[c][pixel]
#
# There is little to multiply: what takes time is reading the side with more planes, once. So
# nothing is copied. A tile is of a few planes of the side that has few, and of some of the other:
#
#     few     a a a a a a a a a ...     a stretch of pixels stays in the first-level cache
#     many    b b b b b b b b b ...     is read in long runs, as a processor expects
#
# with a vector of sums for each pair of them, whose lanes are added up at the very end. What is
# left of a stretch beyond whole vectors is the vector at its end, with zeros in place of what has
# been multiplied already:
#
#     stretch     x x x x | x x x x | x x         tail     0 0 x x
#
# Tiles hang over: the last plane is multiplied again, into sums that nobody reads.

cdef extern from *:
    """
    /* Planes of a tile beside FEW_PLANES, beside 2, and beside 1. */
    #define MANY_PLANES (REGISTERS == 32 ? 4 : 3)
    #define MANY_PLANES_2 (REGISTERS == 32 ? 8 : 5)
    """
    enum: MANY_PLANES
    enum: MANY_PLANES_2

cdef enum:
    MANY_PLANES_1 = 8
    FEW_PLANES = 4


cdef struct WeightsPlanes:
    Description given
    bint few_filters        # whether these are the few, else the channels
    Py_ssize_t next_sums    # of a plane of the few, a vector for each of the many
    Py_ssize_t sums         # where in the scratch they are,
    Py_ssize_t sums_values
    Py_ssize_t tails        # and those of a tile's few planes


# One of both sides: planes of a unit, and the weights that are theirs.
cdef struct Side:
    Py_ssize_t planes
    Py_ssize_t next_weight


cdef int lay_out_weights_planes(const Description* given, Made* made, list memory) except -1:
    cdef WeightsPlanes* layout = <WeightsPlanes*>allot(memory, sizeof(WeightsPlanes))
    cdef const Problem* problem = &given.problem
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t few = min(given.blocks.filters, given.blocks.channels)
    cdef Py_ssize_t many = max(given.blocks.filters, given.blocks.channels)
    layout.given = given[0]
    layout.few_filters = given.blocks.filters <= given.blocks.channels
    layout.next_sums = (many + MANY_PLANES_1) * vector
    layout.sums_values = (few + FEW_PLANES) * layout.next_sums
    layout.sums = book(made, layout.sums_values)
    layout.tails = book(made, FEW_PLANES * vector)
    made.layout = layout
    made.units = count_weight_units(given)
    return 0


cdef inline void take_tail(const real* plane, Py_ssize_t values, real* tail) noexcept nogil:
    """Take the vector that ends with a stretch, zeros where it overlaps those before."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int first = vector - <int>(values % vector)
    cdef real value
    cdef int n
    plane = plane + values - vector
    for n in range(vector):
        value = plane[n]
        tail[n] = value if n >= first else 0


cdef inline void multiply_planes_of_tile(
    const int few, const int many, Py_ssize_t values, const real** first, const real* tails,
    const real** second, real* sums, Py_ssize_t next_sums,
) noexcept nogil:
    """Do sums[m][t][n] += sum over p of first[m][p + n] · second[t][p + n], p in vectors.

    Of at least a vector of values; `tails` are those of the few planes, if there is one.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t whole = values - values % vector
    cdef real tile[MOST_TILE_VALUES]
    cdef real tail[FLOATS]
    cdef Py_ssize_t p = 0
    cdef int m, t, n
    for n in range(few * many * vector):
        tile[n] = 0
    while True:  # at least once: see README.md
        for t in range(many):
            for m in range(few):
                for n in range(vector):
                    tile[(m * many + t) * vector + n] += first[m][p + n] * second[t][p + n]
        p = p + vector
        if p >= whole:
            break
    if whole < values:
        for t in range(many):
            take_tail(second[t], values, tail)
            for m in range(few):
                for n in range(vector):
                    tile[(m * many + t) * vector + n] += tails[m * vector + n] * tail[n]
    for m in range(few):
        for n in range(many * vector):
            sums[m * next_sums + n] += tile[m * many * vector + n]


cdef inline void multiply_stretch(
    const int few, const int many, Py_ssize_t plane, Py_ssize_t values, const real* few_planes,
    Py_ssize_t few_count, const real* many_planes, Py_ssize_t many_count, real* tails, real* sums,
    Py_ssize_t next_sums,
) noexcept nogil:
    """Multiply a tile of the few planes with all of the many, of a stretch of so many values."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef const real* first[FEW_PLANES]
    cdef const real* second[MANY_PLANES_1]
    cdef Py_ssize_t done = 0
    cdef int m, t
    for m in range(few):
        first[m] = few_planes + min(<Py_ssize_t>m, few_count - 1) * plane
        if values % vector:
            take_tail(first[m], values, tails + m * vector)
    while done < many_count:
        for t in range(many):
            second[t] = many_planes + min(done + t, many_count - 1) * plane
        multiply_planes_of_tile(
            few, many, values, first, tails, second, sums + done * vector, next_sums
        )
        done = done + many


cdef void add_planes(
    const WeightsPlanes* layout, const real* few_planes, Py_ssize_t few_count,
    const real* many_planes, Py_ssize_t many_count, Py_ssize_t values, real* scratch, Watch* watch
) noexcept nogil:
    """Add a stretch of all pairs of planes to the unit's sums."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t plane = problem.rows.size * problem.columns.size
    cdef Py_ssize_t next_sums = layout.next_sums
    cdef real* sums = scratch + layout.sums
    cdef real* tails = scratch + layout.tails
    while few_count > 0:
        if not goes_on(watch, values * many_count * min(few_count, <Py_ssize_t>FEW_PLANES)):
            return
        if few_count > 2:
            multiply_stretch(
                FEW_PLANES, MANY_PLANES, plane, values, few_planes, few_count, many_planes,
                many_count, tails, sums, next_sums,
            )
        elif few_count == 2:
            multiply_stretch(
                2, MANY_PLANES_2, plane, values, few_planes, few_count, many_planes, many_count,
                tails, sums, next_sums,
            )
        else:
            multiply_stretch(
                1, MANY_PLANES_1, plane, values, few_planes, few_count, many_planes, many_count,
                tails, sums, next_sums,
            )
        few_planes = few_planes + FEW_PLANES * plane
        sums = sums + FEW_PLANES * next_sums
        few_count = few_count - FEW_PLANES


cdef void finish_planes(
    const real* sums, Py_ssize_t next_sums, const Side* few, const Side* many, real* dw
) noexcept nogil:
    """Add up the lanes of each sum, and bring it to its weight."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t m, t, n, count
    cdef real square[FLOATS * FLOATS]
    cdef real total[FLOATS]
    for m in range(few.planes):
        t = 0
        while t < many.planes:
            # a vector of sums at a time: turned over, their lanes are rows to be added
            count = min(vector, many.planes - t)
            transpose_square(
                sums + m * next_sums + t * vector, vector, count, square, vector, vector, IDENTITY
            )
            for n in range(vector):
                total[n] = square[n]
            add_rows(square, total)
            for n in range(count):
                dw[m * few.next_weight + (t + n) * many.next_weight] = total[n]
            t = t + vector


cdef void weights_planes_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const WeightsPlanes* layout = <const WeightsPlanes*>made
    cdef const Problem* problem = &layout.given.problem
    cdef WeightUnit found = find_weight_unit(&layout.given, number)
    cdef const Unit* unit = &found.unit
    cdef Py_ssize_t width = problem.columns.size
    cdef Py_ssize_t plane = problem.rows.size * width
    cdef Side filters = Side(
        planes=unit.last_filter - unit.first_filter, next_weight=problem.channels
    )
    cdef Side channels = Side(planes=unit.channels, next_weight=1)
    cdef real* sums = scratch + layout.sums
    cdef real* dw = <real*>operands.result + found.begin
    cdef const real* grad
    cdef const real* x
    cdef Py_ssize_t group
    zero(sums, layout.sums_values)
    while next_rows(&layout.given, &found) and not stopped(watch):
        group = unit.image * problem.groups + unit.group
        grad = <const real*>operands.gradient + unit.first_row * width + (
            group * problem.filters + unit.first_filter
        ) * plane
        x = <const real*>operands.image + unit.first_row * width + (
            group * problem.channels + unit.channel
        ) * plane
        if layout.few_filters:
            add_planes(
                layout, grad, filters.planes, x, channels.planes, unit.rows * width, scratch, watch
            )
        else:
            add_planes(
                layout, x, channels.planes, grad, filters.planes, unit.rows * width, scratch, watch
            )
    if layout.few_filters:
        finish_planes(<const real*>sums, layout.next_sums, &filters, &channels, dw)
    else:
        finish_planes(<const real*>sums, layout.next_sums, &channels, &filters, dw)


enter(
    "weights_planes", lay_out_weights_planes, weights_planes_unit[float],
    weights_planes_unit[double], one_by_one=True,
)
