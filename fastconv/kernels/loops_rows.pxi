# The row order on one thread: all units of loops_units.pxi, one after the other.


def forward_rows(
    const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias,
    real[:, :, :, ::1] y, problem, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Problem read = read_problem(problem)
    cdef Call call = begin_call()
    with nogil:
        forward_units(x, w, bias, y, &read, first, last, &call)
    finish(&call)


def weight_grad_rows(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] x, real[:, :, :, ::1] dw,
    problem, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Problem read = read_problem(problem)
    cdef Call call = begin_call()
    with nogil:
        weight_grad_units(grad, x, dw, &read, first, last, &call)
    finish(&call)


def input_grad_rows(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] w, real[:, :, :, ::1] dx,
    problem, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Problem read = read_problem(problem)
    cdef Call call = begin_call()
    with nogil:
        input_grad_units(grad, w, dx, &read, first, last, &call)
    finish(&call)
