# The literal order: one output value at a time, all its products summed before the next.
#
#     for n, k | i, j | c, r, s:
#         Z[n,k,i,j] += W[k,c,r,s] · X[n, c, i·S + r·D - P, j·S + s·D - P]
#
# This is the definition typed in as it stands, the first rung of the study. The innermost loop runs
# over the kernel's columns: three or so steps, each with its own test whether it falls into the
# padding, and its own far jump through W and X. Nothing here vectorises.
#
# In each body c counts the channels of one group, channel those of the image.


def forward_literal(
    const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias,
    real[:, :, :, ::1] y, problem, Py_ssize_t first, Py_ssize_t last, int threads,
):
    """Compute the rows [first, last) of y; row (n·K + k)·OH + i is y[n, k, i]."""
    cdef Problem read = read_problem(problem)
    cdef Axis down = read.rows
    cdef Axis across = read.columns
    cdef Call call = begin_call()
    cdef Watch watch = watch_of(&call)
    cdef bint has_bias = bias.shape[0] > 0
    cdef Py_ssize_t channels = w.shape[1]
    cdef Py_ssize_t filters = read.filters
    cdef Py_ssize_t unit, n, k, i, j, c, r, s, row, col, base
    cdef real total
    with nogil:
        for unit in range(first, last):
            if stopped(&watch):
                break
            n = unit // y.shape[2] // w.shape[0]
            k = unit // y.shape[2] % w.shape[0]
            i = unit % y.shape[2]
            base = k // filters * channels
            for j in range(y.shape[3]):
                if not goes_on(&watch, channels * w.shape[2] * w.shape[3]):
                    break
                total = 0
                for c in range(channels):
                    for r in range(w.shape[2]):
                        row = i * down.stride + r * down.dilation - down.before
                        if row < 0 or row >= x.shape[2]:
                            continue
                        for s in range(w.shape[3]):
                            col = j * across.stride + s * across.dilation - across.before
                            if col < 0 or col >= x.shape[3]:
                                continue
                            total = total + w[k, c, r, s] * x[n, base + c, row, col]
                if has_bias:
                    total = total + bias[k]
                y[n, k, i, j] = activate(read.activation, total)
    finish(&call)


def weight_grad_literal(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] x, real[:, :, :, ::1] dw,
    problem, Py_ssize_t first, Py_ssize_t last, int threads,
):
    """Compute the weights [first, last) of dw, counted in the order they lie in memory.

    dW[k,c,r,s] = sum over n, i, j of dZ[n,k,i,j] · X[n, c, i·S + r·D - P, j·S + s·D - P]
    """
    cdef Problem read = read_problem(problem)
    cdef Axis down = read.rows
    cdef Axis across = read.columns
    cdef Call call = begin_call()
    cdef Watch watch = watch_of(&call)
    cdef Py_ssize_t channels = dw.shape[1]
    cdef Py_ssize_t filters = read.filters
    cdef Py_ssize_t unit, n, k, i, j, c, r, s, row, col, channel
    cdef double total
    with nogil:
        for unit in range(first, last):
            if stopped(&watch):
                break
            s = unit % dw.shape[3]
            r = unit // dw.shape[3] % dw.shape[2]
            c = unit // (dw.shape[2] * dw.shape[3]) % channels
            k = unit // (dw.shape[2] * dw.shape[3]) // channels
            channel = k // filters * channels + c
            total = 0
            for n in range(x.shape[0]):
                if not goes_on(&watch, grad.shape[2] * grad.shape[3]):
                    break
                for i in range(grad.shape[2]):
                    row = i * down.stride + r * down.dilation - down.before
                    if row < 0 or row >= x.shape[2]:
                        continue
                    for j in range(grad.shape[3]):
                        col = j * across.stride + s * across.dilation - across.before
                        if col < 0 or col >= x.shape[3]:
                            continue
                        total = total + grad[n, k, i, j] * x[n, channel, row, col]
            dw[k, c, r, s] = <real>total
    finish(&call)


def input_grad_literal(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] w, real[:, :, :, ::1] dx,
    problem, Py_ssize_t first, Py_ssize_t last, int threads,
):
    """Compute the rows [first, last) of dx; row (n·C + channel)·H + row is dx[n, channel, row].

    Each pixel gathers from the outputs it took part in: with row = i·S + r·D - P, that is the i for
    which row + P - r·D is a multiple of the stride.
    """
    cdef Problem read = read_problem(problem)
    cdef Axis down = read.rows
    cdef Axis across = read.columns
    cdef Call call = begin_call()
    cdef Watch watch = watch_of(&call)
    cdef Py_ssize_t channels = w.shape[1]
    cdef Py_ssize_t filters = read.filters
    cdef Py_ssize_t unit, n, channel, c, k, r, s, row, col, i, j, base
    cdef real total
    with nogil:
        for unit in range(first, last):
            if stopped(&watch):
                break
            n = unit // dx.shape[2] // dx.shape[1]
            channel = unit // dx.shape[2] % dx.shape[1]
            row = unit % dx.shape[2]
            c = channel % channels
            base = channel // channels * filters
            for col in range(dx.shape[3]):
                if not goes_on(&watch, filters * w.shape[2] * w.shape[3]):
                    break
                total = 0
                for k in range(base, base + filters):
                    for r in range(w.shape[2]):
                        i = row + down.before - r * down.dilation
                        if i < 0 or i % down.stride != 0:
                            continue
                        i = i // down.stride
                        if i >= grad.shape[2]:
                            continue
                        for s in range(w.shape[3]):
                            j = col + across.before - s * across.dilation
                            if j < 0 or j % across.stride != 0:
                                continue
                            j = j // across.stride
                            if j >= grad.shape[3]:
                                continue
                            total = total + grad[n, k, i, j] * w[k, c, r, s]
                dx[n, channel, row, col] = total
    finish(&call)
