# Convolution with fewer multiplications: F(m x m, 3 x 3) at stride 1, for m = 2, 4 and 6.
#
# The result is cut into tiles of m x m outputs. The a x a pixels that one sees (a = m + 2) and the
# 3 x 3 taps are transformed, in rows and in columns, multiplied value by value, and transformed
# back (winograd_transforms.pxi). Summing over channels in between makes of it a² matrix products,
# one for each value ξ, of 9·m²/a² times fewer multiplications:
#
#     x  ─ lanes: channels ─→  data [ξ][channels/vector][tiles][vector]
#                                │
#                                ├──────→ sums [ξ][vectors][tiles][vector]  ─ lanes: filters ─→  y
#                                │                            a panel of filters at a time
#     w  ─ lanes: filters ──→  panel [ξ][channels][filters]
#
# With channels (or filters) in the lanes, a transform is additions of whole vectors, however narrow
# the image is. What brings pixels into lanes and back are the squares of transpose.pxi. The product
# is that of gemm_filters.pxi, with tiles in place of pixels: it broadcasts a value of the data, and
# where it lies is position of its tile + offset of its channel.
#
# A unit is a rectangle of tiles, of several images where they are small, and a range of filters.
# Sums over the channels are cut into blocks, by the number of channels alone, each summed from
# zero: it keeps rounding small, and the bits independent of units and threads.
#
# A NaN, an infinity or an overflow of a transform would spoil all outputs of a tile. Such tiles are
# seen when they are transformed back, and computed again as the definition says.

cdef enum:
    WINOGRAD_TAPS = 3
    # Panels that pass by the data together, so that these are read from far half as often.
    PANELS_AT_ONCE = 2


cdef struct Winograd:
    Description given
    Constants constants
    int pairs
    Py_ssize_t outputs          # m: of a tile, in a row or column
    Py_ssize_t values           # a², of a tile
    Py_ssize_t row_blocks       # units in a column of them,
    Py_ssize_t column_blocks    # and in a row
    Py_ssize_t filter_blocks
    # Where in the scratch they are:
    Py_ssize_t pixels           # of an image and a vector of channels: [rows][columns][vector]
    Py_ssize_t half             # a row of tiles, its columns transformed: [a][columns][vector]
    Py_ssize_t data
    Py_ssize_t packed           # taps of a panel's filters, [channels][3·3][filters]
    Py_ssize_t panel
    Py_ssize_t sums
    Py_ssize_t rows             # of tiles, transformed back: [m][columns][vector]
    Py_ssize_t doubts           # of each tile and filter: 0, or NaN where a sum is not finite
    Py_ssize_t panel_values     # of a panel that is made in the scratch
    Py_ssize_t data_plane       # values from one ξ to the next
    Py_ssize_t data_channels    # and from one vector of channels to the next
    Py_ssize_t sums_plane
    Py_ssize_t* positions       # of the tiles in the data
    Py_ssize_t* offsets         # of a block of channels


# A unit: where its outputs are, and its tiles.
cdef struct Tiles:
    Unit unit                   # as `find_panel` reads it
    Py_ssize_t first_row
    Py_ssize_t rows
    Py_ssize_t first_column
    Py_ssize_t columns
    Py_ssize_t down             # tiles of an image
    Py_ssize_t across
    Py_ssize_t count            # of all images


cdef inline Py_ssize_t odd_lines(Py_ssize_t values) noexcept nogil:
    """Return at least so many values, an odd number of cache lines of float32.

    A tile is spread over as many places as it has values, which must not share a set of the cache.
    """
    return (values + LINE_VALUES - 1) // LINE_VALUES // 2 * 2 * LINE_VALUES + LINE_VALUES


