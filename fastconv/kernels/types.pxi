# What every kernel body speaks of: the element type and the window's geometry.

ctypedef fused real:
    float
    double

# Values of a vector at most; a vector of `real` has VECTOR_BYTES // sizeof(real).
cdef enum:
    FLOATS = VECTOR_BYTES // 4

# Values of a cache line; of float64, two lines.
cdef enum:
    LINE_VALUES = 16


cdef inline Py_ssize_t whole_lines(Py_ssize_t values) noexcept nogil:
    """Return at least so many values, so that what follows begins at a cache line."""
    return (values + LINE_VALUES - 1) // LINE_VALUES * LINE_VALUES


# How output positions map to image positions, for either axis:
#
#     row = i·stride_h + r·dilation_h - top         col = j·stride_w + s·dilation_w - left
#
# Every extent besides is the shape of an array.
cdef struct Window:
    Py_ssize_t stride_h
    Py_ssize_t stride_w
    Py_ssize_t dilation_h
    Py_ssize_t dilation_w
    Py_ssize_t top
    Py_ssize_t left


cdef Window as_window(tuple numbers) except *:
    cdef Window win
    (win.stride_h, win.stride_w, win.dilation_h, win.dilation_w, win.top, win.left) = numbers
    return win
