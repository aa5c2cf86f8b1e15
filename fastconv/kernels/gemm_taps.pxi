# The matrix product tap by tap, which leaves padding out: for kernels whose dilation lets most taps
# fall into it, and for images of a few pixels, of which it is a large part.
#
#     for each tap (r, s)      the outputs that it finds in the image, a rectangle of them:
#         sums [outputs x filters]  +=  pixels [outputs x channels]  ·  panel [channels x filters]
#
#     28 rows, dilation 12, padding 12      tap 0:  rows 12..27     tap 1:  all     tap 2:  0..15
#
# Filters are in the lanes, as in gemm_filters.pxi, and the tile is that of winograd_product.pxi.
# For it the image lies with channels next to each other, turned over by the squares of
# transpose.pxi, a block of channels at a time and without any padding:
#
#     data    [vectors of channels][images][rows][columns][vector]
#     panel   [taps][channels][filters]
#     sums    [panels][vectors][outputs][vector]
#
# So a tile of some neighbours in a row reads whole lines of the cache, and all of them. From a band
# with pixels next to each other, a dilated kernel reads a line for each tap and channel, of which
# a tile needs a third: they leave no room for the panel beside them in the first-level cache.
#
# The channels of a block are summed from zero for every tap, and added as a whole to what there is:
#
#     bias + (block 0 of tap 0) + (block 0 of tap 1) + ... + (block 1 of tap 0) + ...
#
# where blocks follow from the number of channels alone: bits depend on neither units nor threads.

cdef struct GemmTaps:
    Description given
    Py_ssize_t results          # where in the scratch the results of a unit that is not dense are,
    Py_ssize_t data
    Py_ssize_t packed           # a panel as `find_panel` packs it, [channels][taps][filters],
    Py_ssize_t panel            # as it is read,
    Py_ssize_t sums
    Py_ssize_t tile             # and those of a tile, before they are added to the others
    Py_ssize_t data_channels    # values from one vector of channels to the next


# Which outputs of an axis, of those from `first` on, a tap finds in the image.
cdef struct Found:
    Py_ssize_t begin
    Py_ssize_t end
    Py_ssize_t pixel            # where the first of them finds it


cdef inline Found find_outputs(
    const Axis* axis, Py_ssize_t tap, Py_ssize_t first, Py_ssize_t outputs
) noexcept nogil:
    """Find them at stride 1; begin and end are counted from `first` on."""
    cdef Py_ssize_t offset = first + tap * axis.dilation - axis.before
    cdef Found found
    found.begin = max(0, -offset)
    found.end = min(outputs, axis.size - offset)
    found.pixel = found.begin + offset
    return found


cdef inline Found find_seen_rows(
    const Axis* axis, Py_ssize_t first, Py_ssize_t outputs
) noexcept nogil:
    """Find the pixels that some outputs see, from the first to the last of them."""
    cdef Py_ssize_t offset = first - axis.before
    cdef Found found
    found.begin = found.pixel = max(0, min(axis.size, offset))
    found.end = max(found.begin, min(
        axis.size, offset + outputs + (axis.kernel - 1) * axis.dilation
    ))
    return found


cdef int lay_out_gemm_taps(const Description* given, Made* made, list memory) except -1:
    cdef GemmTaps* layout = <GemmTaps*>allot(memory, sizeof(GemmTaps))
    cdef const Problem* problem = &given.problem
    cdef const Blocks* blocks = &given.blocks
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t lanes = panel_width(problem.filters, vector, FILTERS_IN_LANES)
    cdef Py_ssize_t outputs = blocks.images * blocks.rows * problem.columns.outputs
    cdef Py_ssize_t rows = min(
        problem.rows.size, blocks.rows + (problem.rows.kernel - 1) * problem.rows.dilation
    )
    layout.given = given[0]
    layout.results = made.scratch
    if not given.output.dense:
        book(made, outputs * blocks.filters)
    # behind each vector of channels, what a tile reads that hangs over
    layout.data_channels = odd_lines(
        (blocks.images * rows * problem.columns.size + PIXELS_1) * vector
    )
    layout.data = book(made, ceil_div(blocks.channels, vector) * layout.data_channels)
    layout.packed = book(made, panel_values(given, FILTERS_IN_LANES))
    layout.panel = book(made, lanes * blocks.channels * problem.taps)
    layout.sums = book(made, padded_pixels(outputs) * packed_filters(
        blocks.filters, vector, FILTERS_IN_LANES
    ))
    layout.tile = book(made, padded_pixels(0) * lanes)
    made.layout = layout
    made.units = count_units(given)
    return 0


