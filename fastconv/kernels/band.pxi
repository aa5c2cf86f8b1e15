# A band of the image: the rows that a few output rows read, copied once into a form in which zero
# padding and stride are gone, and every tap is a single offset.
#
#     zero padding   is written out as zeros
#     stride S       the pixels are dealt out to phases, as cards to S players: tap r of all output
#                    rows lies in phase (r·D) mod S, there in consecutive rows
#     rows           follow each other, `width` apart, so that output pixel (i, j) is position
#                    i·width + j and a tile of pixels may run on from row to row; the positions
#                    between OW and width are computed and thrown away
#
#     image, stride 2         phase (0,0)  phase (0,1)  phase (1,0)  phase (1,1)
#       a b c d e                a c e        b d          f h j        g i
#       f g h i j                k m o        l n          p r t        q s
#       k l m n o
#       p q r s t


cdef struct Band:
    Py_ssize_t rows         # output rows
    Py_ssize_t channels     # of one block
    Py_ssize_t phases_h     # phases that some tap lies in
    Py_ssize_t phases_w
    Py_ssize_t height       # of one phase
    Py_ssize_t columns      # that some tap reads
    Py_ssize_t width        # from row to row: the columns, and what makes whole vectors
    Py_ssize_t shift        # values before position 0, so that the image begins at a whole vector
    Py_ssize_t channel      # values of one channel: all its phases


cdef Py_ssize_t count_phases(
    Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation
) noexcept nogil:
    """Return how many residues r·dilation mod stride takes for r < taps.

    They repeat after stride / gcd(stride, dilation) taps, so tap r lies in phase r mod that.
    """
    cdef Py_ssize_t period = 1
    while period < taps and period * dilation % stride != 0:
        period += 1
    return period


cdef Band plan_band(
    const Window* win, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t out_width,
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t vector,
) noexcept nogil:
    """Lay out the scratch of a band of `rows` output rows and so many channels.

    With a `vector` above 1 rows are whole vectors and the image's pixels begin at one: twice as
    fast to write, and more to store.
    """
    cdef Band band
    band.rows = rows
    band.channels = channels
    band.phases_h = count_phases(kernel_h, win.stride_h, win.dilation_h)
    band.phases_w = count_phases(kernel_w, win.stride_w, win.dilation_w)
    band.height = rows + (kernel_h - 1) * win.dilation_h // win.stride_h
    band.columns = out_width + (kernel_w - 1) * win.dilation_w // win.stride_w
    band.width = band.columns
    band.shift = 0
    if vector > 1:
        # where copy_phase finds the first pixel of the image, in the phase of tap 0
        band.shift = first_inside(-win.left, win.stride_w) % vector
        band.shift = (vector - band.shift) % vector
        band.width = (band.shift + band.columns + vector - 1) // vector * vector
    band.channel = band.phases_h * band.phases_w * band.height * band.width
    return band


cdef void find_offsets(
    Py_ssize_t* offsets, const Band* band, const Window* win, Py_ssize_t kernel_h,
    Py_ssize_t kernel_w,
) noexcept nogil:
    """Fill in, for each tap (c, r, s) of a block of channels, where its pixels begin."""
    cdef Py_ssize_t c, r, s, phase, row, col
    cdef Py_ssize_t t = 0
    for c in range(band.channels):
        for r in range(kernel_h):
            for s in range(kernel_w):
                phase = r % band.phases_h * band.phases_w + s % band.phases_w
                row = r * win.dilation_h // win.stride_h
                col = s * win.dilation_w // win.stride_w
                offsets[t] = (
                    c * band.channel + (phase * band.height + row) * band.width + col
                )
                t += 1


