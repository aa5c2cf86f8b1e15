# The matrix product with the filters in the lanes of the vectors.
#
#     y' [pixels x filters]  =  columns' [pixels x taps]  ·  panels [taps x filters]
#
# A pixel's tap is one number, broadcast: so the pixels of a tile may lie anywhere, and neither row
# ends nor image sizes leave lanes idle. The columns are never written: a number is found in the
# band, at the position of its pixel + the offset of its tap.
#
# Of a 1x1 kernel without stride and padding the band is the image itself, read where it lies, if
# all units are of one size.
#
# Between two blocks of channels, and until the last one turns them over into the planes of y, the
# sums wait in the scratch, per panel as [vectors][pixels][vector].
#
# A sum of thousands of taps in a row would round each of them to the size of all. So a tile starts
# from zero in every block of channels, and there in every part of its taps (banded.pxi):
#
#     taps    0 ... part | part ... 2·part | ... taps       block of channels: added to the sums
#     tile    from 0 ──┐ | from 0 ──┐      |
#     held    bias/0 ──┴──────────── + ────── ...
#
# The taps of a part keep the tile busy for so long that adding it costs nearly nothing. What is
# held lies in the scratch: of an array GCC keeps some in registers, which the panel needs. (Folded
# into the multiply-adds, its loads are 19 a step: 1.5 times slower.)

cdef extern from *:
    """
    /* Vectors of a panel, and how many pixels a tile has beside 4, 3, 2 and 1 of them: with 32
       registers 7 x 4, with 16 of them 3 x 4, or 6 x 2 where vectors are long. */
    #define PANEL_VECTORS (REGISTERS == 16 && VECTOR_BYTES > 16 ? 2 : 4)
    #define PIXELS_4 (REGISTERS == 32 ? 7 : 3)
    #define PIXELS_3 (REGISTERS == 32 ? 7 : 4)
    #define PIXELS_2 (REGISTERS == 32 ? 7 : 6)
    #define PIXELS_1 (REGISTERS == 32 ? 7 : 8)
    /* Beside a single one, of rows of 10, 20, 30 ... pixels: 7 + 4 would hang over, and the sums of
       four wait for each other (0.95 of the time of 6 -> 16 5x5 at 14x14). */
    #define TEN (REGISTERS == 32 ? 10 : PIXELS_1)
    /* And at the end of a row, beside any. */
    #define SMALL_PIXELS (VECTOR_BYTES > 16 ? 4 : 2)
    /* Whether the next panel is asked for: it was measured with vectors of 64 bytes. */
    #define ASKS_AHEAD (VECTOR_BYTES == 64)
    """
    enum: PANEL_VECTORS
    enum: PIXELS_4
    enum: PIXELS_3
    enum: PIXELS_2
    enum: PIXELS_1
    enum: TEN
    enum: SMALL_PIXELS
    enum: ASKS_AHEAD


cdef struct GemmFilters:
    Banded banded
    Py_ssize_t sums             # where in the scratch they wait,
    Py_ssize_t panel            # where a panel is packed,
    Py_ssize_t held             # and where a tile waits between its parts
    Py_ssize_t* positions       # of the pixels of all images of a unit


# How the columns of the product are found in the band, without being written: their number at a
# pixel and a tap lies at the one's position + the other's offset. (For a weight gradient pixels and
# taps change places.)
cdef struct Columns:
    Py_ssize_t pixels           # of a unit
    Py_ssize_t row              # of one of its rows, or of all that follow each other
    Py_ssize_t taps
    Py_ssize_t part             # where sums are in parts: taps summed from zero at a time,
    void* held                  # and where in the scratch those are that are over;
    const void* ahead           # the panel that is read next: see ahead.pxi
    const Py_ssize_t* positions
    const Py_ssize_t* offsets


# What a tile's sums are: of all taps in a row, from zero, added as a whole to those that there are;
# or in parts, begun from the bias, or from zero and added likewise.
cdef enum Sums:
    ADDED = 0
    BEGUN_IN_PARTS = 1
    ADDED_IN_PARTS = 2