cdef int lay_out_winograd(
    const Description* given, Made* made, list memory, int pairs
) except -1:
    cdef Winograd* layout = <Winograd*>allot(memory, sizeof(Winograd))
    cdef const Problem* problem = &given.problem
    cdef const Blocks* blocks = &given.blocks
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t side = 2 * pairs + 2
    cdef Py_ssize_t lanes = panel_width(blocks.filters, vector, FILTERS_IN_LANES)
    cdef Py_ssize_t at_once = min(PANELS_AT_ONCE, ceil_div(blocks.filters, lanes))
    cdef Py_ssize_t across, tiles, i
    layout.given = given[0]
    layout.constants = find_constants(pairs)
    layout.pairs, layout.outputs, layout.values = pairs, side - 2, side * side
    across = ceil_div(blocks.columns, layout.outputs)
    tiles = blocks.images * ceil_div(blocks.rows, layout.outputs) * across
    layout.row_blocks = ceil_div(problem.rows.outputs, blocks.rows)
    layout.column_blocks = ceil_div(problem.columns.outputs, blocks.columns)
    layout.filter_blocks = ceil_div(problem.filters, blocks.filters)
    layout.pixels = book(
        made,
        (ceil_div(blocks.rows, layout.outputs) * layout.outputs + 2)
        * (across * layout.outputs + 2) * vector,
    )
    layout.half = book(made, side * (across * layout.outputs + 2) * vector)
    layout.data_channels = tiles * vector
    layout.data_plane = odd_lines(ceil_div(problem.channels, vector) * layout.data_channels)
    # behind them, what the product's last tile reads that hangs over
    layout.data = book(made, layout.values * layout.data_plane + PIXELS_1 * vector)
    layout.packed = book(
        made, lanes * (blocks.channels * problem.taps + spare_taps(&given.taps, blocks.channels))
    )
    layout.panel_values = layout.values * odd_lines(blocks.channels * lanes)
    layout.panel = book(made, at_once * layout.panel_values)
    layout.sums_plane = odd_lines(lanes * padded_pixels(tiles))
    layout.sums = book(made, at_once * layout.values * layout.sums_plane)
    layout.rows = book(made, layout.outputs * blocks.columns * vector)
    layout.doubts = book(made, across * vector)
    layout.positions = allot_table(memory, padded_pixels(tiles))
    for i in range(padded_pixels(tiles)):
        layout.positions[i] = i * vector
    layout.offsets = allot_table(memory, blocks.channels)
    for i in range(blocks.channels):
        layout.offsets[i] = i // vector * layout.data_channels + i % vector
    made.layout = layout
    made.units = (
        ceil_div(problem.batch, blocks.images) * problem.groups * layout.row_blocks
        * layout.column_blocks * layout.filter_blocks
    )
    return 0


cdef Tiles find_tiles(const Winograd* layout, Py_ssize_t number) noexcept nogil:
    """Decode a unit's number: of images, groups, rows, columns and filters, the last innermost."""
    cdef const Problem* problem = &layout.given.problem
    cdef const Blocks* blocks = &layout.given.blocks
    cdef Tiles found
    cdef Unit* unit = &found.unit
    unit.first_filter = number % layout.filter_blocks * blocks.filters
    unit.last_filter = min(problem.filters, unit.first_filter + blocks.filters)
    number = number // layout.filter_blocks
    found.first_column = number % layout.column_blocks * blocks.columns
    found.columns = min(blocks.columns, problem.columns.outputs - found.first_column)
    number = number // layout.column_blocks
    found.first_row = number % layout.row_blocks * blocks.rows
    found.rows = min(blocks.rows, problem.rows.outputs - found.first_row)
    number = number // layout.row_blocks
    unit.group = number % problem.groups
    unit.image = number // problem.groups * blocks.images
    unit.images = min(blocks.images, problem.batch - unit.image)
    unit.first_row = unit.rows = unit.begin = unit.next_image = unit.next_filter = 0
    unit.channel = unit.channels = unit.taps = 0
    found.down = ceil_div(found.rows, layout.outputs)
    found.across = ceil_div(found.columns, layout.outputs)
    found.count = unit.images * found.down * found.across
    return found


# ── pixels into data ────────────────────────────────────────────────────────────────────────────


