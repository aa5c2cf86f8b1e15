# The weight gradient of 3 x 3 kernels with fewer multiplications: F(3 x 3, m x m), m = 2, 4 and 6.
#
# It is a convolution again: 3 x 3 weights are the outputs, and a tile of m x m of the output's
# gradient is the kernel that slides over the a x a pixels that the tile sees (a = m + 2). So the
# pixels of winograd.pxi, transformed as there, are met by transformed tiles of the gradient, and
# what is summed in between are the tiles of all images:
#
#     x   ─ lanes: channels ─→  data   [ξ][some channels at once: [tiles][channels]]
#                                 │
#                                 ├─────→  sums [ξ][filters/vector][channels][vector]  ──→  dw
#                                 │                  every tile of every image
#     dy  ─ lanes: filters ──→  panels [ξ][a panel of filters: [tiles][filters]]
#
# The product is that of winograd.pxi: a step is a tile, its rows are channels, broadcast. 9·m²
# multiplications of a tile, channel and filter become a², and the way back is gone once for each
# weight, however many images there are.
#
# A unit is a part of the tiles and a block of filters and channels. It takes the tiles in blocks
# whose data lie in the caches, and adds each one's sums, from zero, to those before: in the same
# order for any number of threads. Sums that several blocks add to wait for them, of the whole unit;
# where there is a single block they are of a few panels and channels, and finished before the next.
#
# Predicted for vectors of 8 floats (AVX2), 16 multiply-adds a cycle, m = 4: a tile's product takes
# 36·C·K / 16 cycles, where direct sums take 144·C·K / 16; its transforms some 7 cycles for each of
# 36 values of a vector of channels or filters, 32·(C + K); and the way back 36·C·K once. With 64 of
# both and 196 tiles (56 x 56): 1.8, 0.8 and 0.15 million cycles, 2.6 times less than direct sums;
# with 512 and 4 tiles (7 x 7) the way back alone is more than these. Of 64 tiles, channels and
# filters a ξ reads 32 KiB and adds to 16 KiB in 16,400 cycles: 4 bytes a cycle, which the second-
# level cache has to spare and the third just gives.
#
# A NaN, an infinity or an overflow of a transform would spoil all weights of its channel or filter.
# These are seen when they are transformed back, and computed again as the definition says.

cdef enum:
    # Whole vectors of any length; their data at a ξ and some 64 tiles fit the first-level cache,
    # where all panels of filters meet them.
    CHANNELS_AT_ONCE = 64
    WINOGRAD_TAPS = 3           # of the kernel, along each axis


cdef struct WeightsWinograd:
    Description given
    Problem gradient            # of the output: an image of its own, without padding
    Line down                   # of what a tile sees: its columns,
    Line across                 # and its rows, transformed as for a forward pass
    Py_ssize_t side             # m: of a tile of the gradient
    Py_ssize_t values           # a², of a transformed tile
    Py_ssize_t row_blocks       # blocks of tiles in a column of them,
    Py_ssize_t column_blocks    # in a row,
    Py_ssize_t all_blocks       # and of all images
    Py_ssize_t most_tiles       # of a block
    bint waiting                # whether sums wait for other blocks
    Py_ssize_t filters          # that are summed together,
    Py_ssize_t channels         # and channels
    # Where in the scratch they are:
    Py_ssize_t pixels           # of an image and a vector of channels: [rows][columns][vector]
    Py_ssize_t half             # a row of tiles, its columns transformed: [a][columns][vector]
    Py_ssize_t data
    Py_ssize_t panels
    Py_ssize_t sums
    Py_ssize_t rows             # weights of a vector of filters: [channels][3·3][vector]
    Py_ssize_t doubts           # of each channel and filter: 0, or NaN where one is not finite
    Py_ssize_t data_plane       # values from one ξ to the next
    Py_ssize_t panels_plane
    Py_ssize_t sums_plane
    Py_ssize_t sums_values      # of all ξ


