# The matrix product with the pixels in the lanes of the vectors, and the columns packed: those of a
# tile's pixels and a block of channels, for as long as all filters pass by.
#
#     y [filters x pixels]  =  panels' [filters x taps]  ·  columns [taps x pixels]
#
#     band, a row for each channel and row of it        columns: one row per tap, a tile wide
#
#       c0   . . . . a a a a b b b b . .                  t=0   a a a a b b b b
#       c0   . . . . c c c c d d d d . .          →       t=1   c c c c d d d d
#       c1   . . . . e e e e f f f f . .                  t=2   e e e e f f f f
#
# That is im2col of so few pixels that they lie in the first-level cache. A step of the product then
# finds everything where it is known to be, and needs no table of offsets: 25 instructions for 12
# multiply-adds with 16 registers. In the band the taps of a 1x1 lie a channel apart, in pages of
# their own. It pays where filters are many, each of which uses the columns once more; sums go
# straight to their planes, as in gemm_pixels.pxi, and rows that end within a tile leave no lane
# idle, as in gemm_filters.pxi, whose panels these are: a tile takes TALL_ROWS of their filters at a
# time.
#
# Where taps are 1x1 and the image has neither padding nor stride, it is its own band. Each of its
# channels is then visited for VISITED_TILES tiles at a time:
#
#     image   c0  a a a a b b b b c c c c d d d d . .           tile a   c0  a a a a
#             c1  e e e e f f f f g g g g h h h h . .    →               c1  e e e e     tile b ...
#
# whole lines of it are read, and a page is found once for all of them.

cdef enum:
    # For tiles of three vectors of 32 bytes six lines of a channel.
    VISITED_TILES = 4


cdef struct GemmColumns:
    Banded banded
    Py_ssize_t columns      # where in the scratch the columns of tiles are packed,
    Py_ssize_t panels       # and the panels of a unit;
    Py_ssize_t held         # where a tile waits between its parts,
    Py_ssize_t spare        # and where one is brought that hangs over


# What the tile of a few filters is told: of its taps, as in gemm_filters.pxi, and where sums go.
cdef struct Planes:
    Py_ssize_t taps
    Py_ssize_t part
    Py_ssize_t width        # of the panel
    Py_ssize_t plane        # from filter to filter
    Py_ssize_t pixels       # and filters that the tile has,
    Py_ssize_t filters      # fewer where it hangs over
    void* held
    void* spare
    int activation


# The runs of a tile's pixels that lie next to each other in the band: each from where, how many
# values, and where in a row of the columns.
cdef struct Runs:
    int count
    Py_ssize_t source[TALL_VECTORS * FLOATS]
    int length[TALL_VECTORS * FLOATS]
    int target[TALL_VECTORS * FLOATS]


cdef int lay_out_gemm_columns(const Description* given, Made* made, list memory) except -1:
    cdef GemmColumns* layout = <GemmColumns*>allot(memory, sizeof(GemmColumns))
    cdef Py_ssize_t vector = VECTOR_BYTES // given.problem.itemsize
    cdef Py_ssize_t taps = given.blocks.channels * given.problem.taps
    lay_out_image(&layout.banded, given, made, memory, True)
    # and what the last run of a row is too long by
    layout.columns = book(
        made, (taps * TALL_VECTORS * (VISITED_TILES if layout.banded.in_place else 1) + 1) * vector
    )
    layout.held = book(made, MOST_TILE_VALUES)
    layout.spare = book(made, MOST_TILE_VALUES)
    layout.panels = book(
        made, packed_filters(given.blocks.filters, vector, FILTERS_IN_LANES) * taps
        + panel_values(given, FILTERS_IN_LANES)
    )
    made.layout = layout
    made.units = count_units(given)
    return 0


