# The weight gradient with the pixels in the lanes, for few filters: a sum of products along the
# pixels for every filter and tap, its lanes added up at the very end.
#
# The output's gradient is laid out in rows as long as the band's, zeros in between, so that one run
# of vectors goes through all rows:
#
#     grad    g g g g 0 0 g g g g 0 0 g g g g        band.width from row to row
#     band    x x x x x x x x x x x x x x x x x x    from the offset of each tap on

cdef extern from *:
    """
    /* Taps of a tile beside RUN_FILTERS filters, beside 2, and beside 1. */
    #define RUN_TAPS (REGISTERS == 32 ? 6 : 3)
    #define RUN_TAPS_2 (REGISTERS == 32 ? 8 : 5)
    """
    enum: RUN_TAPS
    enum: RUN_TAPS_2

cdef enum:
    RUN_TAPS_1 = 9
    RUN_FILTERS = 4


cdef struct WeightsPixels:
    Banded banded
    Py_ssize_t rows             # where in the scratch those of the gradient are,
    Py_ssize_t sums             # and sums, [filters' tile][taps' tile][filter][tap][vector]
    Py_ssize_t sums_values


cdef inline Py_ssize_t run_filters(Py_ssize_t filters) noexcept nogil:
    """Return how many filters the next tile has where so many are left."""
    if filters >= RUN_FILTERS:
        return RUN_FILTERS
    return min(filters, 2)


cdef inline Py_ssize_t run_taps(Py_ssize_t filters) noexcept nogil:
    """Return how many taps a tile of so many filters has."""
    return RUN_TAPS if filters == RUN_FILTERS else RUN_TAPS_2 if filters == 2 else RUN_TAPS_1


cdef inline Py_ssize_t padded_taps(Py_ssize_t taps) noexcept nogil:
    """Return how many taps the tiles of a unit reach at the most."""
    return taps + RUN_TAPS_1


cdef int lay_out_weights_pixels(const Description* given, Made* made, list memory) except -1:
    cdef WeightsPixels* layout = <WeightsPixels*>allot(memory, sizeof(WeightsPixels))
    cdef const Problem* problem = &given.problem
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    lay_out_band(&layout.banded, given, made, memory, 1)
    layout.rows = book(made, min(problem.filters, RUN_FILTERS) * (
        given.blocks.rows * layout.banded.band.width + vector
    ))
    layout.sums_values = (
        given.blocks.filters * padded_taps(given.blocks.channels * problem.taps) * vector
    )
    layout.sums = book(made, layout.sums_values)
    made.layout = layout
    made.units = count_weight_units(given)
    return 0


cdef inline void multiply_runs(
    const int filters, const int taps, Py_ssize_t values, const real* grad,
    Py_ssize_t grad_stride, const real* image, const Py_ssize_t* offsets, real* sums,
) noexcept nogil:
    """Do sums[m][t][n] += sum over p of grad[m][p + n] · image[offsets[t] + p + n].

    p goes in steps of a vector.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real tile[MOST_TILE_VALUES]
    cdef const real* tap[RUN_TAPS_1]
    cdef Py_ssize_t p = 0
    cdef int m, t, n
    for t in range(taps):
        tap[t] = image + offsets[t]
    for n in range(filters * taps * vector):
        tile[n] = 0
    while True:  # at least once: see README.md
        # What the inner loop goes through stays in registers, beside the sums: the fewer of both.
        if taps < filters:
            for m in range(filters):
                for t in range(taps):
                    for n in range(vector):
                        tile[(m * taps + t) * vector + n] += (
                            grad[m * grad_stride + p + n] * tap[t][p + n]
                        )
        else:
            for t in range(taps):
                for m in range(filters):
                    for n in range(vector):
                        tile[(m * taps + t) * vector + n] += (
                            grad[m * grad_stride + p + n] * tap[t][p + n]
                        )
        p = p + vector
        if p >= values:
            break
    for n in range(filters * taps * vector):
        sums[n] += tile[n]


cdef inline void multiply_tap_tiles(
    const int filters, const int tile, Py_ssize_t taps, Py_ssize_t values, const real* grad,
    Py_ssize_t grad_stride, const real* image, const Py_ssize_t* offsets, real* sums,
) noexcept nogil:
    """Cover the taps by tiles; the last may hang over, into taps that the table has at offset 0."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t t = 0
    while t < taps:
        multiply_runs(
            filters, tile, values, grad, grad_stride, image, offsets + t,
            sums + t * filters * vector,
        )
        t = t + tile


