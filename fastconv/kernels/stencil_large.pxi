# The stencil of one channel and a kernel of any extent at stride 1, pixels in the lanes: rows and
# vectors of the output stay in registers, and a row of the image is loaded, tap by tap, for all the
# rows of the tile that see it. Of a tile of four rows and a kernel of five:
#
#     image row q     output rows m = q - r
#     ───────────     0  1  2  3
#         0           r0                  the first rows of the image have ever more of the tile,
#         1           r1 r0
#         2           r2 r1 r0
#         3           r3 r2 r1 r0         those in the middle all of it,
#         4           r4 r3 r2 r1
#         5              r4 r3 r2         the last ones ever less
#         6                 r4 r3
#         7                    r4
#
# A step loads `vectors` of pixels and broadcasts a weight for each row, for rows·vectors
# multiply-adds. The weights are packed so that those of a step follow each other:
#
#     panel[q][s][m] = w[q - m][s]
#
# The columns that a strip of the output sees are copied first, zeros where there is padding: rows
# lie close together then, all in the first-level cache, and not a power of two apart.

cdef extern from *:
    """
    /* Rows x vectors of a tile: as many rows as a kernel has, or a power of two below. */
    #define LARGE_ROWS (REGISTERS == 32 ? 8 : 4)
    #define LARGE_VECTORS_OF_4 (REGISTERS == 32 ? 6 : 3)
    #define LARGE_VALUES (REGISTERS == 32 ? 24 * FLOATS : 12 * FLOATS)
    """
    enum: LARGE_ROWS
    enum: LARGE_VECTORS_OF_4
    enum: LARGE_VALUES

cdef enum:
    LARGE_VECTORS_OF_8 = 3
    LARGE_VECTORS_OF_FEW = 6


cdef struct StencilLarge:
    Description given
    Py_ssize_t rows         # of a tile
    Py_ssize_t lanes        # and its columns
    Py_ssize_t pitch        # from row to row of a strip
    Py_ssize_t height       # of a strip
    Py_ssize_t* offsets     # of the taps, in it
    Py_ssize_t strip        # where in the scratch it begins,
    Py_ssize_t panels       # those of the unit's filters,
    Py_ssize_t panel_values  # of one,
    Py_ssize_t gathered     # and the taps of a filter that do not lie in order


cdef inline Py_ssize_t large_rows(Py_ssize_t taps) noexcept nogil:
    """Return the rows of a tile under a kernel of so many rows."""
    cdef Py_ssize_t rows = LARGE_ROWS
    while rows > taps:
        rows = rows // 2
    return rows


cdef inline Py_ssize_t large_lanes(Py_ssize_t rows, Py_ssize_t itemsize) noexcept nogil:
    """Return the columns of a tile of so many rows."""
    return VECTOR_BYTES // itemsize * (
        LARGE_VECTORS_OF_8 if rows == 8 else
        LARGE_VECTORS_OF_4 if rows == 4 else LARGE_VECTORS_OF_FEW
    )


def large_tile_shape(Py_ssize_t taps, Py_ssize_t itemsize):
    """Return rows and columns of a tile under a kernel of so many rows, for planning."""
    cdef Py_ssize_t rows = large_rows(taps)
    return rows, large_lanes(rows, itemsize)


cdef int lay_out_stencil_large(const Description* given, Made* made, list memory) except -1:
    cdef StencilLarge* layout = <StencilLarge*>allot(memory, sizeof(StencilLarge))
    cdef const Axis* down = &given.problem.rows
    cdef const Axis* across = &given.problem.columns
    cdef Py_ssize_t vector = VECTOR_BYTES // given.problem.itemsize
    cdef Py_ssize_t t
    layout.given = given[0]
    layout.rows = large_rows(down.kernel)
    layout.lanes = large_lanes(layout.rows, given.problem.itemsize)
    layout.pitch = (layout.lanes + (across.kernel - 1) * across.dilation + vector - 1) // vector
    layout.pitch = layout.pitch * vector
    layout.offsets = allot_table(memory, given.problem.taps)
    for t in range(given.problem.taps):
        layout.offsets[t] = (
            t // across.kernel * layout.pitch + t % across.kernel * across.dilation
        )
    layout.height = max(given.blocks.rows, layout.rows) + down.kernel - 1
    layout.strip = book(made, layout.height * layout.pitch)
    layout.panel_values = (
        (down.kernel + layout.rows - 1) * across.kernel * layout.rows
    )
    layout.panels = book(made, given.blocks.filters * layout.panel_values)
    layout.gathered = book(made, 0 if given.taps.plain else given.problem.taps)
    made.layout = layout
    made.units = count_units(given)
    return 0


cdef void pack_shifted(
    const real* w, Py_ssize_t taps, Py_ssize_t across, Py_ssize_t rows, real* panel
) noexcept nogil:
    """Do panel[q][s][m] = w[q - m][s]; what is not there is never read."""
    cdef Py_ssize_t q, s, m
    for q in range(taps + rows - 1):
        for s in range(across):
            for m in range(max(0, q - taps + 1), min(rows, q + 1)):
                panel[(q * across + s) * rows + m] = w[(q - m) * across + s]