cdef inline Py_ssize_t padded_pixels(Py_ssize_t pixels) noexcept nogil:
    """Return how many pixels the tiles of a unit reach at the most."""
    return pixels + PIXELS_1


cdef inline bint has_whole_units(const Description* given) noexcept nogil:
    """Whether all units have as many images and rows as the first one.

    Of a smaller one the last tile hangs over into pixels that a band has, and an image has not.
    """
    return (
        given.problem.batch % given.blocks.images == 0
        and given.problem.rows.outputs % given.blocks.rows == 0
    )


cdef int lay_out_gemm_filters(const Description* given, Made* made, list memory) except -1:
    cdef GemmFilters* layout = <GemmFilters*>allot(memory, sizeof(GemmFilters))
    cdef Py_ssize_t vector = VECTOR_BYTES // given.problem.itemsize
    cdef Py_ssize_t width = given.problem.columns.outputs
    cdef Py_ssize_t pixels = given.blocks.images * given.blocks.rows * width
    cdef Py_ssize_t n, i, j, pixel = 0
    lay_out_image(&layout.banded, given, made, memory, has_whole_units(given))
    layout.sums = book(made, padded_pixels(pixels) * packed_filters(
        given.blocks.filters, vector, FILTERS_IN_LANES
    ))
    layout.panel = book(made, panel_values(given, FILTERS_IN_LANES))
    layout.held = book(made, MOST_TILE_VALUES)
    layout.positions = allot_table(memory, padded_pixels(pixels))
    for n in range(given.blocks.images):
        for i in range(given.blocks.rows):
            for j in range(width):
                layout.positions[pixel] = (
                    n * layout.banded.image_values + i * layout.banded.band.width + j
                )
                pixel = pixel + 1
    made.layout = layout
    made.units = count_units(given)
    return 0


