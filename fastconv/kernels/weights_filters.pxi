# The weight gradient with the filters in the lanes: the matrix product of gemm_filters.pxi, the
# roles of taps and pixels exchanged, summed over the pixels of all images:
#
#     dw' [taps x filters]  =  columns [taps x pixels]  ·  grad' [pixels x filters]
#
# A step is a pixel; the output's gradient is turned over into panels [pixels][filters], and the
# tile's rows are taps.
#
# As in all weight gradients a unit is a part of the pixels and a block of weights. It takes its
# blocks of rows one after the other, and adds each one's sums to those before: the same order for
# any number of threads. Where there are too few weights for every thread, the pixels are cut into
# `parts`, however many threads there are; each has a copy of dw to fill, and the copies are added
# up afterwards.


cdef struct WeightsFilters:
    Banded banded
    Py_ssize_t panel            # where in the scratch the gradient is,
    Py_ssize_t sums             # and the sums, [panel][vectors][taps][vector]
    Py_ssize_t sums_values
    Py_ssize_t* positions       # of the pixels of a block of rows


cdef int lay_out_weights_filters(const Description* given, Made* made, list memory) except -1:
    cdef WeightsFilters* layout = <WeightsFilters*>allot(memory, sizeof(WeightsFilters))
    cdef const Problem* problem = &given.problem
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t pixels = given.blocks.rows * width
    cdef Py_ssize_t i, j
    lay_out_band(&layout.banded, given, made, memory, 1)
    layout.panel = book(
        made, pixels * panel_width(problem.filters, vector, FILTERS_IN_LANES)
    )
    layout.sums_values = (
        packed_filters(given.blocks.filters, vector, FILTERS_IN_LANES)
        * padded_pixels(given.blocks.channels * problem.taps)
    )
    layout.sums = book(made, layout.sums_values)
    layout.positions = allot_table(memory, pixels)
    for i in range(given.blocks.rows):
        for j in range(width):
            layout.positions[i * width + j] = i * layout.banded.band.width + j
    made.layout = layout
    made.units = count_weight_units(given)
    return 0


cdef void add_filter_lanes(
    const WeightsFilters* layout, const real* grad, const Unit* unit, real* scratch, Watch* watch
) noexcept nogil:
    """Add a block of rows to the unit's sums."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.banded.given.problem
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t plane = problem.rows.outputs * width
    cdef Py_ssize_t pixels = unit.rows * width
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t lanes
    cdef real* panel = scratch + layout.panel
    cdef real* sums = scratch + layout.sums
    cdef Columns columns
    columns.pixels = columns.row = unit.taps
    columns.taps = pixels
    columns.positions, columns.offsets = layout.banded.offsets, layout.positions
    grad = grad + (
        (unit.image * problem.groups + unit.group) * problem.filters * plane
        + unit.first_row * width
    )
    while k < unit.last_filter:
        lanes = panel_width(unit.last_filter - k, vector, FILTERS_IN_LANES)
        if not goes_on(watch, pixels * unit.taps * lanes):
            return
        pack_panel(
            grad + k * plane, plane, min(lanes, unit.last_filter - k), pixels, panel, lanes
        )
        multiply_panel(
            ADDED, lanes // vector, &columns, <const real*>panel, <const real*>scratch, sums,
            <const real*>NULL,
        )
        sums = sums + lanes * padded_pixels(unit.taps)
        k = k + lanes


cdef void finish_filter_lanes(
    const real* sums, real* dw, const Problem* problem, const Unit* unit
) noexcept nogil:
    """Turn the sums over into dw[filters][taps]."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t stride = problem.channels * problem.taps
    cdef Py_ssize_t taps = unit.taps
    cdef Py_ssize_t filters = unit.last_filter - unit.first_filter
    cdef Py_ssize_t k = 0
    cdef Py_ssize_t t, rows
    while k < filters:
        rows = min(vector, filters - k)
        t = 0
        while t + vector <= taps:
            transpose_square(
                sums + t * vector, vector, vector, dw + k * stride + t, stride, rows, IDENTITY
            )
            t = t + vector
        transpose_part(
            sums + t * vector, vector, dw + k * stride + t, stride, taps - t, rows, IDENTITY
        )
        sums = sums + padded_pixels(taps) * vector
        k = k + vector


cdef void weights_filters_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const WeightsFilters* layout = <const WeightsFilters*>made
    cdef const Description* given = &layout.banded.given
    cdef WeightUnit found = find_weight_unit(given, number)
    cdef real* sums = scratch + layout.sums
    zero(sums, layout.sums_values)
    while next_rows(given, &found) and not stopped(watch):
        copy_bands(<const real*>operands.image, scratch, &layout.banded, &found.unit)
        add_filter_lanes(layout, <const real*>operands.gradient, &found.unit, scratch, watch)
    finish_filter_lanes(
        <const real*>sums, <real*>operands.result + found.begin, &given.problem, &found.unit
    )


enter(
    "weights_filters", lay_out_weights_filters, weights_filters_unit[float],
    weights_filters_unit[double], one_by_one=True,
)