cdef void turn_seen_rows(
    const GemmTaps* layout, const real* x, const Unit* unit, const Found* seen, real* data
) noexcept nogil:
    """Bring the rows that a unit sees into data, of a block of channels."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t width = problem.columns.size
    cdef Py_ssize_t plane = problem.rows.size * width
    cdef Py_ssize_t pixels = (seen.end - seen.begin) * width
    cdef const real* end = x + problem.batch * problem.groups * problem.channels * plane
    cdef const real* source
    cdef real* target
    cdef Py_ssize_t n
    cdef Py_ssize_t c = 0
    while c < unit.channels:
        target = data + c // vector * layout.data_channels
        for n in range(unit.images):
            source = x + (
                ((unit.image + n) * problem.groups + unit.group) * problem.channels
                + unit.channel + c
            ) * plane + seen.begin * width
            turn_run(source, end, plane, min(vector, unit.channels - c), pixels, target)
            target = target + pixels * vector
        fill_row(target, <real>0, PIXELS_1 * vector)
        c = c + vector


cdef void order_by_taps(
    const real* packed, Py_ssize_t channels, Py_ssize_t taps, Py_ssize_t width, real* panel,
    Py_ssize_t plane,
) noexcept nogil:
    """Do panel[tap][channel] = packed[channel][tap]; `plane` is from one tap to the next."""
    cdef Py_ssize_t c, t
    for t in range(taps):
        for c in range(channels):
            copy_run(panel + c * width, packed + (c * taps + t) * width, width)
        panel = panel + plane


cdef inline void sum_tile(
    const bint whole, const int pixels, const int vectors, const Steps* steps, Py_ssize_t kept,
    const real* panel, const real* data, real* tile, real* sums,
) noexcept nogil:
    """Multiply the block of channels of so many pixels, and add what is kept of them to sums.

    By way of `tile` where that is not all.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t vector_stride = padded_pixels(steps.rows) * vector
    cdef Steps alone = Steps(count=steps.count, apart=steps.apart, rows=0, multiplied=0)
    cdef Py_ssize_t p
    cdef int v, n
    if kept == pixels:
        multiply_rows(
            True, False, whole, False, vector, vector, pixels, vectors, steps, 0, panel, panel,
            data, sums,
        )
        return
    multiply_rows(
        False, False, whole, False, vector, vector, pixels, vectors, &alone, 0, panel, panel, data,
        tile,
    )
    for v in range(vectors):
        for p in range(kept):
            for n in range(vector):
                sums[v * vector_stride + p * vector + n] += (
                    tile[v * padded_pixels(0) * vector + p * vector + n]
                )


cdef inline bint is_for_large(Py_ssize_t count, int large, int small) noexcept nogil:
    """Whether the next tile of so many pixels of a row is a large one.

    Two small ones where a large one would leave few pixels: 28 are 6 + 6 + 6 + 6 + 4, 7 are 4 + 4.
    With tiles of FEWEST_ROWS, if these are fewer, only a single pixel is too few to be left: 16 are
    7 + 7 + 2, 15 are 4 + 7 + 4. None hangs over then but where one pixel is left, or three: with
    dilation 12 at 28x28 that takes 0.92 of the time, at 7x7 0.93 (a Zen 4 with AVX-512).
    """
    if FEWEST_ROWS < SMALL_PIXELS:
        return count >= large and count % large != 1
    return small < count <= large or count > 2 * small