# A unit, and its present block of tiles.
cdef struct WeightTiles:
    Tiles tiles
    Py_ssize_t first_block
    Py_ssize_t block
    Py_ssize_t last_block
    Py_ssize_t begin            # where its weights begin


cdef int lay_out_weights_winograd(
    const Description* given, Made* made, list memory, int pairs
) except -1:
    cdef WeightsWinograd* layout = <WeightsWinograd*>allot(memory, sizeof(WeightsWinograd))
    cdef const Problem* problem = &given.problem
    cdef const Blocks* blocks = &given.blocks
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t side = 2 * pairs
    cdef Py_ssize_t filters = packed_filters(blocks.filters, vector, FILTERS_IN_LANES)
    cdef Py_ssize_t down = ceil_div(blocks.rows, side)
    cdef Py_ssize_t across = ceil_div(blocks.columns, side)
    cdef Py_ssize_t vectors = ceil_div(blocks.channels, vector)
    cdef Py_ssize_t runs = ceil_div(vectors * vector, CHANNELS_AT_ONCE)
    layout.given = given[0]
    layout.gradient = problem[0]
    layout.gradient.channels = problem.filters
    layout.gradient.rows.size = problem.rows.outputs
    layout.gradient.columns.size = problem.columns.outputs
    layout.gradient.rows.before = layout.gradient.columns.before = 0
    layout.down = find_line(&problem.rows, side)
    layout.across = find_line(&problem.columns, side)
    layout.side, layout.values = side, (side + 2) * (side + 2)
    layout.row_blocks = ceil_div(problem.rows.outputs, blocks.rows)
    layout.column_blocks = ceil_div(problem.columns.outputs, blocks.columns)
    layout.all_blocks = (
        ceil_div(problem.batch, blocks.images) * layout.row_blocks * layout.column_blocks
    )
    layout.most_tiles = blocks.images * down * across
    layout.channels = ceil_div(vectors, runs) * vector
    layout.waiting = layout.all_blocks > blocks.parts
    layout.filters = filters
    if not layout.waiting:
        layout.filters = min(
            filters, PANELS_AT_ONCE * panel_width(blocks.filters, vector, FILTERS_IN_LANES)
        )
    layout.pixels = book(made, (down * side + 2) * (across * side + 2) * vector)
    layout.half = book(made, (side + 2) * (across * side + 2) * vector)
    layout.data_plane = odd_lines(layout.most_tiles * runs * layout.channels)
    # behind them, what the product's last tile reads that hangs over
    layout.data = book(made, layout.values * layout.data_plane + PIXELS_1)
    layout.panels_plane = odd_lines(layout.most_tiles * filters)
    layout.panels = book(made, layout.values * layout.panels_plane)
    layout.sums_plane = odd_lines(layout.filters * padded_pixels(layout.channels))
    layout.sums_values = layout.values * layout.sums_plane
    layout.sums = book(made, layout.sums_values * (runs if layout.waiting else 1))
    layout.rows = book(made, layout.channels * problem.taps * vector)
    layout.doubts = book(made, layout.channels * vector)
    made.layout = layout
    made.units = count_weight_units(given)
    return 0


cdef WeightTiles find_weight_tiles(const WeightsWinograd* layout, Py_ssize_t number) noexcept nogil:
    """Decode a unit's number, as `find_weight_unit` does; its parts are of blocks of tiles."""
    cdef const Description* given = &layout.given
    cdef WeightUnit unit = find_weight_unit(given, number)
    cdef Py_ssize_t part = number // (count_weight_units(given) // given.blocks.parts)
    cdef WeightTiles found
    found.tiles.unit = unit.unit
    found.begin = unit.begin
    found.first_block = part * layout.all_blocks // given.blocks.parts
    found.last_block = (part + 1) * layout.all_blocks // given.blocks.parts
    found.block = found.first_block - 1
    return found