cdef void add_pixel_lanes(
    const WeightsPixels* layout, const real* grad, const Unit* unit, real* scratch, Watch* watch
) noexcept nogil:
    """Add a block of rows to the unit's sums."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.banded.given.problem
    cdef const Py_ssize_t* offsets = layout.banded.offsets
    cdef Py_ssize_t width = layout.banded.band.width
    cdef Py_ssize_t out_width = problem.columns.outputs
    cdef Py_ssize_t values = (unit.rows - 1) * width + out_width
    cdef Py_ssize_t padded = (values + vector - 1) // vector * vector
    cdef Py_ssize_t taps = unit.taps
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t filters, m, i
    cdef real* rows = scratch + layout.rows
    cdef real* sums = scratch + layout.sums
    cdef const real* image = scratch
    cdef const real* plane
    cdef real* row
    while k < unit.last_filter:
        filters = run_filters(unit.last_filter - k)
        if not goes_on(watch, padded * taps * filters):
            return
        for m in range(filters):
            plane = grad + (
                ((unit.image * problem.groups + unit.group) * problem.filters + k + m)
                * problem.rows.outputs + unit.first_row
            ) * out_width
            row = rows + m * padded
            for i in range(unit.rows):
                copy_run(row, plane + i * out_width, out_width)
                row = row + out_width
                if i < unit.rows - 1:
                    zero(row, width - out_width)
                    row = row + (width - out_width)
            zero(row, padded - values)
        if filters == RUN_FILTERS:
            multiply_tap_tiles(
                RUN_FILTERS, RUN_TAPS, taps, padded, rows, padded, image, offsets, sums
            )
        elif filters == 2:
            multiply_tap_tiles(2, RUN_TAPS_2, taps, padded, rows, padded, image, offsets, sums)
        else:
            multiply_tap_tiles(1, RUN_TAPS_1, taps, padded, rows, padded, image, offsets, sums)
        sums = sums + filters * padded_taps(taps) * vector
        k = k + filters


cdef void finish_pixel_lanes(
    const real* sums, real* dw, const Problem* problem, const Unit* unit
) noexcept nogil:
    """Add up the lanes of each sum."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t stride = problem.channels * problem.taps
    cdef Py_ssize_t taps = unit.taps
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t filters, tile, m, t, i, n
    cdef real square[FLOATS * FLOATS]
    cdef real total[FLOATS]
    while k < unit.last_filter:
        filters = run_filters(unit.last_filter - k)
        tile = run_taps(filters)
        t = 0
        while t < taps:
            for m in range(filters):
                i = 0
                while i < min(tile, taps - t):
                    # a vector of sums at a time: turned over, their lanes are rows to be added
                    transpose_square(
                        sums + ((t * filters) + m * tile + i) * vector, vector,
                        min(vector, min(tile, taps - t) - i), square, vector, vector, IDENTITY,
                    )
                    for n in range(vector):
                        total[n] = square[n]
                    add_rows(square, total)
                    copy_run(
                        dw + (k - unit.first_filter + m) * stride + t + i, total,
                        min(vector, min(tile, taps - t) - i),
                    )
                    i = i + vector
            t = t + tile
        sums = sums + filters * padded_taps(taps) * vector
        k = k + filters


cdef inline void add_rows(const real* square, real* total) noexcept nogil:
    """Do total[n] += square[1][n] + square[2][n] + ..., a vector by a vector."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int i, n
    for i in range(1, vector):
        for n in range(vector):
            total[n] += square[i * vector + n]


cdef void weights_pixels_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const WeightsPixels* layout = <const WeightsPixels*>made
    cdef const Description* given = &layout.banded.given
    cdef WeightUnit found = find_weight_unit(given, number)
    cdef real* sums = scratch + layout.sums
    zero(sums, layout.sums_values)
    while next_rows(given, &found) and not stopped(watch):
        copy_bands(<const real*>operands.image, scratch, &layout.banded, &found.unit)
        add_pixel_lanes(layout, <const real*>operands.gradient, &found.unit, scratch, watch)
    finish_pixel_lanes(
        <const real*>sums, <real*>operands.result + found.begin, &given.problem, &found.unit
    )


enter(
    "weights_pixels", lay_out_weights_pixels, weights_pixels_unit[float],
    weights_pixels_unit[double], one_by_one=True,
)