cdef Runs find_runs(
    Py_ssize_t first, int lanes, Py_ssize_t pixels, Py_ssize_t across, Py_ssize_t width
) noexcept nogil:
    """Return the runs of `lanes` pixels from `first` on, of rows of `across`, `width` apart.

    The last one goes on beyond the last pixel of the unit, so that a row is whole.
    """
    cdef Runs runs
    cdef Py_ssize_t column = first % across
    cdef Py_ssize_t source = first // across * width + column
    cdef Py_ssize_t left = pixels - first
    cdef int n = 0
    cdef Py_ssize_t run
    runs.count = 0
    while n < lanes:
        run = lanes - n
        if width != across and across - column < left:
            run = min(run, across - column)
        runs.source[runs.count] = source
        runs.length[runs.count] = <int>run
        runs.target[runs.count] = n
        runs.count = runs.count + 1
        n = n + <int>run
        left = left - run
        source = source + width - column
        column = 0
    return runs


cdef inline void pack_columns(
    const int vectors, const Runs* runs, const Py_ssize_t* offsets, Py_ssize_t taps,
    const real* image, real* columns,
) noexcept nogil:
    """Do columns[t][n] = image[offsets[t] + place of n], by whole vectors.

    What a run's last vector has too much of, the next run writes over.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef const real* source
    cdef Py_ssize_t t
    cdef int v, i, n
    if runs.count == 1:
        image = image + runs.source[0]
        for t in range(taps):
            source = image + offsets[t]
            for v in range(vectors):
                copy_values(vector, columns + v * vector, source + v * vector)
            columns = columns + vectors * vector
        return
    for t in range(taps):
        source = image + offsets[t]
        for i in range(runs.count):
            n = 0
            while n < runs.length[i]:
                copy_values(vector, columns + runs.target[i] + n, source + runs.source[i] + n)
                n = n + vector
        columns = columns + vectors * vector


cdef void pack_image_columns(
    const real* image, Py_ssize_t plane, Py_ssize_t channels, Py_ssize_t pixels, real* columns,
) noexcept nogil:
    """Do columns[tile][c][n] = image[c·plane + first of the tile + n]; zeros behind the last pixel.

    The last tile has no more vectors than it needs.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int lanes = TALL_VECTORS * vector
    cdef Py_ssize_t tiles = pixels // lanes
    cdef Py_ssize_t rest = pixels % lanes
    cdef Py_ssize_t rest_lanes = (rest + vector - 1) // vector * vector
    cdef real* rests = columns + tiles * channels * lanes
    cdef Py_ssize_t c, tile
    cdef int v
    for c in range(channels):
        for tile in range(tiles):
            for v in range(TALL_VECTORS):
                copy_values(
                    vector, columns + tile * channels * lanes + v * vector,
                    image + tile * lanes + v * vector,
                )
        if rest:
            copy_run(rests, image + tiles * lanes, rest)
            fill_row(rests + rest, <real>0, rest_lanes - rest)
            rests = rests + rest_lanes
        image = image + plane
        columns = columns + lanes


