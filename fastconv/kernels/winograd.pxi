# Convolution with fewer multiplications: F(m x m, r x r) at stride 1, for tiles of 2, 4 and 6 and
# kernels of 3, 5 and 7; and F(m, r) along one axis for kernels of 1 x r and r x 1.
#
# The result is cut into tiles of m x m outputs. The a x a pixels that one sees (a = m + r - 1) and
# the r x r taps are transformed, in rows and in columns, multiplied value by value, and transformed
# back (winograd_transforms.pxi, winograd_lines.pxi). Summing over channels in between makes of it
# a² matrix products, one for each value ξ, of r²·m²/a² times fewer multiplications:
#
#     x  ─ lanes: channels ─→  data [ξ][channels/vector][tiles][vector]
#                                │
#                                ├──────→ sums [ξ][vectors][tiles][vector]  ─ lanes: filters ─→  y
#                                │                            a panel of filters at a time
#     w  ─ lanes: filters ──→  panel [ξ][channels][filters]                winograd_taps.pxi
#
# With channels (or filters) in the lanes, a transform is additions of whole vectors, however narrow
# the image is. What brings pixels into lanes and back are the squares of transpose.pxi. The product
# is winograd_product.pxi; of tiles with few outputs, a smaller one: winograd_short.pxi.
#
# A unit is a rectangle of tiles, of several images where they are small, and a range of filters.
# Sums over the channels are cut into blocks, by the number of channels alone, each summed from
# zero: it keeps rounding small, and the bits independent of units and threads.
#
# A NaN, an infinity or an overflow of a transform would spoil all outputs of a tile. Such tiles are
# seen when they are transformed back, and computed again as the definition says
# (winograd_repair.pxi).

cdef enum:
    # Tiles of a row that are transformed back together, in the first-level cache.
    TILES_AT_ONCE = 4

cdef extern from *:
    """
    /* And whose pixels are: those of a row of 80 and what their columns come to are 63 KB of long
       vectors, of short ones they mostly fit. */
    #define TILES_SEEN_AT_ONCE (VECTOR_BYTES == 64 ? 8 : PY_SSIZE_T_MAX)
    """
    const Py_ssize_t TILES_SEEN_AT_ONCE


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
    cdef const real* all_end = x + problem.batch * problem.groups * problem.channels * plane
    cdef Py_ssize_t i
    for i in range(max(0, top), min(height, top + rows)):
        turn_run(
            x + first * plane + i * row_values + begin, all_end, plane, channels, end - begin,
            pixels + ((i - top) * width + begin - left) * vector,
        )


cdef inline Py_ssize_t find_tiles_at_once(const Line* across, Py_ssize_t tiles) noexcept nogil:
    """Return how many of a row are transformed together; those that lie interleaved all are."""
    return min(tiles, TILES_SEEN_AT_ONCE) if across.dilation == 1 else tiles