cdef void turn_pixels(
    const real* x, const Problem* problem, const Tiles* tiles, Py_ssize_t image,
    Py_ssize_t channel, real* pixels, Py_ssize_t rows, Py_ssize_t width,
) noexcept nogil:
    """Bring what the tiles of an image see into pixels [rows][width][vector of channels].

    Padding is left as it is. Lanes beyond the last channel repeat it, and nobody reads them.
    """
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t height = problem.rows.size
    cdef Py_ssize_t row_values = problem.columns.size
    cdef Py_ssize_t plane = height * row_values
    cdef Py_ssize_t first = (image * problem.groups + tiles.unit.group) * problem.channels + channel
    cdef Py_ssize_t channels = min(vector, problem.channels - channel)
    cdef Py_ssize_t top = tiles.first_row - problem.rows.before
    cdef Py_ssize_t left = tiles.first_column - problem.columns.before
    cdef Py_ssize_t begin = max(0, left)
    cdef Py_ssize_t end = min(row_values, left + width)
    cdef Py_ssize_t all_values = problem.batch * problem.groups * problem.channels * plane
    cdef Py_ssize_t i, j, here, count
    cdef real* target
    for i in range(max(0, top), min(height, top + rows)):
        j = begin
        while j < end:
            count = min(vector, end - j)
            here = first * plane + i * row_values + j
            target = pixels + ((i - top) * width + j - left) * vector
            if here + (channels - 1) * plane + vector <= all_values:
                # what it reads beyond the row is not written
                transpose_square(x + here, plane, channels, target, vector, count, IDENTITY)
            else:
                transpose_part(x + here, plane, target, vector, channels, count, IDENTITY)
            j = j + count


cdef inline void transform_pixel_row(
    const int pairs, const Constants* constants, const real* pixels, Py_ssize_t across,
    real* half, real* data, Py_ssize_t plane, Py_ssize_t next_tile,
) noexcept nogil:
    """Transform what a row of tiles sees: columns, which neighbouring tiles share, then rows."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int outputs = 2 * pairs
    cdef int side = 2 * pairs + 2
    cdef Py_ssize_t row = (across * outputs + 2) * vector
    cdef Py_ssize_t j
    cdef int i
    for j in range(across * outputs + 2):
        transform_pixels(pairs, constants, pixels + j * vector, row, half + j * vector, row)
    for j in range(across):
        for i in range(side):
            transform_pixels(
                pairs, constants, <const real*>half + i * row + j * outputs * vector, vector,
                data + i * side * plane + j * next_tile, plane,
            )


cdef void transform_images(
    const Winograd* layout, const real* x, const Tiles* tiles, real* scratch, Watch* watch
) noexcept nogil:
    """Fill the data of a unit: all channels of all its tiles."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef const Constants* constants = &layout.constants
    cdef Py_ssize_t rows = tiles.down * layout.outputs + 2
    cdef Py_ssize_t width = tiles.across * layout.outputs + 2
    cdef Py_ssize_t across = tiles.across
    cdef Py_ssize_t plane = layout.data_plane
    cdef real* pixels = scratch + layout.pixels
    cdef real* half = scratch + layout.half
    cdef real* data
    cdef const real* row
    cdef Py_ssize_t image, i
    cdef Py_ssize_t c = 0
    zero(pixels, rows * width * vector)
    while c < problem.channels:
        data = scratch + layout.data + c // vector * layout.data_channels
        for image in range(tiles.unit.image, tiles.unit.image + tiles.unit.images):
            if not goes_on(watch, rows * width * vector * layout.outputs):
                return
            turn_pixels(x, problem, tiles, image, c, pixels, rows, width)
            for i in range(tiles.down):
                row = pixels + i * layout.outputs * width * vector
                if layout.pairs == 1:
                    transform_pixel_row(1, constants, row, across, half, data, plane, vector)
                elif layout.pairs == 2:
                    transform_pixel_row(2, constants, row, across, half, data, plane, vector)
                else:
                    transform_pixel_row(3, constants, row, across, half, data, plane, vector)
                data = data + across * vector
        c = c + vector


# ── taps into panels ────────────────────────────────────────────────────────────────────────────


