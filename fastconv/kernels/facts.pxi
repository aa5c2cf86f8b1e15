# The two element types, and what follows from the facts of an instruction set. Its shell in isa/
# states these: VECTOR_BYTES, and REGISTERS, how many vectors there is room for.

ctypedef fused real:
    float
    double

# Sizes of tiles are macros, in the file of the kernel that they are for: a plain Cython enum could
# not choose by a condition.
cdef extern from *:
    """
    /* Values of a vector at most; a vector of `real` has VECTOR_BYTES / sizeof(real). */
    #define FLOATS (VECTOR_BYTES / 4)
    /* Sums that a tile keeps in registers, at the most; the others are for what it loads. */
    #define MOST_TILE_VALUES ((REGISTERS - 4) * FLOATS)
    """
    enum: FLOATS
    enum: MOST_TILE_VALUES

# Bytes of a cache line, and its values; of float64, two lines.
cdef enum:
    LINE_BYTES = 64
    LINE_VALUES = 16


cdef inline Py_ssize_t whole_lines(Py_ssize_t values) noexcept nogil:
    """Return at least so many values, so that what follows begins at a cache line."""
    return (values + LINE_VALUES - 1) // LINE_VALUES * LINE_VALUES


cdef inline Py_ssize_t ceil_div(Py_ssize_t total, Py_ssize_t part) noexcept nogil:
    return (total + part - 1) // part


def vector_values(Py_ssize_t itemsize):
    """Return how many values a vector has."""
    return VECTOR_BYTES // itemsize
