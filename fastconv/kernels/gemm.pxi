# Convolution as a matrix product whose second matrix is never written.
#
#     y [filters x pixels]  =  weight [filters x taps]  ·  columns [taps x pixels]
#
# A row of the columns is the image itself, moved by the tap: so the product reads the image in
# place, through one offset per tap, once band.pxi has brought a band of it into the right form.
#
# The loops around the register tile, outermost first:
#
#     unit       an image, a group, a band of output rows, a block of filters    (shared by threads)
#     channels   as many as fit the scratch: copy their band
#     pixels     a stretch of the band, whose taps then stay in the first-level cache
#     filters    a tile's rows at a time
#     taps       in the register tile
#
# Every output is the sum bias + tap 0 + tap 1 + ... in just this order, whatever the blocks:
# between two blocks of channels it waits in y. So the bits depend on neither threads nor batch.

from cython.parallel cimport threadid


cdef struct Outputs:
    Py_ssize_t first_row    # of the band
    Py_ssize_t width        # of the output, OW
    Py_ssize_t positions    # of the band: (rows - 1)·width of the band + OW
    bint begins             # first block of channels: sums start from the bias
    bint ends               # last block of channels: the activation follows
    int activation


cdef inline void one_tile(
    const int rows, const int lanes, Py_ssize_t taps, const real* w, Py_ssize_t w_stride,
    const real* bias, const real* pixels, const Py_ssize_t* offsets, real* y,
    Py_ssize_t plane, Py_ssize_t position, Band band, Outputs outputs,
) noexcept nogil:
    """Add the taps of a block of channels to `rows` planes of y, for `lanes` positions."""
    cdef real tile[MOST_TILE_VALUES]
    cdef int m, n
    if outputs.begins:
        for m in range(rows):
            for n in range(lanes):
                tile[m * lanes + n] = bias[m]
    else:
        move_tile(rows, lanes, tile, y, plane, position, band, outputs, False)
    multiply_tile(rows, lanes, taps, w, w_stride, pixels + position, offsets, tile)
    if outputs.ends and outputs.activation != IDENTITY:
        for n in range(rows * lanes):
            tile[n] = activate(outputs.activation, tile[n])
    move_tile(rows, lanes, tile, y, plane, position, band, outputs, True)


cdef inline void move_tile(
    const int rows, const int lanes, real* tile, real* y, Py_ssize_t plane,
    Py_ssize_t position, Band band, Outputs outputs, bint store,
) noexcept nogil:
    """Load or store the runs of positions that are outputs: columns below OW of each row."""
    cdef Py_ssize_t end = min(position + lanes, outputs.positions)
    cdef Py_ssize_t here = position
    cdef Py_ssize_t i, j, run, m, n
    cdef real* inside
    cdef real* outside
    while here < end:
        i = here // band.width
        j = here % band.width
        run = min(outputs.width - j, end - here)
        if band.width == outputs.width:  # rows follow each other in y as well
            run = end - here
        for m in range(rows):
            inside = tile + m * lanes + (here - position)
            outside = y + m * plane + (outputs.first_row + i) * outputs.width + j
            if not store:
                inside, outside = outside, inside
            if run == lanes:  # whole vectors, unrolled
                for n in range(lanes):
                    outside[n] = inside[n]
            else:
                for n in range(run):
                    outside[n] = inside[n]
        here = here + max(run, band.width - j)