cdef inline void transform_panel(
    const int pairs, const Constants* constants, const real* packed, Py_ssize_t channels,
    Py_ssize_t width, real* panel, Py_ssize_t plane,
) noexcept nogil:
    """Transform so many channels' taps, packed [channel][3·3][width], into panel [ξ][channel]."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef int side = 2 * pairs + 2
    cdef real half[MOST_POINTS * WINOGRAD_TAPS * FLOATS]
    cdef Py_ssize_t c, v, i
    for c in range(channels):
        for v in range(width // vector):
            for i in range(WINOGRAD_TAPS):
                transform_taps(
                    pairs, WINOGRAD_TAPS, constants, packed + i * width + v * vector,
                    WINOGRAD_TAPS * width, half + i * FLOATS, WINOGRAD_TAPS * FLOATS,
                )
            for i in range(side):
                transform_taps(
                    pairs, WINOGRAD_TAPS, constants, <const real*>half + i * WINOGRAD_TAPS * FLOATS,
                    FLOATS, panel + i * side * plane + v * vector, plane,
                )
        packed = packed + WINOGRAD_TAPS * WINOGRAD_TAPS * width
        panel = panel + width


cdef inline Py_ssize_t panel_begin(
    const Problem* problem, Py_ssize_t vector, Py_ssize_t group, Py_ssize_t filter
) noexcept nogil:
    """Return how many values of a ξ come before the panel that begins with a filter."""
    cdef Py_ssize_t lanes = panel_width(problem.filters, vector, FILTERS_IN_LANES)
    cdef Py_ssize_t last = problem.filters % lanes
    cdef Py_ssize_t full = odd_lines(problem.channels * lanes)
    cdef Py_ssize_t group_values = problem.filters // lanes * full
    if last > 0:
        group_values = group_values + odd_lines(
            problem.channels * panel_width(last, vector, FILTERS_IN_LANES)
        )
    return group * group_values + filter // lanes * full


cdef void make_panel(
    const Winograd* layout, const Operands* operands, const Unit* unit, Py_ssize_t filter,
    Py_ssize_t width, real* packed, real* panel, Py_ssize_t plane,
) noexcept nogil:
    """Make the panel of the unit's channels from a filter on, [ξ][channels][width]."""
    cdef Operands raw = operands[0]
    cdef const Constants* constants = &layout.constants
    cdef const real* taps
    raw.panels = NULL
    taps = find_panel(&raw, packed, &layout.given, unit, FILTERS_IN_LANES, filter, width)
    if layout.pairs == 1:
        transform_panel(1, constants, taps, unit.channels, width, panel, plane)
    elif layout.pairs == 2:
        transform_panel(2, constants, taps, unit.channels, width, panel, plane)
    else:
        transform_panel(3, constants, taps, unit.channels, width, panel, plane)


# ── the product ─────────────────────────────────────────────────────────────────────────────────


# The panels that are multiplied together, of a block of channels.
cdef struct Panels:
    int count
    Py_ssize_t width[PANELS_AT_ONCE]
    Py_ssize_t begin[PANELS_AT_ONCE]    # in values, from where all panels begin
    Py_ssize_t plane[PANELS_AT_ONCE]    # from one ξ to the next


cdef inline void multiply_values(
    const int kind, const Winograd* layout, const Columns* columns, const real* data,
    const real* weights, const Panels* panels, real* sums,
) noexcept nogil:
    """Do sums[ξ] = panel[ξ]ᵀ data[ξ] for all panels, or add it to them."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real nothing[PANEL_VECTORS * FLOATS]
    cdef Py_ssize_t value
    cdef int n, q
    for n in range(PANEL_VECTORS * vector):
        nothing[n] = 0
    for value in range(layout.values):
        for q in range(panels.count):
            multiply_panel(
                kind, vector, panels.width[q] // vector, columns,
                weights + panels.begin[q] + value * panels.plane[q],
                data + value * layout.data_plane,
                sums + (q * layout.values + value) * layout.sums_plane, nothing,
            )


cdef void multiply_data(
    const Winograd* layout, const Operands* operands, const Tiles* tiles, Py_ssize_t first,
    Py_ssize_t last, real* scratch, Watch* watch,
) noexcept nogil:
    """Multiply the panels of some filters with the data of all tiles, channels in blocks."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef const real* weights
    cdef const real* data
    cdef real* sums = scratch + layout.sums
    cdef Unit unit = tiles.unit     # its channels: a block of them
    cdef Panels panels
    cdef Columns columns
    cdef Py_ssize_t k, width
    columns.row = columns.pixels = tiles.count
    columns.positions, columns.offsets = layout.positions, layout.offsets
    while next_channels(&layout.given, &unit):
        if not goes_on(watch, layout.values * unit.channels * (last - first) * tiles.count):
            return
        panels.count = 0
        k = first
        while k < last:
            width = panel_width(unit.last_filter - k, vector, FILTERS_IN_LANES)
            panels.width[panels.count] = width
            if operands.panels != NULL:
                panels.plane[panels.count] = odd_lines(problem.channels * width)
                panels.begin[panels.count] = unit.channel * width + (
                    layout.values * panel_begin(problem, vector, unit.group, k)
                )
            else:
                panels.plane[panels.count] = odd_lines(unit.channels * width)
                panels.begin[panels.count] = layout.panel + panels.count * layout.panel_values
                make_panel(
                    layout, operands, &unit, k, width, scratch + layout.packed,
                    scratch + panels.begin[panels.count], panels.plane[panels.count],
                )
            panels.count = panels.count + 1
            k = k + width
        weights = <const real*>operands.panels
        if weights == NULL:
            weights = scratch
        columns.taps = unit.channels
        data = scratch + layout.data + unit.channel // vector * layout.data_channels
        if begins(&unit):
            multiply_values(BEGUN, layout, &columns, data, weights, &panels, sums)
        else:
            multiply_values(ADDED, layout, &columns, data, weights, &panels, sums)


