# Averages of whole planes, whose values follow each other in memory, and the way back.
#
# A small plane is a few vectors, and folding the lanes of their sum would take longer than the sum:
# four steps, each waiting for the one before. So a vector of planes is folded at once. Their sums
# are the rows of a square; dealing the lower half of the rows in between the upper half's, as
# transpose.pxi does, and adding neighbours leaves half as many rows, until one has them all:
#
#     a0 a1 a2 a3          a0 c0 a1 c1  +
#     b0 b1 b2 b3    →     a2 c2 a3 c3        →    a0+a2  c0+c2  a1+a3  c1+c3    →    a  b  c  d
#     c0 c1 c2 c3          b0 d0 b1 d1  +          b0+b2  d0+d2  b1+b3  d1+d3
#     d0 d1 d2 d3          b2 d2 b3 d3
#
# Of n planes this is 2·(n - 1) shuffles and n - 1 additions: with AVX-512 and 7x7, 3 vectors and a
# part of one to load, 2 shuffles and a division of a sixteenth vector for a plane.

# Sums of so many values are kept in lanes, those of more of them added up in double.
cdef enum:
    LANE_SUM_VALUES = 1024


cdef inline void sum_run(const real* values, Py_ssize_t n, real* lanes) noexcept nogil:
    """Add up n values in the lanes of a vector.

    What is left over at the end is taken by a vector that reaches back; of it, lanes that it has in
    common with the one before count as nothing.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real sums[FLOATS]
    cdef real value
    cdef Py_ssize_t j
    cdef int k, old
    if n < vector:
        for k in range(<int>n):
            lanes[k] = values[k]
        for k in range(<int>n, vector):
            lanes[k] = 0
        return
    for k in range(vector):
        sums[k] = values[k]
    j = vector
    while j + vector <= n:
        for k in range(vector):
            sums[k] += values[j + k]
        j = j + vector
    old = <int>(j + vector - n)
    for k in range(vector):
        value = values[n - vector + k]
        lanes[k] = sums[k] + (value if k >= old else 0)


cdef inline void fold_rows(const int rows, real* square) noexcept nogil:
    """Make half as many rows of so many, each of two rows whose halves are added up."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real dealt[FLOATS * FLOATS]
    cdef int i, n
    shuffle_rows(rows, square, dealt)
    for i in range(rows // 2):
        for n in range(vector):
            square[i * vector + n] = dealt[2 * i * vector + n] + dealt[(2 * i + 1) * vector + n]


cdef inline void fold_square(const real* rows, real* sums) noexcept nogil:
    """Do sums[m] = the sum of row m, for a vector of rows."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real square[FLOATS * FLOATS]
    cdef int n
    for n in range(vector * vector):
        square[n] = rows[n]
    if vector >= 16:
        fold_rows(16, square)
    if vector >= 8:
        fold_rows(8, square)
    if vector >= 4:
        fold_rows(4, square)
    fold_rows(2, square)
    for n in range(vector):
        sums[n] = square[n]


cdef inline void sum_stretch(const real* values, real* lanes) noexcept nogil:
    """Add up a whole stretch in the lanes of two vectors, which need not wait for each other."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real first[FLOATS]
    cdef real second[FLOATS]
    cdef Py_ssize_t j
    cdef int k
    for k in range(vector):
        first[k] = values[k]
    for k in range(vector):
        second[k] = values[vector + k]
    j = 2 * vector
    while j < LANE_SUM_VALUES:
        for k in range(vector):
            first[k] += values[j + k]
        for k in range(vector):
            second[k] += values[j + vector + k]
        j = j + 2 * vector
    for k in range(vector):
        lanes[k] = first[k] + second[k]


cdef inline real average_large_plane(
    const real* values, Py_ssize_t size, Watch* watch
) noexcept nogil:
    cdef real lanes[FLOATS]
    cdef double total = 0
    cdef Py_ssize_t j = 0
    while j + LANE_SUM_VALUES <= size:
        if not goes_on(watch, LANE_SUM_VALUES):
            return 0
        sum_stretch(values + j, lanes)
        total = total + fold_lanes(lanes)
        j = j + LANE_SUM_VALUES
    if j < size:
        sum_run(values + j, size - j, lanes)
        total = total + fold_lanes(lanes)
    return <real>(total / size)


cdef void avg_pool_plane(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef const Pool* pool = <const Pool*>made
    cdef PoolUnit unit = find_planes(pool, number, 1)
    cdef Py_ssize_t size = pool.rows.size * pool.columns.size
    cdef const real* image = <const real*>operands.image
    cdef real* y = <real*>operands.result
    cdef real rows[FLOATS * FLOATS]
    cdef real means[FLOATS]
    cdef Py_ssize_t plane, here, m
    cdef int n
    if size > LANE_SUM_VALUES:
        for plane in range(unit.plane, unit.last_plane):
            y[plane] = average_large_plane(image + plane * size, size, watch)
            if stopped(watch):
                return
        return
    fill_row(rows, <real>0, vector * vector)    # for planes that are not there
    plane = unit.plane
    while plane < unit.last_plane:
        here = min(vector, unit.last_plane - plane)
        if not goes_on(watch, here * size):
            return
        for m in range(here):
            sum_run(image + (plane + m) * size, size, rows + m * vector)
        fold_square(rows, means)
        for n in range(vector):
            means[n] /= <real>size
        copy_run(y + plane, means, here)
        plane = plane + vector


cdef inline bint fill_small_planes(
    const real* grad, Py_ssize_t size, Py_ssize_t planes, real* dx, Watch* watch
) noexcept nogil:
    """Fill planes of no less than a vector with their shares, cache line by cache line.

    Vectors that are stored across two lines take twice the time, and planes of 7x7 begin anywhere:
    so a line in which one of them ends is stored with the beginning of the next one. Return whether
    it was still wanted.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real mixed[FLOATS]
    cdef real share = grad[0] / <real>size
    cdef real next_share
    cdef Py_ssize_t j = (vector - <Py_ssize_t>(<size_t>dx // sizeof(real)) % vector) % vector
    cdef Py_ssize_t plane, end
    cdef int k, here
    fill_row(dx, share, j)
    for plane in range(planes):
        if not goes_on(watch, size):
            return False
        end = (plane + 1) * size
        while j + vector <= end:
            for k in range(vector):
                dx[j + k] = share
            j = j + vector
        if plane + 1 == planes:
            fill_row(dx + j, share, end - j)
            return True
        here = <int>(end - j)
        next_share = grad[plane + 1] / <real>size
        for k in range(vector):
            mixed[k] = share if k < here else next_share
        for k in range(vector):
            dx[j + k] = mixed[k]
        share = next_share
        j = j + vector
    return True


cdef void avg_pool_grad_plane(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef const Pool* pool = <const Pool*>made
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.size)
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t size = pool.rows.size * width
    cdef const real* grad = <const real*>operands.gradient
    cdef real* dx = <real*>operands.result
    cdef Py_ssize_t values = (unit.last_row - unit.row) * width
    cdef Py_ssize_t plane
    if vector <= size == values <= LANE_SUM_VALUES:
        fill_small_planes(
            grad + unit.plane, size, unit.last_plane - unit.plane, dx + unit.plane * size, watch
        )
        return
    for plane in range(unit.plane, unit.last_plane):
        if not fill_in_stretches(
            dx + plane * size + unit.row * width, <real>(grad[plane] / <double>size), values, watch
        ):
            return


enter("avg_pool_plane", lay_out_pool_rows, avg_pool_plane[float], avg_pool_plane[double])
enter(
    "avg_pool_grad_plane", lay_out_pool_grad_rows, avg_pool_grad_plane[float],
    avg_pool_grad_plane[double],
)
