# The row order on one thread: all units of loops_units.pxi, one after the other.


def forward_rows(
    const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias,
    real[:, :, :, ::1] y, tuple window, Py_ssize_t groups, int activation,
    Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Window win = as_window(window)
    cdef Call call = begin()
    with nogil:
        forward_units(x, w, bias, y, win, groups, activation, first, last, &call)
    finish(&call)


def weight_grad_rows(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] x, real[:, :, :, ::1] dw,
    tuple window, Py_ssize_t groups, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Window win = as_window(window)
    cdef Call call = begin()
    with nogil:
        weight_grad_units(grad, x, dw, win, groups, first, last, &call)
    finish(&call)


def input_grad_rows(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] w, real[:, :, :, ::1] dx,
    tuple window, Py_ssize_t groups, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Window win = as_window(window)
    cdef Call call = begin()
    with nogil:
        input_grad_units(grad, w, dx, win, groups, first, last, &call)
    finish(&call)