cdef inline void sum_row_by_taps(
    const bint whole, const int large, const int small, const int vectors, const Steps* steps,
    Py_ssize_t count, const real* panel, const real* data, real* tile, real* sums,
) noexcept nogil:
    """Cover a row with large tiles and small ones; the last may hang over, and is kept in part."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t kept
    while count > 0:
        if is_for_large(count, large, small):
            kept = large if FEWEST_ROWS < SMALL_PIXELS else min(<Py_ssize_t>large, count)
            sum_tile(whole, large, vectors, steps, kept, panel, data, tile, sums)
            data, sums, count = data + large * vector, sums + large * vector, count - large
        elif FEWEST_ROWS == SMALL_PIXELS or count > FEWEST_ROWS:
            kept = min(<Py_ssize_t>small, count)
            sum_tile(whole, small, vectors, steps, kept, panel, data, tile, sums)
            data, sums, count = data + small * vector, sums + small * vector, count - small
        else:
            sum_tile(whole, FEWEST_ROWS, vectors, steps, count, panel, data, tile, sums)
            count = 0


cdef inline void sum_by_taps(
    const bint whole, const int large, const int small, const int vectors, const GemmTaps* layout,
    const Unit* unit, const Found* seen, const real* panel, Py_ssize_t plane, const real* data,
    real* tile, real* sums, Watch* watch,
) noexcept nogil:
    """Add a block of channels, under all taps, to the sums of a panel."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef const Axis* down = &layout.given.problem.rows
    cdef const Axis* across = &layout.given.problem.columns
    cdef Py_ssize_t outputs = unit.rows * across.outputs    # of an image
    cdef Py_ssize_t pixels = (seen.end - seen.begin) * across.size
    cdef Steps steps = Steps(
        count=unit.channels, apart=layout.data_channels, rows=unit.images * outputs, multiplied=0
    )
    cdef Found rows, columns
    cdef Py_ssize_t r, s, n, i
    cdef const real* pixel
    cdef real* sum
    for r in range(down.kernel):
        rows = find_outputs(down, r, unit.first_row, unit.rows)
        for s in range(across.kernel):
            columns = find_outputs(across, s, 0, across.outputs)
            if rows.begin >= rows.end or columns.begin >= columns.end:
                continue
            if not goes_on(
                watch, unit.images * (rows.end - rows.begin) * (columns.end - columns.begin)
                * unit.channels * vectors * vector,
            ):
                return
            for n in range(unit.images):
                pixel = data + (
                    n * pixels + (rows.pixel - seen.begin) * across.size + columns.pixel
                ) * vector
                sum = sums + (
                    n * outputs + rows.begin * across.outputs + columns.begin
                ) * vector
                for i in range(rows.end - rows.begin):
                    sum_row_by_taps(
                        whole, large, small, vectors, &steps, columns.end - columns.begin,
                        panel + (r * across.kernel + s) * plane, pixel, tile, sum,
                    )
                    pixel = pixel + across.size * vector
                    sum = sum + across.outputs * vector


cdef inline void sum_any_by_taps(
    const bint whole, Py_ssize_t vectors, const GemmTaps* layout, const Unit* unit,
    const Found* seen, const real* panel, Py_ssize_t plane, const real* data, real* tile,
    real* sums, Watch* watch,
) noexcept nogil:
    if PANEL_VECTORS >= 4 and vectors == 4:
        sum_by_taps(
            whole, PIXELS_4, SMALL_PIXELS, 4, layout, unit, seen, panel, plane, data, tile, sums,
            watch,
        )
    elif PANEL_VECTORS >= 4 and vectors == 3:
        sum_by_taps(
            whole, PIXELS_3, SMALL_PIXELS, 3, layout, unit, seen, panel, plane, data, tile, sums,
            watch,
        )
    elif vectors == 2:
        sum_by_taps(
            whole, PIXELS_2, SMALL_PIXELS, 2, layout, unit, seen, panel, plane, data, tile, sums,
            watch,
        )
    else:
        sum_by_taps(
            whole, PIXELS_1, SMALL_PIXELS, 1, layout, unit, seen, panel, plane, data, tile, sums,
            watch,
        )