cdef inline void add_shifted(
    const int first, const int last, const int rows, const int vectors, Py_ssize_t taps,
    Py_ssize_t step, const real* panel, const real* pixels, real* sums,
) noexcept nogil:
    """Do sums[m][n] += panel[t][m] · pixels[t·step + n], for the rows m from first to last."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t t = 0
    cdef int m, n
    while True:  # at least once: see README.md
        for m in range(first, last):
            for n in range(lanes):
                sums[m * lanes + n] += panel[m] * pixels[n]
        panel = panel + rows
        pixels = pixels + step
        t = t + 1
        if t >= taps:
            break


cdef inline void add_all(
    const int rows, const int vectors, Py_ssize_t taps, const real* panel, const real* pixels,
    const Py_ssize_t* offsets, real* sums,
) noexcept nogil:
    """Do sums[m][n] += panel[t][m] · pixels[offsets[t] + n], for all rows of the tile."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef const real* row
    cdef Py_ssize_t t = 0
    cdef int m, n
    while True:
        row = pixels + offsets[t]
        for m in range(rows):
            for n in range(lanes):
                sums[m * lanes + n] += panel[t * rows + m] * row[n]
        t = t + 1
        if t >= taps:
            break


cdef inline void large_tile(
    const int rows, const int vectors, const StencilLarge* layout, const real* panel,
    const real* image, real bias, real* y, Py_ssize_t y_width,
) noexcept nogil:
    """Compute so many rows of so many vectors of y, from where they begin in the strip."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t taps = layout.given.problem.rows.kernel
    cdef Py_ssize_t across = layout.given.problem.columns.kernel
    cdef Py_ssize_t step = layout.given.problem.columns.dilation
    cdef Py_ssize_t pitch = layout.pitch
    cdef Py_ssize_t next_row = across * rows
    cdef real sums[LARGE_VALUES]
    cdef Py_ssize_t q = 0
    cdef int m, n
    for n in range(rows * lanes):
        sums[n] = bias
    # Whether a row is seen by the first or last m rows of the tile has to be a constant where the
    # taps are added, so that these rows stay in registers: m is written out. Before that, an image
    # row comes with each.
    if rows > 1:
        add_shifted(0, 1, rows, vectors, across, step, panel, image, sums)
        q = 1
    if rows > 2:
        add_shifted(0, 2, rows, vectors, across, step, panel + next_row, image + pitch, sums)
        add_shifted(
            0, 3, rows, vectors, across, step, panel + 2 * next_row, image + 2 * pitch, sums
        )
        q = 3
    if rows > 4:
        add_shifted(
            0, 4, rows, vectors, across, step, panel + 3 * next_row, image + 3 * pitch, sums
        )
        add_shifted(
            0, 5, rows, vectors, across, step, panel + 4 * next_row, image + 4 * pitch, sums
        )
        add_shifted(
            0, 6, rows, vectors, across, step, panel + 5 * next_row, image + 5 * pitch, sums
        )
        add_shifted(
            0, 7, rows, vectors, across, step, panel + 6 * next_row, image + 6 * pitch, sums
        )
        q = 7
    panel = panel + q * next_row
    image = image + q * pitch
    add_all(rows, vectors, (taps - q) * across, panel, image, layout.offsets, sums)
    panel = panel + (taps - q) * next_row
    image = image + (taps - q) * pitch
    if rows > 4:
        add_shifted(rows - 7, rows, rows, vectors, across, step, panel, image, sums)
        add_shifted(
            rows - 6, rows, rows, vectors, across, step, panel + next_row, image + pitch, sums
        )
        add_shifted(
            rows - 5, rows, rows, vectors, across, step, panel + 2 * next_row, image + 2 * pitch,
            sums,
        )
        add_shifted(
            rows - 4, rows, rows, vectors, across, step, panel + 3 * next_row, image + 3 * pitch,
            sums,
        )
        panel = panel + 4 * next_row
        image = image + 4 * pitch
    if rows > 2:
        add_shifted(rows - 3, rows, rows, vectors, across, step, panel, image, sums)
        add_shifted(
            rows - 2, rows, rows, vectors, across, step, panel + next_row, image + pitch, sums
        )
        panel = panel + 2 * next_row
        image = image + 2 * pitch
    if rows > 1:
        add_shifted(rows - 1, rows, rows, vectors, across, step, panel, image, sums)
    for m in range(rows):
        for n in range(lanes):
            y[m * y_width + n] = sums[m * lanes + n]


cdef void copy_strip(
    const StencilLarge* layout, const real* image, Py_ssize_t first_row, Py_ssize_t rows,
    Py_ssize_t column, real* strip,
) noexcept nogil:
    """Copy what a tile's columns see, from a row and a column of the padded image on."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t height = problem.rows.size
    cdef Py_ssize_t width = problem.columns.size
    cdef Py_ssize_t pitch = layout.pitch
    cdef Py_ssize_t begin = min(pitch, max(0, -column))
    cdef Py_ssize_t end = max(begin, min(pitch, width - column))
    cdef Py_ssize_t i, row
    for i in range(layout.height):
        row = first_row + i
        if i < rows and 0 <= row < height:
            if begin > 0:
                fill_row(strip, <real>0, begin)
            copy_run(strip + begin, image + row * width + column + begin, end - begin)
            if end < pitch:
                fill_row(strip + end, <real>0, pitch - end)
        else:
            fill_row(strip, <real>0, pitch)
        strip = strip + pitch


