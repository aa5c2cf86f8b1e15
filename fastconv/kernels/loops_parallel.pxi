# The row order in parallel over images and channels: the planes of loops_planes.pxi, shared out.
#
# A thread owns whole planes of the result; nothing is summed across threads, so the bits do not
# depend on how many there are.

from cython.parallel cimport prange


def forward_parallel(
    const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias,
    real[:, :, :, ::1] y, tuple window, Py_ssize_t groups, int activation,
    Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Window win = as_window(window)
    cdef Py_ssize_t plane
    for plane in prange(first, last, nogil=True, num_threads=threads, schedule="static"):
        forward_plane(x, w, bias, y, win, groups, activation, plane)


def weight_grad_parallel(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] x, real[:, :, :, ::1] dw,
    tuple window, Py_ssize_t groups, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Window win = as_window(window)
    cdef Py_ssize_t kernel
    for kernel in prange(first, last, nogil=True, num_threads=threads, schedule="static"):
        weight_grad_kernel(grad, x, dw, win, groups, kernel)


def input_grad_parallel(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] w, real[:, :, :, ::1] dx,
    tuple window, Py_ssize_t groups, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Window win = as_window(window)
    cdef Py_ssize_t plane
    for plane in prange(first, last, nogil=True, num_threads=threads, schedule="static"):
        input_grad_plane(grad, w, dx, win, groups, plane)


def bias_grad_parallel(
    const real[:, :, :, ::1] grad, real[::1] db, Py_ssize_t first, Py_ssize_t last, int threads,
):
    """Compute db[first:last]. Its sum has but one sensible order, so all loop orders share it."""
    cdef Py_ssize_t k
    for k in prange(first, last, nogil=True, num_threads=threads, schedule="static"):
        bias_grad_filter(grad, db, k)
