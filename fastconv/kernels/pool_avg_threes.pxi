# Averages of 3x3 windows side by side, and the way of a gradient back: both add up three by three
# values next to each other, strip by strip down some rows that lie in the first-level cache, with
# padding around them.
#
#     y     rows of the image     added across, then down, then divided
#     dx    rows of the gradient, divided     added across, then down
#
#     a b c     across, once a row: (a + b) + c     kept in registers for the three
#     d e f                         (d + e) + f     windows above each other that
#     g h i                         (g + h) + i     have the row
#
# A row costs little besides its vectors, since a strip goes down the rows. Instructions with AVX2,
# of a vector: 15 for y and 12 for dx, and 5 to bring it into the scratch.
cdef enum:
    AVG_THREES_VALUES = 4096
    AVG_THREES_ROWS = 4         # that are done together however long they are


cdef struct AvgThrees:
    Pool pool
    Py_ssize_t band         # rows of the result that are done together
    Py_ssize_t step         # values from a row in the scratch to the next
    Py_ssize_t rows         # where these begin,
    Py_ssize_t counts       # the counted taps of each window along its row,
    Py_ssize_t downs        # and down its column, of the rows of windows of a band,
    Py_ssize_t spare        # and a vector


cdef int lay_out_threes_avg(
    const Description* given, Made* made, list memory, Py_ssize_t result_rows
) except -1:
    cdef AvgThrees* layout = <AvgThrees*>allot(memory, sizeof(AvgThrees))
    cdef Pool* pool = &layout.pool
    cdef Py_ssize_t values = AVG_THREES_VALUES * sizeof(float) // given.problem.itemsize
    lay_out_pool(given, made, memory, pool, result_rows)
    layout.step = whole_lines(
        max(pool.columns.outputs, pool.columns.before + pool.columns.size) + 2 + LINE_VALUES
    )
    layout.band = min(pool.unit_rows, max(AVG_THREES_ROWS, values // layout.step - 2))
    layout.rows = book(made, (layout.band + 2) * layout.step)
    layout.counts = book(made, pool.line)
    layout.downs = book(made, layout.band + 2)
    layout.spare = book(made, LINE_VALUES)
    made.layout = layout
    return 0


cdef int lay_out_avg_pool_threes(const Description* given, Made* made, list memory) except -1:
    return lay_out_threes_avg(given, made, memory, given.problem.rows.outputs)


cdef int lay_out_avg_pool_grad_threes(const Description* given, Made* made, list memory) except -1:
    return lay_out_threes_avg(given, made, memory, given.problem.rows.size)


cdef inline void add_across(const real* row, real* sums) noexcept nogil:
    """Do sums[k] = the sum of row[k] to row[k + 2], for a vector."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int k
    for k in range(vector):
        sums[k] = row[k] + row[k + 1]
    for k in range(vector):
        sums[k] += row[k + 2]


cdef inline void add_down_strip(
    const bint divided, const real* rows, Py_ssize_t step, const real* counts, const real* downs,
    Py_ssize_t count, Py_ssize_t pitch, real* result,
) noexcept nogil:
    """Fill in a vector of so many rows of the result, `pitch` apart; of y, divided."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real first[FLOATS]
    cdef real second[FLOATS]
    cdef real third[FLOATS]
    cdef real total[FLOATS]
    cdef real taps[FLOATS]
    cdef real down
    cdef Py_ssize_t i
    cdef int k
    for k in range(vector):
        taps[k] = counts[k]
    add_across(rows, first)
    add_across(rows + step, second)
    rows = rows + 2 * step
    for i in range(count):
        add_across(rows, third)
        for k in range(vector):
            total[k] = first[k] + second[k] + third[k]
        if divided:
            down = downs[i]
            for k in range(vector):
                total[k] = total[k] / (taps[k] * down)
        for k in range(vector):
            result[k] = total[k]
        for k in range(vector):
            first[k] = second[k]
        for k in range(vector):
            second[k] = third[k]
        rows = rows + step
        result = result + pitch


cdef inline bint add_all_strips(
    const bint divided, const AvgThrees* layout, const real* rows, Py_ssize_t count, Py_ssize_t n,
    real* result, real* scratch, Watch* watch,
) noexcept nogil:
    """Fill in so many rows of n values; return whether they were still wanted."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t step = layout.step
    cdef const real* counts = scratch + layout.counts
    cdef const real* downs = scratch + layout.downs
    cdef real* spare = scratch + layout.spare
    cdef Py_ssize_t j = 0
    cdef Py_ssize_t i
    if n < vector:
        for i in range(count):
            add_down_strip(
                divided, rows + i * step, step, counts, downs + i, 1, vector, spare
            )
            copy_run(result + i * n, spare, n)
        return True
    while True:
        j = min(j, n - vector)      # the last vector overlaps the one before
        if not goes_on(watch, 9 * vector * count):
            return False
        add_down_strip(divided, rows + j, step, counts + j, downs, count, n, result + j)
        j = j + vector
        if j >= n:
            return True


cdef inline void begin_avg_threes(const AvgThrees* layout, real* scratch) noexcept nogil:
    """Fill in all that is beside the rows, once and for all."""
    fill_run(scratch + layout.rows, <real>0, (layout.band + 2) * layout.step)
    count_columns(&layout.pool, scratch + layout.counts)


cdef inline Py_ssize_t counted_rows(const Pool* pool, Py_ssize_t window) noexcept nogil:
    return counted_taps(&pool.rows, window, pool.counted.first_row, pool.counted.end_row)


cdef void avg_pool_threes(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const AvgThrees* layout = <const AvgThrees*>made
    cdef const Pool* pool = &layout.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef Py_ssize_t n = pool.columns.outputs
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t step = layout.step
    cdef real* rows = scratch + layout.rows
    cdef real* downs = scratch + layout.downs
    cdef const real* image
    cdef real* y
    cdef Py_ssize_t plane, row, last, h, i
    begin_avg_threes(layout, scratch)
    for plane in range(unit.plane, unit.last_plane):
        image = <const real*>operands.image + plane * pool.rows.size * width
        y = <real*>operands.result + plane * pool.rows.outputs * n
        row = unit.row
        while row < unit.last_row:
            last = min(row + layout.band, unit.last_row)
            if not goes_on(watch, (last - row + 2) * width):
                return
            for i in range(row, last + 2):
                h = i - pool.rows.before
                if 0 <= h < pool.rows.size:
                    copy_run(
                        rows + (i - row) * step + pool.columns.before, image + h * width, width
                    )
                else:
                    fill_run(rows + (i - row) * step, <real>0, step)
            for i in range(row, last):
                downs[i - row] = <real>counted_rows(pool, i)
            if not add_all_strips(
                True, layout, rows, last - row, n, y + row * n, scratch, watch
            ):
                return
            row = last


cdef void avg_pool_grad_threes(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Two columns before the first window, and two rows, are none's."""
    cdef const AvgThrees* layout = <const AvgThrees*>made
    cdef const Pool* pool = &layout.pool
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.size)
    cdef Py_ssize_t n = pool.columns.outputs
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t step = layout.step
    cdef const real* counts = scratch + layout.counts
    cdef real* rows = scratch + layout.rows
    cdef const real* grad
    cdef real* dx
    cdef Py_ssize_t plane, row, last, first, i
    begin_avg_threes(layout, scratch)
    for plane in range(unit.plane, unit.last_plane):
        grad = <const real*>operands.gradient + plane * pool.rows.outputs * n
        dx = <real*>operands.result + plane * pool.rows.size * width
        row = unit.row
        while row < unit.last_row:
            last = min(row + layout.band, unit.last_row)
            if not goes_on(watch, (last - row + 2) * n):
                return
            first = row + pool.rows.before - 2
            for i in range(first, last + pool.rows.before):
                if 0 <= i < pool.rows.outputs:
                    divide_row(
                        grad + i * n, counts, <real>counted_rows(pool, i), n,
                        rows + (i - first) * step + 2,
                    )
                else:
                    fill_run(rows + (i - first) * step, <real>0, step)
            if not add_all_strips(
                False, layout, rows + pool.columns.before, last - row, width, dx + row * width,
                scratch, watch,
            ):
                return
            row = last


enter("avg_pool_threes", lay_out_avg_pool_threes, avg_pool_threes[float], avg_pool_threes[double])
enter(
    "avg_pool_grad_threes", lay_out_avg_pool_grad_threes, avg_pool_grad_threes[float],
    avg_pool_grad_threes[double],
)