cdef inline bint next_tiles(const WeightsWinograd* layout, WeightTiles* found) noexcept nogil:
    """Go on to the next block of tiles; return whether there is one."""
    cdef const Problem* problem = &layout.given.problem
    cdef const Blocks* blocks = &layout.given.blocks
    cdef Tiles* tiles = &found.tiles
    cdef Py_ssize_t number
    found.block = found.block + 1
    number = found.block
    tiles.first_column = number % layout.column_blocks * blocks.columns
    tiles.columns = min(blocks.columns, problem.columns.outputs - tiles.first_column)
    number = number // layout.column_blocks
    tiles.first_row = number % layout.row_blocks * blocks.rows
    tiles.rows = min(blocks.rows, problem.rows.outputs - tiles.first_row)
    tiles.unit.image = number // layout.row_blocks * blocks.images
    tiles.unit.images = min(blocks.images, problem.batch - tiles.unit.image)
    tiles.down = ceil_div(tiles.rows, layout.side)
    tiles.across = ceil_div(tiles.columns, layout.side)
    tiles.count = tiles.unit.images * tiles.down * tiles.across
    return found.block < found.last_block


# ── images into data and panels ─────────────────────────────────────────────────────────────────


cdef void transform_seen(
    const WeightsWinograd* layout, const real* x, const Tiles* tiles, real* scratch, Watch* watch
) noexcept nogil:
    """Fill the data of a block of tiles: the pixels that they see of the unit's channels."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Unit* unit = &tiles.unit
    cdef Py_ssize_t rows = tiles.down * layout.side + 2
    cdef Py_ssize_t width = tiles.across * layout.side + 2
    cdef real* pixels = scratch + layout.pixels
    cdef real* data
    cdef Py_ssize_t image, i
    cdef Py_ssize_t c = 0
    zero(pixels, rows * width * vector)
    while c < unit.channels:
        data = scratch + layout.data + (
            c // layout.channels * layout.channels * layout.most_tiles + c % layout.channels
        )
        for image in range(unit.image, unit.image + unit.images):
            if not goes_on(watch, rows * width * vector * layout.side):
                return
            turn_pixels(
                x, &layout.given.problem, tiles, image, unit.channel + c, pixels, rows, width
            )
            for i in range(tiles.down):
                transform_row_of_tiles(
                    False, &layout.down, &layout.across,
                    <const real*>pixels + i * layout.side * width * vector, tiles.across,
                    tiles.across, scratch + layout.half, data, data, layout.data_plane,
                    layout.channels,
                )
                data = data + tiles.across * layout.channels
        c = c + vector


cdef inline void transform_gradient_row(
    const int pairs, const Constants* constants, const real* pixels, Py_ssize_t across,
    real* panel, Py_ssize_t plane, Py_ssize_t lanes,
) noexcept nogil:
    """Transform a row of tiles of the gradient, which are the taps here: columns, then rows."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int taps = 2 * pairs
    cdef int side = 2 * pairs + 2
    cdef Py_ssize_t row = across * taps * vector
    cdef real half[MOST_POINTS * MOST_SIDE * FLOATS]
    cdef Py_ssize_t j
    cdef int i
    for j in range(across):
        for i in range(taps):
            transform_taps(
                pairs, taps, constants, pixels + (j * taps + i) * vector, row, half + i * FLOATS,
                taps * FLOATS,
            )
        for i in range(side):
            transform_taps(
                pairs, taps, constants, <const real*>half + i * taps * FLOATS, FLOATS,
                panel + i * side * plane + j * lanes, plane,
            )


