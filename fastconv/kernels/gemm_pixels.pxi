# The matrix product with the pixels in the lanes of the vectors.
#
#     y [filters x pixels]  =  panels' [filters x taps]  ·  columns [taps x pixels]
#
# A row of the columns is the band itself, moved by the tap, and finished sums go straight to their
# planes in y. That is the better way round where there are few filters, which would leave lanes
# idle, or few taps, for which turning the sums over would take too long.
#
# Rows of the band follow each other without a gap. Where they are shorter than a tile, it runs on
# from row to row; what it computes in the columns between OW and the band's width is thrown away.
# Longer rows are covered one by one: of few taps, moving the two runs of a tile would take as long
# as some of its vectors. The last tile of a row moves back to where it ends with it:
#
#     224 pixels      24 24 24 24 24 24 24 24 16 16
#      28             16, and 16 from the 12th on
#
# An image that is its own band is read where it lies if all filters are one panel: each pixel is
# read once, and a copy would take longer than the products. More filters would find the channels of
# a tile in pages of their own again and again, those of planes of 4 KiB in the same cache sets. The
# fewest take its channels as streams, not by tiles (streams.pxi).

cdef extern from *:
    """
    /* Filters x vectors of pixels: a tall tile, which loads the fewest pixels for its work, and a
       long one for the filters that are left over. Three of them have one of their own where there
       are registers for it, 0 where there are not. */
    #define TALL_ROWS (REGISTERS == 32 ? 8 : 4)
    #define LONG_ROWS (REGISTERS == 32 ? 4 : 2)
    #define THREE_ROWS (REGISTERS == 32 ? 3 : 0)
    """
    enum: TALL_ROWS
    enum: LONG_ROWS
    enum: THREE_ROWS

cdef enum:
    TALL_VECTORS = 3
    LONG_VECTORS = 6


cdef struct GemmPixels:
    Banded banded
    Py_ssize_t held         # where in the scratch a tile waits between its parts,
    Py_ssize_t panel        # and where a panel is packed
    bint streams            # whether channels are streams,
    Py_ssize_t slots        # of which a filter of an image has so many values,
    Py_ssize_t totals       # and where those of blocks of channels before are


cdef int lay_out_gemm_pixels(const Description* given, Made* made, list memory) except -1:
    cdef GemmPixels* layout = <GemmPixels*>allot(memory, sizeof(GemmPixels))
    lay_out_image(&layout.banded, given, made, memory, reads_in_place(&given.problem))
    layout.held = book(made, MOST_TILE_VALUES)
    layout.panel = book(made, panel_values(given, PIXELS_IN_LANES))
    layout.streams = layout.banded.in_place and takes_streams(given)
    if layout.streams:
        layout.slots = whole_lines(given.blocks.rows * given.problem.columns.outputs)
        layout.held = book(made, given.problem.filters * layout.slots)
        layout.totals = book(made, given.blocks.images * given.problem.filters * layout.slots)
    made.layout = layout
    made.units = count_units(given)
    return 0


cdef bint reads_in_place(const Problem* problem) noexcept nogil:
    """Whether an image that is its own band is read where it lies: a tile fits into its planes."""
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    return (
        problem.filters <= TALL_ROWS
        and problem.rows.size * problem.columns.size >= LONG_VECTORS * vector
    )


cdef bint takes_streams(const Description* given) noexcept nogil:
    """Whether channels are streams: of few filters, a block in a row, and units of a fit size."""
    cdef const Problem* problem = &given.problem
    cdef Py_ssize_t bands = ceil_div(problem.rows.outputs, given.blocks.rows)
    cdef Py_ssize_t last_rows = problem.rows.outputs - (bands - 1) * given.blocks.rows
    return (
        problem.filters <= min(<Py_ssize_t>STREAM_FILTERS, given.blocks.filters)
        and problem.channels >= FEWEST_STREAMED
        and given.blocks.rows * problem.columns.outputs <= MOST_STREAMED
        and given.blocks.channels <= given.blocks.taps
        and last_rows * problem.columns.outputs * problem.itemsize >= VECTOR_BYTES
    )


def pixels_in_place(problem):
    """Return whether gemm_pixels reads a problem's image where it lies."""
    cdef Problem read = read_problem(problem)
    return is_its_own_band(&read) and reads_in_place(&read)


