# Fully connected layers: products of matrices whose rows are read as they lie.
#
#     z [rows x columns]  =  a [rows x terms]  ·  b [terms x columns]
#
#                             rows       columns    terms
#     OUTPUTS   x·Wᵀ + bias   samples    outputs    inputs        Wᵀ is turned over as it is packed
#     INPUTS    dy·W          samples    inputs     outputs
#     WEIGHTS   dyᵀ·x         outputs    inputs     samples       dyᵀ is read down its columns
#
# A unit is some rows of z in a panel of one or two vectors of columns. Of b a part of the terms is
# packed for it, which stays in the first-level cache while the rows pass:
#
#     panel [vectors][terms of a part][vector]        tile [rows][vectors] += a[row][t] · panel[t]
#
# Each part is summed from zero and added to z, so bits depend on neither units nor threads.

cdef enum DenseProduct:
    OUTPUTS = 0
    INPUTS = 1
    WEIGHTS = 2

cdef enum:
    DENSE_UNIT_ROWS = 240

cdef extern from *:
    """
    #define DENSE_TERMS 128  /* of a part, at the most: it decides about bits */
    #define DENSE_TILE (REGISTERS == 32 ? 12 : 6)
    #define DENSE_SMALL_TILE (REGISTERS == 32 ? 8 : 4)
    #define DENSE_PANEL_VALUES (DENSE_TERMS * 2 * FLOATS)
    #define DENSE_TILE_VALUES (12 * 2 * FLOATS)
    """
    enum: DENSE_TERMS
    enum: DENSE_TILE
    enum: DENSE_SMALL_TILE
    enum: DENSE_PANEL_VALUES
    enum: DENSE_TILE_VALUES


cdef struct Dense:
    int product
    Py_ssize_t rows
    Py_ssize_t columns
    Py_ssize_t terms
    Py_ssize_t next_row     # of a, from row to row
    Py_ssize_t next_term    # and from term to term
    Py_ssize_t panels
    const void* a
    const void* b
    const void* bias


cdef inline void dense_tile(
    const int rows, const int vectors, const real* a, Py_ssize_t next_row, Py_ssize_t next_term,
    const real* panel, Py_ssize_t terms, real* z, Py_ssize_t next_z,
) noexcept nogil:
    """Do z[m][n] += sum over t of a[m][t] · panel[t][n], summed from zero."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real sums[DENSE_TILE_VALUES]
    cdef Py_ssize_t second = terms * vector
    cdef Py_ssize_t t = 0
    cdef int m, n, v
    for m in range(rows * vectors):
        for n in range(vector):
            sums[m * vector + n] = 0
    while True:  # at least once: see README.md
        for m in range(rows):
            for v in range(vectors):
                for n in range(vector):
                    sums[(m * vectors + v) * vector + n] += (
                        a[m * next_row] * panel[v * second + n]
                    )
        a = a + next_term
        panel = panel + vector
        t = t + 1
        if t >= terms:
            break
    for m in range(rows):
        for v in range(vectors):
            for n in range(vector):
                z[m * next_z + v * vector + n] += sums[(m * vectors + v) * vector + n]


cdef void multiply_dense(
    Py_ssize_t rows, Py_ssize_t vectors, const real* a, Py_ssize_t next_row, Py_ssize_t next_term,
    const real* panel, Py_ssize_t terms, real* z, Py_ssize_t next_z,
) noexcept nogil:
    """Do the same, one tile of the rows that a tile may have."""
    if vectors == 2:
        if rows == DENSE_TILE:
            dense_tile(DENSE_TILE, 2, a, next_row, next_term, panel, terms, z, next_z)
        elif rows == DENSE_SMALL_TILE:
            dense_tile(DENSE_SMALL_TILE, 2, a, next_row, next_term, panel, terms, z, next_z)
        else:
            dense_tile(1, 2, a, next_row, next_term, panel, terms, z, next_z)
    elif rows == DENSE_TILE:
        dense_tile(DENSE_TILE, 1, a, next_row, next_term, panel, terms, z, next_z)
    elif rows == DENSE_SMALL_TILE:
        dense_tile(DENSE_SMALL_TILE, 1, a, next_row, next_term, panel, terms, z, next_z)
    else:
        dense_tile(1, 1, a, next_row, next_term, panel, terms, z, next_z)


cdef inline Py_ssize_t rows_of_tile(Py_ssize_t left) noexcept nogil:
    """Return of how many rows the next tile is: two small ones rather than a large and single."""
    if left >= DENSE_TILE + DENSE_SMALL_TILE or DENSE_TILE <= left < 2 * DENSE_SMALL_TILE:
        return DENSE_TILE
    return DENSE_SMALL_TILE if left >= DENSE_SMALL_TILE else 1


cdef void pack_dense(
    const Dense* given, Py_ssize_t column, Py_ssize_t width, Py_ssize_t first, Py_ssize_t terms,
    real* panel,
) noexcept nogil:
    """Pack some terms of `width` columns of b, up to two vectors; lanes beyond them are zero."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const real* b = <const real*>given.b
    cdef const real* end = b + given.terms * given.columns
    cdef Py_ssize_t here, t
    while width > 0:
        here = min(vector, width)
        if given.product == OUTPUTS:
            turn_run(b + column * given.terms + first, end, given.terms, here, terms, panel)
        else:
            for t in range(terms):
                copy_run(panel + t * vector, b + (first + t) * given.columns + column, here)
        if here < vector:
            for t in range(terms):
                fill_row(panel + t * vector + here, <real>0, vector - here)
        panel = panel + terms * vector
        column = column + here
        width = width - here