cdef void transform_gradient(
    const WeightsWinograd* layout, const real* grad, const Tiles* tiles, real* scratch,
    Watch* watch,
) noexcept nogil:
    """Fill the panels of a block of tiles, of all filters of the unit."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Unit* unit = &tiles.unit
    cdef const Constants* constants = &layout.down.constants
    cdef Py_ssize_t rows = tiles.down * layout.side
    cdef Py_ssize_t width = tiles.across * layout.side
    cdef Py_ssize_t across = tiles.across
    cdef Py_ssize_t plane = layout.panels_plane
    cdef Py_ssize_t most = panel_width(layout.given.problem.filters, vector, FILTERS_IN_LANES)
    cdef real* pixels = scratch + layout.pixels
    cdef real* panel
    cdef const real* row
    cdef Py_ssize_t image, i, lanes
    cdef Py_ssize_t k = 0
    zero(pixels, rows * width * vector)
    while k < unit.last_filter - unit.first_filter:
        lanes = panel_width(
            unit.last_filter - unit.first_filter - k // most * most, vector, FILTERS_IN_LANES
        )
        panel = scratch + layout.panels + k // most * most * layout.most_tiles + k % most
        for image in range(unit.image, unit.image + unit.images):
            if not goes_on(watch, rows * width * vector * layout.side):
                return
            turn_pixels(
                grad, &layout.gradient, tiles, image, unit.first_filter + k, pixels, rows, width
            )
            for i in range(tiles.down):
                row = pixels + i * layout.side * width * vector
                if layout.down.pairs == 1:
                    transform_gradient_row(1, constants, row, across, panel, plane, lanes)
                elif layout.down.pairs == 2:
                    transform_gradient_row(2, constants, row, across, panel, plane, lanes)
                else:
                    transform_gradient_row(3, constants, row, across, panel, plane, lanes)
                panel = panel + across * lanes
        k = k + vector


# ── the product ─────────────────────────────────────────────────────────────────────────────────


# What of a unit is summed together: some of its filters and channels, and where their sums are.
cdef struct Share:
    Py_ssize_t filter           # the first, counted from the unit's
    Py_ssize_t last_filter
    Py_ssize_t channel
    Py_ssize_t channels
    Py_ssize_t sums


cdef inline void sum_values(
    const bint added, const WeightsWinograd* layout, Py_ssize_t tiles, const Share* share,
    real* scratch,
) noexcept nogil:
    """Do sums[ξ] = data[ξ]ᵀ panel[ξ] for a share, or add it to them."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Steps steps = Steps(
        count=tiles, apart=layout.channels, rows=share.channels, multiplied=share.channels
    )
    cdef const real* data
    cdef const real* panel
    cdef real* sums
    cdef Py_ssize_t value, width, k
    for value in range(layout.values):
        data = scratch + (
            layout.data + value * layout.data_plane + share.channel * layout.most_tiles
        )
        panel = scratch + (
            layout.panels + value * layout.panels_plane + share.filter * layout.most_tiles
        )
        sums = scratch + share.sums + value * layout.sums_plane
        k = share.filter
        while k < share.last_filter:
            width = panel_width(share.last_filter - k, vector, FILTERS_IN_LANES)
            multiply_plane(
                added, False, False, 1, 1, &steps, width // vector, panel, panel, data, sums
            )
            panel = panel + width * layout.most_tiles
            sums = sums + width * padded_pixels(share.channels)
            k = k + width


cdef void sum_tiles(
    const WeightsWinograd* layout, const WeightTiles* found, const Share* share, real* scratch
) noexcept nogil:
    """Sum a block of tiles for a share of the unit's weights."""
    if found.block == found.first_block:
        sum_values(False, layout, found.tiles.count, share, scratch)
    else:
        sum_values(True, layout, found.tiles.count, share, scratch)


# ── sums into weights ───────────────────────────────────────────────────────────────────────────


