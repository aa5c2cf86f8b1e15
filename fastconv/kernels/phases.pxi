# Rows of the image that some rows of the output see, copied so that what a tap meets is a run of
# vectors: zero padding written out, and at stride 2 every other pixel apart, in two phases:
#
#     image             a b c d e f g h         outputs     i j k l
#
#     stride 1        0 a b c d e f g h 0       taps 0, 1, 2 from 0, a, b on
#     stride 2        0 b d f h                 taps 0 and 2 from 0 and b on,
#                     a c e g                   tap 1 from a on
#
# A row lies ROW_SPACE values behind the one before it, however long it is: so all taps are at
# distances known to the compiler. Rows longer than ROW_VECTORS are cut. They are copied in the
# order of memory, in which the processor reads ahead.

# Of the output, at a time. Behind them is room for what taps are apart, and for the shift below.
cdef enum:
    ROW_VECTORS = 16
    ROW_SPACE_VECTORS = 20


# How a row of the image is copied for some lanes of the output: so many pixels from `source` on,
# the first of them to target[0], at stride 2 the second to target[1]. Beside them are zeros, to
# before `head` and from `tail` to before `end`: whole vectors, of which pixels take back what is
# theirs.
cdef struct Across:
    Py_ssize_t source
    Py_ssize_t pixels
    Py_ssize_t target[2]
    Py_ssize_t head
    Py_ssize_t tail
    Py_ssize_t end


cdef inline Py_ssize_t row_shift(
    const int stride, const int kernel, const int phase, const int vector
) noexcept nogil:
    """Return where the columns of a phase begin in its row.

    With the usual padding, by half of the kernel, the image's own begin at a whole vector.
    """
    cdef int first = (kernel // 2 - phase + stride - 1) // stride   # of these columns
    if kernel // 2 <= phase:
        first = 0
    return (vector - first % vector) % vector


cdef inline Across find_across(
    const int stride, const int kernel, const int vector, const Axis* across, Py_ssize_t first,
    Py_ssize_t lanes,
) noexcept nogil:
    """Return how rows are copied for the lanes from output `first` on."""
    cdef Py_ssize_t column = first * stride - across.before     # of lane 0 at tap 0
    cdef Py_ssize_t columns = lanes + (kernel - 1) // stride    # of each phase
    cdef Across found
    cdef Py_ssize_t begin, last
    cdef int n, phase
    found.source = max(0, column)
    found.pixels = max(0, min(across.size, column + columns * stride) - found.source)
    found.head, found.tail, found.end = 0, ROW_SPACE_VECTORS * vector, 0
    for n in range(stride):
        phase = (found.source + n - column) % stride
        begin = row_shift(stride, kernel, phase, vector)
        last = begin + columns
        found.end = max(found.end, last)
        begin = min(last, begin + (found.source + n - column) // stride)
        last = min(last, begin + (found.pixels - n + stride - 1) // stride)
        found.target[n] = phase * ROW_SPACE_VECTORS * vector + begin
        found.head = max(found.head, begin)
        found.tail = min(found.tail, last)
    found.head = (found.head + vector - 1) // vector * vector
    found.tail = found.tail // vector * vector
    found.end = (found.end + vector - 1) // vector * vector
    return found


cdef inline void zero_vectors(real* row, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Write zeros into whole vectors."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int n
    while begin < end:
        for n in range(vector):
            row[begin + n] = 0
        begin = begin + vector


cdef inline Py_ssize_t phase_values(
    Py_ssize_t rows, Py_ssize_t stride, Py_ssize_t vector
) noexcept nogil:
    """Return what a copy of so many rows of the image takes."""
    return rows * stride * ROW_SPACE_VECTORS * vector


cdef inline Py_ssize_t tap_place(
    const int stride, const int kernel, const int row, const int column, const int vector
) noexcept nogil:
    """Return where in a copy the first output of its first row meets a tap."""
    cdef int phase = column % stride
    return (
        (row * stride + phase) * ROW_SPACE_VECTORS * vector
        + row_shift(stride, kernel, phase, vector) + column // stride
    )


# Rows of the image that are copied: so many from `first` on, of which [begin, end) are inside.
cdef struct RowsSeen:
    Py_ssize_t first
    Py_ssize_t rows
    Py_ssize_t begin
    Py_ssize_t end


cdef inline RowsSeen find_rows_seen(
    const Axis* axis, Py_ssize_t output, Py_ssize_t outputs
) noexcept nogil:
    """Return those that so many rows of the output see, from row `output` on."""
    cdef RowsSeen down
    down.first = output * axis.stride - axis.before
    down.rows = (outputs - 1) * axis.stride + axis.kernel
    down.begin = min(down.rows, max(0, -down.first))
    down.end = max(down.begin, min(down.rows, axis.size - down.first))
    return down


cdef inline void clear_around(
    const int stride, const Across* across, const RowsSeen* down, real* target
) noexcept nogil:
    """Write zeros where no pixels are copied: beside them, and as rows outside the image."""
    cdef Py_ssize_t space = ROW_SPACE_VECTORS * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t head = across.head
    cdef Py_ssize_t tail = across.tail
    cdef Py_ssize_t end = across.end
    cdef Py_ssize_t i
    for i in range(down.begin * stride):
        zero_vectors(target + i * space, 0, end)
    for i in range(down.begin * stride, down.end * stride):
        zero_vectors(target + i * space, 0, head)
        zero_vectors(target + i * space, tail, end)
    for i in range(down.end * stride, down.rows * stride):
        zero_vectors(target + i * space, 0, end)


cdef inline void copy_image_rows(
    const int stride, const Across* across, const RowsSeen* down, const real* image,
    Py_ssize_t width, real* target,
) noexcept nogil:
    """Copy the pixels of the rows inside the image, whose rows are `width` apart."""
    cdef Py_ssize_t space = ROW_SPACE_VECTORS * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t pixels = across.pixels
    cdef Py_ssize_t i
    image = image + (down.first + down.begin) * width + across.source
    target = target + down.begin * stride * space
    for i in range(down.end - down.begin):
        if stride == 1:
            copy_run(target + across.target[0], image, pixels)
        else:
            deal_run(
                target + across.target[0], target + across.target[1], image, pixels // 2
            )
            if pixels % 2:
                target[across.target[0] + pixels // 2] = image[pixels - 1]
        image = image + width
        target = target + stride * space