cdef inline void large_strip(
    const int rows, const int vectors, const StencilLarge* layout, const Unit* unit,
    const real* panel, const real* strip, real bias, real* y, Py_ssize_t count, Watch* watch,
) noexcept nogil:
    """Compute the unit's rows of `count` columns of y, which a tile has at the least."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t width = layout.given.problem.columns.outputs
    cdef Py_ssize_t work = rows * lanes * layout.given.problem.taps
    cdef Py_ssize_t i = 0
    cdef real tile[LARGE_VALUES]
    cdef Py_ssize_t m
    while i < unit.rows and goes_on(watch, work):
        if unit.rows >= rows:
            i = min(i, unit.rows - rows)
        if unit.rows >= rows and count == lanes:
            large_tile(
                rows, vectors, layout, panel, strip + i * layout.pitch, bias, y + i * width, width
            )
        else:
            large_tile(rows, vectors, layout, panel, strip + i * layout.pitch, bias, tile, lanes)
            for m in range(min(rows, unit.rows - i)):
                copy_run(y + (i + m) * width, tile + m * lanes, count)
        i = i + rows


cdef void large_strips(
    const StencilLarge* layout, const Unit* unit, const real* panel, const real* strip, real bias,
    real* y, Py_ssize_t count, Watch* watch,
) noexcept nogil:
    """Pick the tile."""
    if LARGE_ROWS == 8 and layout.rows == 8:
        large_strip(
            LARGE_ROWS, LARGE_VECTORS_OF_8, layout, unit, panel, strip, bias, y, count, watch
        )
    elif layout.rows == 4:
        large_strip(4, LARGE_VECTORS_OF_4, layout, unit, panel, strip, bias, y, count, watch)
    elif layout.rows == 2:
        large_strip(2, LARGE_VECTORS_OF_FEW, layout, unit, panel, strip, bias, y, count, watch)
    else:
        large_strip(1, LARGE_VECTORS_OF_FEW, layout, unit, panel, strip, bias, y, count, watch)


cdef void stencil_large(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Compute one unit: rows of some filters of a group of an image, strip by strip."""
    cdef const StencilLarge* layout = <const StencilLarge*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const Taps* view = &layout.given.taps
    cdef Unit unit = find_unit(&layout.given, number)
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t plane = unit.image * problem.groups + unit.group
    cdef const real* image = (
        <const real*>operands.image + plane * problem.rows.size * problem.columns.size
    )
    cdef const real* bias = <const real*>operands.bias
    cdef real* y = <real*>operands.result
    cdef real* strip = scratch + layout.strip
    cdef Py_ssize_t rows = unit.rows + problem.rows.kernel - 1
    cdef Py_ssize_t j = 0
    cdef Py_ssize_t k, count
    cdef const real* w
    cdef real* place
    for k in range(unit.first_filter, unit.last_filter):
        w = <const real*>operands.weights + (unit.group * problem.filters + k) * problem.taps
        if not view.plain:
            gather_piece(
                <const real*>operands.weights + view.first + unit.group * view.group
                + k * view.filter,
                view, 0, 1, 1, scratch + layout.gathered, 1,
            )
            w = scratch + layout.gathered
        pack_shifted(
            w, problem.rows.kernel, problem.columns.kernel, layout.rows,
            scratch + layout.panels + (k - unit.first_filter) * layout.panel_values,
        )
    while j < width and not stopped(watch):
        if width >= layout.lanes:
            j = min(j, width - layout.lanes)
        count = min(layout.lanes, width - j)
        copy_strip(
            layout, image, unit.first_row - problem.rows.before, rows, j - problem.columns.before,
            strip,
        )
        for k in range(unit.first_filter, unit.last_filter):
            place = y + output_index(&unit, 0, k) + j
            large_strips(
                layout, &unit, scratch + layout.panels
                + (k - unit.first_filter) * layout.panel_values, strip,
                bias[unit.group * problem.filters + k] if bias != NULL else <real>0, place, count,
                watch,
            )
            activate_strip(problem, place, unit.rows, count)
        j = j + layout.lanes


enter("stencil_large", lay_out_stencil_large, stencil_large[float], stencil_large[double])
