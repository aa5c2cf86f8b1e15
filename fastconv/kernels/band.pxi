# A band of the image: the rows that a few output rows read, copied once into a form in which zero
# padding and stride are gone, and every tap is a single offset.
#
#     zero padding   is written out as zeros
#     stride S       the pixels are dealt out to phases, as cards to S players: tap r of all output
#                    rows lies in phase (r·D) mod S, there in consecutive rows
#     rows           follow each other without a gap, `width` apart, so that output pixel (i, j) is
#                    position i·width + j and a tile of pixels may run on from row to row; the
#                    positions between OW and width are computed and thrown away
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
    Py_ssize_t width
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
    Window win, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t out_width, Py_ssize_t rows,
    Py_ssize_t channels,
) noexcept nogil:
    """Lay out the scratch of a band of `rows` output rows and so many channels."""
    cdef Band band
    band.rows = rows
    band.channels = channels
    band.phases_h = count_phases(kernel_h, win.stride_h, win.dilation_h)
    band.phases_w = count_phases(kernel_w, win.stride_w, win.dilation_w)
    band.height = rows + (kernel_h - 1) * win.dilation_h // win.stride_h
    band.width = out_width + (kernel_w - 1) * win.dilation_w // win.stride_w
    band.channel = band.phases_h * band.phases_w * band.height * band.width
    return band


cdef void find_offsets(
    Py_ssize_t* offsets, Band band, Window win, Py_ssize_t kernel_h, Py_ssize_t kernel_w
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


cdef void copy_band(
    real* target, const real* image, Py_ssize_t height, Py_ssize_t width, Band band, Window win,
    Py_ssize_t first_row,
) noexcept nogil:
    """Copy the band of one channel that output rows from `first_row` on read."""
    cdef Py_ssize_t phase_h, phase_w, i, j, row, col, first, last
    for phase_h in range(band.phases_h):
        for phase_w in range(band.phases_w):
            col = phase_w * win.dilation_w % win.stride_w - win.left
            first = min(first_inside(col, win.stride_w), band.width)
            last = max(first, last_inside(col, win.stride_w, width, band.width))
            for i in range(band.height):
                row = (first_row + i) * win.stride_h + phase_h * win.dilation_h % win.stride_h
                row = row - win.top
                if row < 0 or row >= height:
                    fill_row(target, <real>0, band.width)
                else:
                    fill_row(target, <real>0, first)
                    copy_row(
                        target + first, image + row * width + first * win.stride_w + col,
                        win.stride_w, last - first,
                    )
                    fill_row(target + last, <real>0, band.width - last)
                target = target + band.width
