# Whether zero padding may have spoilt a result (mending.py): 0·y is NaN where y is not finite.


cdef bint has_doubt(const real* values, Py_ssize_t n) noexcept nogil:
    """Whether one of the values is not finite: y - y is 0 or NaN, and a sum keeps that."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real check[4 * FLOATS]
    cdef real doubt = 0
    cdef Py_ssize_t i = 0
    cdef int lane
    for lane in range(4 * vector):
        check[lane] = 0
    while i + 4 * vector <= n:
        for lane in range(4 * vector):
            check[lane] += values[i + lane] - values[i + lane]
        i = i + 4 * vector
    for lane in range(4 * vector):
        doubt += check[lane]
    while i < n:
        doubt += values[i] - values[i]
        i = i + 1
    return doubt != 0


cdef bint has_nan(const real* values, Py_ssize_t n) noexcept nogil:
    cdef bint found = False
    cdef Py_ssize_t i
    for i in range(n):
        found = found or values[i] != values[i]
    return found


cdef bint has_nan_at_edges(
    const real* plane, Py_ssize_t planes, Py_ssize_t height, Py_ssize_t width, Py_ssize_t top,
    Py_ssize_t bottom, Py_ssize_t left, Py_ssize_t right,
) noexcept nogil:
    """Whether there is a NaN outside of rows [top, bottom) and columns [left, right)."""
    cdef Py_ssize_t inside = (bottom - top) * (right - left)
    cdef bint found = False
    cdef Py_ssize_t n, i
    # whole vectors of everything, rather than single values of a quarter of it
    if 4 * inside < 3 * height * width and not has_doubt(plane, planes * height * width):
        return False
    for n in range(planes):
        if has_doubt(plane, top * width):
            found = found or has_nan(plane, top * width)
        if has_doubt(plane + bottom * width, (height - bottom) * width):
            found = found or has_nan(plane + bottom * width, (height - bottom) * width)
        for i in range(top, bottom):
            found = found or has_nan(plane + i * width, left)
            found = found or has_nan(plane + i * width + right, width - right)
        if found:
            return True
        plane = plane + height * width
    return False


cdef Py_ssize_t values_of(object array, bint is_double) except -1:
    """Return how many values a C-contiguous array has."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    PyBuffer_Release(&view)
    return view.len // (sizeof(double) if is_double else sizeof(float))


cdef bint are_finite(const void* values, Py_ssize_t n, bint is_double) noexcept:
    cdef bint doubt
    with nogil:
        if is_double:
            doubt = has_doubt(<const double*>values, n)
        else:
            doubt = has_doubt(<const float*>values, n)
    return not doubt


def is_finite(array, Py_ssize_t itemsize):
    """Return whether all values of an array are finite."""
    cdef bint is_double = itemsize == sizeof(double)
    return are_finite(address_of(array), values_of(array, is_double), is_double)


def border_has_nan(
    array, Py_ssize_t itemsize, Py_ssize_t planes, Py_ssize_t height, Py_ssize_t width,
    Py_ssize_t top, Py_ssize_t bottom, Py_ssize_t left, Py_ssize_t right,
):
    """Return whether a value of its planes is NaN outside of rows [top, bottom), columns alike."""
    cdef const void* values = address_of(array)
    cdef bint found
    with nogil:
        if itemsize == sizeof(double):
            found = has_nan_at_edges(
                <const double*>values, planes, height, width, top, bottom, left, right
            )
        else:
            found = has_nan_at_edges(
                <const float*>values, planes, height, width, top, bottom, left, right
            )
    return found
