# The tiles of filters of one channel at stride 1, pixels in the lanes: rows and vectors of the
# output stay in registers, and a row of the image is loaded, tap by tap, for all the rows of the
# tile that see it. Of a tile of four rows and a kernel of five:
#
#     image row q     output rows m = q - r
#     ───────────     0  1  2  3
#         0           r0                  the first rows of the image have ever more of the tile,
#         1           r1 r0
#         2           r2 r1 r0
#         3           r3 r2 r1 r0         those in the middle all of it,
#         4           r4 r3 r2 r1
#         5              r4 r3 r2         the last ones ever less
#         6                 r4 r3
#         7                    r4
#
# A step loads `vectors` of pixels and broadcasts a weight for each row, for rows·vectors
# multiply-adds. The weights are packed so that those of a step follow each other:
#
#     panel[q][s][m] = w[q - m][s]
#
# Each sum begins with the bias and takes its taps in order, wherever in a tile it is: where tiles
# lie changes no bit.

cdef extern from *:
    """
    /* Rows x vectors of a tile: as many rows as a kernel has, or a power of two below; of a kernel
       of three rows four. */
    #define TILING_ROWS (REGISTERS == 32 ? 8 : 4)
    #define TILING_VECTORS_OF_4 (REGISTERS == 32 ? 6 : 3)
    #define TILING_MOST_LANES (6 * FLOATS)
    #define TILING_VALUES (REGISTERS == 32 ? 24 * FLOATS : 12 * FLOATS)
    """
    enum: TILING_ROWS
    enum: TILING_VECTORS_OF_4
    enum: TILING_MOST_LANES
    enum: TILING_VALUES

cdef enum:
    TILING_VECTORS_OF_8 = 3
    TILING_VECTORS_OF_FEW = 6


cdef struct Tiling:
    Py_ssize_t taps         # rows of the kernel,
    Py_ssize_t across       # its columns,
    Py_ssize_t step         # and how far apart they are in the image
    Py_ssize_t rows         # of a tile
    Py_ssize_t lanes        # and its columns
    Py_ssize_t pitch        # from row to row of what is read
    Py_ssize_t* offsets     # of the taps, in it
    Py_ssize_t panel        # values of the weights, packed


cdef inline Py_ssize_t tiling_rows(Py_ssize_t taps) noexcept nogil:
    """Return the rows of a tile under a kernel of so many rows."""
    cdef Py_ssize_t rows = TILING_ROWS
    if taps == 3:
        return 4  # see few_taps_tile
    while rows > taps:
        rows = rows // 2
    return rows


cdef inline Py_ssize_t tiling_lanes(Py_ssize_t rows, Py_ssize_t itemsize) noexcept nogil:
    """Return the columns of a tile of so many rows."""
    return VECTOR_BYTES // itemsize * (
        TILING_VECTORS_OF_8 if rows == 8 else
        TILING_VECTORS_OF_4 if rows == 4 else TILING_VECTORS_OF_FEW
    )


def tile_shape(Py_ssize_t taps, Py_ssize_t itemsize):
    """Return rows and columns of a tile under a kernel of so many rows, for planning."""
    cdef Py_ssize_t rows = tiling_rows(taps)
    return rows, tiling_lanes(rows, itemsize)


cdef int lay_out_tiling(
    Tiling* tiling, const Axis* down, const Axis* across, Py_ssize_t rows, Py_ssize_t itemsize,
    Py_ssize_t pitch, list memory,
) except -1:
    """Fill in a tiling of these taps for tiles of so many rows."""
    cdef Py_ssize_t t
    tiling.taps, tiling.across, tiling.step = down.kernel, across.kernel, across.dilation
    tiling.rows, tiling.lanes = rows, tiling_lanes(rows, itemsize)
    tiling.pitch = pitch
    tiling.offsets = allot_table(memory, down.kernel * across.kernel)
    for t in range(down.kernel * across.kernel):
        tiling.offsets[t] = (
            t // across.kernel * pitch + t % across.kernel * across.dilation
        )
    tiling.panel = (down.kernel + rows - 1) * across.kernel * rows
    return 0


cdef void pack_shifted(
    const real* w, Py_ssize_t taps, Py_ssize_t across, Py_ssize_t rows, real* panel
) noexcept nogil:
    """Do panel[q][s][m] = w[q - m][s]; what is not there is never read."""
    cdef Py_ssize_t q, s, m
    for q in range(taps + rows - 1):
        for s in range(across):
            for m in range(max(0, q - taps + 1), min(rows, q + 1)):
                panel[(q * across + s) * rows + m] = w[(q - m) * across + s]