cdef void transform_row_of_tiles(
    bint half_full, const Line* down, const Line* across, const real* pixels, Py_ssize_t tiles,
    Py_ssize_t whole, real* half, real* data, real* last, Py_ssize_t plane, Py_ssize_t next_tile,
) noexcept nogil:
    """Transform what a row of tiles sees: columns, which neighbouring tiles share, then rows.

    Of the data, `plane` is from one ξ to the next. If not all tiles are whole, the last goes there.
    Of vectors that are at most half full, the other half may be left.
    """
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t row = pixels_along(across, tiles) * vector
    cdef Py_ssize_t at_once = find_tiles_at_once(across, tiles)
    cdef Py_ssize_t first = 0
    cdef Py_ssize_t here, seen
    cdef const real* source = pixels
    cdef Walk walk = Walk(
        outer=1, middle=1, inner=tiles, source_outer=0, source_middle=0, source_inner=vector,
        step=down.dilation * row, target_outer=0, target_middle=0, target_inner=next_tile,
        apart=plane,
    )
    cdef Walk walk_across = Walk(
        outer=down.values, middle=across.dilation, inner=0, source_outer=row,
        source_middle=vector, source_inner=across.together * vector,
        step=across.dilation * vector, target_outer=across.values * plane,
        target_middle=next_tile, target_inner=across.dilation * next_tile, apart=plane,
    )
    if across.pairs == 0:
        transform_pixel_lines(half_full, down, &walk, pixels, data)
        return
    while first < tiles:
        here = min(at_once, tiles - first)
        source = pixels + first * across.outputs * vector
        if down.pairs > 0:
            seen = pixels_along(across, here)
            walk.inner = seen
            walk.target_inner = vector
            walk.apart = walk_across.source_outer = seen * vector
            transform_pixel_lines(half_full, down, &walk, source, half)
            source = half
        walk_across.inner = min(here, whole - first) // across.dilation
        transform_pixel_lines(
            half_full, across, &walk_across, source, data + first * next_tile
        )
        first = first + here
    if whole < tiles:
        walk_across.inner = 1
        transform_pixel_lines(
            half_full, across, &walk_across,
            source + (here - 1) * across.outputs * vector, last,
        )


cdef void transform_images(
    const Winograd* layout, const real* x, const Tiles* tiles, real* scratch, Watch* watch
) noexcept nogil:
    """Fill the data of a unit: all channels of all its tiles."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t rows = pixels_along(&layout.down, tiles.down)
    cdef Py_ssize_t width = pixels_along(&layout.across, tiles.across)
    cdef real* pixels = scratch + layout.pixels
    cdef real* data
    cdef Places places
    cdef Py_ssize_t image, i
    cdef Py_ssize_t c = 0
    zero(pixels, rows * width * vector)
    while c < problem.channels:
        data = scratch + layout.data + c // vector * layout.data_channels
        for image in range(tiles.unit.image, tiles.unit.image + tiles.unit.images):
            if not goes_on(watch, rows * width * vector * layout.down.outputs):
                return
            turn_pixels(x, problem, tiles, image, c, pixels, rows, width)
            choose_pixels(
                &layout.across, tiles.missing_across, tiles.across, pixels, vector, rows,
                width * vector,
            )
            choose_pixels(
                &layout.down, tiles.missing_down, tiles.down, pixels, width * vector, width, vector
            )
            for i in range(tiles.down):
                places = find_places(tiles, image - tiles.unit.image, i)
                transform_row_of_tiles(
                    problem.channels - c <= vector // 2, &layout.down, &layout.across,
                    <const real*>pixels + first_of_tile(&layout.down, i) * width * vector,
                    tiles.across, whole_across(tiles), scratch + layout.half,
                    data + places.first * vector, data + places.last * vector,
                    layout.data_plane, vector,
                )
        c = c + vector


# ── the product, and the panels for it ──────────────────────────────────────────────────────────


# The panels that are multiplied together, of a block of channels.
cdef struct Panels:
    int count
    bint half[PANELS_AT_ONCE]           # whether the last vector is at most half full
    Py_ssize_t width[PANELS_AT_ONCE]
    Py_ssize_t begin[PANELS_AT_ONCE]    # in values, from where all panels begin
    Py_ssize_t plane[PANELS_AT_ONCE]    # from one ξ to the next
    # of what they are made of, unless a plan has made them:
    Py_ssize_t taps[PANELS_AT_ONCE]     # where that begins
    Py_ssize_t lanes[PANELS_AT_ONCE]    # from tap to tap


cdef Panels find_panels(
    const Winograd* layout, const Unit* unit, Py_ssize_t first, Py_ssize_t last, bint prepared
) noexcept nogil:
    """Return the panels from one to before another: among prepared ones, or in the scratch."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t width
    cdef Panels found
    cdef int q
    found.count = <int>(last - first)
    for q in range(found.count):
        width = first_filter(layout, first + q + 1) - first_filter(layout, first + q)
        found.width[q] = width
        found.half[q] = first + q + 1 == layout.panels and ends_with_half(
            problem.filters, VECTOR_BYTES // problem.itemsize
        )
        if prepared:
            found.plane[q] = odd_lines(problem.channels * width)
            found.begin[q] = unit.channel * width + layout.values * (
                unit.group * panel_begin(layout, layout.panels) + panel_begin(layout, first + q)
            )
        else:
            found.plane[q] = odd_lines(unit.channels * width)
            found.begin[q] = q * layout.panel_values
    return found


