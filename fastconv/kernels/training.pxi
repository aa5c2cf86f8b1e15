# What a training step does value by value: a gradient through a rectifier, and a step of descent.
# Each reads what it needs once, where NumPy would go through memory for every operation.

cdef enum:
    RECTIFIED_AT_ONCE = 1024    # values that are added up while they are near
    DESCENDED_AT_ONCE = 65536   # and that are moved before work is counted


cdef inline void rectify_row(
    real* target, const real* grad, const real* y, Py_ssize_t n
) noexcept nogil:
    """Do target[j] = 0 where y[j] <= 0, else grad[j]: where y is NaN it passes."""
    cdef Py_ssize_t j
    for j in range(n):
        target[j] = 0 if y[j] <= 0 else grad[j]


cdef void rectify_units(
    const real* grad, const real* y, real* target, real* db, Py_ssize_t images,
    Py_ssize_t channels, Py_ssize_t pixels, Py_ssize_t first, Py_ssize_t last, Call* call,
) noexcept nogil:
    """Fill some channels of the target, and where there is a db their sums, added up in double."""
    cdef Watch watch = watch_of(call)
    cdef Py_ssize_t k, n, j, begin, count
    cdef double total
    for k in range(first, last):
        total = 0
        for n in range(images):
            begin = (n * channels + k) * pixels
            j = 0
            while j < pixels:
                count = min(RECTIFIED_AT_ONCE, pixels - j)
                if not goes_on(&watch, count):
                    return
                rectify_row(target + begin + j, grad + begin + j, y + begin + j, count)
                if db != NULL:
                    total = total + sum_row(target + begin + j, count)
                j = j + count
        if db != NULL:
            db[k] = <real>total


def rectify(
    grad, y, target, db, Py_ssize_t images, Py_ssize_t channels, Py_ssize_t pixels,
    Py_ssize_t itemsize, int threads,
):
    """Fill the target with the gradient before a rectifier, db (or None) with its channels' sums.

    grad, y and the target are (images, channels, pixels). Threads take channels.
    """
    cdef const void* gradient = address_of(grad)
    cdef const void* output = address_of(y)
    cdef void* result = writable_address_of(target)
    cdef void* sums = NULL if db is None else writable_address_of(db)
    cdef Call call = begin_call()
    cdef bint is_double = itemsize == sizeof(double)
    cdef int thread
    for thread in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        if is_double:
            rectify_units(
                <const double*>gradient, <const double*>output, <double*>result, <double*>sums,
                images, channels, pixels, share(0, channels, thread, threads),
                share(0, channels, thread + 1, threads), &call,
            )
        else:
            rectify_units(
                <const float*>gradient, <const float*>output, <float*>result, <float*>sums,
                images, channels, pixels, share(0, channels, thread, threads),
                share(0, channels, thread + 1, threads), &call,
            )
    finish(&call)


cdef void descend_values(
    const real* w, const real* grad, real* velocity, bint is_moving, real* target, real rate,
    real momentum, real decay, Py_ssize_t first, Py_ssize_t last,
) noexcept nogil:
    """Do V = momentum·V + grad + decay·W and target = W - rate·V, of some values.

    Without a velocity nothing is kept of V; unless it is moving it is only written.
    """
    cdef Py_ssize_t i
    cdef real v
    for i in range(first, last):
        v = grad[i]
        if decay != 0:  # of an infinite weight it would leave NaN
            v = v + decay * w[i]
        if velocity != NULL:
            if is_moving:
                v = v + momentum * velocity[i]
            velocity[i] = v
        target[i] = w[i] - rate * v


cdef void descend_slices(
    const real* w, const real* grad, real* velocity, bint is_moving, real* target, real rate,
    real momentum, real decay, Py_ssize_t first, Py_ssize_t last, Call* call,
) noexcept nogil:
    """Do the same slice by slice: of a large parameter that takes seconds."""
    cdef Watch watch = watch_of(call)
    cdef Py_ssize_t end
    while first < last:
        end = min(last, first + DESCENDED_AT_ONCE)
        if not goes_on(&watch, 3 * (end - first)):
            return
        descend_values(w, grad, velocity, is_moving, target, rate, momentum, decay, first, end)
        first = end


def descend(
    w, grad, velocity, bint is_moving, target, double rate, double momentum, double decay,
    Py_ssize_t values, Py_ssize_t itemsize, int threads,
):
    """Fill the target with weights a step further, and the velocity, or None, with its next.

    After Ctrl-C some of their values are those of the next step, and others are not.
    """
    cdef const void* weights = address_of(w)
    cdef const void* gradient = address_of(grad)
    cdef void* moving = NULL if velocity is None else writable_address_of(velocity)
    cdef void* result = writable_address_of(target)
    cdef Call call = begin_call()
    cdef bint is_double = itemsize == sizeof(double)
    cdef int thread
    for thread in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        if is_double:
            descend_slices(
                <const double*>weights, <const double*>gradient, <double*>moving, is_moving,
                <double*>result, rate, momentum, decay, share(0, values, thread, threads),
                share(0, values, thread + 1, threads), &call,
            )
        else:
            descend_slices(
                <const float*>weights, <const float*>gradient, <float*>moving, is_moving,
                <float*>result, <float>rate, <float>momentum, <float>decay,
                share(0, values, thread, threads), share(0, values, thread + 1, threads), &call,
            )
    finish(&call)
