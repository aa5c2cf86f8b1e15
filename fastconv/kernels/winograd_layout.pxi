# Where everything of a convolution by tiles is: winograd.pxi draws it.

cdef enum:
    # Panels that pass by the data together, so that these are read from far half as often.
    PANELS_AT_ONCE = 2

cdef extern from *:
    """
    /* Vectors of a panel at the most: see winograd_product.pxi. */
    #define WINOGRAD_VECTORS (REGISTERS == 32 ? 3 : PANEL_VECTORS)
    /* Whether several panels are an even number of them, about as wide each, so that two threads
       can share them. */
    #define PANELS_IN_PAIRS (REGISTERS == 32)
    """
    enum: WINOGRAD_VECTORS
    enum: PANELS_IN_PAIRS


cdef struct Winograd:
    Description given
    Line down                   # of a tile: its columns,
    Line across                 # and its rows
    Py_ssize_t values           # of a tile
    Py_ssize_t row_blocks       # units in a column of them,
    Py_ssize_t column_blocks    # and in a row
    Py_ssize_t image_blocks
    # Panels, of a group: how many, of a unit, and shares of so many;
    Py_ssize_t panels
    Py_ssize_t panels_of_unit
    Py_ssize_t shares
    Py_ssize_t lanes            # the widest one's,
    Py_ssize_t* first_filter    # where each begins, and behind the last the vectors end,
    Py_ssize_t* panel_begin     # and how many values of a ξ come before it
    # Where in the scratch they are:
    Py_ssize_t pixels           # of an image and a vector of channels: [rows][columns][vector]
    Py_ssize_t half             # a row of tiles, its columns transformed: [a][columns][vector]
    Py_ssize_t data
    Py_ssize_t packed           # taps of all panels' filters, [channels][r·r][filters]
    Py_ssize_t panel            # of a point of the columns, one panel after the other
    Py_ssize_t sums
    Py_ssize_t rows             # of tiles, transformed back: [m][columns][vector]
    Py_ssize_t doubts           # of each tile and filter: 0, or NaN where a sum is not finite
    Py_ssize_t packed_values    # of the taps of a panel,
    Py_ssize_t panel_values     # and of a panel that is made in the scratch
    Py_ssize_t data_plane       # values from one ξ to the next
    Py_ssize_t data_channels    # and from one vector of channels to the next
    Py_ssize_t sums_plane


# A unit: where its outputs are, and its tiles.
cdef struct Tiles:
    Unit unit                   # as `find_panel` reads it
    Py_ssize_t first_panel
    Py_ssize_t last_panel
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


cdef inline Py_ssize_t pixels_along(const Line* line, Py_ssize_t tiles) noexcept nogil:
    """Return how many pixels so many tiles see."""
    return tiles * line.outputs + line.beyond


cdef inline Py_ssize_t count_panels(Py_ssize_t vectors) noexcept nogil:
    """Return into how many panels so many vectors of filters are cut."""
    cdef Py_ssize_t count = ceil_div(vectors, WINOGRAD_VECTORS)
    return count + count % 2 if PANELS_IN_PAIRS and count > 1 else count


cdef inline Py_ssize_t begin_of_panel(Py_ssize_t vectors, Py_ssize_t panel) noexcept nogil:
    """Return how many of the vectors come before a panel; the first one is the widest."""
    return ceil_div(panel * vectors, count_panels(vectors))