cdef inline bint transform_weights_back(
    const int pairs, const WeightsWinograd* layout, const real* sums, Py_ssize_t channels,
    real* rows, real* doubts,
) noexcept nogil:
    """Transform the sums of a vector of filters back into rows [channels][3·3][vector].

    Leave in doubts [channels][vector] where that is not finite; return whether it is anywhere.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int side = 2 * pairs + 2
    cdef Py_ssize_t plane = layout.sums_plane
    cdef real half[WINOGRAD_TAPS * MOST_POINTS * FLOATS]
    cdef real tile[WINOGRAD_TAPS * WINOGRAD_TAPS * FLOATS]
    cdef real check[FLOATS]
    cdef real doubt = 0
    cdef Py_ssize_t c
    cdef int i, n
    for c in range(channels):
        for i in range(side):
            transform_sums(
                vector, pairs, WINOGRAD_TAPS, &layout.down.constants, sums + i * plane,
                side * plane, half + i * FLOATS, side * FLOATS,
            )
        for i in range(WINOGRAD_TAPS):
            transform_sums(
                vector, pairs, WINOGRAD_TAPS, &layout.down.constants,
                <const real*>half + i * side * FLOATS, FLOATS,
                tile + i * WINOGRAD_TAPS * FLOATS, FLOATS,
            )
        for n in range(vector):
            check[n] = 0
        for i in range(WINOGRAD_TAPS * WINOGRAD_TAPS):
            for n in range(vector):  # 0, or NaN for what is not finite
                check[n] += tile[i * FLOATS + n] - tile[i * FLOATS + n]
                rows[i * vector + n] = tile[i * FLOATS + n]
        for n in range(vector):
            doubts[n] = check[n]
        for n in range(vector):
            doubt += check[n]
        sums = sums + vector
        rows = rows + WINOGRAD_TAPS * WINOGRAD_TAPS * vector
        doubts = doubts + vector
    return doubt != 0


cdef void compute_weights(
    const WeightsWinograd* layout, const Operands* operands, const WeightTiles* found,
    Py_ssize_t filter, Py_ssize_t channel, real* dw, Watch* watch,
) noexcept nogil:
    """Compute the 3 x 3 weights of a filter and a channel as defined, of the unit's tiles."""
    cdef const Problem* problem = &layout.given.problem
    cdef const Unit* unit = &found.tiles.unit
    cdef Py_ssize_t height = problem.rows.size
    cdef Py_ssize_t width = problem.columns.size
    cdef Py_ssize_t out_width = problem.columns.outputs
    cdef WeightTiles here = found[0]
    cdef const Tiles* tiles = &here.tiles
    cdef const real* x
    cdef const real* grad
    cdef double total[WINOGRAD_TAPS * WINOGRAD_TAPS]
    cdef Py_ssize_t image, i, h, column, first, last
    cdef int r, s
    for i in range(WINOGRAD_TAPS * WINOGRAD_TAPS):
        total[i] = 0
    here.block = here.first_block - 1
    while next_tiles(layout, &here):
        for image in range(tiles.unit.image, tiles.unit.image + tiles.unit.images):
            if not goes_on(watch, problem.taps * tiles.rows * tiles.columns):
                return
            x = <const real*>operands.image + (
                (image * problem.groups + unit.group) * problem.channels + channel
            ) * height * width
            grad = <const real*>operands.gradient + (
                (image * problem.groups + unit.group) * problem.filters + filter
            ) * problem.rows.outputs * out_width
            for i in range(tiles.first_row, tiles.first_row + tiles.rows):
                for r in range(WINOGRAD_TAPS):
                    h = i + r - problem.rows.before
                    if not 0 <= h < height:
                        continue
                    for s in range(WINOGRAD_TAPS):
                        column = s - problem.columns.before
                        first = max(tiles.first_column, -column)
                        last = min(tiles.first_column + tiles.columns, width - column)
                        if first < last:
                            total[r * WINOGRAD_TAPS + s] += dot_row(
                                grad + i * out_width + first, x + h * width + first + column, 1,
                                last - first,
                            )
    for i in range(WINOGRAD_TAPS * WINOGRAD_TAPS):
        dw[i] = <real>total[i]