cdef void all_tiles(
    Py_ssize_t filters, Py_ssize_t taps, const real* w, Py_ssize_t w_stride, const real* bias,
    const real* pixels, const Py_ssize_t* offsets, real* y, Py_ssize_t plane, Band band,
    Outputs outputs,
) noexcept nogil:
    """Cover filters x positions with tiles: tall ones, then lower and longer ones for the rest."""
    cdef Py_ssize_t start, position, end, k
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    start = 0
    while start < outputs.positions:
        end = min(start + LONG_VECTORS * vector, outputs.positions)
        k = 0
        while k + TALL_ROWS <= filters:
            position = start
            while position < end:
                one_tile(
                    TALL_ROWS, TALL_VECTORS * (VECTOR_BYTES // <int>sizeof(real)), taps,
                    w + k * w_stride, w_stride, bias + k, pixels, offsets, y + k * plane,
                    plane, position, band, outputs,
                )
                position = position + TALL_VECTORS * vector
            k = k + TALL_ROWS
        while k + LONG_ROWS <= filters:
            one_tile(
                LONG_ROWS, LONG_VECTORS * (VECTOR_BYTES // <int>sizeof(real)), taps,
                w + k * w_stride, w_stride, bias + k, pixels, offsets, y + k * plane,
                plane, start, band, outputs,
            )
            k = k + LONG_ROWS
        while k + 2 <= filters:
            one_tile(
                2, LONG_VECTORS * (VECTOR_BYTES // <int>sizeof(real)), taps,
                w + k * w_stride, w_stride, bias + k, pixels, offsets, y + k * plane,
                plane, start, band, outputs,
            )
            k = k + 2
        if k < filters:
            one_tile(
                1, LONG_VECTORS * (VECTOR_BYTES // <int>sizeof(real)), taps,
                w + k * w_stride, w_stride, bias + k, pixels, offsets, y + k * plane,
                plane, start, band, outputs,
            )
        start = end


cdef void gemm_unit(
    const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias,
    real[:, :, :, ::1] y, Window win, Py_ssize_t groups, int activation, Band band,
    Py_ssize_t filter_block, const Py_ssize_t* offsets, real* pixels, Py_ssize_t unit,
) noexcept nogil:
    """Compute one unit: unit = ((n·groups + group)·bands + band)·blocks + block."""
    cdef Py_ssize_t group_filters = w.shape[0] // groups
    cdef Py_ssize_t blocks = (group_filters + filter_block - 1) // filter_block
    cdef Py_ssize_t bands = (y.shape[2] + band.rows - 1) // band.rows
    cdef Py_ssize_t taps_per_channel = w.shape[2] * w.shape[3]
    cdef Py_ssize_t block = unit % blocks
    cdef Py_ssize_t group = unit // (blocks * bands) % groups
    cdef Py_ssize_t n = unit // (blocks * bands * groups)
    cdef Py_ssize_t k = group * group_filters + block * filter_block
    cdef Py_ssize_t filters = min(filter_block, group_filters - block * filter_block)
    cdef Py_ssize_t c, i, channels, rows
    cdef Outputs outputs
    outputs.first_row = unit // blocks % bands * band.rows
    outputs.width = y.shape[3]
    outputs.activation = activation
    rows = min(band.rows, y.shape[2] - outputs.first_row)
    outputs.positions = (rows - 1) * band.width + y.shape[3]
    c = 0
    while c < w.shape[1]:
        channels = min(band.channels, w.shape[1] - c)
        outputs.begins = c == 0
        outputs.ends = c + channels == w.shape[1]
        for i in range(channels):
            copy_band(
                pixels + i * band.channel, &x[n, group * w.shape[1] + c + i, 0, 0], x.shape[2],
                x.shape[3], band, win, outputs.first_row,
            )
        all_tiles(
            filters, channels * taps_per_channel, &w[k, c, 0, 0],
            w.shape[1] * taps_per_channel, &bias[k], pixels, offsets, &y[n, k, 0, 0],
            y.shape[2] * y.shape[3], band, outputs,
        )
        c = c + channels


def gemm_scratch(
    tuple window, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t out_width, Py_ssize_t rows,
    Py_ssize_t channels, Py_ssize_t itemsize,
):
    """Return how many values one thread's band takes, a tile's overhang included."""
    cdef Band band = plan_band(as_window(window), kernel_h, kernel_w, out_width, rows, channels)
    return band.channel * channels + LONG_VECTORS * VECTOR_BYTES // itemsize


def gemm_tile_rows():
    """Return how many filters the tallest tile has."""
    return TALL_ROWS


def forward_gemm(
    const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias,
    real[:, :, :, ::1] y, tuple window, Py_ssize_t groups, int activation,
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t filter_block,
    Py_ssize_t[::1] offsets, real[:, ::1] scratch,
    Py_ssize_t first, Py_ssize_t last, int threads,
):
    """Compute the units [first, last); `scratch` has a row for each thread."""
    cdef Window win = as_window(window)
    cdef Band band = plan_band(win, w.shape[2], w.shape[3], y.shape[3], rows, channels)
    cdef Py_ssize_t unit
    find_offsets(&offsets[0], band, win, w.shape[2], w.shape[3])
    for unit in prange(first, last, nogil=True, num_threads=threads, schedule="static"):
        gemm_unit(
            x, w, bias, y, win, groups, activation, band, filter_block, &offsets[0],
            &scratch[threadid(), 0], unit,
        )
