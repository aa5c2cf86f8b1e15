# What a tile cannot give: outputs beside a NaN, an infinity, or what overflows in a transform. They
# are computed again, of each filter that is in doubt, as the definition says: taps that meet
# padding contribute nothing.


# Outputs of a row: so many, from a first one on.
cdef struct Doubted:
    Py_ssize_t first
    Py_ssize_t step
    Py_ssize_t count


cdef void compute_directly(
    const Winograd* layout, const Operands* operands, Py_ssize_t group, Py_ssize_t image,
    Py_ssize_t filter, Py_ssize_t row, const Doubted* doubted, real* sums,
) noexcept nogil:
    """Compute a stretch of outputs of a row as they are defined; sums has room for them."""
    cdef const Problem* problem = &layout.given.problem
    cdef const Axis* rows = &problem.rows
    cdef const Axis* columns = &problem.columns
    cdef const Taps* view = &layout.given.taps
    cdef const real* x = <const real*>operands.image
    cdef const real* w = <const real*>operands.weights
    cdef const real* bias = <const real*>operands.bias
    cdef real* y = <real*>operands.result
    cdef Py_ssize_t plane = rows.size * columns.size
    cdef Py_ssize_t filter_taps = problem.channels * problem.taps
    cdef Py_ssize_t c, r, s, j, h, seen, begin, end
    cdef real weight
    fill_row(
        sums, bias[group * problem.filters + filter] if bias != NULL else <real>0, doubted.count
    )
    if view.in_order:
        w = w + (group * problem.filters + filter) * filter_taps
    else:
        w = w + group * view.group + filter * view.filter + view.first
    x = x + (image * problem.groups + group) * problem.channels * plane
    for c in range(problem.channels):
        for r in range(rows.kernel):
            h = row + r * rows.dilation - rows.before
            if not 0 <= h < rows.size:
                continue
            for s in range(columns.kernel):
                if view.in_order:
                    weight = w[c * problem.taps + r * columns.kernel + s]
                else:
                    weight = w[c * view.channel + r * view.row + s * view.column]
                seen = doubted.first + s * columns.dilation - columns.before
                begin = ceil_div(max(0, -seen), doubted.step)
                end = min(doubted.count, ceil_div(max(0, columns.size - seen), doubted.step))
                for j in range(begin, end):
                    sums[j] += weight * x[c * plane + h * columns.size + seen + j * doubted.step]
    y = y + (
        ((image * problem.groups + group) * problem.filters + filter) * rows.outputs + row
    ) * columns.outputs + doubted.first
    for j in range(doubted.count):
        y[j * doubted.step] = activate(problem.activation, sums[j])


cdef void repair_row(
    const Winograd* layout, const Operands* operands, const Tiles* tiles, Py_ssize_t image,
    Py_ssize_t filter, Py_ssize_t filters, Py_ssize_t tile, real* scratch, Watch* watch,
) noexcept nogil:
    """Compute directly what is in doubt of a row of tiles: of each filter, runs of its tiles."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &layout.given.problem
    cdef const Line* down = &layout.down
    cdef const Line* across = &layout.across
    cdef const real* doubts = scratch + layout.doubts
    cdef Py_ssize_t top = first_of_tile(down, tile)
    cdef Py_ssize_t kept = min(down.outputs, ceil_div(tiles.rows - top, down.dilation))
    cdef Py_ssize_t k, i, t, first, last
    cdef Doubted doubted
    for k in range(filters):
        t = 0
        while t < tiles.across:
            if doubts[t * vector + k] == 0:
                t = t + 1
                continue
            first = first_of_tile(across, t)
            if across.dilation == 1:
                while t < tiles.across and doubts[t * vector + k] != 0:
                    t = t + 1
                last = min(tiles.columns, t * across.outputs)
            else:
                t = t + 1
                last = min(tiles.columns, first + across.together)
            doubted = Doubted(
                first=tiles.first_column + first, step=across.dilation,
                count=ceil_div(last - first, across.dilation),
            )
            if doubted.count <= 0:
                continue
            for i in range(kept):
                if not goes_on(watch, problem.channels * problem.taps * doubted.count):
                    return
                compute_directly(
                    layout, operands, tiles.unit.group, image, filter + k,
                    tiles.first_row + top + i * down.dilation, &doubted, scratch + layout.rows,
                )
