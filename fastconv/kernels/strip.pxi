# A strip of columns of the image, read where it lies: what a row of taps sees of a row of pixels.
#
#     stride 1     taken[s][n] = row[n + s]        a load for each tap
#     stride 2     taken[s][n] = row[2·n + s]      two loads, dealt out, for two taps
#
# Zero padding is a selection. Lanes outside [low, high) take a zero in place of what was loaded,
# which belongs to the row before or after; a row outside the image is a row of zeros. So a plane
# needs no copy with a border. Only those at the very ends of the tensor, which loads would leave,
# are copied as they are, with room around:
#
#     row -1      0 0 0 0 0 0 0 0
#     row  0      . a b c d e f .         . = the neighbouring row's f or a, not taken
#     row  1      . a b c d e f .
#
# Two vectors of a strip may overlap: the second lies `second` lanes after the first.
#
# The processor reads ahead in the order of memory, and a strip goes across it: of an image that
# lies far away each row would be waited for, at its beginning and again in the next strip. There
# all rows of a unit are brought near first, line by line, and those of the result, by zeros that
# are written where sums will be.

# No strip reads more values of a row than these, and so reaches no further into the neighbouring
# ones: two vectors at stride 2, and a kernel's columns. Room for all taps of a kernel, too.
cdef enum:
    STRIP_VALUES = 4 * FLOATS + 64


cdef inline void take_row(
    const bint edges, const int stride, const int vectors, const int kernel, const real* row,
    Py_ssize_t second, const real* low, const real* high, real* taken,
) noexcept nogil:
    """Load taken[s][v][n], tap s of lane n of vector v, of the pixels from `row` on.

    With `edges`, lanes outside [low[s][v], high[s][v]) become zero.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real again[FLOATS]
    cdef const real* pixels
    cdef real begin, end, value
    cdef bint inside
    cdef int s, v, n
    for v in range(vectors):
        pixels = row + v * second * stride
        if stride == 1:
            for s in range(kernel):
                for n in range(vector):
                    taken[(s * vectors + v) * vector + n] = pixels[n + s]
        else:
            for s in range(0, kernel - 1, 2):
                for n in range(vector):
                    taken[(s * vectors + v) * vector + n] = pixels[2 * n + s]
                    taken[((s + 1) * vectors + v) * vector + n] = pixels[2 * n + s + 1]
            # The last tap has no partner behind it that could be read; with the one before it, it
            # is dealt out once more. Every second lane of that one is taken from here, so that both
            # are used, without which the compiler would take the last tap number by number.
            s = kernel - 2
            for n in range(vector):
                again[n] = pixels[2 * n + s]
                taken[((s + 1) * vectors + v) * vector + n] = pixels[2 * n + s + 1]
            for n in range(vector):
                value = taken[(s * vectors + v) * vector + n]
                taken[(s * vectors + v) * vector + n] = again[n] if n % 2 else value
    if edges:
        for s in range(kernel * vectors):
            begin, end = low[s], high[s]
            for n in range(vector):
                value = taken[s * vector + n]
                inside = (begin <= n) & (n < end)
                taken[s * vector + n] = value if inside else 0


cdef inline void find_edges(
    const int stride, const int vectors, const int kernel, Py_ssize_t column, Py_ssize_t width,
    Py_ssize_t second, Py_ssize_t lanes, real* low, real* high,
) noexcept nogil:
    """Fill in the bounds for `take_row`, of a strip whose lane 0 has its tap 0 at `column`.

    Lanes from `lanes` on are left out as well.
    """
    cdef int s, v
    cdef Py_ssize_t here
    for s in range(kernel):
        for v in range(vectors):
            here = column + s + v * second * stride
            low[s * vectors + v] = first_inside(here, stride)
            high[s * vectors + v] = last_inside(here, stride, width, lanes - v * second)


cdef inline bint is_inside(
    const int stride, const int kernel, Py_ssize_t column, Py_ssize_t width, Py_ssize_t lanes
) noexcept nogil:
    """Whether all that a strip of whole vectors reads is in the image's row."""
    return column >= 0 and column + (lanes - 1) * stride + kernel <= width


cdef inline const real* find_row(
    const real* image, Py_ssize_t height, Py_ssize_t width, Py_ssize_t row, Py_ssize_t column,
    const real* zeros,
) noexcept nogil:
    """Return where a row of the strip begins, or zeros if it is outside."""
    if 0 <= row < height:
        return image + row * width + column
    return zeros


# Rows of a plane that strips read, and how far they are from its ends.
cdef struct Rows:
    Py_ssize_t height       # of the plane
    Py_ssize_t width
    Py_ssize_t first
    Py_ssize_t last


cdef inline Rows rows_read(
    Py_ssize_t height, Py_ssize_t width, Py_ssize_t row, Py_ssize_t count
) noexcept nogil:
    """Return those of so many rows from `row` on that there are."""
    cdef Rows rows
    rows.height, rows.width = height, width
    rows.first = max(0, min(row, height))
    rows.last = max(rows.first, min(height, row + count))
    return rows


cdef inline const real* secure_rows(
    const real* tensor, Py_ssize_t plane, Py_ssize_t planes, const Rows* rows, real* copied
) noexcept nogil:
    """Return a plane of a tensor, or a copy of the rows if strips could leave the tensor.

    The copy takes `secured_values`.
    """
    cdef Py_ssize_t size = rows.height * rows.width
    cdef Py_ssize_t first = rows.first * rows.width
    cdef Py_ssize_t last = rows.last * rows.width
    tensor = tensor + plane * size
    if (
        plane * size + first >= STRIP_VALUES and (planes - plane) * size - last >= STRIP_VALUES
    ):
        return tensor
    copied = copied + STRIP_VALUES
    copy_row(copied, tensor + first, 1, last - first)
    return copied - first


cdef inline Py_ssize_t secured_values(Py_ssize_t rows, Py_ssize_t width) noexcept nogil:
    """Return what a copy of rows takes, with room for strips to either side."""
    return STRIP_VALUES + rows * width + STRIP_VALUES


cdef inline Py_ssize_t slide_rows(const Axis* axis, Py_ssize_t rows) noexcept nogil:
    """Return how many rows of the image so many output rows see at the most, undilated."""
    return min(axis.size, (rows - 1) * axis.stride + axis.kernel)


cdef inline void bring_near(
    const real* tensor, Py_ssize_t plane, const Rows* rows, real* touched
) noexcept nogil:
    """Read a value of each cache line of the rows of a plane, in order.

    They are left where a copy of the rows has room, so that the compiler lets the reading be.
    """
    cdef Py_ssize_t line = LINE_BYTES // <Py_ssize_t>sizeof(real)
    cdef Py_ssize_t count = (rows.last - rows.first) * rows.width
    cdef Py_ssize_t j
    tensor = tensor + (plane * rows.height + rows.first) * rows.width
    for j in range(count // line):
        touched[j] = tensor[j * line]