cdef inline void multiply_columns(
    const bint begun, const bint in_parts, const int vectors, const Planes* planes,
    const real* panel, const real* columns, const real* bias, real* y,
) noexcept nogil:
    """Do y[m][n] (+)= panel[t][m] · columns[t][n], for all t in order, as multiply_filters does."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t taps = planes.taps
    cdef Py_ssize_t width = planes.width
    cdef Py_ssize_t plane = planes.plane
    cdef Py_ssize_t last = planes.part if in_parts else taps
    cdef real* held = <real*>planes.held
    cdef real tile[MOST_TILE_VALUES]
    cdef Py_ssize_t t = 0
    cdef int m, n
    for n in range(TALL_ROWS * lanes):
        tile[n] = 0
    if in_parts:
        for m in range(TALL_ROWS):
            for n in range(lanes):
                held[m * lanes + n] = bias[m] if begun else <real>0
    while True:
        while True:
            for m in range(TALL_ROWS):
                for n in range(lanes):
                    tile[m * lanes + n] += panel[m] * columns[n]
            panel = panel + width
            columns = columns + lanes
            t = t + 1
            if t >= last:
                break
        if not in_parts or t >= taps:
            break
        for n in range(TALL_ROWS * lanes):
            held[n] += tile[n]
            tile[n] = 0
        last = min(taps, last + planes.part)
    # Loops of one statement each: of all in one Clang makes single values, an eighth as fast.
    if in_parts:
        for n in range(TALL_ROWS * lanes):
            tile[n] += held[n]
    elif begun:
        for m in range(TALL_ROWS):
            for n in range(lanes):
                tile[m * lanes + n] += bias[m]
    if begun:
        for m in range(TALL_ROWS):
            for n in range(lanes):
                y[m * plane + n] = tile[m * lanes + n]
        return
    for m in range(TALL_ROWS):
        for n in range(lanes):
            y[m * plane + n] += tile[m * lanes + n]


cdef inline void add_columns(
    const bint begun, const int vectors, const Planes* planes, const real* panel,
    const real* columns, const real* bias, real* y,
) noexcept nogil:
    """Multiply the columns of a tile with a few filters; of what hangs over nothing is written."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef Planes target = planes[0]
    cdef real* sums = y
    cdef Py_ssize_t m, n
    if planes.pixels < lanes or planes.filters < TALL_ROWS:
        sums = <real*>planes.spare
        target.plane = lanes
        if not begun:
            for m in range(planes.filters):
                for n in range(planes.pixels):
                    sums[m * lanes + n] = y[m * planes.plane + n]
    if planes.taps > planes.part:
        multiply_columns(begun, True, vectors, &target, panel, columns, bias, sums)
    else:
        multiply_columns(begun, False, vectors, &target, panel, columns, bias, sums)
    if planes.activation != IDENTITY:
        for m in range(planes.filters):
            for n in range(planes.pixels):
                sums[m * target.plane + n] = activate(
                    planes.activation, sums[m * target.plane + n]
                )
    if sums != y:
        for m in range(planes.filters):
            copy_run(y + m * planes.plane, sums + m * lanes, planes.pixels)


cdef inline const real* panel_of(
    const GemmColumns* layout, const Operands* operands, const Unit* unit, real* scratch,
    Py_ssize_t filter, Py_ssize_t width,
) noexcept nogil:
    """Return a panel that a plan has packed, or `pack_panels` has."""
    if operands.panels != NULL:
        return find_panel(
            operands, scratch, &layout.banded.given, unit, FILTERS_IN_LANES, filter, width
        )
    return scratch + layout.panels + (filter - unit.first_filter) * unit.taps


cdef void pack_panels(
    const GemmColumns* layout, const Operands* operands, const Unit* unit, real* scratch,
    Watch* watch,
) noexcept nogil:
    """Pack all panels of a unit, of its block of channels."""
    cdef Py_ssize_t vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t width
    while k < unit.last_filter:
        width = panel_width(unit.last_filter - k, vector, FILTERS_IN_LANES)
        if not goes_on(watch, width * unit.taps):
            return
        find_panel(
            operands, scratch + layout.panels + (k - unit.first_filter) * unit.taps,
            &layout.banded.given, unit, FILTERS_IN_LANES, k, width,
        )
        k = k + width


cdef inline void add_all_filters(
    const int vectors, const GemmColumns* layout, const Operands* operands, const Unit* unit,
    Planes* planes, real* scratch, const real* columns, real* y,
) noexcept nogil:
    """Multiply the columns of a tile with the panels of the unit; `y` is its first filter's."""
    cdef Py_ssize_t vector = VECTOR_BYTES // <int>sizeof(real)
    cdef const Problem* problem = &layout.banded.given.problem
    cdef const real* bias = <const real*>operands.bias
    cdef const real* panel
    cdef real row_bias[TALL_ROWS]
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t last, i, m
    while k < unit.last_filter:
        planes.width = panel_width(unit.last_filter - k, vector, FILTERS_IN_LANES)
        last = min(planes.width, unit.last_filter - k)
        panel = panel_of(layout, operands, unit, scratch, k, planes.width)
        m = 0
        while m < last:
            planes.filters = min(<Py_ssize_t>TALL_ROWS, last - m)
            if begins(unit):
                for i in range(TALL_ROWS):
                    row_bias[i] = 0
                if bias != NULL:
                    for i in range(planes.filters):
                        row_bias[i] = bias[unit.group * problem.filters + k + m + i]
                add_columns(True, vectors, planes, panel + m, columns, row_bias, y)
            else:
                add_columns(False, vectors, planes, panel + m, columns, row_bias, y)
            y = y + planes.filters * planes.plane
            m = m + TALL_ROWS
        k = k + planes.width