cdef inline void multiply_filters(
    const bint whole, const int filters, const int vectors, const Columns* columns, bint begun,
    const real* panel, const real* stretch, real* sums, Py_ssize_t filter_stride, const real* bias,
) noexcept nogil:
    """Do sums[m][n] += panel[t][m] · stretch[offsets[t] + n], for all t in order.

    In parts of the taps, each from zero, as in gemm_filters.pxi; a `whole` sum has only one, the
    first and last. Parts that are over wait in the scratch: for an array GCC looks for registers
    here, and sends the sums through memory instead. Sums that are begun start from the bias; others
    have none.
    """
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t taps = columns.taps
    cdef Py_ssize_t last = taps if whole else columns.part
    cdef const Py_ssize_t* offsets = columns.offsets
    cdef real* held = <real*>columns.held
    cdef real tile[MOST_TILE_VALUES]
    cdef const real* row
    cdef Py_ssize_t t = 0
    cdef int m, n
    for m in range(filters):
        for n in range(lanes):
            tile[m * lanes + n] = 0
            if not whole:
                held[m * lanes + n] = bias[m]
    while True:
        while True:
            row = stretch + offsets[t]
            for m in range(filters):
                for n in range(lanes):
                    tile[m * lanes + n] += panel[t * filters + m] * row[n]
            t = t + 1
            if t >= last:
                break
        if whole or t >= taps:
            break
        for n in range(filters * lanes):
            held[n] += tile[n]
            tile[n] = 0
        last = min(taps, last + columns.part)
    for m in range(filters):
        for n in range(lanes):
            tile[m * lanes + n] += bias[m] if whole else held[m * lanes + n]
    if not whole and not begun:
        for m in range(filters):
            for n in range(lanes):
                tile[m * lanes + n] += sums[m * filter_stride + n]
    for m in range(filters):
        for n in range(lanes):
            sums[m * filter_stride + n] = tile[m * lanes + n]


# Positions that tiles run along: those of all rows of a unit, or of one of them.
cdef struct Track:
    Py_ssize_t width        # from row to row,
    Py_ssize_t outputs      # of which these are kept
    Py_ssize_t positions
    Py_ssize_t room         # positions that may be read: more, but not beyond an image in place


cdef inline void move_runs(
    const int filters, const int lanes, const Track* along, Py_ssize_t plane,
    Py_ssize_t position, Py_ssize_t end, real* tile, real* y, bint store,
) noexcept nogil:
    """Load or store the runs of positions that are outputs: columns below OW of each row."""
    cdef Py_ssize_t here = position
    cdef Py_ssize_t run, n, column
    cdef int m
    cdef real* inside
    cdef real* outside
    while here < end:
        column = here % along.width
        run = min(along.outputs - column, end - here)
        for m in range(filters):
            inside = tile + m * lanes + (here - position)
            outside = y + m * plane + here // along.width * along.outputs + column
            if store:
                for n in range(run):
                    outside[n] = inside[n]
            else:
                for n in range(run):
                    inside[n] = outside[n]
        here = here + max(run, along.width - column)


