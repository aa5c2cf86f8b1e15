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


cdef extern from *:
    """
    /* Whether each row asks for the same one of the next channel: the rows of a band are too few,
       and with a stride too far apart, for the processor to fetch them ahead by itself. Measured
       with vectors of 64 bytes. */
    #define ASKS_FOR_ROWS (VECTOR_BYTES == 64)
    """
    enum: ASKS_FOR_ROWS


cdef struct Band:
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


cdef Band plan_band(const Problem* problem, Py_ssize_t rows, Py_ssize_t vector) noexcept nogil:
    """Lay out the band of one channel that so many output rows read.

    With a `vector` above 1 rows are whole vectors and the image's pixels begin at one: twice as
    fast to write, and more to store.
    """
    cdef const Axis* down = &problem.rows
    cdef const Axis* across = &problem.columns
    cdef Band band
    band.phases_h = count_phases(down.kernel, down.stride, down.dilation)
    band.phases_w = count_phases(across.kernel, across.stride, across.dilation)
    band.height = rows + (down.kernel - 1) * down.dilation // down.stride
    band.columns = across.outputs + (across.kernel - 1) * across.dilation // across.stride
    band.width = band.columns
    band.shift = 0
    if vector > 1:
        # where copy_phase finds the first pixel of the image, in the phase of tap 0
        band.shift = first_inside(-across.before, across.stride) % vector
        band.shift = (vector - band.shift) % vector
        band.width = (band.shift + band.columns + vector - 1) // vector * vector
    band.channel = band.phases_h * band.phases_w * band.height * band.width
    return band


cdef void find_offsets(
    Py_ssize_t* offsets, const Band* band, const Problem* problem, Py_ssize_t channels
) noexcept nogil:
    """Fill in, for each tap (c, r, s) of a block of channels, where its pixels begin."""
    cdef const Axis* down = &problem.rows
    cdef const Axis* across = &problem.columns
    cdef Py_ssize_t c, r, s, phase, row, col
    cdef Py_ssize_t t = 0
    for c in range(channels):
        for r in range(down.kernel):
            for s in range(across.kernel):
                phase = r % band.phases_h * band.phases_w + s % band.phases_w
                row = r * down.dilation // down.stride
                col = s * across.dilation // across.stride
                offsets[t] = (
                    c * band.channel + (phase * band.height + row) * band.width + col
                )
                t += 1


# Where one phase of a band comes from: its row i and column j are row + i·down of the image and
# column + j·across.
cdef struct Phase:
    Py_ssize_t row
    Py_ssize_t down
    Py_ssize_t column
    Py_ssize_t across


