# The row order, parallel over images, channels and rows: each thread takes one range of the units
# of loops_units.pxi, as long as the others'.
#
# Nothing is summed across threads, so the bits do not depend on how many there are.


def forward_parallel(
    const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias,
    real[:, :, :, ::1] y, problem, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Problem read = read_problem(problem)
    cdef Call call = begin_call()
    cdef int thread
    for thread in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        forward_units(
            x, w, bias, y, &read,
            share(first, last, thread, threads), share(first, last, thread + 1, threads), &call,
        )
    finish(&call)


def weight_grad_parallel(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] x, real[:, :, :, ::1] dw,
    problem, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Problem read = read_problem(problem)
    cdef Call call = begin_call()
    cdef int thread
    for thread in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        weight_grad_units(
            grad, x, dw, &read,
            share(first, last, thread, threads), share(first, last, thread + 1, threads), &call,
        )
    finish(&call)


def input_grad_parallel(
    const real[:, :, :, ::1] grad, const real[:, :, :, ::1] w, real[:, :, :, ::1] dx,
    problem, Py_ssize_t first, Py_ssize_t last, int threads,
):
    cdef Problem read = read_problem(problem)
    cdef Call call = begin_call()
    cdef int thread
    for thread in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        input_grad_units(
            grad, w, dx, &read,
            share(first, last, thread, threads), share(first, last, thread + 1, threads), &call,
        )
    finish(&call)


def bias_grad_parallel(
    const real[:, :, :, ::1] grad, real[::1] db, Py_ssize_t first, Py_ssize_t last, int threads,
):
    """Compute db[first:last]. Its sum has but one sensible order, so all loop orders share it."""
    cdef Call call = begin_call()
    cdef int thread
    for thread in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        bias_grad_units(
            grad, db, share(first, last, thread, threads), share(first, last, thread + 1, threads),
            &call,
        )
    finish(&call)