# ── sums into outputs ───────────────────────────────────────────────────────────────────────────


cdef inline bint transform_row(
    const int pairs, const Winograd* layout, const real* sums, Py_ssize_t across,
    Py_ssize_t columns, const real* bias, real* rows, real* doubts,
) noexcept nogil:
    """Transform a row of tiles back into rows [m][columns][vector of filters].

    Leave in doubts [tile][vector] where that is not finite, and return whether it is anywhere.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int outputs = 2 * pairs
    cdef int side = 2 * pairs + 2
    cdef Py_ssize_t plane = layout.sums_plane
    cdef real half[MOST_OUTPUTS * MOST_POINTS * FLOATS]
    cdef real tile[MOST_OUTPUTS * MOST_OUTPUTS * FLOATS]
    cdef real check[FLOATS]
    cdef real doubt = 0
    cdef Py_ssize_t j, kept
    cdef int i, k, n
    for j in range(across):
        for i in range(side):
            transform_sums(
                pairs, outputs, &layout.constants, sums + i * plane, side * plane,
                half + i * FLOATS, side * FLOATS,
            )
        for n in range(vector):
            check[n] = 0
        for i in range(outputs):
            transform_sums(
                pairs, outputs, &layout.constants, <const real*>half + i * side * FLOATS, FLOATS,
                tile + i * outputs * FLOATS, FLOATS,
            )
        for i in range(outputs * outputs):
            for n in range(vector):
                # 0, or NaN for what is not finite. (0·y does not do: without signed zeros GCC 12
                # takes the sum for 0.)
                check[n] += tile[i * FLOATS + n] - tile[i * FLOATS + n]
                tile[i * FLOATS + n] += bias[n]
        kept = min(outputs, columns - j * outputs)
        for i in range(outputs):
            for k in range(kept):
                for n in range(vector):
                    rows[(i * columns + j * outputs + k) * vector + n] = (
                        tile[(i * outputs + k) * FLOATS + n]
                    )
        for n in range(vector):
            doubts[j * vector + n] = check[n]
        for n in range(vector):
            doubt += check[n]
        sums = sums + vector
    return doubt != 0


cdef void turn_rows(
    const real* rows, Py_ssize_t count, Py_ssize_t filters, real* y, Py_ssize_t plane,
    int activation,
) noexcept nogil:
    """Bring so many outputs [count][vector of filters], neighbours in y, into its planes."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t j = 0
    while j + vector <= count:
        transpose_square(
            rows + j * vector, vector, vector, y + j, plane, filters, activation
        )
        j = j + vector
    if 0 < count - j and count >= vector:  # once more, from what has been kept
        j = count - vector
        transpose_square(
            rows + j * vector, vector, vector, y + j, plane, filters, activation
        )
    else:
        transpose_part(
            rows + j * vector, vector, y + j, plane, count - j, filters, activation
        )


