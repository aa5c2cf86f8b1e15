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


cdef inline void copy_columns(
    real* target, const real* image, Py_ssize_t height, Py_ssize_t width, const Band* band,
    Py_ssize_t rows, Py_ssize_t row, Py_ssize_t row_stride, Py_ssize_t col, Py_ssize_t col_stride,
    Py_ssize_t first, Py_ssize_t last,
) noexcept nogil:
    """Copy the columns [first, last) of a phase, which begins at `row` and `col` of the image.

    A column at a time, for the few that are padding or left over beside whole runs.
    """
    cdef Py_ssize_t i, j, here
    for j in range(first, last):
        if 0 <= j * col_stride + col < width:
            for i in range(rows):
                here = row + i * row_stride
                target[i * band.width + j] = (
                    image[here * width + j * col_stride + col] if 0 <= here < height else 0
                )
        else:
            for i in range(rows):
                target[i * band.width + j] = 0


cdef inline void copy_phase(
    real* target, const real* image, Py_ssize_t height, Py_ssize_t width, const Band* band,
    Py_ssize_t row, Py_ssize_t row_stride, Py_ssize_t col, Py_ssize_t col_stride,
) noexcept nogil:
    """Copy one phase: from `row` and `col` of the image on, zeros where they are outside."""
    cdef Py_ssize_t rows = band.height
    cdef Py_ssize_t columns = band.columns
    cdef Py_ssize_t first = min(first_inside(col, col_stride), columns)
    cdef Py_ssize_t last = max(first, last_inside(col, col_stride, width, columns))
    cdef Py_ssize_t i, j
    cdef const real* source
    copy_columns(
        target, image, height, width, band, rows, row, row_stride, col, col_stride, 0, first
    )
    copy_columns(
        target, image, height, width, band, rows, row, row_stride, col, col_stride, last, columns
    )
    target = target + first
    for i in range(rows):
        if 0 <= row < height:
            source = image + row * width + first * col_stride + col
            if col_stride == 1:
                copy_run(target, source, last - first)
            else:
                for j in range(last - first):
                    target[j] = source[j * col_stride]
        else:
            zero(target, last - first)
        row = row + row_stride
        target = target + band.width


cdef inline void copy_pairs(
    real* target, const real* image, Py_ssize_t height, Py_ssize_t width, const Band* band,
    const Window* win, Py_ssize_t row,
) noexcept nogil:
    """Copy all phases where those of the columns are two: pixels next to each other are dealt out.

    Row by row of the image, in the order of memory, which is what the processor reads ahead in.
    """
    cdef Py_ssize_t col = -win.left
    cdef Py_ssize_t columns = band.columns
    cdef Py_ssize_t first = min(columns, max(0, (1 - col) // 2))    # of the pairs that are whole
    cdef Py_ssize_t last = max(first, min(columns, (width - col) // 2))
    cdef Py_ssize_t plane = band.height * band.width
    cdef Py_ssize_t i, phase, here
    cdef real* pairs
    for phase in range(2 * band.phases_h):
        here = row + phase // 2 * win.dilation_h % win.stride_h
        copy_columns(
            target + phase * plane, image, height, width, band, band.height, here, win.stride_h,
            col + phase % 2, 2, 0, first,
        )
        copy_columns(
            target + phase * plane, image, height, width, band, band.height, here, win.stride_h,
            col + phase % 2, 2, last, columns,
        )
    target = target + first
    for i in range(band.height):
        for phase in range(band.phases_h):
            here = row + i * win.stride_h + phase * win.dilation_h % win.stride_h
            pairs = target + 2 * phase * plane + i * band.width
            if 0 <= here < height:
                deal_run(
                    pairs, pairs + plane, image + here * width + col + 2 * first, last - first
                )
            else:
                zero(pairs, last - first)
                zero(pairs + plane, last - first)


cdef void copy_band(
    real* target, const real* image, Py_ssize_t height, Py_ssize_t width, const Band* band,
    const Window* win, Py_ssize_t first_row,
) noexcept nogil:
    """Copy the band of one channel that output rows from `first_row` on read."""
    cdef Py_ssize_t row = first_row * win.stride_h - win.top
    cdef Py_ssize_t i, j
    target = target + band.shift
    if win.stride_w == 2 and band.phases_w == 2 and win.dilation_w == 1:
        copy_pairs(target, image, height, width, band, win, row)
        return
    for i in range(band.phases_h):
        for j in range(band.phases_w):
            copy_phase(
                target, image, height, width, band,
                row + i * win.dilation_h % win.stride_h, win.stride_h,
                j * win.dilation_w % win.stride_w - win.left, win.stride_w,
            )
            target = target + band.height * band.width


def band_values(
    tuple window, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t out_width, Py_ssize_t rows,
    Py_ssize_t vector
):
    """Return how many values the band of one channel takes; `vector` is that of `plan_band`."""
    cdef Window win = as_window(window)
    return plan_band(&win, kernel_h, kernel_w, out_width, rows, 1, vector).channel
