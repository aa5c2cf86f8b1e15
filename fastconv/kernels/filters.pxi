# What filters images, which may go on beyond their edge: a unit is some rows and columns of the
# results of all filters, from a copy of what they see.
#
#     filter_direct       band of the image ───── tiling R x S ─────→ y
#
#     filter_separable    row of the image ─ 1 x S ─→ row of a band ┐
#                                                      ...          ├─ R x 1 ─→ y
#                                                                   ┘
#
# A band has whole rows of an image if they are not very long, and stays in the second-level cache;
# rows follow each other at an odd number of cache lines, since those of most images would meet in
# the same places of the first-level cache. So memory is read, and written, in its order.

cdef enum:
    NEAR_BYTES = 32768


cdef struct Filtered:
    Description given
    Tiling tiling           # of the kernels; if there are two passes, of their columns,
    Tiling across           # and of their rows
    Py_ssize_t bands        # of an image,
    Py_ssize_t stretches    # and of a band
    Py_ssize_t band         # where in the scratch it begins,
    Py_ssize_t row          # a row of the image,
    Py_ssize_t panel        # and packed weights


cdef struct FilteredUnit:
    Py_ssize_t image
    Py_ssize_t first_row
    Py_ssize_t rows
    Py_ssize_t first_column
    Py_ssize_t columns


cdef int lay_out_filter(
    const Description* given, Made* made, list memory, bint two_passes
) except -1:
    cdef Filtered* layout = <Filtered*>allot(memory, sizeof(Filtered))
    cdef const Problem* problem = &given.problem
    cdef Axis down = problem.rows
    cdef Axis across = problem.columns
    cdef Py_ssize_t rows = tiling_rows(down.kernel)
    cdef Py_ssize_t seen, columns
    layout.given = given[0]
    layout.bands = ceil_div(down.outputs, given.blocks.rows)
    layout.stretches = ceil_div(across.outputs, given.blocks.columns)
    columns = max(given.blocks.columns, tiling_lanes(rows, problem.itemsize))
    seen = max(given.blocks.rows, rows) + down.kernel - 1
    if two_passes:
        columns = max(columns, tiling_lanes(1, problem.itemsize))
        down.kernel = 1
        lay_out_tiling(
            &layout.across, &down, &across, 1, problem.itemsize, columns + across.kernel - 1,
            memory,
        )
        layout.row = book(made, columns + across.kernel - 1)
        down, across.kernel = problem.rows, 1
    lay_out_tiling(
        &layout.tiling, &down, &across, rows, problem.itemsize,
        odd_lines(columns + across.kernel - 1), memory,
    )
    layout.band = book(made, seen * layout.tiling.pitch)
    layout.panel = book(made, layout.tiling.panel + problem.columns.kernel)
    made.layout = layout
    made.units = problem.batch * layout.bands * layout.stretches
    return 0


cdef int lay_out_filter_direct(const Description* given, Made* made, list memory) except -1:
    return lay_out_filter(given, made, memory, False)


cdef int lay_out_filter_separable(const Description* given, Made* made, list memory) except -1:
    return lay_out_filter(given, made, memory, True)


cdef FilteredUnit find_filtered(const Filtered* layout, Py_ssize_t number) noexcept nogil:
    """Decode (image·bands + band)·stretches + stretch."""
    cdef const Blocks* blocks = &layout.given.blocks
    cdef FilteredUnit unit
    unit.first_column = number % layout.stretches * blocks.columns
    unit.columns = min(blocks.columns, layout.given.problem.columns.outputs - unit.first_column)
    number = number // layout.stretches
    unit.first_row = number % layout.bands * blocks.rows
    unit.rows = min(blocks.rows, layout.given.problem.rows.outputs - unit.first_row)
    unit.image = number // layout.bands
    return unit


cdef inline Py_ssize_t filtered_index(
    const Problem* problem, const FilteredUnit* unit, Py_ssize_t filter
) noexcept nogil:
    """Return where the unit's results of a filter begin in y."""
    return (
        (unit.image * problem.filters + filter) * problem.rows.outputs + unit.first_row
    ) * problem.columns.outputs + unit.first_column