cdef int lay_out_panels(Winograd* layout, list memory) except -1:
    """Cut the filters into panels, and these into shares, each for a unit."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t vectors = ceil_div(problem.filters, vector)
    cdef Py_ssize_t filters = layout.given.blocks.filters
    cdef Py_ssize_t p, begin
    layout.panels = count_panels(vectors)
    layout.first_filter = allot_table(memory, layout.panels + 1)
    layout.panel_begin = allot_table(memory, layout.panels + 1)
    layout.panels_of_unit = begin = 0
    for p in range(layout.panels + 1):
        layout.first_filter[p] = vector * begin_of_panel(vectors, p)
        if p > 0:
            begin = begin + odd_lines(
                problem.channels * (layout.first_filter[p] - layout.first_filter[p - 1])
            )
            if layout.first_filter[p - 1] < filters:
                layout.panels_of_unit = p
        layout.panel_begin[p] = begin
    layout.lanes = layout.first_filter[1]
    layout.shares = ceil_div(layout.panels, layout.panels_of_unit)
    return 0


cdef int lay_out_winograd(const Description* given, Made* made, list memory) except -1:
    cdef Winograd* layout = <Winograd*>allot(memory, sizeof(Winograd))
    cdef const Problem* problem = &given.problem
    cdef const Blocks* blocks = &given.blocks
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t down, across, tiles, making, lanes, at_once
    layout.given = given[0]
    lay_out_panels(layout, memory)
    lanes = layout.lanes
    at_once = min(<Py_ssize_t>PANELS_AT_ONCE, layout.panels_of_unit)
    layout.down = find_line(&problem.rows, blocks.tile)
    layout.across = find_line(&problem.columns, blocks.tile)
    layout.values = layout.down.values * layout.across.values
    down = tiles_along(&layout.down, blocks.rows)
    across = tiles_along(&layout.across, blocks.columns)
    tiles = blocks.images * down * across
    layout.row_blocks = ceil_div(problem.rows.outputs, blocks.rows)
    layout.column_blocks = ceil_div(problem.columns.outputs, blocks.columns)
    layout.image_blocks = ceil_div(problem.batch, blocks.images)
    layout.pixels = book(
        made, pixels_along(&layout.down, down) * pixels_along(&layout.across, across) * vector
    )
    layout.half = book(made, layout.down.values * pixels_along(&layout.across, across) * vector)
    layout.data_channels = tiles * vector
    layout.data_plane = odd_lines(ceil_div(problem.channels, vector) * layout.data_channels)
    # behind them, what the product's last tile reads that hangs over
    layout.data = book(made, layout.values * layout.data_plane + PIXELS_1 * vector)
    layout.packed_values = lanes * (
        blocks.channels * problem.taps + spare_taps(&given.taps, blocks.channels)
    )
    layout.panel_values = odd_lines(blocks.channels * lanes) * values_of_point(
        &layout.down, &layout.across, 1
    )
    making = 0 if blocks.prepared else at_once
    layout.packed = book(made, making * layout.packed_values)
    layout.panel = book(made, making * layout.panel_values)
    layout.sums_plane = odd_lines(lanes * padded_pixels(tiles))
    layout.sums = book(made, at_once * layout.values * layout.sums_plane)
    layout.rows = book(made, layout.down.outputs * blocks.columns * vector)
    layout.doubts = book(made, across * vector)
    made.layout = layout
    made.units = (
        layout.shares * layout.image_blocks * problem.groups * layout.row_blocks
        * layout.column_blocks
    )
    return 0


cdef Tiles find_tiles(const Winograd* layout, Py_ssize_t number) noexcept nogil:
    """Decode a unit's number: of filters, images, groups, rows and columns, the last innermost.

    So threads that share the filters have as much to do each, wherever tiles hang over, and keep
    to their own weights.
    """
    cdef const Problem* problem = &layout.given.problem
    cdef const Blocks* blocks = &layout.given.blocks
    cdef Tiles found
    cdef Unit* unit = &found.unit
    found.first_column = number % layout.column_blocks * blocks.columns
    found.columns = min(blocks.columns, problem.columns.outputs - found.first_column)
    number = number // layout.column_blocks
    found.first_row = number % layout.row_blocks * blocks.rows
    found.rows = min(blocks.rows, problem.rows.outputs - found.first_row)
    number = number // layout.row_blocks
    unit.group = number % problem.groups
    number = number // problem.groups
    unit.image = number % layout.image_blocks * blocks.images
    unit.images = min(blocks.images, problem.batch - unit.image)
    found.first_panel = number // layout.image_blocks * layout.panels_of_unit
    found.last_panel = min(layout.panels, found.first_panel + layout.panels_of_unit)
    unit.first_filter = layout.first_filter[found.first_panel]
    unit.last_filter = min(problem.filters, layout.first_filter[found.last_panel])
    unit.first_row = unit.rows = unit.begin = unit.next_image = unit.next_filter = 0
    unit.channel = unit.channels = unit.taps = 0
    found.down = tiles_along(&layout.down, found.rows)
    found.across = tiles_along(&layout.across, found.columns)
    found.count = unit.images * found.down * found.across
    return found


def first_of_panels(Py_ssize_t filters, Py_ssize_t itemsize):
    """Return the first filter of each panel of a group, and where the last one's lanes end."""
    cdef Py_ssize_t vector = VECTOR_BYTES // itemsize
    cdef Py_ssize_t vectors = ceil_div(filters, vector)
    cdef Py_ssize_t p
    return [vector * begin_of_panel(vectors, p) for p in range(count_panels(vectors) + 1)]
