# The weight gradient tap by tap, which leaves padding out: for kernels whose dilation lets most of
# their taps fall into it.
#
#     for each tap (r, s)      the outputs that it finds in the image, a rectangle of them:
#         sums [channels x filters]  +=  pixels [channels x outputs]  ·  grad' [outputs x filters]
#
#     28 rows, dilation 12, padding 12      tap 0:  rows 12..27     tap 1:  all     tap 2:  0..15
#
# The tile is that of weights_filters.pxi, whose rows are taps of several channels; here they are
# channels under the same tap, which all find the same outputs. The image has no band: of a block of
# channels it is copied as it lies, so that many planes are not at distances that exclude each other
# from the caches. Of the gradient, a panel [outputs][filters] of some rows is made once for all
# taps; under a column s that finds a part of every row, those parts are brought together.
#
#     image   [channels][rows][columns]
#     panel   [outputs][filters]
#     sums    [panels][taps][vectors][channels][vector]
#
# Predicted of 256 channels and filters, 28x28 pixels and dilation 12, with vectors of 16: 51 % of
# 462 million multiply-adds, 16 a cycle, are 14.8 million cycles, where all are 28.9; packing the
# gradient for four blocks of channels and copying its parts some 0.5, the image 0.1.

cdef struct WeightsTaps:
    Description given
    Py_ssize_t plane            # values from one channel of the image to the next
    Py_ssize_t panel            # where in the scratch, behind the image, the gradient is,
    Py_ssize_t parts            # those of its rows that a column of taps finds,
    Py_ssize_t rows             # the sums of a vector of filters, [channels][taps][vector],
    Py_ssize_t sums             # and all of them
    Py_ssize_t sums_values
    Py_ssize_t* positions       # of the channels of a block
    Py_ssize_t* offsets         # of outputs, for each column of taps


cdef int lay_out_weights_taps(const Description* given, Made* made, list memory) except -1:
    cdef WeightsTaps* layout = <WeightsTaps*>allot(memory, sizeof(WeightsTaps))
    cdef const Problem* problem = &given.problem
    cdef const Axis* across = &problem.columns
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t channels = given.blocks.channels
    cdef Py_ssize_t outputs = given.blocks.rows * across.outputs
    cdef Py_ssize_t lanes = panel_width(problem.filters, vector, FILTERS_IN_LANES)
    cdef Found columns
    cdef Py_ssize_t c, s, i, j
    cdef Py_ssize_t* offset
    layout.given = given[0]
    layout.plane = odd_lines(problem.rows.size * across.size)
    book(made, channels * layout.plane)
    layout.panel = book(made, outputs * lanes)
    layout.parts = book(made, outputs * lanes)
    layout.rows = book(made, padded_pixels(channels * problem.taps) * vector)
    layout.sums_values = (
        packed_filters(given.blocks.filters, vector, FILTERS_IN_LANES) * problem.taps
        * padded_pixels(channels)
    )
    layout.sums = book(made, layout.sums_values)
    # the last tile hangs over into channels that are there, and is kept in part
    layout.positions = allot_table(memory, padded_pixels(channels))
    for c in range(padded_pixels(channels)):
        layout.positions[c] = c % channels * layout.plane
    layout.offsets = allot_table(memory, across.kernel * outputs)
    offset = layout.offsets
    for s in range(across.kernel):
        columns = find_outputs(across, s, 0, across.outputs)
        for i in range(given.blocks.rows):
            for j in range(columns.end - columns.begin):
                offset[0] = i * across.size + j
                offset = offset + 1
        offset = layout.offsets + (s + 1) * outputs
    made.layout = layout
    made.units = count_weight_units(given)
    return 0


cdef void copy_planes(
    const WeightsTaps* layout, const real* x, const Unit* unit, real* image
) noexcept nogil:
    """Copy a block of channels of the present image."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t size = problem.rows.size * problem.columns.size
    cdef Py_ssize_t c
    x = x + (
        (unit.image * problem.groups + unit.group) * problem.channels + unit.channel
    ) * size
    for c in range(unit.channels):
        copy_run(image + c * layout.plane, x + c * size, size)


cdef inline const real* parts_of_rows(
    const Found* columns, Py_ssize_t rows, Py_ssize_t width, Py_ssize_t lanes, const real* panel,
    real* parts
) noexcept nogil:
    """Return the outputs of a panel's rows that a column of taps finds, next to each other."""
    cdef Py_ssize_t count = columns.end - columns.begin
    cdef Py_ssize_t i
    if count == width:
        return panel
    for i in range(rows):
        copy_run(
            parts + i * count * lanes, panel + (i * width + columns.begin) * lanes, count * lanes
        )
    return parts