cdef inline void zero(real* target, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        target[j] = 0


cdef inline void copy_columns(
    real* target, const real* image, const Band* band, const Problem* problem, const Phase* phase,
    Py_ssize_t first, Py_ssize_t last,
) noexcept nogil:
    """Copy the columns [first, last) of a phase.

    A column at a time, for the few that are padding or left over beside whole runs; after those,
    which read the image in the order of memory, and so bring it near.
    """
    cdef Py_ssize_t height = problem.rows.size
    cdef Py_ssize_t width = problem.columns.size
    cdef Py_ssize_t i, j, row, column
    for j in range(first, last):
        column = phase.column + j * phase.across
        if 0 <= column < width:
            for i in range(band.height):
                row = phase.row + i * phase.down
                target[i * band.width + j] = (
                    image[row * width + column] if 0 <= row < height else 0
                )
        else:
            for i in range(band.height):
                target[i * band.width + j] = 0


cdef inline void copy_phase(
    real* target, const real* image, const Band* band, const Problem* problem, const Phase* phase
) noexcept nogil:
    """Copy one phase, zeros where it is outside of the image."""
    cdef Py_ssize_t height = problem.rows.size
    cdef Py_ssize_t width = problem.columns.size
    cdef Py_ssize_t columns = band.columns
    cdef Py_ssize_t across = phase.across
    cdef Py_ssize_t row = phase.row
    cdef Py_ssize_t first = min(first_inside(phase.column, across), columns)
    cdef Py_ssize_t last = max(first, last_inside(phase.column, across, width, columns))
    cdef Py_ssize_t i, j
    cdef const real* source
    cdef real* inside = target + first
    for i in range(band.height):
        if 0 <= row < height:
            source = image + row * width + first * across + phase.column
            if ASKS_FOR_ROWS:
                expect_run((last - first) * across, source + height * width)
            if across == 1:
                copy_run(inside, source, last - first)
            elif across == 2:
                take_run(
                    inside, image + row * width, 2 * first + phase.column, width, last - first
                )
            else:
                for j in range(last - first):
                    inside[j] = source[j * across]
        else:
            zero(inside, last - first)
        row = row + phase.down
        inside = inside + band.width
    copy_columns(target, image, band, problem, phase, 0, first)
    copy_columns(target, image, band, problem, phase, last, columns)


cdef inline void copy_pairs(
    real* target, const real* image, const Band* band, const Problem* problem, Py_ssize_t row
) noexcept nogil:
    """Copy all phases where those of the columns are two: pixels next to each other are dealt out.

    Row by row of the image, in the order of memory, which is what the processor reads ahead in.
    """
    cdef Py_ssize_t height = problem.rows.size
    cdef Py_ssize_t width = problem.columns.size
    cdef Py_ssize_t stride = problem.rows.stride
    cdef Py_ssize_t dilation = problem.rows.dilation
    cdef Py_ssize_t col = -problem.columns.before
    cdef Py_ssize_t columns = band.columns
    cdef Py_ssize_t first = min(columns, max(0, (1 - col) // 2))    # of the pairs that are whole
    cdef Py_ssize_t last = max(first, min(columns, (width - col) // 2))
    cdef Py_ssize_t plane = band.height * band.width
    cdef Py_ssize_t i, n, here
    cdef Phase phase
    cdef real* pairs
    phase.down, phase.across = stride, 2
    for i in range(band.height):
        for n in range(band.phases_h):
            here = row + i * stride + n * dilation % stride
            pairs = target + first + 2 * n * plane + i * band.width
            if 0 <= here < height:
                if ASKS_FOR_ROWS:
                    expect_run(width, image + (height + here) * width)
                deal_run(
                    pairs, pairs + plane, image + here * width + col + 2 * first, last - first
                )
            else:
                zero(pairs, last - first)
                zero(pairs + plane, last - first)
    for n in range(2 * band.phases_h):
        phase.row, phase.column = row + n // 2 * dilation % stride, col + n % 2
        copy_columns(target + n * plane, image, band, problem, &phase, 0, first)
        copy_columns(target + n * plane, image, band, problem, &phase, last, columns)


cdef void copy_band(
    real* target, const real* image, const Band* band, const Problem* problem,
    Py_ssize_t first_row,
) noexcept nogil:
    """Copy the band of one channel that output rows from `first_row` on read."""
    cdef const Axis* down = &problem.rows
    cdef const Axis* across = &problem.columns
    cdef Py_ssize_t row = first_row * down.stride - down.before
    cdef Phase phase
    cdef Py_ssize_t i, j
    target = target + band.shift
    if across.stride == 2 and band.phases_w == 2 and across.dilation == 1:
        copy_pairs(target, image, band, problem, row)
        return
    phase.down, phase.across = down.stride, across.stride
    for i in range(band.phases_h):
        phase.row = row + i * down.dilation % down.stride
        for j in range(band.phases_w):
            phase.column = j * across.dilation % across.stride - across.before
            copy_phase(target, image, band, problem, &phase)
            target = target + band.height * band.width


def band_values(problem, Py_ssize_t rows, Py_ssize_t vector=1):
    """Return how many values the band of one channel takes; `vector` is that of `plan_band`."""
    cdef Problem read = read_problem(problem)
    return plan_band(&read, rows, vector).channel
