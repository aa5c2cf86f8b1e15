# The stencil: few filters per group, so that no pixel is worth packing. Pixels in the lanes, from
# the band.
#
#     square_stencil    square kernels at stride 1: rows and columns of a tile that stays in
#                       registers while the channels pass; a row of the image is loaded once for all
#                       the rows of the tile that see it
#     any_stencil       other kernels and strides, whose pixels are found through the table of
#                       offsets, a load for every multiply-add
#
# The sums of an output are complete when they are stored, so that the last vector of a row, and the
# last rows of a tile, may overlap their neighbours and compute some pixels twice.

cdef enum:
    STENCIL_ROWS = 4

cdef extern from *:
    """
    #define STENCIL_VALUES (8 * FLOATS)  /* of two vectors each */
    """
    enum: STENCIL_VALUES


cdef struct StencilRows:
    Banded banded
    int square              # the extent of a 3x3, 5x5 or 7x7 kernel at stride 1, else 0
    Py_ssize_t gathered     # where in the scratch a filter's taps are gathered


cdef int lay_out_stencil_rows(const Description* given, Made* made, list memory) except -1:
    """All channels are one block."""
    cdef StencilRows* layout = <StencilRows*>allot(memory, sizeof(StencilRows))
    cdef const Axis* down = &given.problem.rows
    cdef const Axis* across = &given.problem.columns
    lay_out_band(
        &layout.banded, given, made, memory, VECTOR_BYTES // given.problem.itemsize
    )
    layout.gathered = book(made, given.problem.channels * given.problem.taps)
    if (
        down.kernel == across.kernel and down.kernel in (3, 5, 7)
        and down.stride == across.stride == down.dilation == across.dilation == 1
    ):
        layout.square = down.kernel
    made.layout = layout
    made.units = count_units(given)
    return 0


cdef inline void square_stencil(
    const int vectors, const int kernel, Py_ssize_t channels, Py_ssize_t channel_values,
    const real* w, const real* image, Py_ssize_t width, real bias, real* y, Py_ssize_t y_width,
    Py_ssize_t second,
) noexcept nogil:
    """Do y[m][n] = bias + sum over c, r, s of w[c][r][s] · image[c][m + r][n + s].

    For STENCIL_ROWS rows m, and n in the vector at 0 and, where there are two, in the one at
    `second`.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int lanes = vectors * vector
    cdef real sums[STENCIL_VALUES]
    cdef real taken[7 * 2 * FLOATS]
    cdef Py_ssize_t c = 0
    cdef int q, r, m, n, v
    for n in range(STENCIL_ROWS * lanes):
        sums[n] = bias
    while True:
        for q in range(STENCIL_ROWS + kernel - 1):
            take_row(False, 1, vectors, kernel, image + q * width, second, NULL, NULL, taken)
            for r in range(kernel - 1, -1, -1):
                if 0 <= q - r < STENCIL_ROWS:
                    add_row_of_taps(vectors, kernel, w + r * kernel, taken, sums + (q - r) * lanes)
        w = w + kernel * kernel
        image = image + channel_values
        c = c + 1
        if c >= channels:
            break
    for m in range(STENCIL_ROWS):
        for v in range(vectors):
            for n in range(vector):
                y[m * y_width + v * second + n] = sums[m * lanes + v * vector + n]


cdef inline void any_stencil(
    const int rows, const int vectors, Py_ssize_t taps, const real* w, const real* image,
    const Py_ssize_t* offsets, Py_ssize_t width, real bias, real* y, Py_ssize_t y_width,
    Py_ssize_t second,
) noexcept nogil:
    """Do y[m][n] = bias + sum over t of w[t] · image[offsets[t] + m·width + n], for the same n."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real sums[STENCIL_VALUES]
    cdef const real* row
    cdef Py_ssize_t t = 0
    cdef int m, n, v
    for m in range(rows * vectors):
        for n in range(vector):
            sums[m * vector + n] = bias
    while True:  # at least once: see README.md
        row = image + offsets[t]
        for m in range(rows):
            for v in range(vectors):
                for n in range(vector):
                    sums[(m * vectors + v) * vector + n] += w[t] * row[m * width + v * second + n]
        t = t + 1
        if t >= taps:
            break
    for m in range(rows):
        for v in range(vectors):
            for n in range(vector):
                y[m * y_width + v * second + n] = sums[(m * vectors + v) * vector + n]


cdef inline void stencil_tile(
    const int rows, const int vectors, const int square, const Banded* banded, const real* w,
    const real* image, real bias, real* y, Py_ssize_t y_width, Py_ssize_t second,
) noexcept nogil:
    cdef const Problem* problem = &banded.given.problem
    if square != 0 and rows == STENCIL_ROWS:
        square_stencil(
            vectors, square, problem.channels, banded.band.channel, w, image, banded.band.width,
            bias, y, y_width, second,
        )
    else:
        any_stencil(
            rows, vectors, problem.channels * problem.taps, w, image, banded.offsets,
            banded.band.width, bias, y, y_width, second,
        )