cdef void add_taps_of_panel(
    const WeightsTaps* layout, const Unit* unit, Py_ssize_t lanes, real* scratch, real* sums,
    Watch* watch,
) noexcept nogil:
    """Add a block of rows, under all taps, to the sums of a panel of filters."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Axis* down = &layout.given.problem.rows
    cdef const Axis* across = &layout.given.problem.columns
    cdef Py_ssize_t next_tap = lanes * padded_pixels(unit.channels)
    cdef Py_ssize_t r, s, count
    cdef const real* parts
    cdef Found found, rows
    cdef Columns columns
    columns.pixels = columns.row = unit.channels
    columns.positions = layout.positions
    for s in range(across.kernel):
        found = find_outputs(across, s, 0, across.outputs)
        count = found.end - found.begin
        if count <= 0:
            continue
        parts = parts_of_rows(
            &found, unit.rows, across.outputs, lanes, <const real*>scratch + layout.panel,
            scratch + layout.parts,
        )
        columns.offsets = layout.offsets + s * layout.given.blocks.rows * across.outputs
        for r in range(down.kernel):
            rows = find_outputs(down, r, unit.first_row, unit.rows)
            if rows.begin >= rows.end:
                continue
            columns.taps = (rows.end - rows.begin) * count
            if not goes_on(watch, columns.taps * unit.channels * lanes):
                return
            multiply_panel(
                ADDED, lanes // vector, &columns, parts + rows.begin * count * lanes,
                <const real*>scratch + rows.pixel * across.size + found.pixel,
                sums + (r * across.kernel + s) * next_tap, <const real*>NULL,
            )


cdef void add_taps_of_rows(
    const WeightsTaps* layout, const real* grad, const Unit* unit, real* scratch, Watch* watch
) noexcept nogil:
    """Add a block of rows to the unit's sums."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t plane = problem.rows.outputs * width
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t lanes
    cdef real* sums = scratch + layout.sums
    grad = grad + (
        (unit.image * problem.groups + unit.group) * problem.filters * plane
        + unit.first_row * width
    )
    while k < unit.last_filter and not stopped(watch):
        lanes = panel_width(unit.last_filter - k, vector, FILTERS_IN_LANES)
        pack_panel(
            grad + k * plane, plane, min(lanes, unit.last_filter - k), unit.rows * width,
            scratch + layout.panel, lanes,
        )
        add_taps_of_panel(layout, unit, lanes, scratch, sums, watch)
        sums = sums + lanes * problem.taps * padded_pixels(unit.channels)
        k = k + lanes


cdef void order_by_channels(
    const real* sums, Py_ssize_t next_tap, const Problem* problem, const Unit* unit, real* rows
) noexcept nogil:
    """Do rows[channel][tap] = sums[tap][channel], of a vector of filters."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t taps = problem.taps
    cdef Py_ssize_t t, c
    for t in range(taps):
        for c in range(unit.channels):
            copy_values(vector, rows + (c * taps + t) * vector, sums + c * vector)
        sums = sums + next_tap


cdef void finish_taps(
    const WeightsTaps* layout, const real* sums, const Unit* unit, real* rows, real* dw
) noexcept nogil:
    """Turn the sums over into dw[filters][channels][taps], a vector of filters at a time."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t filters = unit.last_filter - unit.first_filter
    cdef Py_ssize_t next_vector = padded_pixels(unit.channels) * vector
    cdef Py_ssize_t k = 0
    cdef Py_ssize_t lanes, v
    cdef Unit one = unit[0]
    while k < filters:
        lanes = panel_width(filters - k, vector, FILTERS_IN_LANES)
        for v in range(lanes // vector):
            order_by_channels(
                sums + v * next_vector, lanes // vector * next_vector, problem, unit, rows
            )
            one.first_filter = 0
            one.last_filter = min(vector, filters - k - v * vector)
            finish_filter_lanes(
                <const real*>rows, dw + (k + v * vector) * problem.channels * problem.taps, problem,
                &one,
            )
        sums = sums + lanes // vector * next_vector * problem.taps
        k = k + lanes


cdef void weights_taps_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const WeightsTaps* layout = <const WeightsTaps*>made
    cdef const Description* given = &layout.given
    cdef WeightUnit found = find_weight_unit(given, number)
    cdef Py_ssize_t image = -1
    cdef real* sums = scratch + layout.sums
    zero(sums, layout.sums_values)
    while next_rows(given, &found) and not stopped(watch):
        if found.unit.image != image:
            image = found.unit.image
            copy_planes(layout, <const real*>operands.image, &found.unit, scratch)
        add_taps_of_rows(layout, <const real*>operands.gradient, &found.unit, scratch, watch)
    finish_taps(
        layout, <const real*>sums, &found.unit, scratch + layout.rows,
        <real*>operands.result + found.begin,
    )


enter(
    "weights_taps", lay_out_weights_taps, weights_taps_unit[float], weights_taps_unit[double],
    one_by_one=True,
)