cdef inline void one_tile(
    const bint whole, const int filters, const int vectors, const Problem* problem,
    const Unit* unit, const Track* along, const Columns* columns, const real* panel,
    const real* bias, const real* image, real* y, Py_ssize_t position,
) noexcept nogil:
    """Add a block of channels to `filters` planes of y, at `vectors` vectors of positions."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t plane = unit.next_filter
    cdef Py_ssize_t end = min(position + lanes, along.positions)
    # of lanes that hang over, so many are read before the tile instead of behind it
    cdef Py_ssize_t back = max(0, position + lanes - along.room)
    cdef int activation = problem.activation
    cdef bint begun = begins(unit)
    cdef real tile[MOST_TILE_VALUES]
    cdef real* target = tile
    cdef Py_ssize_t stride = lanes
    cdef Py_ssize_t column = 0
    cdef int m, n
    cdef bint dense
    if along.width == along.outputs:  # rows follow each other in y as well
        dense = position + lanes <= along.positions
        if dense:
            target = y + position
    else:
        column = position % along.width
        dense = column + lanes <= along.outputs
        if dense:
            target = y + position // along.width * along.outputs + column
    if dense:
        stride = plane
    elif not begun:
        move_runs(filters, lanes, along, plane, position, end, tile + back, y, False)
    multiply_filters(
        whole, filters, vectors, columns, begun, panel, image + position - back, target, stride,
        bias,
    )
    if activation != IDENTITY and ends(unit, problem):
        for m in range(filters):
            for n in range(lanes):
                target[m * stride + n] = activate(activation, target[m * stride + n])
    if not dense:
        move_runs(filters, lanes, along, plane, position, end, tile + back, y, True)


cdef inline void multiply_track(
    const bint whole, const int filters, const int vectors, const Problem* problem,
    const Unit* unit, const Track* along, const Columns* columns, const real* panel,
    const real* bias, const real* image, real* y, Watch* watch,
) noexcept nogil:
    """Multiply a panel of so many filters with a track, by tiles of `vectors` vectors.

    Of two or one third of them where it ends: two of two in place of a whole one and a third. The
    last one of a whole sum moves back rather than hang over, if the track is as long as that.
    """
    cdef int third = vectors // 3 * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t work = filters * third * unit.taps
    cdef Py_ssize_t position = 0
    cdef Py_ssize_t thirds
    while position < along.positions:
        thirds = ceil_div(along.positions - position, third)
        if not goes_on(watch, 3 * work):
            return
        if whole and thirds <= 3 and thirds * third <= along.positions:
            position = along.positions - thirds * third  # what it has computed before is the same
        if thirds == 3 or thirds > 4:
            one_tile(
                whole, filters, vectors, problem, unit, along, columns, panel, bias, image, y,
                position,
            )
            position = position + 3 * third
        elif thirds == 1:
            one_tile(
                whole, filters, vectors // 3, problem, unit, along, columns, panel, bias, image,
                y, position,
            )
            position = position + third
        else:
            one_tile(
                whole, filters, vectors - vectors // 3, problem, unit, along, columns, panel,
                bias, image, y, position,
            )
            position = position + 2 * third


cdef inline void multiply_planes(
    const bint whole, const int filters, const int vectors, const Banded* banded,
    const Unit* unit, const Columns* columns, Py_ssize_t filter, const real* panel,
    const real* bias, const real* images, real* y, Watch* watch,
) noexcept nogil:
    """Multiply a panel of so many filters with all positions of the unit's images.

    Row by row where that leaves no lane idle: moving runs takes as long as a vector of 50 taps. (Of
    rows as narrow as a third of a tile it would make multiply-adds wait for each other.)
    """
    cdef int third = vectors // 3 * (VECTOR_BYTES // <int>sizeof(real))
    cdef const Problem* problem = &banded.given.problem
    cdef Py_ssize_t width = banded.band.width
    cdef Py_ssize_t outputs = problem.columns.outputs
    cdef Py_ssize_t rows = 1
    cdef Py_ssize_t positions = (unit.rows - 1) * width + outputs
    cdef Track along = Track(
        width=width, outputs=outputs, positions=positions,
        room=positions + MOST_TILE_VALUES,
    )
    cdef Py_ssize_t n, i
    cdef const real* image
    cdef real* planes
    if width > outputs >= 2 * third and (outputs % third == 0 or whole and outputs >= 3 * third):
        rows = unit.rows
        along.width = along.positions = outputs
    if banded.in_place:
        along.room = (problem.rows.outputs - unit.first_row) * width
    for n in range(unit.images):
        image = images + n * banded.image_values
        planes = y + output_index(unit, n, filter)
        for i in range(rows):
            multiply_track(
                whole, filters, vectors, problem, unit, &along, columns, panel, bias, image,
                planes, watch,
            )
            if stopped(watch):
                return
            image, planes = image + width, planes + outputs


cdef inline void multiply_heights(
    const bint whole, Py_ssize_t filters, const Banded* banded, const Unit* unit,
    const Columns* columns, Py_ssize_t filter, const real* panel, const real* bias,
    const real* images, real* y, Watch* watch,
) noexcept nogil:
    """Pick the tile of so many filters, as many as a panel has."""
    if filters >= TALL_ROWS:
        multiply_planes(
            whole, TALL_ROWS, TALL_VECTORS, banded, unit, columns, filter, panel, bias, images, y,
            watch,
        )
    elif THREE_ROWS == 3 and filters == 3:
        multiply_planes(
            whole, 3, LONG_VECTORS, banded, unit, columns, filter, panel, bias, images, y,
            watch,
        )
    elif filters >= LONG_ROWS:
        multiply_planes(
            whole, LONG_ROWS, LONG_VECTORS, banded, unit, columns, filter, panel, bias, images, y,
            watch,
        )
    elif filters >= 2:
        multiply_planes(
            whole, 2, LONG_VECTORS, banded, unit, columns, filter, panel, bias, images, y,
            watch,
        )
    else:
        multiply_planes(
            whole, 1, LONG_VECTORS, banded, unit, columns, filter, panel, bias, images, y,
            watch,
        )


cdef void multiply_pixel_lanes(
    const GemmPixels* layout, const Operands* operands, const Unit* unit, const real* images,
    real* scratch, real* y, Watch* watch,
) noexcept nogil:
    """Add a block of channels to a unit of the result."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Banded* banded = &layout.banded
    cdef const real* bias = <const real*>operands.bias
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t width, i
    cdef real filter_bias[TALL_ROWS]
    cdef const real* panel
    cdef Columns columns
    columns.taps, columns.offsets = unit.taps, banded.offsets
    columns.part = even_part(unit.taps, banded.given.blocks.taps)
    columns.held = scratch + layout.held
    if not begins(unit):
        bias = NULL
    while k < unit.last_filter and not stopped(watch):
        width = panel_width(unit.last_filter - k, vector, PIXELS_IN_LANES)
        panel = find_panel(
            operands, scratch + layout.panel, &banded.given, unit, PIXELS_IN_LANES, k, width
        )
        for i in range(width):
            filter_bias[i] = 0
        if bias != NULL:
            for i in range(width):
                filter_bias[i] = bias[unit.group * banded.given.problem.filters + k + i]
        if begins(unit) and columns.part == columns.taps:
            multiply_heights(
                True, width, banded, unit, &columns, k, panel, filter_bias, images, y, watch
            )
        else:
            multiply_heights(
                False, width, banded, unit, &columns, k, panel, filter_bias, images, y, watch
            )
        k = k + width