cdef void compute_directly(
    const Winograd* layout, const Operands* operands, Py_ssize_t group, Py_ssize_t image,
    Py_ssize_t filter, Py_ssize_t row, Py_ssize_t first, Py_ssize_t last, real* sums,
) noexcept nogil:
    """Compute outputs [first, last) of a row as they are defined; sums has room for them."""
    cdef const Problem* problem = &layout.given.problem
    cdef const Taps* view = &layout.given.taps
    cdef const real* x = <const real*>operands.image
    cdef const real* w = <const real*>operands.weights
    cdef const real* bias = <const real*>operands.bias
    cdef real* y = <real*>operands.result
    cdef Py_ssize_t plane = problem.rows.size * problem.columns.size
    cdef Py_ssize_t filter_taps = problem.channels * problem.taps
    cdef Py_ssize_t c, r, s, j, h, begin, end
    cdef real weight
    fill_row(
        sums, bias[group * problem.filters + filter] if bias != NULL else <real>0, last - first
    )
    if view.plain:
        w = w + (group * problem.filters + filter) * filter_taps
    else:
        w = w + group * view.group + filter * view.filter + view.first
    x = x + (image * problem.groups + group) * problem.channels * plane
    for c in range(problem.channels):
        for r in range(WINOGRAD_TAPS):
            h = row + r - problem.rows.before
            if not 0 <= h < problem.rows.size:
                continue
            for s in range(WINOGRAD_TAPS):
                if view.plain:
                    weight = w[c * problem.taps + r * WINOGRAD_TAPS + s]
                else:
                    weight = w[c * view.channel + r * view.row + s * view.column]
                begin = max(first, problem.columns.before - s)
                end = min(last, problem.columns.size + problem.columns.before - s)
                for j in range(begin, end):
                    sums[j - first] += weight * x[
                        c * plane + h * problem.columns.size + j + s - problem.columns.before
                    ]
    y = y + (
        ((image * problem.groups + group) * problem.filters + filter) * problem.rows.outputs + row
    ) * problem.columns.outputs
    for j in range(first, last):
        y[j] = activate(problem.activation, sums[j - first])


cdef void repair_row(
    const Winograd* layout, const Operands* operands, const Tiles* tiles, Py_ssize_t image,
    Py_ssize_t filter, Py_ssize_t filters, Py_ssize_t row, real* scratch, Watch* watch,
) noexcept nogil:
    """Compute directly what is in doubt of a row of tiles: of each filter, runs of its tiles."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef const real* doubts = scratch + layout.doubts
    cdef Py_ssize_t kept = min(layout.outputs, tiles.first_row + tiles.rows - row)
    cdef Py_ssize_t k, i, j, first, last
    for k in range(filters):
        j = 0
        while j < tiles.across:
            first = j
            while j < tiles.across and doubts[j * vector + k] != 0:
                j = j + 1
            if j > first:
                last = min(tiles.columns, j * layout.outputs)
                for i in range(kept):
                    if not goes_on(watch, problem.channels * problem.taps * (j - first)):
                        return
                    compute_directly(
                        layout, operands, tiles.unit.group, image, filter + k, row + i,
                        tiles.first_column + first * layout.outputs, tiles.first_column + last,
                        scratch + layout.rows,
                    )
            j = j + 1


cdef void finish_tiles(
    const Winograd* layout, const Operands* operands, const Tiles* tiles, Py_ssize_t filter,
    Py_ssize_t filters, const real* sums, const real* bias, real* scratch, Watch* watch,
) noexcept nogil:
    """Transform the sums of a vector of filters back, and bring them to y."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t plane = problem.rows.outputs * width
    cdef Py_ssize_t across = tiles.across
    cdef real* rows = scratch + layout.rows
    cdef real* doubts = scratch + layout.doubts
    cdef real* y
    cdef Py_ssize_t n, i, row, kept, k
    cdef bint doubtful
    for n in range(tiles.unit.image, tiles.unit.image + tiles.unit.images):
        for i in range(tiles.down):
            if layout.pairs == 1:
                doubtful = transform_row(
                    1, layout, sums, across, tiles.columns, bias, rows, doubts
                )
            elif layout.pairs == 2:
                doubtful = transform_row(
                    2, layout, sums, across, tiles.columns, bias, rows, doubts
                )
            else:
                doubtful = transform_row(
                    3, layout, sums, across, tiles.columns, bias, rows, doubts
                )
            sums = sums + across * vector
            row = tiles.first_row + i * layout.outputs
            kept = min(layout.outputs, tiles.first_row + tiles.rows - row)
            y = <real*>operands.result + (
                (n * problem.groups + tiles.unit.group) * problem.filters + filter
            ) * plane + row * width + tiles.first_column
            if tiles.columns == width:
                turn_rows(rows, kept * width, filters, y, plane, problem.activation)
            else:
                for k in range(kept):
                    turn_rows(
                        rows + k * tiles.columns * vector, tiles.columns, filters,
                        y + k * width, plane, problem.activation,
                    )
            if doubtful:
                repair_row(layout, operands, tiles, n, filter, filters, row, scratch, watch)


