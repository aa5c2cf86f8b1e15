# The row order on one thread: the planes of loops_planes.pxi, one after the other.


def forward_rows(
    const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias,
    real[:, :, :, ::1] y, tuple window, Py_ssize_t groups, int activation,
    Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Window win = as_window(window)
    cdef Py_ssize_t plane
    with nogil:
        for plane in range(first, last):
            forward_plane(x, w, bias, y, win, groups, activation, plane)


def weight_grad_rows(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] x, real[:, :, :, ::1] dw,
    tuple window, Py_ssize_t groups, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Window win = as_window(window)
    cdef Py_ssize_t kernel
    with nogil:
        for kernel in range(first, last):
            weight_grad_kernel(grad, x, dw, win, groups, kernel)


def input_grad_rows(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] w, real[:, :, :, ::1] dx,
    tuple window, Py_ssize_t groups, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Window win = as_window(window)
    cdef Py_ssize_t plane
    with nogil:
        for plane in range(first, last):
            input_grad_plane(grad, w, dx, win, groups, plane)