cdef void pack_taps(
    const Winograd* layout, const Operands* operands, const Unit* unit, Py_ssize_t first,
    real* packed, Panels* panels,
) noexcept nogil:
    """Pack the taps of the unit's channels for all panels, [channels][r·r][lanes].

    Each by itself, so that what is written follows each other. But turned kernels together: those
    of a channel are read in one go, and the next channel's are far.
    """
    cdef const Taps* view = &layout.given.taps
    cdef Py_ssize_t k = first
    cdef int q
    if not view.in_order and view.column < 0:
        for q in range(panels.count):
            panels.taps[q] = k - first
            k = k + panels.width[q]
        for q in range(panels.count):
            panels.lanes[q] = k - first
        find_panel(operands, packed, &layout.given, unit, FILTERS_IN_LANES, first, k - first)
        return
    for q in range(panels.count):
        panels.taps[q], panels.lanes[q] = q * layout.packed_values, panels.width[q]
        find_panel(
            operands, packed + panels.taps[q], &layout.given, unit, FILTERS_IN_LANES, k,
            panels.width[q],
        )
        k = k + panels.width[q]


cdef inline void multiply_values(
    const bint added, const Winograd* layout, const Panels* panels, Py_ssize_t first,
    Py_ssize_t last, const real* weights, const real* data, Py_ssize_t channels,
    const Tiles* tiles, real* sums,
) noexcept nogil:
    """Do sums[ξ] = panel[ξ]ᵀ data[ξ] for all panels, or add it to them.

    Of the ξ from `first` to before `last`; the panels begin with the first of these. Tiles that
    leave a ξ out have sums of zero there.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Steps steps = Steps(
        count=channels, apart=layout.data_channels, rows=tiles.count, multiplied=tiles.count
    )
    cdef const real* panel
    cdef const real* ahead
    cdef real* sum
    cdef Places users
    cdef Py_ssize_t value
    cdef int q, after
    for value in range(first, last):
        users = find_users(layout, tiles, value)
        steps.multiplied = users.last - users.first
        for q in range(panels.count):
            panel = weights + panels.begin[q] + (value - first) * panels.plane[q]
            ahead = panel
            after = q + 1 if q + 1 < panels.count else 0
            if after > 0 or value + 1 < last:
                ahead = weights + panels.begin[after] + (
                    value - first + (after == 0)
                ) * panels.plane[after]
            sum = sums + (q * layout.values + value) * layout.sums_plane
            if HALF_VECTORS and panels.half[q]:
                multiply_plane(
                    added, True, True, vector, vector, &steps, panels.width[q] // vector, panel,
                    ahead, data + value * layout.data_plane + users.first * vector,
                    sum + users.first * vector,
                )
            else:
                multiply_plane(
                    added, False, True, vector, vector, &steps, panels.width[q] // vector, panel,
                    ahead, data + value * layout.data_plane + users.first * vector,
                    sum + users.first * vector,
                )
            if steps.multiplied < tiles.count:
                zero_others(&users, tiles.count, panels.width[q] // vector, sum)


cdef void multiply_data(
    const Winograd* layout, const Operands* operands, const Tiles* tiles, Py_ssize_t first,
    Py_ssize_t last, real* scratch, Watch* watch,
) noexcept nogil:
    """Multiply the panels from one to before another with the data of all tiles.

    Channels in blocks. Panels that no plan has prepared are made of one point after the other.
    """
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const real* weights = <const real*>operands.panels
    cdef const real* data
    cdef real* packed = scratch + layout.packed
    cdef real* sums = scratch + layout.sums
    cdef Unit unit = tiles.unit     # its channels: a block of them
    cdef Panels panels
    cdef Py_ssize_t filter = first_filter(layout, first)
    cdef Py_ssize_t lanes = first_filter(layout, last) - filter
    cdef Py_ssize_t begin, end
    cdef int point, q
    if weights == NULL:
        weights = scratch + layout.panel
    while next_channels(&layout.given, &unit):
        if not goes_on(watch, layout.values * unit.channels * lanes * tiles.count):
            return
        panels = find_panels(layout, &unit, first, last, operands.panels != NULL)
        data = scratch + layout.data + unit.channel // vector * layout.data_channels
        if operands.panels == NULL:
            pack_taps(layout, operands, &unit, filter, packed, &panels)
        begin = point = 0
        while begin < layout.values:
            end = layout.values
            if operands.panels == NULL:
                end = begin + values_of_point(&layout.down, &layout.across, point)
                for q in range(panels.count):
                    transform_taps_of_point(
                        &layout.down, &layout.across, point,
                        <const real*>packed + panels.taps[q], panels.lanes[q], unit.channels,
                        panels.width[q], scratch + layout.panel + panels.begin[q],
                        panels.plane[q],
                    )
            if begins(&unit):
                multiply_values(
                    False, layout, &panels, begin, end, weights, data, unit.channels, tiles, sums
                )
            else:
                multiply_values(
                    True, layout, &panels, begin, end, weights, data, unit.channels, tiles, sums
                )
            begin = end
            point = point + 1


# ── sums into outputs ───────────────────────────────────────────────────────────────────────────


cdef void transform_tiles(
    const Winograd* layout, const real* sums, Py_ssize_t tiles, real* outputs
) noexcept nogil:
    """Transform neighbouring tiles back into outputs [tile][m][m][vector].

    In between they lie in half [tile][a][m].
    """
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Line* down = &layout.down
    cdef const Line* across = &layout.across
    cdef real half[TILES_AT_ONCE * MOST_POINTS * MOST_OUTPUTS * FLOATS]
    cdef Py_ssize_t plane = layout.sums_plane
    cdef Py_ssize_t column = down.outputs * vector
    cdef Walk columns = Walk(
        outer=1, middle=across.values, inner=tiles, source_outer=0, source_middle=plane,
        source_inner=vector, step=across.values * plane, target_outer=0, target_middle=column,
        target_inner=across.values * column, apart=vector,
    )
    cdef Walk rows = Walk(
        outer=1, middle=down.outputs, inner=tiles, source_outer=0, source_middle=vector,
        source_inner=across.values * column, step=column, target_outer=0,
        target_middle=across.outputs * vector, target_inner=across.outputs * column, apart=vector,
    )
    if across.pairs == 0:
        transform_sum_lines(BOTH, down, &columns, sums, outputs)
    elif down.pairs == 0:
        rows.source_inner, rows.step = vector, plane
        transform_sum_lines(BOTH, across, &rows, sums, outputs)
    else:
        transform_sum_lines(COLUMNS, down, &columns, sums, <real*>half)
        transform_sum_lines(ROWS, across, &rows, <const real*>half, outputs)


cdef inline void keep_any_outputs(
    int down, int across, Py_ssize_t kept, const real* source, const real* bias, real* check,
    real* target, Py_ssize_t step, Py_ssize_t next_row,
) noexcept nogil:
    """Do the same for a tile of any size: a square, or a line of one row or column."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t i
    if down == across == 4:
        keep_tile(vector, 4, 4, kept, source, bias, check, target, step, next_row)
    elif down == across == 6:
        keep_tile(vector, 6, 6, kept, source, bias, check, target, step, next_row)
    elif down == across == 2:
        keep_tile(vector, 2, 2, kept, source, bias, check, target, step, next_row)
    elif across == 4:
        keep_tile(vector, 1, 4, kept, source, bias, check, target, step, next_row)
    elif across == 6:
        keep_tile(vector, 1, 6, kept, source, bias, check, target, step, next_row)
    elif across == 2:
        keep_tile(vector, 1, 2, kept, source, bias, check, target, step, next_row)
    else:
        for i in range(down):
            keep_tile(
                vector, 1, 1, kept, source + i * vector, bias, check, target + i * next_row, step,
                next_row,
            )