cdef void sum_panel_by_taps(
    Py_ssize_t vectors, const GemmTaps* layout, const Unit* unit, const Found* seen,
    const real* panel, Py_ssize_t plane, const real* data, real* tile, real* sums, Watch* watch,
) noexcept nogil:
    """Add a block of channels to the sums of a panel, as wide as it is."""
    if unit.channels % (VECTOR_BYTES // <int>sizeof(real)) == 0:
        sum_any_by_taps(
            True, vectors, layout, unit, seen, panel, plane, data, tile, sums, watch
        )
    else:
        sum_any_by_taps(
            False, vectors, layout, unit, seen, panel, plane, data, tile, sums, watch
        )


cdef void begin_sums(
    real* sums, const real* bias, Py_ssize_t filters, Py_ssize_t width, Py_ssize_t pixels
) noexcept nogil:
    """Fill the sums of a panel with the bias, or with zeros where it is NULL."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef real lane_bias[FLOATS]
    cdef Py_ssize_t p, n
    cdef Py_ssize_t k = 0
    while k < width:
        for n in range(vector):
            lane_bias[n] = bias[k + n] if bias != NULL and k + n < filters else <real>0
        for p in range(pixels):
            for n in range(vector):
                sums[p * vector + n] = lane_bias[n]
        sums = sums + padded_pixels(pixels) * vector
        k = k + vector


cdef const real* find_ordered_panel(
    const GemmTaps* layout, const Operands* operands, const Unit* unit, Py_ssize_t filter,
    Py_ssize_t width, real* scratch, Py_ssize_t* plane,
) noexcept nogil:
    """Return the panel from a filter on, of the unit's channels, and how far its taps are apart."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef const real* packed
    if operands.panels != NULL:
        plane[0] = problem.channels * width
        filter = filter + unit.group * packed_filters(problem.filters, vector, FILTERS_IN_LANES)
        return (
            <const real*>operands.panels + filter * problem.channels * problem.taps
            + unit.channel * width
        )
    packed = find_panel(
        operands, scratch + layout.packed, &layout.given, unit, FILTERS_IN_LANES, filter, width
    )
    plane[0] = unit.channels * width
    order_by_taps(
        packed, unit.channels, problem.taps, width, scratch + layout.panel, plane[0]
    )
    return scratch + layout.panel


cdef void gemm_taps_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const GemmTaps* layout = <const GemmTaps*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const real* bias = <const real*>operands.bias
    cdef Unit unit = find_unit(&layout.given, number)
    cdef Found seen = find_seen_rows(&problem.rows, unit.first_row, unit.rows)
    cdef Py_ssize_t pixels = unit.images * unit.rows * problem.columns.outputs
    cdef bint dense = layout.given.output.dense
    cdef real* y = <real*>operands.result if dense else scratch + layout.results
    cdef Py_ssize_t k, width, filters
    cdef Py_ssize_t plane = 0
    cdef const real* panel
    cdef real* sums
    while next_channels(&layout.given, &unit) and not stopped(watch):
        turn_seen_rows(layout, <const real*>operands.image, &unit, &seen, scratch + layout.data)
        sums = scratch + layout.sums
        k = unit.first_filter
        while k < unit.last_filter:
            width = panel_width(unit.last_filter - k, vector, FILTERS_IN_LANES)
            filters = min(width, unit.last_filter - k)
            if not goes_on(watch, width * unit.taps):
                return
            if begins(&unit):
                begin_sums(
                    sums, bias + unit.group * problem.filters + k if bias != NULL else bias,
                    filters, width, pixels,
                )
            panel = find_ordered_panel(layout, operands, &unit, k, width, scratch, &plane)
            sum_panel_by_taps(
                width // vector, layout, &unit, &seen, panel, plane,
                <const real*>scratch + layout.data, scratch + layout.tile, sums, watch,
            )
            if stopped(watch):
                return
            if ends(&unit, problem):
                finish_panel(sums, y, problem, &unit, k, filters)
            sums = sums + width * padded_pixels(pixels)
            k = k + width
    if not dense and not stopped(watch):
        spread_unit(scratch + layout.results, <real*>operands.result, &layout.given, &unit)


cdef void order_all_panels(
    const GemmTaps* layout, const Operands* operands, real* packed, real* panels, Watch* watch
) noexcept nogil:
    """Make the panels of all groups and channels."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef Unit unit
    cdef Py_ssize_t width, k
    unit.last_filter = problem.filters
    for unit.group in range(problem.groups):
        k = 0
        while k < problem.filters:
            width = panel_width(problem.filters - k, vector, FILTERS_IN_LANES)
            unit.channel = unit.channels = 0
            while next_channels(&layout.given, &unit):
                if not goes_on(watch, width * unit.taps):
                    return
                order_by_taps(
                    find_panel(
                        operands, packed, &layout.given, &unit, FILTERS_IN_LANES, k, width
                    ),
                    unit.channels, problem.taps, width, panels + unit.channel * width,
                    problem.channels * width,
                )
            panels = panels + problem.channels * problem.taps * width
            k = k + width


enter("gemm_taps", lay_out_gemm_taps, gemm_taps_unit[float], gemm_taps_unit[double])


def order_weights(description, w, panels):
    """Bring the weights of all groups into panels tap by tap, as "gemm_taps" reads them."""
    cdef Description given = read_images(description)
    cdef Made made = Made(layout=NULL, units=0, scratch=0)
    cdef list memory = []
    cdef const GemmTaps* layout
    cdef Operands operands = Operands(
        image=NULL, weights=address_of(w), panels=NULL, bias=NULL, gradient=NULL, result=NULL,
        taps=NULL,
    )
    cdef void* packed
    cdef void* target = writable_address_of(panels)
    cdef Call call = begin_call()
    cdef Watch watch = watch_of(&call)
    lay_out_gemm_taps(&given, &made, memory)
    layout = <const GemmTaps*>made.layout
    packed = allot(memory, (layout.panel - layout.packed) * given.problem.itemsize)
    with nogil:
        if given.problem.itemsize == sizeof(double):
            order_all_panels(layout, &operands, <double*>packed, <double*>target, &watch)
        else:
            order_all_panels(layout, &operands, <float*>packed, <float*>target, &watch)
    finish(&call)