cdef void filter_direct(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Compute one unit: a band for all filters. The weights are K kernels R x S."""
    cdef const Filtered* layout = <const Filtered*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const Tiling* tiling = &layout.tiling
    cdef FilteredUnit unit = find_filtered(layout, number)
    cdef const real* plane = (
        <const real*>operands.image + unit.image * problem.rows.size * problem.columns.size
    )
    cdef real* y = <real*>operands.result
    cdef real* band = scratch + layout.band
    cdef real* panel = scratch + layout.panel
    cdef Py_ssize_t seen = unit.columns + tiling.across - 1
    # where what a row of tiles sees fits the first-level cache, and there is only one filter, a row
    # is copied when a tile first sees it, and read while it is near
    cdef bint near = (
        problem.filters == 1
        and (tiling.taps + tiling.rows) * tiling.pitch * <Py_ssize_t>sizeof(real) < NEAR_BYTES
    )
    cdef Py_ssize_t rows = min(unit.rows, tiling.rows) if near else unit.rows
    cdef Py_ssize_t copied = 0
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t k
    while i < unit.rows:
        i = min(i, unit.rows - rows)
        while copied < i + max(rows, tiling.rows) + tiling.taps - 1:
            if not goes_on(watch, tiling.pitch):
                return
            if copied < unit.rows + tiling.taps - 1:
                extend_row(
                    problem, &layout.given.beyond, plane, unit.first_row + copied,
                    unit.first_column, seen, band + copied * tiling.pitch,
                )
                fill_row(band + copied * tiling.pitch + seen, <real>0, tiling.pitch - seen)
            else:  # of a tile with more rows than there are
                fill_row(band + copied * tiling.pitch, <real>0, tiling.pitch)
            copied = copied + 1
        for k in range(problem.filters):
            if problem.filters > 1 or i == 0:
                pack_shifted(
                    <const real*>operands.weights + k * problem.taps, tiling.taps, tiling.across,
                    tiling.rows, panel,
                )
            cover(
                tiling, panel, band + i * tiling.pitch, <real>0, rows, unit.columns,
                y + filtered_index(problem, &unit, k) + i * problem.columns.outputs,
                problem.columns.outputs, watch,
            )
            if stopped(watch):
                return
        i = i + rows


cdef void filter_separable(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Compute one unit in two passes. The weights are, of each filter, a column and a row."""
    cdef const Filtered* layout = <const Filtered*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const Tiling* tiling = &layout.tiling
    cdef FilteredUnit unit = find_filtered(layout, number)
    cdef const real* plane = (
        <const real*>operands.image + unit.image * problem.rows.size * problem.columns.size
    )
    cdef real* y = <real*>operands.result
    cdef real* row = scratch + layout.row
    cdef real* panel = scratch + layout.panel
    cdef Py_ssize_t seen = unit.columns + layout.across.across - 1
    cdef Py_ssize_t i, k
    cdef const real* column
    cdef real* band
    fill_row(row + seen, <real>0, layout.across.pitch - seen)
    for k in range(problem.filters):
        column = (
            <const real*>operands.weights + k * (tiling.taps + layout.across.across)
        )
        pack_shifted(column, tiling.taps, 1, tiling.rows, panel)
        copy_run(panel + tiling.panel, column + tiling.taps, layout.across.across)
        band = scratch + layout.band
        for i in range(max(unit.rows, tiling.rows) + tiling.taps - 1):
            if i < unit.rows + tiling.taps - 1:
                extend_row(
                    problem, &layout.given.beyond, plane, unit.first_row + i, unit.first_column,
                    seen, row,
                )
                cover(
                    &layout.across, panel + tiling.panel, row, <real>0, 1, unit.columns, band,
                    tiling.pitch, watch,
                )
                if stopped(watch):
                    return
                fill_row(band + unit.columns, <real>0, tiling.pitch - unit.columns)
            else:
                fill_row(band, <real>0, tiling.pitch)
            band = band + tiling.pitch
        cover(
            tiling, panel, scratch + layout.band, <real>0, unit.rows, unit.columns,
            y + filtered_index(problem, &unit, k), problem.columns.outputs, watch,
        )
        if stopped(watch):
            return


enter("filter_direct", lay_out_filter_direct, filter_direct[float], filter_direct[double])
enter(
    "filter_separable", lay_out_filter_separable, filter_separable[float],
    filter_separable[double],
)
