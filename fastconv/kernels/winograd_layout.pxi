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
    Py_ssize_t vectors          # of filters that they are cut from
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
    # Outputs that the last of a column, and of a row, has too few: winograd_short.pxi.
    int missing_down
    int missing_across


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


cdef inline Py_ssize_t begin_of_panel(
    Py_ssize_t vectors, Py_ssize_t panels, Py_ssize_t panel
) noexcept nogil:
    """Return how many of the vectors come before a panel; the first one is the widest.

    They are ⌈panel·vectors / panels⌉, so that wide panels and narrow ones take turns; by way of the
    few vectors that the widest panels would have too many, as that product may be too large.
    """
    cdef Py_ssize_t missing = WINOGRAD_VECTORS * panels - vectors
    return WINOGRAD_VECTORS * panel - panel * missing // panels


cdef inline Py_ssize_t panels_before(
    Py_ssize_t vectors, Py_ssize_t panels, Py_ssize_t place
) noexcept nogil:
    """Return how many panels begin before a place among the vectors, from 1 on."""
    cdef Py_ssize_t found = place // WINOGRAD_VECTORS   # and a few more, as not all are as wide
    while found < panels and begin_of_panel(vectors, panels, found) < place:
        found = found + 1
    return found


cdef inline Py_ssize_t first_filter(const Winograd* layout, Py_ssize_t panel) noexcept nogil:
    """Return with which filter a panel begins; of the one behind the last, where lanes end."""
    return (VECTOR_BYTES // layout.given.problem.itemsize) * begin_of_panel(
        layout.vectors, layout.panels, panel
    )


cdef inline Py_ssize_t panel_begin(const Winograd* layout, Py_ssize_t panel) noexcept nogil:
    """Return how many values of a ξ come before a panel of a group: wide ones, and narrow ones."""
    cdef Py_ssize_t vector = VECTOR_BYTES // layout.given.problem.itemsize
    cdef Py_ssize_t channels = layout.given.problem.channels
    cdef Py_ssize_t narrow = layout.vectors // layout.panels
    cdef Py_ssize_t wide = begin_of_panel(layout.vectors, layout.panels, panel) - panel * narrow
    return wide * odd_lines(channels * (narrow + 1) * vector) + (
        (panel - wide) * odd_lines(channels * narrow * vector)
    )


cdef int lay_out_winograd(const Description* given, Made* made, list memory) except -1:
    cdef Winograd* layout = <Winograd*>allot(memory, sizeof(Winograd))
    cdef const Problem* problem = &given.problem
    cdef const Blocks* blocks = &given.blocks
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t down, across, tiles, making, lanes, at_once
    layout.given = given[0]
    layout.vectors = ceil_div(problem.filters, vector)
    layout.panels = count_panels(layout.vectors)
    layout.panels_of_unit = panels_before(
        layout.vectors, layout.panels, ceil_div(min(blocks.filters, problem.filters), vector)
    )
    layout.shares = ceil_div(layout.panels, layout.panels_of_unit)
    lanes = first_filter(layout, 1)
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
    unit.first_filter = first_filter(layout, found.first_panel)
    unit.last_filter = min(problem.filters, first_filter(layout, found.last_panel))
    unit.first_row = unit.rows = unit.begin = unit.next_image = unit.next_filter = 0
    unit.channel = unit.channels = unit.taps = 0
    found.down = tiles_along(&layout.down, found.rows)
    found.across = tiles_along(&layout.across, found.columns)
    found.count = unit.images * found.down * found.across
    found.missing_down = count_missing(&layout.down, found.rows)
    found.missing_across = count_missing(&layout.across, found.columns)
    return found


# What planning asks of the panels of a group of filters.


def panels_of_filters(Py_ssize_t filters, Py_ssize_t itemsize):
    """Return how many there are."""
    return count_panels(ceil_div(filters, VECTOR_BYTES // itemsize))


def panels_before_filter(Py_ssize_t filters, Py_ssize_t itemsize, Py_ssize_t filter):
    """Return how many of them begin before a filter, or before the end of all."""
    cdef Py_ssize_t vector = VECTOR_BYTES // itemsize
    cdef Py_ssize_t vectors = ceil_div(filters, vector)
    return panels_before(vectors, count_panels(vectors), ceil_div(filter, vector))


def first_of_panel(Py_ssize_t filters, Py_ssize_t itemsize, Py_ssize_t panel):
    """Return with which filter one begins; of the one behind the last, where lanes end."""
    cdef Py_ssize_t vector = VECTOR_BYTES // itemsize
    cdef Py_ssize_t vectors = ceil_div(filters, vector)
    return vector * begin_of_panel(vectors, count_panels(vectors), panel)