cdef void finish_share(
    const WeightsWinograd* layout, const Operands* operands, const WeightTiles* found,
    const Share* share, real* scratch, Watch* watch,
) noexcept nogil:
    """Transform the sums of a share back, and bring them to dw."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Unit* unit = &found.tiles.unit
    cdef Py_ssize_t channels = share.channels
    cdef Py_ssize_t taps = layout.given.problem.taps
    cdef Py_ssize_t stride = layout.given.problem.channels * taps
    cdef const real* sums = scratch + share.sums
    cdef real* rows = scratch + layout.rows
    cdef real* doubts = scratch + layout.doubts
    cdef real* dw
    cdef Py_ssize_t k = share.filter
    cdef Py_ssize_t filters, c, n
    cdef bint doubtful
    while k < share.last_filter:
        if not goes_on(watch, layout.values * vector * channels):
            return
        filters = min(vector, share.last_filter - k)
        if layout.down.pairs == 1:
            doubtful = transform_weights_back(1, layout, sums, channels, rows, doubts)
        elif layout.down.pairs == 2:
            doubtful = transform_weights_back(2, layout, sums, channels, rows, doubts)
        else:
            doubtful = transform_weights_back(3, layout, sums, channels, rows, doubts)
        dw = <real*>operands.result + found.begin + k * stride + share.channel * taps
        turn_rows(rows, channels * taps, filters, dw, stride, IDENTITY)
        if doubtful:
            for n in range(filters):
                for c in range(channels):
                    if doubts[c * vector + n] != 0 and not stopped(watch):
                        compute_weights(
                            layout, operands, found, unit.first_filter + k + n,
                            unit.channel + share.channel + c, dw + n * stride + c * taps, watch,
                        )
        sums = sums + vector * padded_pixels(channels)
        k = k + vector


cdef void weights_winograd_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const WeightsWinograd* layout = <const WeightsWinograd*>made
    cdef WeightTiles found = find_weight_tiles(layout, number)
    cdef const Tiles* tiles = &found.tiles
    cdef const Unit* unit = &tiles.unit
    cdef Py_ssize_t filters = unit.last_filter - unit.first_filter
    cdef Share share
    while next_tiles(layout, &found) and not stopped(watch):
        transform_seen(layout, <const real*>operands.image, tiles, scratch, watch)
        transform_gradient(layout, <const real*>operands.gradient, tiles, scratch, watch)
        share.filter = 0
        while share.filter < filters:
            share.last_filter = min(filters, share.filter + layout.filters)
            share.channel, share.sums = 0, layout.sums
            while share.channel < unit.channels:
                share.channels = min(layout.channels, unit.channels - share.channel)
                if not goes_on(watch, layout.values * tiles.count * share.channels * (
                    share.last_filter - share.filter
                )):
                    return
                sum_tiles(layout, &found, &share, scratch)
                if found.block == found.last_block - 1:
                    finish_share(layout, operands, &found, &share, scratch, watch)
                if layout.waiting:
                    share.sums = share.sums + layout.sums_values
                share.channel = share.channel + share.channels
            share.filter = share.last_filter


cdef int lay_out_weights_winograd_2(const Description* given, Made* made, list memory) except -1:
    return lay_out_weights_winograd(given, made, memory, 1)


cdef int lay_out_weights_winograd_4(const Description* given, Made* made, list memory) except -1:
    return lay_out_weights_winograd(given, made, memory, 2)


cdef int lay_out_weights_winograd_6(const Description* given, Made* made, list memory) except -1:
    return lay_out_weights_winograd(given, made, memory, 3)


enter(
    "weights_winograd_2", lay_out_weights_winograd_2, weights_winograd_unit[float],
    weights_winograd_unit[double], one_by_one=True,
)
enter(
    "weights_winograd_4", lay_out_weights_winograd_4, weights_winograd_unit[float],
    weights_winograd_unit[double], one_by_one=True,
)
enter(
    "weights_winograd_6", lay_out_weights_winograd_6, weights_winograd_unit[float],
    weights_winograd_unit[double], one_by_one=True,
)