cdef inline void multiply_tile_columns(
    const int vectors, const GemmColumns* layout, const Operands* operands, const Unit* unit,
    Planes* planes, real* scratch, const real* image, Py_ssize_t first, Py_ssize_t pixels, real* y,
) noexcept nogil:
    """Multiply the columns of a tile from pixel `first` on with all filters, packed if need be."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef int visited = VISITED_TILES * TALL_VECTORS * (VECTOR_BYTES // <int>sizeof(real))
    cdef const Banded* banded = &layout.banded
    cdef real* columns = scratch + layout.columns
    cdef Runs runs
    planes.pixels = min(<Py_ssize_t>lanes, pixels - first)
    if banded.in_place:
        if first % visited == 0:
            pack_image_columns(
                image + first, banded.band.channel, unit.channels,
                min(<Py_ssize_t>visited, pixels - first), columns,
            )
        columns = columns + first % visited * unit.channels
    else:
        runs = find_runs(
            first, lanes, pixels, banded.given.problem.columns.outputs, banded.band.width
        )
        pack_columns(vectors, &runs, banded.offsets, unit.taps, image, columns)
    add_all_filters(vectors, layout, operands, unit, planes, scratch, columns, y + first)


cdef void multiply_packed_columns(
    const GemmColumns* layout, const Operands* operands, const Unit* unit, const real* band,
    real* scratch, real* y, Watch* watch,
) noexcept nogil:
    """Add a block of channels to a unit of the result."""
    cdef Py_ssize_t vector = VECTOR_BYTES // <int>sizeof(real)
    cdef const Banded* banded = &layout.banded
    cdef const Problem* problem = &banded.given.problem
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t pixels = unit.rows * width
    cdef Py_ssize_t work = (unit.last_filter - unit.first_filter) * unit.taps * vector
    cdef Py_ssize_t n, first
    cdef const real* image
    cdef real* results
    cdef Planes planes
    planes.taps = unit.taps
    planes.part = even_part(unit.taps, banded.given.blocks.taps)
    planes.plane = unit.next_filter
    planes.held, planes.spare = scratch + layout.held, scratch + layout.spare
    planes.activation = problem.activation if ends(unit, problem) else IDENTITY
    if operands.panels == NULL:
        pack_panels(layout, operands, unit, scratch, watch)
    for n in range(unit.images):
        image = band + n * banded.image_values
        results = y + output_index(unit, n, unit.first_filter)
        first = 0
        while first < pixels and goes_on(watch, TALL_VECTORS * work):
            if pixels - first > 2 * vector:
                multiply_tile_columns(
                    TALL_VECTORS, layout, operands, unit, &planes, scratch, image, first, pixels,
                    results,
                )
                first = first + TALL_VECTORS * vector
            elif pixels - first > vector:
                multiply_tile_columns(
                    2, layout, operands, unit, &planes, scratch, image, first, pixels, results
                )
                first = first + 2 * vector
            else:
                multiply_tile_columns(
                    1, layout, operands, unit, &planes, scratch, image, first, pixels, results
                )
                first = first + vector


cdef void gemm_columns_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const GemmColumns* layout = <const GemmColumns*>made
    cdef const Banded* banded = &layout.banded
    cdef Unit unit = find_unit(&banded.given, number)
    cdef real* y = results_of(operands, scratch, banded)
    cdef const real* band
    while next_channels(&banded.given, &unit) and not stopped(watch):
        band = band_of(operands, scratch, banded, &unit)
        multiply_packed_columns(layout, operands, &unit, band, scratch, y, watch)
    if not stopped(watch):
        bring_results(operands, scratch, banded, &unit)


enter("gemm_columns", lay_out_gemm_columns, gemm_columns_unit[float], gemm_columns_unit[double])
