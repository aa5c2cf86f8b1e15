# The matrix product with the filters in the lanes of the vectors.
#
#     y' [pixels x filters]  =  columns' [pixels x taps]  ·  panels [taps x filters]
#
# A pixel's tap is one number, broadcast: so the pixels of a tile may lie anywhere, and neither row
# ends nor image sizes leave lanes idle. The columns are never written: a number is found in the
# band, at the position of its pixel + the offset of its tap.
#
# Between two blocks of channels, and until the last one turns them over into the planes of y, the
# sums wait in the scratch, per panel as [vectors][pixels][vector].


cdef inline Py_ssize_t padded_pixels(Py_ssize_t pixels) noexcept nogil:
    """Return how many pixels the tiles of a unit reach at the most."""
    return pixels + PIXELS_1


cdef inline void multiply_tile(
    const bint begins, const bint adds, const int pixels, const int vectors, Py_ssize_t taps,
    const real* panel, const real* image, const Py_ssize_t* offsets, const Py_ssize_t* positions,
    real* sums, Py_ssize_t stride, const real* bias,
) noexcept nogil:
    if not adds and positions[pixels - 1] - positions[0] == pixels - 1:
        multiply_pixels(
            begins, False, True, pixels, vectors, taps, panel, image, offsets, positions, sums,
            stride, bias,
        )
    else:
        multiply_pixels(
            begins, adds, False, pixels, vectors, taps, panel, image, offsets, positions, sums,
            stride, bias,
        )


cdef inline void multiply_tiles(
    const bint begins, const bint adds, const int large, const int small, const int vectors,
    Py_ssize_t pixels, Py_ssize_t row, Py_ssize_t taps, const real* panel, const real* image,
    const Py_ssize_t* offsets, const Py_ssize_t* positions, real* sums, const real* bias,
) noexcept nogil:
    """Cover the pixels, rows of so many, with large tiles and small ones; the last may hang over.

    Small ones where that lets tiles end with the row: 28 pixels are 6 + 6 + 6 + 6 + 4.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t stride = padded_pixels(pixels) * vector
    cdef Py_ssize_t here = 0
    cdef Py_ssize_t left = row
    while here < pixels:
        if pixels - here > small and (
            adds or left < small or left == large or left >= large + small
        ):
            multiply_tile(
                begins, adds, large, vectors, taps, panel, image, offsets, positions + here,
                sums + here * vector, stride, bias,
            )
            here = here + large
            left = left - large
        else:
            multiply_tile(
                begins, adds, small, vectors, taps, panel, image, offsets, positions + here,
                sums + here * vector, stride, bias,
            )
            here = here + small
            left = left - small
        while left <= 0 and not adds:
            left = left + row


cdef inline void multiply_panel(
    const bint begins, const bint adds, Py_ssize_t vectors, Py_ssize_t pixels, Py_ssize_t row,
    Py_ssize_t taps, const real* panel, const real* image, const Py_ssize_t* offsets,
    const Py_ssize_t* positions, real* sums, const real* bias,
) noexcept nogil:
    """Multiply a panel, as wide as it is, with all pixels of a unit."""
    if PANEL_VECTORS >= 4 and vectors == 4:
        multiply_tiles(
            begins, adds, PIXELS_4, SMALL_PIXELS, 4, pixels, row, taps, panel, image, offsets,
            positions, sums, bias,
        )
    elif PANEL_VECTORS >= 3 and vectors == 3:
        multiply_tiles(
            begins, adds, PIXELS_3, SMALL_PIXELS, 3, pixels, row, taps, panel, image, offsets,
            positions, sums, bias,
        )
    elif vectors == 2:
        multiply_tiles(
            begins, adds, PIXELS_2, SMALL_PIXELS, 2, pixels, row, taps, panel, image, offsets,
            positions, sums, bias,
        )
    else:
        multiply_tiles(
            begins, adds, PIXELS_1, SMALL_PIXELS, 1, pixels, row, taps, panel, image, offsets,
            positions, sums, bias,
        )


cdef void finish_panel(
    const real* sums, Py_ssize_t filters, real* y, const Task* task, const Unit* unit,
    Py_ssize_t filter,
) noexcept nogil:
    """Turn the sums of a panel over, [pixels][vector] into [filters][pixels], f applied."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t plane = unit.target_filter
    cdef Py_ssize_t run = unit.rows * task.out_width  # pixels of one image, neighbours in y
    cdef Py_ssize_t v, n, p, rows
    cdef const real* source
    cdef real* target
    for v in range((filters + vector - 1) // vector):
        rows = min(vector, filters - v * vector)
        for n in range(unit.images):
            source = sums + (v * padded_pixels(unit.images * run) + n * run) * vector
            target = y + output_index(unit, n, filter + v * vector)
            p = 0
            while p + vector <= run:
                transpose_square(
                    source + p * vector, vector, vector, target + p, plane, rows, task.activation
                )
                p = p + vector
            transpose_part(
                source + p * vector, vector, target + p, plane, run - p, rows, task.activation
            )


cdef void multiply_filter_lanes(
    const real* w, const real* panels, const real* bias, real* y, const Task* task,
    const Unit* unit, const real* image, const Py_ssize_t* offsets, const Py_ssize_t* positions,
    real* sums, real* panel_scratch, Watch* watch,
) noexcept nogil:
    """Add a block of channels to a unit of the result."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t pixels = unit.images * unit.rows * task.out_width
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t width, filters, i
    cdef real lane_bias[PANEL_VECTORS * FLOATS]
    cdef const real* panel
    while k < unit.last_filter:
        width = panel_width(unit.last_filter - k, vector, False)
        filters = min(width, unit.last_filter - k)
        if not goes_on(watch, pixels * width * unit.channels * task.taps):
            return
        for i in range(width):
            lane_bias[i] = 0
        if bias != NULL:
            for i in range(filters):
                lane_bias[i] = bias[unit.group * task.filters + k + i]
        panel = find_panel(w, panels, panel_scratch, task, unit, k, filters, width)
        if unit.begins:
            multiply_panel(
                True, False, width // vector, pixels, task.out_width,
                unit.channels * task.taps, panel, image, offsets, positions, sums, lane_bias,
            )
        else:
            multiply_panel(
                False, False, width // vector, pixels, task.out_width,
                unit.channels * task.taps, panel, image, offsets, positions, sums, lane_bias,
            )
        if unit.ends:
            finish_panel(sums, filters, y, task, unit, k)
        sums = sums + width * padded_pixels(pixels)
        k = k + width
