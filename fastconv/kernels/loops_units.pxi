# The row order: the loop along the output row moves innermost, the taps move outside it.
#
#     for n, k | i | c, r, s | j:     Z[n,k,i,:] += W[k,c,r,s] · X[n, c, i·S + r·D - P, s·D - P + :]
#
# One output row (OW values) stays in the first-level cache while all taps pass over it; one weight
# is loaded per row instead of one per product. Each body here computes a range of units of its
# result (a unit is a row of y or dx, a weight of dw, an element of db). A unit touches no other, so
# that any thread may compute any range, to the same bits.


cdef void forward_units(
    const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias,
    real[:, :, :, ::1] y, const Problem* problem, Py_ssize_t begin, Py_ssize_t end, Call* call,
) noexcept nogil:
    """Compute the rows y[n, k, i]; a row's unit is (n·K + k)·OH + i."""
    cdef Axis down = problem.rows
    cdef Axis across = problem.columns
    cdef Py_ssize_t filters = problem.filters
    cdef Py_ssize_t unit, n, k, base, i, j, c, r, s, row, col, first, last
    cdef Watch watch = watch_of(call)
    for unit in range(begin, end):
        n = unit // y.shape[2] // w.shape[0]
        k = unit // y.shape[2] % w.shape[0]
        i = unit % y.shape[2]
        base = k // filters * w.shape[1]
        fill_row(&y[n, k, i, 0], bias[k] if bias.shape[0] > 0 else <real>0, y.shape[3])
        for c in range(w.shape[1]):
            if not goes_on(&watch, w.shape[2] * w.shape[3] * y.shape[3]):
                return
            for r in range(w.shape[2]):
                row = i * down.stride + r * down.dilation - down.before
                if row < 0 or row >= x.shape[2]:
                    continue
                for s in range(w.shape[3]):
                    col = s * across.dilation - across.before
                    first = first_inside(col, across.stride)
                    last = last_inside(col, across.stride, x.shape[3], y.shape[3])
                    if first < last:
                        add_scaled_row(
                            &y[n, k, i, first],
                            &x[n, base + c, row, first * across.stride + col],
                            across.stride, w[k, c, r, s], last - first,
                        )
        if problem.activation != IDENTITY:
            for j in range(y.shape[3]):
                y[n, k, i, j] = activate(problem.activation, y[n, k, i, j])


cdef void weight_grad_units(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] x, real[:, :, :, ::1] dw,
    const Problem* problem, Py_ssize_t begin, Py_ssize_t end, Call* call,
) noexcept nogil:
    """Compute the weights dw[k, c, r, s]; a weight's unit is ((k·C/groups + c)·R + r)·S + s.

    Rows are summed in the data's own precision, the rows' sums in double: always in this order.
    """
    cdef Py_ssize_t kernel = dw.shape[2] * dw.shape[3]
    cdef Axis down = problem.rows
    cdef Axis across = problem.columns
    cdef Py_ssize_t filters = problem.filters
    cdef Py_ssize_t unit, n, k, c, r, s, channel, i, row, col, first, last
    cdef double total
    cdef Watch watch = watch_of(call)
    for unit in range(begin, end):
        s = unit % dw.shape[3]
        r = unit // dw.shape[3] % dw.shape[2]
        c = unit // kernel % dw.shape[1]
        k = unit // kernel // dw.shape[1]
        channel = k // filters * dw.shape[1] + c
        col = s * across.dilation - across.before
        first = first_inside(col, across.stride)
        last = last_inside(col, across.stride, x.shape[3], grad.shape[3])
        total = 0
        if first < last:
            for n in range(x.shape[0]):
                if not goes_on(&watch, grad.shape[2] * (last - first)):
                    return
                for i in range(grad.shape[2]):
                    row = i * down.stride + r * down.dilation - down.before
                    if row < 0 or row >= x.shape[2]:
                        continue
                    total = total + dot_row(
                        &grad[n, k, i, first],
                        &x[n, channel, row, first * across.stride + col],
                        across.stride, last - first,
                    )
        dw[k, c, r, s] = <real>total


cdef void input_grad_units(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] w, real[:, :, :, ::1] dx,
    const Problem* problem, Py_ssize_t begin, Py_ssize_t end, Call* call,
) noexcept nogil:
    """Compute the rows dx[n, channel, row]; a row's unit is (n·C + channel)·H + row."""
    cdef Axis down = problem.rows
    cdef Axis across = problem.columns
    cdef Py_ssize_t filters = problem.filters
    cdef Py_ssize_t unit, n, channel, row, c, base, k, r, s, i, col, first, last
    cdef Watch watch = watch_of(call)
    for unit in range(begin, end):
        n = unit // dx.shape[2] // dx.shape[1]
        channel = unit // dx.shape[2] % dx.shape[1]
        row = unit % dx.shape[2]
        c = channel % w.shape[1]
        base = channel // w.shape[1] * filters
        fill_row(&dx[n, channel, row, 0], <real>0, dx.shape[3])
        for r in range(w.shape[2]):
            i = row + down.before - r * down.dilation
            if i < 0 or i % down.stride != 0 or i // down.stride >= grad.shape[2]:
                continue
            i = i // down.stride
            if not goes_on(&watch, filters * w.shape[3] * grad.shape[3]):
                return
            for k in range(base, base + filters):
                for s in range(w.shape[3]):
                    col = s * across.dilation - across.before
                    first = first_inside(col, across.stride)
                    last = last_inside(col, across.stride, dx.shape[3], grad.shape[3])
                    if first < last:
                        spread_scaled_row(
                            &dx[n, channel, row, first * across.stride + col],
                            &grad[n, k, i, first],
                            across.stride, w[k, c, r, s], last - first,
                        )


cdef void bias_grad_units(
    const real[:, :, :, ::1] grad, real[::1] db, Py_ssize_t begin, Py_ssize_t end, Call* call,
) noexcept nogil:
    """Compute the elements db[k]: the sum of all of channel k of the gradient."""
    cdef Py_ssize_t k, n, i
    cdef double total
    cdef Watch watch = watch_of(call)
    for k in range(begin, end):
        total = 0
        for n in range(grad.shape[0]):
            if not goes_on(&watch, grad.shape[2] * grad.shape[3]):
                return
            for i in range(grad.shape[2]):
                total = total + sum_row(&grad[n, k, i, 0], grad.shape[3])
        db[k] = <real>total
