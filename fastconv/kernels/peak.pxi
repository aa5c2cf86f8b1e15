# The most that one core can do: the ceilings that the benchmarks measure against.
#
# Multiply-adds: a few chains, a vector each, multiplied and added to themselves again and again:
# more chains than a multiply-add takes cycles times the units that do it, few enough to stay in
# registers.

cdef enum:
    PEAK_CHAINS = 12


cdef real run_multiply_adds(Py_ssize_t iterations, real factor, real term) noexcept nogil:
    cdef real values[PEAK_CHAINS * FLOATS]
    cdef real ends[PEAK_CHAINS * FLOATS]
    cdef int used = PEAK_CHAINS * (VECTOR_BYTES // <int>sizeof(real))
    cdef real total = 0
    cdef Py_ssize_t step
    cdef int i, last
    for i in range(used):
        values[i] = i
    for step in range(iterations):
        for i in range(used):
            values[i] = values[i] * factor + term
    # Clang makes vectors of what is stored side by side. Added up one by one, and as many as it
    # knows, it would take all of the chains for single values.
    for i in range(used):
        ends[i] = values[i]
    last = used if iterations > 0 else 0
    for i in range(last):
        total += ends[i]
    return total


def fma_peak(str dtype, Py_ssize_t iterations):
    """Do `iterations` rounds of independent multiply-adds, without the GIL; return their FLOPs."""
    cdef double total
    cdef Py_ssize_t lanes
    if dtype == "float32":
        with nogil:
            total = run_multiply_adds[float](iterations, 0.5, 1.0)
        lanes = VECTOR_BYTES // sizeof(float)
    elif dtype == "float64":
        with nogil:
            total = run_multiply_adds[double](iterations, 0.5, 1.0)
        lanes = VECTOR_BYTES // sizeof(double)
    else:
        raise ValueError(f"dtype must be 'float32' or 'float64', not {dtype!r}")
    if total != total:  # uses the result, so that the work cannot be optimised away
        raise ArithmeticError("the multiply-adds did not stay finite")
    return 2 * PEAK_CHAINS * lanes * iterations


# Bytes: one array copied onto another. Each round adds something else, so that none repeats the
# round before it and could be left out.
cdef void run_copies(
    float* target, const float* source, Py_ssize_t values, Py_ssize_t rounds
) noexcept nogil:
    cdef Py_ssize_t step, i
    cdef float term
    for step in range(rounds):
        term = <float>step
        for i in range(values):
            target[i] = source[i] + term


def copy_rounds(float[::1] target, const float[::1] source, Py_ssize_t rounds):
    """Copy `source` to `target` so many times, without the GIL; return the bytes read and written.

    Where the arrays are larger than a cache, the processor also reads what it is about to write;
    by the usual convention that is not counted.
    """
    cdef Py_ssize_t values = source.shape[0]
    if target.shape[0] != values:
        raise ValueError(f"target has {target.shape[0]} values, source {values}")
    if values:
        with nogil:
            run_copies(&target[0], &source[0], values, rounds)
    return 2 * values * sizeof(float) * rounds