cdef void stream_pixels(
    const GemmPixels* layout, const Operands* operands, const Unit* unit, const real* images,
    real* scratch, real* y, Watch* watch,
) noexcept nogil:
    """Do the same with channels as streams."""
    cdef const Problem* problem = &layout.banded.given.problem
    cdef const real* bias = <const real*>operands.bias
    cdef Py_ssize_t filters = problem.filters
    cdef real* held = scratch + layout.held
    cdef real* totals = scratch + layout.totals
    cdef const real* panel = find_panel(
        operands, scratch + layout.panel, &layout.banded.given, unit, PIXELS_IN_LANES, 0, filters
    )
    cdef Streams streams
    cdef Py_ssize_t n, k
    streams.channel = layout.banded.band.channel
    streams.pixels = unit.rows * problem.columns.outputs
    streams.slots = layout.slots
    for n in range(unit.images):
        pass_block(
            filters, unit.channels, &streams, panel, images + n * layout.banded.image_values, held,
            watch,
        )
        if stopped(watch):
            return
        for k in range(filters):
            add_streamed_block(
                unit, problem, &streams, <const real*>held + k * layout.slots,
                bias[unit.group * filters + k] if bias != NULL else <real>0,
                totals + (n * filters + k) * layout.slots, y + output_index(unit, n, k),
            )


cdef void gemm_pixels_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const GemmPixels* layout = <const GemmPixels*>made
    cdef const Banded* banded = &layout.banded
    cdef Unit unit = find_unit(&banded.given, number)
    cdef real* y = results_of(operands, scratch, banded)
    cdef const real* images
    while next_channels(&banded.given, &unit) and not stopped(watch):
        images = band_of(operands, scratch, banded, &unit)
        if layout.streams:
            stream_pixels(layout, operands, &unit, images, scratch, y, watch)
        else:
            multiply_pixel_lanes(layout, operands, &unit, images, scratch, y, watch)
    if not stopped(watch):
        bring_results(operands, scratch, banded, &unit)


enter("gemm_pixels", lay_out_gemm_pixels, gemm_pixels_unit[float], gemm_pixels_unit[double])