cdef inline void tile_strip(
    const int rows, const int vectors, const int square, const Banded* banded, const real* w,
    const real* image, real bias, Py_ssize_t height, real* y, Py_ssize_t count,
) noexcept nogil:
    """Compute a strip by tiles of `rows` rows."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t width = banded.band.width
    cdef Py_ssize_t out_width = banded.given.problem.columns.outputs
    cdef real tile[STENCIL_VALUES]
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t m
    while i < height:
        i = min(i, height - rows)
        if vectors == 1 and count < vector:
            stencil_tile(
                rows, 1, square, banded, w, image + i * width, bias, tile, vector, 0
            )
            for m in range(rows):
                copy_run(y + (i + m) * out_width, tile + m * vector, count)
        else:
            stencil_tile(
                rows, vectors, square, banded, w, image + i * width, bias, y + i * out_width,
                out_width, count - vector,
            )
        i = i + rows


cdef inline void stencil_strip(
    const int vectors, const int square, const Banded* banded, const real* w, const real* image,
    real bias, Py_ssize_t rows, real* y, Py_ssize_t count,
) noexcept nogil:
    """Compute `count` columns of so many rows of y: less than a vector, one, or up to two."""
    if rows >= STENCIL_ROWS:
        tile_strip(STENCIL_ROWS, vectors, square, banded, w, image, bias, rows, y, count)
    else:
        tile_strip(1, vectors, square, banded, w, image, bias, rows, y, count)
    activate_strip(&banded.given.problem, y, rows, count)


cdef inline void stencil_plane(
    const int square, const Banded* banded, const real* w, const real* image, real bias,
    Py_ssize_t rows, real* y, Py_ssize_t begin, Py_ssize_t end,
) noexcept nogil:
    """Compute so many rows of columns of a plane of y from their band, strip by strip.

    The columns are [begin, end), whole strips unless they are the last.
    """
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t width = banded.given.problem.columns.outputs
    cdef Py_ssize_t j = begin
    while j < end:
        if width - j > vector:
            stencil_strip(
                2, square, banded, w, image + j, bias, rows, y + j, min(2 * vector, width - j)
            )
            j = j + 2 * vector
        else:
            j = max(0, min(j, width - vector))
            stencil_strip(1, square, banded, w, image + j, bias, rows, y + j, width - j)
            j = width


cdef inline void stencil_planes(
    const int square, const StencilRows* layout, const Operands* operands, const Unit* unit,
    real* scratch, real* y, Watch* watch,
) noexcept nogil:
    """Compute the planes of all filters, whose taps are gathered unless they lie in order."""
    cdef const Banded* banded = &layout.banded
    cdef const Problem* problem = &banded.given.problem
    cdef const Taps* view = &banded.given.taps
    cdef const real* w = <const real*>operands.weights
    cdef const real* bias = <const real*>operands.bias
    cdef const real* image = scratch + banded.band.shift
    cdef real* gathered = scratch + layout.gathered
    cdef Py_ssize_t taps = problem.channels * problem.taps
    cdef Py_ssize_t width = problem.columns.outputs
    # columns at once: all, or a strip of them where their taps are very many
    cdef Py_ssize_t stretch = width
    cdef Py_ssize_t k, c, filter, begin
    cdef const real* weights
    cdef real first = 0
    if unit.rows * width * taps > LOOK_AFTER:
        stretch = 2 * (VECTOR_BYTES // <Py_ssize_t>sizeof(real))
    for k in range(unit.first_filter, unit.last_filter):
        filter = unit.group * problem.filters + k
        if bias != NULL:
            first = bias[filter]
        weights = w + filter * taps
        if not view.in_order:
            for c in range(problem.channels):
                gather_piece(
                    w + view.first + unit.group * view.group + k * view.filter
                    + c * view.channel,
                    view, 0, 1, 1, gathered + c * problem.taps, 1,
                )
            weights = gathered
        begin = 0
        while begin < width:
            if not goes_on(watch, unit.rows * stretch * taps):
                return
            stencil_plane(
                square, banded, weights, image, first, unit.rows, y + output_index(unit, 0, k),
                begin, min(width, begin + stretch),
            )
            begin = begin + stretch


cdef void stencil_rows(
    const StencilRows* layout, const Operands* operands, const Unit* unit, real* scratch, real* y,
    Watch* watch,
) noexcept nogil:
    """Compute rows of all filters of a group of an image: pick the stencil."""
    if layout.square == 3:
        stencil_planes(3, layout, operands, unit, scratch, y, watch)
    elif layout.square == 5:
        stencil_planes(5, layout, operands, unit, scratch, y, watch)
    elif layout.square == 7:
        stencil_planes(7, layout, operands, unit, scratch, y, watch)
    else:
        stencil_planes(0, layout, operands, unit, scratch, y, watch)


cdef void stencil_rows_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const StencilRows* layout = <const StencilRows*>made
    cdef const Banded* banded = &layout.banded
    cdef Unit unit = find_unit(&banded.given, number)
    next_channels(&banded.given, &unit)
    copy_bands(<const real*>operands.image, scratch, banded, &unit)
    stencil_rows(
        layout, operands, &unit, scratch, results_of(operands, scratch, banded), watch
    )
    if not stopped(watch):
        bring_results(operands, scratch, banded, &unit)


enter("stencil_rows", lay_out_stencil_rows, stencil_rows_unit[float], stencil_rows_unit[double])
