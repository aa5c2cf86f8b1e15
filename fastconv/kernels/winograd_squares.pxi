# A tile's sums into its outputs, where these stay in registers until they are at their places among
# the rows: with 32 registers, up to four by four of them. Others come from a small array, after two
# passes (winograd_lines.pxi), and are kept likewise.

cdef extern from *:
    """
    #define KEEPS_SQUARES (REGISTERS == 32)
    """
    enum: KEEPS_SQUARES


cdef inline bint keeps_squares(const Line* down, const Line* across) noexcept nogil:
    return KEEPS_SQUARES and down.pairs > 0 and across.pairs > 0 and across.outputs <= 4


cdef inline void keep_outputs(
    const int lanes, const int rows, const int outputs, Py_ssize_t kept, const real* source,
    const real* bias, real* check, real* target, Py_ssize_t step, Py_ssize_t next_row,
) noexcept nogil:
    """Bring a tile's outputs of some rows there, the bias added, and look whether they are finite.

    `kept` of each row are in the image.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real y[FLOATS]
    cdef real added[FLOATS]
    cdef real doubt[FLOATS]
    cdef int i, k, n
    for n in range(lanes):
        added[n] = bias[n]
        doubt[n] = check[n]
    for i in range(rows):
        for k in range(outputs):
            for n in range(lanes):
                y[n] = source[(i * outputs + k) * vector + n]
            for n in range(lanes):
                doubt[n] += y[n]
            if k < kept:
                for n in range(lanes):
                    target[i * next_row + k * step + n] = y[n] + added[n]
    # 0, or NaN for a sum that is not finite, as where any output is not. (0·sum does not do:
    # without signed zeros GCC 12 takes it for 0.)
    for n in range(lanes):
        check[n] = doubt[n] - doubt[n]


cdef inline void keep_tile(
    const int lanes, const int rows, const int outputs, Py_ssize_t kept, const real* source,
    const real* bias, real* check, real* target, Py_ssize_t step, Py_ssize_t next_row,
) noexcept nogil:
    """Do the same; whether all of them are in the image is asked once."""
    if kept >= outputs:
        keep_outputs(
            lanes, rows, outputs, outputs, source, bias, check, target, step, next_row
        )
    else:
        keep_outputs(lanes, rows, outputs, kept, source, bias, check, target, step, next_row)


cdef inline void walk_squares(
    const int lanes, const int pairs, const int outputs, const Line* across, Py_ssize_t first,
    Py_ssize_t last, const real* sums, Py_ssize_t plane, Py_ssize_t columns, const real* bias,
    real* rows, real* doubts, real* all_doubts,
) noexcept nogil:
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real y[4 * 4 * FLOATS]
    cdef real check[FLOATS]
    cdef Py_ssize_t t, column, kept
    cdef int n
    for t in range(first, last):
        column = first_of_tile(across, t)
        kept = columns - column
        if across.dilation > 1:
            kept = ceil_div(kept, across.dilation)
        transform_square_of_sums(
            lanes, pairs, outputs, &across.constants, sums, plane, <real*>y
        )
        for n in range(vector):
            check[n] = 0
        keep_tile(
            lanes, outputs, outputs, kept, <const real*>y, bias, <real*>check,
            rows + column * vector, across.dilation * vector, columns * vector,
        )
        for n in range(vector):
            doubts[t * vector + n] = check[n]
            all_doubts[n] += check[n]
        sums = sums + vector


cdef inline void walk_any_squares(
    const int lanes, const Line* across, Py_ssize_t first, Py_ssize_t last, const real* sums,
    Py_ssize_t plane, Py_ssize_t columns, const real* bias, real* rows, real* doubts,
    real* all_doubts,
) noexcept nogil:
    if across.pairs == 1:
        walk_squares(
            lanes, 1, 2, across, first, last, sums, plane, columns, bias, rows, doubts,
            all_doubts,
        )
    elif across.pairs == 2 and across.outputs == 4:
        walk_squares(
            lanes, 2, 4, across, first, last, sums, plane, columns, bias, rows, doubts,
            all_doubts,
        )
    elif across.pairs == 2:
        walk_squares(
            lanes, 2, 2, across, first, last, sums, plane, columns, bias, rows, doubts,
            all_doubts,
        )
    elif across.outputs == 4:
        walk_squares(
            lanes, 3, 4, across, first, last, sums, plane, columns, bias, rows, doubts,
            all_doubts,
        )
    else:
        walk_squares(
            lanes, 3, 2, across, first, last, sums, plane, columns, bias, rows, doubts,
            all_doubts,
        )


cdef void finish_squares(
    bint half, const Line* across, Py_ssize_t first, Py_ssize_t last, const real* sums,
    Py_ssize_t plane, Py_ssize_t columns, const real* bias, real* rows, real* doubts,
    real* all_doubts,
) noexcept nogil:
    """Do Aᵀ of both axes for neighbours among the tiles of a row, and keep their outputs.

    Their ξ lie `plane` apart. Where outputs are not finite is left in `doubts` of each tile and
    filter, and added to those of all tiles. Of `half` the filters, if halves take half the time.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    if HALF_VECTORS and half:
        walk_any_squares(
            vector // 2, across, first, last, sums, plane, columns, bias, rows, doubts, all_doubts
        )
    else:
        walk_any_squares(
            vector, across, first, last, sums, plane, columns, bias, rows, doubts, all_doubts
        )