cdef bint transform_row(
    bint half, const Winograd* layout, const real* sums, const Tiles* tiles, const Places* places,
    const real* bias, real* rows, real* doubts,
) noexcept nogil:
    """Transform a row of tiles, which are there, back into rows [m][columns][vector of filters].

    Leave in doubts [tile][vector] where that is not finite, and return whether it is anywhere.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef const Line* down = &layout.down
    cdef const Line* across = &layout.across
    cdef real outputs[TILES_AT_ONCE * MOST_OUTPUTS * MOST_OUTPUTS * FLOATS]
    cdef const real* output
    cdef real* check
    cdef real* row
    cdef real all_checks[FLOATS]
    cdef real doubt = 0
    cdef Py_ssize_t step = across.dilation * vector
    cdef Py_ssize_t whole = whole_across(tiles)
    cdef Py_ssize_t first = 0
    cdef Py_ssize_t count, place, t, column, kept
    cdef int n
    for n in range(vector):
        all_checks[n] = 0
    if keeps_squares(down, across):
        finish_squares(
            half, across, 0, whole, sums + places.first * vector, layout.sums_plane, tiles.columns,
            bias, rows, doubts, all_checks,
        )
        finish_squares(
            half, across, whole, tiles.across, sums + places.last * vector, layout.sums_plane,
            tiles.columns, bias, rows, doubts, all_checks,
        )
        first = tiles.across
    while first < tiles.across:
        if first < whole:
            place, count = places.first + first, min(<Py_ssize_t>TILES_AT_ONCE, whole - first)
        else:
            place, count = places.last, 1
        transform_tiles(layout, sums + place * vector, count, <real*>outputs)
        output = outputs
        for t in range(first, first + count):
            check = doubts + t * vector
            for n in range(vector):
                check[n] = 0
            column = first_of_tile(across, t)
            kept = tiles.columns - column
            if across.dilation > 1:
                kept = ceil_div(kept, across.dilation)
            row = rows + column * vector
            keep_any_outputs(
                down.outputs, across.outputs, kept, output, bias, check, row, step,
                tiles.columns * vector,
            )
            output = output + down.outputs * across.outputs * vector
            for n in range(vector):
                all_checks[n] += check[n]
        first = first + count
    for n in range(vector):
        doubt += all_checks[n]
    return doubt != 0


cdef inline void turn_vector(
    const real* rows, Py_ssize_t filters, real* y, Py_ssize_t plane, int activation
) noexcept nogil:
    """Bring a vector's worth of neighbours to their planes; what is constant stays in registers."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    if filters == vector and activation == IDENTITY:
        transpose_square(rows, vector, vector, y, plane, vector, IDENTITY)
    elif filters == vector and activation == RELU:
        transpose_square(rows, vector, vector, y, plane, vector, RELU)
    elif HALF_VECTORS and filters == vector // 2 and activation == IDENTITY:
        transpose_square(rows, vector, vector, y, plane, vector // 2, IDENTITY)
    elif HALF_VECTORS and filters == vector // 2 and activation == RELU:
        transpose_square(rows, vector, vector, y, plane, vector // 2, RELU)
    else:
        transpose_square(rows, vector, vector, y, plane, filters, activation)


cdef void turn_rows(
    const real* rows, Py_ssize_t count, Py_ssize_t filters, real* y, Py_ssize_t plane,
    int activation,
) noexcept nogil:
    """Bring so many outputs [count][vector of filters], neighbours in y, into its planes."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t j = 0
    cdef Py_ssize_t before = values_before_line(<const real*>y, plane)
    if count < vector:
        transpose_part(rows, vector, y, plane, count, filters, activation)
        return
    if before > 0:      # a square from where y begins, and from the line on
        turn_vector(rows, filters, y, plane, activation)
        j = before
    while j + vector <= count:
        turn_vector(rows + j * vector, filters, y + j, plane, activation)
        j = j + vector
    if j < count:       # once more, from what has been kept
        j = count - vector
        turn_vector(rows + j * vector, filters, y + j, plane, activation)


cdef void finish_tiles(
    const Winograd* layout, const Operands* operands, const Tiles* tiles, Py_ssize_t filter,
    Py_ssize_t filters, const real* sums, const real* bias, real* scratch, Watch* watch,
) noexcept nogil:
    """Transform the sums of a vector of filters back, and bring them to y."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef const Line* down = &layout.down
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t plane = problem.rows.outputs * width
    cdef real* rows = scratch + layout.rows
    cdef real* y
    cdef Places places
    cdef Py_ssize_t n, i, k, first, kept
    cdef bint doubtful
    for n in range(tiles.unit.image, tiles.unit.image + tiles.unit.images):
        for i in range(tiles.down):
            first = first_of_tile(down, i)
            kept = min(down.outputs, ceil_div(tiles.rows - first, down.dilation))
            if kept > 0:
                places = find_places(tiles, n - tiles.unit.image, i)
                doubtful = transform_row(
                    filters <= vector // 2, layout, sums, tiles, &places, bias, rows,
                    scratch + layout.doubts,
                )
                y = <real*>operands.result + (
                    (n * problem.groups + tiles.unit.group) * problem.filters + filter
                ) * plane + (tiles.first_row + first) * width + tiles.first_column
                if tiles.columns == width and down.dilation == 1:
                    turn_rows(rows, kept * width, filters, y, plane, problem.activation)
                else:
                    for k in range(kept):
                        turn_rows(
                            rows + k * tiles.columns * vector, tiles.columns, filters,
                            y + k * down.dilation * width, plane, problem.activation,
                        )
                if doubtful:
                    repair_row(layout, operands, tiles, n, filter, filters, i, scratch, watch)


cdef void finish_filters(
    const Winograd* layout, const Operands* operands, const Tiles* tiles, Py_ssize_t panel,
    const real* sums, real* scratch, Watch* watch,
) noexcept nogil:
    """Bring the sums of a panel's filters to y, a vector of them after the other."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Unit* unit = &tiles.unit
    cdef const real* bias = <const real*>operands.bias
    cdef real lane_bias[FLOATS]
    cdef Py_ssize_t k = first_filter(layout, panel)
    cdef Py_ssize_t last = min(unit.last_filter, first_filter(layout, panel + 1))
    cdef Py_ssize_t i, filters
    while k < last and not stopped(watch):
        filters = min(vector, last - k)
        for i in range(vector):
            lane_bias[i] = 0
        if bias != NULL:
            for i in range(filters):
                lane_bias[i] = bias[unit.group * layout.given.problem.filters + k + i]
        finish_tiles(layout, operands, tiles, k, filters, sums, lane_bias, scratch, watch)
        sums = sums + padded_pixels(tiles.count) * vector
        k = k + filters


cdef void winograd_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const Winograd* layout = <const Winograd*>made
    cdef Tiles tiles = find_tiles(layout, number)
    cdef Py_ssize_t panel = tiles.first_panel
    cdef Py_ssize_t last, q
    transform_images(layout, <const real*>operands.image, &tiles, scratch, watch)
    while panel < tiles.last_panel and not stopped(watch):
        last = min(tiles.last_panel, panel + PANELS_AT_ONCE)
        multiply_data(layout, operands, &tiles, panel, last, scratch, watch)
        for q in range(last - panel):
            finish_filters(
                layout, operands, &tiles, panel + q,
                <const real*>scratch + layout.sums + q * layout.values * layout.sums_plane,
                scratch, watch,
            )
        panel = last


enter("winograd", lay_out_winograd, winograd_unit[float], winograd_unit[double])


# ── the panels of a plan, or of a call of many units ────────────────────────────────────────────


cdef void make_panel(
    const Winograd* layout, const Operands* operands, Py_ssize_t number, real* packed, real* panels
) noexcept nogil:
    """Make a panel of some channels; the number counts groups, panels and these, the last first."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t blocks = ceil_div(problem.channels, layout.given.blocks.channels)
    cdef Py_ssize_t p = number // blocks % layout.panels
    cdef Py_ssize_t width = first_filter(layout, p + 1) - first_filter(layout, p)
    cdef Py_ssize_t plane = odd_lines(problem.channels * width)
    cdef Unit unit
    cdef const real* taps
    cdef int point
    unit.group = number // blocks // layout.panels
    unit.last_filter = problem.filters
    unit.channel = number % blocks * layout.given.blocks.channels
    unit.channels = min(layout.given.blocks.channels, problem.channels - unit.channel)
    unit.taps = unit.channels * problem.taps
    taps = find_panel(
        operands, packed, &layout.given, &unit, FILTERS_IN_LANES, first_filter(layout, p), width
    )
    panels = panels + unit.channel * width + layout.values * (
        unit.group * panel_begin(layout, layout.panels) + panel_begin(layout, p)
    )
    for point in range(points_of(&layout.down, &layout.across)):
        transform_taps_of_point(
            &layout.down, &layout.across, point, taps, width, unit.channels, width, panels, plane
        )
        panels = panels + plane * values_of_point(&layout.down, &layout.across, point)


cdef void make_panels(
    const Winograd* layout, const Operands* operands, real* packed, real* panels, int threads
) noexcept nogil:
    """Make the panels of all groups; each thread packs taps in a place of its own."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t count = (
        problem.groups * layout.panels * ceil_div(problem.channels, layout.given.blocks.channels)
    )
    cdef Py_ssize_t own = whole_lines(layout.packed_values)
    cdef Py_ssize_t number
    if threads == 1:
        for number in range(count):
            make_panel(layout, operands, number, packed, panels)
    else:
        for number in prange(count, num_threads=threads, schedule="static"):
            make_panel(layout, operands, number, packed + threadid() * own, panels)


def transformed_values(description):
    """Return how many values the transformed weights take."""
    cdef Description given = read_images(description)
    cdef Made made = Made(layout=NULL, units=0, scratch=0)
    cdef list memory = []
    cdef const Winograd* layout
    (<Kernel>KERNELS[description.kernel]).lay_out(&given, &made, memory)
    layout = <const Winograd*>made.layout
    return layout.values * given.problem.groups * panel_begin(layout, layout.panels)


def transform_weights(description, w, panels, int threads):
    """Transform the weights of all groups into panels, by so many threads."""
    cdef Description given = read_images(description)
    cdef Made made = Made(layout=NULL, units=0, scratch=0)
    cdef list memory = []
    cdef const Winograd* layout
    cdef Operands operands = Operands(
        image=NULL, weights=address_of(w), panels=NULL, bias=NULL, gradient=NULL, result=NULL,
        taps=NULL,
    )
    cdef void* target = writable_address_of(panels)
    cdef void* packed
    (<Kernel>KERNELS[description.kernel]).lay_out(&given, &made, memory)
    layout = <const Winograd*>made.layout
    packed = allot(memory, threads * whole_lines(layout.packed_values) * given.problem.itemsize)
    with nogil:
        if given.problem.itemsize == sizeof(double):
            make_panels(layout, &operands, <double*>packed, <double*>target, threads)
        else:
            make_panels(layout, &operands, <float*>packed, <float*>target, threads)