cdef void begin_dense(
    const Dense* given, Py_ssize_t first, Py_ssize_t last, Py_ssize_t column, Py_ssize_t width,
    real* z,
) noexcept nogil:
    """Fill the rows of a panel with the bias, or with zero."""
    cdef const real* bias = <const real*>given.bias
    cdef Py_ssize_t row
    for row in range(first, last):
        if bias == NULL:
            fill_row(z + row * given.columns + column, <real>0, width)
        else:
            copy_run(z + row * given.columns + column, bias + column, width)


cdef void dense_unit(const Dense* given, real* z, Py_ssize_t number, Watch* watch) noexcept nogil:
    """Compute some rows of a panel: number = block of rows · panels + panel."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t column = number % given.panels * 2 * vector
    cdef Py_ssize_t width = min(2 * vector, given.columns - column)
    cdef Py_ssize_t lanes = ceil_div(width, vector) * vector
    cdef Py_ssize_t begin = number // given.panels * DENSE_UNIT_ROWS
    cdef Py_ssize_t last = min(given.rows, begin + DENSE_UNIT_ROWS)
    cdef Py_ssize_t part = even_part(given.terms, DENSE_TERMS)
    cdef Py_ssize_t first = 0
    cdef Py_ssize_t terms, row, rows, m, n
    cdef real panel[DENSE_PANEL_VALUES]
    cdef real edge[DENSE_TILE_VALUES]
    cdef const real* a
    begin_dense(given, begin, last, column, width, z)
    while first < given.terms:
        terms = min(part, given.terms - first)
        pack_dense(given, column, width, first, terms, panel)
        row = begin
        while row < last:
            rows = rows_of_tile(last - row)
            if not goes_on(watch, rows * terms * lanes):
                return
            a = <const real*>given.a + row * given.next_row + first * given.next_term
            if width == lanes:
                multiply_dense(
                    rows, lanes // vector, a, given.next_row, given.next_term, panel, terms,
                    z + row * given.columns + column, given.columns,
                )
            else:
                fill_row(edge, <real>0, rows * lanes)
                multiply_dense(
                    rows, lanes // vector, a, given.next_row, given.next_term, panel, terms, edge,
                    lanes,
                )
                for m in range(rows):
                    for n in range(width):
                        z[(row + m) * given.columns + column + n] += edge[m * lanes + n]
            row = row + rows
        first = first + terms


cdef void dense_units(
    const Dense* given, real* z, Py_ssize_t first, Py_ssize_t last, Call* call
) noexcept nogil:
    cdef Watch watch = watch_of(call)
    cdef Py_ssize_t number
    for number in range(first, last):
        if not goes_on(&watch, UNIT_WORK):
            break
        dense_unit(given, z, number, &watch)
    keep_count(&watch)


cdef Dense lay_out_dense(
    int product, Py_ssize_t samples, Py_ssize_t inputs, Py_ssize_t outputs, Py_ssize_t itemsize
) noexcept:
    """Return the extents of one of the three products."""
    cdef Dense given
    given.product = product
    given.rows, given.columns, given.terms = samples, outputs, inputs
    if product == INPUTS:
        given.columns, given.terms = inputs, outputs
    elif product == WEIGHTS:
        given.rows, given.columns, given.terms = outputs, inputs, samples
    given.next_row, given.next_term = given.terms, 1
    if product == WEIGHTS:
        given.next_row, given.next_term = 1, outputs
    given.panels = ceil_div(given.columns, 2 * (VECTOR_BYTES // itemsize))
    given.a = given.b = given.bias = NULL
    return given


def dense(
    str product, first, second, bias, z, Py_ssize_t samples, Py_ssize_t inputs, Py_ssize_t outputs,
    Py_ssize_t itemsize, int threads,
):
    """Fill z: "outputs" from x, W and a bias or None, "inputs" from dy, W, "weights" from dy, x."""
    cdef Dense given = lay_out_dense(
        ("outputs", "inputs", "weights").index(product), samples, inputs, outputs, itemsize
    )
    given.a, given.b, given.bias = address_of(first), address_of(second), address_of(bias)
    cdef void* target = writable_address_of(z)
    cdef Py_ssize_t units = given.panels * ceil_div(given.rows, DENSE_UNIT_ROWS)
    cdef Call call = begin_call()
    cdef bint is_double = itemsize == sizeof(double)
    cdef int thread
    for thread in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        if is_double:
            dense_units(
                &given, <double*>target, share(0, units, thread, threads),
                share(0, units, thread + 1, threads), &call,
            )
        else:
            dense_units(
                &given, <float*>target, share(0, units, thread, threads),
                share(0, units, thread + 1, threads), &call,
            )
    finish(&call)
