# Which weight a tap is. A forward pass reads the weights as they lie, all of them, or of a part of
# the image those that do not fall into the padding; the input gradient is a convolution of the
# output's gradient with the same weights seen from the other side,
#
#     forward           w [group][filter][channel][r][s]
#     input gradient    w [group][channel][filter][r][s], r and s backwards, every `stride`-th tap
#                       at most: those that one phase of the image's pixels sees
#
# where "filter" is always what is computed and "channel" what is summed over.


cdef struct Weights:
    bint plain              # a whole forward pass: a filter's taps follow each other
    Py_ssize_t first        # where the first tap of everything lies
    Py_ssize_t group        # from one to the next
    Py_ssize_t filter
    Py_ssize_t channel
    Py_ssize_t row
    Py_ssize_t column
    Py_ssize_t kernel_h     # taps of a channel
    Py_ssize_t kernel_w
    Py_ssize_t plane        # R·S, of which these taps are some
    Py_ssize_t end          # values of w


cdef Weights as_weights(numbers) except *:
    cdef Weights order
    order.plain = numbers is None
    if not order.plain:
        (
            order.first, order.group, order.filter, order.channel, order.row, order.column,
            order.kernel_h, order.kernel_w, order.plane, order.end,
        ) = numbers
    return order


cdef void gather_part(
    const real* w, const Weights* order, Py_ssize_t filter_stride, Py_ssize_t filters,
    Py_ssize_t lanes, real* panel, Py_ssize_t width,
) noexcept nogil:
    """Do panel[t·width + k] = w[tap t of filter k], of one channel; zeros from `filters` on."""
    cdef Py_ssize_t i, j, k
    for i in range(order.kernel_h):
        for j in range(order.kernel_w):
            for k in range(filters):
                panel[k] = w[k * filter_stride + i * order.row + j * order.column]
            for k in range(filters, lanes):
                panel[k] = 0
            panel = panel + width


cdef inline void gather_square(
    const real* w, const Weights* order, real* panel, Py_ssize_t width
) noexcept nogil:
    """Do the same for a vector's worth of filters.

    `w` is where the plane of the first filter begins, of which tap `order.first` is the first.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real square[FLOATS * FLOATS]
    cdef Py_ssize_t begin = 0
    cdef Py_ssize_t i, j, tap
    while begin < order.plane:
        if order.kernel_h * order.kernel_w == order.plane and order.column < 0:
            # all of them, from the last to the first
            transpose_square(
                w + begin, order.filter, vector, panel + (order.plane - 1 - begin) * width, -width,
                min(vector, order.plane - begin), IDENTITY,
            )
        else:
            transpose_square(w + begin, order.filter, vector, square, vector, vector, IDENTITY)
            for i in range(order.kernel_h):
                for j in range(order.kernel_w):
                    tap = order.first + i * order.row + j * order.column - begin
                    if 0 <= tap < vector:
                        copy_values(
                            vector, panel + (i * order.kernel_w + j) * width, square + tap * vector
                        )
        begin = begin + vector


# The taps of a part: whole planes in vectors, and what is needed of them moved together, is faster
# than picking it. Of so many taps at a time at the most, so that a part of a large kernel needs no
# scratch for all of it; of a plane that is larger, taps are picked one by one.
cdef enum:
    PART_TAPS = 1024


cdef inline Py_ssize_t part_channels(const Weights* order, Py_ssize_t channels) noexcept nogil:
    """Return of how many channels whole planes are packed at once, 0 if none are."""
    cdef Py_ssize_t most = PART_TAPS // order.plane
    if most >= FLOATS:  # no square of a vector by a vector is left incomplete
        most = most // FLOATS * FLOATS
    return min(channels, most)


cdef inline Py_ssize_t spare_taps(const Weights* order, Py_ssize_t channels) noexcept nogil:
    """Return how many taps a panel needs room for besides its own."""
    if order.plain or order.column < 0:
        return 0
    return part_channels(order, channels) * (order.plane - order.kernel_h * order.kernel_w)


cdef void pack_part(
    const real* w, const Weights* order, Py_ssize_t filters, Py_ssize_t channels, real* panel,
    Py_ssize_t width,
) noexcept nogil:
    """Pack the panel of a part; `w` is where the plane of the first filter and channel begins."""
    cdef Py_ssize_t taps = order.kernel_h * order.kernel_w
    cdef Py_ssize_t most = part_channels(order, channels)
    cdef Py_ssize_t c = 0
    cdef Py_ssize_t count
    while c < channels:
        if most == 0:
            count = 1
            gather_part(
                w + c * order.plane + order.first, order, order.filter, filters, width,
                panel + c * taps * width, width,
            )
        else:
            count = min(most, channels - c)
            pack_panel(
                w + c * order.plane, order.filter, filters, count * order.plane,
                panel + c * taps * width, width,
            )
            keep_taps(panel + c * taps * width, order, count, width)
        c = c + count


cdef void keep_taps(
    real* panel, const Weights* order, Py_ssize_t channels, Py_ssize_t width
) noexcept nogil:
    """Move the taps of a part together, in a panel that has all taps of its channels."""
    cdef real* target = panel
    cdef Py_ssize_t c, i, j
    for c in range(channels):
        for i in range(order.kernel_h):
            for j in range(order.kernel_w):
                copy_run(
                    target,
                    panel + (c * order.plane + order.first + i * order.row + j) * width, width,
                )
                target = target + width


cdef void pack_turned_panel(
    const real* w, Py_ssize_t start, const Weights* order, Py_ssize_t filters,
    Py_ssize_t channels, real* panel, Py_ssize_t width,
) noexcept nogil:
    """Pack a panel in any order but the plain one: `start` is its first filter's first plane.

    A plane is a filter's R·S taps of one channel; vectors of filters are turned over like a plain
    panel's. That reads whole vectors of taps, so the last planes of w are gathered one by one.
    """
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t taps = order.kernel_h * order.kernel_w
    cdef Py_ssize_t reach = (
        (vector - 1) * order.filter + (order.plane + vector - 1) // vector * vector
    )
    cdef Py_ssize_t c, k, here
    for c in range(channels):
        here = start + c * order.channel
        if order.plane == 1 and order.filter == 1 and filters == width:
            copy_run(panel, w + here, width)
            panel = panel + width
            continue
        k = 0
        while k < width:
            if k + vector <= filters and here + reach <= order.end:
                gather_square(w + here, order, panel + k, width)
            else:
                gather_part(
                    w + here + order.first, order, order.filter,
                    max(0, min(vector, filters - k)), min(vector, width - k), panel + k, width,
                )
            here = here + vector * order.filter
            k = k + vector
        panel = panel + taps * width