cdef void winograd_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Winograd* layout = <const Winograd*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const real* bias = <const real*>operands.bias
    cdef real lane_bias[FLOATS]
    cdef Tiles tiles = find_tiles(layout, number)
    cdef const Unit* unit = &tiles.unit
    cdef Py_ssize_t lanes = panel_width(problem.filters, vector, FILTERS_IN_LANES)
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t last, v, i, filters
    transform_images(layout, <const real*>operands.image, &tiles, scratch, watch)
    while k < unit.last_filter:
        last = min(unit.last_filter, k + PANELS_AT_ONCE * lanes)
        multiply_data(layout, operands, &tiles, k, last, scratch, watch)
        v = 0
        while k < last and not stopped(watch):
            filters = min(vector, last - k)
            for i in range(vector):
                lane_bias[i] = 0
            if bias != NULL:
                for i in range(filters):
                    lane_bias[i] = bias[unit.group * problem.filters + k + i]
            finish_tiles(
                layout, operands, &tiles, k, filters,
                <const real*>scratch + layout.sums
                + v * vector // lanes * layout.values * layout.sums_plane
                + v % (lanes // vector) * padded_pixels(tiles.count) * vector,
                lane_bias, scratch, watch,
            )
            v = v + 1
            k = k + filters
        if stopped(watch):
            return


cdef void make_panels(
    const Winograd* layout, const Operands* operands, real* packed, real* panels
) noexcept nogil:
    """Make the panels of all groups."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef Unit unit
    cdef Py_ssize_t width, plane, k
    cdef real* panel
    unit.last_filter = problem.filters
    for unit.group in range(problem.groups):
        k = 0
        while k < problem.filters:
            width = panel_width(problem.filters - k, vector, FILTERS_IN_LANES)
            plane = odd_lines(problem.channels * width)
            panel = panels + layout.values * panel_begin(problem, vector, unit.group, k)
            unit.channel = unit.channels = 0
            while next_channels(&layout.given, &unit):
                make_panel(
                    layout, operands, &unit, k, width, packed, panel + unit.channel * width, plane
                )
            k = k + width


cdef int lay_out_winograd_2(const Description* given, Made* made, list memory) except -1:
    return lay_out_winograd(given, made, memory, 1)


cdef int lay_out_winograd_4(const Description* given, Made* made, list memory) except -1:
    return lay_out_winograd(given, made, memory, 2)


cdef int lay_out_winograd_6(const Description* given, Made* made, list memory) except -1:
    return lay_out_winograd(given, made, memory, 3)


enter("winograd_2", lay_out_winograd_2, winograd_unit[float], winograd_unit[double])
enter("winograd_4", lay_out_winograd_4, winograd_unit[float], winograd_unit[double])
enter("winograd_6", lay_out_winograd_6, winograd_unit[float], winograd_unit[double])


def transformed_values(description):
    """Return how many values the transformed weights take."""
    cdef Description given = read_images(description)
    cdef Made made = Made(layout=NULL, units=0, scratch=0)
    cdef list memory = []
    cdef const Winograd* layout
    (<Kernel>KERNELS[description.kernel]).lay_out(&given, &made, memory)
    layout = <const Winograd*>made.layout
    return layout.values * panel_begin(
        &given.problem, VECTOR_BYTES // given.problem.itemsize, given.problem.groups, 0
    )


def transform_weights(description, w, panels):
    """Transform the weights of all groups into panels."""
    cdef Description given = read_images(description)
    cdef Made made = Made(layout=NULL, units=0, scratch=0)
    cdef list memory = []
    cdef const Winograd* layout
    cdef Operands operands = Operands(
        image=NULL, weights=address_of(w), panels=NULL, bias=NULL, gradient=NULL, result=NULL
    )
    cdef void* packed
    (<Kernel>KERNELS[description.kernel]).lay_out(&given, &made, memory)
    layout = <const Winograd*>made.layout
    packed = allot(memory, (layout.panel - layout.packed) * given.problem.itemsize)
    if given.problem.itemsize == sizeof(double):
        make_panels(layout, &operands, <double*>packed, <double*>writable_address_of(panels))
    else:
        make_panels(layout, &operands, <float*>packed, <float*>writable_address_of(panels))