cdef inline void zero(real* target, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        target[j] = 0


cdef inline void copy_phase(
    real* target, const real* image, Py_ssize_t height, Py_ssize_t width, const Band* band,
    Py_ssize_t rows, Py_ssize_t row, Py_ssize_t row_stride, Py_ssize_t col, Py_ssize_t col_stride,
) noexcept nogil:
    """Copy so many rows of one phase: from `row` and `col` on, zeros where they are outside."""
    cdef Py_ssize_t columns = band.columns
    cdef Py_ssize_t first = min(first_inside(col, col_stride), columns)
    cdef Py_ssize_t last = max(first, last_inside(col, col_stride, width, columns))
    cdef Py_ssize_t i, j
    cdef const real* source
    for i in range(rows):
        if 0 <= row < height:
            source = image + row * width + col
            zero(target, first)
            if col_stride == 1:
                copy_run(target + first, source + first, last - first)
            else:
                for j in range(first, last):
                    target[j] = source[j * col_stride]
            zero(target + last, columns - last)
        else:
            zero(target, columns)
        row = row + row_stride
        target = target + band.width


cdef inline void copy_two_phases(
    real* target, const real* image, Py_ssize_t height, Py_ssize_t width, const Band* band,
    Py_ssize_t rows, Py_ssize_t row, Py_ssize_t row_stride, Py_ssize_t col,
) noexcept nogil:
    """Copy both phases of stride 2: what lies between the pixels of one is the other."""
    cdef Py_ssize_t columns = band.columns
    cdef Py_ssize_t first = min(columns, (1 - col) // 2)
    cdef Py_ssize_t last = max(first, min(columns, (width - col) // 2))
    cdef Py_ssize_t i, j
    cdef const real* source
    cdef real* second = target + band.height * band.width
    for i in range(rows):
        if 0 <= row < height:
            source = image + row * width + col
            for j in range(first):
                target[j] = source[2 * j] if 0 <= 2 * j + col < width else 0
                second[j] = source[2 * j + 1] if 0 <= 2 * j + 1 + col < width else 0
            deal_run(target + first, second + first, source + 2 * first, last - first)
            for j in range(last, columns):
                target[j] = source[2 * j] if 0 <= 2 * j + col < width else 0
                second[j] = source[2 * j + 1] if 0 <= 2 * j + 1 + col < width else 0
        else:
            zero(target, columns)
            zero(second, columns)
        row = row + row_stride
        target = target + band.width
        second = second + band.width


cdef inline void copy_rows(
    real* target, const real* image, Py_ssize_t height, Py_ssize_t width, const Band* band,
    const Window* win, Py_ssize_t rows, Py_ssize_t row,
) noexcept nogil:
    """Copy so many rows of all phases of the columns; `row` is the first one in the image."""
    cdef Py_ssize_t phase
    if win.stride_w == 2 and band.phases_w == 2 and win.dilation_w == 1:
        copy_two_phases(
            target, image, height, width, band, rows, row, win.stride_h, -win.left
        )
        return
    for phase in range(band.phases_w):
        copy_phase(
            target + phase * band.height * band.width, image, height, width, band, rows, row,
            win.stride_h, phase * win.dilation_w % win.stride_w - win.left, win.stride_w,
        )


cdef void copy_band(
    real* target, const real* image, Py_ssize_t height, Py_ssize_t width, const Band* band,
    const Window* win, Py_ssize_t first_row,
) noexcept nogil:
    """Copy the band of one channel that output rows from `first_row` on read."""
    cdef Py_ssize_t row = first_row * win.stride_h - win.top
    cdef Py_ssize_t i, phase
    target = target + band.shift
    if band.phases_h == 1:
        copy_rows(target, image, height, width, band, win, band.height, row)
        return
    # Row by row of the image, in the order of memory, which is what the processor reads ahead in.
    for i in range(band.height):
        for phase in range(band.phases_h):
            copy_rows(
                target + (phase * band.phases_w * band.height + i) * band.width, image, height,
                width, band, win, 1,
                row + i * win.stride_h + phase * win.dilation_h % win.stride_h,
            )


def band_values(
    tuple window, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t out_width, Py_ssize_t rows,
    Py_ssize_t vector
):
    """Return how many values the band of one channel takes; `vector` is that of `plan_band`."""
    cdef Window win = as_window(window)
    return plan_band(&win, kernel_h, kernel_w, out_width, rows, 1, vector).channel