cdef inline void multiply_pixels(
    const int kind, const bint adjacent, const int pixels, const int vectors,
    const Columns* columns, Py_ssize_t here, const real* panel, const real* image, real* sums,
    const real* bias,
) noexcept nogil:
    """Do sums[v][p][n] += image[positions[p] + offsets[t]] · panel[t][v][n], for all t in order.

    For so many pixels p from `here` on. Where they lie next to each other, a single pointer serves
    all of them; one for each would not fit the registers.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int lanes = vectors * vector
    cdef bint in_parts = kind == BEGUN_IN_PARTS or kind == ADDED_IN_PARTS
    cdef Py_ssize_t taps = columns.taps
    cdef Py_ssize_t last = columns.part if in_parts else taps
    cdef const Py_ssize_t* offsets = columns.offsets
    cdef const Py_ssize_t* positions = columns.positions + here
    cdef Py_ssize_t vector_stride = padded_pixels(columns.pixels) * vector
    cdef bint asks = ASKS_AHEAD and in_parts
    cdef const real* ahead = panel if here == 0 else <const real*>columns.ahead
    cdef real tile[MOST_TILE_VALUES]
    cdef real* held = <real*>columns.held
    cdef const real* pixel[TEN]
    cdef const real* row
    cdef real taken
    cdef Py_ssize_t t = 0
    cdef int p, v, n
    sums = sums + here * vector
    for p in range(pixels):
        pixel[p] = image + positions[p]
        for n in range(lanes):
            tile[p * lanes + n] = 0
        if in_parts:
            for n in range(lanes):
                held[p * lanes + n] = bias[n] if kind == BEGUN_IN_PARTS else <real>0
    while True:
        while True:  # at least once, which spares the sums a way through memory: see README.md
            if asks:
                expect_values(lanes, ahead + t * lanes)
            row = pixel[0] + offsets[t]
            for p in range(pixels):
                if adjacent:
                    taken = row[p]
                else:
                    taken = pixel[p][offsets[t]]
                for n in range(lanes):
                    tile[p * lanes + n] += taken * panel[t * lanes + n]
            t = t + 1
            if t >= last:
                break
        if not in_parts or t >= taps:
            break
        for n in range(pixels * lanes):
            held[n] += tile[n]
            tile[n] = 0
        last = min(taps, last + columns.part)
    if in_parts:
        for n in range(pixels * lanes):
            tile[n] += held[n]
    for p in range(pixels):
        for v in range(vectors):
            for n in range(vector):
                if kind == ADDED or kind == ADDED_IN_PARTS:
                    sums[v * vector_stride + p * vector + n] += tile[p * lanes + v * vector + n]
                else:
                    sums[v * vector_stride + p * vector + n] = tile[p * lanes + v * vector + n]


cdef inline void multiply_tile(
    const int kind, const int pixels, const int vectors, const Columns* columns,
    Py_ssize_t here, const real* panel, const real* image, real* sums, const real* bias,
) noexcept nogil:
    cdef const Py_ssize_t* positions = columns.positions + here
    if kind != ADDED and positions[pixels - 1] - positions[0] == pixels - 1:
        multiply_pixels(kind, True, pixels, vectors, columns, here, panel, image, sums, bias)
    else:
        multiply_pixels(kind, False, pixels, vectors, columns, here, panel, image, sums, bias)


cdef inline void multiply_tiles(
    const int kind, const int large, const int small, const int vectors, const Columns* columns,
    const real* panel, const real* image, real* sums, const real* bias,
) noexcept nogil:
    """Cover the pixels with large tiles and small ones; the last may hang over.

    Small ones where that lets tiles end with the row: 28 pixels are 6 + 6 + 6 + 6 + 4.
    """
    cdef Py_ssize_t here = 0
    cdef Py_ssize_t left = columns.row
    while here < columns.pixels:
        if columns.pixels - here > small and (
            kind == ADDED or left < small or left == large or left >= large + small
        ):
            multiply_tile(kind, large, vectors, columns, here, panel, image, sums, bias)
            here = here + large
            left = left - large
        else:
            multiply_tile(kind, small, vectors, columns, here, panel, image, sums, bias)
            here = here + small
            left = left - small
        while left <= 0 and kind != ADDED:
            left = left + columns.row


cdef void multiply_tens(
    bint begun, const Columns* columns, const real* panel, const real* image, real* sums,
    const real* bias,
) noexcept nogil:
    """Multiply a panel of a single vector with rows of whole TENs of pixels.

    A function of its own, so that it finds what it reads in registers.
    """
    cdef Py_ssize_t here = 0
    while here < columns.pixels:
        if begun:
            multiply_pixels(BEGUN_IN_PARTS, True, TEN, 1, columns, here, panel, image, sums, bias)
        else:
            multiply_pixels(ADDED_IN_PARTS, True, TEN, 1, columns, here, panel, image, sums, bias)
        here = here + TEN


cdef inline void multiply_panel(
    const int kind, Py_ssize_t vectors, const Columns* columns, const real* panel,
    const real* image, real* sums, const real* bias,
) noexcept nogil:
    """Multiply a panel, as wide as it is, with all pixels of a unit."""
    if PANEL_VECTORS >= 4 and vectors == 4:
        multiply_tiles(kind, PIXELS_4, SMALL_PIXELS, 4, columns, panel, image, sums, bias)
    elif PANEL_VECTORS >= 4 and vectors == 3:
        multiply_tiles(kind, PIXELS_3, SMALL_PIXELS, 3, columns, panel, image, sums, bias)
    elif vectors == 2:
        multiply_tiles(kind, PIXELS_2, SMALL_PIXELS, 2, columns, panel, image, sums, bias)
    elif kind != ADDED and TEN > PIXELS_1 and columns.row % TEN == 0:
        multiply_tens(kind == BEGUN_IN_PARTS, columns, panel, image, sums, bias)
    else:
        multiply_tiles(kind, PIXELS_1, SMALL_PIXELS, 1, columns, panel, image, sums, bias)


cdef void finish_panel(
    const real* sums, real* y, const Problem* problem, const Unit* unit, Py_ssize_t filter,
    Py_ssize_t filters,
) noexcept nogil:
    """Turn the sums of a panel over, [pixels][vector] into [filters][pixels], f applied."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t plane = unit.next_filter
    # pixels of one image, neighbours in y
    cdef Py_ssize_t run = unit.rows * problem.columns.outputs
    cdef int activation = problem.activation
    cdef Py_ssize_t v, n, p, rows
    cdef const real* source
    cdef real* target
    for v in range((filters + vector - 1) // vector):
        rows = min(vector, filters - v * vector)
        for n in range(unit.images):
            source = sums + (v * padded_pixels(unit.images * run) + n * run) * vector
            target = y + output_index(unit, n, filter + v * vector)
            p = 0
            while p + vector <= run:
                transpose_square(
                    source + p * vector, vector, vector, target + p, plane, rows, activation
                )
                p = p + vector
            transpose_part(
                source + p * vector, vector, target + p, plane, run - p, rows, activation
            )


cdef void multiply_filter_lanes(
    const GemmFilters* layout, const Operands* operands, const Unit* unit, const real* band,
    real* scratch, real* y, Watch* watch,
) noexcept nogil:
    """Add a block of channels to a unit of the result."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Description* given = &layout.banded.given
    cdef const Problem* problem = &given.problem
    cdef const real* bias = <const real*>operands.bias
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t width, filters, i
    cdef real lane_bias[PANEL_VECTORS * FLOATS]
    cdef real* sums = scratch + layout.sums
    cdef const real* panel
    cdef const real* next_block = NULL
    cdef Columns columns
    columns.row = problem.columns.outputs
    columns.pixels = unit.images * unit.rows * columns.row
    if layout.banded.band.width == columns.row:  # one row ends where the next one begins
        columns.row = unit.rows * columns.row
    columns.taps = unit.taps
    columns.part = even_part(unit.taps, given.blocks.taps)
    columns.held = scratch + layout.held
    columns.positions, columns.offsets = layout.positions, layout.banded.offsets
    while k < unit.last_filter:
        width = panel_width(unit.last_filter - k, vector, FILTERS_IN_LANES)
        filters = min(width, unit.last_filter - k)
        if not goes_on(watch, columns.pixels * width * columns.taps):
            return
        for i in range(width):
            lane_bias[i] = 0
        if bias != NULL:
            for i in range(filters):
                lane_bias[i] = bias[unit.group * problem.filters + k + i]
        panel = find_panel(
            operands, scratch + layout.panel, given, unit, FILTERS_IN_LANES, k, width
        )
        if k == unit.first_filter:
            next_block = panel + width * unit.taps
        columns.ahead = panel
        if operands.panels != NULL:
            columns.ahead = panel + width * problem.channels * problem.taps
            if k + width >= unit.last_filter and not ends(unit, problem):
                columns.ahead = next_block
        if begins(unit):
            multiply_panel(
                BEGUN_IN_PARTS, width // vector, &columns, panel, band, sums, lane_bias
            )
        else:
            multiply_panel(
                ADDED_IN_PARTS, width // vector, &columns, panel, band, sums, lane_bias
            )
        if ends(unit, problem):
            finish_panel(sums, y, problem, unit, k, filters)
        sums = sums + width * padded_pixels(columns.pixels)
        k = k + width


cdef void gemm_filters_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const GemmFilters* layout = <const GemmFilters*>made
    cdef const Banded* banded = &layout.banded
    cdef Unit unit = find_unit(&banded.given, number)
    cdef real* y = results_of(operands, scratch, banded)
    cdef const real* band
    while next_channels(&banded.given, &unit) and not stopped(watch):
        band = band_of(operands, scratch, banded, &unit)
        multiply_filter_lanes(layout, operands, &unit, band, scratch, y, watch)
    if not stopped(watch):
        bring_results(operands, scratch, banded, &unit)


enter(
    "gemm_filters", lay_out_gemm_filters, gemm_filters_unit[float], gemm_filters_unit[double]
)