cdef inline void add_loaded(
    const int first, const int last, const int rows, const int vectors, Py_ssize_t taps,
    Py_ssize_t step, const real* panel, const real* pixels, real* sums,
) noexcept nogil:
    """Do what `add_shifted` does; pixels are loaded once for all rows.

    The loop begins after them: what is loaded in two places GCC keeps in a register. Else up to
    three rows take it from memory, where 64 bytes are two accesses nearly everywhere.
    """
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef real held[TILING_MOST_LANES]
    cdef Py_ssize_t t = 0
    cdef int m, n
    for n in range(lanes):
        held[n] = pixels[n]
    while True:
        for m in range(first, last):
            for n in range(lanes):
                sums[m * lanes + n] += panel[m] * held[n]
        t = t + 1
        if t >= taps:
            break
        panel = panel + rows
        pixels = pixels + step
        for n in range(lanes):
            held[n] = pixels[n]


cdef inline void add_shifted(
    const int first, const int last, const int rows, const int vectors, Py_ssize_t taps,
    Py_ssize_t step, const real* panel, const real* pixels, real* sums,
) noexcept nogil:
    """Do sums[m][n] += panel[t][m] · pixels[t·step + n], for the rows m from first to last."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t t = 0
    cdef int m, n
    if last - first > 1 and TILING_ROWS == 8:
        add_loaded(first, last, rows, vectors, taps, step, panel, pixels, sums)
        return
    while True:  # at least once: see README.md
        for m in range(first, last):
            for n in range(lanes):
                sums[m * lanes + n] += panel[m] * pixels[n]
        panel = panel + rows
        pixels = pixels + step
        t = t + 1
        if t >= taps:
            break


cdef inline void add_all(
    const int rows, const int vectors, Py_ssize_t taps, const real* panel, const real* pixels,
    const Py_ssize_t* offsets, real* sums,
) noexcept nogil:
    """Do sums[m][n] += panel[t][m] · pixels[offsets[t] + n], for all rows of the tile."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef const real* row
    cdef Py_ssize_t t = 0
    cdef int m, n
    while True:
        row = pixels + offsets[t]
        for m in range(rows):
            for n in range(lanes):
                sums[m * lanes + n] += panel[t * rows + m] * row[n]
        t = t + 1
        if t >= taps:
            break


cdef inline void shifted_tile(
    const int rows, const int vectors, const Tiling* tiling, const real* panel,
    const real* image, real bias, real* y, Py_ssize_t y_width,
) noexcept nogil:
    """Compute so many rows of so many vectors of y; `image` is what its first one sees first."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t taps = tiling.taps
    cdef Py_ssize_t across = tiling.across
    cdef Py_ssize_t step = tiling.step
    cdef Py_ssize_t pitch = tiling.pitch
    cdef Py_ssize_t next_row = across * rows
    cdef real sums[TILING_VALUES]
    cdef Py_ssize_t q = 0
    cdef int m, n
    for n in range(rows * lanes):
        sums[n] = bias
    # Whether a row is seen by the first or last m rows of the tile has to be a constant where the
    # taps are added, so that these rows stay in registers: m is written out. Before that, an image
    # row comes with each.
    if rows > 1:
        add_shifted(0, 1, rows, vectors, across, step, panel, image, sums)
        q = 1
    if rows > 2:
        add_shifted(0, 2, rows, vectors, across, step, panel + next_row, image + pitch, sums)
        add_shifted(
            0, 3, rows, vectors, across, step, panel + 2 * next_row, image + 2 * pitch, sums
        )
        q = 3
    if rows > 4:
        add_shifted(
            0, 4, rows, vectors, across, step, panel + 3 * next_row, image + 3 * pitch, sums
        )
        add_shifted(
            0, 5, rows, vectors, across, step, panel + 4 * next_row, image + 4 * pitch, sums
        )
        add_shifted(
            0, 6, rows, vectors, across, step, panel + 5 * next_row, image + 5 * pitch, sums
        )
        add_shifted(
            0, 7, rows, vectors, across, step, panel + 6 * next_row, image + 6 * pitch, sums
        )
        q = 7
    panel = panel + q * next_row
    image = image + q * pitch
    add_all(rows, vectors, (taps - q) * across, panel, image, tiling.offsets, sums)
    panel = panel + (taps - q) * next_row
    image = image + (taps - q) * pitch
    if rows > 4:
        add_shifted(rows - 7, rows, rows, vectors, across, step, panel, image, sums)
        add_shifted(
            rows - 6, rows, rows, vectors, across, step, panel + next_row, image + pitch, sums
        )
        add_shifted(
            rows - 5, rows, rows, vectors, across, step, panel + 2 * next_row, image + 2 * pitch,
            sums,
        )
        add_shifted(
            rows - 4, rows, rows, vectors, across, step, panel + 3 * next_row, image + 3 * pitch,
            sums,
        )
        panel = panel + 4 * next_row
        image = image + 4 * pitch
    if rows > 2:
        add_shifted(rows - 3, rows, rows, vectors, across, step, panel, image, sums)
        add_shifted(
            rows - 2, rows, rows, vectors, across, step, panel + next_row, image + pitch, sums
        )
        panel = panel + 2 * next_row
        image = image + 2 * pitch
    if rows > 1:
        add_shifted(rows - 1, rows, rows, vectors, across, step, panel, image, sums)
    for m in range(rows):
        for n in range(lanes):
            y[m * y_width + n] = sums[m * lanes + n]


cdef inline void few_taps_tile(
    const int vectors, const Tiling* tiling, const real* panel, const real* image, real bias,
    real* y, Py_ssize_t y_width,
) noexcept nogil:
    """Do the same for four rows under a kernel of three: no row of the image is seen by all."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t across = tiling.across
    cdef Py_ssize_t step = tiling.step
    cdef Py_ssize_t pitch = tiling.pitch
    cdef Py_ssize_t next_row = across * 4
    cdef real sums[TILING_VALUES]
    cdef int m, n
    for n in range(4 * lanes):
        sums[n] = bias
    add_shifted(0, 1, 4, vectors, across, step, panel, image, sums)
    add_shifted(0, 2, 4, vectors, across, step, panel + next_row, image + pitch, sums)
    add_shifted(0, 3, 4, vectors, across, step, panel + 2 * next_row, image + 2 * pitch, sums)
    add_shifted(1, 4, 4, vectors, across, step, panel + 3 * next_row, image + 3 * pitch, sums)
    add_shifted(2, 4, 4, vectors, across, step, panel + 4 * next_row, image + 4 * pitch, sums)
    add_shifted(3, 4, 4, vectors, across, step, panel + 5 * next_row, image + 5 * pitch, sums)
    for m in range(4):
        for n in range(lanes):
            y[m * y_width + n] = sums[m * lanes + n]


