# The row order, parallel over images, channels and rows: each thread takes one range of the units
# of loops_units.pxi, as long as the others'.
#
# Nothing is summed across threads, so the bits do not depend on how many there are.

from cython.parallel cimport prange, threadid


cdef inline Py_ssize_t share(
    Py_ssize_t first, Py_ssize_t last, int part, int parts
) noexcept nogil:
    """Return where the range of thread `part` begins, and that of the one before it ends."""
    return first + (last - first) * part // parts


def forward_parallel(
    const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias,
    real[:, :, :, ::1] y, tuple window, Py_ssize_t groups, int activation,
    Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Window win = as_window(window)
    cdef Call call = begin()
    cdef int part
    for part in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        forward_units(
            x, w, bias, y, win, groups, activation,
            share(first, last, part, threads), share(first, last, part + 1, threads), &call,
        )
    finish(&call)


def weight_grad_parallel(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] x, real[:, :, :, ::1] dw,
    tuple window, Py_ssize_t groups, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Window win = as_window(window)
    cdef Call call = begin()
    cdef int part
    for part in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        weight_grad_units(
            grad, x, dw, win, groups,
            share(first, last, part, threads), share(first, last, part + 1, threads), &call,
        )
    finish(&call)


def input_grad_parallel(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] w, real[:, :, :, ::1] dx,
    tuple window, Py_ssize_t groups, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Window win = as_window(window)
    cdef Call call = begin()
    cdef int part
    for part in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        input_grad_units(
            grad, w, dx, win, groups,
            share(first, last, part, threads), share(first, last, part + 1, threads), &call,
        )
    finish(&call)


def bias_grad_parallel(
    const real[:, :, :, ::1] grad, real[::1] db, Py_ssize_t first, Py_ssize_t last, int threads,
):
    """Compute db[first:last]. Its sum has but one sensible order, so all loop orders share it."""
    cdef Call call = begin()
    cdef int part
    for part in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        bias_grad_units(
            grad, db, share(first, last, part, threads), share(first, last, part + 1, threads),
            &call,
        )
    finish(&call)
