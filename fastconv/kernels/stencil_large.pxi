# The stencil of one channel and a kernel of any extent at stride 1, by the tiles of tiling.pxi.
#
# The columns that a strip of the output sees are copied first, zeros where there is padding: rows
# lie close together then, all in the first-level cache, and not a power of two apart.


cdef struct StencilLarge:
    Description given
    Tiling tiling
    Py_ssize_t height       # of a strip
    Py_ssize_t strip        # where in the scratch it begins,
    Py_ssize_t panels       # those of the unit's filters,
    Py_ssize_t gathered     # and the taps of a filter that do not lie in order


cdef int lay_out_stencil_large(const Description* given, Made* made, list memory) except -1:
    cdef StencilLarge* layout = <StencilLarge*>allot(memory, sizeof(StencilLarge))
    cdef const Axis* down = &given.problem.rows
    cdef const Axis* across = &given.problem.columns
    cdef Py_ssize_t vector = VECTOR_BYTES // given.problem.itemsize
    cdef Py_ssize_t rows = tiling_rows(down.kernel)
    cdef Py_ssize_t pitch = (
        tiling_lanes(rows, given.problem.itemsize) + (across.kernel - 1) * across.dilation
    )
    layout.given = given[0]
    pitch = (pitch + vector - 1) // vector * vector
    lay_out_tiling(
        &layout.tiling, down, across, rows, given.problem.itemsize, pitch, memory
    )
    layout.height = max(given.blocks.rows, rows) + down.kernel - 1
    layout.strip = book(made, layout.height * pitch)
    layout.panels = book(made, given.blocks.filters * layout.tiling.panel)
    layout.gathered = book(made, 0 if given.taps.in_order else given.problem.taps)
    made.layout = layout
    made.units = count_units(given)
    return 0


cdef void copy_strip(
    const StencilLarge* layout, const real* image, Py_ssize_t first_row, Py_ssize_t rows,
    Py_ssize_t column, real* strip,
) noexcept nogil:
    """Copy what a tile's columns see, from a row and a column of the padded image on."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t height = problem.rows.size
    cdef Py_ssize_t width = problem.columns.size
    cdef Py_ssize_t pitch = layout.tiling.pitch
    cdef Py_ssize_t begin = min(pitch, max(0, -column))
    cdef Py_ssize_t end = max(begin, min(pitch, width - column))
    cdef Py_ssize_t i, row
    for i in range(layout.height):
        row = first_row + i
        if i < rows and 0 <= row < height:
            if begin > 0:
                fill_row(strip, <real>0, begin)
            copy_run(strip + begin, image + row * width + column + begin, end - begin)
            if end < pitch:
                fill_row(strip + end, <real>0, pitch - end)
        else:
            fill_row(strip, <real>0, pitch)
        strip = strip + pitch


cdef void stencil_large(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Compute one unit: rows of some filters of a group of an image, strip by strip."""
    cdef const StencilLarge* layout = <const StencilLarge*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const Taps* view = &layout.given.taps
    cdef Unit unit = find_unit(&layout.given, number)
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t plane = unit.image * problem.groups + unit.group
    cdef const real* image = (
        <const real*>operands.image + plane * problem.rows.size * problem.columns.size
    )
    cdef const real* bias = <const real*>operands.bias
    cdef real* y = <real*>operands.result
    cdef real* strip = scratch + layout.strip
    cdef Py_ssize_t rows = unit.rows + problem.rows.kernel - 1
    cdef Py_ssize_t j = 0
    cdef Py_ssize_t k, count
    cdef const real* w
    cdef real* place
    for k in range(unit.first_filter, unit.last_filter):
        w = <const real*>operands.weights + (unit.group * problem.filters + k) * problem.taps
        if not view.in_order:
            gather_piece(
                <const real*>operands.weights + view.first + unit.group * view.group
                + k * view.filter,
                view, 0, 1, 1, scratch + layout.gathered, 1,
            )
            w = scratch + layout.gathered
        pack_shifted(
            w, problem.rows.kernel, problem.columns.kernel, layout.tiling.rows,
            scratch + layout.panels + (k - unit.first_filter) * layout.tiling.panel,
        )
    while j < width and not stopped(watch):
        if width >= layout.tiling.lanes:
            j = min(j, width - layout.tiling.lanes)
        count = min(layout.tiling.lanes, width - j)
        copy_strip(
            layout, image, unit.first_row - problem.rows.before, rows, j - problem.columns.before,
            strip,
        )
        for k in range(unit.first_filter, unit.last_filter):
            place = y + output_index(&unit, 0, k) + j
            cover(
                &layout.tiling,
                scratch + layout.panels + (k - unit.first_filter) * layout.tiling.panel, strip,
                bias[unit.group * problem.filters + k] if bias != NULL else <real>0, unit.rows,
                count, place, width, watch,
            )
            activate_strip(problem, place, unit.rows, count)
        j = j + layout.tiling.lanes


enter("stencil_large", lay_out_stencil_large, stencil_large[float], stencil_large[double])