cdef inline void cover_by_tiles(
    const int rows, const int vectors, const bint few, const Tiling* tiling, const real* panel,
    const real* image, real bias, Py_ssize_t height, Py_ssize_t width, real* y, Py_ssize_t y_width,
    Watch* watch,
) noexcept nogil:
    """Compute so many rows and columns of y; those at their ends may be computed twice."""
    cdef int lanes = vectors * (VECTOR_BYTES // <int>sizeof(real))
    cdef Py_ssize_t pitch = tiling.pitch
    cdef Py_ssize_t work = rows * lanes * tiling.taps * tiling.across
    cdef bint whole = height >= rows and width >= lanes
    cdef real tile[TILING_VALUES]
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t j, m
    cdef Py_ssize_t target_width = y_width if whole else lanes
    cdef real* target
    while i < height:
        if height >= rows:
            i = min(i, height - rows)
        j = 0
        while j < width:
            if not goes_on(watch, work):
                return
            if width >= lanes:
                j = min(j, width - lanes)
            target = y + i * y_width + j if whole else tile
            if few:
                few_taps_tile(
                    vectors, tiling, panel, image + i * pitch + j, bias, target, target_width
                )
            else:
                shifted_tile(
                    rows, vectors, tiling, panel, image + i * pitch + j, bias, target,
                    target_width,
                )
            if not whole:
                for m in range(min(rows, height - i)):
                    copy_run(y + (i + m) * y_width + j, tile + m * lanes, min(lanes, width - j))
            j = j + lanes
        i = i + rows


cdef void cover(
    const Tiling* tiling, const real* panel, const real* image, real bias, Py_ssize_t height,
    Py_ssize_t width, real* y, Py_ssize_t y_width, Watch* watch,
) noexcept nogil:
    """Compute so many rows and columns of y, by the tiling's tiles.

    A tile reads what all of it would see: `image` has room for one at the least.
    """
    if TILING_ROWS == 8 and tiling.rows == 8:
        cover_by_tiles(
            TILING_ROWS, TILING_VECTORS_OF_8, False, tiling, panel, image, bias, height, width, y,
            y_width, watch,
        )
    elif tiling.rows == 4 and tiling.taps == 3:
        cover_by_tiles(
            4, TILING_VECTORS_OF_4, True, tiling, panel, image, bias, height, width, y, y_width,
            watch,
        )
    elif tiling.rows == 4:
        cover_by_tiles(
            4, TILING_VECTORS_OF_4, False, tiling, panel, image, bias, height, width, y, y_width,
            watch,
        )
    elif tiling.rows == 2:
        cover_by_tiles(
            2, TILING_VECTORS_OF_FEW, False, tiling, panel, image, bias, height, width, y, y_width,
            watch,
        )
    else:
        cover_by_tiles(
            1, TILING_VECTORS_OF_FEW, False, tiling, panel, image, bias, height, width, y, y_width,
            watch,
        )
